"""A role's and a database's own settings change nothing, and what the server refuses is told by name."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from assets.attendees import ATTENDEES
from assets.reports import TABLES
from resources.errors import ConfigurationError
from resources.postgres import session
from resources.postgres.locks import LOCK_CLASS, take_lock
from resources.postgres.migrations import migrate
from resources.postgres.session import DatabaseError, connect, opened
from resources.warehouse.warehouse import Warehouse, WarehouseError, WarehouseUnreachable
from simulator import ListedWorld, Running, serving
from tests.integration.test_upsert import load, with_names_that_break_readers
from tests.integration.test_whole_days import Place

ODD = {
    "client_encoding": "LATIN1",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Pacific/Chatham",
    "search_path": "nowhere",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "extra_float_digits": "-3",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
}


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@contextmanager
def placed(kaltura: Running, url: str) -> Iterator[Place]:
    """A day with a meeting of two."""
    warehouse = Warehouse(url)
    place = Place(kaltura, warehouse)
    place.meets("1_a", 9, 10, [(9, 10), (9.25, 9.75)])
    yield place
    warehouse.close()


def beside(url: str, database: str) -> str:
    return re.sub(r"/test_\w+\?", f"/{database}?", url)


def set_for(url: str, settings: dict[str, str], what: str = "DATABASE") -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname if what == "DATABASE" else what
        for setting, value in settings.items():
            connection.execute(f"ALTER {what.split()[0]} \"{name}\" SET {setting} = '{value}'".encode())


def stored(url: str) -> list[tuple[object, ...]]:
    with opened(url) as connection:
        return [
            row
            for table in ("room_sessions", "attendees", "breakout_sessions")
            for row in connection.execute(
                "SELECT to_jsonb(t) - ARRAY['load_id', 'first_loaded_at', 'changed_at'] AS row"
                f" FROM kaltura.{table} AS t ORDER BY 1".encode()
            ).fetchall()
        ]


@pytest.mark.parametrize("names", [["client_encoding"], ["DateStyle"], [*ODD][2:]], ids=["encoding", "dates", "others"])
def test_with_settings_of_the_database_everything_is_stored_as_without_them_and_the_second_pull_changes_nothing(
    names: list[str], kaltura: Running, new_database: Callable[[], str]
) -> None:
    urls = new_database(), new_database()
    set_for(urls[1], {name: ODD[name] for name in names})
    for url in urls:
        with placed(kaltura, url) as place:
            with_names_that_break_readers(place)
            load(place, place.bring(0))
            again = load(place, place.bring(0))
        assert not any(each.inserted or each.updated or each.removed for each in again)

    assert stored(urls[0]) == stored(urls[1])


def test_a_schema_is_made_in_a_database_with_every_odd_setting(new_database: Callable[[], str]) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA analytics, kaltura CASCADE")
    set_for(url, ODD)

    assert len(migrate(url, TABLES)) > 10
    assert migrate(url, TABLES) == []


def test_every_setting_is_ours_in_a_transaction_and_outlives_it_for_nobody(database: str) -> None:
    set_for(database, ODD)
    with connect(database) as connection:
        before = {
            name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("search_path", "IntervalStyle")
        }
        with session.transaction(connection):
            inside = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in ODD}
        after = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in before}
    assert before == after
    assert inside["client_encoding"] == ("UTF8",)
    assert inside["TimeZone"] == ("UTC",)
    assert inside["search_path"] == ("pg_catalog",)


def test_a_server_that_is_gone_is_missed_in_minutes_unless_the_url_says_otherwise(database: str) -> None:
    for words, idle in (("", "60"), ("&keepalives_idle=7", "7")):
        with connect(f"{database}{words}") as connection:
            assert connection.info.get_parameters()["keepalives_idle"] == idle


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_server_encoding_that_can_not_hold_every_name_is_refused_by_name_before_anything_is_written(
    encoding: str, database: str
) -> None:
    name = f"encoded_{encoding.lower()}"
    url = beside(database, name)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0".encode()
        )
    try:
        for refused in (lambda each: migrate(each, TABLES), lambda each: Warehouse(each).require_current_schema()):
            with pytest.raises(DatabaseError, match=f"{encoding}.*UTF8"):
                refused(url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT to_regnamespace('kaltura')").fetchone() == (None,)
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_postgres_that_is_too_old_is_refused_by_its_version(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LEAST_VERSION", 99)
    with pytest.raises(DatabaseError, match=r"is Postgres \d+\. Postgres 99 or newer"):
        migrate(database, TABLES)


# --- what the server refuses -------------------------------------------------------------------------------------


@contextmanager
def table_lock_held(database: str) -> Iterator[None]:
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, ATTENDEES.table.report_id])
        yield


def refused_while_locked(kaltura: Running, database: str) -> WarehouseError:
    with placed(kaltura, database) as place, table_lock_held(database), pytest.raises(WarehouseError) as caught:
        load(place, place.bring(0))
    return caught.value


def test_a_statement_timeout_is_named_with_what_was_waited_for_and_is_not_waited_out(
    kaltura: Running, database: str
) -> None:
    set_for(database, {"statement_timeout": "150ms"})
    error = refused_while_locked(kaltura, database)
    assert not isinstance(error, WarehouseUnreachable)
    assert "57014" in str(error)
    assert "statement_timeout" in str(error)
    assert "waiting for another load of attendees" in str(error)
    assert "report it" not in str(error)


def test_a_lock_timeout_is_named_with_what_was_waited_for_and_passes(
    kaltura: Running, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.postgres.outages.WAITED_FOR_SECONDS", 0.1)
    set_for(database, {"lock_timeout": "150ms"})
    error = refused_while_locked(kaltura, database)
    assert isinstance(error, WarehouseUnreachable)
    assert "55P03" in str(error)
    assert "lock_timeout" in str(error)
    assert "waiting for another load of attendees" in str(error)


def test_a_lock_that_somebody_holds_for_ever_is_not_waited_for_as_long_and_who_holds_it_is_told(
    kaltura: Running, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.postgres.outages.WAITED_FOR_SECONDS", 0.1)
    monkeypatch.setattr("resources.postgres.locks.LOCK_SECONDS", 1)
    error = refused_while_locked(kaltura, database)
    assert isinstance(error, WarehouseUnreachable)
    assert re.search(r"waiting for another load of attendees \(process \d+, role postgres, program ", str(error))


def test_a_lock_that_is_given_back_in_time_leaves_the_roles_own_limit_as_it_was(database: str) -> None:
    with psycopg.connect(database) as other, psycopg.connect(database) as connection:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_CLASS, 7])
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        take_lock(connection, 7, "another")
        timer.join()
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()"
        assert connection.execute(query).fetchone() == (1,)


def test_a_statement_that_somebody_cancels_fails_the_day_at_once_and_is_not_begun_again(
    kaltura: Running, database: str
) -> None:
    cancelled = []

    def cancel() -> None:
        with psycopg.connect(database, autocommit=True) as other:
            while not cancelled:
                cancelled.extend(
                    other.execute(
                        "SELECT pg_cancel_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND NOT granted AND database ="
                        " (SELECT oid FROM pg_database WHERE datname = current_database())"
                    ).fetchall()
                )

    canceller = threading.Thread(target=cancel)
    canceller.start()
    error = refused_while_locked(kaltura, database)
    canceller.join()

    assert cancelled == [(True,)]
    assert not isinstance(error, WarehouseUnreachable)
    assert "57014" in str(error)
    assert "somebody cancelled" in str(error)
    assert "waiting for another load of attendees" in str(error)


def test_a_role_that_only_reads_is_told_so_in_a_line(kaltura: Running, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS only_reads")
        owner.execute("CREATE ROLE only_reads LOGIN")
        owner.execute("GRANT USAGE ON SCHEMA kaltura, analytics TO only_reads")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA kaltura TO only_reads")
    reader = database.replace("//postgres@", "//only_reads@")
    try:
        assert migrate(reader, TABLES) == [], "a current schema needs no DDL, so no right to it"
        with placed(kaltura, reader) as place, pytest.raises(WarehouseError, match=r"42501.*kaltura_loader") as caught:
            load(place, place.bring(0))
        assert "\n" not in str(caught.value)
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("UPDATE kaltura.migrations SET checksum = 'older' WHERE name LIKE 'views/%'")
        with pytest.raises(ConfigurationError, match="42501"):
            migrate(reader, TABLES)
    finally:
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("DROP OWNED BY only_reads")
            owner.execute("DROP ROLE only_reads")
