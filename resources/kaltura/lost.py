"""Whether a report's figures were lost: Kaltura prints each null of its store as 0 (docs/kaltura-api.md section 3).

One figure of 0 may be true: somebody looked in. A count of people, or minutes, that are 0 in nearly every row were not
read: without anybody there, a report has no row.
"""

import pandas as pd

LEAST_ROWS = 10  # below that nearly all is no sign of anything
NEARLY_ALL = 0.9


def is_lost(zeros: pd.Series) -> bool:
    """By which of the rows have 0."""
    return len(zeros) >= LEAST_ROWS and int(zeros.sum()) >= NEARLY_ALL * len(zeros)


def lost_in(frame: pd.DataFrame, columns: tuple[str, ...]) -> str:
    """What is wrong with the first of these columns that is lost, in words; empty where none is. Values are as sent."""
    for column in columns:
        if column in frame and is_lost(zeros := frame[column] == "0"):
            return said(column, zeros)
    return ""


def said(column: str, zeros: pd.Series) -> str:
    return f"{column} is 0 in {zeros.sum():,} of {len(zeros):,} rows, which Kaltura prints for a figure that it lost"
