"""The logins by which dashboards ask: each in its role alone, with a password that no log holds."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import run_folder
from pipeline import wait_until

from resources.local import postgres as local_postgres
from resources.postgres.logins import make_login
from resources.postgres.roles import RolesError, apply_roles
from tests.integration.test_upsert import POSTGRES_15

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


def comes_in(database: str, password: str = "") -> bool:
    try:
        psycopg.connect(database, user=ANALYST, password=password).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def asked_for_a_password(database: str, logins: psycopg.Connection) -> Iterator[None]:
    """As from another machine: the tests' server asks nobody whom it meets on its socket."""
    [[place]] = logins.execute("SHOW hba_file").fetchall()
    rules = Path(place)
    before = rules.read_text("utf-8")
    rules.write_text(f"local all {ANALYST} scram-sha-256\n{before}", "utf-8")
    logins.execute("SELECT pg_reload_conf()")
    wait_until(lambda: not comes_in(database))
    yield
    rules.write_text(before, "utf-8")
    logins.execute("SELECT pg_reload_conf()")


@pytest.mark.usefixtures("asked_for_a_password")
def test_making_it_again_changes_the_password_and_nothing_else(database: str, logins: psycopg.Connection) -> None:
    rest = "SELECT to_jsonb(pg_roles) FROM pg_roles WHERE rolname = %s"
    before = logins.execute(rest, [ANALYST]).fetchone()
    assert comes_in(database, PASSWORD)
    make_login(database, ANALYST, "kaltura_analyst", "change-me")
    assert comes_in(database, "change-me")
    assert not comes_in(database, PASSWORD)
    assert logins.execute(rest, [ANALYST]).fetchone() == before
    [[verifier]] = logins.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ANALYST]).fetchall()
    assert verifier.startswith("SCRAM-SHA-256$")


def test_who_may_make_no_roles_is_told_so_and_not_that_where_another_thing_is_lacking(
    database: str, logins: psycopg.Connection
) -> None:
    url = database.replace("postgres@", f"{ANALYST}@", 1)
    with pytest.raises(RolesError, match=r"42501\): it wants .*CREATEROLE"):
        make_login(url, "test_third", "kaltura_analyst", PASSWORD)
    with pytest.raises(RolesError, match=r"42704\): run `make roles` first, then this again\.$"):
        make_login(database, "test_third", "no_such_role", PASSWORD)


def test_rights_in_a_schema_that_is_not_there_want_it_to_be_made_first(new_database: Callable[[str], str]) -> None:
    with run_folder.alone("roles"), pytest.raises(RolesError, match=r"run `make migrate` first, then this again\.$"):
        apply_roles(new_database("template0"))


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


OTHERS = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole ORDER BY 1"


def test_a_login_that_was_put_into_other_roles_is_out_of_them_again(database: str, logins: psycopg.Connection) -> None:
    logins.execute("CREATE ROLE test_giver")
    logins.execute("GRANT kaltura_analyst_pii TO test_giver WITH ADMIN OPTION")
    try:
        logins.execute(f"GRANT {PEOPLE}, pg_read_all_data TO {ANALYST}")
        logins.execute("SET ROLE test_giver")
        logins.execute(f"GRANT kaltura_analyst_pii TO {ANALYST}")
        logins.execute("RESET ROLE")
        make_login(database, ANALYST, "kaltura_analyst", PASSWORD)
        assert logins.execute(OTHERS, [ANALYST]).fetchall() == [("kaltura_analyst",)]
        assert logins.execute(OTHERS, [PEOPLE]).fetchall() == [("kaltura_analyst_pii",)]
    finally:
        logins.execute("DROP OWNED BY test_giver")
        logins.execute("DROP ROLE test_giver")


def test_who_may_not_take_a_login_out_of_another_role_makes_none_of_it_and_is_told_which_it_is(
    database: str, logins: psycopg.Connection
) -> None:
    logins.execute("CREATE ROLE test_owner LOGIN CREATEROLE")
    logins.execute("GRANT kaltura_analyst TO test_owner WITH ADMIN OPTION")
    owner = database.replace("postgres@", "test_owner@", 1)
    try:
        make_login(owner, "test_third", "kaltura_analyst", PASSWORD)
        logins.execute("GRANT pg_read_all_data TO test_third")
        with pytest.raises(RolesError, match=r"test_third .*is in pg_read_all_data too.*REVOKE pg_read_all_data FROM"):
            make_login(owner, "test_third", "kaltura_analyst", PASSWORD)
    finally:
        logins.execute("DROP ROLE IF EXISTS test_third")
        logins.execute("DROP OWNED BY test_owner")
        logins.execute("DROP ROLE test_owner")


@pytest.fixture
def postgres_15(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("PG_BIN", str(POSTGRES_15))
    folder = Path(tempfile.mkdtemp(prefix="kaltura-15-"))
    folder.chmod(0o755)
    local_postgres.start(folder)
    yield local_postgres.url(folder)
    local_postgres.remove(folder)


@pytest.mark.skipif(not POSTGRES_15.exists(), reason="no Postgres 15 on this machine")
def test_what_somebody_gave_who_is_gone_is_taken_away_and_who_may_not_do_that_is_told(postgres_15: str) -> None:
    """Before Postgres 16 a role goes whose gifts stay."""
    with psycopg.connect(postgres_15, autocommit=True) as sql:
        sql.execute(
            "CREATE ROLE kaltura_analyst; CREATE ROLE kaltura_analyst_pii; CREATE ROLE test_owner LOGIN CREATEROLE"
        )

        def given(role: str) -> None:
            sql.execute("CREATE ROLE test_giver SUPERUSER")
            sql.execute("SET ROLE test_giver")
            sql.execute(f"GRANT {role} TO {ANALYST}".encode())
            sql.execute("RESET ROLE")
            sql.execute("DROP ROLE test_giver")

        make_login(postgres_15, ANALYST, "kaltura_analyst", PASSWORD)
        given("kaltura_analyst_pii")
        make_login(postgres_15, ANALYST, "kaltura_analyst", PASSWORD)
        assert sql.execute(OTHERS, [ANALYST]).fetchall() == [("kaltura_analyst",)]
        sql.execute("CREATE ROLE test_super SUPERUSER")
        given("test_super")
        owner = f"{postgres_15}&options=-crole%3Dtest_owner"
        with pytest.raises(
            RolesError, match=r"is in test_super too, which somebody who is gone gave it.*REVOKE test_super"
        ):
            make_login(owner, ANALYST, "kaltura_analyst", PASSWORD)
