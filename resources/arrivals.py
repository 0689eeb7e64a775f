"""What an extract hands over to be loaded: the rows of one table and day, and the account of every row received.

The extract makes it, privacy decides what of it is kept of people, the warehouse writes it.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from resources.table import Table


@dataclass(frozen=True)
class Pull:
    """One asking for some days. Of two pulls the one with the higher `number` began later, and knows more.

    The database gives the numbers out, each before its pull's first request: no clock decides. `at` is when the pull
    began by Kaltura's clock; `clock_ahead_seconds` how far ahead of it this machine's was, None where nothing told.
    """

    number: int
    at: dt.datetime
    clock_ahead_seconds: float | None = None


@dataclass(frozen=True)
class Arrivals:
    """What a pull brought in for one table and day.

    `frame`: a row a key, the table's columns and `window_start`, `window_end`, `ends_at` (UTC; when the row's session
    ended, or is not followed any more) and `extra` (JSON or null). `received` counts every row of the replies that falls
    to this day: those of `frame`, `merged` away, rejected, and fragments of `other_days`.

    `rejects`: `raw`, `reason`, `column_name`, `is_repaired` (the row is in `frame`, without a figure) and `is_undated` (the
    row belongs to no day; where `tells_undated`, all such rows of the window are here; where `others_follow`, later days of
    the window can take them). `unread`: keys of rows that came and can't be used, null as far as they can't be read.
    `filters`: the ids that the report was restricted to, by the setting's name. `unknown_columns`: names of those that the
    replies had and the table lacks, as far as they are names. `header`: the columns of the lines of `rejects`, in their order.
    """

    table: Table
    frame: pd.DataFrame = field(repr=False)
    rejects: pd.DataFrame = field(repr=False)
    unread: pd.DataFrame = field(repr=False)
    window_start: dt.datetime
    window_end: dt.datetime
    requests: int
    merged: int
    other_days: int
    tells_undated: bool = True
    others_follow: bool = False
    filters: Mapping[str, Sequence[str]] | None = None
    kaltura_session: str = ""
    unknown_columns: Sequence[str] = ()
    header: Sequence[str] = ()

    @property
    def window(self) -> tuple[dt.datetime, dt.datetime]:
        return self.window_start, self.window_end

    @property
    def undated(self) -> pd.DataFrame:
        """Those of `rejects` that belong to no day."""
        return self.rejects[self.rejects["is_undated"].astype(bool)]

    def with_undated(self, lines: pd.DataFrame) -> "Arrivals":
        """Of a day that has none, with those of another day of its window."""
        rejects = pd.concat([lines, self.rejects], ignore_index=True) if len(lines) else self.rejects
        return replace(self, rejects=rejects, tells_undated=True)

    def without_undated(self) -> "Arrivals":
        dated = self.rejects[~self.rejects["is_undated"].astype(bool)]
        return replace(self, rejects=dated, tells_undated=False)

    @property
    def received(self) -> int:
        return len(self.frame) + self.merged + self.rejected + self.other_days

    @property
    def rejected(self) -> int:
        return len(self.rejects) - self.repaired

    @property
    def repaired(self) -> int:
        return int(self.rejects["is_repaired"].sum())


def values_in(raw: str) -> set[str]:
    """The values of a line, or of the pieces that a newline made of one."""
    return {value.strip().strip('"') for line in raw.splitlines() or [raw] for value in line.split(",")}
