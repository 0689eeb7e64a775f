"""When days are pulled: every day yesterday, and again the days before it, because data arrives late.

Days that are missing are asked for besides.
"""

import datetime as dt

import dagster as dg

from assets.checks import missing_days
from assets.partitions import SETTINGS, WEEKS
from assets.report import GROUP
from assets.room_report.asset import room_report
from assets.room_sessions import ROOM_SESSIONS
from pipelines import catch_up, run_days
from pipelines.hours import CHECK_AT, PULL_AT, daily
from pipelines.range_tags import range_tags
from pipelines.report_weeks import WEEKS_BACK, weeks_to_report
from resources.errors import ProjectError
from resources.kaltura.windows import Days
from resources.local import kaltura as local_kaltura
from resources.warehouse.resource import WarehouseResource

SWEEP_AT = "30 5 * * 0"
SWEEP_DAYS = 30
REPORT_AT = "30 6 * * 1"  # Monday, when daily_pull has brought Sunday in

# A pull checks its days all the same (assets/checks/checks.py): planned, checks would cost more than the pull.
KALTURA_ROOMS = dg.AssetSelection.groups(GROUP).without_checks()

# A job each, so that the timeline says which schedule a run is of. A backfill needs none, and is better off: one of a job is
# cancelled where the code server is away for a moment, one of assets goes on.
DAILY_PULL = dg.define_asset_job(
    "daily_pull", KALTURA_ROOMS, tags=run_days.PULLS, description="Yesterday and the days before it, all three tables."
)
WEEKLY_SWEEP = dg.define_asset_job(
    "weekly_sweep", KALTURA_ROOMS, tags=run_days.PULLS, description=f"The last {SWEEP_DAYS} days, all three tables."
)
PULLS = (DAILY_PULL, WEEKLY_SWEEP)


def _days_up_to(last: dt.date, count: int) -> Days | None:
    """The `count` days that end with `last`, as far as they are partitions."""
    first = max(last - dt.timedelta(days=count - 1), SETTINGS.start_date)
    return Days(first, last) if first <= last else None


def _request(days: Days) -> dg.RunRequest:
    """One run over the days. Dagster wants a key of each where a tick asks for more than one run."""
    return dg.RunRequest(run_key=str(days), tags=range_tags(days.first, days.last))


_NO_FULL_DAY = f"START_DATE is {SETTINGS.start_date}: there is no full day yet."


@dg.schedule(
    cron_schedule=daily(PULL_AT),
    execution_timezone=str(SETTINGS.timezone),
    job=DAILY_PULL,
    description=(
        f"Yesterday, and again the {SETTINGS.lookback_days} days before it (LOOKBACK_DAYS). Besides, of the days that "
        "are missing since the first load or mark, or were never pulled after they were over, the oldest "
        f"{SETTINGS.catch_up_days} (CATCH_UP_DAYS)."
    ),
)
def daily_pull(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    usual = _days_up_to(_yesterday(context), SETTINGS.lookback_days + 1)
    if usual is None:
        return dg.SkipReason(_NO_FULL_DAY)
    try:
        behind = catch_up.days_to_pull(context.instance, warehouse, local_kaltura.account(), usual)
    except ProjectError as error:
        behind = []
        context.log.warning(f"Which days are missing is not known: {error} The usual days are asked for.")
    if behind:
        context.log.info(f"Missing in the warehouse or provisional, and asked for: {', '.join(map(str, behind))}")
    return [_request(days) for days in (usual, *behind)]


@dg.schedule(
    cron_schedule=SWEEP_AT,
    execution_timezone=str(SETTINGS.timezone),
    job=WEEKLY_SWEEP,
    description=f"The last {SWEEP_DAYS} days again, for what arrived later still. Costs little where nothing changed.",
)
def weekly_sweep(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    days = _days_up_to(_yesterday(context), SWEEP_DAYS)
    return _request(days) if days else dg.SkipReason(_NO_FULL_DAY)


@dg.schedule(
    cron_schedule=REPORT_AT,
    execution_timezone=str(SETTINGS.timezone),
    target=dg.AssetSelection.assets(room_report),
    description=(
        "The report of the week that is over, and again that of the week before it, whose figures are final now. Besides, "
        f"of the last {WEEKS_BACK} weeks, those whose report is not there or lacks days that are loaded."
    ),
)
def weekly_report(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> list[dg.RunRequest] | dg.SkipReason:
    due = context.scheduled_execution_time
    weeks = WEEKS.get_partition_keys(current_time=due)
    if not weeks:
        return dg.SkipReason(f"START_DATE is {SETTINGS.start_date}: no week is over yet.")
    usual = weeks[-2:]
    try:
        behind = weeks_to_report(context.instance, warehouse, local_kaltura.account(), usual, weeks)
    except ProjectError as error:
        behind = []
        context.log.warning(f"Which weeks lack their report is not known: {error} The usual ones are asked for.")
    return [dg.RunRequest(run_key=f"{week} on {due.date()}", partition_key=week) for week in (*behind, *usual)]


# On from the start: a day that nobody pulls is told by no run.
nightly_check = dg.ScheduleDefinition(
    name="nightly_check",
    target=dg.AssetSelection.checks(dg.AssetCheckKey(ROOM_SESSIONS.key, missing_days.NAME)),
    cron_schedule=daily(CHECK_AT),
    execution_timezone=str(SETTINGS.timezone),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Which days are missing, also where nothing is pulled: the check missing_days, and its alert. Pulls nothing.",
)


def _yesterday(context: dg.ScheduleEvaluationContext) -> dt.date:
    return context.scheduled_execution_time.astimezone(SETTINGS.timezone).date() - dt.timedelta(days=1)
