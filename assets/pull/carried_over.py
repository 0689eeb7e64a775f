"""Lines that tell no day, on their way to the first day of their window that gets in.

Each window's first day brings them. Where it does not get in, as the database refuses it, or where a later pull was there
before, the window's next day takes them along: that one day alone, pulled again, may be too narrow a window for them.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import pandas as pd

from resources.arrivals import Arrivals
from resources.warehouse.load import Load


class CarriedOver:
    """Of the windows of a run, whose days are loaded in their order."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[tuple[dt.datetime, dt.datetime], pd.DataFrame]] = {}

    def given_to(self, arrivals: Iterable[Arrivals]) -> list[Arrivals]:
        """A day's arrivals, with the lines that no day before it has got in."""
        return [self._given_to(each) for each in arrivals]

    def _given_to(self, each: Arrivals) -> Arrivals:
        window, lines = self._waiting.pop(each.table.name, (None, each.undated))
        if window == each.window and not each.tells_undated:
            each = each.with_undated(lines)
        if each.tells_undated:
            self._waiting[each.table.name] = each.window, each.undated
        return each

    def loaded(self, loads: Sequence[Load]) -> None:
        """What a day's loads have told is not told again."""
        for load in loads:
            if not load.leaves_undated:
                self._waiting.pop(load.table, None)
