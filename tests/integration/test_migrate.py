"""Bringing a schema up to date: nobody's views, grants or time are lost on the way."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from assets.reports import TABLES
from resources.postgres import locks
from resources.postgres.locks import SCHEMA_LOCK, LockedByAnother
from resources.postgres.migrations import MigrationError, Migrations, files, migrate
from resources.postgres.views import created_by


@pytest.fixture
def sql(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def outdated(sql: psycopg.Connection) -> None:
    """As if a view had changed since."""
    sql.execute("UPDATE kaltura.migrations SET checksum = 'older' WHERE name = 'views/10_sessions.sql'")


def described(sql: psycopg.Connection, name: str) -> list[object]:
    queries = (
        "SELECT pg_get_viewdef(%(name)s::regclass), obj_description(%(name)s::regclass, 'pg_class')",
        "SELECT relkind, relacl::text, reloptions, pg_get_userbyid(relowner), relispopulated FROM pg_class"
        " WHERE oid = %(name)s::regclass",
        "SELECT attname, attacl::text, col_description(attrelid, attnum) FROM pg_attribute"
        " WHERE attrelid = %(name)s::regclass ORDER BY attnum",
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %(name)s::regclass ORDER BY indexrelid",
    )
    return [sql.execute(query, {"name": name}).fetchall() for query in queries]


THEIRS = {
    "analytics.mine_alone": "CREATE VIEW analytics.mine_alone AS SELECT 1 AS one",
    "analytics.on_ours": "CREATE VIEW analytics.on_ours WITH (security_barrier=true) AS SELECT * FROM analytics.rooms",
    'public."On top"': 'CREATE VIEW public."On top" AS SELECT count(*) AS n FROM analytics.on_ours, analytics.daily',
    "public.kept": "CREATE MATERIALIZED VIEW public.kept AS SELECT account_id, n FROM analytics.sessions,"
    ' public."On top" WITH NO DATA',
}


def test_an_analyst_s_views_and_materialized_views_stay_with_their_grants_comments_and_indexes(
    database: str, sql: psycopg.Connection
) -> None:
    sql.execute("DROP ROLE IF EXISTS migrate_reader")
    sql.execute("CREATE ROLE migrate_reader")
    for statement in THEIRS.values():
        sql.execute(statement.encode())
    sql.execute("CREATE INDEX kept_by_account ON public.kept (account_id)")
    sql.execute("COMMENT ON MATERIALIZED VIEW public.kept IS 'the dean''s'")
    sql.execute("COMMENT ON COLUMN analytics.on_ours.account_id IS 'ours'")
    sql.execute('GRANT SELECT ON public."On top" TO migrate_reader WITH GRANT OPTION')
    sql.execute("GRANT SELECT (account_id) ON analytics.on_ours TO PUBLIC")
    sql.execute("ALTER VIEW analytics.on_ours OWNER TO migrate_reader")
    sql.execute("GRANT SELECT ON analytics.daily TO migrate_reader")
    sql.execute("GRANT SELECT (account_id) ON analytics.weekly TO migrate_reader")
    ours = ["analytics.daily", "analytics.weekly", "analytics.sessions"]
    try:
        before = {name: described(sql, name) for name in [*THEIRS, *ours]}
        outdated(sql)
        assert "sql/views/10_sessions.sql" in migrate(database, TABLES)
        assert {name: described(sql, name) for name in [*THEIRS, *ours]} == before
    finally:
        for name in ("public.kept", 'public."On top"', "analytics.on_ours"):
            sql.execute(f"DROP {'MATERIALIZED ' if name == 'public.kept' else ''}VIEW IF EXISTS {name}".encode())
        sql.execute("DROP OWNED BY migrate_reader")
        sql.execute("DROP ROLE migrate_reader")


def test_what_default_privileges_give_is_taken_back_where_it_had_been_revoked(
    database: str, sql: psycopg.Connection
) -> None:
    sql.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA analytics GRANT SELECT ON TABLES TO PUBLIC")
    before = described(sql, "analytics.people")
    outdated(sql)
    migrate(database, TABLES)
    after = sql.execute(
        "SELECT count(*) FROM pg_class, aclexplode(relacl) AS held"
        " WHERE oid = 'analytics.people'::regclass AND held.grantee = 0"
    ).fetchone()
    assert after == (0,)
    assert before[0] == described(sql, "analytics.people")[0]


def changed_copy(folder: Path, name: str, text: str) -> Path:
    for kind in ("migrations", "views"):
        (folder / kind).mkdir()
        for file in files(kind):
            (folder / file.name).write_text(file.text)
    (folder / "views" / name).write_text(text)
    return folder


def test_a_view_that_can_not_be_made_anew_is_named_with_the_command_to_go_on_and_nothing_has_changed(
    database: str, sql: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql.execute("CREATE VIEW public.theirs AS SELECT account_id FROM analytics.restated_sessions")
    name = "42_restated_sessions.sql"
    folder = changed_copy(tmp_path, name, "CREATE VIEW analytics.restated_sessions AS SELECT 1 AS other;")
    before = described(sql, "analytics.restated_sessions")
    monkeypatch.setattr(Migrations.__init__, "__defaults__", (folder, None))

    with pytest.raises(MigrationError, match=r"public\.theirs.*DROP VIEW public\.theirs"):
        migrate(database, TABLES)

    assert described(sql, "analytics.restated_sessions") == before
    assert sql.execute("SELECT count(*) FROM public.theirs").fetchone() == (0,)


def test_a_view_of_an_older_version_goes_and_one_of_an_analyst_with_a_new_view_s_name_is_refused(
    database: str, sql: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql.execute("CREATE VIEW analytics.gone AS SELECT 1 AS one")
    sql.execute("INSERT INTO kaltura.migrations (name, checksum) VALUES ('views/50_gone.sql', 'x')")
    sql.execute("CREATE VIEW analytics.novel AS SELECT 2 AS theirs")
    monkeypatch.setattr("resources.postgres.migrations.FORMER_VIEWS", frozenset({"views/50_gone.sql"}))
    folder = changed_copy(tmp_path, "60_novel.sql", "CREATE VIEW analytics.novel AS SELECT 3 AS ours;")
    monkeypatch.setattr(Migrations.__init__, "__defaults__", (folder, None))

    with pytest.raises(MigrationError, match=r"analytics\.novel.*RENAME"):
        migrate(database, TABLES)
    assert sql.execute("SELECT to_regclass('analytics.gone') IS NULL").fetchone() == (False,)

    sql.execute("ALTER VIEW analytics.novel RENAME TO theirs")
    migrate(database, TABLES)
    assert sql.execute("SELECT to_regclass('analytics.gone') IS NULL").fetchone() == (True,)
    assert sql.execute("SELECT ours FROM analytics.novel").fetchone() == (3,)
    assert sql.execute("SELECT theirs FROM analytics.theirs").fetchone() == (2,)


def test_a_view_whose_file_has_another_number_now_does_not_make_the_database_one_of_a_newer_version(
    database: str, sql: psycopg.Connection
) -> None:
    """Files of views are numbered by what they build on: one that builds on more moves."""
    sql.execute(
        "UPDATE kaltura.migrations SET name = 'views/21_room_retention.sql' WHERE name LIKE '%room_retention.sql'"
    )
    migrate(database, TABLES)
    named = sql.execute("SELECT name FROM kaltura.migrations WHERE name LIKE '%room_retention.sql'").fetchall()
    assert named == [("views/25_room_retention.sql",)]


def test_each_file_of_views_makes_the_one_view_that_it_is_named_for() -> None:
    assert {file.name: created_by(file.text) for file in files("views")} == {
        file.name: [Path(file.name).stem.partition("_")[2]] for file in files("views")
    }


ADA = "Ada Lovelace"
FAILS_ON_A_ROW = {
    "a column that may not be empty": "CREATE TABLE p (name text, n int NOT NULL); INSERT INTO p VALUES (ADA, NULL);",
    "a check": "CREATE TABLE p (name text CHECK (length(name) < 5)); INSERT INTO p VALUES (ADA);",
    "a row twice": "CREATE TABLE p (name text); INSERT INTO p VALUES (ADA), (ADA); CREATE UNIQUE INDEX ON p (name);",
    "a foreign key": "CREATE TABLE q (name text PRIMARY KEY); CREATE TABLE p (name text REFERENCES q);"
    " INSERT INTO p VALUES (ADA);",
    "no partition": "CREATE TABLE p (name text) PARTITION BY LIST (name); INSERT INTO p VALUES (ADA);",
    "an exclusion": "CREATE TABLE p (name text, EXCLUDE (name WITH =)); INSERT INTO p VALUES (ADA), (ADA);",
    "a number": "CREATE TABLE p (name text); INSERT INTO p VALUES (ADA); ALTER TABLE p ALTER name TYPE int USING name::int;",
    "a time": "CREATE TABLE p (name text); INSERT INTO p VALUES (ADA); ALTER TABLE p ALTER name TYPE date USING name::date;",
    "a large number": "CREATE TABLE p (name text); INSERT INTO p VALUES ('991815121852');"
    " ALTER TABLE p ALTER name TYPE int USING name::int;",
    "JSON": "CREATE TABLE p (name text); INSERT INTO p VALUES (ADA); ALTER TABLE p ALTER name TYPE json USING name::json;",
    "a kind": "CREATE TYPE k AS ENUM ('a'); CREATE TABLE p (name text); INSERT INTO p VALUES (ADA);"
    " ALTER TABLE p ALTER name TYPE k USING name::k;",
}


@pytest.mark.parametrize("kind", FAILS_ON_A_ROW)
def test_a_migration_that_fails_on_a_row_says_where_and_nothing_of_the_row(
    kind: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    text = FAILS_ON_A_ROW[kind].replace("ADA", f"'{ADA}'")
    folder = changed_copy(tmp_path, "42_restated_sessions.sql", "")
    (folder / "migrations" / "9999_bad.sql").write_text(f"CREATE SCHEMA bad; SET LOCAL search_path = bad; {text}")

    with pytest.raises(MigrationError, match=r"sql/migrations/9999_bad\.sql: .*\(SQLSTATE 2") as told:
        Migrations(sql, folder).apply(TABLES)

    assert not any(part in str(told.value) for part in ("Ada", "Lovelace", "991815121852"))
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_what_depends_on_a_view_is_named(sql: psycopg.Connection, database: str) -> None:
    sql.execute(
        "CREATE FUNCTION public.reads() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM analytics.rooms; END"
    )
    outdated(sql)
    with pytest.raises(
        MigrationError, match=r"SQLSTATE 2BP01\).*function public\.reads\(\) depends on view analytics\.rooms"
    ):
        migrate(database, TABLES)


def test_migrations_wait_for_another_s_for_a_bounded_time_and_say_who_it_is(
    database: str, sql: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "SCHEMA_LOCK_SECONDS", 0.3)
    outdated(sql)
    with psycopg.connect(database, application_name="the other") as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
        pid = other.info.backend_pid
        with pytest.raises(LockedByAnother, match=f"process {pid}, role postgres, program the other"):
            migrate(database, TABLES)
    assert migrate(database, TABLES)


def test_a_schema_that_is_current_is_only_read_and_waits_for_nobody(database: str) -> None:
    with psycopg.connect(database) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
        other.execute("LOCK kaltura.migrations IN SHARE MODE")
        assert migrate(database, TABLES) == []


def test_of_several_that_start_at_once_each_file_is_applied_by_one_and_no_lock_is_left(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA analytics, kaltura CASCADE")
        applied: list[str] = []
        threads = [threading.Thread(target=lambda: applied.extend(migrate(url, TABLES))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        left = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    made = {f"sql/{file.name}" for kind in ("migrations", "views") for file in files(kind)}
    assert {what for what in applied if not what.startswith("comments on ")} == made
    assert len(applied) == len(set(applied))
    assert left == (0,)
