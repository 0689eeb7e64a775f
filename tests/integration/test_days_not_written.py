"""Days that the database does not take: after some in a row the rest is red unasked, whichever side is to blame."""

import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from in_process import installed

from assets.pull import materialization
from assets.pull.windows import BAD_DAYS_IN_A_ROW, FIRST_WINDOW_DAYS, WIDEST_WINDOW_DAYS
from assets.reports import REPORTS
from pipelines import launch
from pipelines.commands import pull
from resources.kaltura.windows import DAY, Days
from resources.warehouse.warehouse import Warehouse
from simulator import ListedWorld, University, View, serving
from tests.integration.test_whole_days import PEOPLE, Place

FIRST = dt.date(2025, 2, 3)
WINDOWS = 5
RANGE = Days(FIRST, FIRST + (FIRST_WINDOW_DAYS + (WINDOWS - 1) * WIDEST_WINDOW_DAYS - 1) * DAY)
GOOD_DAYS = 2


@pytest.fixture
def dagster(database: str) -> Iterator[SimpleNamespace]:
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura, installed(kaltura, database) as inside:
        yield inside


def test_once_days_can_not_be_written_kaltura_is_asked_for_no_further_window(dagster: SimpleNamespace) -> None:
    bad = RANGE.first + GOOD_DAYS * DAY
    dagster.sql(f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_days CHECK (partition_date < '{bad}')")
    result = dagster.pull(RANGE)
    assert not result.success
    # The first window, and the one that is on its way while that is loaded.
    asked = [request for request in dagster.kaltura.requests if request.report_id]
    assert len(asked) <= 2 * len(REPORTS)

    assert dagster.sql("SELECT DISTINCT partition_date FROM kaltura.loads ORDER BY 1").fetchall() == [
        (RANGE.first + n * DAY,) for n in range(GOOD_DAYS)
    ]
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = failure.user_failure_data.description.splitlines()
    unasked = bad + BAD_DAYS_IN_A_ROW * DAY
    assert f"{unasked} to {RANGE.last}: not loaded, as the 3 days before it failed one after another" in said
    assert said[0] == f"{len(RANGE) - GOOD_DAYS} of the run's days could not be loaded; all others are."


def test_days_that_can_not_be_written_here_and_there_stop_nothing(dagster: SimpleNamespace) -> None:
    week = Days(FIRST, FIRST + 6 * DAY)
    good = [week.first + n * DAY for n in (2, 5)]
    listed = ", ".join(f"'{day}'" for day in good)
    dagster.sql(f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_days CHECK (partition_date IN ({listed}))")
    assert not dagster.pull(week).success
    assert dagster.sql("SELECT DISTINCT partition_date FROM kaltura.loads ORDER BY 1").fetchall() == [
        (day,) for day in good
    ]


@pytest.mark.parametrize("error", [ValueError, KeyError, MemoryError], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("where", ["before it is written", "once it is written"])
def test_an_error_that_nobody_thought_of_costs_the_day_that_it_meets(
    where: str, error: type[Exception], dagster: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of five days the second. Its own text may quote a row: it is not told."""
    days = Days(FIRST, FIRST + 4 * DAY)
    bad, others = FIRST + DAY, [FIRST, *Days(FIRST + 2 * DAY, days.last)]
    upsert, picture = Warehouse.upsert, materialization.picture
    loading: list[dt.date] = []

    def upserted(warehouse: Warehouse, day: dt.date, *more: Any) -> Any:
        loading[:] = [day]
        if day == bad and where == "before it is written":
            raise error("ann@example.org")
        return upsert(warehouse, day, *more)

    def drawn(*more: Any) -> Any:
        if loading == [bad] and where == "once it is written":
            raise error("ann@example.org")
        return picture(*more)

    monkeypatch.setattr(Warehouse, "upsert", upserted)
    monkeypatch.setattr(materialization, "picture", drawn)
    run = dagster.pull(days)
    assert not run.success
    assert {str(day) for day in others} == dagster.marked()
    [failure] = [event.step_failure_data for event in run.all_events if event.is_step_failure]
    said = failure.user_failure_data.description
    assert "1 of the run's days could not be loaded; all others are." in said
    assert f"{bad}: {error.__name__} in test_days_not_written.py, line " in said
    assert "example.org" not in said
    assert dagster.evaluations(run), "the days that are in are checked"


LOST = "1_lost"  # a session that 6000 does not list


def with_a_lost_session(place: Place, days: int) -> None:
    """A session a day; on the third, somebody was in one that 6000 does not list."""
    for day in range(days):
        place.meets(f"1_cue{day}", 24 * day + 9, 24 * day + 10)
    place.views.append(View("1_room", LOST, PEOPLE[1], place.second(2 * 24 + 9), place.second(2 * 24 + 10)))


def lost_lines(warehouse: Warehouse) -> int:
    with warehouse.connection() as connection:
        return len(connection.execute("SELECT FROM kaltura.rejects WHERE raw LIKE %s", [f"%{LOST}%"]).fetchall())


def counted_lines(warehouse: Warehouse) -> dict[dt.date, int]:
    """Rows that could not be used, by the newest load of each day."""
    query = (
        "SELECT DISTINCT ON (partition_date) partition_date, rows_rejected FROM kaltura.loads WHERE report_id = 6001"
        " ORDER BY partition_date, pull DESC"
    )
    with warehouse.connection() as connection:
        return {day: count for day, count in connection.execute(query).fetchall() if count}


def test_lines_that_tell_no_day_come_in_with_the_first_day_of_their_window_that_does(
    warehouse: Warehouse, database: str
) -> None:
    """The first day alone, pulled again, is too narrow a window for them."""
    days = Days(FIRST, FIRST + 2 * DAY)
    with serving(ListedWorld()) as kaltura, installed(kaltura, database) as dagster:
        place = Place(kaltura, warehouse, monday=FIRST)
        with_a_lost_session(place, days=3)
        kaltura.world = ListedWorld(place.sessions, (), place.views)
        dagster.sql(f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_day CHECK (partition_date <> '{FIRST}')")
        assert not dagster.pull(days).success
        assert dagster.marked() == {str(day) for day in (FIRST + DAY, days.last)}
        assert (lost_lines(warehouse), counted_lines(warehouse)) == (1, {FIRST + DAY: 1})
        dagster.sql("ALTER TABLE kaltura.loads DROP CONSTRAINT no_such_day")
        assert dagster.pull(Days(FIRST, FIRST)).success
        assert (lost_lines(warehouse), counted_lines(warehouse)) == (1, {FIRST + DAY: 1})


def test_lines_that_tell_no_day_are_not_lost_where_a_later_pull_has_the_first_day_of_their_window(
    warehouse: Warehouse,
) -> None:
    with serving(ListedWorld()) as kaltura:
        place = Place(kaltura, warehouse)
        with_a_lost_session(place, days=3)
        older = place.bring(0, 2)
        place.pull(0)
        place.write(older)
        assert (lost_lines(warehouse), counted_lines(warehouse)) == (1, {place.day(1): 1})
        received = sum(older.by_day[day][1].received for day in older.days)
        with warehouse.connection() as connection:
            query = "SELECT sum(rows_received) FROM kaltura.loads WHERE report_id = 6001 AND pull = %s"
            assert connection.execute(query, [older.pull.number]).fetchone() == (received,)
        latest, last = place.bring(0, 2), place.pull(0, 2)
        place.write(latest)
        assert (lost_lines(warehouse), counted_lines(warehouse)) == (1, {place.day(0): 1})
        assert latest.pull.number < last.pull.number


@pytest.mark.parametrize("lost", [1, 3])
def test_days_that_were_lost_after_they_were_marked_are_not_counted_among_those_that_are_in(
    lost: int, database: str
) -> None:
    """As by a failover to a standby that lacks what was written last."""
    days = Days(FIRST, FIRST + 2 * DAY)
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as inside,
    ):
        inside.sql(
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN DELETE FROM kaltura.loads WHERE id = new.id; RETURN NULL; END$$"
        )
        inside.sql(
            "CREATE CONSTRAINT TRIGGER lost AFTER INSERT ON kaltura.loads DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            f" WHEN (new.partition_date < '{FIRST + lost * DAY}') EXECUTE FUNCTION lose()"
        )
        result = inside.pull(days)
        assert inside.marked() == {str(day) for day in days}
        told = launch._told(instance, result.run_id)
        run = launch.Launched(result.run_id, launch._why(result), told, launch._failed_days(result))
    assert f"{lost} of the run's days could not be loaded" in run.why
    assert pull._loaded(run) == len(days) - lost
