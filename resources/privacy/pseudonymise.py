"""Makes everybody of some days a pseudonym: for retention, and for the way from `PII_MODE=full` to `pseudonymous`.

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
    Privacy,
    is_pseudonym,
)
from resources.table import Table

Counts = dict[str, int]
"""How many rows of which table were changed."""

_OF_DAYS = sql.SQL("{0}.partition_date >= %(first)s AND {0}.partition_date < %(end)s")
_OF_DAYS_OF_ACCOUNT = sql.SQL(
    "{0}.partner_id = %(account)s AND {0}.partition_date >= %(first)s AND {0}.partition_date < %(end)s"
)
_MADE = sql.SQL("(SELECT made.pseudonym FROM pg_temp.made WHERE made.partner_id = {} AND made.user_id = {})")


def pseudonymise(
    connection: psycopg.Connection,
    privacy: Privacy,
    tables: Sequence[Table],
    account: int | None,
    first: dt.date = dt.date.min,
    end: dt.date = dt.date.max,
) -> Counts:
    """Names and e-mails of the account's days from `first` to before `end` go, and ids become pseudonyms.

    None is all accounts: for what is of the whole warehouse, as `PII_MODE` is. `RETENTION_DAYS` is one account's.
    """
    return _Pseudonymisation(connection, privacy, tables, account, {"first": first, "end": end}).run()


def forget_unused(
    connection: psycopg.Connection,
    tables: Sequence[Table],
    account: int | None,
    among: Iterable[str] | None = None,
) -> int:
    """Rows of `kaltura.people` that no row of the tables needs any more: of the account, or with None of all.

    Those of the ids `among`, or with None of all.
    """
    used = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT partner_id, {} FROM {}").format(sql.Identifier(column), target_of(table))
        for table in tables
        for column in table.person_columns
    ) + sql.SQL(" UNION ALL SELECT account_id, coalesce(person_id, lower(person_email)) FROM university.enrolments")
    gone = connection.execute(
        sql.SQL(
            "DELETE FROM kaltura.people WHERE NOT EXISTS (SELECT FROM ({}) AS used (partner_id, user_id)"
            " WHERE used.partner_id = people.partner_id AND used.user_id = people.user_id)"
            " AND (%(account)s::bigint IS NULL OR people.partner_id = %(account)s)"
            " AND (%(among)s::text[] IS NULL OR people.user_id = ANY(%(among)s))"
        ).format(used),
        {"account": account, "among": None if among is None else list(among)},
    ).rowcount
    if gone:
        note_removal(connection)
    return gone


def note_removal(connection: psycopg.Connection) -> None:
    """Runs under way remember who is in `kaltura.people`: this tells them that they know no longer."""
    connection.execute("UPDATE kaltura.privacy SET removals = removals + 1")


class _Pseudonymisation:
    def __init__(
        self,
        connection: psycopg.Connection,
        privacy: Privacy,
        tables: Sequence[Table],
        account: int | None,
        days: Mapping[str, dt.date],
    ) -> None:
        self.connection = connection
        self.privacy = privacy
        self.tables = tables
        self.account = account
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
            'CREATE TEMPORARY TABLE made (partner_id bigint, user_id text COLLATE "C", pseudonym text, other text,'
            " PRIMARY KEY (partner_id, user_id)) ON COMMIT DROP"
        )
        found: set[tuple[int, str]] = set()
        for table in self.tables:
            found.update(self._ids(table))
        ids = [(partner, each) for partner, each in found if each not in NOBODY and not is_pseudonym(each)]
        accounts = {partner: self.privacy.of_account(partner) for partner, _ in ids}
        pseudonyms = [accounts[partner].pseudonym(each) for partner, each in ids]
        others = [
            accounts[partner].in_session(made, [each]) for (partner, each), made in zip(ids, pseudonyms, strict=True)
        ]
        self.connection.execute(
            "INSERT INTO pg_temp.made SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[])",
            [[partner for partner, _ in ids], [each for _, each in ids], pseudonyms, others],
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
            if column in table.key:
                self._set_apart(table, column)
            query = (
                "UPDATE {target} AS row SET {column} = made.pseudonym, {emptied} FROM pg_temp.made"
                " WHERE made.partner_id = row.partner_id AND made.user_id = row.{column} AND {days}"
            )
            written += self._execute(query, "row", table, column, emptied=emptied).rowcount
        query = "UPDATE {target} AS row SET {emptied} WHERE ({filled}) AND {days}"
        return written + self._execute(query, "row", table, emptied=emptied, filled=filled).rowcount

    def _set_apart(self, table: Table, column: str) -> None:
        """Two rows of one session for two spellings of an id, which pulls of single rooms can leave, stay two."""
        query = (
            "UPDATE {target} AS row SET {column} = made.other FROM pg_temp.made WHERE made.partner_id = row.partner_id"
            " AND made.user_id = row.{column} AND {days} AND EXISTS (SELECT FROM {target} AS twin"
            " INNER JOIN pg_temp.made AS twins ON twins.partner_id = twin.partner_id AND twins.user_id = twin.{column}"
            " WHERE twin.partner_id = row.partner_id AND {session} AND twins.pseudonym = made.pseudonym"
            " AND twin.{column} < row.{column})"
        )
        repeated = self.connection.execute("SELECT count(*) > count(DISTINCT pseudonym) FROM pg_temp.made").fetchone()
        if repeated and repeated[0]:
            same = (sql.SQL("twin.{0} = row.{0}").format(sql.Identifier(name)) for name in table.session_key)
            self._execute(query, "row", table, column, session=sql.SQL(" AND ").join(same))

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
            written += refiltered(self.connection, load_id, filters, kept)
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
            days=(_OF_DAYS if self.account is None else _OF_DAYS_OF_ACCOUNT).format(sql.Identifier(days_of)),
            target=target_of(table) if table else sql.SQL(""),
            table=sql.Literal(table.name if table else ""),
            column=sql.Identifier(column or "none"),
            name=sql.Literal(column),
            **parts,
        )
        reports = [each.report_id for each in self.tables]
        given = {**self.days, "account": self.account, "reports": reports, "filter": PEOPLE_FILTER}
        return self.connection.execute(composed, given)


def refiltered(connection: psycopg.Connection, load_id: int, filters: dict[str, Any], people: list[str]) -> int:
    """Record a load's filter with these people in it."""
    if people == filters[PEOPLE_FILTER]:
        return 0
    return connection.execute(
        "UPDATE kaltura.loads SET filters = %s WHERE id = %s", [Jsonb({**filters, PEOPLE_FILTER: people}), load_id]
    ).rowcount


def target_of(table: Table) -> sql.Identifier:
    return sql.Identifier("kaltura", table.name)
