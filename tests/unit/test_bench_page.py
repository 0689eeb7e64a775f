"""docs/performance.md shows the figures that bench/results.json holds, and says of each promise whether it was kept."""

from bench import pages, results
from bench.measuring import Figure

MACHINE = {"processor": "2 x invented", "memory": "24 GiB"}
LOAD = {"load": [Figure("a day", 1.5, "x", 2.0, [1.4, 1.5, 1.6]), Figure("bytes", 1_234_567, "B")]}


def test_the_page_shows_what_was_measured_last() -> None:
    shown = pages.section(results.PAGE.read_text("utf-8"), results.COMMAND)
    assert shown == results.page_section(results.read())


def test_a_promise_that_was_missed_is_called_missed() -> None:
    figures = {"load": [Figure("slow", 3.0, "x", 2.0), Figure("fast", 1.0, "x", 2.0)]}
    section = results.page_section(results.renewed({}, MACHINE, figures, quick=False))
    assert "| slow | 3 x | 1 | 3 | 3 | 2 MISSED |" in section
    assert "| fast | 1 x | 1 | 1 | 1 | 2 kept |" in section


def test_parts_measured_before_are_kept_where_the_machine_is_the_same() -> None:
    before = results.renewed({}, MACHINE, LOAD, quick=False)
    after = results.renewed(before, MACHINE, {"year": [Figure("wall", 60.0, "s")]}, quick=False)
    assert [figure["part"] for figure in after["figures"]] == ["load", "load", "year"]
    assert after["ratios"] == {"a day": 1.5}


def test_figures_of_another_machine_are_dropped() -> None:
    before = results.renewed({}, MACHINE, LOAD, quick=False)
    after = results.renewed(before, {**MACHINE, "memory": "8 GiB"}, {"year": [Figure("wall", 60.0, "s")]}, quick=False)
    assert [figure["part"] for figure in after["figures"]] == ["year"]
