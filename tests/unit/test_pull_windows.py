"""Windows as wide as the replies allow, and bad days that harm no other."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.pull.empty_replies import RowsSeen
from assets.pull.extract import Extract
from assets.pull.windows import (
    BAD_DAYS_IN_A_ROW,
    FIRST_WINDOW_DAYS,
    WIDEST_WINDOW_DAYS,
    WRONG_DAYS_IN_A_ROW,
    Fetched,
    NotAsked,
    Windows,
    one_ahead,
)
from resources.arrivals import Pull
from resources.kaltura.complete import FULLNESS
from resources.kaltura.errors import BadReply, ColumnMissing, EmptyReply, Refused, SessionInvalid, TimedOut, Unavailable
from resources.kaltura.windows import Days
from resources.warehouse.warehouse import WarehouseUnreachable

MONDAY = dt.date(2026, 5, 4)
CAP = 1000


def day(number: int) -> dt.date:
    return MONDAY + dt.timedelta(days=number)


class Kaltura:
    """Brings days in, but for the bad ones; remembers what it was asked."""

    def __init__(
        self, bad: Sequence[int] = (), error: Callable[[], Exception] = lambda: BadReply("no"), rows_a_day: int = 10
    ) -> None:
        self.bad = {day(number) for number in bad}
        self.error = error
        self.rows_a_day = rows_a_day
        self.asked: list[Days] = []

    def __call__(self, days: Days, seen: RowsSeen) -> Extract:
        self.asked.append(days)
        if self.bad.intersection(days):
            raise self.error()
        pull = Pull(1, dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
        return Extract(days, pull, {each: [] for each in days}, self.rows_a_day)

    def fetched(self, days: Sequence[dt.date]) -> list[Fetched]:
        return list(Windows(self, CAP).fetched(days))


def failed(fetched: Sequence[Fetched]) -> set[dt.date]:
    return {each for one in fetched if isinstance(one.outcome, Exception) for each in one.days}


ANSWERS = (
    lambda: BadReply("no"),
    WRONG_DAYS_IN_A_ROW,
)  # what goes wrong, and after how many such days no more is asked
NO_ANSWER = (lambda: Unavailable("down"), BAD_DAYS_IN_A_ROW)


@settings(deadline=None)
@example([day(0), day(1), day(200)], {0, 1, 200}, range(0), 0, NO_ANSWER)
@example([day(n) for n in range(40)], {0, 1, 2}, range(0), 10, ANSWERS)
@example([day(n) for n in range(40)], set(), range(2, 36), 10, ANSWERS)
@given(
    st.lists(st.integers(0, 200).map(day), max_size=120),
    st.sets(st.integers(0, 200), max_size=20),
    st.builds(lambda first, count: range(first, first + count), st.integers(0, 150), st.integers(0, 50)),
    st.integers(0, 2 * CAP),
    st.sampled_from([ANSWERS, NO_ANSWER]),
)
def test_every_day_comes_out_once_and_in_order_whatever_fails(
    days: list[dt.date],
    bad: set[int],
    more_bad: range,
    rows_a_day: int,
    fails: tuple[Callable[[], Exception], int],
) -> None:
    error, most_in_a_row = fails
    kaltura = Kaltura(sorted({*bad, *more_bad}), error, rows_a_day=rows_a_day)
    fetched = kaltura.fetched(days)
    assert [each for one in fetched for each in one.days] == sorted(set(days))
    good = {each for one in fetched if isinstance(one.outcome, Extract) for each in one.days}
    assert not good & kaltura.bad
    not_asked = {each for one in fetched if isinstance(one.outcome, NotAsked) for each in one.days}
    assert failed(fetched) - kaltura.bad <= not_asked
    # Nothing is left to be asked for where the last of so many bad days is the last of all.
    assert bool(not_asked) == any(len(run) > most_in_a_row for run in _runs(failed(fetched), days))


def _runs(bad: set[dt.date], days: Sequence[dt.date]) -> Iterator[list[dt.date]]:
    """The bad days that follow one another among those asked for."""
    run: list[dt.date] = []
    for each in sorted(set(days)):
        if each in bad:
            run.append(each)
        else:
            yield run
            run = []
    yield run


def test_one_bad_day_is_found_by_halves_and_its_neighbours_are_brought_in() -> None:
    kaltura = Kaltura(bad=[3])
    assert failed(kaltura.fetched([day(n) for n in range(7)])) == {day(3)}
    assert [len(days) for days in kaltura.asked] == [7, 3, 4, 2, 1, 1, 2]


def test_two_bad_days_apart_are_both_found() -> None:
    assert failed(Kaltura(bad=[1, 5]).fetched([day(n) for n in range(7)])) == {day(1), day(5)}


def test_after_three_bad_days_in_a_row_nothing_more_is_asked() -> None:
    kaltura = Kaltura(bad=range(60), error=lambda: Unavailable("down"))
    fetched = kaltura.fetched([day(n) for n in range(60)])
    assert failed(fetched) == {day(n) for n in range(60)}
    assert [days for days in kaltura.asked if len(days) == 1] == [Days(day(n), day(n)) for n in range(3)]
    assert all(isinstance(one.outcome, NotAsked) for one in fetched[3:])
    assert "3 days before it" in str(fetched[-1].outcome)


def test_days_that_are_answered_wrong_say_nothing_of_those_behind_them_until_there_is_a_month_of_them() -> None:
    behind = [day(n) for n in range(WRONG_DAYS_IN_A_ROW - 1, 60)]
    kaltura = Kaltura(bad=range(WRONG_DAYS_IN_A_ROW - 1), error=lambda: ColumnMissing("cue_point_id"))
    assert failed(kaltura.fetched([day(n) for n in range(60)])) == {day(n) for n in range(WRONG_DAYS_IN_A_ROW - 1)}
    assert {each for days in kaltura.asked for each in days} >= {*behind}


def test_an_account_whose_every_day_is_wrong_is_not_asked_for_a_year_in_vain() -> None:
    kaltura = Kaltura(bad=range(365), error=lambda: ColumnMissing("cue_point_id"))
    fetched = kaltura.fetched([day(n) for n in range(365)])
    assert failed(fetched) == {day(n) for n in range(365)}
    assert [days for days in kaltura.asked if len(days) == 1] == [
        Days(day(n), day(n)) for n in range(WRONG_DAYS_IN_A_ROW)
    ]
    assert len(kaltura.asked) < 2 * WRONG_DAYS_IN_A_ROW
    assert f"{WRONG_DAYS_IN_A_ROW} days before it" in str(fetched[-1].outcome)


@pytest.mark.parametrize(
    "error",
    [Unavailable("down"), SessionInvalid("no"), TimedOut("slow"), WarehouseUnreachable("away")],
    ids=lambda error: type(error).__name__,
)
def test_wrong_answers_between_them_make_no_days_without_an_answer_follow_one_another(error: Exception) -> None:
    answers = iter([error, error, BadReply("no"), error, error, error])
    kaltura = Kaltura(bad=range(0, 20), error=lambda: next(answers))
    fetched = kaltura.fetched([day(2 * n) for n in range(10)])
    assert [isinstance(one.outcome, NotAsked) for one in fetched] == [False] * 6 + [True] * 4


def test_a_good_day_between_bad_ones_lets_the_rest_be_asked() -> None:
    assert failed(Kaltura(bad=[0, 1, 3, 4, 6]).fetched([day(n) for n in range(7)])) == {day(n) for n in (0, 1, 3, 4, 6)}


def test_a_refusal_stops_at_once_and_says_why() -> None:
    kaltura = Kaltura(bad=[0], error=lambda: Refused("SERVICE_FORBIDDEN"))
    fetched = kaltura.fetched([day(n) for n in range(30)])
    assert len(kaltura.asked) == 1
    assert failed(fetched) == {day(n) for n in range(30)}
    assert isinstance(fetched[0].outcome, Refused)
    assert "SERVICE_FORBIDDEN" in str(fetched[-1].outcome)


@pytest.mark.parametrize(
    ("rows_a_day", "width"), [(1, WIDEST_WINDOW_DAYS), (20, int(FULLNESS * CAP / 20)), (CAP // 2, 1), (10 * CAP, 1)]
)
def test_windows_get_as_wide_as_the_rows_of_a_day_let_expect(rows_a_day: int, width: int) -> None:
    kaltura = Kaltura(rows_a_day=rows_a_day)
    kaltura.fetched([day(n) for n in range(300)])
    assert len(kaltura.asked[0]) == FIRST_WINDOW_DAYS
    assert len(kaltura.asked[1]) == width


def test_days_with_a_gap_between_them_are_never_in_one_window() -> None:
    kaltura = Kaltura()
    kaltura.fetched([day(0), day(1), day(5), day(3)])
    assert kaltura.asked == [Days(day(0), day(1)), Days(day(3), day(3)), Days(day(5), day(5))]


def test_no_days_are_no_question() -> None:
    kaltura = Kaltura()
    assert kaltura.fetched([]) == []
    assert kaltura.asked == []


def never_given_up() -> None:
    raise AssertionError("everything was wanted")


def test_the_next_item_is_made_while_one_is_in_use_and_no_further_one() -> None:
    made: list[int] = []
    second = threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    ahead = one_ahead(items(), give_up=never_given_up)
    assert next(ahead) == 0
    assert second.wait(timeout=30)
    assert made == [0, 1]
    assert list(ahead) == [1, 2, 3]


def test_an_error_while_making_an_item_reaches_whoever_waits_for_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise BadReply("broken")

    given_up = threading.Event()
    ahead = one_ahead(items(), given_up.set)
    assert next(ahead) == 1
    with pytest.raises(BadReply):
        next(ahead)


@pytest.mark.parametrize("how", [GeneratorExit, KeyboardInterrupt])
def test_who_wants_no_further_item_does_not_wait_for_the_one_that_is_being_made(how: type[BaseException]) -> None:
    given_up = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        given_up.wait()
        yield 2

    ahead = one_ahead(items(), given_up.set)
    assert next(ahead) == 1
    with pytest.raises(how):
        ahead.throw(how)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (2, 3), (4, 6), (6, 6), (0, 6)])
def test_days_that_stay_empty_fail_alone_and_those_before_and_after_them_are_asked_for(first: int, last: int) -> None:
    kaltura = Kaltura(range(first, last + 1))

    def stays_empty() -> Exception:
        error = EmptyReply("nothing came")
        error.days = (day(first), day(last))
        return error

    kaltura.error = stays_empty
    fetched = kaltura.fetched([day(number) for number in range(FIRST_WINDOW_DAYS)])
    assert [each for one in fetched for each in one.days] == [day(number) for number in range(FIRST_WINDOW_DAYS)]
    assert failed(fetched) == kaltura.bad
