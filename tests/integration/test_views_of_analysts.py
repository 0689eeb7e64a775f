"""What analysts have built on the views is made anew with their own eyes: an upgrade shows nobody more than their role does."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from assets.reports import TABLES
from resources.postgres.backup import back_up
from resources.postgres.migrations import MigrationError, migrate
from resources.postgres.restore import restore
from resources.privacy.erasure import erase
from resources.privacy.people import require_mode
from resources.privacy.reapply_erasures import ReapplyErasures
from tests.integration.test_migrate import outdated
from tests.integration.test_privacy import KEY, WITH_KEY
from tests.integration.test_roles import ADA, ANALYST, TRACES, acting_as
from tests.integration.test_roles import alone_with_the_roles as alone_with_the_roles
from tests.integration.test_roles import filled as filled
from tests.integration.test_roles import filled_once as filled_once
from tests.integration.test_whole_days import kaltura as kaltura

THEIRS = (
    "CREATE MATERIALIZED VIEW faculty.plain AS SELECT * FROM analytics.attendance",
    "CREATE UNIQUE INDEX by_person ON faculty.plain (session_id, person_id)",
    "CREATE VIEW faculty.between AS SELECT person_id, person_name FROM analytics.attendance",
    "CREATE MATERIALIZED VIEW faculty.on_a_view AS SELECT faculty.seen(person_id) AS of, * FROM faculty.between",
    "CREATE INDEX by_seen ON faculty.on_a_view (faculty.seen_always(person_id))",
    "CREATE MATERIALIZED VIEW faculty.on_another AS SELECT * FROM faculty.plain",
)
# Each notes whose rights it has, as far as it may note anything.
TELLS = (
    "CREATE SEQUENCE faculty.as_another",
    "CREATE FUNCTION faculty.seen(text) RETURNS text VOLATILE LANGUAGE plpgsql AS $$ BEGIN"
    " IF current_user <> 'some_analyst' THEN PERFORM nextval('faculty.as_another'); END IF; RETURN $1; END $$",
    "CREATE FUNCTION faculty.seen_always(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN faculty.seen($1); END $$",
)


@pytest.fixture
def sql(filled: str) -> Iterator[psycopg.Connection]:
    """The owner's connection; an analyst has built materialized views on attendance."""
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA faculty")
        with acting_as(filled, ANALYST) as analyst:
            connection.execute("GRANT ALL ON SCHEMA faculty TO some_analyst")
            for statement in (*TELLS, *THEIRS):
                analyst.execute(statement.encode())
        yield connection
        connection.execute("DROP SCHEMA faculty CASCADE")
        connection.execute("DROP OWNED BY some_analyst")


def held(sql: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    names = ("plain", "on_a_view", "on_another")
    return {
        name: sql.execute(f"SELECT to_jsonb(m)::text FROM faculty.{name} AS m ORDER BY 1".encode()).fetchall()
        for name in names
    }


def named(sql: psycopg.Connection) -> set[str]:
    told = str(held(sql))
    return {each for each in TRACES if each in told}


def test_an_upgrade_fills_them_as_their_owner_sees_people_and_with_no_other_rights(
    filled: str, sql: psycopg.Connection
) -> None:
    before = held(sql)
    assert all(before.values())
    assert named(sql) == set()
    outdated(sql)
    assert migrate(filled, TABLES)
    assert named(sql) == set()
    assert held(sql) == before
    assert sql.execute("SELECT is_called FROM faculty.as_another").fetchone() == (False,)


def test_one_of_somebody_who_may_see_people_names_them_as_before(filled: str, sql: psycopg.Connection) -> None:
    sql.execute("GRANT kaltura_analyst_pii TO some_analyst")
    sql.execute("REFRESH MATERIALIZED VIEW faculty.plain")
    outdated(sql)
    migrate(filled, TABLES)
    assert named(sql) == set(TRACES)
    sql.execute("REVOKE kaltura_analyst_pii FROM some_analyst")
    outdated(sql)
    migrate(filled, TABLES)
    assert named(sql) == set()


def test_a_restored_backup_fills_them_once_those_who_were_erased_since_are_out(
    filled: str, sql: psycopg.Connection, tmp_path: Path
) -> None:
    sql.execute("GRANT kaltura_analyst_pii TO some_analyst")
    sql.execute("REFRESH MATERIALIZED VIEW faculty.plain")
    with sql.transaction():
        require_mode(sql, WITH_KEY)
    back_up(filled, tmp_path / "a.dump", Console(quiet=True), KEY)
    assert named(sql) == set(TRACES)
    with sql.transaction():
        assert erase(sql, WITH_KEY.of_account(1), TABLES, ADA.user_id)
    kept = ReapplyErasures(WITH_KEY, TABLES)
    restore(filled, tmp_path / "a.dump", Console(quiet=True), keeper=kept, tables=TABLES, replace=True, key=KEY)
    assert kept.people == 1
    assert all(held(sql).values())
    assert named(sql) == set()


def test_one_that_can_not_be_filled_is_named_with_what_to_do_and_nothing_has_changed(
    filled: str, sql: psycopg.Connection
) -> None:
    before = held(sql)
    sql.execute("REVOKE kaltura_analyst FROM some_analyst")
    outdated(sql)
    with pytest.raises(MigrationError, match=r"faculty\.\w+ is built on .*DROP MATERIALIZED VIEW faculty\.\w+;"):
        migrate(filled, TABLES)
    assert held(sql) == before
