"""The SQL that makes a table equal to a pull, for any of the three: derived from the `Table`, never written by hand.

What the table holds of a session is read first; only rows that differ are staged, in a temporary table of the target's
own shape, and updated. An unchanged row is not touched at all, where `ON CONFLICT ... WHERE` would lock and log it.
Whatever is updated or removed leaves its old row in `kaltura.changes`.

Rows are looked up by whole keys, in subqueries that the planner can't take apart (`OFFSET 0`): a plan that trusted the
statistics of a table which is just being filled would compare every row with every other.
"""

from dataclasses import dataclass
from functools import cached_property

from psycopg import sql

from resources.postgres.copy import selected
from resources.table import Kind, Table

PARTNER = "partner_id"
PARTITION_DATE = "partition_date"
DAY_PARAMETER, PEOPLE = "day", "people_filter"  # parameters of what is asked of a day
EXTRA = "extra"
PLACED = {
    PARTITION_DATE: Kind.DATE,
    "window_start": Kind.TIME,
    "window_end": Kind.TIME,
    EXTRA: Kind.JSON,
    "load_id": Kind.NUMBER,
}
BOOKKEEPING = ("load_id", "first_loaded_at", "changed_at")


@dataclass(frozen=True)
class TableStatements:
    """The statements for one table. Their parameters: `load_id`, `partner_id`, and for each column of a key an array."""

    table: Table

    @cached_property
    def columns(self) -> dict[str, Kind]:
        """What is copied in, in order: the partner, the report's columns, and where the row belongs."""
        return {PARTNER: Kind.NUMBER, **self._reported, **PLACED}

    @cached_property
    def target(self) -> sql.Identifier:
        return sql.Identifier("kaltura", self.table.name)

    @cached_property
    def stage(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", f"stage_{self.table.name}")

    @property
    def create_stage(self) -> sql.Composed:
        """Dropped at commit, as a pooler may hand the connection on; and before, as an earlier version left other stages."""
        return sql.SQL(
            "DROP TABLE IF EXISTS {}; CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DROP"
        ).format(self.stage, sql.Identifier(f"stage_{self.table.name}"), self.target)

    @property
    def copy_to_stage(self) -> sql.Composed:
        return self._copy(self.stage)

    @property
    def copy_to_target(self) -> sql.Composed:
        return self._copy(self.target)

    @property
    def existing(self) -> sql.Composed:
        """Of the sessions given as arrays, those that the table has: known until when, and by which pull.

        And `row_versions` of all of them, in each row. Rows of loads that were restricted to some people tell nothing of
        their session, unless they are sessions themselves.
        """
        restricted = sql.SQL(
            "SELECT id FROM kaltura.loads WHERE partner_id = %(partner_id)s AND report_id = %(report_id)s"
            " AND partition_date = %(day)s AND filters -> %(people_filter)s IS NOT NULL"
        )
        whole = sql.SQL("FILTER (WHERE old.load_id <> ALL (ARRAY({})))").format(restricted)
        return sql.SQL(
            "SELECT {session}, existing.window_end, loads.pull, (sum(existing.versions) OVER ())::bigint AS row_versions"
            " FROM unnest({arrays}) AS asked ({session}) CROSS JOIN LATERAL ("
            " SELECT max(window_end) {whole} AS window_end, max(load_id) {whole} AS load_id, count(*) AS row_count,"
            " sum(old.xmin::text::bigint) AS versions FROM {target} AS old WHERE {of_session}"
            ") AS existing LEFT JOIN kaltura.loads ON loads.id = existing.load_id WHERE existing.row_count > 0"
        ).format(whole=sql.SQL("") if self.table.rows_are_sessions else whole, **self._asked)

    @property
    def partial_rows(self) -> sql.Composed:
        """Of the sessions given as arrays, the rows of the loads `partial`: key, known until when, and by which pull."""
        return sql.SQL(
            "SELECT {key}, row.window_end, loads.pull"
            " FROM unnest({arrays}) AS asked ({session}) CROSS JOIN LATERAL ("
            " SELECT * FROM {target} AS old WHERE {of_session} AND old.load_id = ANY (%(partial)s::bigint[]) OFFSET 0"
            ") AS row LEFT JOIN kaltura.loads ON loads.id = row.load_id"
        ).format(key=self._list(self.table.key, "row"), **self._asked)

    @property
    def adopt(self) -> sql.Composed:
        """Rows given as arrays of their keys are from now on known as the load knows them, though nothing differs."""
        key = self.table.key
        return sql.SQL(
            "UPDATE {target} AS old SET load_id = %(load_id)s, window_start = known.window_start,"
            " window_end = known.window_end FROM unnest({arrays}, %(window_start)s::timestamptz[],"
            " %(window_end)s::timestamptz[]) AS known ({names}, window_start, window_end)"
            " WHERE old.partner_id = %(partner_id)s AND {same_key} AND old.load_id = ANY (%(partial)s::bigint[])"
        ).format(
            target=self.target,
            arrays=self._parameters(key),
            names=self._list(key),
            same_key=self._same(key, "old", "known"),
        )

    @property
    def row_versions(self) -> sql.Composed:
        """The sum of `xmin` over the rows of the sessions given as arrays: any write to any of them makes it another."""
        return sql.SQL(
            "SELECT coalesce(sum(existing.versions), 0) FROM unnest({arrays}) AS asked ({session}) CROSS JOIN LATERAL ("
            " SELECT sum(old.xmin::text::bigint) AS versions FROM {target} AS old WHERE {of_session}"
            ") AS existing"
        ).format(**self._asked)

    @property
    def existing_rows(self) -> sql.Composed:
        """Every row of the sessions given as arrays: key, report's columns and `extra`, as `copying` compares them."""
        kinds = self.existing_kinds
        listed = sql.SQL(", ").join(selected(sql.Identifier("row", name), kind) for name, kind in kinds.items())
        return sql.SQL(
            "SELECT {listed} FROM unnest({arrays}) AS asked ({session}) CROSS JOIN LATERAL ("
            " SELECT * FROM {target} AS old WHERE {of_session} OFFSET 0) AS row"
        ).format(listed=listed, **self._asked)

    @property
    def compared(self) -> dict[str, Kind]:
        """The columns in which a row can differ from the one that arrived, beside its day."""
        return {**self._reported, EXTRA: Kind.JSON}

    @property
    def existing_kinds(self) -> dict[str, Kind]:
        """The columns of `existing_rows`."""
        return {**self.compared, PARTITION_DATE: Kind.DATE}

    @property
    def update_differing(self) -> sql.Composed:
        key = (PARTNER, *self.table.key)
        decisive = [name for name in self.columns if name not in (*key, "window_start", "window_end", "load_id")]
        written = [name for name in self.columns if name not in key]
        return sql.SQL(
            "WITH updated AS ("
            " UPDATE {target} AS new SET ({written}) = ROW ({staged}), changed_at = now()"
            " FROM {stage} AS staged CROSS JOIN LATERAL ("
            " SELECT old.ctid AS place, old AS before, {old_columns} FROM {target} AS old WHERE {same_key} OFFSET 0"
            ") AS old"
            " WHERE new.ctid = old.place AND ({old_values}) IS DISTINCT FROM ({staged_values})"
            " RETURNING {key_json} AS key,"
            " to_jsonb(old.before) - {left_out}::text[] AS before, to_jsonb(new) - {left_out}::text[] AS after"
            ") INSERT INTO kaltura.changes (load_id, table_name, key, change, before, after)"
            " SELECT %(load_id)s, {name}, key, 'update', before, after FROM updated"
        ).format(
            target=self.target,
            stage=self.stage,
            written=self._list(written),
            staged=self._staged(written),
            old_columns=self._list(decisive, "old"),
            same_key=self._same(key, "old", "staged"),
            old_values=self._list(decisive, "old"),
            staged_values=self._staged(decisive),
            key_json=self._key_json("new"),
            left_out=sql.Literal([*key, *BOOKKEEPING]),
            name=sql.Literal(self.table.name),
        )

    @property
    def remove_vanished(self) -> sql.Composed:
        """The rows whose keys are given as arrays."""
        return sql.SQL(
            "WITH removed AS ("
            " DELETE FROM {target} AS old USING {places} WHERE old.ctid = there.place"
            " RETURNING {key_json} AS key, to_jsonb(old) - {left_out}::text[] AS before"
            ") INSERT INTO kaltura.changes (load_id, table_name, key, change, before)"
            " SELECT %(load_id)s, {name}, key, 'remove', before FROM removed"
        ).format(key_json=self._key_json("old"), **self._by_keys)

    @property
    def take_along(self) -> sql.Composed:
        """The rows whose keys are given as arrays are of the day `day`; all else is as it was."""
        return sql.SQL(
            "WITH updated AS ("
            " UPDATE {target} AS new SET partition_date = %(day)s, changed_at = now() FROM {places}"
            " WHERE new.ctid = there.place"
            " RETURNING {key_json} AS key,"
            " to_jsonb(there.before) - {left_out}::text[] AS before, to_jsonb(new) - {left_out}::text[] AS after"
            ") INSERT INTO kaltura.changes (load_id, table_name, key, change, before, after)"
            " SELECT %(load_id)s, {name}, key, 'update', before, after FROM updated"
        ).format(key_json=self._key_json("new"), **self._by_keys)

    @property
    def _by_keys(self) -> dict[str, sql.Composable]:
        """What a statement about the rows whose keys are given as arrays is put together from."""
        key = self.table.key
        places = sql.SQL(
            "unnest({arrays}) AS gone ({names}) CROSS JOIN LATERAL ("
            " SELECT found.ctid AS place, found AS before FROM {target} AS found"
            " WHERE found.partner_id = %(partner_id)s AND {same_key} OFFSET 0"
            ") AS there"
        ).format(
            arrays=self._parameters(key),
            names=self._list(key),
            target=self.target,
            same_key=self._same(key, "found", "gone"),
        )
        return {
            "target": self.target,
            "places": places,
            "left_out": sql.Literal([PARTNER, *key, *BOOKKEEPING]),
            "name": sql.Literal(self.table.name),
        }

    @property
    def _reported(self) -> dict[str, Kind]:
        return {column.name: column.kind for column in self.table.columns}

    @property
    def _asked(self) -> dict[str, sql.Composable]:
        """What a statement about the sessions given as arrays is put together from."""
        same = self._same(self.table.session_key, "old", "asked")
        return {
            "session": self._list(self.table.session_key),
            "arrays": self._parameters(self.table.session_key),
            "target": self.target,
            "of_session": sql.SQL("old.partner_id = %(partner_id)s AND {}").format(same),
        }

    def _staged(self, names: list[str]) -> sql.Composed:
        return sql.SQL(", ").join(map(self._stands, names))

    def _stands(self, name: str) -> sql.Composable:
        """What is to stand: of a column that stays known, the old value where the new one says nothing."""
        staged, old = sql.Identifier("staged", name), sql.Identifier("old", name)
        if (column := self.table.staying_known.get(name)) is None:
            return staged
        known: sql.Composable = old
        if other := column.known_with:  # an end that was known of another start says nothing of this one
            same = sql.SQL("{} IS NOT DISTINCT FROM {}").format(self._stands(other), sql.Identifier("old", other))
            known = sql.SQL("CASE WHEN {} THEN {} END").format(same, old)
        if not column.unsaid:
            return sql.SQL("coalesce({}, {})").format(staged, known)
        unsaid = sql.Literal(list(column.unsaid))
        says = sql.SQL("CASE WHEN {} <> ALL ({}::text[]) THEN {} END").format(staged, unsaid, staged)
        return sql.SQL("coalesce({}, {}, {})").format(says, known, staged)

    @staticmethod
    def _parameters(names: tuple[str, ...]) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL("%({})s::text[]").format(sql.SQL(name)) for name in names)

    def _copy(self, into: sql.Identifier) -> sql.Composed:
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(into, self._list([*self.columns]))

    @staticmethod
    def _list(names: list[str] | tuple[str, ...], of: str | None = None) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(of, name) if of else sql.Identifier(name) for name in names)

    @staticmethod
    def _same(names: tuple[str, ...], left: str, right: str) -> sql.Composed:
        return sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in names
        )

    def _key_json(self, of: str) -> sql.Composed:
        pairs = (
            sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(of, name)) for name in (PARTNER, *self.table.key)
        )
        return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))
