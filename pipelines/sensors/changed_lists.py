"""Loads the university's lists when their files change: one run for all those that have changed since the last look."""

import json
import time
from pathlib import Path

import dagster as dg

from assets.university import UNIVERSITY, list_key
from resources.settings import university_folder
from resources.university.lists import LISTS

CHECK_EVERY_SECONDS = 60
SETTLED_SECONDS = 5  # a file that is younger may still be on its way


@dg.sensor(
    target=UNIVERSITY,
    minimum_interval_seconds=CHECK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING if university_folder() else dg.DefaultSensorStatus.STOPPED,
    description="Loads a list of UNIVERSITY_DIR that has changed. On by default where that is set.",
)
def changed_lists(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    folder = university_folder()
    if folder is None:
        return dg.SkipReason("UNIVERSITY_DIR is not set.")
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    there = {each.name: _version(folder / each.file_name) for each in LISTS}
    changed = [each for each in LISTS if there[each.name] and there[each.name] != seen.get(each.name)]
    if not changed:
        return dg.SkipReason("No list has changed.")
    seen.update({each.name: there[each.name] for each in changed})
    request = dg.RunRequest(
        run_key=json.dumps({each.name: there[each.name] for each in changed}),
        asset_selection=[list_key(each) for each in changed],
    )
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(seen))


def _version(path: Path) -> str:
    """What changes when the file does; empty where there is none, or it was written just now."""
    try:
        found = path.stat()
    except OSError:
        return ""
    is_settled = abs(time.time() - found.st_mtime) > SETTLED_SECONDS
    return f"{found.st_mtime_ns} {found.st_size}" if is_settled else ""
