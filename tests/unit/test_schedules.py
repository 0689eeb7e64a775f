"""When days are pulled."""

import datetime as dt

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.schedules import daily_pull, weekly_sweep

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def requested(schedule: dg.ScheduleDefinition, at: dt.datetime) -> dict[str, str]:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=at, repository_def=defs.get_repository_def()
        )
        [request] = schedule.evaluate_tick(context).run_requests
    return dict(request.tags)


def test_the_daily_pull_covers_yesterday_and_the_three_days_before_it_in_one_run() -> None:
    tags = requested(daily_pull, dt.datetime(2026, 3, 10, 4, 30, tzinfo=dt.UTC))
    assert (tags[RANGE_START], tags[RANGE_END]) == ("2026-03-06", "2026-03-09")


def test_the_weekly_sweep_covers_the_last_thirty_days() -> None:
    tags = requested(weekly_sweep, dt.datetime(2026, 3, 15, 5, 30, tzinfo=dt.UTC))
    assert (tags[RANGE_START], tags[RANGE_END]) == ("2026-02-13", "2026-03-14")


def test_a_look_back_over_the_start_date_stops_there() -> None:
    tags = requested(daily_pull, dt.datetime(2025, 1, 3, 4, 30, tzinfo=dt.UTC))
    assert (tags[RANGE_START], tags[RANGE_END]) == ("2025-01-01", "2025-01-02")


def test_before_the_first_full_day_there_is_nothing_to_pull() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance,
            scheduled_execution_time=dt.datetime(2025, 1, 1, 4, 30, tzinfo=dt.UTC),
            repository_def=defs.get_repository_def(),
        )
        result = daily_pull.evaluate_tick(context)
    assert not result.run_requests
    assert "START_DATE" in (result.skip_message or "")


@pytest.mark.parametrize("schedule", [daily_pull, weekly_sweep])
def test_schedules_are_off_until_somebody_switches_them_on(schedule: dg.ScheduleDefinition) -> None:
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
