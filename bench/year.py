"""A year's backfill: 365 days of 60 rooms, about a million attendees, in one run; and the same as one run a day.

The stand-in Kaltura is a process of its own. A day's run is started as its user would start it, so it pays for
starting Python and Dagster, as runs of a schedule and of a backfill in many runs do.
"""

import datetime as dt
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.measuring import Figure, median
from resources.settings import CHECKOUT
from simulator import DEMO

FIRST = dt.date(2025, 9, 1)
ASSETS = "kaltura/room_sessions,kaltura/attendees,kaltura/breakout_sessions"
DAYS_IN_A_YEAR = 365
SWEEP_DAYS = 30

Say = Callable[[str], None]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    days, rounds, singles = (60, 1, 2) if quick else (DAYS_IN_A_YEAR, 5, 4)
    with _kaltura() as kaltura:
        installation = _Installation(url, kaltura)
        seconds: list[dict[str, float]] = []
        single: list[float] = []
        multiprocess: list[float] = []
        sweeps: list[float] = []
        for number in range(rounds):
            installation.empty()
            for day in range(singles):
                say(f"a day alone, {day + 1} of {singles}, round {number + 1} of {rounds}")
                on = FIRST + dt.timedelta(days=number * singles + day)
                single.append(installation.day(on, "pipelines.definitions"))
                if day == 0:
                    multiprocess.append(installation.day(on + dt.timedelta(days=100), "bench.multiprocess"))
            say(f"a backfill of {days} days, round {number + 1} of {rounds}")
            installation.empty()
            last = FIRST + dt.timedelta(days=days - 1)
            seconds.append(installation.backfill(FIRST, last))
            say(f"a sweep of {SWEEP_DAYS} days, round {number + 1} of {rounds}")
            sweeps.append(installation.sweep(last) / SWEEP_DAYS)
        rows = installation.rows()
        installation.close()
    sweep = median(f"{SWEEP_DAYS} days again with nothing new, by the command: a day", sweeps, at_most=2)
    return [*_figures(days, rows, seconds, single, multiprocess), sweep]


def _figures(
    days: int, rows: int, runs: list[dict[str, float]], single: list[float], multiprocess: list[float]
) -> list[Figure]:
    run = f"{days} days in one run"
    year = days == DAYS_IN_A_YEAR
    day = statistics.median(single)
    ours = [each["wall"] - each["waiting"] for each in runs]
    figures = [
        Figure(f"{run}: rows of attendees", rows, "rows"),
        median(f"{run}: requests", [each["requests"] for each in runs], "requests"),
        median(f"{run}: wall", [each["wall"] for each in runs]),
        median(f"{run}: all but waiting for the API", ours, at_most=90 if year else None),
        median(f"{run}: peak memory", [each["peak_bytes"] / 2**20 for each in runs], "MB", 400 if year else None),
        median(f"{run}, against one run a day", [each["wall"] / (days * day) for each in runs], "x", 0.1),
        median("one run for one day", single),
        median("one run for one day: a process for its step, against none", [m / day for m in multiprocess], "x"),
    ]
    for name in ("api", "waiting", "postgres", "dagster", "pandas"):
        figures.append(median(f"{run}: share of {name}", [each[name] / each["wall"] for each in runs], "of the wall"))
    return figures


class _Installation:
    """An account, a database and a home for Dagster of the bench's own."""

    def __init__(self, url: str, kaltura: str) -> None:
        self.url = url
        self.home = Path(tempfile.mkdtemp(prefix="bench-dagster-"))
        self.report = self.home / "seconds.json"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KALTURA_", "DAGSTER_"))}
        self.environment = {
            **kept,
            "PYTHON_DOTENV_DISABLED": "1",
            "KALTURA_BASE_URL": kaltura,
            "KALTURA_PARTNER_ID": str(DEMO.partner_id),
            "KALTURA_APP_TOKEN_ID": DEMO.app_token_id,
            "KALTURA_APP_TOKEN": DEMO.app_token,
            "DATABASE_URL": url,
            "DAGSTER_HOME": str(self.home),
            "START_DATE": FIRST.isoformat(),
            "PARTITION_TIMEZONE": "America/New_York",
        }

    def empty(self) -> None:
        """No rows, no history."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "TRUNCATE kaltura.attendees, kaltura.room_sessions, kaltura.breakout_sessions,"
                " kaltura.loads, kaltura.changes, kaltura.rejects"
            )
        for inside in self.home.iterdir():
            shutil.rmtree(inside) if inside.is_dir() else inside.unlink()
        (self.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")

    def backfill(self, first: dt.date, last: dt.date) -> dict[str, float]:
        self._run(sys.executable, "-m", "bench.year_run", str(first), str(last), str(self.report))
        seconds: dict[str, float] = json.loads(self.report.read_text("utf-8"))
        return seconds

    def day(self, day: dt.date, module: str) -> float:
        return self._materialized(module, "--partition", str(day))

    def sweep(self, last: dt.date) -> float:
        """The days up to `last` once more, as `weekly_sweep` pulls them."""
        first = last - dt.timedelta(days=SWEEP_DAYS - 1)
        return self._materialized("pipelines.definitions", "--partition-range", f"{first}...{last}")

    def _materialized(self, module: str, *partitions: str) -> float:
        """How long the command took, from its start to its end."""
        dagster = str(Path(sys.executable).with_name("dagster"))
        started = time.perf_counter()
        self._run(dagster, "asset", "materialize", "-m", module, "--select", ASSETS, *partitions)
        return time.perf_counter() - started

    def rows(self) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT count(*) FROM kaltura.attendees").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        shutil.rmtree(self.home)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextmanager
def _kaltura() -> Iterator[str]:
    """The base URL of a stand-in with the university of `make run`."""
    folder = Path(tempfile.mkdtemp(prefix="bench-kaltura-"))
    port_file = folder / "url"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", "standin", "--port", "0", "--port-file", str(port_file)],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not port_file.exists():
            if process.poll() is not None:
                raise RuntimeError("the stand-in did not start")
            time.sleep(0.05)
        yield port_file.read_text("utf-8").strip()
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)
