"""What was measured, as bench/results.json keeps it and docs/performance.md shows it.

A look (`QUICK=1`) goes into a file of its own, and does not take the place of what was measured in earnest.
"""

import json
from typing import Any

from bench import pages
from bench.measuring import Figure
from resources.settings import CHECKOUT

RESULTS = CHECKOUT / "bench" / "results.json"
LOOK = CHECKOUT / "bench" / "look.json"
PAGE = CHECKOUT / "docs" / "performance.md"
COMMAND = "make bench"
HEAD = ("figure", "median", "of", "lowest", "highest", "at most")
TITLES = {
    "load": "A day's load",
    "pulls": "A month of mornings",
    "command": "The command that pulls",
    "year": "A year in one run",
    "views": "What analysts wait for",
    "lookups": "One of each, out of ten million",
    "growth": "A day's load as the table grows",
}

Results = dict[str, Any]


def read(*, quick: bool = False) -> Results:
    """Nothing where nothing was measured yet."""
    file = LOOK if quick else RESULTS
    results: Results = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return results


def write(results: Results) -> None:
    file = LOOK if results["quick"] else RESULTS
    file.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    if file == RESULTS:
        PAGE.write_text(pages.with_section(PAGE.read_text("utf-8"), COMMAND, page_section(results)), "utf-8")


def renewed(before: Results, machine: dict[str, str], measured: dict[str, list[Figure]], quick: bool) -> Results:
    """The figures of these parts, and those of other parts that are still good."""
    is_alike = before.get("machine") == machine
    kept = [figure for figure in before["figures"] if figure["part"] not in measured] if is_alike else []
    new = [{"part": part, **figure.as_json()} for part, figures in measured.items() for figure in figures]
    figures = sorted([*kept, *new], key=lambda figure: list(TITLES).index(figure["part"]))
    ratios = {figure["name"]: figure["value"] for figure in figures if Figure.read(figure).is_ratio}
    return {"machine": machine, "quick": quick, "ratios": ratios, "figures": figures}


def page_section(results: Results) -> str:
    """What docs/performance.md shows of bench/results.json."""
    machine = ", ".join(results["machine"].values())
    parts = []
    for part, title in TITLES.items():
        rows = [cells(Figure.read(figure)) for figure in results["figures"] if figure["part"] == part]
        if rows:
            parts.append(f"### {title}\n\n{pages.table(HEAD, rows)}")
    return "\n\n".join([f"{machine}.", *parts])


def cells(figure: Figure) -> list[str]:
    samples = figure.samples or [figure.value]
    value, least, most = (
        f"{number:.3g}" if number < 1000 else f"{number:,.0f}" for number in (figure.value, min(samples), max(samples))
    )
    promise = "" if figure.at_most is None else f"{figure.at_most:.3g} {'kept' if figure.is_kept else 'MISSED'}"
    return [figure.name, f"{value} {figure.unit}", str(len(samples)), least, most, promise]
