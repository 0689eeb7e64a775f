"""What each role may and may not do, one claim a test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import psycopg
import pytest
import run_folder
from conftest import Databases
from psycopg import sql

from assets.reports import TABLES
from resources.postgres.migrations import Migrations, files
from resources.postgres.roles import apply_roles
from resources.postgres.session import opened
from resources.privacy.pseudonyms import FULL, is_pseudonym
from resources.university.lists import COURSE_ROOMS, COURSES, ENROLMENTS
from resources.university.load import load, read_list
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, ListedWorld, Running, Session, User, View
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura

ANALYST, SEES_PEOPLE, LOADER = "kaltura_analyst", "kaltura_analyst_pii", "kaltura_loader"
VIEWS = [name.removesuffix(".sql").split("_", 1)[1] for name in (file.name for file in files("views"))]
REFUSED = psycopg.errors.InsufficientPrivilege

ADA = User(1, "ada.inventedson", "Ada Inventedson", "ada.inventedson@example.edu", "User")
NOBODY = User(3, "", "", "", "")
TRACES = (ADA.user_id, ADA.name, ADA.email)


@pytest.fixture(autouse=True)
def alone_with_the_roles() -> Iterator[None]:
    """Roles are the server's, and all workers share it."""
    with run_folder.alone("roles"):
        yield


@pytest.fixture(scope="module")
def filled_once(kaltura: Running, databases: Databases) -> str:
    """A database with Ada in every table, from which each test gets a copy."""
    url = databases.make()
    warehouse = Warehouse(url)
    place = Place(kaltura, warehouse)
    place.sessions = [
        Session("1_room", "Room", "", "1_a", place.second(9), place.second(10), ADA.user_id),
        Session("1_out", "Out", "1_room", "1_c", *_span(place), ADA.user_id),
    ]
    place.breakouts = [Breakout("1_room", "Room", "1_out", "Out", "1_c", ADA.user_id, *_span(place))]
    place.views = [View("1_room", "1_a", user, place.second(9), place.second(10)) for user in (ADA, NOBODY)]
    place.views.append(View("1_out", "1_c", ADA, *_span(place)))
    place.pull(0)
    place.views[0] = View("1_room", "1_a", ADA, place.second(9), place.second(10) + 60)
    place.at(60 * 24 + 1)
    place.pull(0)
    warehouse.close()
    listed(url)
    with run_folder.alone("roles"):
        apply_roles(url)
    return url


def listed(url: str) -> None:
    """Ada is enrolled in a course of the room by id, in another by e-mail, and as one who never came."""
    with TemporaryDirectory() as name, opened(url) as connection:
        folder = Path(name)
        (folder / "courses.csv").write_text("course_id\nc1\nc2\nc3\n")
        (folder / "course_rooms.csv").write_text("course_id,room_id\nc1,1_room\nc2,1_room\nc3,1_out\n")
        (folder / "enrolments.csv").write_text(
            f"course_id,person_id,person_email\nc1,{ADA.user_id},\nc2,,{ADA.email}\nc3,{ADA.user_id},\nc1,zed,\nc1,abe,\n"
        )
        for wanted in (COURSES, COURSE_ROOMS, ENROLMENTS):
            load(connection, read_list(folder / wanted.file_name, wanted, 1, FULL, ZoneInfo("UTC")))


@pytest.fixture
def filled(filled_once: str, new_database: Callable[[str], str]) -> str:
    return new_database(filled_once)


def _login(role: str) -> str:
    return role.replace("kaltura", "some")


def _span(place: Place) -> tuple[int, int]:
    return place.second(9.5), place.second(9.75)


def acting_as(database: str, role: str) -> psycopg.Connection:
    """A login that is a member of the role and nothing else. Being no superuser, it has no way back."""
    login = _login(role)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {login}".encode())
        connection.execute(f"CREATE ROLE {login} LOGIN IN ROLE {role}".encode())
    opened = psycopg.connect(database, autocommit=True)
    opened.execute(f"SET SESSION AUTHORIZATION {login}".encode())
    return opened


def shown(connection: psycopg.Connection, view: str) -> str:
    query = sql.SQL("SELECT * FROM {}").format(sql.Identifier("analytics", view))
    return str(connection.execute(query).fetchall())


# --- analysts -----------------------------------------------------------------------------------------------------


def test_an_analyst_reads_every_view_and_finds_nobody(filled: str) -> None:
    with acting_as(filled, ANALYST) as connection:
        everything = {view: shown(connection, view) for view in VIEWS}
    assert {view for view, text in everything.items() if any(trace in text for trace in TRACES)} == set()
    assert all(everything[view] != "[]" for view in ("attendance", "people", "hosts", "sessions", "breakouts"))


@pytest.mark.parametrize(
    "view",
    [
        "attendance",
        "people",
        "hosts",
        "sessions",
        "breakouts",
        "logical_sessions",
        "course_presence",
        "course_attendance",
        "course_sessions",
    ],
)
def test_an_analyst_who_may_see_people_does(view: str, filled: str) -> None:
    with acting_as(filled, SEES_PEOPLE) as connection:
        assert ADA.user_id in shown(connection, view)


def test_an_analyst_who_may_see_people_reads_names_and_emails(filled: str) -> None:
    with acting_as(filled, SEES_PEOPLE) as connection:
        row = connection.execute("SELECT person_name, person_email FROM analytics.people").fetchall()
    assert row == [(ADA.name, ADA.email)]


def test_a_person_has_the_same_pseudonym_in_every_view(filled: str) -> None:
    with acting_as(filled, ANALYST) as connection:
        pseudonyms = connection.execute(
            "SELECT person_id FROM analytics.attendance WHERE is_identified UNION SELECT person_id FROM analytics.people"
            " UNION SELECT host_id FROM analytics.hosts UNION SELECT host_id FROM analytics.sessions"
            " UNION SELECT opened_by_id FROM analytics.breakouts UNION SELECT host_id FROM analytics.logical_sessions"
            " UNION SELECT host_id FROM analytics.course_sessions"
            " UNION SELECT person_id FROM analytics.course_presence WHERE course_id = 'c1' AND attended_minutes > 0"
        ).fetchall()
    assert len(pseudonyms) == 1
    assert is_pseudonym(pseudonyms[0][0])


def test_figures_are_the_same_for_all_analysts(filled: str) -> None:
    query = "SELECT * FROM analytics.daily, (SELECT count(DISTINCT person_id) FROM analytics.attendance) AS people"
    with acting_as(filled, ANALYST) as plain, acting_as(filled, SEES_PEOPLE) as privileged:
        assert plain.execute(query).fetchall() == privileged.execute(query).fetchall()


def test_an_id_without_a_pseudonym_is_shown_as_nothing_and_never_as_it_is(filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute("DELETE FROM kaltura.people")
    with acting_as(filled, ANALYST) as connection:
        assert connection.execute(
            "SELECT DISTINCT person_id FROM analytics.attendance WHERE is_identified"
        ).fetchall() == [(None,)]
        assert not any(trace in shown(connection, view) for view in VIEWS for trace in TRACES)


def test_the_owner_sees_people_where_the_roles_do_not_exist(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT analytics.shows_people()").fetchone() == (True,)


@pytest.mark.parametrize("role", [ANALYST, SEES_PEOPLE])
@pytest.mark.parametrize(
    "table",
    ["attendees", "room_sessions", "breakout_sessions", "people", "changes", "rejects", "loads", "suppressions"],
)
def test_an_analyst_does_not_read_a_table(table: str, role: str, filled: str) -> None:
    with acting_as(filled, role) as connection, pytest.raises(REFUSED):
        connection.execute(f"SELECT * FROM kaltura.{table}".encode())


@pytest.mark.parametrize("role", [ANALYST, SEES_PEOPLE])
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW analytics.mine AS SELECT 1",
        "CREATE TABLE analytics.mine (x integer)",
        "DROP VIEW analytics.daily",
        "UPDATE analytics.sessions SET room_name = 'x'",
        "SET ROLE kaltura_loader",
    ],
)
def test_an_analyst_changes_nothing(statement: str, role: str, filled: str) -> None:
    with acting_as(filled, role) as connection, pytest.raises((REFUSED, psycopg.errors.ObjectNotInPrerequisiteState)):
        connection.execute(statement.encode())


def test_an_analyst_does_not_become_one_who_sees_people(filled: str) -> None:
    with acting_as(filled, ANALYST) as connection, pytest.raises(REFUSED):
        connection.execute("SET ROLE kaltura_analyst_pii")


def test_an_analyst_gets_no_id_out_of_a_view_by_a_function_of_their_own(filled: str) -> None:
    """The planner runs a cheap condition first: what it is given is the pseudonym, there is nothing else to see."""
    told: list[str] = []
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA playground; GRANT ALL ON SCHEMA playground TO kaltura_analyst")
    with acting_as(filled, ANALYST) as connection:
        connection.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        connection.execute(
            "CREATE FUNCTION playground.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001"
            " AS $$BEGIN RAISE WARNING '%', $1; RETURN TRUE; END$$"
        )
        connection.execute("SELECT count(*) FROM analytics.attendance WHERE playground.tell(person_id)")
        connection.execute("SELECT count(*) FROM analytics.sessions WHERE playground.tell(host_id)")
        for view in ("course_presence", "course_attendance", "absences"):
            connection.execute(f"SELECT count(*) FROM analytics.{view} WHERE playground.tell(person_id)".encode())
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute("DROP SCHEMA playground CASCADE")
    assert told
    assert not any(trace in message for message in told for trace in TRACES)


@pytest.mark.parametrize("view", ["course_presence", "course_attendance", "absences"])
def test_who_is_on_a_list_comes_in_the_order_of_pseudonyms_to_those_who_may_not_see_people(
    view: str, filled: str
) -> None:
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO kaltura.people SELECT 1, 'x' || n, 'p_' || md5(n::text) FROM generate_series(1, 50) n"
        )
        owner.execute("INSERT INTO university.enrolments SELECT 1, 'c1', 'x' || n FROM generate_series(1, 50) n")
    query = f"SELECT person_id FROM analytics.{view}"
    with acting_as(filled, ANALYST) as connection:
        people = [person for (person,) in connection.execute(query.encode())]
    assert len(set(people)) >= 50
    assert people == sorted(people)


def test_a_person_who_is_listed_by_email_is_the_same_in_every_view_of_courses(filled: str) -> None:
    query = "SELECT person_id FROM analytics.course_attendance WHERE course_id = 'c2' AND is_enrolled"
    with acting_as(filled, ANALYST) as connection:
        [(pseudonym,)] = connection.execute(query).fetchall()
        assert is_pseudonym(pseudonym)
        assert connection.execute(
            "SELECT DISTINCT person_id FROM analytics.course_presence WHERE course_id = 'c2' AND is_enrolled"
        ).fetchall() == [(pseudonym,)]
    with acting_as(filled, SEES_PEOPLE) as connection:
        assert connection.execute(query).fetchall() == [(ADA.email,)]


LISTS_WITHOUT_PEOPLE = ("courses", "course_rooms", "timetable")


@pytest.mark.parametrize("role", [ANALYST, SEES_PEOPLE])
def test_an_analyst_reads_the_universitys_lists_and_writes_none(role: str, filled: str) -> None:
    with acting_as(filled, role) as connection:
        for name in LISTS_WITHOUT_PEOPLE:
            connection.execute(f"SELECT * FROM university.{name}".encode())
            with pytest.raises(REFUSED):
                connection.execute(f"DELETE FROM university.{name}".encode())


def test_who_is_enrolled_is_shown_to_those_alone_who_may_see_people(filled: str) -> None:
    with acting_as(filled, SEES_PEOPLE) as connection:
        connection.execute("SELECT * FROM university.enrolments")
    with acting_as(filled, ANALYST) as connection, pytest.raises(REFUSED):
        connection.execute("SELECT count(*) FROM university.enrolments")


def test_a_loader_loads_the_lists(filled: str, tmp_path: Path) -> None:
    (tmp_path / "enrolments.csv").write_text(f"course_id,person_id\nc1,{ADA.user_id}\nc1,never.came\n")
    acting_as(filled, LOADER).close()
    with opened(filled.replace("postgres@", "some_loader@")) as connection:
        done = load(connection, read_list(tmp_path / "enrolments.csv", ENROLMENTS, 1, FULL, ZoneInfo("UTC")))
    assert (done.rows, done.unknown_courses) == (2, 0)


# --- loaders ------------------------------------------------------------------------------------------------------


def test_a_loader_loads_a_day(filled: str, kaltura: Running) -> None:
    acting_as(filled, LOADER).close()
    warehouse = Warehouse(filled.replace("postgres@", "some_loader@"))
    place = Place(kaltura, warehouse)
    place.meets("1_new", 33, 34, [(33, 34), (33, 33.5)])
    kaltura.world = ListedWorld(place.sessions, place.breakouts, place.views)
    try:
        warehouse.require_current_schema()
        warehouse.require_privacy_mode()
        place.pull(1)
        place.meets("1_new", 33, 34, [(33, 33.25)])
        place.pull(1)
    finally:
        warehouse.close()
    with psycopg.connect(filled) as connection:
        assert connection.execute(
            "SELECT count(*) FROM kaltura.attendees WHERE partition_date = '2026-05-05'"
        ).fetchone() == (2,)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE kaltura.mine (x integer)",
        "ALTER TABLE kaltura.attendees ADD COLUMN mine text",
        "DROP TABLE kaltura.attendees",
        "TRUNCATE kaltura.attendees",
        "UPDATE kaltura.migrations SET checksum = ''",
        "CREATE VIEW analytics.mine AS SELECT 1",
    ],
)
def test_a_loader_changes_no_schema(statement: str, filled: str) -> None:
    with acting_as(filled, LOADER) as connection, pytest.raises(REFUSED):
        connection.execute(statement.encode())


# --- the roles themselves -----------------------------------------------------------------------------------------


def test_a_login_without_a_role_reads_nothing(filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as owner:
        owner.execute("CREATE ROLE some_stranger")
        owner.execute("SET ROLE some_stranger")
        for relation in ("analytics.daily", "kaltura.attendees"):
            with pytest.raises(REFUSED):
                owner.execute(f"SELECT * FROM {relation}".encode())
        owner.execute("RESET ROLE")
        owner.execute("DROP ROLE some_stranger")


def test_nobody_logs_in_as_a_role(filled: str) -> None:
    with psycopg.connect(filled) as connection:
        assert connection.execute(
            "SELECT bool_or(rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb) FROM pg_roles"
            " WHERE rolname LIKE 'kaltura%'"
        ).fetchone() == (False,)


def test_views_made_anew_by_a_migration_are_readable_again(filled: str, tmp_path: Path) -> None:
    for kind in ("migrations", "views"):
        (tmp_path / kind).mkdir()
        for file in files(kind):
            (tmp_path / file.name).write_text(file.text)
    name = "views/99_new.sql"
    (tmp_path / name).write_text("CREATE VIEW analytics.new AS SELECT 1 AS one;\n")
    with psycopg.connect(filled, autocommit=True) as connection:
        assert f"sql/{name}" in Migrations(connection, tmp_path).apply(TABLES)
    with acting_as(filled, ANALYST) as connection:
        assert shown(connection, "new") == "[(1,)]"
        assert shown(connection, "daily") != "[]"


def test_applying_them_again_changes_nothing(filled: str) -> None:
    query = (
        "SELECT (SELECT array_agg(relacl::text ORDER BY oid) FROM pg_class WHERE relacl IS NOT NULL),"
        " (SELECT array_agg(nspacl::text ORDER BY oid) FROM pg_namespace),"
        " (SELECT array_agg(defaclacl::text ORDER BY oid) FROM pg_default_acl)"
    )
    with psycopg.connect(filled, autocommit=True) as connection:
        before = connection.execute(query).fetchone()
        apply_roles(filled)
        assert connection.execute(query).fetchone() == before


@pytest.mark.parametrize("role", ["kaltura_loader", "kaltura_analyst", "kaltura_analyst_pii"])
def test_who_has_a_role_may_connect_where_a_server_lets_nobody(role: str, filled: str) -> None:
    with psycopg.connect(filled, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    apply_roles(filled)
    with acting_as(filled, role) as connection:
        row = connection.execute(
            "SELECT has_database_privilege(session_user, current_database(), 'CONNECT')"
        ).fetchone()
        assert row == (True,)
