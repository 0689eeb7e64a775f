"""Whether a report's figures were lost: Kaltura prints each null of its store as 0 (docs/kaltura-api.md section 3).

One figure of 0 may be true: somebody looked in. A count of people, or minutes, that are 0 in nearly every row were not
read: without anybody there, a report has no row. Where the warehouse has those very sessions with 0 already, that was
accepted, and 0 replaces nothing better.
"""

from collections.abc import Callable

import pandas as pd

from resources.table import NEARLY_ALL

LEAST_ROWS = 10  # below that nearly all is no sign of anything

Believes0 = Callable[[str, pd.DataFrame], bool]
"""Whether 0 in this column of these rows is believed, though it looks like a figure that was lost."""


def believes_none(column: str, rows: pd.DataFrame) -> bool:
    return False


def is_lost(zeros: pd.Series) -> bool:
    """By which of the rows have 0."""
    return len(zeros) >= LEAST_ROWS and int(zeros.sum()) >= NEARLY_ALL * len(zeros)


def lost_in(frame: pd.DataFrame, columns: tuple[str, ...], believes_0: Believes0) -> str:
    """What is wrong with the first of these columns that is lost, in words; empty where none is. Values are as sent."""
    for column in columns:
        if column in frame and is_lost(zeros := frame[column] == "0") and not believes_0(column, frame[zeros]):
            return said(column, zeros)
    return ""


def said(column: str, zeros: pd.Series) -> str:
    return f"{column} is 0 in {zeros.sum():,} of {len(zeros):,} rows, which Kaltura prints for a figure that it lost"
