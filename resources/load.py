"""One table of one day, made equal to what a pull brought: what differs is written, and nothing else.

Sessions that the table has nothing of go straight in. Of the others the rows are read back and compared; where a pull
brings what an earlier one left there, and nobody has written to those rows since, not even that. The rules of who
overwrites whom are `_Verdict`'s.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.types.json import Jsonb

from resources import copying
from resources.merge import EXTRA, PARTITION_DATE, PARTNER, Merge
from resources.table import Table

LOCK_CLASS = 0x6B616C74  # "kalt": keeps our advisory locks apart from those of other programs


@dataclass(frozen=True)
class Arrivals:
    """What a pull brought in for one table and day.

    `frame`: a row a key, the table's columns and `window_start`, `window_end`, `ends_at` (UTC; the end of the row's
    session or null) and `extra` (JSON or null). `rejects`: `raw` and `reason`. `received` counts every row of the
    replies that falls to this day: those of `frame`, `merged` away, rejected, and fragments of `other_days`.
    """

    table: Table
    frame: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)
    window_start: dt.datetime
    window_end: dt.datetime
    requests: int
    merged: int
    other_days: int
    kaltura_session: str = ""

    @property
    def received(self) -> int:
        return len(self.frame) + self.merged + len(self.rejects) + self.other_days


@dataclass(frozen=True)
class Provenance:
    """Who pulled, and when: `pulled_at` is before the first request, so that of two pulls the later one knows more."""

    partner_id: int
    pulled_at: dt.datetime
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
    removed: int
    received: int
    merged: int
    rejected: int
    other_days: int
    requests: int


@dataclass(frozen=True)
class _Verdict:
    """Which rows of a pull go straight in, which are compared, and how many bow to what the table has.

    A session's rows are known up to `min(window_end, ends_at)`. A pull that knows a session less far than the table
    does not touch it; one that knows it further takes it; of two that know it equally, the one pulled later.
    """

    fresh: pd.DataFrame
    to_compare: pd.DataFrame
    outranked: int

    @classmethod
    def on(cls, frame: pd.DataFrame, held: pd.DataFrame, session_key: list[str], pulled_at: dt.datetime) -> "_Verdict":
        if held.empty:
            return cls(frame, frame.iloc[:0], 0)
        known = frame[[*session_key, "window_end", "ends_at"]].merge(held, on=session_key, how="left")
        is_new = known["held_until"].isna().to_numpy()
        reach = known[["window_end", "ends_at"]].min(axis=1)
        held_reach = known[["held_until", "ends_at"]].min(axis=1)
        outranked = (
            ~is_new
            & (
                (reach < held_reach) | ((reach == held_reach) & (known["held_pulled_at"] > pd.Timestamp(pulled_at)))
            ).to_numpy()
        )
        return cls(frame[is_new], frame[~is_new & ~outranked], int(outranked.sum()))


@dataclass(frozen=True)
class _Difference:
    """Of sessions that the table has: rows that differ, rows that it lacks, and keys of rows that are not there now."""

    differing: pd.DataFrame
    missing: pd.DataFrame
    vanished: pa.Table

    @classmethod
    def between(cls, arrived: pd.DataFrame, held: pa.Table, merge: Merge, day: dt.date) -> "_Difference":
        """`held` is what `Merge.held_rows` returned for the sessions of `arrived`."""
        placed = arrived.assign(**{PARTITION_DATE: str(day)})
        now = pa.table({name: copying.comparable(placed[name], kind) for name, kind in merge.compared.items()})
        key = merge.table.key
        keys, held_keys = _joined(now, key), _joined(held, key)
        place = pc.index_in(keys, held_keys)
        is_held = place.is_valid()
        was = held.take(place.drop_null())
        now = now.filter(is_held)
        same = pa.repeat(pa.scalar(True), now.num_rows)
        for name in merge.compared:
            same = pc.and_(same, _equal(now[name], was[name]))
        in_both = arrived[is_held.to_numpy(zero_copy_only=False)]
        return cls(
            differing=in_both[~same.to_numpy(zero_copy_only=False)],
            missing=arrived[~is_held.to_numpy(zero_copy_only=False)],
            vanished=held.select(list(key)).filter(pc.invert(pc.is_in(held_keys, keys))),
        )


def _joined(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """One text a row. NUL parts the values: no text of Postgres's holds one."""
    columns = [rows[name].combine_chunks() for name in names]
    return pc.binary_join_element_wise(*columns, pa.scalar("\0", pa.large_string()))


def _equal(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.Array:
    left, right = left.combine_chunks(), right.combine_chunks()
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
        self.frame = arrivals.frame.sort_values(list(self.table.key), ignore_index=True)
        self.load_id = 0
        # What the table holds of the frame's sessions once it equals the frame: see `loads.content` and `row_versions`.
        self.content: bytes | None = None
        self.row_versions: int | None = None

    def run(self) -> Load:
        self._lock()
        self.load_id = self._value("SELECT nextval(pg_get_serial_sequence('kaltura.loads', 'id'))")
        newer_pull = self._newer_pull()
        inserted, updated, removed = self._write(newer_pull)
        if newer_pull is None:
            self._write_rejects()
        load = Load(
            table=self.table.name,
            inserted=inserted,
            updated=updated,
            unchanged=len(self.frame) - inserted - updated,
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

    def _newer_pull(self) -> dt.datetime | None:
        """When a later pull of the whole day was started that has already been loaded."""
        newest: dt.datetime | None = self._value(
            "SELECT max(pulled_at) FROM kaltura.loads WHERE partner_id = %s AND report_id = %s AND partition_date = %s"
            " AND filters IS NULL AND pulled_at > %s",
            [self.provenance.partner_id, self.table.report_id, self.day, self.provenance.pulled_at],
        )
        return newest

    def _write(self, newer_pull: dt.datetime | None) -> tuple[int, int, int]:
        """Rows inserted, updated and removed."""
        content = copying.digest(copying.columns(self.frame, [*self.table.column_names, EXTRA], {}))
        held = self._held(newer_pull)
        versions = int(held["row_versions"].sum())
        if self._left_there(content, versions):
            self.content, self.row_versions = content, versions
            return 0, 0, 0
        verdict = _Verdict.on(self.frame, held, list(self.table.session_key), self.provenance.pulled_at)
        difference = self._difference(verdict.to_compare)
        updated = self._update(difference.differing)
        removed = self._remove(difference.vanished)
        new = pd.concat([verdict.fresh, difference.missing]) if len(difference.missing) else verdict.fresh
        self._copy(self.merge.copy_to_target, new.sort_values(list(self.table.key)))
        if not verdict.outranked and not self.provenance.filters:
            self.content = content
            touched = updated or removed or len(difference.missing)
            self.row_versions = (
                int(self._held(newer_pull)["row_versions"].sum())
                if touched
                else versions + len(new) * self._value("SELECT pg_current_xact_id()::xid::text::bigint")
            )
        return len(new), updated, removed

    def _left_there(self, content: bytes, versions: int) -> bool:
        """Whether a load of this day left the table with just this content, and no row was written since."""
        parameters = [self.provenance.partner_id, self.table.report_id, self.day]
        left = self.connection.execute(
            "SELECT content, row_versions FROM kaltura.loads WHERE partner_id = %s AND report_id = %s"
            " AND partition_date = %s AND content IS NOT NULL ORDER BY id DESC LIMIT 1",
            parameters,
        ).fetchone()
        return left == (content, versions)

    def _held(self, newer_pull: dt.datetime | None) -> pd.DataFrame:
        """The arrived sessions that the table has: `held_until`, `held_pulled_at`, `row_versions` beside their key."""
        names = list(self.table.session_key)
        rows = self.connection.execute(self.merge.held, self._sessions(self.frame)).fetchall()
        columns = [*names, "held_until", "load_id", "held_pulled_at", "row_versions"]
        held = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(names, "str"))
        for column in ("held_until", "held_pulled_at"):
            held[column] = pd.to_datetime(held[column], utc=True).astype("datetime64[us, UTC]")
        if newer_pull is not None:
            held["held_pulled_at"] = pd.Timestamp(newer_pull)
        return held.drop(columns="load_id")

    def _difference(self, rows: pd.DataFrame) -> _Difference:
        held = copying.rows_out(self.connection, self.merge.held_rows, self._sessions(rows), self.merge.compared)
        return _Difference.between(rows, held, self.merge, self.day)

    def _sessions(self, rows: pd.DataFrame) -> dict[str, Any]:
        sessions = rows[list(self.table.session_key)].drop_duplicates()
        return {
            PARTNER: self.provenance.partner_id,
            **{name: sessions[name].tolist() for name in self.table.session_key},
        }

    def _update(self, rows: pd.DataFrame) -> int:
        if rows.empty:
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

    def _copy(self, statement: sql.Composed, rows: pd.DataFrame) -> None:
        constants = {PARTNER: self.provenance.partner_id, PARTITION_DATE: self.day, "load_id": self.load_id}
        if len(rows):
            copying.rows_in(self.connection, statement, copying.columns(rows, self.merge.columns, constants))

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
            "pulled_at": self.provenance.pulled_at,
            "requests": load.requests,
            "rows_received": load.received,
            "rows_merged": load.merged,
            "rows_rejected": load.rejected,
            "rows_other_days": load.other_days,
            "inserted": load.inserted,
            "updated": load.updated,
            "unchanged": load.unchanged,
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
