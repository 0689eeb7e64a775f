"""An owner of the warehouse who is no superuser: what they may not make anew is told before anything has changed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import run_folder
from psycopg.conninfo import conninfo_to_dict
from rich.console import Console

from assets.reports import TABLES
from resources.postgres.backup import BackupError, back_up
from resources.postgres.migrations import MigrationError, Migrations, files, migrate
from resources.postgres.restore import restore
from resources.postgres.session import connect
from resources.privacy.pseudonyms import FULL
from resources.privacy.reapply_erasures import ReapplyErasures
from tests.integration.test_migrate import changed_copy, described, outdated

OWNER, ANN, READER = "test_upgrade_owner", "test_upgrade_ann", "test_upgrade_reader"
QUIET = Console(quiet=True)


def as_role(url: str, role: str) -> str:
    return url.replace("postgres@", f"{role}@", 1)


@pytest.fixture
def owned(new_database: Callable[[str], str]) -> Iterator[str]:
    """A warehouse of a login as `deploy/postgres/databases.sh` makes it, by its superuser's URL."""
    url = new_database("template0")
    with run_folder.alone("roles"), psycopg.connect(url, autocommit=True) as sql:
        sql.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
        sql.execute(f"CREATE ROLE {ANN} LOGIN")
        sql.execute(f"CREATE ROLE {READER}")
        sql.execute(f"ALTER DATABASE {conninfo_to_dict(url)['dbname']} OWNER TO {OWNER}".encode())
        migrate(as_role(url, OWNER), TABLES)
        sql.execute(f"CREATE SCHEMA faculty AUTHORIZATION {ANN}")
        sql.execute(f"GRANT USAGE ON SCHEMA analytics TO {ANN}")
        sql.execute(f"GRANT SELECT ON analytics.rooms, analytics.daily TO {ANN}")
        yield url
        sql.execute(f"ALTER DATABASE {conninfo_to_dict(url)['dbname']} OWNER TO postgres".encode())
        sql.execute(f"DROP OWNED BY {ANN}, {READER}, {OWNER} CASCADE")
        sql.execute(f"DROP ROLE {ANN}, {READER}, {OWNER}")


@pytest.fixture
def sql(owned: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(owned, autocommit=True) as connection:
        yield connection


def of_ann(url: str) -> None:
    with psycopg.connect(as_role(url, ANN), autocommit=True) as ann:
        ann.execute("CREATE VIEW faculty.mine AS SELECT * FROM analytics.rooms")
        ann.execute("COMMENT ON VIEW faculty.mine IS 'of ann'")
        ann.execute("CREATE MATERIALIZED VIEW faculty.kept AS SELECT account_id FROM faculty.mine")
        ann.execute("CREATE INDEX by_account ON faculty.kept (account_id)")
        ann.execute(f"GRANT SELECT ON faculty.mine TO {READER} WITH GRANT OPTION")


def noted(sql: psycopg.Connection) -> list[object]:
    return list(sql.execute("SELECT name, checksum, applied_at FROM kaltura.migrations ORDER BY name"))


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The version after this: a file that adds a table, and a view that has changed."""
    [view] = [file for file in files("views") if file.name == "views/10_sessions.sql"]
    folder = tmp_path / "newer"
    folder.mkdir()
    changed_copy(folder, "10_sessions.sql", f"{view.text}-- changed\n")
    (folder / "migrations" / "9999_added.sql").write_text("CREATE TABLE kaltura.added (one integer);\n")
    return folder


def upgraded(url: str, folder: Path) -> list[str]:
    with connect(as_role(url, OWNER)) as connection:
        return Migrations(connection, folder).apply(TABLES)


def test_views_of_another_are_named_with_the_grant_before_a_file_is_applied_and_stay_theirs_after_it(
    owned: str, sql: psycopg.Connection, newer: Path
) -> None:
    of_ann(owned)
    before, notes = [described(sql, name) for name in ("faculty.mine", "faculty.kept")], noted(sql)
    with pytest.raises(MigrationError) as refused:
        upgraded(owned, newer)
    said = str(refused.value)
    assert "faculty.mine" in said
    assert f"GRANT {ANN} TO {OWNER}" in said
    assert "make roles" not in said
    assert noted(sql) == notes
    for statement in granted(said):
        sql.execute(statement.encode())
    assert "sql/migrations/9999_added.sql" in upgraded(owned, newer)
    assert [described(sql, name) for name in ("faculty.mine", "faculty.kept")] == before


def granted(said: str) -> list[str]:
    """The statements that the message gives."""
    return [f"{each.strip()};" for each in said.partition(" run: ")[2].split(";")[:-1]]


IN_THE_WAY = {
    "ours, once made by a superuser": "ALTER VIEW analytics.rooms OWNER TO postgres",
    "in a schema where its owner may make nothing any more": f"ALTER SCHEMA faculty OWNER TO postgres; GRANT {ANN} TO {OWNER}",
    "of a superuser": "DROP MATERIALIZED VIEW faculty.kept; ALTER VIEW faculty.mine OWNER TO postgres",
    "of a login whose rights are not inherited": f"ALTER ROLE {OWNER} NOINHERIT; GRANT {ANN} TO {OWNER}",
}


@pytest.mark.parametrize("kind", IN_THE_WAY)
def test_whatever_may_not_be_made_anew_is_told_with_what_makes_it_so(
    kind: str, owned: str, sql: psycopg.Connection, newer: Path
) -> None:
    of_ann(owned)
    sql.execute(IN_THE_WAY[kind].encode())
    notes = noted(sql)
    with pytest.raises(MigrationError, match=r" run: .*;") as refused:
        upgraded(owned, newer)
    assert noted(sql) == notes
    for statement in granted(str(refused.value)):
        sql.execute(statement.encode())
    assert upgraded(owned, newer)


def test_what_is_no_view_and_depends_on_one_is_told_before_a_file_is_applied(
    owned: str, sql: psycopg.Connection, newer: Path
) -> None:
    sql.execute("CREATE FUNCTION public.reads() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM analytics.rooms; END")
    notes = noted(sql)
    with pytest.raises(MigrationError, match=r"2BP01.*function public\.reads\(\) depends on view analytics\.rooms"):
        upgraded(owned, newer)
    assert noted(sql) == notes


def test_a_name_that_somebody_else_has_is_told_before_a_file_is_applied(
    owned: str, sql: psycopg.Connection, newer: Path
) -> None:
    (newer / "views" / "99_new.sql").write_text("CREATE VIEW analytics.new AS SELECT 1 AS one;\n")
    sql.execute("CREATE VIEW analytics.new AS SELECT 2 AS two")
    notes = noted(sql)
    with pytest.raises(MigrationError, match=r"analytics\.new is there"):
        upgraded(owned, newer)
    assert noted(sql) == notes


def test_a_login_that_only_loads_is_told_that_the_schema_wants_its_owner(owned: str, sql: psycopg.Connection) -> None:
    sql.execute(f"GRANT USAGE ON SCHEMA kaltura TO {ANN}")
    sql.execute(f"GRANT SELECT ON kaltura.migrations TO {ANN}")
    outdated(sql)
    with pytest.raises(MigrationError, match="42501") as refused:
        migrate(as_role(owned, ANN), TABLES)
    assert "the owner of the schemas" in str(refused.value)
    assert "make roles" not in str(refused.value)


def put_back(url: str, file: Path) -> None:
    kept = ReapplyErasures(FULL, TABLES)
    restore(as_role(url, OWNER), file, QUIET, keeper=kept, tables=TABLES, replace=True, trust=True)


def test_a_restore_names_them_with_the_grant_and_they_stay_theirs_after_it(
    owned: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    of_ann(owned)
    back_up(as_role(owned, OWNER), tmp_path / "a.dump", QUIET)
    before = [described(sql, name) for name in ("faculty.mine", "faculty.kept")]
    with pytest.raises(BackupError, match=rf"nothing was restored.*faculty\.mine.*GRANT {ANN} TO {OWNER}") as refused:
        put_back(owned, tmp_path / "a.dump")
    for statement in granted(str(refused.value)):
        sql.execute(statement.encode())
    put_back(owned, tmp_path / "a.dump")
    assert [described(sql, name) for name in ("faculty.mine", "faculty.kept")] == before


def test_a_restore_says_what_depends_on_a_view_and_is_none(owned: str, sql: psycopg.Connection, tmp_path: Path) -> None:
    back_up(as_role(owned, OWNER), tmp_path / "a.dump", QUIET)
    sql.execute("CREATE FUNCTION public.reads() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM analytics.rooms; END")
    with pytest.raises(BackupError, match=r"2BP01.*function reads\(\) depends on view analytics\.rooms"):
        put_back(owned, tmp_path / "a.dump")
