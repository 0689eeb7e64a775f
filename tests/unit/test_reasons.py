"""Why days failed: told once a reason, and read again for each day."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from assets.pull.reasons import LINES, headline, lines, names_days, reason

FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def test_a_reason_of_266_days_is_one_line_with_their_range() -> None:
    failed = {day(n): Exception("the database can't be reached: no route") for n in range(266)}
    assert lines(failed) == ["2026-01-01 to 2026-09-23: the database can't be reached: no route"]


def test_two_reasons_are_two_lines_with_all_their_days() -> None:
    failed = {day(n): Exception("refused" if n % 3 else "timed out") for n in range(7)}
    assert lines(failed) == [
        "2026-01-01, 2026-01-04, 2026-01-07: timed out",
        "2026-01-02 to 2026-01-03, 2026-01-05 to 2026-01-06: refused",
    ]


@given(st.dictionaries(st.integers(0, 200), st.integers(0, 40), min_size=1))
def test_each_day_is_counted_once_and_a_day_that_is_named_is_told_its_own_reason(of: dict[int, int]) -> None:
    failed = {day(n): Exception(f"reason {kind}: 2026-01-01: see there") for n, kind in of.items()}
    told = lines(failed)
    assert len(told) <= LINES + 1
    text = "\n".join([headline(len(failed)), *told])
    assert names_days(text)
    for when, error in failed.items():
        others = {str(each) for each in failed.values()}
        assert reason(text, when) in others
        if len(others) == 1 or (len(others) <= LINES and "more days" not in text):
            assert reason(text, when) == str(error)


def test_a_text_that_names_no_day_is_its_first_line() -> None:
    assert reason("Kaltura refuses\nIt is not retried", FIRST) == "Kaltura refuses"
    assert not names_days("Kaltura refuses\nIt is not retried")
    assert reason("", FIRST) == ""
