"""The days of a run, a window after another: each fetched while the one before it is being loaded.

A window is as wide as the replies so far let expect; one that is too much, and wider than a week, is begun again with a day.
One that fails is asked for again in halves, down to the day that is to blame. After some days in a row without an answer the
API is taken to be down, and the rest is not even asked for; answers that are no good say nothing of other days, until a
month of them does.
"""

import datetime as dt
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from assets.pull import retries
from assets.pull.empty_replies import RowsSeen
from assets.pull.extract import Extract
from resources.kaltura.complete import WIDEST_IN_PARTS, days_at_once
from resources.kaltura.errors import EmptyReply, FiguresLost, Refused, SessionInvalid, TooWide
from resources.kaltura.windows import DAY, Days, stretches

FIRST_WINDOW_DAYS = WIDEST_IN_PARTS  # until a reply has told how many rows a day has
WIDEST_WINDOW_DAYS = 92
BAD_DAYS_IN_A_ROW = 3  # without an answer
# Whatever the answers were. Of an account whose every day is wrong, as a column has gone, a year is not asked for in vain;
# and as many days are caught up in a night by default, so that no wrong answer keeps one of those from being asked for.
WRONG_DAYS_IN_A_ROW = 31

T = TypeVar("T")


class NotAsked(Exception):
    """A day that was left alone, because those before it showed that asking is of no use."""


@dataclass(frozen=True)
class Fetched:
    """What became of some days: they are there, or one error stands for all of them."""

    days: Days
    outcome: Extract | Exception


class Windows:
    """Brings days in by windows. `extract` is asked for one at a time, and told what the replies before it had.

    `row_cap` is where the server cuts a reply.
    """

    def __init__(self, extract: Callable[[Days, RowsSeen], Extract], row_cap: int) -> None:
        self._extract = extract
        self._seen = RowsSeen()
        self._row_cap = row_cap
        self._width = FIRST_WINDOW_DAYS
        self._bad_in_a_row = 0
        self._unanswered_in_a_row = 0
        self._refusal: Refused | None = None

    def fetched(self, days: Iterable[dt.date]) -> Iterator[Fetched]:
        """Every day, in order, in one `Fetched` or another. Raises nothing that a reply or a row is to blame for."""
        for stretch in stretches(days):
            yield from self._by_width(stretch)

    def _by_width(self, days: Days, widest: int = WIDEST_WINDOW_DAYS) -> Iterator[Fetched]:
        rest: Days | None = days
        while rest:
            window, rest = rest.leading(min(self._width, widest))
            yield from self._attempt(window)

    def _attempt(self, days: Days) -> Iterator[Fetched]:
        reason = self._useless()
        if reason:
            yield Fetched(days, NotAsked(reason))
            return
        try:
            extracted = self._extract(days, self._seen)
        except TooWide:  # busy days after quiet ones: not all of them are held in memory at once
            self._width = 1
            yield from self._by_width(days, WIDEST_IN_PARTS)
            return
        except Exception as error:  # whatever a day does to us, the others go on
            if isinstance(error, Refused):
                self._refusal = error
            if isinstance(error, EmptyReply) and error.days:
                yield from self._around(days, Days(*error.days), error)
                return
            if len(days) > 1 and not self._refusal:
                for half in days.halves():
                    yield from self._attempt(half)
                return
            self._bad_in_a_row += 1
            self._unanswered_in_a_row = 0 if _has_answered(error) else self._unanswered_in_a_row + 1
            yield Fetched(days, error)
            return
        self._bad_in_a_row = self._unanswered_in_a_row = 0
        self._width = self._next_width(extracted)
        yield Fetched(days, extracted)

    def _around(self, days: Days, bad: Days, error: EmptyReply) -> Iterator[Fetched]:
        """Days that stay empty against what is known of them fail alone. Kaltura answered, so it is not taken for down."""
        if days.first < bad.first:
            yield from self._attempt(Days(days.first, bad.first - DAY))
        yield Fetched(bad, error)
        if bad.last < days.last:
            yield from self._attempt(Days(bad.last + DAY, days.last))

    def _useless(self) -> str:
        if self._refusal:
            return f"not asked for, as Kaltura refuses: {self._refusal}"
        for days, most in (
            (self._unanswered_in_a_row, BAD_DAYS_IN_A_ROW),
            (self._bad_in_a_row, WRONG_DAYS_IN_A_ROW),
        ):
            if days >= most:
                return f"not asked for, as the {most} days before it failed one after another"
        return ""

    def _next_width(self, extracted: Extract) -> int:
        return min(WIDEST_WINDOW_DAYS, days_at_once(extracted.rows_a_day, self._row_cap))


def _has_answered(error: Exception) -> bool:
    """Whether Kaltura did, so that other days may be as they should be: the reply is wrong, or this program is."""
    return isinstance(error, EmptyReply | FiguresLost) or not (
        isinstance(error, SessionInvalid) or retries.passes(error)
    )


def one_ahead(items: Iterator[T], give_up: Callable[[], None]) -> Generator[T]:
    """The same items, each being made in a thread while the one before it is in use. At most one waits.

    `give_up` is called where nobody wants another before they are at an end: it has to end the one that is being made.
    """
    end = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as thread:
        try:
            coming = thread.submit(next, items, end)
            while (item := coming.result()) is not end:
                coming = thread.submit(next, items, end)
                yield item  # type: ignore[misc]
                del item
        except BaseException:
            give_up()  # the thread is waited for
            raise
