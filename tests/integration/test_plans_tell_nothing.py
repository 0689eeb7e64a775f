"""Plans tell analysts nothing: neither Postgres's samples of the columns nor what EXPLAIN counts lead to an id.

A reader's own operator is called with each sample while a query is planned, and with rows before other filters drop them.
By the catalog: a view or column that is added later is in it by itself.
"""

import itertools
import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.integration.test_order_of_rows import PLANS as ALL_PLANS
from tests.integration.test_order_of_rows import READER
from tests.integration.test_order_of_rows import filled as filled

PLANS = {name: ALL_PLANS[name] for name in ("as planned", "by the heap", "by the index")}
OPERATORS = {"===": "eqsel", "<<<": "scalarltsel", "~~~": "likesel"}
TEXTS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'analytics'"
    " AND data_type IN ('text', 'character varying') ORDER BY 1, 2"
)
AN_ID = re.compile(r"person\.\d{5}")
THERE, NOBODYS = "person.00007", "person.nobdy"  # as long, so that the plans are


@pytest.fixture(scope="module")
def reader(filled: psycopg.Connection) -> Iterator[tuple[psycopg.Connection, list[str]]]:
    """A connection with operators of an analyst's own, and what they were told so far."""
    told: list[str] = []
    filled.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
    filled.execute(f"SET ROLE {READER}".encode())
    filled.execute(
        "CREATE FUNCTION pg_temp.tell(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001"
        " AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
    )
    for name, estimate in OPERATORS.items():
        filled.execute(
            f"CREATE OPERATOR pg_temp.{name} (leftarg = text, rightarg = text,"
            f" function = pg_temp.tell, restrict = {estimate})".encode()
        )
    filled.execute("RESET ROLE")
    yield filled, told
    filled.execute("RESET ROLE")


def ids_told(connection: psycopg.Connection, told: list[str], view: str, column: str, operator: str) -> set[str]:
    told.clear()
    connection.execute(
        f"SELECT count(*) FROM analytics.{view} WHERE {column} OPERATOR(pg_temp.{operator}) 'x'".encode()
    )
    return {found for each in told for found in AN_ID.findall(each)}


@pytest.mark.parametrize(
    ("operator", "plan"),
    # By the heap, Postgres believes of the other two that hardly a row is left, and reads tables once a row: minutes.
    [each for each in itertools.product(OPERATORS, PLANS) if each[1] != "by the heap" or each[0] == "<<<"],
)
def test_an_operator_of_a_readers_own_is_told_no_id(
    operator: str, plan: str, reader: tuple[psycopg.Connection, list[str]]
) -> None:
    connection, told = reader
    columns = connection.execute(TEXTS).fetchall()
    assert ("attendance", "person_id") in columns
    with connection.transaction(force_rollback=True):
        for setting in PLANS[plan]:
            connection.execute(f"SET LOCAL {setting} = off".encode())
        connection.execute(f"SET LOCAL ROLE {READER}".encode())
        leaks = {column: ids_told(connection, told, *column, operator) for column in columns}
    assert {column: len(ids) for column, ids in leaks.items() if ids} == {}


def test_an_operator_that_comes_first_on_a_readers_path_is_told_no_id(
    reader: tuple[psycopg.Connection, list[str]],
) -> None:
    """Not even `=`: what functions and views compare with was settled when they were made."""
    connection, told = reader
    with connection.transaction(force_rollback=True):
        connection.execute(f"CREATE SCHEMA readers_own AUTHORIZATION {READER}".encode())
        connection.execute(f"SET LOCAL ROLE {READER}".encode())
        connection.execute(
            "CREATE FUNCTION readers_own.tell(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001"
            " AS $$ BEGIN RAISE NOTICE '%', $1; RETURN $1 OPERATOR(pg_catalog.=) $2; END $$"
        )
        for name in ("=", "<>", "~", "!~", "<", ">"):
            connection.execute(
                f"CREATE OPERATOR readers_own.{name} (leftarg = text, rightarg = text,"
                " function = readers_own.tell)".encode()
            )
        views = {view for view, _ in connection.execute(TEXTS)}
        connection.execute("SET LOCAL search_path = readers_own, pg_catalog")
        leaks: dict[str, int] = {}
        for view in sorted(views):
            told.clear()
            connection.execute(f"SELECT * FROM analytics.{view}".encode())
            leaks[view] = len({found for each in told for found in AN_ID.findall(each)})
    assert {view: ids for view, ids in leaks.items() if ids} == {}


def test_no_function_is_read_anew_by_the_path_of_whoever_calls_it(filled: psycopg.Connection) -> None:
    """Its body was parsed when it was made, or it has a path of its own."""
    read_anew = filled.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace::regnamespace::text IN ('analytics', 'kaltura', 'university')"
        " AND prosqlbody IS NULL AND NOT coalesce(array_to_string(proconfig, ' ') LIKE '%search_path=%', false)"
    ).fetchall()
    assert read_anew == []


def test_whoever_is_shown_ids_is_told_them_so_the_operators_tell(
    reader: tuple[psycopg.Connection, list[str]],
) -> None:
    connection, told = reader
    assert all(ids_told(connection, told, "attendance", "person_id", operator) for operator in OPERATORS)


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("compared", ["=", "<"])
def test_explain_tells_no_id_that_is_there_from_one_that_is_not(
    compared: str, plan: str, filled: psycopg.Connection
) -> None:
    """Neither by the rows that it expects nor by those that it counts, with or without the session."""
    with filled.transaction(force_rollback=True):
        for setting in PLANS[plan]:
            filled.execute(f"SET LOCAL {setting} = off".encode())
        filled.execute(f"SET LOCAL ROLE {READER}".encode())
        views = filled.execute(TEXTS).fetchall()
        for view, column in [each for each in views if each[1] in ("person_id", "host_id", "opened_by_id")]:
            there, nobodys = (explained(filled, view, column, compared, each) for each in (THERE, NOBODYS))
            assert there == nobodys, f"{view}.{column}"


def explained(connection: psycopg.Connection, view: str, column: str, compared: str, person: str) -> list[str]:
    query = f"SELECT * FROM analytics.{view} WHERE {column} {compared} '{person}'"
    lines = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, BUFFERS OFF) {query}".encode())
    # How much memory a node had taken depends on which of the workers came first.
    return [re.sub(r"Memory Usage: \d+kB", "", line.replace(person, "")) for (line,) in lines]


def test_a_plan_that_is_kept_shows_ids_to_nobody_else(filled: psycopg.Connection) -> None:
    views = [("attendance", "person_id"), ("hosts", "host_id"), ("course_presence", "person_id")]
    with filled.transaction(force_rollback=True):
        filled.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for made_by, read_by in (("postgres", READER), (READER, "postgres")):
            for view, column in views:
                filled.execute(f"SET LOCAL ROLE {made_by}".encode())
                filled.execute(f"PREPARE kept AS SELECT {column} FROM analytics.{view}".encode())
                made = [each for (each,) in filled.execute("EXECUTE kept")]
                filled.execute(f"SET LOCAL ROLE {read_by}".encode())
                read = [each for (each,) in filled.execute("EXECUTE kept")]
                filled.execute("DEALLOCATE kept")
                assert len(made) == len(read)
                assert not any(AN_ID.match(each) for each in read if each)
