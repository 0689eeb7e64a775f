"""A role's limits on transactions end none that has to wait for a program or a file: nothing waits in one needlessly."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import warm
from click.testing import CliRunner
from psycopg.conninfo import conninfo_to_dict

from assets.university import UNIVERSITY
from pipelines.command_line import front_door
from resources.local import postgres as local_postgres
from resources.postgres.backup import Manifest
from resources.warehouse.resource import WarehouseResource
from tests.integration.test_university import written

WAITS_SECONDS = 10
_IN_A_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""


def run(url: str, *words: str, **around: str) -> tuple[int, str]:
    environment = {**os.environ, "DATABASE_URL": url, "COLUMNS": "200", **around}
    code, printed, errors = warm.run("python", "-m", "pipelines", *words, environment=environment)
    return code, printed + errors


@pytest.fixture
def slow_programs(tmp_path: Path) -> Path:
    """For PG_BIN: a `pg_dump` that takes longer than the limits."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program = folder / "pg_dump"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys, time\ntime.sleep(1.5)\n"
        f"os.execv({str(local_postgres.binary('pg_dump'))!r}, ['pg_dump', *sys.argv[1:]])\n"
    )
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
def test_a_backup_may_take_longer_than_the_role_s_limits_on_transactions(
    limit: str, database: str, slow_programs: Path, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_settings WHERE name = %s", [limit]).fetchall():
            pytest.skip("this server is older than the limit")
        name = conninfo_to_dict(database)["dbname"]
        connection.execute(f"ALTER DATABASE {name} SET {limit} = '500ms'".encode())
    code, said = run(database, "backup", str(tmp_path / "a.dump"), PG_BIN=str(slow_programs))
    assert code == 0, said
    assert Manifest.of(tmp_path / "a.dump").rows


def test_a_backup_that_the_database_refuses_says_so_as_others_do(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE test_of_no_rights LOGIN")
        try:
            code, said = run(database.replace("postgres@", "test_of_no_rights@", 1), "backup", str(tmp_path / "a.dump"))
        finally:
            connection.execute("DROP ROLE test_of_no_rights")
    assert code == 1
    assert "no backup was written: the database refused: permission denied for schema kaltura (SQLSTATE 42501)" in said
    assert [each.name for each in tmp_path.iterdir()] == []


class Pipe:
    """A list whose file is a pipe: when its reader has come, how many transactions are open, and then its text."""

    def __init__(self, path: Path, text: str, url: str) -> None:
        self.open_transactions: list[int] = []
        path.unlink()
        os.mkfifo(path)
        self._thread = threading.Thread(target=self._write, args=(path, text, url), daemon=True)
        self._thread.start()

    def _write(self, path: Path, text: str, url: str) -> None:
        with path.open("w") as pipe, psycopg.connect(url, autocommit=True) as connection:
            [[count]] = connection.execute(_IN_A_TRANSACTION).fetchall()
            self.open_transactions.append(count)
            pipe.write(text)

    def join(self) -> None:
        self._thread.join(WAITS_SECONDS)


@pytest.fixture
def pipe(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipe:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1")
    monkeypatch.setenv("UNIVERSITY_DIR", str(written(tmp_path)))
    path = tmp_path / "courses.csv"
    return Pipe(path, path.read_text(), database)


def by_the_command() -> None:
    assert CliRunner().invoke(front_door, ["load-lists"]).exit_code == 0


def by_the_asset() -> None:
    assert dg.materialize(UNIVERSITY, resources={"warehouse": WarehouseResource.from_environment()}).success


@pytest.mark.parametrize("load", [by_the_command, by_the_asset])
def test_no_transaction_is_open_while_a_list_is_read(load: Callable[[], None], pipe: Pipe, database: str) -> None:
    load()
    pipe.join()
    assert pipe.open_transactions == [0]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM university.courses").fetchone() == (True,)
