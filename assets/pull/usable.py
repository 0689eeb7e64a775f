"""Whether enough of a report can be used for its days to count as pulled.

Kaltura may one day send times in milliseconds, ratios in percent or quoted values. Row by row that is a reject or a
figure left out; where it is most of a day it is another report than the one we know, and the day fails.
"""

from collections.abc import Iterator
from typing import Protocol

import pandas as pd

from assets.pull.assign import NO_SESSION
from assets.pull.normalize import NO_KEY
from assets.pull.stages import COLUMN, DISPOSITION, KEPT, PARTITION_DATE, REASON, REPAIR, REPLACED, names_column
from assets.report import Report
from resources.kaltura.errors import BadReply, FiguresLost
from resources.kaltura.lost import LEAST_ROWS, is_lost, said
from resources.kaltura.windows import Days
from resources.privacy.pseudonyms import NOBODY
from resources.table import FIGURES, Kind, Table

# Seconds taken for minutes are 60 times as much, for everybody; most people stay for more than 0.6 of their session. Each
# device under one id counts on its own, a hall's 30 or so too, and people wait before the start and stay on after the end: so
# many times their session, and so many more, are still believed. How many share an id that Kaltura can't name, nobody knows.
FAR, AROUND_MINUTES = 35, 60.0


class HoldsZeros(Protocol):
    def __call__(self, table: Table, column: str, rows: pd.DataFrame, /) -> bool:
        """Whether the warehouse has 0 in this column of these rows' sessions already, so that 0 replaces nothing better."""


def holds_nothing(table: Table, column: str, rows: pd.DataFrame) -> bool:
    return False


def accepts_zeros(table: Table, column: str, rows: pd.DataFrame) -> bool:
    return True


class MostlyUnusable(BadReply):
    default_advice = (
        "Nothing of these days was written; what was loaded before stands. Kaltura may have changed the report: run "
        "`make doctor`, and look for a newer version of this pipeline."
    )


def require(frame: pd.DataFrame, report: Report, days: Days) -> None:
    """Raises `MostlyUnusable` where no row of a day, or less than half, can be used, or one column of it is unreadable.

    A row that tells no day may be one of any: it is held against each, but a few among good rows of other days say nothing
    of a day that has none. A row of a session that Kaltura does not know can be read well, there is only nothing to tie it
    to; such rows count where they are most of all that came.
    """
    if frame[REASON].isna().all() and frame[REPAIR].isna().all():
        return
    received = frame[frame[DISPOSITION] != REPLACED]
    of_no_session = is_of_no_session(received[REASON])
    kept = received[received[DISPOSITION] == KEPT]
    unreadable = kept[REASON].notna() & ~of_no_session[kept.index]
    _require(received, unreadable, report, days)
    tells_no_day = kept[PARTITION_DATE].isna() & unreadable
    # Else one line of a Monday morning, a comma too many, would fail the empty Sunday before it for good.
    are_few = tells_no_day.sum() < min(LEAST_ROWS, len(received) / 2)
    for day in days if unreadable.any() or kept[REPAIR].notna().any() else ():
        is_of_day = kept[PARTITION_DATE] == pd.Timestamp(day)
        if is_of_day.any() or not are_few:
            _require(kept[is_of_day | tells_no_day], unreadable, report, Days(day, day))


def require_figures(frame: pd.DataFrame, report: Report, days: Days, holds_zeros: HoldsZeros) -> None:
    """Raises `FiguresLost` where a figure that can't be 0 everywhere is 0 in nearly all rows of a day."""
    if lost := lost_figures(frame, report, days, holds_zeros):
        raise FiguresLost(lost, about=f"report {report.report_id} for {days}")


def lost_figures(frame: pd.DataFrame, report: Report, days: Days, holds_zeros: HoldsZeros) -> str:
    """Which figures of the days were lost, in words; empty where none was."""
    kept = frame[(frame[DISPOSITION] == KEPT) & frame[REASON].isna()]
    for column in report.table.never_all_0:
        zeros = kept[column] == 0 if column in kept else pd.Series(dtype=bool)
        for day in days if zeros.any() else ():
            of_day = zeros[kept[PARTITION_DATE] == pd.Timestamp(day)].fillna(False)
            if is_lost(of_day) and not holds_zeros(report.table, column, kept.loc[of_day.index[of_day]]):
                return said(column, of_day)
    return ""


def require_minutes(frame: pd.DataFrame, report: Report, days: Days, sessions: pd.DataFrame) -> None:
    """Raises `MostlyUnusable` where most people of a day were there for far longer than their session ran."""
    known = sessions[(sessions[DISPOSITION] == KEPT) & sessions[REASON].isna()]
    ran = (known["session_end_time"] - known["session_start_time"]).dt.total_seconds() / 60
    longest = ran.groupby(known["cue_point_id"]).max()
    ran_at_most = frame["cue_point_id"].map(longest).astype("float64")  # of no row it would be texts
    most = FAR * ran_at_most + AROUND_MINUTES
    if wrong := too_long(frame, report, days, most, "its session"):
        raise MostlyUnusable(wrong, about=f"report {report.report_id} for {days}")


def too_long(frame: pd.DataFrame, report: Report, days: Days, most: pd.Series | float, what: str) -> str:
    """Which minutes of the days are more than `most` in most rows of people with an id, in words; empty where none are."""
    kept = (frame[DISPOSITION] == KEPT) & frame[REASON].isna()
    for person in report.table.keyed_by_person:
        kept &= ~frame[person].isin(NOBODY)
    for column in (each for each in report.table.columns if each.kind is Kind.MINUTES):
        is_beyond = frame[column.name] > most
        for day in days if is_beyond.any() else ():
            of_day = is_beyond[kept & (frame[PARTITION_DATE] == pd.Timestamp(day))]
            if len(of_day) >= LEAST_ROWS and 2 * int(of_day.sum()) > len(of_day):
                return (
                    f"{column.name} is longer than {what} in {of_day.sum():,} of {len(of_day):,} rows; expected is "
                    f"{column.kind.expected}"
                )
    return ""


def is_of_no_session(reasons: pd.Series) -> pd.Series:
    """Of rows that can't be used, those that could be read well, and whose session Kaltura does not know."""
    return reasons.str.endswith(NO_KEY).fillna(False).astype(bool) | (reasons == NO_SESSION).fillna(False)


def _require(rows: pd.DataFrame, unreadable: pd.Series, report: Report, days: Days) -> None:
    refused = rows[REASON].notna()
    is_most = len(rows) >= LEAST_ROWS and 2 * int(refused.sum()) > len(rows)
    has_nothing_else = refused.all() and bool(unreadable.reindex(rows.index).fillna(False).any())
    if is_most or has_nothing_else:
        raise MostlyUnusable(
            f"{refused.sum():,} of {len(rows):,} rows can't be used: {'; '.join(_counted(rows, report))}",
            about=f"report {report.report_id} for {days}",
        )
    for column in report.table.columns:
        lost = names_column(rows[COLUMN], column.name)
        if column.kind in (*FIGURES, Kind.TIME) and len(rows) >= LEAST_ROWS and 2 * int(lost.sum()) > len(rows):
            raise MostlyUnusable(
                f"{column.name} can't be read in {lost.sum():,} of {len(rows):,} rows; expected is "
                f"{column.kind.expected}",
                about=f"report {report.report_id} for {days}",
            )


def _counted(rows: pd.DataFrame, report: Report) -> Iterator[str]:
    kinds: dict[object, Kind] = {column.name: column.kind for column in report.table.columns}
    for (reason, column), of_reason in rows.groupby([rows[REASON], rows[COLUMN].fillna("")]):
        expected = kinds.get(column, Kind.TEXT).expected
        yield f"{reason} ({len(of_reason):,} rows{f', expected is {expected}' if expected else ''})"
