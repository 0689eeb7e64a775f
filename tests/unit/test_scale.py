"""docs/scale.md: the table is what the measured figures come to."""

import json

from bench import scale

MEASURED = {
    "attendees a day": 2700.0,
    "sessions a day": 250.0,
    "breakouts a day": 50.0,
    "bytes of rows a day": 1e6,
    "bytes a load": 200.0,
    "backfill: CPU seconds a day": 0.2,
    "backfill: requests a day": 0.5,
    "daily pull: days": 4.0,
    "daily pull: CPU seconds": 6.0,
    "daily pull: seconds": 9.0,
    "daily pull: requests": 4.0,
    "daily pull: peak bytes": 300e6,
    "weekly sweep: CPU seconds": 7.0,
    "weekly sweep: requests": 14.0,
    "daily pull: bytes of Dagster's history": 4e5,
    "weekly sweep: bytes of Dagster's history": 14e5,
    "bytes of memory of a code server": 200e6,
}


def cells(table: str, name: str) -> list[str]:
    [line] = [line for line in table.splitlines() if line.startswith(f"| {name}")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_what_one_account_costs_is_multiplied() -> None:
    table = scale.table(MEASURED)
    assert cells(table, "rows a day") == ["3,000", "300 thousand", "3 million"]
    assert cells(table, "requests a day") == ["6", "600", "6,000"]
    assert cells(table, "CPU a day") == ["7 s", "11.7 min", "1.94 h"]
    assert cells(table, "warehouse: rows") == ["365 MB", "36.5 GB", "365 GB"]
    assert cells(table, "Dagster's history of a year") == ["219 MB", "21.9 GB", "219 GB"]
    assert cells(table, "memory: a code server") == ["200 MB", "20 GB", "200 GB"]


def test_memory_is_that_of_the_runs_that_may_go_at_once() -> None:
    table = scale.table(MEASURED)
    assert cells(table, "processors") == ["0.0017", "0.17", "1.7"]
    assert cells(table, "memory: runs") == ["300 MB", "6 GB", "6 GB"]


def test_the_page_shows_what_was_measured() -> None:
    text = scale.PAGE.read_text("utf-8")
    assert scale.page(json.loads(scale.MEASURED.read_text("utf-8")), text) == text
