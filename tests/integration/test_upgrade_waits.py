"""What changes the schema waits for whoever reads, a bounded time, and nobody waits behind it for longer than a moment."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from pipeline import wait_until
from rich.console import Console

from assets.reports import TABLES
from resources.postgres import table_locks
from resources.postgres.backup import back_up
from resources.postgres.locks import LockedByAnother
from resources.postgres.migrations import migrate
from resources.postgres.restore import restore
from resources.privacy.pseudonyms import FULL
from resources.privacy.reapply_erasures import ReapplyErasures
from tests.integration.test_migrate import outdated

QUIET = Console(quiet=True)
Change = Callable[[str, Path], None]


def migrated(url: str, folder: Path) -> None:
    migrate(url, TABLES)


def restored(url: str, folder: Path) -> None:
    kept = ReapplyErasures(FULL, TABLES)
    restore(url, folder / "a.dump", QUIET, keeper=kept, tables=TABLES, replace=True, trust=True)


@pytest.fixture
def to_change(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    monkeypatch.setattr(table_locks, "ATTEMPT_SECONDS", 0.5)
    monkeypatch.setattr(table_locks, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(table_locks, "WAIT_SECONDS", 3)
    back_up(database, tmp_path / "a.dump", QUIET)
    with psycopg.connect(database, autocommit=True) as connection:
        outdated(connection)
        yield connection


def noted(sql: psycopg.Connection) -> list[object]:
    return list(sql.execute("SELECT name, checksum FROM kaltura.migrations ORDER BY name"))


@pytest.mark.parametrize("change", [migrated, restored])
def test_behind_an_open_transaction_it_ends_with_who_that_is_while_others_read_and_nothing_has_changed(
    change: Change, database: str, to_change: psycopg.Connection, tmp_path: Path
) -> None:
    said: list[Exception] = []

    def changed() -> None:
        try:
            change(database, tmp_path)
        except Exception as error:
            said.append(error)

    notes, changing = noted(to_change), threading.Thread(target=changed)
    with psycopg.connect(database, application_name="of an analyst") as analyst:
        analyst.execute("SELECT * FROM analytics.rooms")
        changing.start()
        longest, reads = 0.0, 0
        to_change.execute("SET statement_timeout = '10s'")
        while changing.is_alive():
            began = time.monotonic()
            to_change.execute("SELECT count(*) FROM analytics.rooms")
            longest, reads = max(longest, time.monotonic() - began), reads + 1
            changing.join(0.05)
        analyst.execute("SELECT * FROM analytics.rooms")
        pid = analyst.info.backend_pid
    [error] = said
    assert isinstance(error, LockedByAnother)
    assert f"process {pid}, role postgres, program of an analyst" in str(error)
    assert "pg_terminate_backend" in str(error)
    assert reads > 1
    assert longest < 5
    assert noted(to_change) == notes
    change(database, tmp_path)


@pytest.mark.parametrize("change", [migrated, restored])
def test_once_the_transaction_has_ended_it_goes_through(
    change: Change, database: str, to_change: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_locks, "WAIT_SECONDS", 60)
    changing = threading.Thread(target=change, args=(database, tmp_path))
    with psycopg.connect(database) as analyst:
        analyst.execute("SELECT * FROM analytics.rooms")
        changing.start()
        waits = "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        wait_until(lambda: bool(to_change.execute(waits).fetchall()), 60)
        wait_until(lambda: not to_change.execute(waits).fetchall(), 60)
    changing.join(60)
    assert not changing.is_alive()
    assert "older" not in str(noted(to_change))


def test_the_role_s_own_limit_stays_where_it_is_the_shorter_one(to_change: psycopg.Connection) -> None:
    def limit() -> str:
        return str(to_change.execute("SHOW lock_timeout").fetchone()[0])  # type: ignore[index]

    for own, counts in (("0", "500ms"), ("1min", "500ms"), ("100ms", "100ms")):
        to_change.execute(f"SET lock_timeout = '{own}'".encode())
        with to_change.transaction():
            assert table_locks.patiently(to_change, limit) == counts
            assert limit() == own
