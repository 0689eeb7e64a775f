"""Who comes in to the private server, what an earlier version left open, and what its log tells. Real processes, as root."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from resources.local import access, os_user
from resources.local import postgres as local_postgres
from resources.local.os_user import is_own_number
from tests.integration.test_local_postgres import a_place, as_root, as_user, ask, postmaster
from tests.integration.test_local_postgres import own_environment as own_environment


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    with a_place() as place:
        yield place / "postgres"
        local_postgres.remove(place / "postgres")


@pytest.fixture
def folder(used: Path) -> Path:
    local_postgres.start(used)
    return used


def as_an_earlier_version_left_it(folder: Path) -> None:
    """Everything `nobody`'s, open to whoever reaches the socket, with one line of the owner's own."""
    local_postgres.stop(folder)
    server = local_postgres.find(folder)
    hba = server.data / "pg_hba.conf"
    hba.write_text(hba.read_text().replace("peer map=kaltura", "trust") + "\n# the owner's own\n")
    (server.data / "pg_ident.conf").write_text("")
    conf = server.data / "postgresql.conf"
    conf.write_text("\n".join(line for line in conf.read_text().splitlines() if "log_error_verbosity" not in line))
    for path in (server.data, server.sockets, server.log):
        os_user.hand_over(path, os_user.pwd.getpwnam("nobody"))


def is_closed(folder: Path) -> bool:
    data = local_postgres.find(folder).data
    owners = {path.lstat().st_uid for path in [data, *data.rglob("*")]}
    assert len(owners) == 1
    hba = [line for line in (data / "pg_hba.conf").read_text().splitlines() if line.startswith("local")]
    return all(is_own_number(owner) for owner in owners) and all(line.endswith("peer map=kaltura") for line in hba)


@as_root
def test_roots_server_runs_as_a_number_that_nothing_else_runs_as(folder: Path) -> None:
    number = postmaster(folder).uids().real
    assert is_own_number(number)
    found = [process.info for process in psutil.process_iter(["name", "uids"])]  # those that end meanwhile are left out
    names = {each["name"] for each in found if each["uids"] and each["uids"].real == number}
    assert names == {"postgres"}
    assert is_closed(folder)


@as_root
def test_a_process_of_nobody_does_not_come_in_even_where_it_reaches_the_socket(folder: Path) -> None:
    server, url = local_postgres.find(folder), local_postgres.url(folder)

    def refused() -> None:
        with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            psycopg.connect(url)
        with pytest.raises(PermissionError):
            (server.data / "PG_VERSION").read_text()

    server.sockets.chmod(0o755)
    try:
        as_user("nobody", refused)
    finally:
        server.sockets.chmod(0o700)
    assert ask(folder, "SELECT 1") == [(1,)]


@as_root
def test_what_an_earlier_version_left_keeps_its_data_and_is_closed_at_the_next_start(folder: Path) -> None:
    ask(folder, "CREATE TABLE kept_over AS SELECT 42 AS answer")
    as_an_earlier_version_left_it(folder)
    assert not is_closed(folder)
    local_postgres.start(folder)
    assert is_closed(folder)
    assert ask(folder, "SELECT answer FROM kept_over") == [(42,)]
    assert "# the owner's own" in (local_postgres.find(folder).data / "pg_hba.conf").read_text()
    assert ask(folder, "SHOW log_error_verbosity") == [("terse",)]


@as_root
def test_what_an_earlier_version_left_elsewhere_as_nobody_can_enter_the_checkout_is_closed_there(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "postgres"
    try:
        local_postgres.start(folder)
        ask(folder, "CREATE TABLE kept_over AS SELECT 42 AS answer")
        as_an_earlier_version_left_it(folder)
        home = local_postgres.find(folder).home
        assert not home.is_relative_to(tmp_path)
        os_user.hand_over(home, os_user.pwd.getpwnam("nobody"))
        local_postgres.start(folder)
        assert is_closed(folder)
        assert is_own_number(home.stat().st_uid)
        assert ask(folder, "SELECT answer FROM kept_over") == [(42,)]
    finally:
        local_postgres.remove(folder)


@as_root
@pytest.mark.parametrize("after", [0, 1, 40, 400])
def test_a_start_that_dies_while_it_hands_the_data_over_goes_on_the_next_time(
    after: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_an_earlier_version_left_it(folder)
    given = iter(range(after))

    def dies(path: Path, to: os_user.pwd.struct_passwd | None) -> None:
        if next(given, None) is None:
            raise KeyboardInterrupt
        give(path, to)

    give = os_user.give
    with monkeypatch.context() as patched:
        patched.setattr(os_user, "give", dies)
        with pytest.raises(KeyboardInterrupt):
            local_postgres.start(folder)
    local_postgres.start(folder)
    assert is_closed(folder)


@as_root
def test_where_no_number_can_be_used_the_server_is_nobodys_and_still_closed_to_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_an_earlier_version_left_it(folder)
    monkeypatch.setattr(local_postgres, "os_user_of_its_own", lambda folder: None)
    local_postgres.start(folder)
    assert postmaster(folder).username() == "nobody"
    url = local_postgres.url(folder)

    def refused() -> None:
        with pytest.raises(psycopg.OperationalError, match="Peer authentication failed"):
            psycopg.connect(url)

    as_user("nobody", refused)
    assert ask(folder, "SELECT 1") == [(1,)]
    local_postgres.stop(folder)


def test_any_role_comes_in_for_whoever_runs_the_server(folder: Path) -> None:
    ask(folder, "CREATE ROLE some_analyst LOGIN")
    url = local_postgres.url(folder).replace(f"{access.ROLE}@", "some_analyst@")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("some_analyst",)


def test_the_log_holds_no_row_and_no_statement_that_the_server_refuses(folder: Path) -> None:
    with psycopg.connect(local_postgres.url(folder), autocommit=True) as connection:
        connection.execute("CREATE TABLE refuses (person text CHECK (person = ''))")
        for statement in ("INSERT INTO refuses VALUES ('ada.zq')", "SELECT 'ada.zq' FROM nowhere"):
            with pytest.raises(psycopg.Error, match="refuses|nowhere"):
                connection.execute(statement.encode())
        with pytest.raises(psycopg.Error), connection.cursor().copy("COPY refuses FROM STDIN") as copy:
            copy.write("ada.zq\n")
    log = local_postgres.find(folder).log.read_text()
    assert "violates check constraint" in log
    assert "ada.zq" not in log
