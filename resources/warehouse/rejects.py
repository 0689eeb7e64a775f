"""The lines that could not be used, or not wholly: each that Kaltura still sends stands in `kaltura.rejects`, once.

A line that belongs to a day is replaced by the day's next pull. One that belongs to none comes with every window that
its events lie in, so it is known by the window: a pull that receives it again leaves of that what both windows have, one
that does not leaves what its own does not cover. Where nothing is left, the line is gone.
"""

import datetime as dt
from collections import Counter, defaultdict
from dataclasses import dataclass

import pandas as pd
import psycopg
from psycopg.types.json import Jsonb

from resources.arrivals import Arrivals, values_in
from resources.privacy.pseudonyms import PEOPLE_FILTER
from resources.table import FIGURES
from resources.warehouse.kept_to import KeptTo
from resources.warehouse.provenance import Provenance

# Whether a pull of the same ids brought the line.
_IS_OF_SAME_IDS = f"coalesce(loads.filters - '{PEOPLE_FILTER}' = %s::jsonb, FALSE)"
_OF_DAY = (
    f"SELECT rejects.ctid::text, {_IS_OF_SAME_IDS}, raw, reason, column_name, is_repaired"
    " FROM kaltura.rejects LEFT JOIN kaltura.loads ON loads.id = rejects.load_id"
    " WHERE rejects.partner_id = %s AND rejects.report_id = %s AND rejects.partition_date = %s"
    " AND rejects.window_start IS NULL"
)
_WHAT = ["raw", "reason", "column_name", "is_repaired"]

_Reject = tuple[str, str, str | None, bool]


@dataclass(frozen=True)
class _Undated:
    """A line that is there, and the window that it is known to have come in."""

    place: str
    what: _Reject
    window_start: dt.datetime
    window_end: dt.datetime
    is_ours_to_change: bool

    @property
    def window(self) -> tuple[dt.datetime, dt.datetime]:
        return self.window_start, self.window_end

    def comes_with(self, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether its window holds that one: what is listed there is listed with the line too.

        One that only overlaps may list a session that has no event in the line's.
        """
        return self.window_start <= start and end <= self.window_end

    def window_without(self, start: dt.datetime, end: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
        """What of the window that one does not cover, which begins or ends it; all of it where it lies in the middle."""
        begins = max(self.window_start, end) if start <= self.window_start else self.window_start
        ends = min(self.window_end, start) if end >= self.window_end else self.window_end
        return begins, ends


class RejectsLoad:
    """The rejects of one table and day, inside the day's transaction. A pull without news writes nothing."""

    def __init__(self, day: dt.date, arrivals: Arrivals, provenance: Provenance, kept_to: KeptTo | None) -> None:
        self.load_id = 0
        self.kept_to = kept_to
        self.arrivals = arrivals
        self.provenance = provenance
        self.day = [provenance.partner_id, arrivals.table.report_id, day]

    def ask(self, connection: psycopg.Connection) -> None:
        """For the lines that are there. In a pipeline, where the answer may come later."""
        self.connection = connection
        self._same_ids = Jsonb(self.kept_to) if self.kept_to else None
        self._dated = connection.execute(_OF_DAY, [self._same_ids, *self.day])
        self._undated = self._undated_there() if self.arrivals.tells_undated else None

    def run(self, load_id: int, arrivals: Arrivals) -> None:
        """`arrivals` are those of before, as far as they may be kept of people."""
        self.load_id = load_id
        self.arrivals = arrivals
        rejects = arrivals.rejects
        is_undated = rejects["is_undated"].astype(bool)
        self._write_dated(_counted(rejects, ~is_undated))
        if self._undated is not None:
            self._write_undated(_counted(rejects, is_undated), self._undated)

    def _write_dated(self, now: "Counter[_Reject]") -> None:
        """In the place of those there. A filtered pull knows of those alone that a pull of the same ids brought."""
        lines = [(place, of_same_ids, what) for place, of_same_ids, *what in self._dated.fetchall()]
        ours = {place: tuple(what) for place, of_same_ids, what in lines if of_same_ids or not self.kept_to}
        now = now - Counter(tuple(what) for place, _, what in lines if place not in ours)
        if now == Counter(ours.values()):
            return
        self._remove([*ours])
        self._insert(now, None, None)

    def _remove(self, places: list[str]) -> None:
        if places:
            self.connection.execute("DELETE FROM kaltura.rejects WHERE ctid = ANY (%s::tid[])", [places])

    def _write_undated(self, now: "Counter[_Reject]", there: psycopg.Cursor) -> None:
        """Each line that is there stays where it came again, and goes where it would have had to."""
        start, end = self.arrivals.window_start, self.arrivals.window_end
        gone: list[str] = []
        narrower: list[tuple[str, dt.datetime, dt.datetime]] = []
        came, others = self._came_again(self._lines(there), now)
        for line in came:
            shared = (max(start, line.window_start), min(end, line.window_end))
            if shared[0] >= shared[1]:  # it had been cut off here, where it comes again
                shared = (start, end)
            if shared != line.window:
                narrower.append((line.place, *shared))
        for line, again in others:
            if again is not None and not line.is_ours_to_change:
                now[again] -= 1
            elif again is not None:  # other figures, as the window is another
                gone.append(line.place)
            elif line.is_ours_to_change:
                left = line.window_without(start, end)
                if left[0] >= left[1] or (line.comes_with(start, end) and self._has_found_its_session(line)):
                    gone.append(line.place)
                elif left != line.window:
                    narrower.append((line.place, *left))
        self._remove(gone)
        if narrower:
            self.connection.execute(
                "UPDATE kaltura.rejects SET window_start = narrower.starts, window_end = narrower.ends"
                " FROM unnest(%s::tid[], %s::timestamptz[], %s::timestamptz[]) AS narrower (place, starts, ends)"
                " WHERE rejects.ctid = narrower.place",
                list(map(list, zip(*narrower, strict=True))),
            )
        self._insert(now, start, end)

    def _undated_there(self) -> psycopg.Cursor:
        """The undated lines of the report whose windows meet this one's, be it at an end: there it may have been cut off."""
        return self.connection.execute(
            "SELECT rejects.ctid::text, raw, reason, column_name, is_repaired, rejects.window_start,"
            f" rejects.window_end, loads.pull, {_IS_OF_SAME_IDS}"
            " FROM kaltura.rejects LEFT JOIN kaltura.loads ON loads.id = rejects.load_id"
            " WHERE rejects.partner_id = %s AND rejects.report_id = %s"
            " AND rejects.window_start <= %s AND rejects.window_end >= %s",
            [self._same_ids, *self.day[:2], self.arrivals.window_end, self.arrivals.window_start],
            binary=True,
        )

    def _lines(self, there: psycopg.Cursor) -> list[_Undated]:
        pull, is_whole = self.provenance.pull.number, not self.kept_to
        return [
            _Undated(row[0], row[1:5], row[5], row[6], (is_whole or row[8]) and (row[7] is None or row[7] <= pull))
            for row in there
        ]

    def _came_again(
        self, there: list[_Undated], now: "Counter[_Reject]"
    ) -> tuple[list[_Undated], list[tuple[_Undated, _Reject | None]]]:
        """The lines that came again as they are, which are taken out of `now`; and the others.

        Each of the others has the line that came in its place with other figures, where one did. None stands for two:
        people without an id have lines that differ in their figures alone.
        """
        came, others = [], []
        for line in there:
            if now[line.what] > 0:
                now[line.what] -= 1
                came.append(line)
            else:
                others.append(line)
        left = defaultdict[tuple[str, ...], list[_Reject]](list)
        for what in now.elements() if others else ():
            left[_without_figures(what[0], self.arrivals)].append(what)
        paired = []
        for line in others:
            same = left.get(_without_figures(line.what[0], self.arrivals))
            paired.append((line, same.pop() if same else None))
        return came, paired

    def _has_found_its_session(self, line: _Undated) -> bool:
        """Whether the day's rows hold the session that the line names."""
        values = values_in(line.what[0])
        names = list(self.arrivals.table.session_key)
        theirs = self.arrivals.frame[names].isin(values).all(axis=1)
        return bool(theirs.any())

    def _insert(self, now: "Counter[_Reject]", start: dt.datetime | None, end: dt.datetime | None) -> None:
        lines = [(self.load_id, *self.day, *what, start, end) for what in now.elements()]
        if not lines:  # nearly always, and it costs a way to the database all the same
            return
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO kaltura.rejects (load_id, partner_id, report_id, partition_date, raw, reason, column_name,"
                " is_repaired, window_start, window_end) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                lines,
            )


def _counted(rejects: pd.DataFrame, which: pd.Series) -> "Counter[_Reject]":
    if rejects.empty:  # nearly always, and pandas takes milliseconds to find nothing in it
        return Counter()
    wanted = rejects.loc[which, _WHAT]
    plain = wanted.astype("object").where(wanted.notna(), None)
    return Counter(plain.itertuples(index=False, name=None))


def _without_figures(raw: str, arrivals: Arrivals) -> tuple[str, ...]:
    """What of a line does not depend on the window that it was asked for with."""
    figures = {column.name for column in arrivals.table.columns if column.kind in FIGURES}
    values = raw.split(",")
    if len(values) < len(arrivals.header):
        return tuple(values)
    names = [*arrivals.header, *[""] * (len(values) - len(arrivals.header))]
    return tuple(value for name, value in zip(names, values, strict=True) if name not in figures)
