"""What can't be used: the lines as they came, with the reason, and what the table has that they may have told of."""

from collections.abc import Iterable, Mapping
from functools import cache

import pandas as pd

from assets.pull.assign import Lines, Received, is_no_row
from assets.pull.stages import COLUMN, COUNTED_ON, DISPOSITION, KEPT, PARTITION_DATE, REASON, REPAIR
from assets.report import Report
from resources.arrivals import values_in
from resources.privacy.pseudonyms import NOBODY, RAW

IS_REPAIRED, IS_UNDATED = "is_repaired", "is_undated"
RAW_CHARACTERS = 20_000  # of a line that can't be used, as it is kept


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
            IS_UNDATED: bad[PARTITION_DATE].isna(),
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
