"""A day of which several loads tell is known as far as its least known moment, held against every hour of it by itself."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from resources.warehouse.coverage import DayCoverage, LoadCoverage

DAY, HOUR = dt.datetime(2026, 3, 8, tzinfo=dt.UTC), dt.timedelta(hours=1)
HOURS = 6


def at(hour: int) -> dt.datetime:
    return DAY + hour * HOUR


@st.composite
def _told(draw: st.DrawFn) -> LoadCoverage:
    start = draw(st.integers(-2, HOURS))
    end = draw(st.integers(start + 1, HOURS + 2))
    pulled, loaded = draw(st.integers(20, 29)), draw(st.integers(30, 39))
    return LoadCoverage(at(start), at(end), at(pulled), at(loaded), at(start - 1), at(end + 1), draw(st.integers(1, 9)))


@given(st.lists(_told(), max_size=6))
def test_a_day_is_known_up_to_its_least_known_moment_and_loaded_since_the_last_of_its_first_loads(
    told: list[LoadCoverage],
) -> None:
    by_hour = [[each for each in told if each.starts_at <= at(hour) < each.ends_at] for hour in range(HOURS)]
    whole = DayCoverage.of(at(0), at(HOURS), told)
    if not all(by_hour):
        assert whole is None
        return
    assert whole is not None
    assert whole.pulled_at == min(max(each.pulled_at for each in of_hour) for of_hour in by_hour)
    assert whole.loaded_at == max(min(each.loaded_at for each in of_hour) for of_hour in by_hour)
    assert whole.pull == max(each.pull for each in told)
    assert whole.window_start < whole.window_end


def test_what_one_load_tells_of_all_of_the_day_is_known_by_its_window_alone() -> None:
    all_day = LoadCoverage(at(0), at(HOURS), at(20), at(30), at(-1), at(7), 5)
    part = LoadCoverage(at(0), at(2), at(29), at(39), at(-1), at(3), 9)
    assert DayCoverage.of(at(0), at(HOURS), [part, all_day]) == DayCoverage(at(-1), at(7), 9, at(20), at(30))
