"""What takes people out of the tables: everybody of some days, who become pseudonyms, or one person for good.

Everything is derived from the `Table`s: which columns hold an id, which a name or an e-mail. The caller's transaction,
and the people lock of `people.py`. Rows and figures stay: what goes is who it was.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.privacy.pseudonyms import (
    ERASED,
    EXTRA,
    NOBODY,
    PEOPLE_FILTER,
    People,
    Privacy,
    fields,
    is_pseudonym,
    withheld,
)
from resources.table import Table

Counts = dict[str, int]
"""How many rows of which table were changed."""

LEAST_NAME_CHARACTERS = 3  # a shorter one would be found in every line
_OF_DAYS = sql.SQL("{}.partition_date >= %(first)s AND {}.partition_date < %(end)s")
_MADE = sql.SQL("(SELECT made.pseudonym FROM pg_temp.made WHERE made.partner_id = {} AND made.user_id = {})")


def pseudonymise(
    connection: psycopg.Connection,
    privacy: Privacy,
    tables: Sequence[Table],
    first: dt.date = dt.date.min,
    end: dt.date = dt.date.max,
) -> Counts:
    """Names and e-mails of the days from `first` to before `end` go, and ids become pseudonyms, in all accounts."""
    return _Pseudonymisation(connection, privacy, tables, {"first": first, "end": end}).run()


def forget_unused(connection: psycopg.Connection, tables: Sequence[Table]) -> int:
    """Rows of `kaltura.people` that no row of the tables needs any more."""
    used = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT partner_id, {} FROM {}").format(sql.Identifier(column), _target(table))
        for table in tables
        for column in table.person_columns
    )
    gone = connection.execute(
        sql.SQL(
            "DELETE FROM kaltura.people WHERE NOT EXISTS (SELECT FROM ({}) AS used (partner_id, user_id)"
            " WHERE used.partner_id = people.partner_id AND used.user_id = people.user_id)"
        ).format(used)
    ).rowcount
    if gone:
        _note_removal(connection)
    return gone


def _note_removal(connection: psycopg.Connection) -> None:
    """Runs under way remember who is in `kaltura.people`: this tells them that they know no longer."""
    connection.execute("UPDATE kaltura.privacy SET removals = removals + 1")


class _Pseudonymisation:
    def __init__(
        self, connection: psycopg.Connection, privacy: Privacy, tables: Sequence[Table], days: Mapping[str, dt.date]
    ) -> None:
        self.connection = connection
        self.privacy = privacy
        self.tables = tables
        self.days = days

    def run(self) -> Counts:
        self._make_pseudonyms()
        counts: Counts = {}
        for table in self.tables:
            counts[table.name] = self._rows(table)
        counts["changes"] = sum(self._changes(table) for table in self.tables)
        counts["rejects"] = self._rejects()
        counts["loads"] = self._filters()
        if any(counts.values()):
            self._execute("UPDATE kaltura.loads SET content = NULL WHERE content IS NOT NULL AND {days}", "loads")
        return counts

    def _make_pseudonyms(self) -> None:
        """A temporary table of everybody whose id stands in the days as it came."""
        self.connection.execute("SET LOCAL client_min_messages = warning")
        self.connection.execute("DROP TABLE IF EXISTS pg_temp.made")
        self.connection.execute(
            'CREATE TEMPORARY TABLE made (partner_id bigint, user_id text COLLATE "C", pseudonym text,'
            " PRIMARY KEY (partner_id, user_id)) ON COMMIT DROP"
        )
        found: set[tuple[int, str]] = set()
        for table in self.tables:
            found.update(self._ids(table))
        ids = [(partner, each) for partner, each in found if each not in NOBODY and not is_pseudonym(each)]
        accounts = {partner: self.privacy.of_account(partner) for partner, _ in ids}
        pseudonyms = [accounts[partner].pseudonym(each) for partner, each in ids]
        self.connection.execute(
            "INSERT INTO pg_temp.made SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])",
            [[partner for partner, _ in ids], [each for _, each in ids], pseudonyms],
        )
        self.connection.execute("ANALYZE pg_temp.made")

    def _ids(self, table: Table) -> Iterable[tuple[int, str]]:
        for column in table.person_columns:
            query = "SELECT DISTINCT partner_id, {column} FROM {target} AS row WHERE {column} IS NOT NULL AND {days}"
            yield from self._execute(query, "row", table, column).fetchall()
            query = (
                "SELECT DISTINCT loads.partner_id, said.id FROM kaltura.changes"
                " INNER JOIN kaltura.loads ON loads.id = changes.load_id"
                " CROSS JOIN LATERAL (VALUES (key ->> {name}), (before ->> {name}), (after ->> {name})) AS said (id)"
                " WHERE changes.table_name = {table} AND said.id IS NOT NULL AND {days}"
            )
            yield from self._execute(query, "loads", table, column).fetchall()

    def _rows(self, table: Table) -> int:
        nothing = [*table.personal_columns, EXTRA]
        emptied = sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in nothing)
        filled = sql.SQL(" OR ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in nothing)
        written = 0
        for column in table.person_columns:
            query = (
                "UPDATE {target} AS row SET {column} = made.pseudonym, {emptied} FROM pg_temp.made"
                " WHERE made.partner_id = row.partner_id AND made.user_id = row.{column} AND {days}"
            )
            written += self._execute(query, "row", table, column, emptied=emptied).rowcount
        query = "UPDATE {target} AS row SET {emptied} WHERE ({filled}) AND {days}"
        return written + self._execute(query, "row", table, emptied=emptied, filled=filled).rowcount

    def _changes(self, table: Table) -> int:
        """The key, and the row before and after."""
        sides: dict[str, sql.Composable] = {name: self._side(table, name) for name in ("key", "before", "after")}
        query = (
            "UPDATE kaltura.changes SET key = changes.key || {key}, before = changes.before || {before},"
            " after = changes.after || {after} FROM kaltura.loads"
            " WHERE loads.id = changes.load_id AND changes.table_name = {table} AND {days} AND ({touched})"
        )
        return self._execute(query, "loads", table, "", **sides, touched=self._touched(table)).rowcount

    def _side(self, table: Table, side: str) -> sql.Composable:
        """What the JSON of one side is overwritten with."""
        column = sql.Identifier("changes", side)
        people = [name for name in table.person_columns if (name in table.key) is (side == "key")]
        pairs: list[sql.Composable] = [
            sql.SQL("{}, coalesce({}, {} ->> {})").format(name, self._made(column, name), column, name)
            for name in map(sql.Literal, people)
        ]
        if side != "key":
            pairs += [sql.SQL("{}, NULL").format(sql.Literal(name)) for name in (*table.personal_columns, EXTRA)]
        return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))

    def _touched(self, table: Table) -> sql.Composable:
        conditions = []
        for side in ("key", "before", "after"):
            column = sql.Identifier("changes", side)
            for name in map(sql.Literal, table.person_columns):
                conditions.append(sql.SQL("{} IS NOT NULL").format(self._made(column, name)))
            for name in map(sql.Literal, (*table.personal_columns, EXTRA)):
                conditions.append(sql.SQL("{} ->> {} IS NOT NULL").format(column, name))
        return sql.SQL(" OR ").join(conditions)

    @staticmethod
    def _made(column: sql.Identifier, name: sql.Literal) -> sql.Composed:
        return _MADE.format(sql.SQL("loads.partner_id"), sql.SQL("{} ->> {}").format(column, name))

    def _rejects(self) -> int:
        query = (
            "UPDATE kaltura.rejects SET raw = format('withheld (%%s characters)', length(raw))"
            " WHERE raw !~ '^withheld [(][0-9]+ characters[)]$' AND report_id = ANY(%(reports)s) AND {days}"
        )
        return self._execute(query, "rejects").rowcount

    def _filters(self) -> int:
        query = (
            "SELECT id, partner_id, filters FROM kaltura.loads"
            " WHERE filters ? %(filter)s AND report_id = ANY(%(reports)s) AND {days}"
        )
        written = 0
        for load_id, partner_id, filters in self._execute(query, "loads").fetchall():
            people = self.privacy.of_account(partner_id)
            kept = [
                each if is_pseudonym(each) or each == ERASED else people.pseudonym(each)
                for each in filters[PEOPLE_FILTER]
            ]
            written += _refiltered(self.connection, load_id, filters, kept)
        return written

    def _execute(
        self,
        query: str,
        days_of: str,
        table: Table | None = None,
        column: str = "",
        **parts: sql.Composable,
    ) -> psycopg.Cursor[Any]:
        composed = sql.SQL(query).format(
            days=_OF_DAYS.format(sql.Identifier(days_of), sql.Identifier(days_of)),
            target=_target(table) if table else sql.SQL(""),
            table=sql.Literal(table.name if table else ""),
            column=sql.Identifier(column or "none"),
            name=sql.Literal(column),
            **parts,
        )
        reports = [each.report_id for each in self.tables]
        return self.connection.execute(composed, {**self.days, "reports": reports, "filter": PEOPLE_FILTER})


def erase(connection: psycopg.Connection, people: People, tables: Sequence[Table], user_id: str) -> Counts | None:
    """Make one person nobody: rows stay under another pseudonym in each session, and no load brings the person back.

    None where nothing in the database is theirs, and nothing was written.
    """
    erasure = _Erasure(connection, people, tables, user_id)
    counts = erasure.run()
    if not any(counts.values()):
        return None
    connection.execute(
        "INSERT INTO kaltura.suppressions (partner_id, person) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [people.partner_id, people.suppression(erasure.pseudonym)],
    )
    _note_removal(connection)
    return counts


def erased_at(connection: psycopg.Connection, people: People, user_id: str) -> dt.datetime | None:
    """When the person was erased, if they were."""
    row = connection.execute(
        "SELECT erased_at FROM kaltura.suppressions WHERE partner_id = %s AND person = %s",
        [people.partner_id, people.suppression(people.pseudonym(user_id))],
    ).fetchone()
    return row[0] if row else None


class _Erasure:
    """One person, known in the tables by the id, by the pseudonym, or by both."""

    def __init__(self, connection: psycopg.Connection, people: People, tables: Sequence[Table], user_id: str) -> None:
        self.connection = connection
        self.people = people
        self.tables = tables
        self.pseudonym = people.pseudonym(user_id)
        self.known_as = [user_id, self.pseudonym]
        self.names: set[str] = set()
        self.days: set[dt.date] = set()

    def run(self) -> Counts:
        counts: Counts = {}
        for table in self.tables:
            for column in table.person_columns:
                counts[f"{table.name}.{column}"] = self._rows(table, column)
        counts["changes"] = sum(self._changes(table) for table in self.tables)
        counts["rejects"] = self._rejects()
        counts["loads.filters"] = self._filters()
        counts["people"] = self.connection.execute(
            "DELETE FROM kaltura.people WHERE partner_id = %s AND user_id = ANY(%s)",
            [self.people.partner_id, self.known_as],
        ).rowcount
        self.connection.execute(
            "UPDATE kaltura.loads SET content = NULL"
            " WHERE partner_id = %s AND partition_date = ANY(%s) AND content IS NOT NULL",
            [self.people.partner_id, list(self.days)],
        )
        return counts

    def _rows(self, table: Table, column: str) -> int:
        is_theirs = column in table.key
        names = table.personal_columns if is_theirs else ()
        parts = {
            "target": _target(table),
            "column": sql.Identifier(column),
            "session": _list(table.session_key),
            "names": sql.SQL("").join(sql.SQL(", {}").format(sql.Identifier(name)) for name in names),
            "emptied": sql.SQL(", ").join(
                sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in (*names, EXTRA)
            ),
            "arrays": sql.SQL(", ").join([sql.SQL("%s::text[]")] * (len(table.session_key) + 1)),
            "same": sql.SQL(" AND ").join(
                sql.SQL("row.{0} = made.{0}").format(sql.Identifier(name)) for name in table.session_key
            ),
        }
        found = self.connection.execute(
            sql.SQL(
                "SELECT partition_date, {session} {names} FROM {target} AS row WHERE partner_id = %s AND {column} = ANY(%s)"
            ).format(**parts),
            [self.people.partner_id, self.known_as],
        ).fetchall()
        width = len(table.session_key)
        sessions = [row[1 : width + 1] for row in found]
        self.days.update(row[0] for row in found)
        self.names.update(value for row in found for value in row[width + 1 :] if value)
        made = [self.people.in_session(self.pseudonym, session) for session in sessions]
        return self.connection.execute(
            sql.SQL(
                "UPDATE {target} AS row SET {column} = made.pseudonym, {emptied}"
                " FROM unnest({arrays}) AS made ({session}, pseudonym)"
                " WHERE row.partner_id = %s AND {same} AND row.{column} = ANY(%s)"
            ).format(**parts),
            [*([s[at] for s in sessions] for at in range(width)), made, self.people.partner_id, self.known_as],
        ).rowcount

    def _changes(self, table: Table) -> int:
        said = [
            sql.SQL("{} ->> {} = ANY(%(known_as)s)").format(sql.Identifier(side), sql.Literal(column))
            for side in ("key", "before", "after")
            for column in table.person_columns
        ]
        found = self.connection.execute(
            sql.SQL(
                "SELECT ctid::text, load_id, key, before, after FROM kaltura.changes WHERE table_name = %(table)s"
                " AND (key ->> 'partner_id')::bigint = %(partner_id)s AND ({said})"
            ).format(said=sql.SQL(" OR ").join(said)),
            {"table": table.name, "partner_id": self.people.partner_id, "known_as": self.known_as},
        ).fetchall()
        for place, load_id, key, before, after in found:
            session = [key[name] for name in table.session_key]
            sides = [self._side(table, side, session, key) for side in (key, before, after)]
            self.connection.execute(
                "UPDATE kaltura.changes SET key = %s, before = %s, after = %s WHERE load_id = %s AND ctid = %s::tid",
                [*(side and Jsonb(side) for side in sides), load_id, place],
            )
        return len(found)

    def _side(
        self, table: Table, side: dict[str, Any] | None, session: Sequence[str], key: dict[str, Any]
    ) -> dict[str, Any] | None:
        """A row as JSON without the person."""
        if side is None:
            return None
        made = self.people.in_session(self.pseudonym, session)
        hit = {name: made for name in table.person_columns if side.get(name) in self.known_as}
        row_is_theirs = any(key.get(name) in self.known_as for name in table.person_columns)
        gone = [name for name in (*table.personal_columns, EXTRA) if (hit or row_is_theirs) and name in side]
        if row_is_theirs:
            self.names.update(side[name] for name in table.personal_columns if side.get(name))
        return {**side, **dict.fromkeys(gone), **hit}

    def _rejects(self) -> int:
        """Lines that hold the id as a value, or a name or an e-mail that the person is known to have had."""
        names = {line.strip() for name in self.names for line in name.splitlines()}
        names = {name for name in names if len(name) >= LEAST_NAME_CHARACTERS}
        query = "SELECT ctid::text, load_id, raw FROM kaltura.rejects WHERE partner_id = %s"
        written = 0
        for place, load_id, raw in self.connection.execute(query, [self.people.partner_id]).fetchall():
            if fields(raw).isdisjoint(self.known_as) and not any(name in raw for name in names):
                continue
            self.connection.execute(
                "UPDATE kaltura.rejects SET raw = %s WHERE load_id = %s AND ctid = %s::tid",
                [withheld(raw), load_id, place],
            )
            written += 1
        return written

    def _filters(self) -> int:
        query = "SELECT id, filters FROM kaltura.loads WHERE partner_id = %s AND filters -> %s ?| %s"
        found = self.connection.execute(query, [self.people.partner_id, PEOPLE_FILTER, self.known_as]).fetchall()
        return sum(
            _refiltered(
                self.connection,
                load_id,
                filters,
                [ERASED if each in self.known_as else each for each in filters[PEOPLE_FILTER]],
            )
            for load_id, filters in found
        )


def _refiltered(connection: psycopg.Connection, load_id: int, filters: dict[str, Any], people: list[str]) -> int:
    if people == filters[PEOPLE_FILTER]:
        return 0
    return connection.execute(
        "UPDATE kaltura.loads SET filters = %s WHERE id = %s", [Jsonb({**filters, PEOPLE_FILTER: people}), load_id]
    ).rowcount


def _target(table: Table) -> sql.Identifier:
    return sql.Identifier("kaltura", table.name)


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
