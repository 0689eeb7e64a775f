"""Days that nobody pulled while nothing ran come back: some of them at each tick of `daily_pull`, the oldest first.

Dagster makes up for one tick that was missed, and the look-back is a few days: what is missing longer is asked for here, and
so are the last days before nothing ran, which were pulled with events outstanding, and days of which a session still ran when
they were last pulled, once it is over: at the latest after a week, as it is followed no longer. Which days those are is told
by the warehouse. Marks in Dagster outlive the days where a backup is restored: they tell since when there ought to be some.
"""

import datetime as dt
from collections.abc import Collection, Mapping

import dagster as dg

from assets.checks import query
from assets.checks.missing_days import first_marked, missing
from assets.partitions import SETTINGS
from assets.pull import untried_days
from assets.reports import REPORTS
from pipelines.run_days import days_under_way
from pipelines.status import days_with_loads
from resources.kaltura.windows import Days, stretches
from resources.warehouse.resource import WarehouseResource

TIMEOUT_SECONDS = 20  # the daemon waits a minute for a tick


def days_to_pull(
    instance: dg.DagsterInstance, warehouse: WarehouseResource, account: int, usual: Days, most: int | None = None
) -> list[Days]:
    """Missing and provisional days before the `usual` ones that no run is at, `most` of them (CATCH_UP_DAYS).

    A pull makes each of them final, so that none is asked for again and again. Raises `ProjectError`.

    Days whose last attempt failed come after those that nobody has tried, and in runs of their own: if Kaltura no longer has
    the oldest ones, the others get their turn all the same. A day that a run left alone, as those before it had failed,
    has not been tried.
    """
    most = SETTINGS.catch_up_days if most is None else most
    if not most:
        return []
    with warehouse.opened() as opened, opened.connection() as connection, query.reading(connection, TIMEOUT_SECONDS):
        found = {*missing(connection, account, usual.last, first_marked(instance))}
        loaded = days_with_loads(connection, account).items()
        found |= {day for day, known in loaded if known.is_provisional and not known.may_still_run}
    wanted = {day for day in found if day < usual.first} - days_under_way(instance)
    return _chosen(wanted, _failed(instance, wanted), most)


def _chosen(wanted: Collection[dt.date], failed: Mapping[dt.date, int], most: int) -> list[Days]:
    """What a run each is to bring in. A run gives up after some bad days, so none begins with them and goes on with others."""
    days = sorted(wanted, key=lambda day: (failed.get(day, 0), day))[:most]
    return [*stretches(day for day in days if day not in failed), *stretches(day for day in days if day in failed)]


def _failed(instance: dg.DagsterInstance, wanted: Collection[dt.date]) -> dict[dt.date, int]:
    """Those of the days whose newest attempt failed, and a number that is the higher, the later that was."""
    newest = {day: attempt for day, attempt in _attempted(instance).items() if day in wanted}
    runs = {run_id for run_id, _ in newest.values()}
    left = {run.run_id: run for run in instance.get_runs(dg.RunsFilter(run_ids=[*runs]))} if runs else {}
    return {
        day: event_id
        for day, (run_id, event_id) in newest.items()
        if run_id not in left or not untried_days.is_untried(left[run_id], day)
    }


def _attempted(instance: dg.DagsterInstance) -> dict[dt.date, tuple[str, int]]:
    """Days whose newest attempt did not load them: the id of its run, and that of its event."""
    found: dict[dt.date, tuple[str, int]] = {}
    for report in REPORTS:
        newest = (
            instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(
                report.key
            )
        )
        for day, attempt in newest.items():
            date = dt.date.fromisoformat(day)
            found[date] = max(attempt, found.get(date, attempt), key=lambda each: each[1])
    return found
