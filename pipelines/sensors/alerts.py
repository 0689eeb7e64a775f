"""Alerts: one message for all that has gone wrong since the last one, and one when it is well again.

    python -m pipelines.sensors.alerts test         sends a test message to what is configured

The sensor remembers in its cursor what it has told, and moves it only when a channel has taken the message: what can't be
delivered is told at the next tick.
"""

import argparse
import datetime as dt
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from pipelines.sensors.channels import HOW_TO, NotDelivered, channels, deliver
from pipelines.sensors.incidents import ERROR, LOAD, WARNING, Collected, Day, Incident, collect
from resources.kaltura.windows import stretches
from resources.settings import SettingError, load_env_file

REMIND_AFTER_SECONDS = 24 * 3600 - 600  # once a day, and not ten minutes later every day
FORGET_WARNINGS_AFTER_SECONDS = 60 * 24 * 3600  # of days that nobody pulled again
STRETCHES_REMEMBERED = 500  # some 25 kB of cursor; the oldest are forgotten, and so told again if they are bad still
LINES_IN_A_MESSAGE = 25
DAYS_IN_A_LINE = 5


@dataclass
class AlertState:
    """What has been told and is bad still: by subject and day, at which level and when."""

    at: dict[str, dict[Day, tuple[str, int]]] = field(default_factory=dict)
    checks_until: int | None = None
    runs_until: int | None = None

    @classmethod
    def read(cls, cursor: str | None) -> "AlertState":
        if not cursor:
            return cls()
        stored = json.loads(cursor)
        told = cls(checks_until=stored["checks"], runs_until=stored["runs"])
        for subject, first, last, level, when in stored["told"]:
            for day in _days(first, last):
                told.at.setdefault(subject, {})[day] = (level, when)
        return told

    def written(self) -> str:
        """The cursor: days in a row that were told together are one entry."""
        entries: list[list[Any]] = []
        for subject, days in self.at.items():
            for mark in sorted(set(days.values()), key=lambda mark: mark[1]):
                dated = [day for day, own in days.items() if own == mark and day]
                entries += [[subject, str(run.first), str(run.last), *mark] for run in stretches(dated)]
                entries += [[subject, None, None, *mark] for day, own in days.items() if own == mark and not day]
        entries.sort(key=lambda entry: entry[4])
        return json.dumps(
            {"checks": self.checks_until, "runs": self.runs_until, "told": entries[-STRETCHES_REMEMBERED:]}
        )


def _days(first: str | None, last: str | None) -> list[Day]:
    if first is None or last is None:
        return [None]
    start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    return [start + dt.timedelta(days=n) for n in range((end - start).days + 1)]


@dataclass(frozen=True)
class Digest:
    """What a tick has to tell: incidents by subject, what is bad still, and what is well again."""

    new: Sequence[tuple[str, Sequence[Day], Incident]]
    still: Mapping[str, Sequence[Day]]
    recovered: Mapping[str, Sequence[Day]]

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
        return "Kaltura rooms: " + ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def lines(self, ui: str) -> list[str]:
        """One for each incident, its days together; the errors first."""
        lines = []
        for subject, days, incident in sorted(self.new, key=lambda news: news[2].level != ERROR):
            link = f" {ui}/runs/{incident.run_id}" if ui and incident.run_id else ""
            lines.append(f"{incident.level.upper()}: {_what(subject, days, incident.tables)}: {incident.reason}{link}")
        lines += [f"STILL: {_what(subject, days)}" for subject, days in self.still.items()]
        lines += [f"RECOVERED: {_what(subject, days)}" for subject, days in self.recovered.items()]
        if len(lines) > LINES_IN_A_MESSAGE:
            lines = [*lines[:LINES_IN_A_MESSAGE], f"and {len(lines) - LINES_IN_A_MESSAGE} more: see Dagster's UI"]
        return lines


def digest(found: Collected, told: AlertState, now: int) -> tuple[Digest, AlertState]:
    """What is to be said of `found` where `told` has been said already, and what has been told once it is."""
    after = AlertState(checks_until=found.checks_until, runs_until=found.runs_until)
    new: dict[tuple[str, Incident], list[Day]] = {}
    still: dict[str, list[Day]] = {}
    recovered: dict[str, list[Day]] = {}
    for subject in [*told.at, *(name for name in found.bad if name not in told.at)]:
        bad, before = found.bad.get(subject, {}), told.at.get(subject, {})
        marks = after.at.setdefault(subject, {})
        for day, incident in bad.items():
            level = before.get(day, ("", 0))[0]
            if not level or (level == WARNING and incident.level == ERROR):
                new.setdefault((subject, incident), []).append(day)
                marks[day] = (incident.level, now)
        for day, (level, when) in before.items():
            if day in marks:
                continue
            if day not in bad and _is_well(subject, day, found):
                recovered.setdefault(subject, []).append(day)
            elif level == ERROR and now - when >= REMIND_AFTER_SECONDS:
                still.setdefault(subject, []).append(day)
                marks[day] = (level, now)
            elif level == ERROR or now - when < FORGET_WARNINGS_AFTER_SECONDS:
                marks[day] = (level, when)
    fresh = [(subject, days, incident) for (subject, incident), days in new.items()]
    fresh += [("a run failed", [], incident) for incident in found.once]
    return Digest(fresh, still, recovered), after


def _is_well(subject: str, day: Day, found: Collected) -> bool:
    """A day that is not in red is loaded; of a check's days only those are well that it has looked at since."""
    if subject == LOAD:
        return day not in found.unsettled
    return day in found.good.get(subject, ())


def _what(subject: str, days: Sequence[Day], tables: Sequence[str] = ()) -> str:
    dated = stretches(day for day in days if day)
    shown = ", ".join(str(each).replace("...", " to ") for each in dated[:DAYS_IN_A_LINE])
    if len(dated) > DAYS_IN_A_LINE:
        shown += f" and {sum(len(each) for each in dated[DAYS_IN_A_LINE:])} more days"
    if subject == LOAD:
        return f"not loaded, {shown}" + (f" ({', '.join(tables)})" if tables else "")
    return f"{subject}, {shown}" if shown else subject


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
    now = int(time.time())
    told = AlertState.read(context.cursor)
    found = collect(context.instance, told.checks_until, told.runs_until, now)
    what, after = digest(found, told, now)
    if not what:
        return dg.SensorResult(skip_reason=dg.SkipReason("Nothing new to tell."), cursor=after.written())
    failures = deliver(to, what.headline, what.lines(os.environ.get("DAGSTER_UI_URL", "").strip().rstrip("/")))
    for failure in failures:
        context.log.warning(f"One of the channels took no message. {failure}")
    return dg.SensorResult(skip_reason=dg.SkipReason(f"Told: {what.headline}"), cursor=after.written())


def main() -> int:
    load_env_file()
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.sensors.alerts", description="The alerts that are configured."
    )
    parser.add_argument("verb", choices=["test"], help="send a test message to every channel, and say what happened")
    parser.parse_args()
    try:
        to = channels()
    except SettingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not to:
        sys.stderr.write(f"No channel is set. {HOW_TO}\n")
        return 1
    failed = 0
    for channel in to:
        try:
            channel.send("Kaltura rooms: a test message", ["If you can read this, alerts arrive. Nothing is wrong."])
            sys.stdout.write(f"{channel.name}: it took the message. See whether it has arrived.\n")
        except NotDelivered as error:
            failed += 1
            sys.stderr.write(f"{error}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
