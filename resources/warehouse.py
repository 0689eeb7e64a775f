"""The Postgres that analysts query: one connection pool, and the one way in which a day gets into its tables.

A day's tables are written in one transaction, under an advisory lock a table that two runs of the same day meet at.
Sessions that the table has nothing of go straight in; the others are staged, compared and merged (`merge.py`). The
rules of who overwrites whom are `_Verdict`'s.
"""

import datetime as dt
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
import stamina
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.database import sqlalchemy_url
from resources.errors import ConfigurationError
from resources.merge import PARTNER, Merge
from resources.migrations import Migrations
from resources.table import Table

CONNECT_TIMEOUT_SECONDS = 10
LOAD_ATTEMPTS = 3
ANALYZE_FROM_ROWS = 1_000  # below that the planner's guess of an unanalyzed stage does no harm
LOCK_CLASS = 0x6B616C74  # "kalt": keeps our advisory locks apart from those of other programs


class WarehouseError(ConfigurationError):
    """The database can't be reached or is not as it should be; the message says what to do."""


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


class Warehouse:
    """A pool on one database. Close it when done."""

    def __init__(self, url: str) -> None:
        try:
            self.engine = sa.create_engine(
                sqlalchemy_url(url),
                pool_pre_ping=True,
                connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": "kaltura-room-warehouse"},
            )
        except sa.exc.ArgumentError:
            raise WarehouseError(
                "DATABASE_URL is no database URL. Write it as postgresql://user:password@host/database."
            ) from None

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A psycopg connection of the pool, in a transaction that commits at the end. Raises `WarehouseError`."""
        try:
            pooled = self.engine.connect()
        except sa.exc.OperationalError as error:
            raise WarehouseError(f"the database can't be reached: {_reason(error)}. Check DATABASE_URL.") from None
        with pooled:
            raw = pooled.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)  # noqa: S101 (the engine's URL names the driver)
            with raw.transaction():
                yield raw

    def require_current_schema(self) -> None:
        """Raises `WarehouseError` where the migrations of this version are not all applied."""
        with self.connection() as connection:
            pending = Migrations(connection).pending()
        if pending:
            raise WarehouseError(f"the database lacks {', '.join(pending)}. Run `make migrate`, then this again.")

    def upsert(self, day: dt.date, arrivals: Sequence[Arrivals], provenance: Provenance) -> list[Load]:
        """Make the day's tables equal to what arrived, in one transaction. Tried again where the connection breaks.

        Raises `WarehouseError` or `psycopg.Error`; then nothing of the day was written.
        """
        for attempt in stamina.retry_context(on=psycopg.OperationalError, attempts=LOAD_ATTEMPTS, wait_initial=0.5):
            with attempt, self.connection() as connection:
                ordered = sorted(arrivals, key=lambda each: each.table.name)  # one order for all runs: no deadlock
                return [_TableLoad(connection, day, each, provenance).run() for each in ordered]
        raise AssertionError("unreachable: the last attempt raises")

    def loaded_days(self, root_run_id: str, tables: Sequence[Table]) -> set[dt.date]:
        """Days of which a run with this root has loaded all these tables."""
        query = (
            "SELECT partition_date FROM kaltura.loads WHERE root_run_id = %s AND report_id = ANY(%s)"
            " GROUP BY partition_date HAVING count(DISTINCT report_id) = %s"
        )
        with self.connection() as connection:
            rows = connection.execute(query, [root_run_id, [table.report_id for table in tables], len(tables)])
            return {row[0] for row in rows}


def _reason(error: sa.exc.OperationalError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


@dataclass(frozen=True)
class _Verdict:
    """Which rows of a pull go straight in, which are merged, and how many bow to what the table has.

    A session's rows are known up to `min(window_end, ends_at)`. A pull that knows a session less far than the table
    does not touch it; one that knows it further takes it; of two that know it equally, the one pulled later.
    """

    fresh: pd.DataFrame
    to_merge: pd.DataFrame
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


class _TableLoad:
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
        self.load_id = 0

    def run(self) -> Load:
        self._lock()
        self.load_id = self._value("SELECT nextval(pg_get_serial_sequence('kaltura.loads', 'id'))")
        newer_pull = self._newer_pull()
        verdict = _Verdict.on(
            self.arrivals.frame, self._held(newer_pull), list(self.table.session_key), self.provenance.pulled_at
        )
        self._copy(self.merge.copy_to_target, verdict.fresh)
        updated, inserted, removed = self._merge(verdict.to_merge)
        if newer_pull is None:
            self._write_rejects()
        load = Load(
            table=self.table.name,
            inserted=len(verdict.fresh) + inserted,
            updated=updated,
            unchanged=verdict.outranked + len(verdict.to_merge) - updated - inserted,
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

    def _held(self, newer_pull: dt.datetime | None) -> pd.DataFrame:
        """The arrived sessions that the table has: `held_until` and `held_pulled_at`, beside the session's key."""
        names = list(self.table.session_key)
        sessions = self.arrivals.frame[names].drop_duplicates()
        arrays = {name: sessions[name].tolist() for name in names}
        rows = self.connection.execute(self.merge.held, {**arrays, PARTNER: self.provenance.partner_id}).fetchall()
        columns = [*names, "held_until", "load_id", "held_pulled_at"]
        held = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(names, "str"))
        for column in ("held_until", "held_pulled_at"):
            held[column] = pd.to_datetime(held[column], utc=True).astype("datetime64[us, UTC]")
        if newer_pull is not None:
            held["held_pulled_at"] = pd.Timestamp(newer_pull)
        return held.drop(columns="load_id")

    def _merge(self, rows: pd.DataFrame) -> tuple[int, int, int]:
        """Rows updated, inserted and removed."""
        if rows.empty:
            return 0, 0, 0
        self.connection.execute("SET LOCAL client_min_messages = warning")
        self.connection.execute(self.merge.create_stage)
        self._copy(self.merge.copy_to_stage, rows)
        if len(rows) >= ANALYZE_FROM_ROWS:
            self.connection.execute(sql.SQL("ANALYZE {}").format(self.merge.stage))
        parameters = {"load_id": self.load_id}
        updated = self.connection.execute(self.merge.update_differing, parameters).rowcount
        removed = 0
        if not self.provenance.filters and not self.table.rows_are_sessions:
            removed = self.connection.execute(self.merge.remove_vanished, parameters).rowcount
        inserted = self.connection.execute(self.merge.insert_missing).rowcount
        return updated, inserted, removed

    def _copy(self, statement: sql.Composed, rows: pd.DataFrame) -> None:
        if rows.empty:
            return
        ordered = rows.sort_values(list(self.table.key), ignore_index=True)
        constants = {PARTNER: self.provenance.partner_id, "partition_date": self.day, "load_id": self.load_id}
        columns = [
            pa.repeat(pa.scalar(constants[name]), len(ordered))
            if name in constants
            else pa.Array.from_pandas(ordered[name])
            for name in self.merge.columns
        ]
        # For an empty chunk, with which a concatenated frame begins, Arrow's CSV writer writes what its buffer holds.
        table = pa.table(columns, names=self.merge.columns).combine_chunks()
        stream = io.BytesIO()
        pyarrow.csv.write_csv(table, stream, pyarrow.csv.WriteOptions(include_header=False))
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(stream.getbuffer())

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
        }
        statement = sql.SQL("INSERT INTO kaltura.loads ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(map(sql.Placeholder, values))
        )
        self.connection.execute(statement, values)

    def _value(self, query: str, parameters: Sequence[object] = ()) -> Any:
        row = self.connection.execute(query, parameters).fetchone()
        return row[0] if row else None
