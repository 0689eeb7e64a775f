"""Loads the university's lists when their files change, or when the warehouse does not have them.

What is loaded is told by each list's newest load and by the warehouse, and not by what was asked for: a run that was
killed, or met a database that was away, is asked for again. So is a list that was refused, once a day, or as soon as its
file changes.
"""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from assets.checks import query
from assets.university import ACCOUNT, FILE_VERSION, ROWS, UNIVERSITY, file_version, list_key
from pipelines.catch_up import TIMEOUT_SECONDS
from pipelines.run_days import UNDER_WAY
from resources.errors import ProjectError
from resources.local import kaltura as local_kaltura
from resources.settings import university_folder
from resources.university import load
from resources.university.lists import COURSES, LISTS, UniversityList
from resources.warehouse.resource import Postgres

NAME = "changed_lists"
CHECK_EVERY_SECONDS = 60
SETTLED_SECONDS = 5  # a file that is younger may still be on its way
AGAIN_AFTER_SECONDS = 24 * 3600


@dg.sensor(
    name=NAME,
    target=UNIVERSITY,
    minimum_interval_seconds=CHECK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING if university_folder() else dg.DefaultSensorStatus.STOPPED,
    description="Loads a list of UNIVERSITY_DIR that has changed or is not in the warehouse. On by default where that is set.",
)
def changed_lists(context: dg.SensorEvaluationContext, warehouse: Postgres) -> dg.SensorResult | dg.SkipReason:
    folder = university_folder()
    if folder is None:
        return dg.SkipReason("UNIVERSITY_DIR is not set.")
    try:
        account = local_kaltura.account()
    except ProjectError as error:
        return dg.SkipReason(str(error))
    now = _now()
    asked: dict[str, tuple[str, float]] = json.loads(context.cursor or "{}")
    there = {each: version for each in LISTS if (version := _settled(folder / each.file_name, now))}
    marks = {each: _newest(context.instance, each) for each in there}
    lost = _lost(marks, account, warehouse, context.log)
    reasons = {each: _reason(version, account, marks[each], each in lost) for each, version in there.items()}
    waiting = [each for each, reason in reasons.items() if reason and _is_due(asked.get(each.name), reason, now)]
    if not waiting:
        return dg.SkipReason("No list has changed.")
    if context.instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY, tags={"dagster/sensor_name": NAME}), limit=1):
        return dg.SkipReason("Lists are being loaded. What has changed since is loaded after that.")
    # Alone: were it refused in a run with the others, Dagster would begin none of them.
    due = [COURSES] if COURSES in waiting else waiting
    asked |= {each.name: (reasons[each], now) for each in due}
    request = dg.RunRequest(asset_selection=[list_key(each) for each in due])
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(asked))


@dataclass(frozen=True)
class Mark:
    """What Dagster says of the newest load of a list."""

    version: str
    account: int
    rows: int
    run_id: str


def _newest(instance: dg.DagsterInstance, wanted: UniversityList) -> Mark | None:
    """None where no load is known, or one that did not say of which account it was, as those of older versions."""
    event = instance.get_latest_materialization_event(list_key(wanted))
    if event is None or event.asset_materialization is None:
        return None
    said = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    if not {FILE_VERSION, ACCOUNT, ROWS} <= said.keys():
        return None
    return Mark(str(said[FILE_VERSION]), int(str(said[ACCOUNT])), int(str(said[ROWS])), event.run_id)


def _lost(
    marks: Mapping[UniversityList, Mark | None], account: int, warehouse: Postgres, log: logging.Logger
) -> set[UniversityList]:
    """The lists whose newest load left rows of the account, of which the warehouse has none any more.

    It was emptied, or is another one, or was restored: of that no mark tells.
    """
    filled = {each for each, mark in marks.items() if mark and mark.account == account and mark.rows}
    if not filled:
        return set()
    try:
        with (
            warehouse.opened() as opened,
            opened.connection() as connection,
            query.reading(connection, TIMEOUT_SECONDS),
        ):
            there = load.filled(connection, account)
    except ProjectError as error:
        log.warning(f"Whether the warehouse still has the lists is not known: {error}")
        return set()
    return {each for each in filled if each.name not in there}


def _reason(version: str, account: int, mark: Mark | None, is_lost: bool) -> str:
    """Why the list is to be loaded; empty where it is. Another one after each load that was lost again."""
    if mark is None or (mark.version, mark.account) != (version, account):
        return f"{version} of account {account}"
    return f"lost since run {mark.run_id}" if is_lost else ""


def _is_due(before: tuple[str, float] | None, reason: str, now: float) -> bool:
    """Whether it was not asked for by this reason last, or so long ago that it is tried again."""
    match before:
        case [former, asked_at]:
            return bool(former != reason or now - asked_at >= AGAIN_AFTER_SECONDS)
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
