"""One way to make a run from a shell: in this process, seen in the UI like any other, and explained where it fails."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import dagster as dg

from assets.pull.reasons import FAILED_DAYS
from pipelines.instance import dagster_home as home
from pipelines.sensors.abandoned_runs import end_abandoned_local_runs
from resources.runtime import event_files, garbage
from resources.runtime.processes import execution_tag

PULL = "kaltura_rooms"  # the step's name, by which a run's config is addressed
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

TOLD = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}

Watch = Callable[[dg.DagsterInstance, str], AbstractContextManager[None]]
"""What is around a run while it is under way; it is told the instance and the run's id."""


@dataclass(frozen=True)
class Launched:
    """A run that has ended: whether well, why not, and what it told of on its way.

    Dagster's own result of a run that failed lacks what its step had logged: the marks of its days and what checks found.
    Those are read back from the instance.
    """

    run_id: str
    why: str
    events: Sequence[dg.DagsterEvent]
    failed_days: frozenset[str] = frozenset()  # those that were marked and then lost among them

    @property
    def success(self) -> bool:
        return not self.why

    @property
    def marks(self) -> Iterator[dg.AssetMaterialization]:
        return (each.step_materialization_data.materialization for each in self.events if each.is_step_materialization)

    @property
    def evaluations(self) -> Iterator[dg.AssetCheckEvaluation]:
        return (
            each.asset_check_evaluation_data
            for each in self.events
            if each.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )


def launch(
    assets: Sequence[dg.AssetKey],
    *,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    pull_config: Mapping[str, object] | None = None,
    watch: Watch = lambda *_: nullcontext(),
) -> Launched:
    """The run, whether it succeeded or not. Raises KeyboardInterrupt where Ctrl-C ended it.

    `pull_config` is that of the step which pulls, where it is among the assets.
    """
    with garbage.none_among_imports():
        opened = home.instance()
        from pipelines.definitions import defs  # reads the settings, and takes seconds: not before they are checked
    run_id = str(uuid.uuid4())
    with opened as instance:
        end_abandoned_local_runs(instance)
        with watch(instance, run_id), event_files.kept_open(instance):
            result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                run_id=run_id,
                asset_selection=assets,
                partition_key=partition_key,
                run_config={**QUIET, **({"ops": {PULL: {"config": dict(pull_config)}}} if pull_config else {})},
                tags={**(tags or {}), **execution_tag(run_id)},
                raise_on_error=False,
            )
        told = result.all_events if result.success else _told(instance, run_id)
    if _was_interrupted(result):
        raise KeyboardInterrupt
    return Launched(run_id, _why(result), told, _failed_days(result))


def _told(instance: dg.DagsterInstance, run_id: str) -> list[dg.DagsterEvent]:
    entries = instance.all_logs(run_id, of_type=TOLD)
    return [entry.dagster_event for entry in entries if entry.dagster_event]


def _why(result: dg.ExecuteInProcessResult) -> str:
    """Why the run failed; empty where it did not."""
    if result.success:
        return ""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            if failure.error:
                return (failure.error.cause or failure.error).message.strip()
    return f"the events of run {result.run_id} say why, in `make ui`"


def _failed_days(result: dg.ExecuteInProcessResult) -> frozenset[str]:
    """Those that a pull names when it ends."""
    found: set[str] = set()
    for event in result.all_events:
        failure = event.step_failure_data.user_failure_data if event.is_step_failure else None
        named = failure.metadata.get(FAILED_DAYS) if failure else None
        if named and isinstance(named.value, list):
            found |= {str(day) for day in named.value}
    return frozenset(found)


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Dagster takes the signal for itself, and tells of it as of a failure, or as of what another one came of."""
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error:
            if error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
                return True
            error = error.cause or error.context
    return False
