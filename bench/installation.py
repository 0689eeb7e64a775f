"""An installation of the bench's own: an account at a stand-in Kaltura, a database, a home for Dagster, and commands on them."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from pipelines.instance.dagster_programs import STARTED_IN, with_checkout
from resources.settings import CHECKOUT
from simulator import DEMO

FIRST = dt.date(2025, 9, 1)
ASSETS = "kaltura/room_sessions,kaltura/attendees,kaltura/breakout_sessions"


def environment(url: str, kaltura: str, home: Path, start: dt.date) -> dict[str, str]:
    """For commands: an account at the stand-in `kaltura`, and nothing of a developer's own."""
    away = ("KALTURA_", "DAGSTER_", "PYTHONDONTWRITEBYTECODE")  # the last as `make` has it
    kept = {name: value for name, value in os.environ.items() if not name.startswith(away)}
    return {
        **with_checkout(kept),
        "PYTHON_DOTENV_DISABLED": "1",
        "KALTURA_BASE_URL": kaltura,
        "KALTURA_PARTNER_ID": str(DEMO.partner_id),
        "KALTURA_APP_TOKEN_ID": DEMO.app_token_id,
        "KALTURA_APP_TOKEN": DEMO.app_token,
        "DATABASE_URL": url,
        "DAGSTER_HOME": str(home),
        "START_DATE": start.isoformat(),
        "PARTITION_TIMEZONE": "America/New_York",
    }


class Installation:
    """An account, a database and a home for Dagster of the bench's own."""

    def __init__(self, url: str, kaltura: str) -> None:
        self.url = url
        self.home = Path(tempfile.mkdtemp(prefix="bench-dagster-"))
        self.report = self.home / "seconds.json"
        self.environment = environment(url, kaltura, self.home, FIRST)

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

    def sweep(self, first: dt.date, last: dt.date) -> float:
        """The days once more, as `weekly_sweep` pulls them."""
        return self._materialized("pipelines.definitions", "--partition-range", f"{first}...{last}")

    def pull(self, first: dt.date, last: dt.date) -> dict[str, float]:
        """By the project's own command: what `bench.watched` writes."""
        days = ("--from", str(first), "--to", str(last))
        self._run(sys.executable, "-m", "bench.watched", str(self.report), "pull", *days)
        seconds: dict[str, float] = json.loads(self.report.read_text("utf-8"))
        return seconds

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
        done = subprocess.run(
            command, cwd=STARTED_IN, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextmanager
def stand_in() -> Iterator[str]:
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
