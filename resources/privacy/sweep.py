"""Takes erased people out where no id says whose a value is: names that stand alone, `extra`, changes, refused lines.

All of the account's values are read, some at a time: what they hold is known by its HMAC alone. The caller's transaction,
and the people lock of `people.py`.
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.privacy import roster
from resources.privacy.pseudonymise import Counts, target_of
from resources.privacy.pseudonyms import EXTRA, People, withheld
from resources.privacy.suppressions import Suppressions
from resources.table import Table

AT_ONCE = 1000
SHARED = " (a name of others too)"


class Sweep:
    """Where no id says whose a value is: names that stand alone, `extra`, changes, lines that could not be used."""

    def __init__(
        self,
        connection: psycopg.Connection,
        people: People,
        tables: Sequence[Table],
        suppressions: Suppressions,
        shared: Iterable[str] = (),
    ) -> None:
        self.connection = connection
        self.people = people
        self.partner_id = people.partner_id
        self.tables = tables
        self.suppressions = suppressions
        self.shared = list(shared)
        self.days: set[dt.date] = set()

    def run(self) -> Counts:
        counts: Counts = {}
        for table in self.tables:
            for column in table.loose_personal_columns:
                shared = self._empty(table, column, set(self.shared))
                if shared:
                    counts[f"{table.name}.{column}{SHARED}"] = shared
                counts[f"{table.name}.{column}"] = self._empty(
                    table, column, self.suppressions.being(self._values(table, column))
                )
            if named := self._empty(table, EXTRA, self.suppressions.naming(self._values(table, EXTRA))):
                counts[f"{table.name}.{EXTRA}"] = named
        counts["changes"] = sum(self._changes(table) for table in self.tables)
        counts["rejects"] = self._rejects()
        counts[roster.NAME] = roster.take_out(self.connection, self.people, self.tables, self.suppressions)
        return counts

    def _values(self, table: Table, column: str) -> Iterator[str]:
        query = sql.SQL("SELECT DISTINCT {0}::text FROM {1} WHERE partner_id = %s AND {0} IS NOT NULL").format(
            sql.Identifier(column), target_of(table)
        )
        return (value for (value,) in self._some_at_a_time(query, [self.partner_id]))

    def _some_at_a_time(self, query: sql.Composed | sql.SQL, parameters: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        """Rows as they were when this began. A value of `extra` may be long, and there may be one a row."""
        with self.connection.cursor("some_at_a_time") as cursor:
            cursor.itersize = AT_ONCE
            yield from cursor.execute(query, parameters)

    def _empty(self, table: Table, column: str, values: set[str]) -> int:
        if not values:
            return 0
        query = sql.SQL(
            "UPDATE {1} SET {0} = NULL WHERE partner_id = %s AND {0}::text = ANY(%s) RETURNING partition_date"
        ).format(sql.Identifier(column), target_of(table))
        found = self.connection.execute(query, [self.partner_id, list(values)]).fetchall()
        self.days.update(day for (day,) in found)
        return len(found)

    def _changes(self, table: Table) -> int:
        """All changes of the account are read, some at a time: what stands in them is JSON."""
        written = 0
        query = sql.SQL(
            "SELECT ctid::text, load_id, key, before, after FROM kaltura.changes WHERE table_name = %s"
            " AND (key ->> 'partner_id')::bigint = %s"
        )
        for place, load_id, key, before, after in self._some_at_a_time(query, [table.name, self.partner_id]):
            sides = [key, self._side(table, before), self._side(table, after)]
            if sides[1:] != [before, after]:
                rewrite_change(self.connection, load_id, place, sides)
                written += 1
        return written

    def _side(self, table: Table, side: dict[str, Any] | None) -> dict[str, Any] | None:
        if side is None:
            return None
        gone = [
            name for name in table.loose_personal_columns if self.suppressions.being(filter(None, [side.get(name)]))
        ]
        if side.get(EXTRA) and self.suppressions.naming([json.dumps(side[EXTRA], ensure_ascii=False)]):
            gone.append(EXTRA)
        return {**side, **dict.fromkeys(gone)} if gone else side

    def _rejects(self) -> int:
        """Lines in which an erased person stands."""
        query = sql.SQL("SELECT ctid::text, load_id, raw FROM kaltura.rejects WHERE partner_id = %s")
        found = self._some_at_a_time(query, [self.partner_id])
        return self._withhold(each for each in found if self.suppressions.naming(each[2:]))

    def withhold_pieces(self) -> int:
        """Lines that loads keep no longer, now that somebody is suppressed: those that are not whole."""
        written = 0
        query = sql.SQL("SELECT ctid::text, load_id, raw FROM kaltura.rejects WHERE partner_id = %s AND report_id = %s")
        for table in self.tables:
            found = self._some_at_a_time(query, [self.partner_id, table.report_id])
            written += self._withhold(
                each for each in found if self.suppressions.kept_lines(each[2:], table) != [each[2]]
            )
        return written

    def _withhold(self, lines: Iterable[tuple[Any, ...]]) -> int:
        written = 0
        for place, load_id, raw in lines:
            written += 1
            self.connection.execute(
                "UPDATE kaltura.rejects SET raw = %s WHERE load_id = %s AND ctid = %s::tid",
                [withheld(raw), load_id, place],
            )
        return written


def rewrite_change(
    connection: psycopg.Connection, load_id: int, place: str, sides: Iterable[Mapping[str, Any] | None]
) -> None:
    connection.execute(
        "UPDATE kaltura.changes SET key = %s, before = %s, after = %s WHERE load_id = %s AND ctid = %s::tid",
        [*(side and Jsonb(side) for side in sides), load_id, place],
    )


def forget_content(connection: psycopg.Connection, partner_id: int, days: Iterable[dt.date]) -> None:
    connection.execute(
        "UPDATE kaltura.loads SET content = NULL"
        " WHERE partner_id = %s AND partition_date = ANY(%s) AND content IS NOT NULL",
        [partner_id, list(days)],
    )
