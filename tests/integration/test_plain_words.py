"""What a person reads when something breaks: one sentence each, what stands and how to go on, and never a traceback."""

import datetime as dt
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from conftest import Databases
from in_process import installed
from pipeline import Pipeline, wait_until
from rich.console import Console

from pipelines.command_line import WHAT_STANDS, front_door
from resources.kaltura.windows import Days
from resources.local import postgres as local_postgres
from resources.postgres import backup, outages
from simulator import University, serving

MOMENTS = (0.05, 0.3, 0.6, 0.85)  # of what the command takes undisturbed


def yesterday() -> dt.date:
    """Asked in each test, for midnight may have passed since this file was read."""
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def kaltura() -> Iterator[object]:
    with serving(University(seed=11, timezone="UTC", rooms=2)) as running:
        yield running


@pytest.fixture
def pipeline(kaltura, database: str, tmp_path: Path) -> Pipeline:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    more = {"START_DATE": "2026-01-01", "REPORT_DIR": str(tmp_path / "reports"), "COLUMNS": "300"}
    return Pipeline(kaltura, database, tmp_path, more)


@pytest.mark.deep
@pytest.mark.parametrize("command", ["migrate", "backup", "doctor", "report", "status"])
def test_ctrl_c_at_any_moment_is_one_sentence_of_what_stands_and_the_next_time_it_goes_through(
    command: str, pipeline: Pipeline, postgres_folder: Path, tmp_path: Path
) -> None:
    if command in ("report", "status"):
        last = yesterday()
        week = last - dt.timedelta(days=last.weekday() + 7)
        pipeline.run("python", "-m", "pipelines", "pull", "--from", str(week), "--to", str(last))

    def words(number: int) -> list[str]:
        more = {
            "backup": [str(tmp_path / f"{number}.dump")],
            "report": ["--no-open", "--again"],
            "migrate": ["--database-url", fresh(number)] if command == "migrate" else [],
        }
        return ["python", "-m", "pipelines", command, *more.get(command, [])]

    made: list[str] = []

    def fresh(number: int) -> str:
        name = f"plain_{os.getpid()}_{number}"
        with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        made.append(name)
        return local_postgres.url(postgres_folder, name)

    pipeline.start(*words(9)).communicate(timeout=600)  # what a first one takes longer for
    started = time.monotonic()
    printed, _ = pipeline.start(*words(0)).communicate(timeout=600)
    took = time.monotonic() - started
    for number, moment in enumerate(MOMENTS, 1):
        asked = words(number)
        process = pipeline.start(*asked)
        time.sleep(moment * took)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=600)
        assert "Traceback" not in printed, printed[-3000:]
        if process.returncode == 130:
            told = printed.rstrip().splitlines()[-1]
            assert told in (f"Stopped. {WHAT_STANDS[command]}", "Stopped. Nothing was begun."), printed[-2000:]
            if command == "backup":
                assert not list(tmp_path.glob(f"*{number}.dump*"))
        if command != "doctor" and not (tmp_path / f"{number}.dump").exists():
            pipeline.run(*asked)
    with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as admin:
        for name in made:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.deep
def test_a_database_that_dies_in_the_middle_of_make_run_is_told_with_what_is_in_and_why(
    kaltura, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "WAITED_FOR_SECONDS", 2)
    monkeypatch.delitem(sys.modules, "pipelines.definitions", raising=False)  # another test's have another account
    place = Path(tempfile.mkdtemp(prefix="gone-"))
    place.chmod(0o755)
    local_postgres.start(place / "postgres")
    url = local_postgres.url(place / "postgres")
    try:
        installation = Pipeline(kaltura, url, tmp_path / "home", {"START_DATE": "2026-01-01", "COLUMNS": "300"})
        killer = threading.Thread(target=_kill_after_days, args=(url, place / "postgres", 5))
        killer.start()
        last = yesterday()
        words = ["pull", "--from", str(last - dt.timedelta(days=39)), "--to", str(last)]
        done = CliRunner().invoke(front_door, words, env=installation.environment)
        killer.join(60)
        assert done.exit_code == 1, done.output
        assert "Traceback" not in done.output
        assert "Pulled 40 days" not in done.output
        assert "Of 40 days, " in done.output
        assert "What landed can't be shown: the database can't be reached" in done.output
        [failure] = [line for line in done.stderr.splitlines() if line.startswith("The run failed.")]
        told = done.stderr[done.stderr.index(failure) :].splitlines()
        assert len(told) <= 5, done.stderr
        assert "the database can't be reached" in done.stderr
        assert "This may pass: run it again later for what is missing." in done.stderr
    finally:
        local_postgres.remove(place / "postgres")
        shutil.rmtree(place)


def _kill_after_days(url: str, folder: Path, days: int) -> None:
    def are_in() -> bool:
        try:
            with psycopg.connect(url) as connection:
                row = connection.execute("SELECT count(DISTINCT partition_date) FROM kaltura.loads").fetchone()
        except psycopg.Error:
            return False
        return bool(row and row[0] >= days)

    wait_until(are_in, 120)
    [file] = folder.rglob("postmaster.pid")
    os.kill(int(file.read_text().splitlines()[0]), signal.SIGKILL)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB: what is written ahead of the history takes some of it while a run is under way."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.deep
def test_a_full_disk_under_dagster_home_is_one_line_with_the_way_on_and_the_way_leads_there(
    pipeline: Pipeline, small_disk: Path
) -> None:
    home = small_disk / "home"
    installation = Pipeline(pipeline.kaltura, pipeline.database, home, pipeline.more)
    last = yesterday()
    pull = ["python", "-m", "pipelines", "pull", "--from", str(last - dt.timedelta(days=29)), "--to", str(last)]
    installation.run("python", "-m", "pipelines", "pull", "--days", "1")
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    ballast.write_bytes(b"0" * (free - 700_000))

    printed = installation.run(*pull, succeeds=False)

    assert "Traceback" not in printed
    [line] = [each for each in printed.splitlines() if "can't be used" in each]
    assert f"DAGSTER_HOME={home}" in line
    assert "Days that were loaded are in the warehouse, whole." in line
    assert "status --mend" in line
    ballast.unlink()
    installation.start("python", "-m", "pipelines", "status", "--mend").communicate(timeout=600)
    installation.run(*pull)
    assert "The warehouse and Dagster agree." in installation.run("python", "-m", "pipelines", "status")


UNREACHABLE = {f"DAGSTER_POSTGRES_{name}": value for name, value in (("HOST", "127.0.0.1"), ("PORT", "1"))}
THEIR_POSTGRES = "{hostname: 127.0.0.1, port: 1, db_name: d, username: u, password: hidden}"
THEIR_STORAGE = f"storage: {{postgres: {{postgres_db: {THEIR_POSTGRES}}}}}\n"
# What is in DAGSTER_HOME (None: no file is), what is set, and what is said of it.
BROKEN: dict[str, tuple[bytes | None, dict[str, str], str]] = {
    "its Postgres is away": (None, {**UNREACHABLE, "DAGSTER_POSTGRES_PASSWORD": "hidden"}, "port 1 failed"),
    "their Postgres is away": (THEIR_STORAGE.encode(), {}, "port 1 failed"),
    "no YAML": (b"run_queue: {x: [1\n", {}, "while parsing"),
    "not text": (b"\xff\xfe\0", {}, "can't decode"),
    "no settings": (b"hello\n", {}, "to parse to dictionary"),
    "a setting that is none": (b"run_queue: {x: 1}\n", {}, "unexpected config entry"),
    "a variable that is not set": (
        THEIR_STORAGE.replace("hidden", "{env: NOT_SET}").encode(), {}, '"NOT_SET" which is not set',
    ),
    "a password that is a number": (THEIR_STORAGE.replace("hidden", "471100815").encode(), {}, "db:password"),
    "a class that is not there": (b"storage: {custom: {module: nope.nope, class: X, config: {}}}\n", {}, "nope.nope"),
    "a file in the way": (None, {"DAGSTER_HOME": "/dev/null/home"}, "/dev/null"),
    "a folder in the file's place": (b"folder", {}, "dagster.yaml: Is a directory"),
}  # fmt: skip
OPEN_AN_INSTANCE = {
    "pull": ["--days", "1"],
    "report": ["--no-open", "--again"],
    "status": [],
    "ui": ["--port", "1"],
    "webserver": ["-p", "1", "-m", "pipelines.definitions"],
    "restore": ["BACKUP", "--replace", "--trust"],
    "doctor": ["--dagster"],
}


@pytest.fixture(scope="module")
def filled(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A warehouse with a day of the week before this one, and its backup."""
    url, file = databases.make(), tmp_path_factory.mktemp("backup") / "a.dump"
    day = yesterday() - dt.timedelta(days=yesterday().weekday() + 7)
    with serving(University(seed=11, timezone="UTC", rooms=1)) as running, installed(running, url) as dagster:
        assert dagster.pull(Days(day, day)).success
    backup.back_up(url, file, Console(quiet=True))
    return url, file


@pytest.mark.parametrize(
    ("command", "broken"),
    # The webserver makes no home ready: in an empty one it is Dagster's default, which can be opened.
    sorted(
        {(command, broken) for command in OPEN_AN_INSTANCE for broken in BROKEN}
        - {("webserver", "its Postgres is away")}
    ),
)
def test_a_dagster_that_cannot_be_opened_is_one_line_with_the_way_on(
    command: str, broken: str, filled: tuple[str, Path], kaltura, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagster_postgres.utils.calculate_delay", lambda **_: 0)  # it waits 12 s for its Postgres
    monkeypatch.setattr("pipelines.commands.ui.is_free", lambda *_: True)  # which a port that only root may have is not
    monkeypatch.delitem(sys.modules, "pipelines.definitions", raising=False)  # another test's have another account
    content, settings, said = BROKEN[broken]
    home = tmp_path / "home"
    home.mkdir()
    if content == b"folder":
        (home / "dagster.yaml").mkdir()
    elif content is not None:
        (home / "dagster.yaml").write_bytes(content)
    more = {"START_DATE": "2026-01-01", "REPORT_DIR": str(tmp_path), "COLUMNS": "300", **settings}
    words = [command, *(str(filled[1]) if word == "BACKUP" else word for word in OPEN_AN_INSTANCE[command])]

    done = CliRunner().invoke(front_door, words, env=Pipeline(kaltura, filled[0], home, more).environment)

    assert isinstance(done.exception, SystemExit | None), done.exception
    assert "Traceback" not in done.output
    assert "hidden" not in done.output
    assert "471100815" not in done.output
    if command == "restore":
        assert done.exit_code == 0, done.output
        [line] = [each for each in done.stdout.splitlines() if "could not be asked" in each]
        assert "The backup is restored." in line
        assert "python -m pipelines status" in line
    elif command == "doctor":
        assert done.exit_code == 1
        line = " ".join(done.stdout.split())
    else:
        assert done.exit_code == 1, done.output
        [line] = done.stderr.splitlines()
        assert line.startswith(f"{command}: ")
    assert (said if command != "doctor" or content not in (None, b"folder") else "has no dagster.yaml") in line


@pytest.mark.parametrize(
    ("said", "is_cause"),
    [
        ("pg_dump: error: aborting because of server version mismatch", True),
        ("pg_dump: error: could not write to output file: No space left on device", False),
        ("pg_dump: error: query failed: ERROR:  permission denied for table loads", False),
        ("pg_dump: error: connection to server was lost", False),
    ],
)
def test_a_backup_that_fails_advises_pg_bin_only_where_versions_differ(said: str, is_cause: bool) -> None:
    assert ("PG_BIN" in backup._why(said)) is is_cause
    assert said in backup._why(said)
