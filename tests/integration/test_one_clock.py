"""Two clocks that differ: the database says which pull is the later one, Kaltura what time it is."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg
import pytest
from conftest import client_of
from in_process import installed

from assets.pull.extract import extract
from assets.pull.filters import Filters
from assets.reports import REPORTS, TABLES
from resources.arrivals import Pull
from resources.kaltura.windows import Calendar, Days
from resources.local import postgres as local_postgres
from resources.postgres.migrations import Migrations, files
from resources.warehouse.warehouse import Warehouse
from simulator import ListedWorld, Running, Session, University, View, serving
from tests.integration.test_upsert import load, rows
from tests.integration.test_whole_days import PEOPLE, Place
from tests.truth import assert_equal

DAY = Days(dt.date(2026, 3, 4), dt.date(2026, 3, 4))
HOUR = 3600


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    return Place(kaltura, warehouse)


@pytest.fixture
def university(database: str) -> Iterator[SimpleNamespace]:
    with serving(University(seed=11, timezone="UTC", rooms=3)) as running, installed(running, database) as dagster:
        yield dagster


def pulled_by_a_clock(place: Place, ahead_hours: float) -> list[tuple[int, int, int]]:
    """What a pull of the day by a machine whose clock is ahead inserted, updated and found superseded."""
    brought = place.bring(0)
    at = brought.pull.at + dt.timedelta(hours=ahead_hours)
    loads = load(place, brought, pull=Pull(brought.pull.number, at))
    return [(each.inserted, each.updated, each.superseded) for each in loads]


@pytest.mark.parametrize("ahead_hours", [24, 24 * 3650, -24])
def test_after_a_pull_by_a_clock_that_was_off_the_next_pull_wins_all_the_same(place: Place, ahead_hours: int) -> None:
    place.meets("1_a", 9, 10, [(9, 10), (9, 9.5)])
    pulled_by_a_clock(place, ahead_hours)
    place.views.append(View("1_room", "1_a", PEOPLE[4], place.second(9), place.second(10)))
    place.sessions[0] = Session("1_room", "Renamed", "", "1_a", place.second(9), place.second(10), "host")
    again = load(place, place.bring(0))
    assert [(each.inserted, each.updated, each.superseded) for each in again] == [(1, 0, 0), (0, 0, 0), (0, 1, 0)]
    assert_equal(place.tables, place.truth(0))


def test_rows_that_the_table_knows_better_are_counted_apart_from_unchanged_ones(place: Place) -> None:
    place.meets("1_a", 9, 10, [(9, 10), (9, 9.5)])
    early = place.bring(0)
    place.meets("1_b", 11, 12)
    load(place, place.bring(0))
    late = {each.table: each for each in load(place, early)}
    assert (late["attendees"].unchanged, late["attendees"].superseded) == (0, 2)
    assert (late["room_sessions"].unchanged, late["room_sessions"].superseded) == (0, 1)
    assert rows(place, "SELECT sum(rows_superseded), sum(unchanged) FROM kaltura.loads") == [(3, 0)]


def test_pulls_are_numbered_in_the_order_in_which_they_begin(place: Place) -> None:
    numbers = [place.bring(0).pull.number for _ in range(3)]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("ahead", [-300, 300])
def test_a_running_session_is_known_up_to_now_by_kalturas_clock(kaltura: Running, ahead: int) -> None:
    """`ahead` is this machine against Kaltura: the stand-in's clock is moved the other way."""
    university = University(seed=11, timezone="UTC", rooms=3)
    with serving(university, clock_ahead_seconds=-ahead) as running, client_of(running) as client:
        today = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
        brought = extract(Days(today, today), REPORTS, client, Calendar(ZoneInfo("UTC"), 12), Filters({}), number=1)
        known_until = brought.by_day[today][0].window_end.timestamp()
        assert abs(client.clock.now() - known_until) < 60
        assert abs((brought.pull.clock_ahead_seconds or 0) - ahead) < 5
        assert client.clock.now() == pytest.approx(dt.datetime.now(dt.UTC).timestamp() - ahead, abs=5)


@pytest.mark.parametrize("ahead", [-86_400, 700, 86_400, 3650 * 86_400])
def test_a_run_by_a_clock_more_than_ten_minutes_off_stops_before_anything_is_loaded(
    university: SimpleNamespace, ahead: int
) -> None:
    university.kaltura.clock_ahead_seconds = -ahead
    run = university.pull(Days(dt.date(2026, 3, 2), dt.date(2026, 3, 8)))
    assert not run.success
    failure = next(event for event in run.all_events if event.is_step_failure)
    assert "Set the clock" in failure.step_failure_data.user_failure_data.description
    assert university.sql("SELECT count(*) FROM kaltura.loads").fetchone() == (0,)


def test_a_clock_two_minutes_off_is_said_in_the_log_in_loads_and_by_a_check(
    university: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    university.kaltura.clock_ahead_seconds = 120.0
    run = university.pull(DAY)
    assert run.success
    assert "behind Kaltura's" in capfd.readouterr().err
    assert university.sql("SELECT DISTINCT round(clock_ahead_seconds / 10) FROM kaltura.loads").fetchall() == [(-12,)]
    [check] = [each for each in run.get_asset_check_evaluations() if each.check_name == "clock_agrees"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_the_migration_mends_pulls_that_lie_in_the_future(postgres_folder: Path) -> None:
    """A schema as it was before, with a day pulled by a clock ten years ahead and then, in vain, by a right one."""
    name = "before_one_clock"
    with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
    url = local_postgres.url(postgres_folder, name)
    try:
        _filled_before_the_migration(url)
        with psycopg.connect(url, autocommit=True) as connection:
            Migrations(connection).apply(TABLES)
            found = connection.execute(
                "SELECT pull, pulled_at <= now(), window_end <= now() FROM kaltura.loads ORDER BY id"
            ).fetchall()
            known = connection.execute("SELECT bool_and(window_end <= now()) FROM kaltura.room_sessions").fetchone()
        assert found == [(2, True, True), (1, True, True)]
        assert known == (True,)
        warehouse = Warehouse(url)
        assert warehouse.next_pull() == 3
        warehouse.close()
    finally:
        with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _filled_before_the_migration(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for file in files("migrations"):
            if file.name < "migrations/0007":
                connection.execute(file.text.encode())
        for number, pulled_at in ((1, "now() + interval '10 years'"), (2, "now() - interval '1 hour'")):
            connection.execute(
                "INSERT INTO kaltura.loads (id, partner_id, report_id, partition_date, window_start, window_end,"
                " pulled_at, requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated,"
                f" unchanged, removed) VALUES ({number}, 1, 6000, '2026-03-04', '2026-03-03 23:00Z', {pulled_at},"
                f" {pulled_at}, 1, 0, 0, 0, 0, 0, 0, 0, 0)"
            )
        connection.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, partition_date,"
            " window_start, window_end, load_id) VALUES (1, 'r', 's', '2026-03-04 08:00Z', '2026-03-04',"
            " '2026-03-03 23:00Z', now() + interval '10 years', 1)"
        )
