"""Days that the database does not take: after some in a row the rest is red unasked, whichever side is to blame."""

import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from in_process import installed

from assets.pull.windows import BAD_DAYS_IN_A_ROW, FIRST_WINDOW_DAYS, WIDEST_WINDOW_DAYS
from assets.reports import REPORTS
from resources.kaltura.windows import DAY, Days
from simulator import University, serving

FIRST = dt.date(2025, 2, 3)
WINDOWS = 5
RANGE = Days(FIRST, FIRST + (FIRST_WINDOW_DAYS + (WINDOWS - 1) * WIDEST_WINDOW_DAYS - 1) * DAY)
GOOD_DAYS = 2


@pytest.fixture
def dagster(database: str) -> Iterator[SimpleNamespace]:
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura, installed(kaltura, database) as inside:
        yield inside


def test_once_days_can_not_be_written_kaltura_is_asked_for_no_further_window(dagster: SimpleNamespace) -> None:
    bad = RANGE.first + GOOD_DAYS * DAY
    dagster.sql(f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_days CHECK (partition_date < '{bad}')")
    result = dagster.pull(RANGE)
    assert not result.success
    # The first window, and the one that is on its way while that is loaded.
    asked = [request for request in dagster.kaltura.requests if request.report_id]
    assert len(asked) <= 2 * len(REPORTS)

    assert dagster.sql("SELECT DISTINCT partition_date FROM kaltura.loads ORDER BY 1").fetchall() == [
        (RANGE.first + n * DAY,) for n in range(GOOD_DAYS)
    ]
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = failure.user_failure_data.description.splitlines()
    unasked = bad + BAD_DAYS_IN_A_ROW * DAY
    assert f"{unasked} to {RANGE.last}: not loaded, as the 3 days before it failed one after another" in said
    assert said[0] == f"{len(RANGE) - GOOD_DAYS} of the run's days could not be loaded; all others are."


def test_days_that_can_not_be_written_here_and_there_stop_nothing(dagster: SimpleNamespace) -> None:
    week = Days(FIRST, FIRST + 6 * DAY)
    good = [week.first + n * DAY for n in (2, 5)]
    listed = ", ".join(f"'{day}'" for day in good)
    dagster.sql(f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_days CHECK (partition_date IN ({listed}))")
    assert not dagster.pull(week).success
    assert dagster.sql("SELECT DISTINCT partition_date FROM kaltura.loads ORDER BY 1").fetchall() == [
        (day,) for day in good
    ]
