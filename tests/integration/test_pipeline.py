"""The main job through Dagster, as a data engineer runs it."""

import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pipeline import ASSETS, Pipeline, kill, wait_until

from simulator import Fault, University, serving

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(7)]
RANGE = ("--partition-range", f"{DAYS[0]}...{DAYS[-1]}")
COUNT_LOADED = "SELECT count(DISTINCT partition_date) FROM kaltura.loads"


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


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_and_started_again_it_ends_as_if_undisturbed(
    seed: int, pipeline: Pipeline, new_database, tmp_path: Path
) -> None:
    undisturbed = Pipeline(pipeline.kaltura, new_database(), tmp_path / "undisturbed", pipeline.more)
    undisturbed.home.mkdir()
    (undisturbed.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    undisturbed.materialize(*RANGE)
    stop_after_days = random.Random(seed).randrange(6)

    process = pipeline.start(
        "dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", ASSETS, *RANGE
    )  # fmt: skip
    wait_until(lambda: pipeline.query(COUNT_LOADED)[0][0] > stop_after_days or process.poll() is not None)
    kill(process)
    loaded = {str(day) for (day,) in pipeline.query("SELECT DISTINCT partition_date FROM kaltura.loads")}
    marked = materialized(pipeline, "breakout_sessions")
    pipeline.materialize(*RANGE)

    assert len(loaded - marked) <= 1  # the day between its commit and its mark
    assert marked <= loaded
    assert pipeline.tables() == undisturbed.tables()


def test_a_database_without_the_schema_is_refused_with_the_command_that_makes_it(
    pipeline: Pipeline, postgres_folder: Path
) -> None:
    from resources import local_postgres

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
