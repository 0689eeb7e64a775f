"""Views as files: each format read back by a program that reads it, equal to the view; what is not to be seen is not in it."""

import csv
import datetime as dt
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pyarrow.parquet as pq
import pytest
import run_folder
import warm
from click.testing import CliRunner
from conftest import Databases
from pipeline import CHECKOUT, wait_until
from seed import fill

from pipelines.command_line import front_door
from resources.export.catalog import ExportError, chosen
from resources.export.export import BATCH_ROWS, Asked, export
from resources.export.files import EXCEL_ROWS, FORMATS, Excel, new_file
from resources.postgres.roles import apply_roles
from resources.postgres.session import DatabaseError
from resources.runtime.atomic_file import atomic_file
from resources.table import UNKNOWN
from tests.integration.test_roles import VIEWS

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    'a "quoted", name;\nof two lines',
    "Zoë \N{SNOWMAN}",
    "0012",
]


@pytest.fixture(scope="module")
def seeded_once(databases: Databases) -> str:
    url = databases.make()
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection)
        for number, name in enumerate(HOSTILE):
            connection.execute(
                "UPDATE kaltura.room_sessions SET entry_name = %s WHERE (partner_id, entry_id, cue_point_id) IN"
                " (SELECT partner_id, entry_id, cue_point_id FROM kaltura.room_sessions ORDER BY 1, 2, 3 OFFSET %s LIMIT 1)",
                (name, number),
            )
    return url


@pytest.fixture
def seeded(seeded_once: str, new_database: Callable[[str], str]) -> str:
    return new_database(seeded_once)


def exported(url: str, folder: Path, *views: str, form: str = "parquet", **chosen_by: Any) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    export(url, Asked(views, form, **chosen_by), folder, lambda view, rows: told.append((view, rows)))
    return told


def rows_of(url: str, view: str, where: str = "") -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        return connection.execute(f"SELECT * FROM analytics.{view} {where}".encode()).fetchall()


def ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


@pytest.mark.parametrize("view", VIEWS)
def test_parquet_holds_each_view_with_its_types_and_its_words(view: str, seeded: str, tmp_path: Path) -> None:
    exported(seeded, tmp_path, view)

    table = pq.read_table(tmp_path / f"{view}.parquet")

    assert ordered([tuple(row.values()) for row in table.to_pylist()]) == ordered(rows_of(seeded, view))
    assert all(field.metadata[b"description"] for field in table.schema)


@pytest.mark.parametrize("view", VIEWS)
def test_csv_holds_each_view_and_no_cell_begins_as_a_formula(view: str, seeded: str, tmp_path: Path) -> None:
    exported(seeded, tmp_path, view, form="csv")

    with (tmp_path / f"{view}.csv").open(encoding="utf-8-sig", newline="") as file:
        head, *lines = csv.reader(file)

    assert ordered([tuple(line) for line in lines]) == ordered(
        [tuple(map(as_csv, row)) for row in rows_of(seeded, view)]
    )
    with psycopg.connect(seeded) as connection:
        [described] = chosen(connection, [view])
    texts = [at for at, column in enumerate(described.columns) if column.type.startswith("text")]
    assert [line[at] for line in lines for at in texts if line[at].startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert head == [column.name for column in described.columns]


def as_csv(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case dt.datetime():
            return value.isoformat()
        case list():
            return ", ".join(map(str, value))
        case str() if value[:1] in set("=+-@\t\r\n"):
            return f"'{value}"
        case _:
            return str(value)


@pytest.mark.parametrize("view", VIEWS)
def test_excel_holds_each_view_and_runs_nothing(view: str, seeded: str, tmp_path: Path) -> None:
    exported(seeded, tmp_path, view, form="xlsx")

    sheet = openpyxl.load_workbook(tmp_path / f"{view}.xlsx").active
    head, *cells = list(sheet.iter_rows())

    assert [cell.value for cell in head] == [each.name for each in described(seeded, view)]
    assert ordered([tuple(as_shown(cell.value) for cell in row) for row in cells]) == ordered(
        [tuple(as_shown(as_excel(value)) for value in row) for row in rows_of(seeded, view)]
    )
    assert [cell.value for row in cells for cell in row if cell.data_type == "f" or cell.hyperlink] == []


def described(url: str, view: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return list(chosen(connection, [view])[0].columns)


def as_shown(value: Any) -> Any:
    """A cell has fifteen digits, and a whole number is one, whatever its type was."""
    return float(f"{value:.15g}") if isinstance(value, int | float) and not isinstance(value, bool) else value


def as_excel(value: Any) -> Any:
    match value:
        case dt.datetime():
            return value.replace(tzinfo=None, microsecond=round(value.microsecond / 1000) * 1000 % 1_000_000)
        case dt.date():
            return dt.datetime.combine(value, dt.time())
        case list():
            return ", ".join(map(str, value))
        case _:
            return value


@pytest.mark.parametrize("view", ["sessions", "daily", "weekly", "concurrency_hourly"])
def test_days_and_account_choose_the_rows(view: str, seeded: str, tmp_path: Path) -> None:
    day = {"weekly": "week_date", "concurrency_hourly": "(hour_at AT TIME ZONE 'UTC')::date"}.get(view, "session_date")
    days = sorted({row[0] for row in rows_of_day(seeded, view, day)})
    first, last = days[len(days) // 3], days[2 * len(days) // 3]

    exported(seeded, tmp_path, view, first=first, last=last, account=101)

    expected = rows_of(seeded, view, f"WHERE {day} BETWEEN '{first}' AND '{last}' AND account_id = 101")
    assert pq.read_table(tmp_path / f"{view}.parquet").num_rows == len(expected) > 0


def rows_of_day(url: str, view: str, day: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT {day} FROM analytics.{view} WHERE account_id = 101".encode()).fetchall()


def test_rows_are_read_in_batches_and_counted_as_they_come(seeded: str, tmp_path: Path) -> None:
    many = 2 * BATCH_ROWS + 5
    with psycopg.connect(seeded) as connection:
        series = f"generate_series(1, {many}) AS n"
        connection.execute(
            f"CREATE VIEW analytics.many AS SELECT n AS account_id, n::text AS name FROM {series}".encode()
        )
    told = exported(seeded, tmp_path, "many")
    assert told == [("many", BATCH_ROWS), ("many", 2 * BATCH_ROWS), ("many", many)]
    assert pq.read_table(tmp_path / "many.parquet").num_rows == many


def test_the_manifest_says_when_what_and_how_far(seeded: str, tmp_path: Path) -> None:
    exported(seeded, tmp_path, "sessions", "daily", form="csv", first=dt.date(2026, 1, 1))

    manifest = json.loads((tmp_path / "export.json").read_text())

    assert [each["file"] for each in manifest["files"]] == ["sessions.csv", "daily.csv"]
    assert [each["rows"] for each in manifest["files"]] == [
        len(rows_of(seeded, view)) for view in ("sessions", "daily")
    ]
    assert (manifest["from"], manifest["to"], manifest["account"]) == ("2026-01-01", None, None)
    assert dt.datetime.fromisoformat(manifest["read_at"]).tzinfo
    assert {each["report_id"] for each in manifest["freshness"]} == {6000, 6001, 6002}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_what_is_exported_of_one_account_tells_of_no_other(seeded: str, tmp_path: Path) -> None:
    exported(seeded, tmp_path, "daily", account=101)
    manifest = json.loads((tmp_path / "export.json").read_text())
    assert {each["account_id"] for each in manifest["freshness"]} == {101}


def test_an_analyst_without_the_right_to_people_gets_no_name_and_no_id(seeded: str, tmp_path: Path) -> None:
    with run_folder.alone("roles"):
        apply_roles(seeded)
        with psycopg.connect(seeded, autocommit=True) as connection:
            people = {
                value
                for row in connection.execute("SELECT user_id, user_name, user_email FROM kaltura.attendees")
                for value in row
                if value and value not in (*UNKNOWN, "Guest")
            }
        exported(f"{seeded}&options=-c%20role%3Dkaltura_analyst", tmp_path, *VIEWS, form="csv")
    cells = set()
    for path in tmp_path.glob("*.csv"):
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells |= {cell for line in csv.reader(file) for cell in line}
    assert len(people) > 10
    assert cells & people == set()


def test_what_cannot_be_exported_is_said_and_leaves_nothing_half_written(seeded: str, tmp_path: Path) -> None:
    for views, chosen_by, said in (
        (["nope"], {}, "There are absences"),
        (["rooms"], {"first": dt.date(2026, 1, 1)}, "no day to choose by"),
        (["sessions", "rooms"], {"last": dt.date(2026, 1, 1)}, "no day to choose by"),
    ):
        with pytest.raises(ExportError, match=said):
            exported(seeded, tmp_path, *views, **chosen_by)
    with psycopg.connect(seeded) as connection:
        connection.execute(
            "CREATE VIEW analytics.broken AS SELECT 1 / (n - 15000) AS x FROM generate_series(1, 20000) AS n"
        )
    with pytest.raises(DatabaseError, match="division by zero"):
        exported(seeded, tmp_path, "broken")
    with pytest.raises(ExportError, match="can't be written to"):
        exported(seeded, Path("/proc/nowhere"), "rooms")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_at_its_second_view_leaves_that_of_before_as_it_was(seeded: str, tmp_path: Path) -> None:
    """The first view's file would be of today, the second's and what export.json says of both of before."""
    with psycopg.connect(seeded, autocommit=True) as connection:
        connection.execute("CREATE VIEW analytics.second AS SELECT 1 / count(*) AS x FROM kaltura.room_sessions")
        exported(seeded, tmp_path, "sessions", "second", form="csv")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        connection.execute("DELETE FROM kaltura.room_sessions")
    with pytest.raises(DatabaseError, match="division by zero"):
        exported(seeded, tmp_path, "sessions", "second", form="csv")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_export_that_is_ended_while_its_files_take_their_places_leaves_no_word_of_when_they_were_read(
    seeded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(seeded, tmp_path, "rooms", "daily")
    replace = Path.replace

    def ended_at_the_second(path: Path, target: Path) -> Path:
        if target.name == "daily.parquet":
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", ended_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        exported(seeded, tmp_path, "rooms", "daily")
    assert {path.name for path in tmp_path.iterdir()} == {"rooms.parquet", "daily.parquet"}


def test_of_two_exports_into_one_folder_all_files_are_of_the_one_that_its_manifest_tells_of(
    seeded: str, tmp_path: Path
) -> None:
    """The first has written a view when the second, which reads another day, begins and ends."""
    has_begun, may_go_on, failed = threading.Event(), threading.Event(), []

    def first(view: str, rows: int) -> None:
        if view == "daily":
            has_begun.set()
            may_go_on.wait(60)

    def export_first() -> None:
        try:
            export(seeded, Asked(["sessions", "daily"], "csv", account=101), tmp_path, first)
        except Exception as error:
            failed.append(error)

    exporting_first = threading.Thread(target=export_first)
    exporting_first.start()
    assert has_begun.wait(60)
    exported(seeded, tmp_path, "sessions", "daily", form="csv")
    second = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert counted_in(second) == [each["rows"] for each in json.loads(second["export.json"])["files"]]
    may_go_on.set()
    exporting_first.join(60)
    assert failed == []
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert counted_in(after) == [each["rows"] for each in json.loads(after["export.json"])["files"]]
    assert json.loads(after["export.json"])["account"] == 101
    assert after["sessions.csv"] != second["sessions.csv"]


def counted_in(files: Mapping[str, bytes]) -> list[int]:
    return [
        len(list(csv.reader(files[name].decode("utf-8-sig").splitlines()))) - 1
        for name in ("sessions.csv", "daily.csv")
    ]


def test_a_sheet_that_is_too_long_for_excel_is_refused(
    seeded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.export.files.EXCEL_ROWS", 3)
    with pytest.raises(ExportError, match="--format csv"):
        exported(seeded, tmp_path, "sessions", form="xlsx")
    assert list(tmp_path.iterdir()) == []
    assert EXCEL_ROWS == 2**20 - 1


def test_what_a_cell_of_excel_has_no_room_for_is_counted_and_said(seeded: str, tmp_path: Path) -> None:
    """A text, and a list: of days that are missing there may be thousands. A snowman is one of Excel's characters, a face two."""
    with psycopg.connect(seeded, autocommit=True) as connection:
        [longest, fits] = ["\N{GRINNING FACE}" * 16_384, "\N{GRINNING FACE}" * 16_383 + "\N{SNOWMAN}"]
        for name, session in ((longest, "s0"), (fits, "s3")):
            connection.execute(
                "UPDATE kaltura.room_sessions SET entry_name = %s WHERE partner_id = 101 AND cue_point_id = %s",
                [name, session],
            )
        connection.execute(
            "UPDATE kaltura.loads SET partition_date = '2010-01-01' WHERE partner_id = 101 AND partition_date ="
            " (SELECT min(partition_date) FROM kaltura.loads WHERE partner_id = 101)"
        )
    views = ["sessions", "data_freshness"]
    words = ["export", *views, "--format", "xlsx", "--account", "101", "--out", str(tmp_path), "--database-url", seeded]

    done = CliRunner().invoke(front_door, words)

    assert done.exit_code == 0, done.output
    assert "sessions.xlsx: 12 rows, 1 cell cut at 32,767 characters" in done.output
    assert "data_freshness.xlsx: 3 rows, 3 cells cut at 32,767 characters" in done.output
    manifest = json.loads((tmp_path / "export.json").read_text("utf-8"))
    assert [each["cut_cells"] for each in manifest["files"]] == [1, 3]
    sheet = openpyxl.load_workbook(tmp_path / "sessions.xlsx").active
    assert sheet is not None
    names = {str(row[3]) for row in sheet.iter_rows(values_only=True)}
    assert {longest[:-1], fits} <= names
    assert longest not in names
    assert exported(seeded, tmp_path, *views, form="csv")


def test_a_full_disk_under_a_sheet_is_said_and_not_what_closing_it_met(seeded: str, tmp_path: Path) -> None:
    with psycopg.connect(seeded) as connection:
        [view] = chosen(connection, ["sessions"])
    (tmp_path / "sheet").mkdir()
    (tmp_path / "sheet" / "full").symlink_to("/dev/full")
    full = Excel(tmp_path / "sheet" / "full", view)
    with pytest.raises(ExportError, match="No space left"):
        full.close()
    full.discard()
    shutil.rmtree(tmp_path / "sheet")

    def fail() -> None:
        with atomic_file(tmp_path / "x.xlsx") as draft, new_file(draft, view, "xlsx") as file:
            file.close()  # so that closing it again fails as well
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_disk_that_is_full_is_said_in_a_line_and_no_row_is_left_anywhere(
    form: str, seeded: str, tmp_path: Path
) -> None:
    """The system lets none of its files grow beyond 1 kB."""
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    words = ["-m", "pipelines", "export", "attendance", "--format", form, "--out", str(tmp_path / "out")]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", sys.executable, "-B", *words],
        env={**os.environ, "DATABASE_URL": seeded, "TMPDIR": str(elsewhere)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"export: {tmp_path / 'out'} can't be written to: File too large." in done.stderr
    assert "Traceback" not in done.stderr
    assert [*elsewhere.iterdir(), *(tmp_path / "out").iterdir()] == []


SLOW = """
CREATE VIEW analytics.slow AS
SELECT n, repeat('Ada', 10) AS name, CASE WHEN n = 15000 THEN pg_sleep(30)::text END AS pause FROM generate_series(1, 20000) AS n
"""


@contextmanager
def exporting(url: str, folders: Mapping[str, Path]) -> Iterator[list[warm.Process]]:
    """An export in each form, into the folder of that form, which has written rows and waits for others."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SLOW)
        words = ["python", "-m", "pipelines", "export", "slow", "--database-url", url]
        processes = [
            warm.Process([*words, "--format", form, "--out", str(folder)], os.environ)
            for form, folder in folders.items()
        ]
        try:
            for folder in folders.values():
                wait_until(lambda where=folder: sum(size_of(path) for path in where.rglob("*")) > 0, 60)
            yield processes
        finally:
            for process in processes:
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_export_that_is_ended_leaves_no_row_for_good(number: signal.Signals, seeded: str, tmp_path: Path) -> None:
    folders = {form: tmp_path / form for form in FORMATS}
    with exporting(seeded, folders) as processes:
        for process in processes:
            os.kill(process.pid, number)
        for process in processes:
            process.communicate(30)
        codes = [process.returncode for process in processes]
    if number == signal.SIGKILL:
        assert all(code != 0 and [*folder.iterdir()] for code, folder in zip(codes, folders.values(), strict=True))
    else:
        assert codes == [130] * len(FORMATS)
        assert [path for folder in folders.values() for path in folder.iterdir()] == []
    for form, folder in folders.items():
        exported(seeded, folder, "rooms", form=form)
        assert {path.name for path in folder.iterdir()} == {f"rooms.{form}", "export.json"}


@pytest.mark.parametrize(("encoding", "is_terminal"), [("latin-1", True), ("ascii", False)])
def test_a_terminal_or_a_log_that_lacks_a_character_gets_its_number(
    encoding: str, is_terminal: bool, seeded: str, tmp_path: Path
) -> None:
    folder = tmp_path / "Łódź"
    words = [sys.executable, "-m", "pipelines", "export", "rooms", "--out", str(folder), "--database-url", seeded]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "TERM": "xterm", "COLUMNS": "400"}
    ours, its = pty.openpty() if is_terminal else os.pipe()
    process = subprocess.Popen(words, env=environment, stdout=its, stderr=its, cwd=CHECKOUT)
    os.close(its)
    printed = b""
    with suppress(OSError):  # of a terminal whose other end is closed
        while chunk := os.read(ours, 1 << 16):
            printed += chunk
    os.close(ours)
    assert process.wait(60) == 0, printed
    assert str(folder / "rooms.parquet").encode(encoding, "backslashreplace") in printed
    assert (b"\x1b[" in printed) is is_terminal
    assert b"\\u28" not in printed, "a spinner's dots"


def test_the_command_prints_each_file_and_its_rows(seeded: str, tmp_path: Path) -> None:
    words = ["export", "sessions", "daily", "--format", "csv", "--out", str(tmp_path)]
    done = CliRunner().invoke(front_door, words, env={"DATABASE_URL": seeded})
    assert done.exit_code == 0, done.output
    assert f"{tmp_path}/sessions.csv: {len(rows_of(seeded, 'sessions'))} rows" in done.output
    asked_of_nothing = CliRunner().invoke(front_door, ["export"], env={"DATABASE_URL": seeded})
    assert asked_of_nothing.exit_code == 1
    assert "Say which views" in asked_of_nothing.stderr
    for hostile in ("[/x]", "[link=http://evil.example]", "sessions; DROP TABLE x"):
        refused = CliRunner().invoke(
            front_door, ["export", hostile, "--out", str(tmp_path)], env={"DATABASE_URL": seeded}
        )
        assert refused.exit_code == 1, refused.output
        assert isinstance(refused.exception, SystemExit)
        assert hostile in refused.output
        assert "There are absences" in refused.output
