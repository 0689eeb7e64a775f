"""All figures in one table: `python -m bench [--quick] [load year growth pulls views]`.

Writes bench/results.json, and with a full run the tables of docs/performance.md.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Column, Table

from bench import growth, load, pulls, views, year
from bench.machine import describe
from bench.measuring import Figure
from resources import local_postgres
from resources.migrations import migrate

RESULTS = Path(__file__).parent / "results.json"

PARTS: dict[str, Callable[[str, bool, load.Say], list[Figure]]] = {
    "load": load.measure,
    "pulls": pulls.measure,
    "year": year.measure,
    "views": views.measure,  # of what `year` leaves behind
    "growth": growth.measure,
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
        figures = []
        with console.status("Starting ...") as status:
            for part in given.parts or PARTS:
                figures += PARTS[part](url, given.quick, status.update)
        machine = describe(url)
    finally:
        local_postgres.remove(folder)
    _print(console, figures)
    console.print(f"{', '.join(machine.values())}\n{time.monotonic() - started:.0f} s", highlight=False)
    RESULTS.write_text(json.dumps(_results(machine, figures, given.quick), indent=1) + "\n", "utf-8")
    return 0


def _keep_a_copy(url: str) -> None:
    """The database `empty`, from which others with our schema are made."""
    with psycopg.connect(url.replace("/postgres?", "/template1?"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty TEMPLATE postgres")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: within three minutes")
    return parser.parse_args()


def _results(machine: dict[str, str], figures: list[Figure], quick: bool) -> dict[str, object]:
    return {
        "machine": machine,
        "quick": quick,
        "ratios": {figure.name: round(figure.value, 4) for figure in figures if figure.is_ratio},
        "figures": [figure.as_json() for figure in figures],
    }


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table(Column("figure", no_wrap=True), "median", "of", "lowest", "highest", "at most")
    for figure in figures:
        samples = figure.samples or [figure.value]
        shown = [f"{number:.3g}" for number in (figure.value, min(samples), max(samples))]
        promise = "" if figure.at_most is None else f"{figure.at_most:.3g} {'kept' if figure.is_kept else 'MISSED'}"
        table.add_row(figure.name, f"{shown[0]} {figure.unit}", str(len(samples)), *shown[1:], promise)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
