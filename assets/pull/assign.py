"""Whose row is which day's: frames of received rows, each with its day, and what becomes of it.

Every row that was received ends up in exactly one place: kept by the day that loads or rejects it, counted as a fragment
of another day, or replaced by the same row from a window that covers its session.
"""

import bisect
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import pandas as pd

from assets.pull.stages import (
    COLUMN,
    COUNTED_ON,
    DATED,
    DAY,
    DISPOSITION,
    FIRST_DAY,
    KEPT,
    LAST_DAY,
    LINE,
    NEIGHBOUR,
    REASON,
    REPAIR,
    REPLACED,
)
from assets.report import Report
from resources.arrivals import values_in
from resources.kaltura.complete import Part
from resources.kaltura.csv import Rows
from resources.kaltura.windows import Days, Window
from resources.privacy.pseudonyms import NOBODY, RAW

IS_REPAIRED, IS_UNDATED = "is_repaired", "is_undated"
NO_SESSION = "report 6000 lists no session with this cue_point_id"

RAW_CHARACTERS = 20_000  # of a line that can't be used, as it is kept


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
class Cover:
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
    is_kept = frame[DAY].between(frame[FIRST_DAY], frame[LAST_DAY])
    frame[DISPOSITION] = pd.Series(KEPT, index=frame.index).where(is_kept | frame[DAY].isna(), NEIGHBOUR)
    frame[COUNTED_ON] = frame[DAY].where(is_kept, frame[FIRST_DAY])
    return DATED.of(frame)


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
    frame: pd.DataFrame, again: pd.DataFrame, cover: Cover, report: Report, match: Sequence[str], lines: Lines
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


def by_counting_day(frame: pd.DataFrame, wanted: pd.Series) -> Callable[[dt.date], pd.DataFrame]:
    """The wanted rows by the day that loads or counts them."""
    rows, counted_on = frame.drop(columns=COUNTED_ON)[wanted], frame.loc[wanted, COUNTED_ON]
    groups = (
        dict(iter(rows.groupby(counted_on))) if counted_on.nunique() > 1 else dict.fromkeys(counted_on.head(1), rows)
    )
    none = rows.iloc[:0]
    return lambda day: groups.get(pd.Timestamp(day), none)


def rejects(frame: pd.DataFrame, lines: Lines) -> pd.DataFrame:
    """The kept rows that something is wrong with: the line, the reason, the columns to blame.

    And whether the row is used nevertheless, and whether it belongs to no day that is known.
    """
    is_bad = frame[REASON].notna() | frame[REPAIR].notna()
    if not is_bad.any():
        return _no_rejects()
    bad = frame[(frame[DISPOSITION] == KEPT) & is_bad]
    return pd.DataFrame(
        {
            RAW: lines.of(bad).map(_shortened, na_action="ignore").astype("str"),
            REASON: bad[REASON].fillna(bad[REPAIR]),
            COLUMN: bad[COLUMN],
            IS_REPAIRED: bad[REASON].isna(),
            IS_UNDATED: bad[DAY].isna(),
            COUNTED_ON: bad[COUNTED_ON],
        }
    )


@cache
def _no_rejects() -> pd.DataFrame:
    """Made once, for nobody writes into it: nearly every reply has none, and a load would make three."""
    texts = {name: pd.Series(dtype="str") for name in (RAW, REASON, COLUMN)}
    flags = {name: pd.Series(dtype="bool") for name in (IS_REPAIRED, IS_UNDATED)}
    return pd.DataFrame({**texts, **flags, COUNTED_ON: pd.Series(dtype="datetime64[us]")})


def _shortened(raw: str) -> str:
    return raw if len(raw) <= RAW_CHARACTERS else f"{raw[:RAW_CHARACTERS]} ... ({len(raw):,} characters)"


def unread(received: Received, report: Report, lines: Lines) -> pd.DataFrame:
    """The keys of refused rows, null where they can't be read: what the table has under such a key stays.

    A line that is no row may belong to any session whose ids stand in it; to any at all, where none does. Rows of people
    without an id in a session that Kaltura does not know are a matter of course, and may belong to anything.
    """
    key, frame = list(report.table.key), received.frame
    if report.table.rows_are_sessions or frame[REASON].isna().all():
        return frame.loc[frame.index[:0], key]
    broken = is_no_row(frame, report)
    refused = frame.loc[frame[REASON].notna() & ~broken, key]
    is_of_nobody = refused.isna().any(axis=1) & refused[list(report.table.person_columns)].isin(NOBODY).any(axis=1)
    keys = refused[~is_of_nobody]
    if not broken.any():
        return keys.drop_duplicates()
    rooms: dict[str, set[str]] = {}
    known = received.known if received.known is not None else frame
    for entry_id, cue_point_id in known[["entry_id", "cue_point_id"]].dropna().itertuples(index=False, name=None):
        rooms.setdefault(cue_point_id, set()).add(entry_id)
    may_be = {session for raw in lines.of(frame[broken]) if raw.strip() for session in _sessions_in(raw, rooms)}
    sessions = pd.DataFrame(list(may_be), columns=["entry_id", "cue_point_id"], dtype="str").reindex(columns=key)
    return pd.concat([keys, sessions.astype("str")], ignore_index=True).drop_duplicates()


def _sessions_in(raw: str, rooms: Mapping[str, set[str]]) -> Iterable[tuple[str | None, str | None]]:
    values = values_in(raw)
    cues = values.intersection(rooms)
    if not cues:
        return [(None, None)]
    return [(entry_id, cue) for cue in cues for entry_id in (rooms[cue] & values or rooms[cue])]
