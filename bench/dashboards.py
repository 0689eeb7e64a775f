"""What charts wait for on ten million attendees: `python -m bench.dashboards WAREHOUSE_URL` (a database of its own).

The warehouse that is there (some weeks of the stand-in's university with its lists) is copied into the past until it holds so
many; then each chart is asked for through Superset's API three times, with the filters that its dashboard begins with. It is
Superset that writes the queries.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from pipelines.commands.dashboards import answers, bring_up_to_date
from pipelines.dashboards.board import Board
from pipelines.dashboards.boards import BOARDS
from pipelines.dashboards.charts import Chart
from pipelines.dashboards.courses import COURSES
from resources.local.superset import Superset

ATTENDEES = 10_000_000
ROUNDS = 3
PORT = 8188
_TIMES = ("session_start_time", "session_end_time", "window_start", "window_end", "planned_start_at", "planned_end_at")
_TABLES = {  # in the order in which loads write them, so that what is asked for together lies together
    "kaltura.room_sessions": "partition_date, entry_id, cue_point_id",
    "kaltura.breakout_sessions": "partition_date, breakout_entry_id, cue_point_id",
    "kaltura.attendees": "partition_date, entry_id, cue_point_id, user_id",
    "kaltura.loads": "id",
    "university.courses": "course_id",
    "university.course_rooms": "course_id",
    "university.enrolments": "course_id",
    "university.timetable": "course_id",
}


def fill(url: str) -> int:
    """Copy what is there into the past, its weeks a whole number, until there are so many attendees; how many there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        count, weeks = connection.execute(
            "SELECT count(*), (max(partition_date) - min(partition_date) + 7) / 7 FROM kaltura.attendees"
        ).fetchone() or (0, 0)
        copies = range(1, ATTENDEES // count + 1)
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(
            "UPDATE university.courses SET (starts_on, ends_on) ="
            " (SELECT min(partition_date), max(partition_date) FROM kaltura.loads)"
        )
        for table, order in _TABLES.items():
            _copy(connection, table, order, copies, weeks * 7)
        # Its summaries are of the rows that were there when its pages were begun.
        connection.execute("REINDEX INDEX kaltura.attendees_by_day")
        connection.execute("VACUUM (ANALYZE)")
        row = connection.execute("SELECT count(*) FROM kaltura.attendees").fetchone()
    return int(row[0]) if row else 0


def _copy(connection: psycopg.Connection, table: str, order: str, copies: range, days: int) -> None:
    names = [d.name for d in connection.execute(f"SELECT * FROM {table} LIMIT 0").description or ()]
    moved = {
        "cue_point_id": "cue_point_id || '_' || %(copy)s",
        "course_id": "course_id || '_' || %(copy)s",
        "id": "id + %(copy)s * 1000000",
        **{
            name: f"{name} - %(days)s::integer"
            for name in ("partition_date", "starts_on", "ends_on", "from_date", "to_date")
        },
        **{name: f"{name} - %(days)s * interval '1 day'" for name in _TIMES},
    }
    values = ", ".join(moved.get(name, name) for name in names)
    connection.execute(f"CREATE TEMPORARY TABLE original AS SELECT * FROM {table}")
    for copy in copies:
        connection.execute(
            f"INSERT INTO {table} ({', '.join(names)}) OVERRIDING SYSTEM VALUE SELECT {values} FROM original"
            f" ORDER BY {order}".encode(),
            {"copy": copy, "days": copy * days},
        )
    connection.execute("DROP TABLE original")


@contextmanager
def served(url: str) -> Iterator[httpx.Client]:
    """Superset over the warehouse, and its administrator's session: who may not see who people are."""
    with tempfile.TemporaryDirectory(prefix="bench-dashboards-") as folder:
        superset = Superset(Path(folder))
        superset.require()
        superset.make_secrets()
        bring_up_to_date(superset, url, "UTC")
        process = superset.serve(PORT)
        try:
            while not answers(PORT) and process.poll() is None:
                time.sleep(0.5)
            with httpx.Client(base_url=f"http://127.0.0.1:{PORT}", timeout=120) as client:
                who = {"username": "admin", "password": superset.secret("superset_admin_password"), "provider": "db"}
                token = client.post("/api/v1/security/login", json=who).raise_for_status().json()["access_token"]
                client.headers["Authorization"] = f"Bearer {token}"
                client.headers["X-CSRFToken"] = client.get("/api/v1/security/csrf_token/").json()["result"]
                client.headers["Referer"] = str(client.base_url)
                yield client
        finally:
            process.terminate()
            process.wait(30)


def measure(url: str) -> Iterator[tuple[str, str, float]]:
    """Of each chart: its dashboard, its name, and the median of the seconds until its data were there."""
    with served(url) as client, psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT max(course_id) FROM university.courses WHERE course_id NOT LIKE '%\\_%'"
        ).fetchone()
        found = client.get("/api/v1/chart/", params={"q": "(page_size:100,columns:!(id,slice_name))"}).json()["result"]
        numbers = {each["slice_name"]: each["id"] for each in found}
        told = set()
        for board in BOARDS:
            for chart in [chart for chart in board.charts if chart.name not in told]:
                told.add(chart.name)
                stored = client.get(f"/api/v1/chart/{numbers[chart.name]}").raise_for_status().json()["result"]
                asked = _filtered(json.loads(stored["query_context"]), board, chart, row[0] if row else "")
                yield board.title, chart.name, statistics.median(_seconds(client, asked) for _ in range(ROUNDS))


def _filtered(context: dict[str, Any], board: Board, chart: Chart, course: str) -> dict[str, Any]:
    """As the dashboard begins: its days, and one course."""
    filters = [{"col": chart.time, "op": "TEMPORAL_RANGE", "val": board.days}] if chart.time else []
    if board is COURSES and chart is not board.known:
        filters.append({"col": "course_id", "op": "IN", "val": [course]})  # type: ignore[dict-item]
    context["queries"][0]["filters"] = filters
    return {**context, "force": True}


def _seconds(client: httpx.Client, asked: dict[str, Any]) -> float:
    began = time.perf_counter()
    client.post("/api/v1/chart/data", json=asked).raise_for_status()
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dashboards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "url", help="a migrated warehouse with some weeks in it: it is filled, and of no use afterwards"
    )
    parser.add_argument("--filled", action="store_true", help="it was filled before")
    given = parser.parse_args()
    if not given.filled:
        print(f"{fill(given.url):,} attendees", flush=True)
    print("| dashboard | chart | seconds |\n|---|---|---:|")
    for board, chart, seconds in measure(given.url):
        print(f"| {board} | {chart} | {seconds:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
