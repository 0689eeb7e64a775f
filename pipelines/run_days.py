"""Which days a run is about, by its tags; and which days are being brought in just now."""

import datetime as dt

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from assets.reports import REPORTS
from pipelines.range_tags import FIRST_DAY, LAST_DAY

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


# On each run of a job that pulls: it names no assets, and in one Dagster the jobs of all accounts have the same names.
PULLS = {"kaltura/pulls": REPORTS[0].key.to_user_string()}


def pulls(run: dg.DagsterRun) -> bool:
    """Whether the run is to bring days in, of any of the tables."""
    return (
        not {report.key for report in REPORTS}.isdisjoint(run.asset_selection or ())
        or PULLS.items() <= run.tags.items()
    )


def days_of(run: dg.DagsterRun) -> set[dt.date]:
    """The days that the run pulls. A run of a week's report pulls none: its partition, a Monday, stands for the week."""
    if not pulls(run):
        return set()
    first, last = (run.tags.get(tag, "") for tag in (FIRST_DAY, LAST_DAY))
    one = run.tags.get("dagster/partition", "")
    try:
        start, end = dt.date.fromisoformat(first or one), dt.date.fromisoformat(last or one)
    except ValueError:
        return set()
    return {start + dt.timedelta(days=n) for n in range((end - start).days + 1)}


def days_under_way(instance: dg.DagsterInstance) -> set[dt.date]:
    """Days that a queued or running run, or a backfill, is to bring in whole."""
    ours = {report.key for report in REPORTS}
    found: set[dt.date] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY)):
        if ours <= set(run.asset_selection or ()) or PULLS.items() <= run.tags.items():
            found |= days_of(run)
    for backfill in instance.get_backfills(BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        targets = backfill.asset_backfill_data.target_subset if backfill.asset_backfill_data else None
        if targets and ours <= targets.asset_keys:
            days = [set(targets.get_partitions_subset(key).get_partition_keys()) for key in ours]
            found |= {dt.date.fromisoformat(day) for day in set.intersection(*days)}
    return found
