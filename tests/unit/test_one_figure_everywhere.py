"""A figure that stands in several places, because SQL, Python and a page each need it, is the same in all of them."""

import re
from pathlib import Path

import pandas as pd
import pytest

from assets.pull.wider_windows import FOLLOWED
from resources.kaltura import body, client, clock
from resources.settings import CHECKOUT

SQL = [path for path in sorted((CHECKOUT / "sql").rglob("*.sql")) if path.parent.name != "migrations"]


def intervals(pattern: str) -> dict[Path, set[str]]:
    found = {path: set(re.findall(pattern, path.read_text("utf-8"), re.IGNORECASE)) for path in SQL}
    return {path: intervals for path, intervals in found.items() if intervals}


def test_when_a_day_is_over_everywhere_is_one_hour_in_all_of_sql() -> None:
    ends = intervals(r"_date::timestamp\s+AT TIME ZONE 'UTC'\s*\+\s*interval '([^']+)'")
    assert {path.name for path in ends} >= {"loaded_days.sql", "00_loaded_days.sql", "40_data_freshness.sql"}
    assert set.union(*ends.values()) == {"36 hours"}


def test_a_session_without_an_end_is_followed_as_long_in_all_of_sql_as_by_a_pull() -> None:
    followed = intervals(r"(?:session_start_time|started_at)\s*\+\s*interval '(\d+ days?)'")
    assert {path.name for path in followed} >= {
        "01_calendar.sql",
        "10_sessions.sql",
        "12_breakouts.sql",
        "40_data_freshness.sql",
    }
    assert {pd.Timedelta(interval) for interval in set.union(*followed.values())} == {FOLLOWED}


WRITTEN = {
    "docs/kaltura-api.md": [
        f"{body.REPLY_LIMIT_BYTES // 2**20} MiB at most",
        f"wait {client.READ_TIMEOUT_SECONDS} seconds",
        f"{client.REPLY_LIMIT_SECONDS / 60:.0f} minutes for the whole",
        "pauses of {:.0f} to {:.0f} seconds".format(*client.RATE_LIMIT_PAUSE_SECONDS),
        f"At {client.REPORT_ROW_CAP:,} rows",
    ],
    "docs/reliability.md": [
        ", ".join(f"{client.pause_bounds(ValueError(), n)[0]:.0f}" for n in range(client.ATTEMPTS - 2))
        + f" and {client.LONGEST_PAUSE_SECONDS:.0f} s, each up to {client.PAUSE_JITTER_SECONDS:.0f} s longer",
    ],
    "sql/checks/clock_agrees.sql": [f"clock_ahead_seconds) > {clock.SAID_FROM_SECONDS:.0f}"],
}  # fmt: skip


@pytest.mark.parametrize(("page", "text"), [(page, text) for page, texts in WRITTEN.items() for text in texts])
def test_a_page_says_the_figure_that_the_code_has(page: str, text: str) -> None:
    assert text in " ".join((CHECKOUT / page).read_text("utf-8").split())
