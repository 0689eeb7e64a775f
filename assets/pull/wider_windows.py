"""Sessions whose day's window does not fit them, with windows that do."""

from collections.abc import Iterator

import pandas as pd

from assets.pull.assign import WiderWindow
from assets.pull.stages import DISPOSITION, ENDS_AT, KEPT, PARTITION_DATE, REASON
from resources.kaltura.windows import EDGE_SECONDS, Days, Window

# How long a session without an end is taken to run on: its figures are those of the events before, however wide a
# window they come from.
FOLLOWED = pd.Timedelta(days=7)
EDGE = pd.Timedelta(seconds=EDGE_SECONDS)


def wider_windows(sessions: pd.DataFrame, days: Days, window: Window, asked_at: float) -> Iterator[WiderWindow]:
    """Those of the days' sessions whose figures `window` does not tell, with windows that do.

    It is too narrow for a session that ends after it, and too wide for one without an end whose week is over before.
    """
    now, ends_at = pd.Timestamp(asked_at, unit="s", tz="UTC"), pd.Timestamp(window.ends_at)
    of_days = sessions[PARTITION_DATE].between(pd.Timestamp(days.first), pd.Timestamp(days.last))
    sessions = sessions[of_days & (sessions[DISPOSITION] == KEPT) & sessions[REASON].isna()]
    has_end = sessions["session_end_time"].notna()
    until = sessions[ENDS_AT].where(~has_end, sessions[ENDS_AT] + EDGE)
    is_over = ~has_end & (until < now)  # the week of a session without an end
    until = until.where(has_end | is_over, now)
    beyond = ~is_over & (until > ends_at)
    if beyond.any():
        yield _cover(sessions[beyond], until[beyond].max(), ends_there=False)
    if not is_over.any():
        return
    until_hour = until.dt.ceil("h")
    known_until = min(ends_at, now.ceil("h"))
    misfits = is_over & ((until_hour > ends_at) | (until_hour < known_until))
    for _, which in sessions[misfits].groupby(until_hour[misfits]):
        yield _cover(which, until[which.index].max(), ends_there=True)


def _cover(sessions: pd.DataFrame, until: pd.Timestamp, *, ends_there: bool) -> WiderWindow:
    first = (sessions["session_start_time"] - EDGE).min()
    return WiderWindow(sessions, Window.around(first.timestamp(), until.timestamp()), ends_there)
