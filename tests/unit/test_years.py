"""Days and times at the ends of all years: said to be what they are, never a traceback."""

import datetime as dt
from typing import Any

import pytest

from pipelines.commands.report import NoReportError, _require_week
from resources.kaltura.clock import Clock
from resources.kaltura.doctor.account import _clock_finding
from resources.settings import Settings


def test_a_week_after_the_last_of_all_years_is_not_over() -> None:
    known: list[Any] = ["an account"]
    with pytest.raises(NoReportError, match="is not over yet"):
        _require_week(dt.date(9999, 12, 27), known, Settings.from_environment({}), dt.date(2026, 11, 28))


@pytest.mark.parametrize("date", ["", "no date", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
def test_a_servers_date_that_is_none_tells_no_time(date: str) -> None:
    clock = Clock()
    clock.heard(date, 0.0)
    assert _clock_finding(clock).found == "the server tells no time"
