"""What accounts cost: measured for one, multiplied for many. `python -m bench.scale [--from-measured]`

One account is the stand-in's university of 60 rooms, about a million attendees a year. Its days are pulled as the schedules
pull them; requests, rows, CPU and bytes on disk are read off. Writes bench/scale.json and the table of docs/scale.md.
"""

import argparse
import datetime as dt
import json
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from assets import reports
from bench import installation, pages
from pipelines.instance.dagster_programs import STARTED_IN
from pipelines.range_tags import range_tags
from pipelines.schedules import DAILY_PULL, SWEEP_DAYS, WEEKLY_SWEEP
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.settings import CHECKOUT, Settings

MEASURED = Path(__file__).parent / "scale.json"
PAGE = CHECKOUT / "docs" / "scale.md"
COMMAND = "python -m bench.scale"

FIRST = dt.date(2026, 2, 2)  # a Monday in term
DAYS = 28
PULLS = 2
DAYS_A_YEAR = 365
ACCOUNTS = (1, 100, 1000)
RUNS_AT_ONCE = 20  # of deploy/k8s/values.yaml
TABLES = ("attendees", "room_sessions", "breakout_sessions", "loads", "changes", "rejects")

Measured = Mapping[str, float]


def measure() -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    folder.chmod(0o755)
    local_postgres.start(folder / "postgres")
    try:
        url = local_postgres.url(folder / "postgres")
        migrate(url, reports.TABLES)
        with installation.stand_in() as kaltura:
            return _measured(url, kaltura, folder)
    finally:
        local_postgres.remove(folder / "postgres")
        shutil.rmtree(folder)


def _measured(url: str, kaltura: str, folder: Path) -> dict[str, float]:
    home = folder / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
    environment = installation.environment(url, kaltura, home, dt.date(2025, 1, 1))
    last = FIRST + dt.timedelta(days=DAYS - 1)
    with psycopg.connect(url, autocommit=True) as database:
        before = _bytes(database)
        backfill = _run(environment, FIRST, last, DAILY_PULL.name)
        rows = _rows(database)
        after = _bytes(database)
        found = {
            "attendees a day": rows["attendees"] / DAYS,
            "sessions a day": rows["room_sessions"] / DAYS,
            "breakouts a day": rows["breakout_sessions"] / DAYS,
            "bytes of rows a day": sum(after[t] - before[t] for t in TABLES[:3]) / DAYS,
            "bytes a load": (after["loads"] - before["loads"]) / rows["loads"],
            "backfill: CPU seconds a day": backfill["cpu"] / DAYS,
            "backfill: requests a day": backfill["requests"] / DAYS,
        }
        days = Settings.from_environment({}).lookback_days + 1
        pulls, history = [], _size_of(home)
        for number in range(PULLS):
            day = last + dt.timedelta(days=number + 1)
            pulls.append(_run(environment, day - dt.timedelta(days=days - 1), day, DAILY_PULL.name))
        after_pulls = _size_of(home)
        sweep = _run(environment, day - dt.timedelta(days=SWEEP_DAYS - 1), day, WEEKLY_SWEEP.name)
    return found | {
        "daily pull: days": days,
        "daily pull: CPU seconds": sum(pull["cpu"] for pull in pulls) / PULLS,
        "daily pull: seconds": sum(pull["wall"] for pull in pulls) / PULLS,
        "daily pull: requests": sum(pull["requests"] for pull in pulls) / PULLS,
        "daily pull: peak bytes": max(pull["peak"] for pull in pulls),
        "weekly sweep: CPU seconds": sweep["cpu"],
        "weekly sweep: requests": sweep["requests"],
        "daily pull: bytes of Dagster's history": (after_pulls - history) / PULLS,
        "weekly sweep: bytes of Dagster's history": _size_of(home) - after_pulls,
        "bytes of memory of a code server": _code_server(environment),
    }


def _run(environment: Mapping[str, str], first: dt.date, last: dt.date, job: str) -> dict[str, float]:
    """A run of the schedule's job, with its own start. CPU is the run's, not the database's."""
    url = environment["DATABASE_URL"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with psycopg.connect(url) as database:
        newest = database.execute("SELECT coalesce(max(id), 0) FROM kaltura.loads").fetchone()
    command = [str(Path(sys.executable).with_name("dagster")), "job", "execute", "-m", "pipelines.definitions"]
    words = ["-j", job, "--tags", json.dumps(range_tags(first, last))]
    done = subprocess.run(
        [*command, *words], cwd=STARTED_IN, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    with psycopg.connect(url) as database:
        # Each load says what its window took, so days of one window say the same.
        requests = database.execute(
            "SELECT sum(requests) FROM (SELECT DISTINCT report_id, window_start, window_end, requests"
            " FROM kaltura.loads WHERE id > %s) AS windows",
            newest,
        ).fetchone()
    return {
        "wall": time.perf_counter() - started,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak": after.ru_maxrss * 1024,
        "requests": float(requests[0]) if requests else 0.0,
    }


def _rows(database: psycopg.Connection) -> dict[str, int]:
    found = {}
    for table in TABLES:
        row = database.execute(f"SELECT count(*) FROM kaltura.{table}".encode()).fetchone()
        found[table] = int(row[0]) if row else 0
    return found


def _bytes(database: psycopg.Connection) -> dict[str, int]:
    """Tables with their indexes, as they are on disk."""
    found = {}
    for table in TABLES:
        row = database.execute("SELECT pg_total_relation_size(%s)", [f"kaltura.{table}"]).fetchone()
        found[table] = int(row[0]) if row else 0
    return found


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _code_server(environment: Mapping[str, str]) -> int:
    """Bytes that are its own: what several on one machine share counts for none of them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name("dagster"))
    with _process([program, "api", "grpc", "-m", "pipelines.definitions", "-p", str(port)], environment) as server:
        while server.poll() is None and not _listens(port):
            time.sleep(0.2)
        processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        return sum(process.memory_full_info().uss for process in processes)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _process(command: list[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=STARTED_IN, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()  # it holds nothing, and takes its time to end otherwise
        process.wait()


def table(measured: Measured) -> str:
    """The figures for many accounts, as Markdown."""
    columns = [_figures(measured, accounts) for accounts in ACCOUNTS]
    head = "| | " + " | ".join(f"{n:,} account{'s' if n > 1 else ''}" for n in ACCOUNTS) + " |"
    lines = [head, "|---|" + "---:|" * len(ACCOUNTS)]
    lines += ["| " + " | ".join([name, *(column[name] for column in columns)]) + " |" for name in columns[0]]
    return "\n".join(lines)


def _figures(measured: Measured, accounts: int) -> dict[str, str]:
    m = measured
    rows = m["attendees a day"] + m["sessions a day"] + m["breakouts a day"]
    loads = 3 * (m["daily pull: days"] + SWEEP_DAYS / 7)
    requests = m["daily pull: requests"] + m["weekly sweep: requests"] / 7
    cpu = m["daily pull: CPU seconds"] + m["weekly sweep: CPU seconds"] / 7
    year = m["bytes of rows a day"] * DAYS_A_YEAR
    books = m["bytes a load"] * loads * DAYS_A_YEAR
    history = DAYS_A_YEAR * (
        m["daily pull: bytes of Dagster's history"] + m["weekly sweep: bytes of Dagster's history"] / 7
    )
    processors = m["daily pull: CPU seconds"] * accounts / 3600
    return {
        "rows a day": _count(rows * accounts),
        "rows a year": _count(rows * DAYS_A_YEAR * accounts),
        "requests a day": _count(requests * accounts),
        "CPU a day, database not counted": _duration(cpu * accounts),
        "processors, for the daily pull within an hour": f"{processors:.2g}",
        "a backfill of a year: CPU": _duration(m["backfill: CPU seconds a day"] * DAYS_A_YEAR * accounts),
        "a backfill of a year: requests": _count(m["backfill: requests a day"] * DAYS_A_YEAR * accounts),
        "warehouse: rows of a year, with indexes": _size(year * accounts),
        "warehouse: bookkeeping of a year (`loads`)": _size(books * accounts),
        "Dagster's history of a year": _size(history * accounts),
        "memory: a code server an account": _size(m["bytes of memory of a code server"] * accounts),
        f"memory: runs, {RUNS_AT_ONCE} at once": _size(m["daily pull: peak bytes"] * min(accounts, RUNS_AT_ONCE)),
    }


def _count(number: float) -> str:
    for limit, divisor, unit in ((1e9, 1e9, " billion"), (1e6, 1e6, " million"), (1e4, 1e3, " thousand")):
        if number >= limit:
            return f"{number / divisor:.3g}{unit}"
    return f"{number:,.0f}"


def _size(number: float) -> str:
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number / 1e3:.3g} kB"


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 90 else f"{seconds:.3g} s"


def page(measured: Measured, text: str) -> str:
    """docs/scale.md with its table made anew."""
    return pages.with_section(text, COMMAND, table(measured))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description="What 1, 100 and 1,000 accounts cost.")
    parser.add_argument(
        "--from-measured", action="store_true", help="compute anew from bench/scale.json, measure nothing"
    )
    if not parser.parse_args().from_measured:
        measured = {name: round(value, 3) for name, value in measure().items()}
        MEASURED.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    measured = json.loads(MEASURED.read_text("utf-8"))
    print(table(measured))
    if PAGE.exists():
        PAGE.write_text(page(measured, PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
