"""A backup needs nothing but its two files and a database: an empty one, on another server, or one of any version."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import run_folder
import warm
from psycopg.conninfo import conninfo_to_dict

from assets.reports import TABLES
from resources.local import postgres as local_postgres
from resources.local.superset import SECRETS
from resources.postgres.migrations import Migrations, files, migrate
from resources.postgres.roles import apply_roles
from resources.postgres.session import connect
from tests.integration.test_backup import backup, everything, lacking_rows, restore
from tests.integration.test_backup import kaltura as kaltura
from tests.integration.test_backup import load as load

EMPTY = "template0"
# Each of the versions lacks other functions of `analytics`, and the first all but its schema.
OLDER = ["0001_kaltura.sql", "0012_one_clock.sql", "0018_one_at_once.sql", "0019_plans.sql"]

Load = Callable[[str, int], list[int]]


def at_version(url: str, last: str, folder: Path) -> str:
    """The database as the version left it whose last migration this was. What views it had is not known any more."""
    (folder / "migrations").mkdir(parents=True)
    for file in files("migrations"):
        if file.name <= f"migrations/{last}":
            (folder / file.name).write_text(file.text)
    with connect(url) as connection:
        Migrations(connection, folder).apply([])
    return url


def made(url: str) -> list[Any]:
    """What of the schema is in no backup, and what each table, index and view is."""
    queries = (
        "SELECT p.proname, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc') FROM pg_proc AS p"
        " WHERE p.pronamespace = 'analytics'::regnamespace ORDER BY 1",
        "SELECT nspname, obj_description(oid, 'pg_namespace') FROM pg_namespace"
        " WHERE nspname IN ('kaltura', 'university', 'analytics') ORDER BY 1",
        "SELECT viewname, definition FROM pg_views WHERE schemaname = 'analytics' ORDER BY 1",
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname IN ('kaltura', 'university') ORDER BY 1",
        "SELECT name, checksum FROM kaltura.migrations ORDER BY 1",
    )
    with psycopg.connect(url) as connection:
        return [connection.execute(query).fetchall() for query in queries]


def works(url: str, load: Load) -> None:
    """The views answer, a day that is there is not written again, and one that is not there lands."""
    with psycopg.connect(url) as connection:
        for (view,) in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'analytics'").fetchall():
            connection.execute(f"SELECT * FROM analytics.{view} LIMIT 1".encode())
        assert connection.execute("SELECT count(*) > 0 FROM analytics.attendance").fetchone() == (True,)
    inserted = load(url, 2)
    assert inserted[:3] == [0, 0, 0]
    assert all(inserted[3:])


@pytest.fixture
def empty(new_database: Callable[[str], str]) -> str:
    return new_database(EMPTY)


@pytest.fixture
def filled(database: str, load: Load, tmp_path: Path) -> str:
    load(database, 1)
    backup(database, tmp_path / "a.dump")
    return database


def test_an_empty_database_is_all_that_a_restore_needs(filled: str, empty: str, load: Load, tmp_path: Path) -> None:
    restore(empty, tmp_path / "a.dump")
    assert everything(empty) == everything(filled)
    assert made(empty) == made(filled)
    works(empty, load)


@pytest.mark.parametrize("last", OLDER)
def test_a_warehouse_that_an_older_version_left_is_replaced_by_the_backup_and_is_of_this_version(
    last: str, filled: str, empty: str, load: Load, tmp_path: Path
) -> None:
    restore(at_version(empty, last, tmp_path), tmp_path / "a.dump")
    assert everything(empty) == everything(filled)
    assert made(empty) == made(filled)
    works(empty, load)


@pytest.mark.parametrize("last", OLDER)
@pytest.mark.parametrize("is_empty", [True, False], ids=["into nothing", "over a newer one"])
def test_a_backup_of_an_older_version_is_brought_to_this_one(
    is_empty: bool, last: str, empty: str, new_database: Callable[..., str], load: Load, tmp_path: Path
) -> None:
    older = at_version(new_database(EMPTY), last, tmp_path)
    with psycopg.connect(older) as connection:
        connection.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time,"
            " session_host_user_id, partition_date, window_start, window_end, load_id)"
            " VALUES (1, '1_old', '1_cue', '2026-01-05 09:00+00', 'the.host', '2026-01-05',"
            " '2026-01-05 00:00+00', '2026-01-06 12:00+00', 1)"
        )
    backup(older, tmp_path / "old.dump")
    there = empty if is_empty else new_database()
    restore(there, tmp_path / "old.dump")
    assert made(there) == made(new_database())
    with psycopg.connect(there) as connection:
        found = connection.execute("SELECT session_id, host_id FROM analytics.sessions").fetchall()
        assert found == [("1_cue", "the.host")]
    assert all(load(there, 1))


def test_a_restore_that_fails_leaves_an_empty_database_empty(filled: str, empty: str, tmp_path: Path) -> None:
    lacking_rows(tmp_path / "a.dump")
    assert "rows of attendees are missing" in restore(empty, tmp_path / "a.dump", succeeds=False)
    with psycopg.connect(empty) as connection:
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname IN ('kaltura', 'university', 'analytics')"
        assert connection.execute(schemas).fetchall() == []


# --- rights -------------------------------------------------------------------------------------------------------

LOADER, ANALYST = "kaltura_loader", "kaltura_analyst"
LOGINS = "kaltura_dashboards", "kaltura_dashboards_people"
_MAY = """
SELECT
    has_table_privilege(%(loader)s, 'kaltura.attendees', 'INSERT'),
    has_sequence_privilege(%(loader)s, 'kaltura.loads_id_seq', 'USAGE'),
    has_table_privilege(%(analyst)s, 'analytics.sessions', 'SELECT'),
    has_schema_privilege(%(loader)s, 'kaltura', 'USAGE'),
    (SELECT count(*) FROM pg_default_acl WHERE defaclnamespace = 'kaltura'::regnamespace) > 0
"""


@pytest.fixture
def with_roles(filled: str, tmp_path: Path) -> Iterator[str]:
    """Roles are the server's, and all workers share it."""
    with run_folder.alone("roles"):
        apply_roles(filled)
        backup(filled, tmp_path / "r.dump")
        yield filled


def may(url: str) -> list[bool]:
    with psycopg.connect(url) as connection:
        [row] = connection.execute(_MAY, {"loader": LOADER, "analyst": ANALYST}).fetchall()
    return list(row)


def test_roles_that_had_rights_in_the_warehouse_have_them_when_it_was_replaced(with_roles: str, tmp_path: Path) -> None:
    assert all(may(with_roles))
    said = restore(with_roles, tmp_path / "r.dump", "--replace")
    assert "The roles have their rights again." in said
    assert all(may(with_roles))


def test_nobody_gets_rights_in_another_database_before_the_owner_says_so(
    with_roles: str, empty: str, tmp_path: Path
) -> None:
    assert "`make roles`" in restore(empty, tmp_path / "r.dump")
    assert not any(may(empty))
    apply_roles(empty, again=False)  # as the private Postgres and the dashboards do it
    assert all(may(empty))


def test_who_may_not_give_rights_restores_all_the_same_and_is_told(with_roles: str, tmp_path: Path) -> None:
    owner, name = "test_restores", conninfo_to_dict(with_roles)["dbname"]
    with psycopg.connect(with_roles, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {owner} LOGIN")
        try:
            connection.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
            for (what,) in connection.execute(
                "SELECT format('SCHEMA %I', nspname) FROM pg_namespace"
                " WHERE nspname IN ('kaltura', 'university', 'analytics') UNION ALL"
                " SELECT format('FUNCTION %s', oid::regprocedure) FROM pg_proc"
                " WHERE pronamespace = 'analytics'::regnamespace UNION ALL"
                " SELECT format(CASE relkind WHEN 'v' THEN 'VIEW %1$s' ELSE 'TABLE %1$s' END, oid::regclass)"
                " FROM pg_class WHERE relkind IN ('r', 'v')"
                " AND relnamespace::regnamespace::text IN ('kaltura', 'university', 'analytics')"
            ).fetchall():
                connection.execute(f"ALTER {what} OWNER TO {owner}".encode())
            said = restore(with_roles.replace("postgres@", f"{owner}@", 1), tmp_path / "r.dump", "--replace")
            assert "could not be given them again" in said
            assert "rows of" in said  # it has restored
            assert not any(may(with_roles)[:2])
            apply_roles(with_roles, again=False)  # by somebody who may
            assert all(may(with_roles)[:4])
        finally:
            connection.execute(f"ALTER DATABASE {name} OWNER TO postgres")
            connection.execute(f"REASSIGN OWNED BY {owner} TO postgres")
            connection.execute(f"DROP OWNED BY {owner}")
            connection.execute(f"DROP ROLE {owner}")


@pytest.fixture
def new_server(tmp_path: Path) -> Iterator[str]:
    """Another server: it has none of the roles. The URL of its database, which is empty."""
    folder = tmp_path / "server"
    local_postgres.start(folder)
    yield local_postgres.url(folder)
    local_postgres.remove(folder)


def test_the_dashboards_make_roles_and_logins_on_a_new_server_after_a_restore(
    with_roles: str, new_server: str, tmp_path: Path
) -> None:
    restore(new_server, tmp_path / "r.dump")
    dashboards_made(new_server, tmp_path)
    assert all(may(new_server))


def test_a_warehouse_that_came_with_a_note_of_rights_and_without_them_gets_them(
    with_roles: str, new_server: str, tmp_path: Path
) -> None:
    """As an earlier version restored it, or as a dump by other means brings it to another server."""
    migrate(new_server, TABLES)
    with psycopg.connect(with_roles) as there, psycopg.connect(new_server) as here:
        [row] = there.execute("SELECT name, checksum FROM kaltura.migrations WHERE name = 'roles.sql'").fetchall()
        here.execute("INSERT INTO kaltura.migrations (name, checksum) VALUES (%s, %s)", row)
    dashboards_made(new_server, tmp_path)
    assert all(may(new_server))


def dashboards_made(url: str, folder: Path) -> None:
    """The command that makes the logins, with files for their passwords, and the analyst's login asks for rows."""
    secrets = folder / "secrets"
    secrets.mkdir()
    (folder / "bundle").mkdir()
    for name in SECRETS:
        (secrets / name).write_text("hidden")
    code, printed, errors = warm.run(
        *("python", "-m", "pipelines", "dashboards", "--prepare", str(folder / "bundle"), "--database-url", url),
        environment={**os.environ, "DASHBOARDS_SECRETS": str(secrets)},
    )
    assert code == 0, printed + errors
    with psycopg.connect(url) as connection:
        for login in LOGINS:
            connection.execute(f"SET ROLE {login}".encode())
            connection.execute("SELECT count(*) FROM analytics.sessions")
            connection.execute("RESET ROLE")


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """The folder of the private Postgres of a new checkout, which is not there yet."""
    yield tmp_path / "private"
    local_postgres.remove(tmp_path / "private")


def test_a_restore_is_the_first_thing_that_a_new_checkout_does(
    filled: str, private: Path, load: Load, tmp_path: Path
) -> None:
    """`make restore FILE=...` with nothing set: it makes the private Postgres."""
    (tmp_path / "home").mkdir()
    settings = {
        "LOCAL_POSTGRES_DIR": str(private),
        "DAGSTER_HOME": str(tmp_path / "home"),
        "KALTURA_PARTNER_ID": "9999",
    }
    code, printed, errors = warm.run(
        *("python", "-m", "pipelines", "restore", "--trust", str(tmp_path / "a.dump")),
        environment={**os.environ, "COLUMNS": "200", **settings},
    )
    assert code == 0, printed + errors
    assert "Dagster shows no day that it does not hold." in printed
    url = local_postgres.url(private)
    assert everything(url) == everything(filled)
    works(url, load)
