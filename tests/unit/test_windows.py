"""Days, and the windows that bring them in whole."""

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resources.kaltura.windows import HOUR_SECONDS, Calendar, Days, Window, stretches

NEW_YORK = Calendar(ZoneInfo("America/New_York"), 12)
# Until 2011 St John's put its clocks back at 00:01, and had an hour of the day before after midnight. No room is as old.
_dates = st.dates(dt.date(2012, 1, 1), dt.date(2090, 1, 1))
_days = st.tuples(_dates, st.integers(0, 400)).map(lambda pair: Days(pair[0], pair[0] + dt.timedelta(days=pair[1])))
_zones = st.sampled_from(
    ["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana",
     "Africa/Cairo", "Pacific/Apia", "America/St_Johns"]
).map(ZoneInfo)  # fmt: skip


def hours(window: Window) -> int:
    return (window.end - window.start) // HOUR_SECONDS


@given(_days, _zones, st.integers(0, 168))
@example(Days(dt.date(2026, 3, 8), dt.date(2026, 3, 8)), ZoneInfo("America/New_York"), 0)
def test_a_window_covers_its_days_an_hour_before_them_and_the_grace_or_an_hour_after_on_whole_utc_hours(
    days: Days, zone: ZoneInfo, grace: int
) -> None:
    calendar = Calendar(zone, grace)
    window = calendar.window(days)
    assert window.start % HOUR_SECONDS == window.end % HOUR_SECONDS == 0
    assert 0 <= calendar.midnight(days.first) - HOUR_SECONDS - window.start < HOUR_SECONDS
    after = calendar.midnight(days.last + dt.timedelta(days=1)) + max(grace, 1) * HOUR_SECONDS
    assert 0 <= window.end - after < HOUR_SECONDS


@given(_dates, _zones.filter(lambda zone: zone.key != "Pacific/Apia"), st.integers(0, 86_399))  # it left a day out
def test_each_second_belongs_to_one_day_which_is_the_one_whose_midnights_enclose_it(
    day: dt.date, zone: ZoneInfo, second: int
) -> None:
    calendar = Calendar(zone, 0)
    at = calendar.midnight(day) + second
    of = calendar.day_of(at)
    assert calendar.midnight(of) <= at < calendar.midnight(of + dt.timedelta(days=1))


@pytest.mark.parametrize(
    ("day", "length"), [(dt.date(2026, 3, 8), 23), (dt.date(2026, 11, 1), 25), (dt.date(2026, 11, 2), 24)]
)
def test_a_day_of_23_24_or_25_hours_has_a_window_longer_by_the_edge_and_the_grace(day: dt.date, length: int) -> None:
    assert hours(NEW_YORK.window(Days(day, day))) == 1 + length + 12


def test_in_a_zone_of_half_hours_the_window_is_wider_not_narrower() -> None:
    window = Calendar(ZoneInfo("Asia/Kolkata"), 12).window(Days(dt.date(2026, 5, 4), dt.date(2026, 5, 4)))
    assert str(window) == "[2026-05-03 17:00, 2026-05-05 07:00) UTC"


@given(_days.filter(lambda days: len(days) > 1))
def test_halves_of_days_are_the_days(days: Days) -> None:
    left, right = days.halves()
    assert [*left, *right] == list(days)
    assert abs(len(left) - len(right)) <= 1


def test_a_single_day_has_no_halves() -> None:
    with pytest.raises(ValueError, match="before"):
        Days(dt.date(2026, 5, 4), dt.date(2026, 5, 4)).halves()


@given(_days, st.integers(1, 500))
def test_leading_days_and_the_rest_are_the_days(days: Days, count: int) -> None:
    first, rest = days.leading(count)
    assert [*first, *(rest or ())] == list(days)
    assert len(first) == min(count, len(days))


@given(st.lists(_dates | st.dates(dt.date(2026, 1, 1), dt.date(2026, 1, 20)), max_size=30))
def test_stretches_hold_each_day_once_in_order_and_touch_nowhere(days: list[dt.date]) -> None:
    runs = stretches(days)
    assert [day for run in runs for day in run] == sorted(set(days))
    assert all((later.first - run.last).days > 1 for run, later in itertools.pairwise(runs))


@given(st.integers(0, 4 * 10**9), st.integers(0, 10**7))
def test_a_window_around_a_time_holds_it_and_no_more_than_two_hours_beyond(start: int, length: int) -> None:
    window = Window.around(start, start + length)
    assert window.start <= start <= start + length <= window.end
    assert window.end - window.start < length + 2 * HOUR_SECONDS
    assert window.end > window.start


@given(st.integers(0, 10**6), st.integers(1, 500))
def test_halves_of_a_window_are_the_window_and_a_single_hour_has_none(first: int, length: int) -> None:
    window = Window(first * HOUR_SECONDS, (first + length) * HOUR_SECONDS)
    halves = window.halves()
    if length == 1:
        assert halves is None
    else:
        assert halves is not None
        left, right = halves
        assert (left.start, left.end, right.end) == (window.start, right.start, window.end)
        assert left.start < left.end < right.end
