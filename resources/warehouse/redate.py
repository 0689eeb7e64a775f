"""Moves every row of an account to its day in another time zone, in the caller's transaction, and the bookkeeping with it.

Sessions and breakouts tell their day by their start, attendees by their session, as when they are pulled. A load's day
lies on two of the new ones or three, so the load is cut into parts, one a day: the largest stays the load, the others
stand beside it without figures. Each part says of which sessions it tells (`filters.started`), and so makes no day loaded.
Where parts tell of all of a day together, one more row of `loads` says so. A day that they don't cover, as those at the
ends, is not loaded any more: its rows are there, views call them provisional, and a pull brings the rest.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from resources.arrivals import values_in
from resources.kaltura.windows import DAY, Calendar, Days, stretches
from resources.settings import CHECKOUT
from resources.table import Table
from resources.warehouse import kept_to
from resources.warehouse.calendars import CalendarError, is_filled, record, recorded_timezone
from resources.warehouse.coverage import DayCoverage, LoadCoverage

FARTHEST = 3  # days between the names that one moment has in two zones: two at most, and one for the end of the day
START = "session_start_time"
_STATEMENTS = CHECKOUT / "sql" / "redate"
_Day = tuple[int, dt.date, str | None]  # of a report, and of loads with the same filters

_BY_START = """
SELECT row.ctid AS place, row.load_id, row.partition_date AS day_before, days.day
FROM {target} AS row
LEFT JOIN pg_temp.redate_days AS days
    ON days.day BETWEEN (row.session_start_time AT TIME ZONE 'UTC')::date - 1
    AND (row.session_start_time AT TIME ZONE 'UTC')::date + 1
    AND row.session_start_time >= days.starts_at AND row.session_start_time < days.ends_at
WHERE row.partner_id = %(partner_id)s
"""
# As a pull ties them: by room and cue point, else by the cue point alone to the earliest of its sessions.
_LOOSE = (
    "SELECT cue_point_id, day_before, min(day) AS day FROM pg_temp.redate_sessions GROUP BY cue_point_id, day_before"
)
_BY_SESSION = f"""
SELECT row.ctid AS place, row.load_id, row.partition_date AS day_before, coalesce(exact.day, loose.day) AS day
FROM {{target}} AS row
LEFT JOIN pg_temp.redate_sessions AS exact USING (entry_id, cue_point_id)
LEFT JOIN ({_LOOSE}) AS loose ON loose.cue_point_id = row.cue_point_id AND loose.day_before = row.partition_date
WHERE row.partner_id = %(partner_id)s
"""
# Rows that nothing tells the day of stay with the largest part of their load. Nobody else writes meanwhile, so that
# `ctid` stays good.
_MOVE = """
WITH placed AS ({placed}), settled AS (
    SELECT
        placed.place, placed.load_id, placed.day_before, coalesce(placed.day, largest.day, placed.day_before) AS day,
        placed.day IS NULL AS is_in_doubt
    FROM placed LEFT JOIN pg_temp.redate_parts AS largest ON largest.id = placed.load_id
), written AS (
    UPDATE {target} AS row
    SET partition_date = settled.day, load_id = coalesce(parts.id, settled.load_id), changed_at = now()
    FROM settled
    LEFT JOIN pg_temp.redate_parts AS parts ON parts.load_id = settled.load_id AND parts.day = settled.day
    WHERE row.ctid = settled.place AND (settled.day <> settled.day_before OR parts.id <> settled.load_id)
    RETURNING settled.day <> settled.day_before AS is_moved
), doubts AS (
    INSERT INTO pg_temp.redate_doubts (report_id, day)
    SELECT DISTINCT %(report_id)s::integer, parts.day
    FROM settled INNER JOIN pg_temp.redate_parts AS parts USING (load_id)
    WHERE settled.is_in_doubt AND parts.day <> settled.day
    UNION
    SELECT DISTINCT %(report_id)s::integer, settled.day
    FROM settled INNER JOIN pg_temp.redate_parts AS parts USING (load_id)
    WHERE settled.is_in_doubt AND parts.day <> settled.day
)
SELECT count(*) FROM written WHERE is_moved
"""
_MOVE_CHANGES = f"""
UPDATE kaltura.changes AS row SET {{side}} = row.{{side}} || jsonb_build_object('partition_date', placed.day)
FROM (
    SELECT side.place, side.day_before, coalesce(days.day, exact.day, loose.day, side.largest) AS day
    FROM (
        SELECT
            changes.ctid AS place,
            parts.day AS largest,
            ({{side}} ->> 'partition_date')::date AS day_before,
            ({{side}} ->> 'session_start_time')::timestamptz AS started_at,
            CASE table_name WHEN 'attendees' THEN key ->> 'entry_id' END AS entry_id,
            CASE table_name WHEN 'attendees' THEN key ->> 'cue_point_id' END AS cue_point_id
        FROM kaltura.changes INNER JOIN pg_temp.redate_parts AS parts ON parts.id = changes.load_id
        WHERE {{side}} ? 'partition_date'
    ) AS side
    LEFT JOIN pg_temp.redate_days AS days
        ON days.day BETWEEN (side.started_at AT TIME ZONE 'UTC')::date - 1
        AND (side.started_at AT TIME ZONE 'UTC')::date + 1
        AND side.started_at >= days.starts_at AND side.started_at < days.ends_at
    LEFT JOIN pg_temp.redate_sessions AS exact USING (entry_id, cue_point_id)
    LEFT JOIN ({_LOOSE}) AS loose ON loose.cue_point_id = side.cue_point_id AND loose.day_before = side.day_before
) AS placed
WHERE row.ctid = placed.place AND placed.day <> placed.day_before
"""


@dataclass(frozen=True)
class Redated:
    """What became of an account: how many rows went to another day, by table.

    `not_whole` are days that lie in the loads' stretch of time, and of which a report is not loaded whole.
    """

    before: str
    after: str
    moved: dict[str, int]
    not_whole: Sequence[Days]


def redate(
    connection: psycopg.Connection, partner_id: int, timezone: ZoneInfo, tables: Sequence[Table]
) -> Redated | None:
    """Cut the account's days in `timezone`. None where they already are, and nothing is written.

    The caller holds the people lock exclusively, so that no load is under way. Raises `CalendarError`.
    """
    recorded = recorded_timezone(connection, partner_id)
    if not is_filled(connection, partner_id):
        raise CalendarError(f"account {partner_id} has no row in the warehouse: its first pull takes any time zone.")
    if recorded is None:
        raise CalendarError(
            f"in which time zone the days of account {partner_id} are cut was never recorded. Set PARTITION_TIMEZONE to "
            "the one that it was filled with and pull a day, which records it; then set the new one."
        )
    if recorded == str(timezone):
        return None
    done = _Redate(connection, partner_id, Calendar(ZoneInfo(recorded), 0), Calendar(timezone, 0), tables).run()
    record(connection, partner_id, timezone, before=recorded)
    return done


class _Redate:
    """One account, from the midnights of one calendar to those of another."""

    def __init__(
        self,
        connection: psycopg.Connection,
        partner_id: int,
        before: Calendar,
        after: Calendar,
        tables: Sequence[Table],
    ) -> None:
        self.connection = connection
        self.before = before
        self.after = after
        self.tables = tables
        self.partner_id = partner_id
        self.parameters = {"partner_id": partner_id, "timezone": str(before.timezone)}

    def run(self) -> Redated:
        self._prepare()
        moved = {table.name: self._move(table) for table in self.tables}
        moved["changes"] = self._move_changes()
        moved["rejects"] = self._move_rejects()
        self._execute("copied_loads")
        self._execute("loads")
        not_whole = self._tell_whole_days()
        return Redated(str(self.before.timezone), str(self.after.timezone), moved, stretches(not_whole))

    def _prepare(self) -> None:
        """Both calendars' days, the parts of loads, the sessions' days. What an earlier move has concluded is no load."""
        self.connection.execute((_STATEMENTS / "temporary.sql").read_bytes())
        self.connection.execute(
            "DELETE FROM kaltura.loads WHERE partner_id = %(partner_id)s AND redated_from IS NOT NULL"
            " AND NOT coalesce(filters ? 'started', FALSE)",
            self.parameters,
        )
        days = self._days()
        self._fill("redate_days_before", self.before, days)
        self._fill("redate_days", self.after, Days(days.first - FARTHEST * DAY, days.last + FARTHEST * DAY))
        for name in ("parts", "sessions"):
            self._execute(name)
            self.connection.execute(f"ANALYZE pg_temp.redate_{name}".encode())

    def _days(self) -> Days:
        names = [*(table.name for table in self.tables), "loads", "rejects"]
        each = " UNION ALL ".join(
            f"SELECT min(partition_date) AS first, max(partition_date) AS last FROM kaltura.{name}"
            " WHERE partner_id = %(partner_id)s"
            for name in names
        )
        row = self.connection.execute(f"SELECT min(first), max(last) FROM ({each}) AS each".encode(), self.parameters)
        return Days(*row.fetchall()[0])

    def _fill(self, name: str, calendar: Calendar, days: Days) -> None:
        bounds = [(day, _at(calendar.midnight(day)), _at(calendar.midnight(day + DAY))) for day in days]
        with self.connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO pg_temp.{name} VALUES (%s, %s, %s)".encode(),
                [each for each in bounds if each[1] < each[2]],  # a day that a zone has left out has no length
            )
        self.connection.execute(f"ANALYZE pg_temp.{name}".encode())

    def _move(self, table: Table) -> int:
        target = sql.Identifier("kaltura", table.name)
        placed = sql.SQL(_BY_START if START in table.column_names else _BY_SESSION).format(target=target)
        statement = sql.SQL(_MOVE).format(placed=placed, target=target)
        rows = self.connection.execute(statement, {**self.parameters, "report_id": table.report_id}).fetchall()
        return int(rows[0][0])

    def _move_changes(self) -> int:
        moved = [
            self.connection.execute(sql.SQL(_MOVE_CHANGES).format(side=sql.Identifier(side))).rowcount
            for side in ("after", "before")
        ]
        self._execute("changes_loads")
        return max(moved)

    def _move_rejects(self) -> int:
        """Lines tell their day as far as a start or a session can be read in them; others stay with most of their load."""
        rows = self.connection.execute(
            "SELECT rejects.ctid::text, report_id, partition_date, raw, window_start IS NOT NULL, parts.day"
            " FROM kaltura.rejects LEFT JOIN pg_temp.redate_parts AS parts ON parts.id = rejects.load_id"
            " WHERE partner_id = %(partner_id)s",
            self.parameters,
        ).fetchall()
        sessions = self._sessions() if rows else {}
        starting = {table.report_id for table in self.tables if START in table.column_names}
        days = []
        for _, report_id, day, raw, is_undated, largest in rows:
            found = self._started(raw, day) if report_id in starting else _of_session(raw, day, sessions)
            days.append((None if is_undated else found) or largest or day)
        self.connection.execute(
            "UPDATE kaltura.rejects AS row SET partition_date = placed.day, load_id = coalesce(parts.id, old.load_id)"
            " FROM unnest(%s::text[], %s::date[]) AS placed (place, day)"
            " INNER JOIN kaltura.rejects AS old ON old.ctid = placed.place::tid"
            " LEFT JOIN pg_temp.redate_parts AS parts ON parts.load_id = old.load_id AND parts.day = placed.day"
            " WHERE row.ctid = old.ctid AND (placed.day <> row.partition_date OR parts.id <> row.load_id)",
            [[row[0] for row in rows], days],
        )
        return sum(day != row[2] for day, row in zip(days, rows, strict=True))

    def _sessions(self) -> dict[tuple[str, dt.date], dt.date]:
        """The new day by cue point and old day: of several sessions the earliest."""
        return {(cue, before): day for cue, before, day in self.connection.execute(_LOOSE.encode()).fetchall()}

    def _started(self, raw: str, day: dt.date) -> dt.date | None:
        """By the earliest moment of its day that stands in the line: no session ends before it starts."""
        start, end = self.before.midnight(day), self.before.midnight(day + DAY)
        moments = [int(value) for value in values_in(raw) if value.isascii() and value.isdecimal() and len(value) < 12]
        return min((self.after.day_of(moment) for moment in moments if start <= moment < end), default=None)

    def _tell_whole_days(self) -> set[dt.date]:
        """A row of `loads` for each day of which parts tell all. Returns days of which they don't, of one report or more."""
        told: dict[_Day, list[LoadCoverage]] = defaultdict(list)
        loaded: set[_Day] = set()
        for report_id, day, filters, is_day, *rest in self._execute("told").fetchall():
            told[report_id, day, filters].append(LoadCoverage(*rest))
            if is_day:
                loaded.add((report_id, day, filters))
        bounds = self._rows("SELECT day, starts_at, ends_at FROM pg_temp.redate_days")
        of_day = {day: (start, end) for day, start, end in bounds}
        doubts = set(self._rows("SELECT report_id, day FROM pg_temp.redate_doubts"))
        wholes = {
            key: whole
            for key, of_key in told.items()
            if key not in loaded and key[:2] not in doubts and (whole := DayCoverage.of(*of_day[key[1]], of_key))
        }
        self._write_whole_days(wholes)
        kept_to.judge_loads(self.connection, self.partner_id)
        there = {key[:2] for key in (*loaded, *wholes)}
        return {day for report_id, day, _ in told if (report_id, day) not in there}

    def _write_whole_days(self, wholes: Mapping[_Day, DayCoverage]) -> None:
        rows, rejects = self._held()
        with self.connection.cursor() as cursor:
            cursor.executemany(
                (_STATEMENTS / "whole_day.sql").read_bytes(),
                [
                    {
                        **self.parameters,
                        **vars(whole),
                        **dict(zip(("report_id", "day", "filters"), key, strict=True)),
                        "rows": rows[key],
                        "rejected": rejects[key[:2]][0] if key[2] is None else 0,
                        "repaired": rejects[key[:2]][1] if key[2] is None else 0,
                    }
                    for key, whole in wholes.items()
                ],
            )

    def _held(self) -> tuple[Mapping[_Day, int], Mapping[tuple[int, dt.date], tuple[int, int]]]:
        """Rows of each day, of any load and of loads with the same filters; lines not used, and not used wholly."""
        rows: dict[_Day, int] = defaultdict(int)
        for table in self.tables:
            query = (
                "SELECT row.partition_date, nullif(loads.filters - 'started', '{}'::jsonb)::text, count(*)"
                f" FROM kaltura.{table.name} AS row LEFT JOIN kaltura.loads ON loads.id = row.load_id"
                " WHERE row.partner_id = %(partner_id)s GROUP BY 1, 2"
            )
            for day, filters, count in self._rows(query):
                rows[table.report_id, day, None] += count
                if filters:
                    rows[table.report_id, day, filters] += count
        query = (
            "SELECT report_id, partition_date, count(*) FILTER (WHERE NOT is_repaired), count(*) FILTER (WHERE is_repaired)"
            " FROM kaltura.rejects WHERE partner_id = %(partner_id)s GROUP BY 1, 2"
        )
        rejects: dict[tuple[int, dt.date], tuple[int, int]] = defaultdict(lambda: (0, 0))
        rejects.update({(report_id, day): (bad, repaired) for report_id, day, bad, repaired in self._rows(query)})
        return rows, rejects

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), self.parameters).fetchall()

    def _execute(self, name: str) -> "psycopg.Cursor[tuple[Any, ...]]":
        return self.connection.execute((_STATEMENTS / f"{name}.sql").read_bytes(), self.parameters)


def _at(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _of_session(raw: str, day: dt.date, sessions: Mapping[tuple[str, dt.date], dt.date]) -> dt.date | None:
    return min((sessions[value, day] for value in values_in(raw) if (value, day) in sessions), default=None)
