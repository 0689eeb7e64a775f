"""Weeks whose report is made up for: what the warehouse has is told, and each of them once."""

import datetime as dt
from types import SimpleNamespace

import dagster as dg
import pytest

from assets.reports import REPORTS
from assets.room_report.asset import room_report
from pipelines.definitions import defs
from pipelines.schedules import weekly_report
from resources.kaltura.windows import DAY
from resources.warehouse.resource import WarehouseResource
from tests.integration.test_missed_days import ACCOUNT, load
from tests.integration.test_missed_days import books as books

MONDAY = dt.date(2026, 3, 16)


def before(weeks: int) -> dt.date:
    return MONDAY - dt.timedelta(weeks=weeks)


def marked(books: SimpleNamespace, week: dt.date, days: int) -> None:
    for report in REPORTS:
        for number in range(days):
            mark = dg.AssetMaterialization(report.key, partition=str(week + number * DAY))
            books.instance.report_runless_asset_event(mark)


def loaded(books: SimpleNamespace, week: dt.date, days: int, first: int = 0) -> None:
    load(books, [week + number * DAY for number in range(first, days)])
    marked(books, week, days)


def reported(books: SimpleNamespace, week: dt.date, days: int) -> None:
    figures = [
        dg.TableRecord({"account": 7, "days loaded": 7}),
        dg.TableRecord({"account": ACCOUNT, "days loaded": days}),
    ]
    metadata = {"figures": dg.MetadataValue.table(figures)}
    books.instance.report_runless_asset_event(
        dg.AssetMaterialization(room_report.key, metadata=metadata, partition=str(week))
    )


def asked_for(books: SimpleNamespace) -> list[int]:
    """How many weeks before that Monday each of them begins."""
    with dg.build_schedule_context(  # left open, its instance would stay the one that later tests get
        books.instance,
        scheduled_execution_time=dt.datetime.combine(MONDAY, dt.time(6, 30), dt.UTC),
        repository_def=defs.get_repository_def(),
        resources={"warehouse": WarehouseResource(url=books.url)},
    ) as context:
        requests = weekly_report.evaluate_tick(context).run_requests
    return [(MONDAY - dt.date.fromisoformat(str(request.partition_key))).days // 7 for request in requests]


def test_the_weekly_report_is_of_the_last_two_weeks_and_of_those_that_came_in_after_a_time_when_nothing_ran(
    books: SimpleNamespace,
) -> None:
    """Five weeks off: `daily_pull` has brought back most of them, and of the week before all is as it was reported."""
    for weeks in range(2, 7):
        loaded(books, before(weeks), 7)
    reported(books, before(6), 7)
    assert asked_for(books) == [5, 4, 3, 2, 1]
    for weeks in range(1, 6):
        reported(books, before(weeks), 7)
    assert asked_for(books) == [2, 1]


def test_a_week_that_was_reported_without_a_day_that_has_come_in_since_is_reported_again(
    books: SimpleNamespace,
) -> None:
    week = before(4)
    loaded(books, week, 6)
    reported(books, week, 6)
    assert asked_for(books) == [2, 1]
    loaded(books, week, 7, first=6)
    assert asked_for(books) == [4, 2, 1]


def test_weeks_of_which_nothing_came_in_and_those_of_half_a_year_ago_are_not_reported(books: SimpleNamespace) -> None:
    for weeks in (26, 27):
        loaded(books, before(weeks), 7)
    assert asked_for(books) == [26, 2, 1]


def pulled_for_one_room(books: SimpleNamespace, day: dt.date) -> None:
    load(books, [day], filters='{"entry_ids_in": ["1_room"]}')


def without_attendees(books: SimpleNamespace, day: dt.date) -> None:
    load(books, [day], reports=[6000, 6002])


def lost(books: SimpleNamespace, day: dt.date) -> None:
    """Its mark outlives it."""


def test_a_week_of_an_account_without_breakouts_is_made_up_for(books: SimpleNamespace) -> None:
    week = before(4)
    load(books, [week + number * DAY for number in range(7)], reports=[6000, 6001])
    assert asked_for(books) == [4, 2, 1]
    reported(books, week, 7)
    assert asked_for(books) == [2, 1]


@pytest.mark.parametrize("how", [pulled_for_one_room, without_attendees, lost])
def test_a_week_with_a_day_that_is_marked_and_not_whole_is_not_reported_each_monday(
    how, books: SimpleNamespace
) -> None:
    week = before(4)
    loaded(books, week, 6)
    how(books, week + 6 * DAY)
    marked(books, week, 7)
    assert asked_for(books) == [4, 2, 1]
    reported(books, week, 6)
    assert asked_for(books) == [2, 1]


def test_marks_over_a_warehouse_that_was_emptied_ask_for_no_report(books: SimpleNamespace) -> None:
    for weeks in range(3, 9):
        marked(books, before(weeks), 7)
    assert asked_for(books) == [2, 1]
