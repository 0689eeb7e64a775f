"""What speaks against a report that came empty: other reports, the warehouse, lighter questions.

Where one report comes empty, the others of the same days tell whether that can be. Where all of them do, each is asked
for once more in halves, and what the warehouse knows of the days around counts too. What an earlier reply of the run
had rows of is not empty later. Of days of which nothing is known, reports that stay empty are believed; and so is one
that is restricted more than the others, which have rows: it is asked for twice, as these may be none of its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from assets.pull.witnesses import Witnesses
from assets.report import Report
from resources.kaltura.complete import Completion
from resources.kaltura.windows import Calendar, Days


class AgainstEmpty(Protocol):
    def __call__(self, report: Report, days: Days, *, all_are_empty: bool) -> str:
        """What the warehouse knows that speaks against an empty report for these days; empty if nothing does.

        Where all reports are empty, less has to speak against it.
        """


def nothing_known(report: Report, days: Days, *, all_are_empty: bool) -> str:
    return ""


class RowsSeen:
    """Of which days each report has had rows in any reply of a run, those of days among them that failed."""

    def __init__(self) -> None:
        self._days: dict[int, set[pd.Timestamp]] = defaultdict(set)

    def heard(self, report: Report, days: pd.Series) -> None:
        self._days[report.report_id].update(days.dropna().unique())

    def against(self, report: Report, days: Days) -> str:
        first, last = pd.Timestamp(days.first), pd.Timestamp(days.last)
        seen = sorted(day for day in self._days[report.report_id] if first <= day <= last)
        return f"an earlier reply had rows of {seen[0].date()}" if seen else ""


@dataclass
class EmptyReplyEvidence:
    """Of one pull. `knows` tells what pulls that were restricted to just the same ids have brought."""

    witnesses: Witnesses
    knows: AgainstEmpty
    seen: RowsSeen
    _all_are_empty: bool = False
    _told_by_halves: dict[int, str] = field(default_factory=dict)

    def by_replies(self, report: Report, days: Days) -> str:
        """What replies of the run say against an empty `report` for these days; empty if they say nothing."""
        return self.witnesses.against(report, days) or self.seen.against(report, days)

    def of(self, report: Report, days: Days) -> str:
        """What speaks against an empty `report` for these days; empty if nothing does."""
        against = self.by_replies(report, days) or self._told_by_halves.get(report.report_id, "")
        return against or self.knows(report, days, all_are_empty=self._all_are_empty)

    def asks_twice(self, report: Report, days: Days) -> bool:
        """Whether an empty `report` is likely enough to be a failure, though it may well be true."""
        return bool(self.witnesses.against(report, days, for_sure=False))

    def all_came_empty(self, days: Days, asking: Sequence[Completion], calendar: Calendar) -> Sequence[Days]:
        """How the days are asked for once more. Of a single day, each half of its window is asked for first."""
        self._all_are_empty = True
        if len(days) > 1:
            return days.halves()
        window = calendar.window(days)
        self._told_by_halves = {each.source.report_id: each.halves_with_rows(window) for each in asking}
        return (days,)
