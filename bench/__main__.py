"""All figures in one table: `python -m bench [--quick] [load pulls year views growth]`.

Writes bench/results.json, and with a run that is not quick the table of docs/performance.md. A run of some parts leaves
the figures of the others there, where they were measured on the same machine.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Column, Table

from bench import growth, load, pages, pulls, views, year
from bench.machine import describe
from bench.measuring import Figure
from resources import local_postgres
from resources.migrations import migrate
from resources.settings import CHECKOUT

RESULTS = CHECKOUT / "bench" / "results.json"
PAGE = CHECKOUT / "docs" / "performance.md"
COMMAND = "make bench"
HEAD = ("figure", "median", "of", "lowest", "highest", "at most")

Results = dict[str, Any]

PARTS: dict[str, Callable[[str, bool, load.Say], list[Figure]]] = {
    "load": load.measure,
    "pulls": pulls.measure,
    "year": year.measure,
    "views": views.measure,  # of what `year` leaves behind
    "growth": growth.measure,
}
TITLES = {
    "load": "A day's load",
    "pulls": "A month of mornings",
    "year": "A year in one run",
    "views": "What analysts wait for",
    "growth": "A day's load as the table grows",
}


def main() -> int:
    given = _arguments()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # the server may run as another user
    local_postgres.start(folder)
    try:
        url = local_postgres.url(folder)
        migrate(url)
        _keep_a_copy(url)
        measured: dict[str, list[Figure]] = {}
        with console.status("Starting ...") as status:
            for part in given.parts or PARTS:
                measured[part] = PARTS[part](url, given.quick, status.update)
                results = _results(describe(url), measured, given.quick)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")  # a later part may fail
    finally:
        local_postgres.remove(folder)
    _print(console, [figure for figures in measured.values() for figure in figures])
    console.print(f"{', '.join(results['machine'].values())}\n{time.monotonic() - started:.0f} s", highlight=False)
    if not given.quick:
        PAGE.write_text(pages.with_section(PAGE.read_text("utf-8"), COMMAND, page_section(results)), "utf-8")
    return 0


def page_section(results: Results) -> str:
    """What docs/performance.md shows of bench/results.json."""
    machine = ", ".join(results["machine"].values())
    parts = []
    for part in PARTS:
        rows = [_cells(Figure.read(figure)) for figure in results["figures"] if figure["part"] == part]
        if rows:
            parts.append(f"### {TITLES[part]}\n\n{pages.table(HEAD, rows)}")
    return "\n\n".join([f"{machine}.", *parts])


def _keep_a_copy(url: str) -> None:
    """The database `empty`, from which others with our schema are made."""
    with psycopg.connect(url.replace("/postgres?", "/template1?"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty TEMPLATE postgres")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: within three minutes")
    return parser.parse_args()


def _results(machine: dict[str, str], measured: dict[str, list[Figure]], quick: bool) -> Results:
    """These figures, and those of other parts that are still good."""
    before: Results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    is_alike = before.get("machine") == machine and before.get("quick") == quick
    kept = [figure for figure in before["figures"] if figure["part"] not in measured] if is_alike else []
    new = [{"part": part, **figure.as_json()} for part, figures in measured.items() for figure in figures]
    figures = sorted([*kept, *new], key=lambda figure: list(PARTS).index(figure["part"]))
    ratios = {figure["name"]: figure["value"] for figure in figures if Figure.read(figure).is_ratio}
    return {"machine": machine, "quick": quick, "ratios": ratios, "figures": figures}


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table(Column(HEAD[0], no_wrap=True), *HEAD[1:])
    for figure in figures:
        table.add_row(*_cells(figure))
    console.print(table)


def _cells(figure: Figure) -> list[str]:
    samples = figure.samples or [figure.value]
    value, least, most = (
        f"{number:.3g}" if number < 1000 else f"{number:,.0f}" for number in (figure.value, min(samples), max(samples))
    )
    promise = "" if figure.at_most is None else f"{figure.at_most:.3g} {'kept' if figure.is_kept else 'MISSED'}"
    return [figure.name, f"{value} {figure.unit}", str(len(samples)), least, most, promise]


if __name__ == "__main__":
    sys.exit(main())
