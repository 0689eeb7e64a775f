"""Loads the university's lists when their files change, or when the warehouse does not have them.

What is loaded is told by each list's newest load and by the warehouse, and not by what was asked for: a run that was
killed, or met a database that was away, is asked for again while the database answers, each time after twice as long. So
is a list that was refused, or whose run somebody cancelled, once a day; and each as soon as its file changes. One with
times is loaded again once the days are cut in another time zone, and not while that is not the one of the settings.
"""

import json
import logging
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import psycopg

from assets.checks import query
from assets.partitions import CALENDAR
from assets.university import ACCOUNT, FILE_VERSION, LOCAL_TIMES, ROWS, UNIVERSITY, file_version, list_key
from pipelines.catch_up import TIMEOUT_SECONDS
from pipelines.code_location import location_of
from pipelines.run_days import UNDER_WAY
from resources.errors import ProjectError
from resources.local import kaltura as local_kaltura
from resources.settings import SettingError, university_folder
from resources.university import load
from resources.university.folder import has_none, lists_in
from resources.university.lists import COURSES, UniversityList
from resources.warehouse import calendars
from resources.warehouse.resource import WarehouseResource

NAME = "changed_lists"
CHECK_EVERY_SECONDS = 60
SETTLED_SECONDS = 5  # a file that is younger may still be on its way
AGAIN_AFTER_SECONDS = 24 * 3600
IN_VAIN_AFTER_SECONDS = 60  # at first, and twice as long after each time


@dg.sensor(
    name=NAME,
    target=UNIVERSITY,
    minimum_interval_seconds=CHECK_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING if university_folder() else dg.DefaultSensorStatus.STOPPED,
    description="Loads a list of UNIVERSITY_DIR that has changed or is not in the warehouse. On by default where that is set.",
)
def changed_lists(context: dg.SensorEvaluationContext, warehouse: WarehouseResource) -> dg.SensorResult | dg.SkipReason:
    folder = university_folder()
    if folder is None:
        return dg.SkipReason("UNIVERSITY_DIR is not set.")
    try:
        account = local_kaltura.account()
    except ProjectError as error:
        return dg.SkipReason(str(error))
    now = _now()
    asked: dict[str, Sequence[Any]] = json.loads(context.cursor or "{}")
    found = _found(folder)
    if not found:
        return dg.SkipReason(f"UNIVERSITY_DIR: {has_none(folder)}")
    there = {each: version for each in found if (version := _settled(folder / each.file_name, now))}
    held = _held(account, warehouse, context.log) if there else Held()
    reasons = {
        each: _reason(each, f"{version} of account {account}", _newest(context.instance, each), held)
        for each, version in there.items()
        if not (each.has_times and held.other_zone)
    }
    outcomes = {each: _outcome(context.instance, each) for each, reason in reasons.items() if reason}
    asks = {each: Ask.after(asked.get(each.name), reasons[each], now, outcome) for each, outcome in outcomes.items()}
    first = [each for each, ask in asks.items() if ask.is_due(asked.get(each.name))]
    again = [each for each, ask in asks.items() if held.filled is not None and ask.is_in_vain(asked.get(each.name))]
    due = _together(first) or _together(again, asked)
    if not due:
        return dg.SkipReason(held.other_zone or "No list has changed.")
    if _is_under_way(context):
        return dg.SkipReason("Lists are being loaded. What has changed since is loaded after that.")
    asked |= {each.name: asks[each] for each in due}
    tags = [_tag(each) for each in due]
    request = dg.RunRequest(asset_selection=[list_key(each) for each in due], tags=dict(tags))
    return dg.SensorResult(run_requests=[request], cursor=json.dumps(asked))


def _is_under_way(context: dg.SensorEvaluationContext) -> bool:
    """Whether what this sensor asked for is. In one Dagster each account's code location has a sensor of the name."""
    origin = context.code_location_origin
    asked_for = context.instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY, tags={"dagster/sensor_name": NAME}))
    return any(location_of(run) == (origin.location_name if origin else None) for run in asked_for)


def _found(folder: Path) -> list[UniversityList]:
    """The lists that are there. A folder that can't be looked into fails the tick: nothing would change in it for good."""
    try:
        return lists_in(folder)
    except SettingError as error:
        raise SettingError(f"UNIVERSITY_DIR: {error}") from None


@dataclass(frozen=True)
class Mark:
    """What Dagster says of the newest load of a list: of which file and account, and how its times were read."""

    file: str
    local_times: str
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
    file = f"{said[FILE_VERSION]} of account {said[ACCOUNT]}"
    return Mark(file, str(said.get(LOCAL_TIMES, "")), int(str(said[ROWS])), event.run_id)


@dataclass(frozen=True)
class Held:
    """What the warehouse says of the account, which no mark tells: it was emptied, is another one, or was restored.

    `filled`: the lists that it has rows of; None where it can't be asked. `other_zone`: that its days are not cut in the
    zone of the settings.
    """

    filled: Set[str] | None = None
    local_times: str = ""
    other_zone: str = ""


def _held(account: int, warehouse: WarehouseResource, log: logging.Logger) -> Held:
    try:
        with (
            warehouse.opened() as opened,
            opened.connection() as connection,
            query.reading(connection, TIMEOUT_SECONDS),
        ):
            filled = load.filled(connection, account)
            return Held(filled, *_times(connection, account))
    except ProjectError as error:
        log.warning(f"Whether the warehouse still has the lists is not known: {error}")
        return Held()


def _times(connection: psycopg.Connection, account: int) -> tuple[str, str]:
    timezone = CALENDAR.timezone
    try:
        calendars.expect_none_but(connection, account, timezone)
    except calendars.CalendarError as error:
        return "", str(error)
    return calendars.local_times(connection, account, timezone), ""


def _reason(wanted: UniversityList, file: str, mark: Mark | None, held: Held) -> str:
    """Why the list is to be loaded; empty where it is. Another one after each load that was lost again."""
    is_known = held.filled is not None
    times = held.local_times if wanted.has_times and is_known else ""
    if mark is None or mark.file != file:
        return f"{file}, times of {times}" if times else file
    if is_known and mark.local_times != times:
        return f"{file}, times of {times}, and not as of run {mark.run_id}"
    if held.filled is not None and mark.rows and wanted.name not in held.filled:
        return f"lost since run {mark.run_id}"
    return ""


class Ask(NamedTuple):
    """Why a list is asked for, when, what had come of it until then, and how often in a row nothing came of it.

    As such it stands in the cursor. A version before wrote less of it.
    """

    reason: str
    at: float
    outcome: str
    in_vain: int = 0

    @classmethod
    def after(cls, before: Sequence[Any] | None, reason: str, at: float, outcome: str) -> "Ask":
        match before:
            case [former, _, as_before, *count] if (former, as_before) == (reason, outcome):
                return cls(reason, at, outcome, sum(count) + 1)
        return cls(reason, at, outcome)

    def is_due(self, before: Sequence[Any] | None) -> bool:
        """Whether it was not asked for by this reason last, or so long ago that it is tried again."""
        match before:
            case [former, asked_at, *_]:
                return bool(former != self.reason or self.at - asked_at >= AGAIN_AFTER_SECONDS)
        return True

    def is_in_vain(self, before: Sequence[Any] | None) -> bool:
        """Whether it was asked for a good while ago, and has neither been loaded nor refused since.

        The pause grows: a database that can be read and takes no rows would fail a run each minute.
        """
        pause = min(IN_VAIN_AFTER_SECONDS * 2 ** (self.in_vain - 1), AGAIN_AFTER_SECONDS)
        return bool(before and self.in_vain and self.at - before[1] >= pause)


def _together(
    waiting: Sequence[UniversityList], asked: Mapping[str, Sequence[Any]] | None = None
) -> Sequence[UniversityList]:
    """Those that one run loads. The courses' is alone: were they refused with the others, Dagster would begin none of those.

    The others go first where they were `asked` for before the courses were, or they might never have their turn.
    """
    if COURSES not in waiting:
        return waiting
    others = [each for each in waiting if each is not COURSES]
    if asked and others and min(asked[each.name][1] for each in others) < asked[COURSES.name][1]:
        return others
    return [COURSES]


def _outcome(instance: dg.DagsterInstance, wanted: UniversityList) -> str:
    """Which load of the list, which refusal and which run that somebody cancelled were the last."""
    key = list_key(wanted)
    loads, refusals = instance.fetch_materializations(key, limit=1), instance.fetch_observations(key, limit=1)
    cancelled = dg.RunsFilter(statuses=[dg.DagsterRunStatus.CANCELED], tags=dict([_tag(wanted)]))
    events = (*loads.records, *refusals.records)
    runs = instance.get_run_records(cancelled, limit=1)
    return " ".join(
        str(number) for number in [*(each.storage_id for each in events), *(each.storage_id for each in runs)]
    )


def _tag(wanted: UniversityList) -> tuple[str, str]:
    """By which a run that was asked for to load the list is found. In one Dagster lists of all accounts have the same names."""
    return f"{NAME}/{wanted.name}", list_key(wanted).to_user_string()


def _now() -> float:
    return time.time()


def _settled(path: Path, now: float) -> str:
    """The file's version; empty where it has gone, or was written just now."""
    try:
        version = file_version(path)
        return version if abs(now - path.stat().st_mtime) > SETTLED_SECONDS else ""
    except FileNotFoundError:  # since the folder was looked into
        return ""
