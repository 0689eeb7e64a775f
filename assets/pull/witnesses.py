"""What one report tells of another: where 6000 lists sessions of a day, an empty 6001 of that day is not to be believed.

All three reports group the same events, so a session that one of them names has rows in the others.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.assign import NO_SESSION
from assets.pull.stages import DISPOSITION, FIRST_DAY, KEPT, LAST_DAY, PARTITION_DATE, REASON
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.complete import Named, names_nothing
from resources.kaltura.query import Filter, Query
from resources.kaltura.windows import Days, Window
from resources.table import UNKNOWN

# Whose rows tell that a report can't be empty.
WITNESSES: Mapping[str, Sequence[Report]] = {
    ROOM_SESSIONS.table.name: (BREAKOUT_SESSIONS, ATTENDEES),
    ATTENDEES.table.name: (ROOM_SESSIONS,),
    BREAKOUT_SESSIONS.table.name: (ROOM_SESSIONS,),
}


# Whose rows name the ids by which a day of a report is split, and the column that does.
NAMED_BY: Mapping[str, tuple[Report, str]] = {
    ROOM_SESSIONS.table.name: (ATTENDEES, "entry_id"),
    BREAKOUT_SESSIONS.table.name: (ROOM_SESSIONS, "parent_entry_id"),
}


@dataclass
class Witnesses:
    """The reports that have come so far. `filters_of` are those that each is restricted by."""

    filters_of: Callable[[Report], Mapping[Filter, Sequence[str]]]
    _frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def heard(self, report: Report, frame: pd.DataFrame) -> None:
        self._frames[report.table.name] = frame

    def names(self, report: Report, client: Client, stats: RequestStats) -> Named:
        """How the ids are found that another report names in a window, where `report` comes empty."""
        if report.table.name not in NAMED_BY:
            return names_nothing
        witness, column = NAMED_BY[report.table.name]
        of_report, of_witness = self.filters_of(report), self.filters_of(witness)
        shared = {filter_: ids for filter_, ids in of_report.items() if filter_ in of_witness}
        chosen = of_report.get(report.split_by)
        others = tuple(name for name in witness.source.columns if name != column)

        def named(window: Window) -> set[str]:
            reply = client.ask(Query(witness.source, window, shared), stats, excluded_columns=others)
            ids = set(reply.rows.frame[column].unique()).difference(UNKNOWN)
            return ids if chosen is None else ids.intersection(chosen)

        return named

    def may_tell(self, witness: Report, *, of: Report) -> bool:
        """Whether every filter of the one holds for the other too; else the one may be empty beside the other's rows."""
        names, held = ({filter_.name for filter_ in self.filters_of(each)} for each in (of, witness))
        return names <= held

    def against(self, report: Report, days: Days, *, for_sure: bool = True) -> str:
        """What speaks against an empty `report` for these days; empty if nothing does.

        Not `for_sure`: by the rows of reports too that are restricted less than this one.
        """
        for witness in WITNESSES.get(report.table.name, ()):
            frame = self._frames.get(witness.table.name)
            if frame is None or frame.empty or (for_sure and not self.may_tell(witness, of=report)):
                continue
            count = int(_telling(frame, witness, report, days).sum())
            if count:
                what = "breakout rooms" if report is BREAKOUT_SESSIONS else "rows"
                return f"report {witness.report_id} has {count:,} {what} of {days}"
        return ""


def _telling(frame: pd.DataFrame, witness: Report, report: Report, days: Days) -> pd.Series:
    """Which rows of the witness have rows of `report` beside them."""
    if witness.dated_by:  # of sessions that 6000 has not told, only their reply tells the days
        first, last = frame[FIRST_DAY], frame[LAST_DAY]
        of_days = (first <= pd.Timestamp(days.last)) & (last >= pd.Timestamp(days.first))
        return of_days & (frame[REASON] == NO_SESSION)
    of_days = frame[PARTITION_DATE].between(pd.Timestamp(days.first), pd.Timestamp(days.last))
    is_kept = of_days & (frame[DISPOSITION] == KEPT) & frame[REASON].isna()
    if report is BREAKOUT_SESSIONS:
        return is_kept & frame["parent_entry_id"].notna() & ~frame["parent_entry_id"].isin(UNKNOWN)
    return is_kept
