"""The tiny picture in each day's materialization."""

import re
from urllib.parse import unquote

import pandas as pd
import pytest

from assets.pull.day_chart import SHOWN_CHARACTERS, bars, picture


def sessions(*starts: str) -> pd.DataFrame:
    return pd.DataFrame({"session_start_time": pd.to_datetime(list(starts), utc=True).astype("datetime64[us, UTC]")})


def attendees(*ratios: float | None) -> pd.DataFrame:
    return pd.DataFrame({"meeting_engaged_play_time_ratio": pd.Series(list(ratios), dtype="float64")})


def drawn(frame: pd.DataFrame) -> list[tuple[int, int]]:
    """Where the bars stand and how high they are."""
    shown = picture(frame)
    assert shown is not None
    svg = unquote(shown.md_str)
    return [(int(x), int(height)) for x, height in re.findall(r"M(\d+) 54v-(\d+)", svg)]


def test_a_bar_for_each_hour_in_which_sessions_started_in_proportion_to_how_many() -> None:
    assert drawn(sessions("2026-10-05T00:10", "2026-10-05T23:59", "2026-10-05T23:00")) == [(5, 20), (235, 40)]


def test_an_engagement_of_exactly_one_is_in_the_last_tenth_and_an_unknown_one_in_none() -> None:
    assert drawn(attendees(0.0, 1.0, None)) == [(12, 40), (228, 40)]


@pytest.mark.parametrize("frame", [sessions(), attendees(), attendees(None)])
def test_nothing_is_drawn_of_nothing(frame: pd.DataFrame) -> None:
    assert picture(frame) is None


def test_the_busiest_of_days_is_still_short_enough_to_be_shown_where_it_stands() -> None:
    longest = bars([123_456 - hour for hour in range(24)], "starts by hour", ("0", "6", "12", "18", "24"))
    assert len(longest.md_str) < SHOWN_CHARACTERS


def test_markdown_reads_the_picture_as_one_link() -> None:
    shown = bars([1, 2], "people (all)", ("0 %", "100 %"))
    target = shown.md_str.split("](", 1)[1]
    assert re.fullmatch(r"data:image/svg\+xml,[^\s<>()\"]+\)", target)
