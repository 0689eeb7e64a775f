"""One table of one day, made equal to what a pull brought: what differs is written, and nothing else.

Sessions that the table has nothing of go straight in. Of the others the rows are read back and compared; where a pull
brings what an earlier one left there, and nobody has written to those rows since, not even that. `comparison` says who
overwrites whom.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from resources.arrivals import Arrivals
from resources.postgres import copy as copying
from resources.postgres.locks import Lock
from resources.privacy.pseudonyms import PEOPLE_FILTER
from resources.settings import CHECKOUT
from resources.warehouse.comparison import Difference, Resolution, joined, known_rows
from resources.warehouse.kept_to import KeptTo, is_whole
from resources.warehouse.provenance import Provenance
from resources.warehouse.rejects import RejectsLoad
from resources.warehouse.statements import DAY_PARAMETER, EXTRA, PARTITION_DATE, PARTNER, PEOPLE, TableStatements

LOADS_BEFORE = CHECKOUT / "sql" / "queries" / "loads_before.sql"


@dataclass(frozen=True)
class Load:
    """What a load did to one table: a row of `kaltura.loads`.

    `leaves_undated`: a later pull was there before, and lines that tell no day wait for the next day of the window.
    """

    table: str
    inserted: int
    updated: int
    unchanged: int
    superseded: int
    removed: int
    people_kept: int
    received: int
    merged: int
    rejected: int
    repaired: int
    other_days: int
    requests: int
    leaves_undated: bool


@dataclass(frozen=True)
class _Before:
    """A row of `loads_before.sql`. `partial_loads` tell nothing of the rows of people that they were not restricted to."""

    load_id: int
    transaction_id: int
    newer_pull: int | None
    partial_loads: Sequence[int]
    content: bytes | None
    row_versions: int | None


class TableLoad:
    """One table of one day. What there is to be known of it is asked first, `run` makes it so, `record` goes last."""

    def __init__(self, day: dt.date, arrivals: Arrivals, provenance: Provenance, kept_to: KeptTo | None) -> None:
        """Of the rows that arrived only their sessions count here, which are nobody's."""
        self.day = day
        self.provenance = provenance
        self.kept_to = kept_to
        self.filters: Mapping[str, Any] | None = None  # as they are recorded
        # A pull that keeps to some rooms, say, has the sessions that it lists whole; one that keeps to people has not.
        self.is_of_everybody = PEOPLE_FILTER not in (arrivals.filters or ())
        self.table = arrivals.table
        self.merge = TableStatements(arrivals.table)
        self.lock = Lock(self.table.report_id, f"another load of {self.table.name}")
        self.rejects = RejectsLoad(day, arrivals, provenance, kept_to)
        self._arrived_sessions = self._sessions(copying.as_arrow(arrivals.frame[list(self.table.session_key)]))
        # What the table holds of the frame's sessions once it equals the frame: see `loads.content` and `row_versions`.
        self.content: bytes | None = None
        self.row_versions: int | sql.Composed | None = None

    def ask(self, connection: psycopg.Connection) -> None:
        """What is there, under the table's lock: the loads before, the rejects, the sessions. In a pipeline."""
        self.connection = connection
        of_day = {
            PARTNER: self.provenance.partner_id,
            "report_id": self.table.report_id,
            DAY_PARAMETER: self.day,
            PEOPLE: PEOPLE_FILTER,
        }
        loads = connection.cursor(row_factory=class_row(_Before))
        self._loads_before = loads.execute(LOADS_BEFORE.read_bytes(), {**of_day, **self._pull})
        self.rejects.ask(connection)
        sessions = {**of_day, **self._arrived_sessions}
        self._existing_sessions = connection.execute(self.merge.existing, sessions, binary=True)

    @property
    def _pull(self) -> dict[str, Any]:
        return {"pull": self.provenance.pull.number, "kept_to": self.kept_to and Jsonb(self.kept_to)}

    def run(self, arrivals: Arrivals) -> Load:
        """What it did. `arrivals` are those of `ask`, as far as they may be kept of people."""
        before = self._before()
        leaves_undated = before.newer_pull is not None and arrivals.tells_undated and arrivals.others_follow
        if leaves_undated:
            arrivals = arrivals.without_undated()
        self.arrivals = arrivals
        self.rows = copying.as_arrow(arrivals.frame)
        self.load_id = before.load_id
        inserted, updated, removed, superseded, people_kept = self._write(before)
        if before.newer_pull is None:
            self.rejects.run(self.load_id, arrivals)
        return Load(
            table=self.table.name,
            inserted=inserted,
            updated=updated,
            unchanged=self.rows.num_rows - inserted - updated - superseded,
            superseded=superseded,
            removed=removed,
            people_kept=people_kept,
            received=arrivals.received,
            merged=arrivals.merged,
            rejected=arrivals.rejected,
            repaired=arrivals.repaired,
            other_days=arrivals.other_days,
            requests=arrivals.requests,
            leaves_undated=leaves_undated,
        )

    def _before(self) -> _Before:
        before = self._loads_before.fetchone()
        assert before is not None  # noqa: S101 (a SELECT of values has one row)
        # Where a row is a session, it is judged by itself already.
        return replace(before, partial_loads=[]) if self.table.rows_are_sessions else before

    def _write(self, before: _Before) -> tuple[int, int, int, int, int]:
        """Rows inserted, updated, removed and superseded, and people who stay known."""
        content = copying.digest(self.rows.select([*self.table.column_names, EXTRA]))
        first = self._existing_sessions.fetchone()
        if content == before.content and before.row_versions == (first[-1] if first else 0):
            self.content, self.row_versions = before.content, before.row_versions
            return 0, 0, 0, 0, 0
        existing = self._existing([first, *self._existing_sessions] if first else [], before.newer_pull)
        partial = self._partial_rows(before)
        resolution = Resolution.on(self.rows, existing, partial, self.table, self.provenance.pull)
        # An older pull may know more of a session. Then the people it names count alone, so that the order of two pulls does
        # not matter.
        difference = self._difference(resolution, knows_people=before.newer_pull is None)
        updated = self._update(difference.differing)
        removed = self._remove(difference.vanished)
        self._of_keys(self.merge.take_along, difference.elsewhere)  # those that stay, now that the others are gone
        new = pa.concat_tables([resolution.fresh, difference.missing])
        self._copy(self.merge.copy_to_target, new)
        if not partial.empty:
            self._adopt(resolution.to_compare, before.partial_loads)
        if not resolution.stale and not difference.spared and self.is_of_everybody:
            self.content = content
            is_new = existing.empty
            self.row_versions = new.num_rows * before.transaction_id if is_new else self.merge.row_versions
        superseded = resolution.stale + difference.superseded
        return new.num_rows, updated, removed, superseded, difference.unnamed

    def _existing(self, rows: Sequence[tuple[Any, ...]], newer_pull: int | None) -> pd.DataFrame:
        """The arrived sessions that the table has: `existing_until` and `existing_pull`, beside the session's key."""
        existing = known_rows(rows, self.table.session_key, ["existing_until", "existing_pull", "versions"])
        if newer_pull is not None:
            existing["existing_pull"] = float(newer_pull)
        return existing.drop(columns="versions").assign(is_there=True)

    def _partial_rows(self, before: _Before) -> pd.DataFrame:
        """The rows of partial loads among the arrived sessions, each known for itself."""
        names, rows = list(self.table.key), []
        if before.partial_loads:
            parameters = {**self._arrived_sessions, "partial": before.partial_loads}
            rows = self.connection.execute(self.merge.partial_rows, parameters).fetchall()
        partial = known_rows(rows, names, ["existing_until", "existing_pull"])
        # A newer pull has looked at the rows of these people, too.
        if not self.is_of_everybody and before.newer_pull is not None:
            partial["existing_pull"] = float(before.newer_pull)
        return partial

    def _adopt(self, rows: pa.Table, partial_loads: Sequence[int]) -> None:
        """What a pull of everybody lists as it is there is known by it, and no longer by the partial one alone."""
        if not self.is_of_everybody or not rows.num_rows:
            return
        names = [*self.table.key, "window_start", "window_end"]
        arrays = {name: rows[name].to_pylist() for name in names}
        ids = {PARTNER: self.provenance.partner_id, "load_id": self.load_id, "partial": partial_loads}
        self.connection.execute(self.merge.adopt, {**ids, **arrays})

    def _difference(self, resolution: Resolution, *, knows_people: bool) -> Difference:
        rows = resolution.to_compare
        if not rows.num_rows:
            return Difference(rows, rows, rows.select(list(self.table.key)), spared=0)
        existing = copying.rows_out(
            self.connection, self.merge.existing_rows, self._sessions(rows), self.merge.existing_kinds
        )
        listed = [self.arrivals.unread[list(self.table.key)], resolution.kept]
        return Difference.between(rows, existing, listed, self.merge, self.day, knows_people=knows_people)

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
        """Remove rows that a session no longer lists. A pull filtered by people removes nobody: it can't tell who is missing."""
        return self._of_keys(self.merge.remove_vanished, keys) if self.is_of_everybody else 0

    def _of_keys(self, statement: sql.Composed, keys: pa.Table | None) -> int:
        if keys is None or not keys.num_rows:
            return 0
        arrays = {name: copying.array_literal(keys[name]) for name in keys.column_names}
        parameters = {PARTNER: self.provenance.partner_id, "load_id": self.load_id, DAY_PARAMETER: self.day, **arrays}
        return self.connection.execute(statement, parameters).rowcount

    def _copy(self, statement: sql.Composed, rows: pa.Table) -> None:
        """In the order of the key, so that neighbours in the index are written side by side."""
        constants: dict[str, int | dt.date] = {
            PARTNER: self.provenance.partner_id,
            PARTITION_DATE: self.day,
            "load_id": self.load_id,
        }
        if rows.num_rows:
            ordered = rows.take(pc.array_sort_indices(joined(rows, self.table.key)))
            copying.rows_in(self.connection, statement, ordered, self.merge.columns, constants)

    def record(self, load: Load) -> None:
        """Into the bookkeeping tables. With the last statements of the day, so that it waits for no answer of its own."""
        values = self._values(load)
        placeholders: dict[str, sql.Composable] = {name: sql.Placeholder(name) for name in values}
        if isinstance(self.row_versions, sql.Composed):  # to be counted where the rows are, once they are written
            placeholders["row_versions"] = sql.SQL("({})").format(values.pop("row_versions"))
            values |= self._arrived_sessions
        filters, report = sql.SQL("%(filters)s::jsonb"), sql.SQL("%(report_id)s")
        placeholders["is_whole"] = (
            is_whole(filters, report, sql.SQL("%(partner_id)s")) if self.filters else sql.SQL("TRUE")
        )
        statement = sql.SQL("INSERT INTO kaltura.loads ({}) VALUES ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, placeholders)), sql.SQL(", ").join(placeholders.values())
        )
        self.connection.execute(statement, values)

    def _values(self, load: Load) -> dict[str, Any]:
        return {
            "id": self.load_id,
            "partner_id": self.provenance.partner_id,
            "report_id": self.table.report_id,
            "partition_date": self.day,
            "window_start": self.arrivals.window_start,
            "window_end": self.arrivals.window_end,
            "filters": Jsonb(dict(self.filters)) if self.filters else None,
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
            "people_kept": load.people_kept,
            "run_id": self.provenance.run_id,
            "root_run_id": self.provenance.root_run_id,
            "kaltura_session": self.arrivals.kaltura_session or None,
            "unknown_columns": list(self.arrivals.unknown_columns) if load.received else None,
            "content": self.content,
            "row_versions": self.row_versions,
        }
