"""The stages that the rows of a reply go through, and what stands in each beside the report's own columns.

A reply is `NORMALIZED`, `RECEIVED` in a window, `DATED` by its session's day, and handed over as `LOADED` or as rejects. These
columns are the way's own: none of them is in a report, and of a day's rows only those of `LOADED` reach the warehouse.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

# Normalized: what each row says of itself.
LINE = "line"  # its place among the report's lines
EXTRA = "extra"  # JSON of the columns that the table lacks, or null
REASON = "reason"  # why it can't be used, or null
REPAIR = "repair"  # why figures of a row that can be used are left out, or null
COLUMN = "column_name"  # which columns are to blame, or null

# Received: in which reply it came.
WINDOW_START, WINDOW_END = "window_start", "window_end"  # what is known of its session ends with the window
FIRST_DAY, LAST_DAY = "first_day", "last_day"  # the days that the reply was asked for

# Dated: whose row it is.
PARTITION_DATE = "partition_date"  # the local day of its session; missing where it can't be tied to one
ENDS_AT = "ends_at"  # when its session ended, or is not followed any more
COUNTED_ON = (
    "counted_on"  # the day that counts the row: its own, or, of one that is no day's of its reply, the reply's first
)
DISPOSITION = "disposition"
KEPT, NEIGHBOUR, REPLACED = "kept", "neighbour", "replaced"

_TEXT, _DAY, _TIME = "str", "datetime64[us]", "datetime64[us, UTC]"


@dataclass(frozen=True)
class Stage:
    """The columns of a stage beside the report's, each with its type in pandas."""

    name: str
    columns: Mapping[str, str]

    def of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame. Raises TypeError where a column of the stage is not in it."""
        missing = [name for name in self.columns if name not in frame.columns]
        if missing:
            raise TypeError(f"a frame that is {self.name} lacks {missing}")
        return frame


NORMALIZED = Stage("normalized", {LINE: "int64", EXTRA: _TEXT, REASON: _TEXT, REPAIR: _TEXT, COLUMN: _TEXT})
RECEIVED = Stage(
    "received",
    {**NORMALIZED.columns, WINDOW_START: _TIME, WINDOW_END: _TIME, FIRST_DAY: _DAY, LAST_DAY: _DAY},
)
DATED = Stage("dated", {**RECEIVED.columns, PARTITION_DATE: _DAY, ENDS_AT: _TIME, DISPOSITION: _TEXT, COUNTED_ON: _DAY})
LOADED = Stage("loaded", {name: DATED.columns[name] for name in (WINDOW_START, WINDOW_END, ENDS_AT, EXTRA)})


def names_column(columns: pd.Series, name: str) -> pd.Series:
    """Whether `column_name` has this column among those it lists."""
    if not columns.notna().any():
        return pd.Series(False, index=columns.index)
    return ("," + columns.str.replace(" ", "") + ",").str.contains(f",{name},", regex=False).fillna(False).astype(bool)
