"""What the database says of a declared column is what its declaration says, from the next migrate on."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from assets.reports import TABLES
from pipelines.command_line import front_door
from pipelines.definitions import defs
from resources.postgres.backup import back_up
from resources.postgres.comments import declared
from resources.postgres.locks import SCHEMA_LOCK
from resources.postgres.migrations import migrate
from resources.postgres.restore import restore
from resources.privacy.pseudonyms import FULL
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.table import Table

KALTURA = [f"comments on kaltura.{table.name}" for table in TABLES]
DECLARED = {(comment.table, comment.column): comment.text for comment in declared(TABLES)}

Said = dict[tuple[str, str | None], str | None]


@pytest.fixture
def sql(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def said(sql: psycopg.Connection) -> Said:
    """What the database says of each declared table and column."""
    rows = sql.execute(
        "SELECT relname, attname, col_description(attrelid, attnum) FROM pg_attribute JOIN pg_class ON attrelid = oid"
        " WHERE relnamespace = 'kaltura'::regnamespace"
        " UNION ALL SELECT relname, NULL, obj_description(oid, 'pg_class') FROM pg_class"
        " WHERE relnamespace = 'kaltura'::regnamespace"
    ).fetchall()
    return {(table, column): comment for table, column, comment in rows if (table, column) in DECLARED}


def written(sql: psycopg.Connection) -> set[tuple[object, ...]]:
    """Each comment of the database, with the transaction that wrote it."""
    return set(sql.execute("SELECT classoid, objoid, objsubid, xmin::text, description FROM pg_description").fetchall())


def silence(sql: psycopg.Connection) -> None:
    """As a column stands that a migration added without a word."""
    for table, column in DECLARED:
        what = f"TABLE kaltura.{table}" if column is None else f"COLUMN kaltura.{table}.{column}"
        sql.execute(f"COMMENT ON {what} IS NULL".encode())


def reworded(name: str, column: str, words: str) -> list[Table]:
    """The declarations, with other words on one column."""
    return [
        replace(table, columns=tuple(replace(c, description=words) if c.name == column else c for c in table.columns))
        if table.name == name
        else table
        for table in TABLES
    ]


def test_each_declared_table_and_column_gets_its_words_and_nothing_else_is_touched(
    database: str, sql: psycopg.Connection
) -> None:
    before = written(sql)
    silence(sql)
    others = written(sql)
    assert len(before - others) == len(DECLARED)

    assert migrate(database, TABLES) == KALTURA

    assert said(sql) == DECLARED
    assert others < written(sql)
    assert len(written(sql)) == len(before)


def test_a_second_migrate_writes_no_comment_and_waits_for_nobody(database: str, sql: psycopg.Connection) -> None:
    silence(sql)
    migrate(database, TABLES)
    before = written(sql)
    with psycopg.connect(database) as other:
        other.execute("LOCK kaltura.room_sessions, kaltura.attendees, kaltura.breakout_sessions")
        other.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
        assert migrate(database, TABLES) == []
    assert written(sql) == before


def test_other_words_in_one_declaration_are_one_comment_and_its_table_can_be_read_and_written_meanwhile(
    database: str, sql: psycopg.Connection
) -> None:
    before = written(sql)
    tables = reworded("attendees", "user_type", "Said better.")
    with psycopg.connect(database) as other:
        other.execute("LOCK kaltura.attendees IN ROW EXCLUSIVE MODE")  # as a load does
        assert migrate(database, tables) == ["comments on kaltura.attendees"]
    [(*_, words)] = written(sql) - before
    assert words == "Said better."
    assert said(sql) == {**DECLARED, ("attendees", "user_type"): "Said better."}
    assert migrate(database, tables) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(words=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_any_words_arrive_as_they_are_declared(words: str, database: str, sql: psycopg.Connection) -> None:
    tables = reworded("attendees", "user_type", words)
    migrate(database, tables)
    assert said(sql)["attendees", "user_type"] == (words or None)
    assert migrate(database, tables) == []


def test_an_owner_of_the_schema_that_may_do_nothing_else_writes_them_and_words_stop_nobody_else(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA analytics, kaltura, university CASCADE")
        for role in ("comments_owner", "comments_reader"):
            connection.execute(f"DROP ROLE IF EXISTS {role}".encode())
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        name = connection.info.dbname
        connection.execute(f"GRANT CREATE ON DATABASE {name} TO comments_owner".encode())
    owner, reader = (url.replace("//postgres@", f"//{role}@") for role in ("comments_owner", "comments_reader"))
    tables = reworded("attendees", "user_type", "Said better.")
    try:
        assert set(KALTURA) <= set(migrate(owner, TABLES))
        with psycopg.connect(owner, autocommit=True) as connection:
            assert said(connection) == DECLARED
            connection.execute("GRANT USAGE ON SCHEMA kaltura TO comments_reader")
            connection.execute("GRANT SELECT ON kaltura.migrations TO comments_reader")
        assert migrate(reader, tables) == []
        assert migrate(owner, tables) == ["comments on kaltura.attendees"]
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            for role in ("comments_owner", "comments_reader"):
                connection.execute(f"DROP OWNED BY {role} CASCADE".encode())
                connection.execute(f"DROP ROLE {role}".encode())


def test_the_command_says_of_which_tables(database: str, sql: psycopg.Connection) -> None:
    sql.execute("COMMENT ON TABLE kaltura.breakout_sessions IS 'otherwise'")
    for expected in ("applied comments on kaltura.breakout_sessions\n", "the schema is current\n"):
        done = CliRunner().invoke(front_door, ["migrate", "--database-url", database])
        assert (done.exit_code, done.output) == (0, expected)


def test_a_backup_of_other_words_is_restored_with_those_of_today(
    database: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    sql.execute("COMMENT ON COLUMN kaltura.attendees.user_id IS 'as it was said'")
    quiet = Console(quiet=True)
    back_up(database, tmp_path / "a.dump", quiet, "")
    restore(database, tmp_path / "a.dump", quiet, keeper=ReapplyErasures(FULL, TABLES), tables=TABLES, trust=True)
    assert said(sql) == DECLARED


def test_the_private_postgres_that_a_run_brings_up_to_date_has_them(
    database: str, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence(sql)
    monkeypatch.setattr("resources.warehouse.resource.database_url", lambda: database)
    resource = defs.resources["warehouse"].process_config_and_initialize()  # type: ignore[index]
    with resource.opened():
        assert said(sql) == DECLARED
