"""One run of `doctor --dagster`: what a Dagster that was there before lacks of what this project's `dagster.yaml` sets.

The project runs without any of it. Each finding says what is lost where a setting is missing, and which lines bring it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus

from assets.warehouse import WarehouseWithComments
from pipelines import schedules
from pipelines.instance import dagster_home
from pipelines.run_days import PULLS
from resources.errors import ProjectError
from resources.kaltura.doctor.probe import Finding
from resources.kaltura.resource import account_name
from resources.settings import folder_of

NEWEST_RUNS = 20


@dataclass(frozen=True)
class Expected:
    """A setting of the instance: whether it is as here, what goes missing else, and the lines of YAML that set it."""

    name: str
    holds: Callable[[dg.DagsterInstance], bool]
    lost: str
    lines: str


EXPECTED = (
    Expected(
        "one pull at a time",
        lambda instance: instance.get_concurrency_config().pool_config.default_pool_limit is not None,
        "pulls of one account run side by side and ask Kaltura at the same time. No row is lost by it",
        "concurrency: {pools: {granularity: run, default_limit: 1}}",
    ),
    Expected(
        "slots of killed runs",
        lambda instance: (
            (granularity := instance.get_concurrency_config().pool_config.pool_granularity) is not None
            and granularity.value == "run"
        ),
        "where pools are limited, a run that was killed keeps its slot until somebody frees it",
        "concurrency: {pools: {granularity: run}}",
    ),
    Expected(
        "code server away",
        lambda instance: (
            (queue := instance.get_concurrency_config().run_queue_config) is not None
            and queue.max_user_code_failure_retries > 0
        ),
        "a run whose turn comes while the code server restarts fails, in place of waiting for it",
        "run_queue: {max_user_code_failure_retries: 20, user_code_failure_retry_delay: 15}",
    ),
    Expected(
        "runs that were killed",
        lambda instance: instance.run_monitoring_enabled,
        "a run whose process is gone stays `started` where no code server sees its process, as on Kubernetes",
        "run_monitoring: {enabled: true, start_timeout_seconds: 300, poll_interval_seconds: 30}",
    ),
    Expected(
        "runs that failed",
        lambda instance: instance.run_retries_enabled,
        "days that failed by an outage wait for the next scheduled pull, in place of being pulled again within minutes",
        "run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}",
    ),
    Expected(
        "failures of steps",
        lambda instance: not instance.run_retries_enabled or not instance.run_retries_retry_on_asset_or_op_failure,
        "runs are started again for days that no retry helps: a missing permission, a row limit",
        "run_retries: {retry_on_asset_or_op_failure: false}",
    ),
    Expected(
        "the client's log",
        lambda instance: "kaltura" in instance.managed_python_loggers,
        "retries of requests, their pauses and days that are asked for in parts are not in the runs' logs",
        "python_logs: {managed_python_loggers: [kaltura], python_log_level: INFO}",
    ),
    Expected(
        "old ticks",
        lambda instance: bool(instance.get_settings("retention")),
        "ticks of schedules and sensors are kept for good",
        "retention: {schedule: {purge_after_days: 90}, sensor: {purge_after_days: {skipped: 7, failure: 90, success: 90}}}",
    ),
)


def findings() -> Iterator[Finding]:
    """Of the Dagster that `DAGSTER_HOME` names. Changes nothing, and writes nothing into that home."""
    folder = folder_of("DAGSTER_HOME")
    home = str(folder or "")
    if folder is None or not (folder / "dagster.yaml").is_file():
        found = f"DAGSTER_HOME={home} has no dagster.yaml" if home else "DAGSTER_HOME is not set"
        yield Finding("home", "failed", found, "Set it to the folder that the webserver and the daemon use.")
    else:
        yield from _of_instance(home)
    yield _warehouse()


def _of_instance(home: str) -> Iterator[Finding]:
    try:
        instance = dg.DagsterInstance.from_config(home)
    except Exception as error:  # whatever Dagster says of a file that it can't use
        yield Finding("home", "failed", dagster_home.unusable(home, error))
        return
    with instance:
        yield Finding("home", "ok", f"{home}/dagster.yaml")
        for expected in EXPECTED:
            if expected.holds(instance):
                yield Finding(expected.name, "ok", "as in this project's dagster.yaml")
            else:
                yield Finding(expected.name, "differs", expected.lost, f"In dagster.yaml: {expected.lines}")
        yield _schedule(instance)


def _schedule(instance: dg.DagsterInstance) -> Finding:
    """Whether days come in by themselves. A schedule is known to the instance once it was switched on or off.

    One that was set back to what its code declares is off: `daily_pull` declares nothing. Which code location is this
    account's is told by runs that pulled its tables.
    """
    name = schedules.daily_pull.name
    running = {
        state.origin.repository_origin.code_location_origin.location_name
        for state in instance.all_instigator_state()
        if state.instigator_name == name and state.status is InstigatorStatus.RUNNING
    }
    ours = _own_locations(instance)
    on_in = f"{name} is on in the code location {', '.join(sorted(running & ours or running))}"
    if running and ours and not running & ours:
        found = f"{on_in}, and this account's runs come from {', '.join(sorted(ours))}: no day of it comes in by itself"
        return Finding("schedule", "differs", found, f"Switch on {name} of this account's code location in the UI.")
    if running:
        return Finding("schedule", "ok", on_in if ours else f"{on_in}; no run tells yet whether that is this account's")
    return Finding("schedule", "differs", f"{name} is off: no day comes in by itself", f"Switch on {name} in the UI.")


def _own_locations(instance: dg.DagsterInstance) -> set[str]:
    """Code locations whose jobs have pulled this account's tables, as far as the newest runs tell."""
    runs = instance.get_runs(dg.RunsFilter(tags=PULLS), limit=NEWEST_RUNS)
    return {run.remote_job_origin.location_name for run in runs if run.remote_job_origin}


def _warehouse() -> Finding:
    """The database of the settings, with this version's schema."""
    try:
        with WarehouseWithComments.from_environment().process_config_and_initialize().opened() as warehouse:
            warehouse.require_current_schema()
    except ProjectError as error:
        return Finding("warehouse", "failed", str(error))
    return Finding("warehouse", "ok", f"its schema is this version's; account {account_name()}")
