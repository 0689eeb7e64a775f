"""The SQL that makes a table equal to a pull, for any of the three: derived from the `Table`, never written by hand.

Rows arrive in a temporary stage of the target's own shape. What differs is found by joining, before anything is
written: an unchanged row is not touched at all, where `ON CONFLICT ... WHERE` would lock and log it. Whatever is
updated or removed leaves its old row in `kaltura.changes`.
"""

from dataclasses import dataclass
from functools import cached_property

from psycopg import sql

from resources.table import Table

PARTNER = "partner_id"
PLACED = ("partition_date", "window_start", "window_end", "extra", "load_id")
BOOKKEEPING = ("load_id", "first_loaded_at", "changed_at")


@dataclass(frozen=True)
class Merge:
    """The statements for one table. `%(load_id)s` and `%(partner_id)s` are their only parameters, but for `held`."""

    table: Table

    @property
    def columns(self) -> list[str]:
        """What is copied in, in order: the partner, the report's columns, and where the row belongs."""
        return [PARTNER, *self.table.column_names, *PLACED]

    @cached_property
    def target(self) -> sql.Identifier:
        return sql.Identifier("kaltura", self.table.name)

    @cached_property
    def stage(self) -> sql.Identifier:
        return sql.Identifier("pg_temp", f"stage_{self.table.name}")

    @property
    def create_stage(self) -> sql.Composed:
        name = sql.Identifier(f"stage_{self.table.name}")
        return sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {} (LIKE {} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        ).format(name, self.target)

    @property
    def copy_to_stage(self) -> sql.Composed:
        return self._copy(self.stage)

    @property
    def copy_to_target(self) -> sql.Composed:
        return self._copy(self.target)

    @property
    def held(self) -> sql.Composed:
        """Of the sessions given as arrays, those that the table has: known until when, and pulled when."""
        arrays = sql.SQL(", ").join(sql.SQL("%({})s::text[]").format(sql.SQL(name)) for name in self.table.session_key)
        session = self._list(self.table.session_key)
        return sql.SQL(
            "SELECT held.*, loads.pulled_at FROM ("
            " SELECT {session}, max(window_end) AS window_end, max(load_id) AS load_id FROM {target}"
            " JOIN unnest({arrays}) AS asked ({session}) USING ({session})"
            " WHERE partner_id = %(partner_id)s GROUP BY {session}"
            ") AS held LEFT JOIN kaltura.loads ON loads.id = held.load_id"
        ).format(session=session, target=self.target, arrays=arrays)

    @property
    def update_differing(self) -> sql.Composed:
        key = (PARTNER, *self.table.key)
        compared = [name for name in self.columns if name not in (*key, "window_start", "window_end", "load_id")]
        written = [name for name in self.columns if name not in key]
        return sql.SQL(
            "WITH updated AS ("
            " UPDATE {target} AS new SET ({written}) = ROW ({staged}), changed_at = now()"
            " FROM {stage} AS staged JOIN {target} AS old ON {same_key}"
            " WHERE new.ctid = old.ctid AND ({old_values}) IS DISTINCT FROM ({staged_values})"
            " RETURNING {key_json} AS key,"
            " to_jsonb(old) - {left_out}::text[] AS before, to_jsonb(new) - {left_out}::text[] AS after"
            ") INSERT INTO kaltura.changes (load_id, table_name, key, change, before, after)"
            " SELECT %(load_id)s, {name}, key, 'update', before, after FROM updated"
        ).format(
            target=self.target,
            stage=self.stage,
            written=self._list(written),
            staged=self._list(written, "staged"),
            same_key=self._same(key, "old", "staged"),
            old_values=self._list(compared, "old"),
            staged_values=self._list(compared, "staged"),
            key_json=self._key_json("old"),
            left_out=sql.Literal([*key, *BOOKKEEPING]),
            name=sql.Literal(self.table.name),
        )

    @property
    def insert_missing(self) -> sql.Composed:
        key = (PARTNER, *self.table.key)
        return sql.SQL(
            "INSERT INTO {target} ({columns}) SELECT {columns} FROM {stage} AS staged"
            " WHERE NOT EXISTS (SELECT FROM {target} AS old WHERE {same_key}) ORDER BY {order}"
        ).format(
            target=self.target,
            stage=self.stage,
            columns=self._list(self.columns),
            same_key=self._same(key, "old", "staged"),
            order=self._list(key),
        )

    @property
    def remove_vanished(self) -> sql.Composed:
        """Rows of a staged session that the stage no longer has."""
        key, session = (PARTNER, *self.table.key), (PARTNER, *self.table.session_key)
        return sql.SQL(
            "WITH removed AS ("
            " DELETE FROM {target} AS old USING (SELECT DISTINCT {session} FROM {stage}) AS listed"
            " WHERE {same_session} AND NOT EXISTS (SELECT FROM {stage} AS staged WHERE {same_key})"
            " RETURNING {key_json} AS key, to_jsonb(old) - {left_out}::text[] AS before"
            ") INSERT INTO kaltura.changes (load_id, table_name, key, change, before)"
            " SELECT %(load_id)s, {name}, key, 'remove', before FROM removed"
        ).format(
            target=self.target,
            stage=self.stage,
            session=self._list(session),
            same_session=self._same(session, "old", "listed"),
            same_key=self._same(key, "old", "staged"),
            key_json=self._key_json("old"),
            left_out=sql.Literal([*key, *BOOKKEEPING]),
            name=sql.Literal(self.table.name),
        )

    def _copy(self, into: sql.Identifier) -> sql.Composed:
        return sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(into, self._list(self.columns))

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
