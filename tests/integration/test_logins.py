"""The logins by which dashboards ask: each in its role alone, with a password that no log holds."""

from collections.abc import Iterator

import psycopg
import pytest
import run_folder

from resources.postgres.logins import make_login
from resources.postgres.roles import RolesError, apply_roles

ANALYST, PEOPLE = "test_dashboards", "test_dashboards_people"
PASSWORD = "hidden"


@pytest.fixture
def logins(database: str) -> Iterator[psycopg.Connection]:
    """Both of them; roles are the server's, and all workers share it."""
    with run_folder.alone("roles"), psycopg.connect(database, autocommit=True) as connection:
        apply_roles(database)
        make_login(database, ANALYST, "kaltura_analyst", PASSWORD)
        make_login(database, PEOPLE, "kaltura_analyst_pii", PASSWORD)
        yield connection
        connection.execute(f"DROP ROLE {ANALYST}, {PEOPLE}")


@pytest.mark.parametrize(("login", "shown"), [(ANALYST, False), (PEOPLE, True)])
def test_a_login_is_shown_people_as_its_role_is(login: str, shown: bool, logins: psycopg.Connection) -> None:
    logins.execute(f"SET ROLE {login}")
    assert logins.execute("SELECT analytics.shows_people()").fetchone() == (shown,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        logins.execute("SELECT * FROM kaltura.attendees")
    logins.execute("RESET ROLE")


def test_the_analysts_login_can_not_become_the_other(database: str, logins: psycopg.Connection) -> None:
    with psycopg.connect(database, user=ANALYST) as connection:
        for role in ("kaltura_analyst_pii", PEOPLE):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"SELECT set_config('role', '{role}', FALSE)")


def test_making_it_again_changes_the_password_and_nothing_else(database: str, logins: psycopg.Connection) -> None:
    told = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
    before = logins.execute(told, [ANALYST]).fetchone()
    make_login(database, ANALYST, "kaltura_analyst", "change-me")
    after = logins.execute(told, [ANALYST]).fetchone()
    assert before != after
    assert all(row and row[0].startswith("SCRAM-SHA-256$") for row in (before, after))


def test_who_may_make_no_roles_is_told_so(database: str, logins: psycopg.Connection) -> None:
    url = database.replace("postgres@", f"{ANALYST}@", 1)
    with pytest.raises(RolesError, match="CREATEROLE"):
        make_login(url, "test_third", "kaltura_analyst", PASSWORD)


def test_who_may_make_roles_and_is_no_superuser_makes_a_login_and_makes_it_again(
    database: str, logins: psycopg.Connection
) -> None:
    logins.execute("CREATE ROLE test_owner LOGIN CREATEROLE")
    logins.execute("GRANT kaltura_analyst TO test_owner WITH ADMIN OPTION")
    owner = database.replace("postgres@", "test_owner@", 1)
    try:
        for password in (PASSWORD, "change-me"):
            make_login(owner, "test_third", "kaltura_analyst", password)
    finally:
        logins.execute("DROP ROLE IF EXISTS test_third")
        logins.execute("DROP OWNED BY test_owner")
        logins.execute("DROP ROLE test_owner")


def test_a_login_that_has_become_a_superuser_is_none_again(database: str, logins: psycopg.Connection) -> None:
    logins.execute(f"ALTER ROLE {ANALYST} SUPERUSER CREATEDB BYPASSRLS")
    make_login(database, ANALYST, "kaltura_analyst", PASSWORD)
    told = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = %s"
    assert logins.execute(told, [ANALYST]).fetchone() == (False,)
