"""Days and windows: which days belong together, and which stretch of time brings them in whole.

Kaltura's figures are those of the events inside the window asked for (docs/kaltura-api.md section 2). A session belongs
to the local day on which it starts, may run past midnight, and its first viewers may come before it starts; so the
window of a day is wider than the day.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)
HOUR_SECONDS = 3600  # the event store rolls up by the hour, so a window starts and ends on one
EDGE_SECONDS = 3600  # viewers wait for the start of a session, and stay on a little after its end


@dataclass(frozen=True, order=True)
class Days:
    """The days from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}")

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __iter__(self) -> Iterator[dt.date]:
        return (self.first + n * DAY for n in range(len(self)))

    def __contains__(self, day: object) -> bool:
        return isinstance(day, dt.date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}...{self.last}"

    def halves(self) -> tuple["Days", "Days"]:
        """Raises `ValueError` for a single day, which has no halves: it is split by ids instead."""
        middle = self.first + DAY * (len(self) // 2)
        return Days(self.first, middle - DAY), Days(middle, self.last)

    def leading(self, count: int) -> tuple["Days", "Days | None"]:
        """The first `count` days, and the rest if there is one."""
        if count >= len(self):
            return self, None
        return Days(self.first, self.first + DAY * (count - 1)), Days(self.first + DAY * count, self.last)


def stretches(days: Iterable[dt.date]) -> list[Days]:
    """The days in order, as runs without a gap."""
    runs: list[Days] = []
    for day in sorted(set(days)):
        if runs and day - runs[-1].last == DAY:
            runs[-1] = Days(runs[-1].first, day)
        else:
            runs.append(Days(day, day))
    return runs


@dataclass(frozen=True, order=True)
class Window:
    """A half-open stretch of time in Unix seconds, on whole UTC hours: events in `[start, end)`."""

    start: int
    end: int

    @classmethod
    def around(cls, start: float, end: float) -> "Window":
        """The narrowest window of whole hours that holds `[start, end)` and is not empty."""
        first = int(start // HOUR_SECONDS) * HOUR_SECONDS
        last = -int(-end // HOUR_SECONDS) * HOUR_SECONDS
        return cls(first, max(last, first + HOUR_SECONDS))

    def halves(self) -> tuple["Window", "Window"] | None:
        """Two windows of whole hours, or None for a single hour."""
        hours = (self.end - self.start) // HOUR_SECONDS
        if hours < 2:
            return None
        middle = self.start + hours // 2 * HOUR_SECONDS
        return Window(self.start, middle), Window(middle, self.end)

    @property
    def starts_at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.start, dt.UTC)

    @property
    def ends_at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.end, dt.UTC)

    def __str__(self) -> str:
        return f"[{self.starts_at:%Y-%m-%d %H:%M}, {self.ends_at:%Y-%m-%d %H:%M}) UTC"


@dataclass(frozen=True)
class Calendar:
    """Local days and the windows that bring them in: midnight to midnight in `timezone`, and `grace_hours` more.

    A window opens `EDGE_SECONDS` before midnight: where a session starts with its day, viewers were there before. It
    stays open as long after it, however short the grace: of a session that starts in a day's last minute nothing is
    seen before the next.
    """

    timezone: ZoneInfo
    grace_hours: int

    def midnight(self, day: dt.date) -> int:
        """When `day` begins, in Unix seconds. A day has 23, 24 or 25 hours."""
        return int(dt.datetime.combine(day, dt.time(), self.timezone).timestamp())

    def window(self, days: Days) -> Window:
        return Window.around(
            self.midnight(days.first) - EDGE_SECONDS,
            self.midnight(days.last + DAY) + max(self.grace_hours * HOUR_SECONDS, EDGE_SECONDS),
        )

    def day_of(self, seconds: float) -> dt.date:
        return dt.datetime.fromtimestamp(seconds, self.timezone).date()
