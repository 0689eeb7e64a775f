"""Marks runs as failed whose process has died: Dagster's launcher does not notice, and they would hold their slot for ever.

A run is executed by a process beside the code server. Killed together with it, or ended while Dagster's storage was
away, it can't report its end. This sensor is evaluated in the code server, so it sees the processes. What it ends as
failed, Dagster starts again (`run_retries`), and the days that had landed are not pulled again.

A local run is executed by a command (`make run`, `dagster asset materialize`), wherever that was given. A code location may
have been renamed or removed while its run was under way. Of such runs on another host nobody can tell here but by their
silence, and whose account they are of makes no difference. Runs that another launcher started (pods) are looked after by
Dagster's own monitoring, and runs that are not of this project by nobody here.
"""

import time

import dagster as dg

from pipelines.code_location import location_of
from resources.runtime.processes import ProcessState, process_state

# Dagster's own launcher writes down here which code server it gave the run to.
GRPC_INFO_TAG = ".dagster/grpc_info"
CHECK_EVERY_SECONDS = 15
# A run says which process it is as its step begins. Until then its silence has to tell: a process takes some seconds
# to import Dagster, and a minute on a machine that has too much to do.
SILENT_SECONDS = 120
# Of a run on another host that this code server does not know. One question to Kaltura may take an hour, with all its tries; a
# lock, fifteen minutes.
SILENT_ELSEWHERE_SECONDS = 6 * 3600
EXECUTING = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

REASON = "The process that executed the run is gone. The days that it marked are loaded."
REASON_ELSEWHERE = (
    f"The run was executed on another host, and nothing was heard of it for {SILENT_ELSEWHERE_SECONDS // 3600} hours. "
    "The days that it marked are loaded."
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
        run = record.dagster_run
        if GRPC_INFO_TAG not in run.tags or location_of(run) is None:
            continue
        is_ours = location_of(run) == location
        reason = _why_ours_is_abandoned(record) if is_ours else _why_abandoned(context.instance, record)
        if reason and _ended(context.instance, record, reason):
            ended.append(run.run_id)
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
    """Why nobody executes a run any more, if so. One that has not said which process it is may be of any project."""
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


def _why_ours_is_abandoned(record: dg.RunRecord) -> str | None:
    """Of a run of this code server. One on another host was executed in the container that this one replaced."""
    state = process_state(record.dagster_run.run_id, record.dagster_run.tags)
    if state is ProcessState.UNKNOWN:
        return REASON if time.time() - record.update_timestamp.timestamp() > SILENT_SECONDS else None
    return REASON if state is not ProcessState.ALIVE else None
