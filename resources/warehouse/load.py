"""One table of one day, made equal to what a pull brought: what differs is written, and nothing else.

Sessions that the table has nothing of go straight in. Of the others the rows are read back and compared; where a pull
brings what an earlier one left there, and nobody has written to those rows since, not even that. The rules of who
overwrites whom are `_Resolution`'s.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from resources.arrivals import Arrivals, Pull
from resources.postgres import copy as copying
from resources.postgres.locks import take_lock
from resources.privacy.pseudonyms import PEOPLE_FILTER
from resources.settings import CHECKOUT
from resources.table import Kind, Table
from resources.warehouse.provenance import Provenance
from resources.warehouse.rejects import RejectsLoad
from resources.warehouse.statements import EXTRA, PARTITION_DATE, PARTNER, Merge

LOADS_BEFORE = CHECKOUT / "sql" / "queries" / "loads_before.sql"
_KNOWN = ("window_end", "ends_at")  # a session's rows are known up to the earlier of the two

# Statistics from when a table was nearly empty, or another than it is, have the planner read all of it for each session
# of a day. Where there is no other way, what is switched off costs ten thousand million before Postgres 18: no JIT then.
_SETTINGS = {"enable_seqscan": "off", "jit": "off"}


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
    repaired: int
    other_days: int
    requests: int


@dataclass(frozen=True)
class _Before:
    """A row of `loads_before.sql`. `partial_loads` tell nothing of the rows of people that they were not restricted to."""

    load_id: int
    transaction_id: int
    newer_pull: int | None
    partial_loads: Sequence[int]
    content: bytes | None
    row_versions: int | None


@dataclass(frozen=True)
class _Resolution:
    """Which rows of a pull go straight in, which are compared, and how many bow to what the table has.

    A session's rows are known up to `min(window_end, ends_at)`. A pull that knows a session less far than the table
    does not touch it; one that knows it further takes it; of two that know it equally, the later pull. A pull
    that was restricted to some people knows of their rows alone, and of nobody else's: such `partial` rows are judged
    one by one. `kept` are the keys of those that the pull does not touch.
    """

    fresh: pa.Table
    to_compare: pa.Table
    stale: int
    kept: pd.DataFrame

    @classmethod
    def on(
        cls, rows: pa.Table, existing: pd.DataFrame, partial: pd.DataFrame, table: Table, pull: Pull
    ) -> "_Resolution":
        nothing = partial.iloc[:0][list(table.key)]
        if existing.empty:
            return cls(rows, rows.slice(0, 0), 0, nothing)
        session_key = list(table.session_key)
        known = rows.select([*session_key, *_KNOWN]).to_pandas().merge(existing, on=session_key, how="left")
        is_new = (known["is_there"] != True).to_numpy()  # noqa: E712 (missing where the session is)
        stale = ~is_new & _knows_less(known, pull)
        if partial.empty:
            return cls(rows.filter(is_new), rows.filter(~is_new & ~stale), int(stale.sum()), nothing)
        reach = known.groupby(session_key, as_index=False)[list(_KNOWN)].max()
        of_pull = partial.merge(reach, on=session_key)
        kept = of_pull.loc[_knows_less(of_pull, pull), list(table.key)]
        keys, kept_keys = (pd.MultiIndex.from_frame(each) for each in (rows.select(table.key).to_pandas(), kept))
        stale = stale | (keys.isin(kept_keys) & ~is_new)
        return cls(rows.filter(is_new), rows.filter(~is_new & ~stale), int(stale.sum()), kept)


def _knows_less(known: pd.DataFrame, pull: Pull) -> "npt.NDArray[np.bool_]":
    """Whether a pull knows less than what is there. Where nothing is known of what is there, it does not."""
    reach = known[list(_KNOWN)].min(axis=1)
    existing_reach = known[["existing_until", "ends_at"]].min(axis=1).where(known["existing_until"].notna())
    is_older = (reach == existing_reach) & (known["existing_pull"] > pull.number)
    return ((reach < existing_reach) | is_older).to_numpy()


@dataclass(frozen=True)
class _Difference:
    """Of sessions that the table has: rows that differ, rows that it lacks, and keys of rows that are not there now.

    `spared` of these stay: they are `listed`, by keys that are null as far as they could not be read.
    """

    differing: pa.Table
    missing: pa.Table
    vanished: pa.Table
    spared: int

    @classmethod
    def between(
        cls, arrived: pa.Table, existing: pa.Table, listed: Sequence[pd.DataFrame], merge: Merge, day: dt.date
    ) -> "_Difference":
        """`existing` is what `Merge.existing_rows` returned for the sessions of `arrived`."""
        key = merge.table.key
        keys, existing_keys = _joined(arrived, key), _joined(existing, key)
        place = pc.index_in(keys, existing_keys)
        in_both = arrived.filter(place.is_valid())
        was = existing.take(place.drop_null())
        same = pc.equal(was[PARTITION_DATE], str(day))
        for name, kind in merge.compared.items():
            same = pc.and_(same, _equal(copying.comparable(in_both[name], kind), was[name]))
        vanished = existing.select(list(key)).filter(pc.invert(pc.is_in(existing_keys, keys)))
        gone = vanished
        for those in listed:
            gone = gone.filter(pc.invert(_fitting(gone, those)))
        return cls(
            differing=in_both.filter(pc.invert(same)),
            missing=arrived.filter(place.is_null()),
            vanished=gone,
            spared=vanished.num_rows - gone.num_rows,
        )


def _fitting(keys: pa.Table, listed: pd.DataFrame) -> pa.Array:
    """Which of the keys may be one of those listed: equal in all that is not null there."""
    fits = pa.array([False] * keys.num_rows, pa.bool_())
    if listed.empty or not keys.num_rows:
        return fits
    readable = listed.notna()
    for pattern, of_pattern in listed.groupby([readable[name] for name in listed.columns]):
        names = [name for name, is_readable in zip(listed.columns, pattern, strict=True) if is_readable]
        if not names:
            return pa.array([True] * keys.num_rows, pa.bool_())
        wanted = _joined(copying.as_arrow(of_pattern[names]), names)
        fits = pc.or_(fits, pc.is_in(_joined(keys, names), wanted))
    return fits


def _joined(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """One text a row, in the order of the collation "C". NUL parts the values: no text of Postgres's holds one."""
    columns = (copying.comparable(rows[name], Kind.TEXT) for name in names)
    return pc.binary_join_element_wise(*columns, pa.scalar("\0", pa.large_string()))


def _equal(left: pa.Array, right: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.coalesce(pc.equal(left, right), pc.and_(left.is_null(), right.is_null()))


def _known(rows: Sequence[tuple[Any, ...]], key: Sequence[str], more: Sequence[str]) -> pd.DataFrame:
    """Rows of a query whose columns are a key and `more`: until when they are known, and by which pull."""
    if not rows:  # as for each new day, and pandas takes milliseconds to make nothing
        return _nothing_known(tuple(key), tuple(more)).copy()
    return _typed(pd.DataFrame(rows, columns=[*key, *more]), key)


@cache
def _nothing_known(key: tuple[str, ...], more: tuple[str, ...]) -> pd.DataFrame:
    return _typed(pd.DataFrame([], columns=[*key, *more]), key)


def _typed(known: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    known = known.astype(dict.fromkeys(key, "str"))
    known["existing_until"] = pd.to_datetime(known["existing_until"], utc=True).astype("datetime64[us, UTC]")
    known["existing_pull"] = known["existing_pull"].astype("float64").fillna(0)  # 0: no load wrote the row
    return known


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
        """What it did; `record` writes it down."""
        before, rejects = self._before()
        self.load_id = before.load_id
        inserted, updated, removed, superseded = self._write(before)
        if before.newer_pull is None:
            rejects.run(self.load_id)
        return Load(
            table=self.table.name,
            inserted=inserted,
            updated=updated,
            unchanged=self.rows.num_rows - inserted - updated - superseded,
            superseded=superseded,
            removed=removed,
            received=self.arrivals.received,
            merged=self.arrivals.merged,
            rejected=self.arrivals.rejected,
            repaired=self.arrivals.repaired,
            other_days=self.arrivals.other_days,
            requests=self.arrivals.requests,
        )

    def _before(self) -> tuple[_Before, RejectsLoad]:
        """What is there, once no other load of the table is under way: the books and the rejects in one."""
        asked = {
            PARTNER: self.provenance.partner_id,
            "report_id": self.table.report_id,
            "first": self.day,
            "pull": self.provenance.pull.number,
            "people_filter": PEOPLE_FILTER,
        }
        take_lock(self.connection, self.table.report_id, f"another load of {self.table.name}", settings=_SETTINGS)
        with self.connection.cursor(row_factory=class_row(_Before)) as books:
            with self.connection.pipeline():
                books.execute(LOADS_BEFORE.read_bytes(), asked)
                rejects = RejectsLoad(self.connection, self.day, self.arrivals, self.provenance)
            before = books.fetchone()
        assert before is not None  # noqa: S101 (a SELECT of values has one row)
        # Where a row is a session, it is judged by itself already.
        return (replace(before, partial_loads=[]) if self.table.rows_are_sessions else before), rejects

    def _write(self, before: _Before) -> tuple[int, int, int, int]:
        """Rows inserted, updated, removed and superseded."""
        content = copying.digest(self.rows.select([*self.table.column_names, EXTRA]))
        if content == before.content and before.row_versions == self._row_versions():
            self.content, self.row_versions = before.content, before.row_versions
            return 0, 0, 0, 0
        partial_loads = before.partial_loads
        existing = self._existing(partial_loads, before.newer_pull)
        partial = self._partial_rows(partial_loads)
        resolution = _Resolution.on(self.rows, existing, partial, self.table, self.provenance.pull)
        difference = self._difference(resolution)
        updated = self._update(difference.differing)
        removed = self._remove(difference.vanished)
        new = pa.concat_tables([resolution.fresh, difference.missing])
        self._copy(self.merge.copy_to_target, new)
        if not partial.empty:
            self._adopt(resolution.to_compare, partial_loads)
        if not resolution.stale and not difference.spared and not self.provenance.filters:
            self.content = content
            if existing.empty:
                self.row_versions = new.num_rows * before.transaction_id
            else:
                self.row_versions = self._row_versions()
        return new.num_rows, updated, removed, resolution.stale

    def _row_versions(self) -> int:
        row = self.connection.execute(self.merge.row_versions, self._arrived_sessions).fetchone()
        return int(row[0]) if row else 0

    def _existing(self, partial_loads: Sequence[int], newer_pull: int | None) -> pd.DataFrame:
        """The arrived sessions that the table has: `existing_until` and `existing_pull`, beside the session's key."""
        names = list(self.table.session_key)
        parameters = {**self._arrived_sessions, "partial": partial_loads}
        rows = self.connection.execute(self.merge.existing, parameters).fetchall()
        existing = _known(rows, names, ["existing_until", "load_id", "existing_pull"])
        if newer_pull is not None:
            existing["existing_pull"] = float(newer_pull)
        return existing.drop(columns="load_id").assign(is_there=True)

    def _partial_rows(self, partial_loads: Sequence[int]) -> pd.DataFrame:
        """The rows of partial loads among the arrived sessions, each known for itself."""
        names, rows = list(self.table.key), []
        if partial_loads:
            parameters = {**self._arrived_sessions, "partial": partial_loads}
            rows = self.connection.execute(self.merge.partial_rows, parameters).fetchall()
        return _known(rows, names, ["existing_until", "existing_pull"])

    def _adopt(self, rows: pa.Table, partial_loads: Sequence[int]) -> None:
        """What a pull of everybody lists as it is there is known by it, and no longer by the partial one alone."""
        if self.provenance.filters or not rows.num_rows:
            return
        names = [*self.table.key, "window_start", "window_end"]
        arrays = {name: rows[name].to_pylist() for name in names}
        ids = {PARTNER: self.provenance.partner_id, "load_id": self.load_id, "partial": partial_loads}
        self.connection.execute(self.merge.adopt, {**ids, **arrays})

    def _difference(self, resolution: _Resolution) -> _Difference:
        rows = resolution.to_compare
        if not rows.num_rows:
            return _Difference(rows, rows, rows.select(list(self.table.key)), spared=0)
        existing = copying.rows_out(
            self.connection, self.merge.existing_rows, self._sessions(rows), self.merge.existing_kinds
        )
        listed = [self.arrivals.unread[list(self.table.key)], resolution.kept]
        return _Difference.between(rows, existing, listed, self.merge, self.day)

    @cached_property
    def _arrived_sessions(self) -> dict[str, Any]:
        return self._sessions(self.rows)

    def _sessions(self, rows: pa.Table) -> dict[str, Any]:
        names = list(self.table.session_key)
        sessions = rows.select(names).group_by(names).aggregate([]).sort_by([(name, "ascending") for name in names])
        return {PARTNER: self.provenance.partner_id, **{name: copying.array_literal(sessions[name]) for name in names}}

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
        arrays = {name: copying.array_literal(keys[name]) for name in keys.column_names}
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

    def record(self, load: Load) -> None:
        """Into the books. Once a day's tables are written, so that this waits for no answer between them."""
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
            "rows_repaired": load.repaired,
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
