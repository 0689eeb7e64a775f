"""What time it is by Kaltura: its replies' `Date`, carried on by a clock that nobody sets.

This machine's clock may be wrong, and may be set in the middle of a run. Which days are over and how far a figure is
known are judged by the clock of the server that counted the events. A `Date` is the time at some moment between a
request and its reply (Apache writes when the request came), in whole seconds: it corrects only what lies outside.
"""

import datetime as dt
import email.utils
import threading
import time
from collections.abc import Callable

from resources.kaltura.errors import Refused

SAID_FROM_SECONDS = 60.0
STOPS_FROM_SECONDS = 600.0
WHOLE_SECONDS = 1.0  # what a Date leaves out


class Clock:
    """The time by Kaltura, or by this machine as long as no reply has told it. Safe to share between threads.

    `wall` is this machine's clock, which may jump; `steady` one that only ever goes on.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self.steady = steady
        self._wall = wall
        self._lock = threading.Lock()
        self._offset = wall() - steady()
        self._has_heard = False

    def heard(self, date: str, asked_at: float) -> None:
        """A reply's `Date` header, and when (by `steady`) its request was sent. An unreadable one tells nothing."""
        try:
            told = email.utils.parsedate_to_datetime(date).timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        with self._lock:
            earliest, latest = told - self.steady(), told + WHOLE_SECONDS - asked_at
            if not self._has_heard:  # this machine's own time of now, not that of when the clock was made
                self._offset = self._wall() - self.steady()
            self._offset = min(max(self._offset, earliest), latest)
            self._has_heard = True

    def at(self, moment: float) -> float:
        """The Unix time of a moment of `steady`."""
        return moment + self._offset

    def now(self) -> float:
        return self.at(self.steady())

    @property
    def ahead_seconds(self) -> float | None:
        """By how much this machine's clock is ahead of Kaltura's (below 0: behind); None where no reply told the time."""
        return self._wall() - self.now() if self._has_heard else None

    def require_agreement(self) -> None:
        """Raises `Refused` where this machine's clock is so far off that the days asked for may be the wrong ones."""
        ahead = self.ahead_seconds
        if ahead is not None and abs(ahead) > STOPS_FROM_SECONDS:
            raise Refused(
                f"the clock of this machine is {difference(ahead)} Kaltura's, so it may ask for days that are not over",
                advice="Set the clock (NTP) and run the days again. Nothing was loaded by the wrong one.",
            )


def difference(ahead_seconds: float) -> str:
    """As `1 day, 0:00:03 ahead of`."""
    return f"{dt.timedelta(seconds=round(abs(ahead_seconds)))} {'ahead of' if ahead_seconds > 0 else 'behind'}"
