"""Loads the university's lists when their files change.

What is loaded is told by each list's newest load, and not by what was asked for: a run that was killed, or met a database
that was away, is asked for again. So is a list that was refused, once a day, or as soon as its file changes.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from assets.university import FILE_VERSION, UNIVERSITY, file_version, list_key
from pipelines.run_days import UNDER_WAY
from resources.settings import university_folder
from resources.university.lists import COURSES, LISTS, UniversityList

NAME = "changed_lists"
CHECK_EVERY_SECONDS = 60
SETTLED_SECONDS = 5  # a file that is younger may still be on its way
AGAIN_AFTER_SECONDS = 24 * 3600


@dg.sensor(
    name=NAME,
    target=UNIVERSITY,
    minimum_interval_seconds=CHECK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING if university_folder() else dg.DefaultSensorStatus.STOPPED,
    description="Loads a list of UNIVERSITY_DIR that has changed. On by default where that is set.",
)
def changed_lists(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    folder = university_folder()
    if folder is None:
        return dg.SkipReason("UNIVERSITY_DIR is not set.")
    now = _now()
    asked: dict[str, tuple[str, float]] = json.loads(context.cursor or "{}")
    there = {each: version for each in LISTS if (version := _settled(folder / each.file_name, now))}
    waiting = [
        each
        for each, version in there.items()
        if version != _loaded(context.instance, each) and _is_due(asked.get(each.name), version, now)
    ]
    if not waiting:
        return dg.SkipReason("No list has changed.")
    if context.instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY, tags={"dagster/sensor_name": NAME}), limit=1):
        return dg.SkipReason("Lists are being loaded. What has changed since is loaded after that.")
    # Alone: were it refused in a run with the others, Dagster would begin none of them.
    due = [COURSES] if COURSES in waiting else waiting
    asked |= {each.name: (there[each], now) for each in due}
    request = dg.RunRequest(asset_selection=[list_key(each) for each in due])
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(asked))


def _loaded(instance: dg.DagsterInstance, wanted: UniversityList) -> str | None:
    """The version of the file that was loaded last."""
    event = instance.get_latest_materialization_event(list_key(wanted))
    found: Mapping[str, dg.MetadataValue] = event.asset_materialization.metadata if event else {}  # type: ignore[union-attr]
    return str(found[FILE_VERSION].value) if FILE_VERSION in found else None


def _is_due(before: tuple[str, float] | None, version: str, now: float) -> bool:
    """Whether it was not asked for in this version, or so long ago that it is tried again."""
    match before:
        case [asked_version, asked_at]:
            return bool(asked_version != version or now - asked_at >= AGAIN_AFTER_SECONDS)
    return True


def _now() -> float:
    return time.time()


def _settled(path: Path, now: float) -> str:
    """The file's version; empty where there is none, or it was written just now."""
    try:
        version = file_version(path)
        return version if abs(now - path.stat().st_mtime) > SETTLED_SECONDS else ""
    except OSError:
        return ""
