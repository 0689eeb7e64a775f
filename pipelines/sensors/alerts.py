"""Alerts: one message for all that has gone wrong since the last one, and one when it is well again.

The sensor remembers in its cursor what it has told, and moves it only when a channel has taken the message: what can't be
delivered is told at the next tick.
"""

import datetime as dt
import json
import os
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.checks import checks
from assets.partitions import SETTINGS
from assets.pull.reasons import STRETCHES_IN_A_LINE
from pipelines.sensors.channels import HOW_TO, channels, deliver, titled
from pipelines.sensors.incidents import ERROR, LOAD, WARNING, Collected, Day, Incident, collect
from resources.kaltura.windows import stretches

REMIND_AFTER_SECONDS = 24 * 3600 - 600  # once a day, and not ten minutes later every day
FORGET_WARNINGS_AFTER_SECONDS = 60 * 24 * 3600  # of days that nobody pulled again
MARKS_REMEMBERED = 500  # subjects times moments, some 40 kB; the oldest are forgotten, and told again if bad still
LINES_IN_A_MESSAGE = 25


@dataclass
class AlertState:
    """What has been told and is bad still: by subject and day, at which level and when.

    `runs_told` are the runs among the events after `runs_until` that were looked at.
    """

    at: dict[str, dict[Day, tuple[str, int]]] = field(default_factory=dict)
    checks_until: int | None = None
    runs_until: int | None = None
    runs_told: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, cursor: str | None) -> "AlertState":
        if not cursor:
            return cls()
        stored = json.loads(cursor)
        told = cls(checks_until=stored["checks"], runs_until=stored["runs"], runs_told=set(stored.get("runs_told", ())))
        for subject, level, when, first, days in stored.get("marks", ()):
            for day in _days(first, days):
                told.at.setdefault(subject, {})[day] = (level, when)
        return told

    def written(self) -> str:
        """The cursor: days that were told together are one entry, a first day and a bit for each that follows."""
        entries: list[list[Any]] = []
        for subject, marked in self.at.items():
            together: dict[tuple[str, int], list[Day]] = {}
            for day, mark in marked.items():
                together.setdefault(mark, []).append(day)
            for mark, days in together.items():
                dated = [day for day in days if day]
                if dated:
                    first = min(dated)
                    bits = sum(1 << (day - first).days for day in dated)
                    entries.append([subject, *mark, str(first), f"{bits:x}"])
                if None in days:
                    entries.append([subject, *mark, None, "1"])
        entries.sort(key=lambda entry: entry[2])
        return json.dumps(
            {
                "checks": self.checks_until,
                "runs": self.runs_until,
                "runs_told": sorted(self.runs_told),
                "marks": entries[-MARKS_REMEMBERED:],
            }
        )

    def failed_days(self) -> set[Day]:
        """Days that were told not to be loaded."""
        return {day for day, (level, _) in self.at.get(LOAD, {}).items() if level == ERROR}


def _days(first: str | None, days: str) -> list[Day]:
    if first is None:
        return [None]
    start, bits = dt.date.fromisoformat(first), int(days, 16)
    return [start + dt.timedelta(days=n) for n in range(bits.bit_length()) if bits >> n & 1]


@dataclass(frozen=True)
class Digest:
    """What a tick has to tell: incidents by subject, what is bad still, and what is well again.

    Of `loaded` days the warehouse has rows, be it of an earlier run.
    """

    new: Sequence[tuple[str, Sequence[Day], Incident]]
    still: Mapping[str, Sequence[Day]]
    recovered: Mapping[str, Sequence[Day]]
    loaded: Container[Day] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.still or self.recovered)

    @property
    def headline(self) -> str:
        errors = sum(incident.level == ERROR for _, _, incident in self.new)
        counts = {
            "failed": errors,
            "to look at": len(self.new) - errors,
            "still failing": len(self.still),
            "recovered": len(self.recovered),
        }
        return titled(", ".join(f"{count} {what}" for what, count in counts.items() if count))

    def lines(self, ui: str) -> list[str]:
        """One for each incident, its days together; the errors first."""
        lines = []
        for subject, days, incident in sorted(self.new, key=lambda news: news[2].level != ERROR):
            link = f" {ui}/runs/{incident.run_id}" if ui and incident.run_id else ""
            lines.append(f"{incident.level.upper()}: {_what(subject, days, incident)}: {incident.reason}{link}")
        for subject, days in self.still.items():
            for has_rows in (False, True):
                of_kind = [day for day in days if (subject == LOAD and day in self.loaded) is has_rows]
                if of_kind:
                    lines.append(f"STILL: {_what(subject, of_kind, Incident(ERROR, '', (), has_rows=has_rows))}")
        lines += [f"RECOVERED: {_what(subject, days)}" for subject, days in self.recovered.items()]
        if len(lines) > LINES_IN_A_MESSAGE:
            lines = [*lines[:LINES_IN_A_MESSAGE], f"and {len(lines) - LINES_IN_A_MESSAGE} more: see Dagster's UI"]
        return lines


def digest(found: Collected, told: AlertState, now: int) -> tuple[Digest, AlertState]:
    """What is to be said of `found` where `told` has been said already, and what has been told once it is."""
    after = AlertState(checks_until=found.checks_until, runs_until=found.runs_until, runs_told=found.runs_told)
    new: dict[tuple[str, Incident], list[Day]] = {}
    still: dict[str, list[Day]] = {}
    recovered: dict[str, list[Day]] = {}
    for subject in [*told.at, *(name for name in found.bad if name not in told.at)]:
        bad, before = found.bad.get(subject, {}), told.at.get(subject, {})
        marks = after.at.setdefault(subject, {})
        for day, incident in bad.items():
            if _is_given_up(subject, day):
                continue
            level = before.get(day, ("", 0))[0]
            if not level or (level == WARNING and incident.level == ERROR):
                new.setdefault((subject, incident), []).append(day)
                marks[day] = (incident.level, now)
        for day, (level, when) in before.items():
            if day in marks or _is_given_up(subject, day):
                continue
            if day not in bad and _is_well(subject, day, found):
                recovered.setdefault(subject, []).append(day)
            elif level == ERROR and now - when >= REMIND_AFTER_SECONDS and checks.is_reminded(subject):
                still.setdefault(subject, []).append(day)
                marks[day] = (level, now)
            elif level == ERROR or now - when < FORGET_WARNINGS_AFTER_SECONDS:
                marks[day] = (level, when)
    fresh = [(subject, days, incident) for (subject, incident), days in new.items()]
    fresh += [(subject, [], incident) for subject, incident in found.once]
    return Digest(fresh, still, recovered, found.loaded), after


def _is_given_up(subject: str, day: Day) -> bool:
    """Before START_DATE nothing is pulled any more, so that nothing would end it. A silence may last beyond its first day."""
    return day is not None and day < SETTINGS.start_date and checks.is_reminded(subject)


def _is_well(subject: str, day: Day, found: Collected) -> bool:
    """A day is well that is loaded and not in red; of a check's days only those that it has looked at since."""
    if subject == LOAD:
        return day not in found.red and day in found.loaded
    return day in found.good.get(subject, ())


def _what(subject: str, days: Sequence[Day], incident: Incident | None = None) -> str:
    dated = stretches(day for day in days if day)
    shown = ", ".join(str(each).replace("...", " to ") for each in dated[:STRETCHES_IN_A_LINE])
    if len(dated) > STRETCHES_IN_A_LINE:
        shown += f" and {sum(len(each) for each in dated[STRETCHES_IN_A_LINE:])} more days"
    if subject == LOAD:
        tables = f" ({', '.join(incident.tables)})" if incident and incident.tables else ""
        if incident and incident.has_rows:
            return f"not pulled again, {shown}{tables}; what an earlier run loaded of it stands"
        return f"not loaded, {shown}{tables}"
    return f"{subject}, {shown}" if shown else subject


def _now() -> int:
    return int(time.time())


@dg.sensor(
    name="alerts",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells a chat or a mailbox of days that failed, checks that fail and loads that are overdue; once, and "
    f"again when they are well. {HOW_TO}",
)
def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    to = channels()
    if not to:
        return dg.SkipReason(f"Nobody is told of anything. {HOW_TO}")
    now = _now()
    told = AlertState.read(context.cursor)
    origin = context.code_location_origin
    location = origin.location_name if origin else None
    found = collect(
        context.instance, told.checks_until, told.runs_until, now, told.failed_days(), location, told.runs_told
    )
    what, after = digest(found, told, now)
    if not what:
        return dg.SensorResult(skip_reason=dg.SkipReason("Nothing new to tell."), cursor=after.written())
    failures = deliver(to, what.headline, what.lines(os.environ.get("DAGSTER_UI_URL", "").strip().rstrip("/")))
    for failure in failures:
        context.log.warning(f"Not everybody was told. {failure}")
    return dg.SensorResult(skip_reason=dg.SkipReason(f"Told: {what.headline}"), cursor=after.written())
