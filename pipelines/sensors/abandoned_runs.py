"""Runs whose process is gone, ended: Dagster's own launcher does not notice, and such a run would keep its place for good.

A run is executed by a process beside the code server. Killed together with it, or ended while Dagster's storage was
away, it can't report its end. This sensor is evaluated in the code server, so it sees the processes. What it ends as
failed, Dagster starts again (`run_retries`), and the days that had landed are not pulled again.
"""

import time

import dagster as dg

from resources.runtime.processes import is_executing

# Dagster's own launcher writes down here which code server it gave the run to.
GRPC_INFO_TAG = ".dagster/grpc_info"
CHECK_EVERY_SECONDS = 15
# A run says which process it is as its step begins. Until then its silence has to tell: a process takes some seconds
# to import Dagster, and a minute on a machine that has too much to do.
SILENT_SECONDS = 120
RANGE_TAG = "dagster/asset_partition_range_start"
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]

REASON = "The process that executed the run is gone. The days it marked are loaded."


@dg.sensor(
    minimum_interval_seconds=CHECK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone, so that they are started again and hold up no others.",
)
def abandoned_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    location = context.code_location_origin.location_name if context.code_location_origin else None
    ended = []
    for record in context.instance.get_run_records(dg.RunsFilter(statuses=UNDER_WAY)):
        if _location_of(record.dagster_run) == location and _is_abandoned(record):
            context.instance.report_run_failed(record.dagster_run, REASON)
            ended.append(record.dagster_run.run_id)
    return dg.SkipReason(f"ended: {', '.join(ended)}" if ended else "every run has its process")


def end_abandoned_local_runs(instance: dg.DagsterInstance) -> None:
    """The same for runs of `make run`, which no code server executes."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if GRPC_INFO_TAG not in run.tags and is_executing(run.run_id, run.tags) is False:
            instance.report_run_failed(run, REASON)


def _location_of(run: dg.DagsterRun) -> str | None:
    """The code location whose code server executes the run; None where none does: on Kubernetes, in `make run`."""
    if GRPC_INFO_TAG not in run.tags or run.remote_job_origin is None:
        return None
    return run.remote_job_origin.location_name


def _is_abandoned(record: dg.RunRecord) -> bool:
    executing = is_executing(record.dagster_run.run_id, record.dagster_run.tags)
    if executing is not None:
        return not executing
    is_silent = time.time() - record.update_timestamp.timestamp() > SILENT_SECONDS
    return is_silent and (record.dagster_run.status is dg.DagsterRunStatus.STARTING or _is_a_pull(record.dagster_run))


def _is_a_pull(run: dg.DagsterRun) -> bool:
    """Whether the run would say which process it is. Others may be anything, and take as long as they like."""
    from assets.reports import REPORTS  # the code server has it; `make run` does without until its settings are checked

    if run.asset_selection is None:  # as a schedule's run, whose job says which assets; ranges of days are pulls
        return RANGE_TAG in run.tags
    return not {report.key for report in REPORTS}.isdisjoint(run.asset_selection)
