"""The check few_rejects over pulls that follow one another: it warns for as long as rows are refused."""

from collections.abc import Callable

import dagster as dg
import pytest

from assets.attendees import ATTENDEES
from assets.checks import checks
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.windows import Days
from resources.warehouse.warehouse import Warehouse
from simulator import Fault, Running, View
from tests.integration.test_whole_days import PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura

MEETINGS = 20  # a day
SECONDS_DIGITS = 10  # of a time in Unix seconds


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    made = Place(kaltura, warehouse)
    for day in range(5):
        for number in range(MEETINGS):
            made.meets(f"{day}_{number}", 24 * day + 9, 24 * day + 10, entry=f"1_room{number:02}")
    return made


def without_session(line: str) -> str:
    """Three sessions of the third day, as Kaltura writes those that it has lost: their times are lost with them."""
    values = line.split(",")
    if not {f"2_{number}" for number in range(3)} & {*values}:
        return line
    is_lost = [value.startswith("2_") or len(value) == SECONDS_DIGITS for value in values]
    return ",".join("Unknown" if lost else value for value, lost in zip(values, is_lost, strict=True))


def warned(place: Place, report: Report, first: int, last: int) -> list[dict[str, object]]:
    key = dg.AssetCheckKey(report.key, "few_rejects")
    days = Days(place.day(first), place.day(last))
    [told] = checks.results({key}, (), days, 1, place.warehouse, has_all_attendees=True)
    return [] if told.passed else [dict(record.data) for record in told.metadata["sample"].records]


@pytest.mark.parametrize("report", [ROOM_SESSIONS, ATTENDEES], ids=lambda report: report.table.name)
def test_lines_without_a_day_that_come_again_with_another_stretch_of_days_warn_there_too(
    report: Report, place: Place
) -> None:
    """They stand in the table by the first day that they came with, and are counted by the first of each pull's."""
    for first, last in ((0, 2), (1, 3), (2, 4)):
        place.write(place.bring_changed(first, report, without_session, last))
        [found] = warned(place, report, first, last)
        assert (found["partition_date"], found["rows_of_reason"]) == (str(place.day(first)), 3)
        assert found["rejected_together"] == 3
        assert "cue_point_id" in str(found["reason"])
    for first, last in ((1, 3), (3, 4)):
        place.pull(first, last)
        assert warned(place, report, first, last) == []


def test_rows_that_are_counted_as_refused_and_of_which_no_line_is_there_are_told_all_the_same(place: Place) -> None:
    place.write(place.bring_changed(0, ROOM_SESSIONS, without_session, 2))
    with place.warehouse.connection() as connection:
        connection.execute("DELETE FROM kaltura.rejects")
    [found] = warned(place, ROOM_SESSIONS, 0, 2)
    assert found["partition_date"] == str(place.day(0))
    assert found["rows_of_reason"] == 3
    assert "not in kaltura.rejects" in str(found["reason"])


def figures_first(text: str) -> str:
    """A report with its columns in the opposite order."""
    return "\n".join(",".join(reversed(line.split(","))) for line in text.split("\n"))


@pytest.mark.parametrize("order", [str, figures_first], ids=["as declared", "figures first"])
def test_a_line_without_a_day_stands_once_whatever_figures_it_came_with(
    order: Callable[[str], str], place: Place
) -> None:
    lost = [View("1_room", "1_lost", user, place.second(20), place.second(44)) for user in PEOPLE[:2]]
    place.views += lost
    place.kaltura.faults.add(Fault("rewritten", report_id=6001, times=None, rewrite=order))
    for first, last in ((0, 0), (0, 1), (0, 0)):
        place.pull(first, last)
        with place.warehouse.connection() as connection:
            lines = connection.execute("SELECT raw FROM kaltura.rejects WHERE raw LIKE '%1_lost%'").fetchall()
        assert len(lines) == len(lost), (first, last)
