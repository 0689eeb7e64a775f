"""When days are pulled: every day yesterday, and again the days before it, because data arrives late."""

import datetime as dt

import dagster as dg

from assets.partitions import SETTINGS, WEEKS
from assets.report import GROUP
from assets.room_report.asset import room_report

PULL_AT = "30 4 * * *"  # late enough for the events of the evening, early enough for the morning's readers
SWEEP_AT = "30 5 * * 0"
SWEEP_DAYS = 30
REPORT_AT = "30 6 * * 1"  # Monday, when daily_pull has brought Sunday in

KALTURA_ROOMS = dg.AssetSelection.groups(GROUP)


def range_request(last: dt.date, days: int) -> dg.RunRequest | dg.SkipReason:
    """One run over the `days` days that end with `last`, as far as they are partitions."""
    first = max(last - dt.timedelta(days=days - 1), SETTINGS.start_date)
    if last < first:
        return dg.SkipReason(f"START_DATE is {SETTINGS.start_date}: there is no full day yet.")
    return dg.RunRequest(
        run_key=None,
        tags={
            "dagster/asset_partition_range_start": str(first),
            "dagster/asset_partition_range_end": str(last),
        },
    )


@dg.schedule(
    cron_schedule=PULL_AT,
    execution_timezone=str(SETTINGS.timezone),
    target=KALTURA_ROOMS,
    description=f"Yesterday, and again the {SETTINGS.lookback_days} days before it (LOOKBACK_DAYS).",
)
def daily_pull(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return range_request(_yesterday(context), SETTINGS.lookback_days + 1)


@dg.schedule(
    cron_schedule=SWEEP_AT,
    execution_timezone=str(SETTINGS.timezone),
    target=KALTURA_ROOMS,
    description=f"The last {SWEEP_DAYS} days again, for what arrived later still. Costs little where nothing changed.",
)
def weekly_sweep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return range_request(_yesterday(context), SWEEP_DAYS)


@dg.schedule(
    cron_schedule=REPORT_AT,
    execution_timezone=str(SETTINGS.timezone),
    target=dg.AssetSelection.assets(room_report),
    description="The report of the week that is over, and again that of the week before it, whose figures are final now.",
)
def weekly_report(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    due = context.scheduled_execution_time
    weeks = WEEKS.get_partition_keys(current_time=due)[-2:]
    if not weeks:
        return dg.SkipReason(f"START_DATE is {SETTINGS.start_date}: no week is over yet.")
    return [dg.RunRequest(run_key=f"{week} on {due.date()}", partition_key=week) for week in weeks]


def _yesterday(context: dg.ScheduleEvaluationContext) -> dt.date:
    return context.scheduled_execution_time.astimezone(SETTINGS.timezone).date() - dt.timedelta(days=1)
