"""The main job through Dagster, as a data engineer runs it."""

import datetime as dt
import random
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg
import pytest
from pipeline import ASSETS, Pipeline, kill, wait_until

from simulator import Fault, ListedWorld, Session, University, User, View, serving
from tests.truth import assert_equal, expected, landed

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(7)]
RANGE = ("--partition-range", f"{DAYS[0]}...{DAYS[-1]}")
COUNT_LOADED = "SELECT count(DISTINCT partition_date) FROM kaltura.loads"
YEAR = [dt.date(2025, 1, 1) + dt.timedelta(days=n) for n in range(365)]


@pytest.fixture
def pipeline(database: str, tmp_path: Path) -> Iterator[Pipeline]:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with serving(University(seed=11, timezone="UTC", rooms=12)) as kaltura:
        yield Pipeline(kaltura, database, tmp_path, {"START_DATE": "2026-01-01"})


def materialized(pipeline: Pipeline, table: str) -> set[str]:
    with dg.DagsterInstance.from_config(str(pipeline.home)) as instance:
        return instance.get_materialized_partitions(dg.AssetKey(["kaltura", table]))


def test_a_range_lands_day_by_day_in_tables_and_in_dagster(pipeline: Pipeline) -> None:
    pipeline.materialize(*RANGE)

    every_day = {str(day) for day in DAYS}
    assert materialized(pipeline, "room_sessions") == every_day
    assert materialized(pipeline, "attendees") == every_day
    assert materialized(pipeline, "breakout_sessions") == every_day
    assert pipeline.query("SELECT count(*), count(DISTINCT partition_date) FROM kaltura.loads") == [(21, 7)]
    assert all(pipeline.tables().values())


def test_a_single_day_of_a_single_asset_lands_alone(pipeline: Pipeline) -> None:
    pipeline.materialize("--partition", str(DAYS[1]), select="kaltura/attendees")

    assert materialized(pipeline, "attendees") == {str(DAYS[1])}
    assert materialized(pipeline, "room_sessions") == set()
    assert pipeline.query("SELECT DISTINCT report_id FROM kaltura.loads") == [(6001,)]
    assert pipeline.query("SELECT DISTINCT partition_date FROM kaltura.attendees") == [(DAYS[1],)]


def test_a_day_that_fails_is_named_and_stops_none_of_the_others(pipeline: Pipeline) -> None:
    bad = DAYS[3]
    evening = int(dt.datetime.combine(bad, dt.time(18), dt.UTC).timestamp())  # past the grace of the day before
    pipeline.kaltura.faults.add(
        Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=evening)
    )

    printed = pipeline.materialize(*RANGE, succeeds=False)

    assert f"{bad}: report 6001" in printed
    assert "meeting_view_time" in printed
    assert materialized(pipeline, "attendees") == {str(day) for day in DAYS if day != bad}
    assert pipeline.query("SELECT DISTINCT partition_date FROM kaltura.loads WHERE partition_date = '2026-03-05'") == []


def test_a_pull_with_a_bad_day_says_how_many_are_in_and_what_the_checks_found_of_them(pipeline: Pipeline) -> None:
    evening = int(dt.datetime.combine(DAYS[1], dt.time(18), dt.UTC).timestamp())
    pipeline.kaltura.faults.add(
        Fault("missing_column", report_id=6001, times=None, column="meeting_view_time", covers=evening)
    )

    printed = pipeline.run(
        "python", "-m", "pipelines", "pull", "--from", str(DAYS[0]), "--to", str(DAYS[2]), succeeds=False
    )

    assert "Of 3 days, 2 are in" in printed
    assert "Pulled" not in printed
    assert "Check missing_days of room_sessions. Days that are missing: 1" in printed


def killed_after(days: int, pipeline: Pipeline, *command: str) -> tuple[set[str], set[str]]:
    """Days that are in the tables, and days that Dagster shows, after `kill -9` once more than `days` have landed."""
    process = pipeline.start(*command)
    wait_until(lambda: pipeline.query(COUNT_LOADED)[0][0] > days or process.poll() is not None, 600)
    assert process.poll() is None, process.communicate()
    kill(process)
    loaded = {str(day) for (day,) in pipeline.query("SELECT DISTINCT partition_date FROM kaltura.loads")}
    return loaded, materialized(pipeline, "breakout_sessions")


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_and_started_again_it_ends_as_if_undisturbed(
    seed: int, pipeline: Pipeline, new_database, tmp_path: Path
) -> None:
    undisturbed = Pipeline(pipeline.kaltura, new_database(), tmp_path / "undisturbed", pipeline.more)
    undisturbed.home.mkdir()
    (undisturbed.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    undisturbed.materialize(*RANGE)
    stop_after_days = random.Random(seed).randrange(6)

    loaded, marked = killed_after(
        stop_after_days, pipeline, "dagster", "asset", "materialize", "-m", "pipelines.definitions",
        "--select", ASSETS, *RANGE,
    )  # fmt: skip
    pipeline.materialize(*RANGE)

    assert len(loaded - marked) <= 1  # the day between its commit and its mark
    assert marked <= loaded
    assert pipeline.tables() == undisturbed.tables()


def one_late_meeting_a_day() -> ListedWorld:
    """A year of meetings that each run past midnight, with the same two people."""
    sessions, views = [], []
    for number, day in enumerate(YEAR):
        start = int(dt.datetime.combine(day, dt.time(23, 30), dt.UTC).timestamp())
        sessions.append(Session("1_room", "Room", "", f"1_cue{number}", start, start + 3600, "host"))
        for user in (User(1, "ada", "Ada Example", "", "User"), User(2, "bob", "Bob Sample", "", "Guest")):
            views.append(View("1_room", f"1_cue{number}", user, start, start + 1800 + 900 * user.number))
    return ListedWorld(sessions, (), views)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_a_year_killed_at_day_200_keeps_those_days_and_the_next_run_goes_on_to_a_whole_year(
    pipeline: Pipeline,
) -> None:
    pipeline = replace(pipeline, more={"START_DATE": str(YEAR[0])})
    world = pipeline.kaltura.world = one_late_meeting_a_day()
    command = ("python", "-m", "pipelines", "pull", "--to", str(YEAR[-1]), "--from")
    loaded, marked = killed_after(199, pipeline, *command, str(YEAR[0]))

    there = [day for day in YEAR if str(day) in loaded]
    assert there == YEAR[: len(there)]
    assert 200 <= len(there) < 365
    assert marked <= loaded
    assert len(loaded - marked) <= 1  # the day between its commit and its mark
    with psycopg.connect(pipeline.database) as connection:
        assert_equal(landed(connection), expected(world, set(there), ZoneInfo("UTC")))

    pipeline.run(*command, next(str(day) for day in YEAR if str(day) not in marked), seconds=600)

    for table in ("room_sessions", "attendees", "breakout_sessions"):
        assert materialized(pipeline, table) == {str(day) for day in YEAR}
    with psycopg.connect(pipeline.database) as connection:
        assert_equal(landed(connection), expected(world, set(YEAR), ZoneInfo("UTC")))
    assert pipeline.query("SELECT count(*) FROM kaltura.loads") == [(3 * (365 + len(loaded - marked)),)]


def test_ctrl_c_keeps_the_days_that_had_landed_and_says_how_to_go_on(pipeline: Pipeline) -> None:
    later = DAYS[-1] + dt.timedelta(
        days=3
    )  # in the second window, which keeps it waiting for longer than the test does
    evening = int(dt.datetime.combine(later, dt.time(18), dt.UTC).timestamp())
    pipeline.kaltura.faults.add(Fault("slow", times=None, covers=evening, seconds=3600))
    process = pipeline.start("python", "-m", "pipelines", "pull", "--from", str(DAYS[0]), "--to", str(later))
    wait_until(lambda: pipeline.query(COUNT_LOADED) == [(7,)], 200)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=200)

    assert process.returncode == 130, printed
    assert "run it again to go on" in printed
    assert pipeline.query(COUNT_LOADED) == [(7,)]


def test_a_database_without_the_schema_is_refused_with_the_command_that_makes_it(
    pipeline: Pipeline, postgres_folder: Path
) -> None:
    from resources.local import postgres as local_postgres

    bare = Pipeline(pipeline.kaltura, local_postgres.url(postgres_folder, "template1"), pipeline.home, pipeline.more)

    printed = bare.materialize("--partition", str(DAYS[0]), succeeds=False)

    assert "make migrate" in printed


def test_wrong_credentials_fail_at_once_and_say_which_setting_to_check(pipeline: Pipeline) -> None:
    wrong = Pipeline(
        pipeline.kaltura, pipeline.database, pipeline.home, {**pipeline.more, "KALTURA_APP_TOKEN": "wrong"}
    )

    printed = wrong.materialize(*RANGE, succeeds=False)

    assert "KALTURA_APP_TOKEN" in printed
    assert len([call for call in pipeline.kaltura.requests if call.report_id == "6000"]) == 0


def test_an_empty_day_that_is_red_says_the_option_that_accepts_it_and_the_option_does(pipeline: Pipeline) -> None:
    day = str(DAYS[0])
    command = ("python", "-m", "pipelines", "pull", "--from", day, "--to", day)
    pipeline.run(*command)
    pipeline.kaltura.faults.add(Fault("unreadable_store", times=None))
    printed = pipeline.run(*command, succeeds=False)
    assert "python -m pipelines pull --accept-empty --from DAY --to DAY" in " ".join(printed.split())
    pipeline.run(*command, "--accept-empty")
    newest = "SELECT rows_received FROM kaltura.loads ORDER BY id DESC LIMIT 3"
    assert pipeline.query(newest) == [(0,)] * 3


def test_figures_that_were_accepted_as_0_are_believed_by_the_pulls_that_follow(pipeline: Pipeline) -> None:
    command = ("python", "-m", "pipelines", "pull", "--from", str(DAYS[0]), "--to", str(DAYS[0]))
    pipeline.kaltura.faults.add(Fault("null_figures", report_id=6001, column="meeting_view_time", times=None))
    printed = pipeline.run(*command, succeeds=False)
    assert "they stay believed then" in " ".join(printed.split())
    pipeline.run(*command, "--accept-empty")
    pipeline.run(*command)
    newest = "SELECT inserted, updated, rows_received > 0 FROM kaltura.loads ORDER BY id DESC LIMIT 3"
    assert pipeline.query(newest) == [(0, 0, True)] * 3
