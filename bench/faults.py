"""The fault table of docs/reliability.md: `python -m bench.faults` (`make faults`) measures it and writes it there.

With `--only TEXT` (`make faults ONLY=TEXT`) the faults with that in their name alone.

Each kind of fault in each report, in the first, the middle and the last window of a backfill: some two hundred
backfills, on several processes, each with a database and a stand-in of its own.
"""

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import pages
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.settings import CHECKOUT

if TYPE_CHECKING:
    from bench.fault_runs import Backfills, Case, Outcome

PAGE = CHECKOUT / "docs" / "reliability.md"
COMMAND = "make faults"
HEAD = (
    "what goes wrong", "in report", "in window", "what becomes of the 12 days", "requests more", "pauses",
    "rows lost", "rows twice",
)  # fmt: skip

# What a developer's own settings would change in what is measured.
_SETTINGS = ("KALTURA_", "DAGSTER_", "DATABASE_URL", "START_DATE", "PARTITION_TIMEZONE", "SESSION_GRACE_", "DAYS_PER_")

Span = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """A row of the table: one kind of fault, in all reports and windows where it came to the same."""

    trouble: str
    reports: tuple[str, ...]
    places: tuple[str, ...]
    words: str
    requests: Span
    pauses: Span
    lost: int
    twice: int

    @property
    def cells(self) -> list[str]:
        requests = " to ".join(f"{number:+.0f}" for number in dict.fromkeys(self.requests))
        pauses = " to ".join(f"{number:.0f}" for number in dict.fromkeys(self.pauses))
        return [
            self.trouble,
            ", ".join(self.reports),
            ", ".join(self.places),
            self.words,
            requests,
            f"{pauses} s",
            str(self.lost),
            str(self.twice),
        ]

    @classmethod
    def read(cls, line: str) -> "Row":
        """The row that a line of the page shows."""
        trouble, reports, places, words, requests, pauses, lost, twice = (
            cell.strip() for cell in line.strip("| \n").split("|")
        )
        return cls(
            trouble, tuple(reports.split(", ")), tuple(places.split(", ")), words, _span(requests), _span(pauses),
            int(lost), int(twice),
        )  # fmt: skip

    def holds(self, case: "Case", outcome: "Outcome") -> bool:
        """Whether this is the case's row, and says what came of it."""
        return (
            self.is_about(case)
            and self.words == in_words(outcome)
            and self.requests[0] <= outcome.requests <= self.requests[1]
            and self.pauses[0] <= outcome.pauses[0] <= outcome.pauses[1] <= self.pauses[1]
            and (self.lost, self.twice) == (outcome.lost, outcome.twice)
        )

    def is_about(self, case: "Case") -> bool:
        return (
            case.trouble.name == self.trouble
            and str(case.report.report_id) in self.reports
            and case.place in self.places
        )


def _span(text: str) -> Span:
    numbers = [float(number) for number in re.findall(r"[+-]?\d+", text)]
    return numbers[0], numbers[-1]


def in_words(outcome: "Outcome") -> str:
    """Green days, red ones, and what a retry after mending does."""
    from bench.fault_runs import DAYS

    if not outcome.red:
        return "all green"
    first = f"{outcome.red} red, {len(DAYS) - outcome.red} green; "
    if outcome.red_after_retry == 0 and outcome.retried == outcome.red:
        return first + f"mended, a retry pulls the {outcome.red} alone"
    return first + f"a retry pulls {outcome.retried}, and {outcome.red_after_retry} stay red"


def rows(measured: Iterable[tuple["Case", "Outcome"]]) -> list[Row]:
    """The table's rows: what came to the same is one."""
    alike: dict[tuple[str, str], dict[str, dict[str, Outcome]]] = defaultdict(lambda: defaultdict(dict))
    for case, outcome in measured:
        alike[case.trouble.name, in_words(outcome)][case.place][str(case.report.report_id)] = outcome
    table = []
    for (trouble, words), by_place in alike.items():
        by_reports: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for place, by_report in by_place.items():
            by_reports[tuple(by_report)].append(place)
        for reports, places in by_reports.items():
            outcomes = [by_place[place][report] for place in places for report in reports]
            table.append(_row(trouble, words, reports, tuple(places), outcomes))
    return table


def _row(trouble: str, words: str, reports: tuple[str, ...], places: tuple[str, ...], outcomes: list["Outcome"]) -> Row:
    requests = [outcome.requests for outcome in outcomes]
    return Row(
        trouble,
        reports,
        places,
        words,
        (min(requests), max(requests)),
        (min(outcome.pauses[0] for outcome in outcomes), max(outcome.pauses[1] for outcome in outcomes)),
        sum(outcome.lost for outcome in outcomes),
        sum(outcome.twice for outcome in outcomes),
    )


def rows_in(page: str) -> list[Row]:
    """The table as the page has it. Raises `ValueError` where the page has none."""
    lines = pages.section(page, COMMAND).splitlines()
    return [Row.read(line) for line in [line for line in lines if line.startswith("|")][2:]]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults", description="Measure the fault table of docs/reliability.md and write it there."
    )
    parser.add_argument("--only", default="", help="the faults with this in their name; rows of the others stay")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="backfills at a time (default: one a processor)"
    )
    arguments = parser.parse_args()
    processes = max(1, arguments.processes)
    console = Console() if sys.stdout.isatty() else Console(width=160)
    started = time.monotonic()
    _leave_settings_out()
    numbers = _named(arguments.only)
    if not numbers:
        parser.error(f"no fault has {arguments.only!r} in its name; docs/reliability.md names them")
    with Progress(console=console, transient=True) as progress:
        measured = []
        for case, outcome, count in _measured(processes, numbers):
            task = progress.task_ids[0] if progress.task_ids else progress.add_task("Backfills", total=count)
            measured.append((case, outcome))
            progress.update(task, advance=1, description=f"{case.trouble.name}, {case.report.report_id}")
    table = rows(measured)
    _print(console, table)
    _write(table)
    console.print(f"{len(measured)} backfills in {time.monotonic() - started:.0f} s. Wrote docs/reliability.md.")
    return 1 if any(row.lost or row.twice for row in table) else 0


def _leave_settings_out() -> None:
    """Before anything is imported that reads them."""
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"
    os.environ["PYTHONWARNINGS"] = "ignore::DeprecationWarning"  # Dagster's, one a day
    for name in [name for name in os.environ if name.startswith(_SETTINGS)]:
        del os.environ[name]


@contextmanager
def _databases(count: int) -> Iterator[list[str]]:
    """The URLs of migrated databases. Durability is off: what a crash does is for tests that crash servers."""
    from assets.reports import TABLES  # which reads the settings, as bench.fault_runs does

    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    folder.chmod(0o755)  # the server may run as another user
    local_postgres.start(folder)
    try:
        names = [f"faults_{number}" for number in range(count)]
        with psycopg.connect(local_postgres.url(folder), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
            for name in names:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        urls = [local_postgres.url(folder, name) for name in names]
        for url in urls:
            migrate(url, TABLES)
        yield urls
    finally:
        local_postgres.remove(folder)


def _named(text: str) -> list[int]:
    """The numbers of the cases whose fault has that in its name."""
    from bench.fault_runs import CASES

    return [number for number, case in enumerate(CASES) if text in case.trouble.name]


def _measured(processes: int, numbers: list[int]) -> Iterator[tuple["Case", "Outcome", int]]:
    from bench.fault_runs import CASES

    spawning = multiprocessing.get_context("spawn")
    with _databases(processes) as urls:
        waiting = spawning.Queue()
        for url in urls:
            waiting.put(url)
        with spawning.Pool(len(urls), _prepare, (waiting,)) as pool:
            for number, outcome in zip(numbers, pool.imap(_outcome, numbers), strict=True):
                yield CASES[number], outcome, len(numbers)


_open = ExitStack()
_backfills: "list[Backfills]" = []  # of this process: one, once it is prepared


def _prepare(waiting: "multiprocessing.Queue[str]") -> None:
    from bench.fault_runs import Backfills
    from simulator import ListedWorld, serving

    backfills = Backfills(_open.enter_context(serving(ListedWorld())), waiting.get())
    backfills.prepare()
    _backfills.append(backfills)


def _outcome(number: int) -> "Outcome":
    from bench.fault_runs import CASES

    return _backfills[0].outcome(CASES[number])


def _print(console: Console, table: list[Row]) -> None:
    shown = Table(*HEAD)
    for row in table:
        shown.add_row(*row.cells)
    console.print(shown)


def _write(table: list[Row]) -> None:
    """The rows that were measured, and for all other faults those that are there."""
    from bench.fault_runs import CASES, TROUBLES

    page = PAGE.read_text("utf-8")
    measured = {row.trouble for row in table}
    by_trouble = [row for row in rows_in(page) if row.trouble not in measured] + table
    order = [trouble.name for trouble in TROUBLES]
    ordered = sorted((row for row in by_trouble if row.trouble in order), key=lambda row: order.index(row.trouble))
    text = f"{len(CASES)} backfills of 12 days.\n\n{pages.table(HEAD, [row.cells for row in ordered])}"
    PAGE.write_text(pages.with_section(page, COMMAND, text), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
