"""One table of one day, made equal to what a pull brought: what differs is written, and nothing else.

Sessions that the table has nothing of go straight in. Of the others the rows are read back and compared; where a pull
brings what an earlier one left there, and nobody has written to those rows since, not even that. The rules of who
overwrites whom are `_Resolution`'s.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.arrivals import Arrivals, Pull
from resources.postgres import copy as copying
from resources.postgres.locks import LOCK_CLASS
from resources.table import Kind
from resources.warehouse.statements import EXTRA, PARTITION_DATE, PARTNER, Merge


@dataclass(frozen=True)
class Provenance:
    """Who pulled, and which pull it was."""

    partner_id: int
    pull: Pull
    filters: Mapping[str, Sequence[str]] | None = None
    run_id: str | None = None
    root_run_id: str | None = None


@dataclass(frozen=True)
class Load:
    """What a load did to one table: a row of `kaltura.loads`."""

    table: str
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    removed: int
    received: int
    merged: int
    rejected: int
    other_days: int
    requests: int


@dataclass(frozen=True)
class _Resolution:
    """Which rows of a pull go straight in, which are compared, and how many bow to what the table has.

    A session's rows are known up to `min(window_end, ends_at)`. A pull that knows a session less far than the table
    does not touch it; one that knows it further takes it; of two that know it equally, the later pull.
    """

    fresh: pa.Table
    to_compare: pa.Table
    stale: int

    @classmethod
    def on(cls, rows: pa.Table, existing: pd.DataFrame, session_key: list[str], pull: Pull) -> "_Resolution":
        if existing.empty:
            return cls(rows, rows.slice(0, 0), 0)
        known = (
            rows.select([*session_key, "window_end", "ends_at"]).to_pandas().merge(existing, on=session_key, how="left")
        )
        is_new = known["existing_until"].isna().to_numpy()
        reach = known[["window_end", "ends_at"]].min(axis=1)
        existing_reach = known[["existing_until", "ends_at"]].min(axis=1)
        stale = (
            ~is_new
            & (
                (reach < existing_reach) | ((reach == existing_reach) & (known["existing_pull"] > pull.number))
            ).to_numpy()
        )
        return cls(rows.filter(is_new), rows.filter(~is_new & ~stale), int(stale.sum()))


@dataclass(frozen=True)
class _Difference:
    """Of sessions that the table has: rows that differ, rows that it lacks, and keys of rows that are not there now."""

    differing: pa.Table
    missing: pa.Table
    vanished: pa.Table

    @classmethod
    def between(cls, arrived: pa.Table, existing: pa.Table, merge: Merge, day: dt.date) -> "_Difference":
        """`existing` is what `Merge.existing_rows` returned for the sessions of `arrived`."""
        key = merge.table.key
        keys, existing_keys = _joined(arrived, key), _joined(existing, key)
        place = pc.index_in(keys, existing_keys)
        in_both = arrived.filter(place.is_valid())
        was = existing.take(place.drop_null())
        same = pc.equal(was[PARTITION_DATE], str(day))
        for name, kind in merge.compared.items():
            same = pc.and_(same, _equal(copying.comparable(in_both[name], kind), was[name]))
        return cls(
            differing=in_both.filter(pc.invert(same)),
            missing=arrived.filter(place.is_null()),
            vanished=existing.select(list(key)).filter(pc.invert(pc.is_in(existing_keys, keys))),
        )


def _joined(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """One text a row, in the order of the collation "C". NUL parts the values: no text of Postgres's holds one."""
    columns = (copying.comparable(rows[name], Kind.TEXT) for name in names)
    return pc.binary_join_element_wise(*columns, pa.scalar("\0", pa.large_string()))


def _equal(left: pa.Array, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.coalesce(pc.equal(left, right), pc.and_(left.is_null(), right.is_null()))


class TableLoad:
    """One table of one day, inside the day's transaction."""

    def __init__(
        self, connection: psycopg.Connection, day: dt.date, arrivals: Arrivals, provenance: Provenance
    ) -> None:
        self.connection = connection
        self.day = day
        self.arrivals = arrivals
        self.provenance = provenance
        self.table = arrivals.table
        self.merge = Merge(arrivals.table)
        self.rows = copying.as_arrow(arrivals.frame)
        self.load_id = 0
        # What the table holds of the frame's sessions once it equals the frame: see `loads.content` and `row_versions`.
        self.content: bytes | None = None
        self.row_versions: int | None = None

    def run(self) -> Load:
        self._lock()
        self.load_id = self._value("SELECT nextval(pg_get_serial_sequence('kaltura.loads', 'id'))")
        newer_pull = self._newer_pull()
        inserted, updated, removed, superseded = self._write(newer_pull)
        if newer_pull is None:
            self._write_rejects()
        load = Load(
            table=self.table.name,
            inserted=inserted,
            updated=updated,
            unchanged=self.rows.num_rows - inserted - updated - superseded,
            superseded=superseded,
            removed=removed,
            received=self.arrivals.received,
            merged=self.arrivals.merged,
            rejected=len(self.arrivals.rejects),
            other_days=self.arrivals.other_days,
            requests=self.arrivals.requests,
        )
        self._record(load)
        return load

    def _lock(self) -> None:
        self.connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, self.table.report_id])

    def _newer_pull(self) -> int | None:
        """A later pull of the whole day that has already been loaded."""
        newest: int | None = self._value(
            "SELECT max(pull) FROM kaltura.loads WHERE partner_id = %s AND report_id = %s AND partition_date = %s"
            " AND filters IS NULL AND pull > %s",
            [self.provenance.partner_id, self.table.report_id, self.day, self.provenance.pull.number],
        )
        return newest

    def _write(self, newer_pull: int | None) -> tuple[int, int, int, int]:
        """Rows inserted, updated, removed and superseded."""
        content = copying.digest(self.rows.select([*self.table.column_names, EXTRA]))
        if self._left_there(content):
            return 0, 0, 0, 0
        existing = self._existing(newer_pull)
        resolution = _Resolution.on(self.rows, existing, list(self.table.session_key), self.provenance.pull)
        difference = self._difference(resolution.to_compare)
        updated = self._update(difference.differing)
        removed = self._remove(difference.vanished)
        new = pa.concat_tables([resolution.fresh, difference.missing])
        self._copy(self.merge.copy_to_target, new)
        if not resolution.stale and not self.provenance.filters:
            self.content = content
            if existing.empty:
                self.row_versions = new.num_rows * self._value("SELECT pg_current_xact_id()::xid::text::bigint")
            else:
                self.row_versions = self._row_versions()
        return new.num_rows, updated, removed, resolution.stale

    def _left_there(self, content: bytes) -> bool:
        """Whether a load of this day left the table with just this content, and no row was written since."""
        left = self.connection.execute(
            "SELECT content, row_versions FROM kaltura.loads WHERE partner_id = %s AND report_id = %s"
            " AND partition_date = %s AND content IS NOT NULL ORDER BY id DESC LIMIT 1",
            [self.provenance.partner_id, self.table.report_id, self.day],
        ).fetchone()
        if left is None or left[0] != content or left[1] != self._row_versions():
            return False
        self.content, self.row_versions = left
        return True

    def _row_versions(self) -> int:
        row = self.connection.execute(self.merge.row_versions, self._sessions(self.rows)).fetchone()
        return int(row[0]) if row else 0

    def _existing(self, newer_pull: int | None) -> pd.DataFrame:
        """The arrived sessions that the table has: `existing_until` and `existing_pull`, beside the session's key."""
        names = list(self.table.session_key)
        rows = self.connection.execute(self.merge.existing, self._sessions(self.rows)).fetchall()
        columns = [*names, "existing_until", "load_id", "existing_pull"]
        existing = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(names, "str"))
        existing["existing_until"] = pd.to_datetime(existing["existing_until"], utc=True).astype("datetime64[us, UTC]")
        existing["existing_pull"] = existing["existing_pull"].astype("float64").fillna(0)  # 0: no load wrote the row
        if newer_pull is not None:
            existing["existing_pull"] = float(newer_pull)
        return existing.drop(columns="load_id")

    def _difference(self, rows: pa.Table) -> _Difference:
        existing = copying.rows_out(
            self.connection, self.merge.existing_rows, self._sessions(rows), self.merge.existing_kinds
        )
        return _Difference.between(rows, existing, self.merge, self.day)

    def _sessions(self, rows: pa.Table) -> dict[str, Any]:
        names = list(self.table.session_key)
        sessions = rows.select(names).group_by(names).aggregate([]).sort_by([(name, "ascending") for name in names])
        return {PARTNER: self.provenance.partner_id, **{name: sessions[name].to_pylist() for name in names}}

    def _update(self, rows: pa.Table) -> int:
        if not rows.num_rows:
            return 0
        self.connection.execute("SET LOCAL client_min_messages = warning")
        self.connection.execute(self.merge.create_stage)
        self._copy(self.merge.copy_to_stage, rows)
        return self.connection.execute(self.merge.update_differing, {"load_id": self.load_id}).rowcount

    def _remove(self, keys: pa.Table) -> int:
        """A row that a session no longer lists. Of a filtered pull nobody knows what it left out."""
        if not keys.num_rows or self.provenance.filters:
            return 0
        arrays = {name: keys[name].to_pylist() for name in keys.column_names}
        parameters = {PARTNER: self.provenance.partner_id, "load_id": self.load_id, **arrays}
        return self.connection.execute(self.merge.remove_vanished, parameters).rowcount

    def _copy(self, statement: sql.Composed, rows: pa.Table) -> None:
        """In the order of the key, so that neighbours in the index are written side by side."""
        constants: dict[str, int | dt.date] = {
            PARTNER: self.provenance.partner_id,
            PARTITION_DATE: self.day,
            "load_id": self.load_id,
        }
        if rows.num_rows:
            ordered = rows.take(pc.array_sort_indices(_joined(rows, self.table.key)))
            copying.rows_in(self.connection, statement, ordered, self.merge.columns, constants)

    def _write_rejects(self) -> None:
        """Put the day's rejects in the place of those there; a day pulled again without news writes nothing.

        A filtered pull knows of a part of them alone, and removes none.
        """
        day = [self.provenance.partner_id, self.table.report_id, self.day]
        where = "WHERE partner_id = %s AND report_id = %s AND partition_date = %s"
        there = Counter(self.connection.execute(f"SELECT raw, reason FROM kaltura.rejects {where}", day).fetchall())
        now = Counter(self.arrivals.rejects[["raw", "reason"]].itertuples(index=False, name=None))
        if self.provenance.filters:
            now -= there
        elif now != there:
            self.connection.execute(f"DELETE FROM kaltura.rejects {where}", day)
        else:
            return
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO kaltura.rejects (load_id, partner_id, report_id, partition_date, raw, reason)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                [(self.load_id, *day, raw, reason) for raw, reason in now.elements()],
            )

    def _record(self, load: Load) -> None:
        values = {
            "id": self.load_id,
            "partner_id": self.provenance.partner_id,
            "report_id": self.table.report_id,
            "partition_date": self.day,
            "window_start": self.arrivals.window_start,
            "window_end": self.arrivals.window_end,
            "filters": Jsonb(dict(self.provenance.filters)) if self.provenance.filters else None,
            "pull": self.provenance.pull.number,
            "pulled_at": self.provenance.pull.at,
            "clock_ahead_seconds": self.provenance.pull.clock_ahead_seconds,
            "requests": load.requests,
            "rows_received": load.received,
            "rows_merged": load.merged,
            "rows_rejected": load.rejected,
            "rows_other_days": load.other_days,
            "inserted": load.inserted,
            "updated": load.updated,
            "unchanged": load.unchanged,
            "rows_superseded": load.superseded,
            "removed": load.removed,
            "run_id": self.provenance.run_id,
            "root_run_id": self.provenance.root_run_id,
            "kaltura_session": self.arrivals.kaltura_session or None,
            "content": self.content,
            "row_versions": self.row_versions,
        }
        statement = sql.SQL("INSERT INTO kaltura.loads ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
        )
        self.connection.execute(statement, values)

    def _value(self, query: str, parameters: Sequence[object] = ()) -> Any:
        row = self.connection.execute(query, parameters).fetchone()
        return row[0] if row else None
