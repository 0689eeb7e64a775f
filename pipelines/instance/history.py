"""Takes old runs out of Dagster's history: those older than `HISTORY_DAYS` that no partition's status in the UI depends on.

Dagster keeps every run with its events for good. A run that is deleted takes its marks along, and a day whose newest
mark was among them looks missing. So a run stays while it holds the newest mark of a day or week, the attempt for which
a day is red, or the newest evaluation of a check; and while another that stays is its retry. The sweep marks the last
30 days anew each week: of old runs few are left. What `kaltura.loads` says of old pulls that brought nothing new goes too.
"""

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import dagster as dg
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

from assets.checks import checks
from assets.partitions import SETTINGS
from assets.reports import REPORTS
from assets.room_report.asset import room_report
from assets.university import UNIVERSITY
from pipelines.code_location import location_of
from pipelines.run_days import UNDER_WAY
from resources.local import kaltura as standin
from resources.runtime.event_files import ALL_RUNS
from resources.warehouse.resource import WarehouseResource

FORGET_AT = "50 3 * * *"  # before the day's pull
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
AT_ONCE = 500
FREE_SHARE = 0.25  # of the index, from which it is written anew without its free pages
LOCKED_SECONDS = 30.0
RELATED_TAGS = ("dagster/parent_run_id", "dagster/root_run_id")

_T = TypeVar("_T")
_KEYS = [*(report.key for report in REPORTS), room_report.key, *(each.key for each in UNIVERSITY)]
_CHECKS = [spec.key for spec in checks.specs()]


def forget(instance: dg.DagsterInstance, before: dt.datetime, location: str | None = None) -> int:
    """Delete this project's runs from before then that nothing hangs on; how many they were.

    Runs of another code location than `location` stay, whatever their age: the same Dagster may serve other projects.
    """
    old = {run.run_id for run in _ended_before(instance, before) if _is_ours(run, location)}
    old -= _telling(instance)
    old -= _retried(instance, old)
    for run_id in sorted(old):
        _delete(instance, run_id)
    return len(old)


def _ended_before(instance: dg.DagsterInstance, before: dt.datetime) -> Iterator[dg.DagsterRun]:
    asked, cursor = dg.RunsFilter(statuses=ENDED, created_before=before.astimezone(dt.UTC)), None
    while found := instance.get_runs(asked, cursor=cursor, limit=AT_ONCE):
        yield from found
        cursor = found[-1].run_id


def _is_ours(run: dg.DagsterRun, location: str | None) -> bool:
    """By the code location that launched it; `make run` has none, and is known by its assets."""
    if launched_by := location_of(run):
        return launched_by == location
    keys = {*(run.asset_selection or ()), *(key.asset_key for key in run.asset_check_selection or ())}
    return bool(keys) and keys <= set(_KEYS)


def _telling(instance: dg.DagsterInstance) -> set[str]:
    """Runs that say how a day, a week or a check stands."""
    storage = instance.event_log_storage
    found: set[str] = set()
    for key in _KEYS:
        newest = storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        found |= _runs_of(instance, key, sorted(newest.values()))
        found |= {
            record.run_id for record in instance.fetch_materializations(key, limit=1).records
        }  # without partitions
        attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        found |= {run_id for run_id, _ in attempts.values()}
    found |= {record.run_id for record in storage.get_latest_asset_check_execution_by_key(_CHECKS).values()}
    return found


def _runs_of(instance: dg.DagsterInstance, key: dg.AssetKey, marks: list[int]) -> set[str]:
    found: set[str] = set()
    for ids in _parts(marks):
        asked = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids)
        found |= {record.run_id for record in instance.fetch_materializations(asked, limit=AT_ONCE).records}
    return found


def _retried(instance: dg.DagsterInstance, old: set[str]) -> set[str]:
    """Of the old runs those that one which stays was begun from: Dagster asks for them where that one is retried."""
    found: set[str] = set()
    for tag in RELATED_TAGS:
        for ids in _parts(sorted(old)):
            for run in instance.get_runs(dg.RunsFilter(tags={tag: ids})):
                if run.run_id not in old:
                    found |= {run.tags[tag]}
    return found


def _parts(ids: list[_T]) -> Iterable[list[_T]]:
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def _delete(instance: dg.DagsterInstance, run_id: str) -> None:
    """The run, its events, what its process printed; and on SQLite the file of its events, which Dagster leaves."""
    instance.delete_run(run_id)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        for suffix in ("", "-wal", "-shm"):
            Path(storage.path_for_shard(run_id) + suffix).unlink(missing_ok=True)


def vacuum(instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
    """Give free pages of SQLite's index back, where there are many and no run writes. Postgres vacuums by itself."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage) or instance.get_runs_count(dg.RunsFilter(statuses=UNDER_WAY)) > 1:
        return
    index = Path(storage.path_for_shard(ALL_RUNS))
    with closing(sqlite3.connect(index, timeout=LOCKED_SECONDS, isolation_level=None)) as connection:
        [[free]], [[pages]] = (
            connection.execute(f"PRAGMA {what}").fetchall() for what in ("freelist_count", "page_count")
        )
        if free < FREE_SHARE * pages:
            return
        before = index.stat().st_size
        try:
            connection.execute("VACUUM")
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            say(f"the index of the history keeps its free pages until the next time: {error}")
        else:
            say(f"the index of the history: {before / 1e6:,.0f} MB before, {index.stat().st_size / 1e6:,.0f} MB now")


@dg.op(description="Runs older than HISTORY_DAYS go that no day's mark and no check's newest evaluation is of.")
def forget_old_runs(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    if not SETTINGS.history_days:
        context.log.info("HISTORY_DAYS is 0: the history is kept.")
        return
    with warehouse.opened() as opened:  # its clock decides: one of this machine that is off forgets nothing
        opened.require_current_schema()
        before, loads = opened.forget_loads(standin.account(), SETTINGS.history_days)
    runs = forget(context.instance, before, location_of(context.run))
    context.log.info(
        f"Of before {before:%Y-%m-%d}: {runs:,} runs deleted, {loads:,} records of pulls that brought nothing"
    )
    vacuum(context.instance, context.log.info)


@dg.job(description="Takes runs older than HISTORY_DAYS out of Dagster's history. No day changes its colour.")
def history() -> None:
    forget_old_runs()


nightly_history = dg.ScheduleDefinition(
    name="nightly_history",
    job=history,
    cron_schedule=FORGET_AT,
    execution_timezone=str(SETTINGS.timezone),
    default_status=(dg.DefaultScheduleStatus.RUNNING if SETTINGS.history_days else dg.DefaultScheduleStatus.STOPPED),
    description="Takes runs older than HISTORY_DAYS out of Dagster's history. On by default unless that is 0.",
)
