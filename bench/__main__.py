"""All figures in one table: `python -m bench [--quick] [load pulls command year views lookups growth]`.

Writes bench/results.json and the tables of docs/performance.md; a quick run writes bench/look.json. A run of some parts
leaves the figures of the others there, where they were measured on the same machine.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Column, Table

from assets.reports import TABLES
from bench import command, growth, load, lookups, pulls, results, views, year
from bench.machine import describe
from bench.measuring import Figure, beside
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate

PARTS: dict[str, Callable[[str, bool, load.Say], list[Figure]]] = {
    "load": load.measure,
    "pulls": pulls.measure,
    "command": command.measure,
    "year": year.measure,
    "views": views.measure,  # of what `year` leaves behind
    "lookups": lookups.measure,
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
        migrate(url, TABLES)
        _keep_a_copy(url)
        measured: dict[str, list[Figure]] = {}
        with console.status("Starting ...") as status:
            for part in _parts(given.parts):
                measured[part] = PARTS[part](url, given.quick, status.update)
                machine = describe(url)
                before = results.read(quick=given.quick)
                results.write(results.renewed(before, machine, measured, given.quick))  # a later part may fail
    finally:
        local_postgres.remove(folder)
    _print(console, [figure for figures in measured.values() for figure in figures])
    console.print(f"{', '.join(machine.values())}\n{time.monotonic() - started:.0f} s", highlight=False)
    return 0


def _parts(named: list[str]) -> list[str]:
    """Whoever names the views means them one by one too; what `year` leaves behind is measured where it was named."""
    if "views" in named and "year" not in named:
        named = [part if part != "views" else "lookups" for part in named if part != "lookups"]
    return named or list(PARTS)


def _keep_a_copy(url: str) -> None:
    """The database `empty`, from which others with our schema are made."""
    with psycopg.connect(beside(url, "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE empty TEMPLATE {local_postgres.DATABASE}".encode())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds: within three minutes")
    return parser.parse_args()


def _print(console: Console, figures: list[Figure]) -> None:
    table = Table(Column(results.HEAD[0], no_wrap=True), *results.HEAD[1:])
    for figure in figures:
        table.add_row(*results.cells(figure))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
