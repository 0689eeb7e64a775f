"""docs/scale.md: the table of recorded years is what was measured."""

import json

from bench import pages, recorded


def test_the_page_shows_what_was_measured() -> None:
    measured = json.loads(recorded.MEASURED.read_text("utf-8"))
    assert pages.section(recorded.PAGE.read_text("utf-8"), recorded.COMMAND) == recorded.table(measured)


def test_a_state_is_told_with_its_size_its_runs_and_how_long_status_takes() -> None:
    [*_, line] = recorded.table({"2 days": [1_500_000, 1250, 2.94]}).splitlines()
    assert line == "| 2 days | 2 MB | 1,250 | 2.9 s |"
