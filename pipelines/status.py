"""What the warehouse holds against what Dagster says, by ranges of days, with what mends each difference.

    python -m pipelines status [--json] [--mend]

A failover, a restored backup or a wiped history leave the two apart, and neither notices by itself: a day that is green
and not there is left out by every backfill of missing days. Reads only; `mend.py` is what mends the
marks. Exit code 1 where they disagree, or days are missing.

*Provisional* is narrower here than in `analytics.calendar`: a day that was pulled before it was over everywhere. There
a day counts too of which a session is not yet known to its end.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import psycopg

from assets.checks import missing_days
from assets.partitions import CALENDAR, PARTITIONS, SETTINGS
from assets.report import Report
from assets.reports import REPORTS
from pipelines.hours import CHECK_AT, PULL_AT
from resources.kaltura.windows import DAY, Days, stretches
from resources.postgres.migrations import Migrations
from resources.postgres.reading import keep_a_restore_off
from resources.settings import CHECKOUT
from resources.warehouse.calendars import expect_none_but

_LOADED = CHECKOUT / "sql" / "status" / "loaded_days.sql"
_EMPTY = CHECKOUT / "sql" / "status" / "empty_days.sql"
_EMPTY_RUNS_SHOWN = 10  # weekends are among them

LOADED, PROVISIONAL, OVERDUE = "loaded", "provisional", "provisional for too long"
MISSING, NEVER, TO_COME = "missing", "before the first load", "still to come"
NOT_THERE, NOT_MARKED = "marked and not there", "there and not marked"
PULL = "a backfill of these days in `make ui`, or `python -m pipelines pull --from DAY --to DAY`"
_BY_ITSELF = (
    f"daily_pull brings the oldest {SETTINGS.catch_up_days} a day back (CATCH_UP_DAYS). At once: "
    if SETTINGS.catch_up_days
    else "nothing brings them back by itself, as CATCH_UP_DAYS is 0: "
)
MENDS = {
    PROVISIONAL: "pulled before they were over everywhere, or while a session of theirs ran: daily_pull, which asks again for "
    "the days before yesterday (LOOKBACK_DAYS), or once the session is over, makes them final",
    OVERDUE: "pulled before they were over everywhere, or while a session of theirs ran, and not since, so figures may be too "
    f"low; {_BY_ITSELF}{PULL}",
    MISSING: f"{_BY_ITSELF}{PULL}",
    TO_COME: f"it is over since midnight: daily_pull asks for it at {PULL_AT:%H:%M}, and from {CHECK_AT:%H:%M} on it is missing",
    NEVER: f"nobody has asked for them. For a history that begins earlier: {PULL}",
    NOT_THERE: f"Dagster shows them green and the warehouse lacks them; {_BY_ITSELF}{PULL}. `python -m pipelines status "
    "--mend` takes the marks away, so that a backfill of missing days takes them too",
    NOT_MARKED: "the warehouse holds them and Dagster shows them missing; nothing is lost: `python -m pipelines status "
    "--mend` marks them",
}


@dataclass(frozen=True)
class Status:
    """Each day stands in one list of `days`. `empty` are those loaded days of which all reports came without a row."""

    account: int
    days: Mapping[str, list[Days]]
    empty: list[Days]
    newest_event_at: dt.datetime | None
    warehouse_bytes: int
    history_bytes: int | None = field(default=None)

    @property
    def is_well(self) -> bool:
        return not any(self.days[kind] for kind in (OVERDUE, MISSING, NOT_THERE, NOT_MARKED))

    def document(self) -> dict[str, object]:
        return {
            "account": self.account,
            "is_well": self.is_well,
            "days": {kind: [[str(run.first), str(run.last)] for run in runs] for kind, runs in self.days.items()},
            "believed_empty": [[str(run.first), str(run.last)] for run in self.empty],
            "newest_event_at": self.newest_event_at.isoformat() if self.newest_event_at else None,
            "warehouse_bytes": self.warehouse_bytes,
            "history_bytes": self.history_bytes,
        }

    def lines(self) -> list[str]:
        lines = [f"Account {self.account}"]
        for kind, runs in self.days.items():
            if runs:
                lines.append(_line(kind, runs))
                lines += [f"    {MENDS[kind]}"] if kind in MENDS else []
        if self.empty:
            lines.append(_line("believed empty", self.empty, newest=_EMPTY_RUNS_SHOWN))
            lines.append("    all reports came without a row. Where that can't be, pull these days again")
        lines.append(f"newest event: {self.newest_event_at or 'none'}")
        lines.append(f"size of the warehouse: {self.warehouse_bytes / 1e6:,.0f} MB")
        if self.history_bytes is not None:
            lines.append(f"size of Dagster's history: {self.history_bytes / 1e6:,.0f} MB")
        return [*lines, self._verdict()]

    def _verdict(self) -> str:
        if self.days[NOT_THERE] or self.days[NOT_MARKED]:
            return "The warehouse and Dagster disagree: see above."
        if not self.is_well:
            return "The warehouse and Dagster agree, and days are missing or were never made final: see above."
        return "The warehouse and Dagster agree."


def shown(these: Sequence[Days]) -> str:
    return ", ".join(str(days).replace("...", " to ") for days in these)


def _line(kind: str, runs: Sequence[Days], newest: int | None = None) -> str:
    count = sum(map(len, runs))
    first = f"the last {newest}: " if newest is not None and len(runs) > newest else ""
    return (
        f"{kind}: {count:,} day{'s' if count > 1 else ''}: {first}{shown(runs if newest is None else runs[-newest:])}"
    )


def compared(
    wanted: Collection[dt.date],
    loaded: Mapping[dt.date, bool],
    missing: Collection[dt.date],
    marked: Collection[dt.date],
    asked_again_from: dt.date = dt.date.min,
    unsettled: Collection[dt.date] = (),
    to_come: Collection[dt.date] = (),
) -> dict[str, list[Days]]:
    """The wanted days by what is known of them; `loaded` says of each day that is there whole if it is provisional.

    Days before `asked_again_from` no pull asks for by itself but to catch up. Those that are `unsettled` no pull makes final.
    Of those `to_come` the pull that is to bring them in is not due yet: they are not missing.
    """
    marks = set(marked)
    kinds: dict[str, list[dt.date]] = {
        kind: [] for kind in (LOADED, PROVISIONAL, OVERDUE, MISSING, TO_COME, NEVER, NOT_THERE, NOT_MARKED)
    }
    for day in sorted({*wanted, *loaded, *missing, *marks}):
        if day in loaded:
            late = PROVISIONAL if day >= asked_again_from or day in unsettled else OVERDUE
            kinds[NOT_MARKED if day not in marks else late if loaded[day] else LOADED].append(day)
        else:
            lacking = TO_COME if day in to_come else MISSING
            kinds[NOT_THERE if day in marks else lacking if day in missing else NEVER].append(day)
    return {kind: stretches(days) for kind, days in kinds.items()}


@dataclass(frozen=True)
class WarehouseDays:
    """What the account's warehouse holds, since START_DATE.

    `loaded` days are there whole, and may be provisional; of `missing` days some reports may be there. `empty` are
    those of the loaded days of which all reports came without a row, `unsettled` those of which a session may still run.
    """

    loaded: Mapping[dt.date, bool]
    missing: Mapping[dt.date, frozenset[int]]
    empty: frozenset[dt.date] = frozenset()
    unsettled: frozenset[dt.date] = frozenset()

    def days_of(self, report: Report) -> set[dt.date]:
        """Days of which the report is there, whole."""
        return {*self.loaded, *(day for day, reports in self.missing.items() if report.report_id in reports)}


def held(connection: psycopg.Connection, account: int, marked_from: dt.date | None = None) -> WarehouseDays:
    """`marked_from` is the first day that Dagster has marked, where days are missing since then.

    Raises `MigrationError` for a schema that is not this version's, `CalendarError` for another zone's days.
    """
    keep_a_restore_off(connection)
    Migrations(connection).require_current()
    expect_none_but(connection, account, CALENDAR.timezone)
    last = _last_partition()
    lacking = missing_days.missing(connection, account, last, marked_from)
    there = {day: known for day, known in days_with_loads(connection, account).items() if day not in lacking}
    loaded = {day: known.is_provisional for day, known in there.items()}
    unsettled = frozenset(day for day, known in there.items() if known.may_still_run)
    empty = connection.execute(_EMPTY.read_bytes(), {"partner_id": account}).fetchall()
    return WarehouseDays(loaded, lacking, frozenset(day for (day,) in empty if day in loaded), unsettled)


class Known(NamedTuple):
    """Of a day of which anything is loaded: whether it is provisional, and whether no pull makes it final yet."""

    is_provisional: bool
    may_still_run: bool


def days_with_loads(connection: psycopg.Connection, account: int) -> dict[dt.date, Known]:
    """Since START_DATE. Which of them are not whole is told by `missing_days`."""
    days = connection.execute(_LOADED.read_bytes(), {"partner_id": account}).fetchall()
    return {day: Known(*known) for day, *known in days if day >= SETTINGS.start_date}


def marks(instance: dg.DagsterInstance) -> dict[int, set[dt.date]]:
    """Days that Dagster has marked, since START_DATE, by report."""
    return {
        report.report_id: {
            day
            for day in map(dt.date.fromisoformat, instance.get_materialized_partitions(report.key))
            if day >= SETTINGS.start_date
        }
        for report in REPORTS
    }


def status(
    connection: psycopg.Connection, instance: dg.DagsterInstance, account: int, now: dt.datetime | None = None
) -> Status:
    """Reads both. Raises as `held` does."""
    marked = marks(instance)  # before the warehouse: a run loads a day before it marks it
    there = held(connection, account, min(set.union(*marked.values()), default=None))
    newest, size = connection.execute(
        "SELECT (SELECT max(session_start_time) FROM kaltura.room_sessions WHERE partner_id = %s),"
        " pg_database_size(current_database())",
        [account],
    ).fetchall()[0]
    in_both = set.intersection(*marked.values())
    to_come = _to_come(now or dt.datetime.now(SETTINGS.timezone))
    days = compared(_partitions(), there.loaded, there.missing, in_both, _asked_again_from(), there.unsettled, to_come)
    return Status(account, days, stretches(there.empty), newest, size, _bytes_in(instance))


def _asked_again_from() -> dt.date:
    """The first day that the last daily pull has asked for: that of today may be still to come."""
    return _last_partition() - dt.timedelta(days=SETTINGS.lookback_days + 1)


def _to_come(now: dt.datetime) -> list[dt.date]:
    """Yesterday, in the hours in which the day's pull is not yet due or under way."""
    return [now.date() - DAY] if now.time() < CHECK_AT else []


def _last_partition() -> dt.date:
    """The last day that is over; where none is since START_DATE, the day before it, since which none has to be there."""
    return _partitions()[-1] if _partitions() else SETTINGS.start_date - DAY


def _partitions() -> list[dt.date]:
    return [dt.date.fromisoformat(key) for key in PARTITIONS.get_partition_keys()]


def _bytes_in(instance: dg.DagsterInstance) -> int | None:
    """What the history takes on disk; None where it is in a database of its own."""
    folder = Path(instance.root_directory) / "storage" if instance.is_persistent else None
    if folder is None or not folder.is_dir():
        return None
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
