"""Which code location a run is of: in one Dagster each account has one, and other projects have theirs."""

import dagster as dg


def location_of(run: dg.DagsterRun) -> str | None:
    """The code location that launched the run; None where none did: a command of a shell executes it."""
    return run.remote_job_origin.location_name if run.remote_job_origin else None
