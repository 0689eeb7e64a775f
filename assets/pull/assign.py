"""Whose row is which day's: frames of received rows, each with its day, and what becomes of it.

Every row that was received ends up in exactly one place: kept by the day that loads or rejects it, counted as a fragment
of another day, or replaced by the same row from a window that covers its session.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from assets.pull.stages import (
    COUNTED_ON,
    DATED,
    DISPOSITION,
    ENDS_AT,
    FIRST_DAY,
    KEPT,
    LAST_DAY,
    LINE,
    NEIGHBOUR,
    PARTITION_DATE,
    REASON,
    REPLACED,
)
from assets.report import Report
from resources.arrivals import values_in
from resources.kaltura.complete import Part
from resources.kaltura.csv import Rows
from resources.kaltura.windows import Days, Window

NO_SESSION = "report 6000 lists no session with this cue_point_id"


@dataclass
class Received:
    """Everything received for one report, each row with its disposition; `windows` are those that the days were asked in.

    `known` are the sessions that a line which is no row may belong to.
    """

    frame: pd.DataFrame
    windows: list[tuple[Days, Window]]
    known: pd.DataFrame | None = None


@dataclass
class Lines:
    """The lines of a report's replies as they came, by the number that `LINE` holds."""

    replies: list[Rows] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, rows: Rows) -> int:
        """The number of the reply's first line."""
        start = self.count
        self.replies.append(rows)
        self.starts.append(start)
        self.count += rows.received
        return start

    def line(self, number: int) -> str:
        at = bisect.bisect_right(self.starts, number) - 1
        while not self.replies[at].received:  # an empty reply starts where the one before it does
            at -= 1
        return self.replies[at].as_came(number - self.starts[at])

    def of(self, frame: pd.DataFrame) -> pd.Series:
        return pd.Series([self.line(number) for number in frame[LINE].tolist()], index=frame.index, dtype="str")


@dataclass(frozen=True)
class WiderWindow:
    """Sessions of which another window tells more than that of their days, or less that is not theirs.

    A session without an end is followed for a week: `ends_there` says that nothing after the window counts.
    """

    sessions: pd.DataFrame
    window: Window
    ends_there: bool


def windows_of(parts: Sequence[Part]) -> list[tuple[Days, Window]]:
    """Each once: the replies of a day that was asked for by ids share its window."""
    return list(dict.fromkeys((part.days, part.reply.query.window) for part in parts))


def with_disposition(frame: pd.DataFrame) -> pd.DataFrame:
    """`KEPT` for rows of the reply's days and rows that have no day at all; the reply's first day counts those."""
    is_kept = frame[PARTITION_DATE].between(frame[FIRST_DAY], frame[LAST_DAY])
    frame[DISPOSITION] = pd.Series(KEPT, index=frame.index).where(is_kept | frame[PARTITION_DATE].isna(), NEIGHBOUR)
    frame[COUNTED_ON] = frame[PARTITION_DATE].where(is_kept, frame[FIRST_DAY])
    return DATED.of(frame)


def tied_to(sessions: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with the day and end of their session, by its room, or by its cue point alone where 6000 lists no such room."""
    frame = frame.drop(columns=[PARTITION_DATE, ENDS_AT, DISPOSITION, COUNTED_ON], errors="ignore")
    known = sessions.loc[
        sessions[PARTITION_DATE].notna() & sessions["cue_point_id"].notna(),
        ["entry_id", "cue_point_id", PARTITION_DATE, ENDS_AT],
    ]
    exact = known.drop_duplicates(["entry_id", "cue_point_id"], keep="last")
    tied = frame.merge(exact, on=["entry_id", "cue_point_id"], how="left")
    if tied[PARTITION_DATE].isna().any():
        loose = known.groupby("cue_point_id", as_index=False).agg({PARTITION_DATE: "min", ENDS_AT: "max"})
        by_cue_point = frame[["cue_point_id"]].merge(loose, on="cue_point_id", how="left")
        for column in (PARTITION_DATE, ENDS_AT):
            tied[column] = tied[column].fillna(by_cue_point[column])
    return tied


def counted_alone(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that others stand for: they are counted, and not loaded."""
    return frame.assign(**{DISPOSITION: frame[DISPOSITION].mask(frame[DISPOSITION] == KEPT, REPLACED)})


def asked_again(before: Received, now: Received) -> Received:
    """`now`, with the rows of `before` counted as those that it replaces: what was received once is never forgotten."""
    return Received(pd.concat([counted_alone(before.frame), now.frame], ignore_index=True), now.windows, now.known)


def is_no_row(frame: pd.DataFrame, report: Report) -> pd.Series:
    """Lines of which no key can be read."""
    is_refused: pd.Series = frame[REASON].notna()
    return is_refused & frame[list(report.table.key)].isna().all(axis=1) if is_refused.any() else is_refused


def replaced(
    frame: pd.DataFrame, again: pd.DataFrame, cover: WiderWindow, report: Report, match: Sequence[str], lines: Lines
) -> pd.DataFrame:
    """`frame` with the rows of the cover's sessions taken from `again`, as far as they came back.

    `match` are the columns by which a session is known. Lines that are no rows are matched by the ids in them.
    """
    names = list(match)
    is_covered = pd.MultiIndex.from_frame(again[names]).isin(pd.MultiIndex.from_frame(cover.sessions[names]))
    broken = is_no_row(again, report)
    again.loc[~is_covered & ~broken, DISPOSITION] = NEIGHBOUR
    came = is_covered & again[REASON].isna() & (again[DISPOSITION] == KEPT)
    sessions = cover.sessions[names] if cover.ends_there else again.loc[came, names]
    theirs = pd.MultiIndex.from_frame(frame[names]).isin(pd.MultiIndex.from_frame(sessions))
    frame.loc[theirs & (frame[DISPOSITION] == KEPT), DISPOSITION] = REPLACED
    _replace_lines(frame, is_no_row(frame, report), again, broken, set(cover.sessions["cue_point_id"]), lines)
    return pd.concat([frame, again], ignore_index=True)


def _replace_lines(
    frame: pd.DataFrame, old: pd.Series, again: pd.DataFrame, new: pd.Series, ids: set[str], lines: Lines
) -> None:
    if not old.any() and not new.any():
        return
    before = lines.of(frame[old])
    is_theirs = before.map(lambda raw: not values_in(raw).isdisjoint(ids)).astype(bool)
    frame.loc[before.index[is_theirs], DISPOSITION] = REPLACED
    raws = lines.of(again[new])
    is_new = raws.map(lambda raw: not values_in(raw).isdisjoint(ids)).astype(bool) | ~raws.isin(before)
    again.loc[raws.index[~is_new], DISPOSITION] = NEIGHBOUR
