"""Marks runs as failed whose process has died: Dagster's launcher does not notice, and they would hold their slot for ever.

A run is executed by a process beside the code server. Killed together with it, or ended while Dagster's storage was
away, it can't report its end. This sensor is evaluated in the code server, so it sees the processes. What it ends as
failed, Dagster starts again (`run_retries`), and the days that had landed are not pulled again.

A local run is executed by a command (`make run`, `dagster asset materialize`), wherever that was given. Of one on another
host nobody can tell here but by its silence, and whose account it is of makes no difference. Runs that another launcher
started (pods) are looked after by Dagster's own monitoring.
"""

import time

import dagster as dg

from resources.runtime.processes import ProcessState, process_state

# Dagster's own launcher writes down here which code server it gave the run to.
GRPC_INFO_TAG = ".dagster/grpc_info"
CHECK_EVERY_SECONDS = 15
# A run says which process it is as its step begins. Until then its silence has to tell: a process takes some seconds
# to import Dagster, and a minute on a machine that has too much to do.
SILENT_SECONDS = 120
# Of a local run on another host. One question to Kaltura may take an hour, with all its tries; a lock, fifteen minutes.
SILENT_ELSEWHERE_SECONDS = 6 * 3600
EXECUTING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

REASON = "The process that executed the run is gone. The days it marked are loaded."
REASON_ELSEWHERE = (
    f"The run was executed on another host, and nothing was heard of it for {SILENT_ELSEWHERE_SECONDS // 3600} hours. "
    "The days it marked are loaded."
)


@dg.sensor(
    minimum_interval_seconds=CHECK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, so that they are started again and hold up no others.",
)
def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    location = context.code_location_origin.location_name if context.code_location_origin else None
    ended = end_abandoned_local_runs(context.instance)
    for record in context.instance.get_run_records(dg.RunsFilter(statuses=EXECUTING)):
        is_ours = location is not None and _location_of(record.dagster_run) == location
        if is_ours and _is_abandoned(record) and _ended(context.instance, record, REASON):
            ended.append(record.dagster_run.run_id)
    return dg.SkipReason(f"ended: {', '.join(ended)}" if ended else "every run has its process")


def end_abandoned_local_runs(instance: dg.DagsterInstance) -> list[str]:
    """The same for local runs, which no code server executes. Returns the ids of those that it ended."""
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        run = record.dagster_run
        if run.remote_job_origin is None and GRPC_INFO_TAG not in run.tags:
            reason = _why_abandoned(instance, record)
            if reason and _ended(instance, record, reason):
                ended.append(run.run_id)
    return ended


def _why_abandoned(instance: dg.DagsterInstance, record: dg.RunRecord) -> str | None:
    """Why nobody executes a local run any more, if so."""
    state = process_state(record.dagster_run.run_id, record.dagster_run.tags)
    if state is ProcessState.GONE:
        return REASON
    if state is ProcessState.ELSEWHERE and _last_heard_of(instance, record) < time.time() - SILENT_ELSEWHERE_SECONDS:
        return REASON_ELSEWHERE
    return None


def _last_heard_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> float:
    newest = instance.get_records_for_run(record.dagster_run.run_id, limit=1, ascending=False).records
    return max([record.update_timestamp.timestamp(), *(each.event_log_entry.timestamp for each in newest)])


def _ended(instance: dg.DagsterInstance, record: dg.RunRecord, reason: str) -> bool:
    """Whether the run was still under way, and so was ended: its process may have reported its end, and then have gone."""
    run = instance.get_run_by_id(record.dagster_run.run_id)
    if run is None or run.status not in EXECUTING:
        return False
    instance.report_run_failed(run, reason)
    return True


def _location_of(run: dg.DagsterRun) -> str | None:
    """The code location whose code server executes the run; None where none does: on Kubernetes, and of a local run."""
    if GRPC_INFO_TAG not in run.tags or run.remote_job_origin is None:
        return None
    return run.remote_job_origin.location_name


def _is_abandoned(record: dg.RunRecord) -> bool:
    """Of a run of this code server. One on another host was executed in the container that this one replaced."""
    state = process_state(record.dagster_run.run_id, record.dagster_run.tags)
    if state is not ProcessState.UNKNOWN:
        return state is not ProcessState.ALIVE
    is_silent = time.time() - record.update_timestamp.timestamp() > SILENT_SECONDS
    if not is_silent or record.dagster_run.status is dg.DagsterRunStatus.STARTING:
        return is_silent
    # The code server has it; `make run` does without until its settings are checked.
    from pipelines.run_days import pulls

    return pulls(record.dagster_run)  # which would say which process it is; others may take as long as they like
