"""How many rows a report that is thinned after its query can have lost: those of the report that it is drawn from.

Kaltura applies its cap, and only then drops rows: of what was cut off before that nothing is seen. The two reports have
the same rows in the same window, so as long as what was kept and all that the other lists are fewer than the cap,
nothing was cut off. That is told by the rows that a pull has received anyhow; where they do not tell it, the other report
is asked for its keys alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from assets.pull.assign import Received
from assets.pull.stages import FIRST_DAY, WINDOW_START
from assets.report import Report
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.errors import EmptyReply, TooMuch
from resources.kaltura.query import Filter, Query
from resources.kaltura.windows import Window


@dataclass
class DroppedRows:
    """What is known of the rows that `report` is drawn from. `filters` are those by which both can be restricted.

    `received` waits for the pull's rows of the other report, of which there are none where that failed: then the days
    fail anyway. It is None where the pull has no such rows, or none that tell.
    """

    report: Report
    client: Client
    stats: RequestStats
    filters: Mapping[Filter, Sequence[str]]
    accepts_empty: bool
    received: Callable[[], Received | None] | None = None
    most_rows: int = 0  # of one window, kept and dropped: what the next windows are planned by

    def most_dropped(self, window: Window, kept: int) -> int:
        """How many rows the server can have dropped at most. Raises what `Client.ask` raises but for `TooMuch`."""
        counted = self._counted(window)
        if counted is None:
            return self._asked(window, kept)
        dropped, is_wider = counted
        if is_wider and kept + dropped >= self.client.row_cap:
            return self._asked(window, kept)
        self.most_rows = max(self.most_rows, kept + dropped)
        return dropped

    def has_lost(self, breakouts: Received) -> bool:
        """Whether rows may be missing, by what is known now."""
        if self.received is None:
            return False
        for _, window in breakouts.windows:
            kept = _rows_in(breakouts, window)
            if kept + self.most_dropped(window, kept) >= self.client.row_cap:
                return True
        return False

    def _counted(self, window: Window) -> tuple[int, bool] | None:
        """The received rows of windows that together hold this one, and whether one of them is wider."""
        if self.received is None:
            return None
        rooms = self.received()
        if rooms is None:
            return 0, False
        around = [other for _, other in rooms.windows if other.start < window.end and window.start < other.end]
        if not around or around[0].start > window.start or around[-1].end < window.end:
            return None
        is_wider = any(other != window and other.start <= window.start and window.end <= other.end for other in around)
        return sum(_rows_in(rooms, other) for other in around), is_wider

    def _asked(self, window: Window, kept: int) -> int:
        """As `most_dropped`, by asking. An empty reply is no proof, and is asked for again."""
        rooms = self.report.drawn_from
        assert rooms is not None  # noqa: S101 - only what is drawn from another report is thinned
        query = Query(rooms.source, window, self.filters)
        others = tuple(name for name in rooms.source.columns if name not in rooms.table.session_key)
        for _ in range(2):
            try:
                reply = self.client.ask(query, self.stats, excluded_columns=others)
            except TooMuch:
                return self.client.row_cap
            if reply.rows.line_count:
                return reply.rows.line_count
        if kept and not self.accepts_empty:
            raise EmptyReply(
                f"the report is empty, though report {self.report.report_id} has {kept:,} rows", about=str(query)
            )
        return 0


def _rows_in(received: Received, window: Window) -> int:
    """Rows, and lines that are none, that came of this window."""
    starts = [days.first for days, other in received.windows if other == window]
    frame = received.frame
    return int((frame[FIRST_DAY].dt.date.isin(starts) & (frame[WINDOW_START] == window.starts_at)).sum())
