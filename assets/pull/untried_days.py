"""From which day on a run left its days alone: they were not asked for, or not written, as those before them had failed.

Dagster takes each day of a run that ends for tried. Who chooses what is tried next has to know which days nobody has tried:
joined again with those that failed, and behind them, they would be left alone for ever.
"""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from assets.pull.windows import NotAsked

TAG = "kaltura/not_asked_from"


def tag(instance: dg.DagsterInstance, run: dg.DagsterRun, failed: Mapping[dt.date, Exception]) -> None:
    """Tag the run with the first of these days; a re-execution inherits what an earlier run was tagged with."""
    left_alone = [day for day, error in failed.items() if isinstance(error, NotAsked)]
    if left_alone or run.tags.get(TAG):
        instance.add_run_tags(run.run_id, {TAG: str(min(left_alone)) if left_alone else ""})


def is_untried(run: dg.DagsterRun, day: dt.date) -> bool:
    """Whether the run, which did not load the day, left it alone."""
    first = run.tags.get(TAG, "")
    return bool(first) and str(day) >= first
