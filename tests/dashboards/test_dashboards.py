"""The dashboards in a real Superset: every chart against SQL of other words, what rights let be seen, imports, a browser."""

import datetime as dt
import io
import math
import shutil
import sqlite3
import zipfile
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import run_folder
import yaml
from dashboard_figures import QUERIES, SOME_COLUMNS, query
from pipeline import free_port, wait_until
from superset_api import Api, Served

from pipelines.commands.dashboards import answers, bring_up_to_date
from pipelines.dashboards import bundle
from pipelines.dashboards.boards import BOARDS
from pipelines.dashboards.charts import as_sql
from resources.local.superset import Superset

CHARTS = {chart.name: chart for board in BOARDS for chart in board.charts}


def test_every_chart_has_a_query_of_its_own() -> None:
    assert set(QUERIES) == set(CHARTS)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_what_the_tables_hold(name: str, served: Served, analyst: Api) -> None:
    chart = CHARTS[name]
    answer = analyst.data(served.admin.charts()[name])
    columns = [each if isinstance(each, str) else each["label"] for each in chart.grouped]
    wanted = SOME_COLUMNS.get(name, (*columns, *chart.metrics))
    got = [tuple(_plain(row[column]) for column in wanted) for row in answer["data"]]
    with psycopg.connect(served.warehouse) as connection:
        connection.execute("SET timezone = 'UTC'")
        rows = [tuple(map(_plain, row)) for row in connection.execute(query(name).encode()).fetchall()]
    assert got, f"{name} shows nothing"
    if name == "Restated sessions":
        assert len(got) == len(rows)
        return
    assert len(got) == min(len(rows), chart.limit)
    assert not (set(got) - set(rows)) or _all_near(got, rows)
    if chart.order and chart.order[0][0] in wanted:
        by, ascends = wanted.index(chart.order[0][0]), chart.order[0][1]
        known = sorted((row[by] for row in rows if row[by] is not None), reverse=not ascends)
        assert [row[by] for row in got] == pytest.approx([*known, *[None] * (len(rows) - len(known))][: chart.limit])


_A_DAY = 1e11  # what is larger is a time in milliseconds


def _plain(value: Any) -> Any:
    """As JSON has it: times in milliseconds; figures to nine digits."""
    if isinstance(value, dt.datetime):
        return round(value.replace(tzinfo=dt.UTC).timestamp() * 1000)
    if isinstance(value, dt.date):
        return round(dt.datetime.combine(value, dt.time(), dt.UTC).timestamp() * 1000)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value > _A_DAY:
        return round(value)
    if isinstance(value, int | float | Decimal):
        return float(f"{float(value):.9g}")
    return value


def _all_near(got: list[tuple[Any, ...]], rows: list[tuple[Any, ...]]) -> bool:
    return all(any(_near(row, other) for other in rows) for row in got)


def _near(row: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=1e-7) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(row, other, strict=True)
    )


def test_a_trend_has_a_row_without_a_figure_for_a_week_that_has_no_sessions(served: Served, analyst: Api) -> None:
    """Superset compares the newest row with the one before it, which is to be the week before, and with nothing else."""
    with psycopg.connect(served.warehouse) as connection:
        weeks = connection.execute(
            "SELECT date_trunc('week', session_date)::date, count(*) FROM analytics.sessions WHERE NOT is_breakout"
            " GROUP BY 1 ORDER BY 1"
        ).fetchall()
    gap, newest = weeks[1][0], weeks[-1][0]
    stored = served.admin.get(f"/api/v1/chart/{served.admin.charts()['Sessions of the week']}")["result"]
    context = {**yaml.safe_load(stored["query_context"]), "force": True}
    context["queries"][0]["extras"]["where"] = f"(week_date <> DATE '{gap}')"
    unknown = f"CASE WHEN MAX(week_date) < DATE '{newest}' THEN SUM(session_count) END"
    for metric, known in (("sessions", weeks[1:]), (as_sql("sessions", unknown), weeks[1:-1])):
        context["queries"][0]["metrics"] = [metric]
        [answer] = analyst.post("/api/v1/chart/data", json=context)["result"]
        got = [(row["week_day"], row["sessions"]) for row in answer["data"]]
        assert got == [
            (_plain(week), None if week == gap or (week, count) not in [weeks[0], *known] else count)
            for week, count in weeks
        ]


def test_the_busiest_are_shown_first_where_the_time_in_some_rooms_is_not_known(served: Served, analyst: Api) -> None:
    number = served.admin.charts()["Busiest rooms"]
    with psycopg.connect(served.warehouse, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.times AS SELECT * FROM kaltura.attendees")
        busiest = [row["room_id"] for row in analyst.data(number)["data"]]
        try:
            connection.execute(
                "UPDATE kaltura.attendees SET meeting_view_time = NULL WHERE entry_id = ANY(%s)", [busiest[:2]]
            )
            shown = analyst.data(number)["data"]
        finally:
            connection.execute(
                "UPDATE kaltura.attendees SET meeting_view_time = times.meeting_view_time FROM public.times"
                " WHERE (attendees.entry_id, attendees.cue_point_id, attendees.user_id)"
                " = (times.entry_id, times.cue_point_id, times.user_id)"
            )
            connection.execute("DROP TABLE public.times")
    assert [row["room_id"] for row in shown][: len(busiest) - 2] == busiest[2:]


# ------------------------------------------------------------------------------------------------------------- rights


def people(warehouse: str) -> tuple[set[str], set[str]]:
    """The ids and names of everybody in the tables."""
    with psycopg.connect(warehouse) as connection:
        rows = connection.execute("SELECT user_id, user_name, user_email FROM kaltura.attendees").fetchall()
        hosts = connection.execute("SELECT session_host_user_id FROM kaltura.room_sessions").fetchall()
    ids = {row[0] for row in [*rows, *hosts] if row[0]} - {"0", "Unknown", "Error"}
    return ids, {name for row in rows for name in row[1:] if name}


def test_an_analyst_finds_no_id_and_no_name_in_any_answer(served: Served, analyst: Api) -> None:
    ids, names = people(served.warehouse)
    for name, number in served.admin.charts().items():
        cells = {cell for row in analyst.data(number)["data"] for cell in row.values() if isinstance(cell, str)}
        assert not cells & (ids | names), f"{name} shows {len(cells & (ids | names))} of them"


def test_who_may_see_people_is_shown_them_and_no_cache_shows_them_to_others(
    served: Served, people_analyst: Api, analyst: Api
) -> None:
    ids, names = people(served.warehouse)
    number = served.admin.charts()["People and their time"]
    for api, sees in ((people_analyst, True), (analyst, False), (served.admin, False), (people_analyst, True)):
        rows = api.get(f"/api/v1/chart/{number}/data/")["result"][0]["data"]
        assert {row["person_id"] for row in rows} <= ids if sees else not {row["person_id"] for row in rows} & ids
        assert any(row["newest_person_name"] in names for row in rows) is sees


def test_superset_writes_down_who_asked_and_not_for_whom(served: Served, people_analyst: Api) -> None:
    """A click on a row of a person filters the other charts: the request names the person."""
    number = served.admin.charts()["People and their time"]
    context = yaml.safe_load(served.admin.get(f"/api/v1/chart/{number}")["result"]["query_context"])
    somebody = max(people(served.warehouse)[0], key=len)
    context["queries"][0]["filters"].append({"col": "person_id", "op": "==", "val": somebody})
    context["form_data"] = {"slice_id": number, "adhoc_filters": [], "extra": somebody}
    people_analyst.post("/api/v1/chart/data", json=context, headers={"Referer": f"{served.address}/?f={somebody}"})
    with closing(sqlite3.connect(served.superset.folder / "superset.db")) as superset:
        written = superset.execute("SELECT * FROM logs").fetchall()
    assert "ChartDataRestApi.data" in str(written)
    assert somebody not in str(written)


def test_a_cache_that_is_configured_keeps_what_names_nobody_for_each_and_nothing_else(
    served: Served, people_analyst: Api, analyst: Api
) -> None:
    numbers = served.admin.charts()
    for name, is_kept in (("Missing days", True), ("People and their time", False), ("Absences", False)):
        analyst.data(numbers[name])  # anew, and into the cache where it may be kept
        ask = f"/api/v1/chart/{numbers[name]}/data/"
        own, others, again = (api.get(ask)["result"][0] for api in (analyst, people_analyst, people_analyst))
        assert [bool(each["is_cached"]) for each in (own, others, again)] == [is_kept, False, is_kept], name


@pytest.mark.parametrize("path", ["/api/v1/sqllab/", "/api/v1/query/"])
def test_an_analyst_has_no_sql_lab(path: str, analyst: Api) -> None:
    assert analyst.client.get(path).status_code == 403


def test_a_metric_of_ones_own_is_refused_what_the_login_is_refused(served: Served, analyst: Api) -> None:
    number = served.admin.charts()["People"]
    [answer] = (served.admin.get(f"/api/v1/chart/{number}")["result"]["query_context"],)
    context = yaml.safe_load(answer)
    for role in ("kaltura_analyst_pii", "postgres"):
        sql = f"MAX(set_config('role', '{role}', false))"
        context["queries"][0]["metrics"] = [{"expressionType": "SQL", "sqlExpression": sql, "label": "own"}]
        reply = analyst.client.post("/api/v1/chart/data", json=context)
        assert reply.status_code == 400
        assert f'permission denied to set role "{role}"' in reply.json()["message"]


# ------------------------------------------------------------------------------------------------------------ imports


def exported(api: Api) -> dict[str, Any]:
    reply = api.client.get("/api/v1/assets/export/")
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        files = {name.partition("/")[2]: yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    return {name: part for name, part in files.items() if name != "metadata.yaml"}


def zipped(served: Served) -> bytes:
    from pipelines.dashboards.addresses import of_login

    file = served.superset.folder / "again.zip"
    texts = bundle.for_database(bundle.current(), of_login(served.warehouse, bundle.LOGIN), "UTC")
    bundle.write_zip(texts, file)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("path", "field"), [("/api/v1/assets/import/", "bundle"), ("/api/v1/dashboard/import/", "formData")]
)
def test_an_import_of_what_is_there_changes_nothing(path: str, field: str, served: Served) -> None:
    before = exported(served.admin)
    assert len([name for name in before if name.startswith("charts/")]) == len(CHARTS)
    words = {"passwords": '{"databases/kaltura_rooms.yaml": "%s"}' % served.superset.secret("analyst_password")}  # noqa: UP031
    served.admin.post(
        path, data={**words, "overwrite": "true"}, files={field: ("b.zip", zipped(served), "application/zip")}
    )
    assert exported(served.admin) == before


def test_no_secret_is_in_a_log_or_open_to_others(served: Served) -> None:
    log = served.superset.log.read_text("utf-8")
    for file in (served.superset.folder / "secrets").iterdir():
        assert file.read_text() not in log, file.name
        assert file.stat().st_mode & 0o077 == 0
    assert served.superset.folder.stat().st_mode & 0o077 == 0


def test_what_an_earlier_version_wrote_of_a_request_is_in_no_byte_after_a_start(served: Served, tmp_path: Path) -> None:
    """Neither in a line of the log, nor where a deleted one was, nor in a line that nobody can read as JSON."""
    superset = Superset(Path(shutil.copytree(served.superset.folder, tmp_path / "superset")))
    file, somebody = superset.folder / "superset.db", "somebody.whom.a.filter.named"
    add = "INSERT INTO logs (action, json, referrer, dttm) VALUES ('opened', ?, ?, '2026-01-01')"
    event = f'{{"event_name": "mount_dashboard", "filter": "{somebody}"}}'
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")  # as SQLite is by default; some distributions' is not
        connection.execute("BEGIN")
        connection.executemany(add, [(event, f"http://localhost/?f={somebody}"), (f"[{somebody}", None), (None, None)])
        connection.executemany(add, 500 * [(f'["{somebody}"]', None)])
        connection.execute("COMMIT")
        connection.execute("DELETE FROM logs WHERE json LIKE '[\"%'")
        connection.execute("PRAGMA user_version = 0")
    assert file.read_bytes().count(somebody.encode()) > 100

    with run_folder.alone("roles"):
        bring_up_to_date(superset, served.warehouse, "UTC")

    assert somebody.encode() not in b"".join(each.read_bytes() for each in superset.folder.glob("superset.db*"))
    with closing(sqlite3.connect(file)) as connection:
        lines = connection.execute("SELECT json FROM logs WHERE action = 'opened' ORDER BY id").fetchall()
    assert lines == [('{"event_name": "mount_dashboard"}',), ("{}",), ("{}",)]


@pytest.mark.parametrize("lost", ["superset_admin_password", "superset_secret_key"])
def test_a_secret_that_is_made_anew_is_the_one_that_counts(lost: str, served: Served, tmp_path: Path) -> None:
    """Superset's own database has the administrator as of before, and the warehouse's password encrypted with the old key."""
    superset = Superset(Path(shutil.copytree(served.superset.folder, tmp_path / "superset")))
    (superset.secrets / lost).write_text("")
    superset.make_secrets()
    with run_folder.alone("roles"):
        bring_up_to_date(superset, served.warehouse, "UTC")
    port = free_port()
    process = superset.serve(port)
    try:
        wait_until(lambda: answers(port) or process.poll() is not None, 120)
        address = f"http://127.0.0.1:{port}"
        with closing(Api(address, "admin", superset.secret("superset_admin_password"))) as admin:
            [chart] = [number for name, number in admin.charts().items() if name == "Sessions held"]
            assert admin.data(chart)["data"]
        is_said = "The password of admin was another one" in superset.log.read_text("utf-8")
        assert is_said is (lost == "superset_admin_password")
    finally:
        process.terminate()
        process.wait(30)
