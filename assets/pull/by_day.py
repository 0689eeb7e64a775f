"""The rows of a pull as the warehouse takes them: each day's on its own, merged, with what became of all the others."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from assets.pull import usable
from assets.pull.assign import Lines, Received
from assets.pull.merge import merged
from assets.pull.normalize import unknown_columns
from assets.pull.rejected import rejects, unread
from assets.pull.stages import COLUMN, COUNTED_ON, DISPOSITION, KEPT, LOADED, NEIGHBOUR, REASON, REPLACED
from assets.pull.usable import HoldsZeros
from assets.report import Report
from resources.arrivals import Arrivals
from resources.kaltura.client import RequestStats
from resources.kaltura.header import shown
from resources.kaltura.windows import Days, Window


def by_day(
    rows: Received,
    report: Report,
    days: Days,
    lines: Lines,
    stats: RequestStats,
    known_until: Callable[[Window], dt.datetime],
    filters: Mapping[str, Sequence[str]] | None,
    holds_zeros: HoldsZeros,
) -> dict[dt.date, Arrivals]:
    """Every row that was received, on the day that loads it or counts it. Raises what `usable` raises."""
    frame = rows.frame
    _require_usable(rows, report, days, holds_zeros)
    loaded = [*report.table.column_names, *LOADED.columns]
    good = _by_counting_day(_good(frame), [*loaded, COLUMN])
    rejected, elsewhere = _rejected(frame, lines), _not_kept(frame)
    not_read, unknown, header = unread(rows, report, lines), _unknown(lines, report), _header(lines)
    arrivals = {}
    for day in days:
        once = merged(of_day := good(day), report)
        window_days, window = next((asked, window) for asked, window in rows.windows if day in asked)
        arrivals[day] = Arrivals(
            table=report.table,
            frame=LOADED.of(once[loaded]),
            rejects=rejected(day),
            unread=not_read,
            window_start=window.starts_at,
            window_end=known_until(window),
            tells_undated=day == window_days.first,
            others_follow=day < window_days.last,
            requests=stats.requests,
            merged=len(of_day) - len(once) + elsewhere.get((REPLACED, pd.Timestamp(day)), 0),
            other_days=elsewhere.get((NEIGHBOUR, pd.Timestamp(day)), 0),
            filters=filters,
            kaltura_session=stats.kaltura_session,
            unknown_columns=unknown,
            header=header,
        )
    return arrivals


def _require_usable(rows: Received, report: Report, days: Days, holds_zeros: HoldsZeros) -> None:
    usable.require(rows.frame, report, days)
    if rows.known is not None:
        usable.require_minutes(rows.frame, report, days, rows.known)
    usable.require_figures(rows.frame, report, days, holds_zeros)


def _good(frame: pd.DataFrame) -> pd.DataFrame:
    is_good = (frame[DISPOSITION] == KEPT) & frame[REASON].isna()
    return frame if is_good.all() else frame[is_good]


def _header(lines: Lines) -> Sequence[str]:
    """The columns of the replies' lines."""
    return next((list(reply.frame.columns) for reply in lines.replies if reply.received), ())


def _rejected(frame: pd.DataFrame, lines: Lines) -> Callable[[dt.date], pd.DataFrame]:
    bad = rejects(frame, lines)
    return _by_counting_day(bad, bad.columns.drop(COUNTED_ON))


def _unknown(lines: Lines, report: Report) -> list[str]:
    return sorted({name for reply in lines.replies for name in shown(unknown_columns(reply.frame, report))})


def _not_kept(frame: pd.DataFrame) -> Mapping[Any, int]:
    """How many rows that no day loads each day counts, by disposition and day. Nearly always there is none."""
    rows = frame.loc[frame[DISPOSITION] != KEPT, [DISPOSITION, COUNTED_ON]]
    return rows.value_counts().to_dict() if len(rows) else {}


def _by_counting_day(frame: pd.DataFrame, columns: Iterable[str]) -> Callable[[dt.date], pd.DataFrame]:
    """These columns of the rows, by the day that loads or counts them."""
    rows, counted_on = frame[list(columns)], frame[COUNTED_ON]
    groups = (
        dict(iter(rows.groupby(counted_on))) if counted_on.nunique() > 1 else dict.fromkeys(counted_on.head(1), rows)
    )
    none = rows.iloc[:0]
    return lambda day: groups.get(pd.Timestamp(day), none)
