"""When days are pulled."""

import datetime as dt
import tempfile
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from pipelines.definitions import defs
from pipelines.range_tags import FIRST_DAY, LAST_DAY
from pipelines.schedules import daily_pull, nightly_check, weekly_report, weekly_sweep
from resources.warehouse.resource import WarehouseResource


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as made:
        yield made


def evaluated(schedule: dg.ScheduleDefinition, at: dt.datetime, instance: dg.DagsterInstance) -> ScheduleExecutionData:
    """Without a warehouse that answers: test_missed_days.py and test_report_weeks.py have what it tells of."""
    with dg.build_schedule_context(  # left open, its instance would stay the one that later tests get
        instance,
        scheduled_execution_time=at,
        repository_def=defs.get_repository_def(),
        resources={"warehouse": WarehouseResource(url="postgresql://nobody@127.0.0.1:1/nothing")},
    ) as context:
        return schedule.evaluate_tick(context)


def requested(schedule: dg.ScheduleDefinition, at: dt.datetime, instance: dg.DagsterInstance) -> dict[str, str]:
    [request] = evaluated(schedule, at, instance).run_requests
    return dict(request.tags)


def test_the_daily_pull_covers_yesterday_and_the_three_days_before_it_in_one_run(instance: dg.DagsterInstance) -> None:
    tags = requested(daily_pull, dt.datetime(2026, 3, 10, 4, 30, tzinfo=dt.UTC), instance)
    assert (tags[FIRST_DAY], tags[LAST_DAY]) == ("2026-03-06", "2026-03-09")


def test_the_weekly_sweep_covers_the_last_thirty_days(instance: dg.DagsterInstance) -> None:
    tags = requested(weekly_sweep, dt.datetime(2026, 3, 15, 5, 30, tzinfo=dt.UTC), instance)
    assert (tags[FIRST_DAY], tags[LAST_DAY]) == ("2026-02-13", "2026-03-14")


def test_a_look_back_over_the_start_date_stops_there(instance: dg.DagsterInstance) -> None:
    tags = requested(daily_pull, dt.datetime(2025, 1, 3, 4, 30, tzinfo=dt.UTC), instance)
    assert (tags[FIRST_DAY], tags[LAST_DAY]) == ("2025-01-01", "2025-01-02")


def test_before_the_first_full_day_there_is_nothing_to_pull(instance: dg.DagsterInstance) -> None:
    result = evaluated(daily_pull, dt.datetime(2025, 1, 1, 4, 30, tzinfo=dt.UTC), instance)
    assert not result.run_requests
    assert "START_DATE" in (result.skip_message or "")


@pytest.mark.parametrize("schedule", [daily_pull, weekly_sweep, weekly_report])
def test_schedules_are_off_until_somebody_switches_them_on(schedule: dg.ScheduleDefinition) -> None:
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_missing_days_are_looked_for_every_night_from_the_start_and_by_no_pull() -> None:
    assert nightly_check.default_status is dg.DefaultScheduleStatus.RUNNING
    job = defs.resolve_job_def(nightly_check.job_name)
    assert not job.asset_layer.selected_asset_keys
    assert {key.name for key in job.asset_layer.asset_graph.asset_check_keys} == {"missing_days"}
