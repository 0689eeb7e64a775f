"""Rows tell analysts nothing by their order: in no plan do pseudonyms stand in the order of the ids that they hide."""

import itertools
import os
from collections.abc import Iterator

import psycopg
import pytest

PEOPLE = (
    400  # an order that is no accident: it agrees with the ids' in half of the pairs of neighbours, give or take 10 %
)
NAME, READER = (
    f"order_of_rows_{os.getpid()}",
    f"order_reader_{os.getpid()}",
)  # tests of one file run in several processes
PLANS = {
    "as planned": [],
    "by the heap": ["enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"],
    "by the index": ["enable_seqscan", "enable_bitmapscan", "enable_sort"],
    "without hashes": ["enable_hashjoin", "enable_hashagg"],
    "with nested loops": ["enable_hashjoin", "enable_mergejoin"],
    "merged": ["enable_hashjoin", "enable_nestloop"],
}
QUERIES = {
    "all": "SELECT person_id FROM analytics.attendance",
    "a session": "SELECT person_id FROM analytics.attendance WHERE session_id = '1_cue'",
    "a day": "SELECT person_id FROM analytics.attendance WHERE session_date = '2026-03-02'",
    "joined": "SELECT person_id FROM analytics.sessions JOIN analytics.attendance USING (account_id, session_id)",
    "aggregated": "SELECT unnest(array_agg(person_id)) FROM analytics.attendance GROUP BY session_id",
    "numbered": "SELECT person_id FROM (SELECT person_id, row_number() OVER () AS n FROM analytics.attendance) AS t ORDER BY n",
    "people": "SELECT person_id FROM analytics.people",
    "sorted by a tie": "SELECT person_id FROM analytics.attendance ORDER BY session_id",
}


@pytest.fixture(scope="module")
def filled(postgres_folder: object) -> Iterator[psycopg.Connection]:
    from conftest import TEMPLATE

    from resources.local import postgres as local_postgres

    server = local_postgres.url(postgres_folder)  # type: ignore[arg-type]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {NAME} TEMPLATE {TEMPLATE}".encode())
    with psycopg.connect(local_postgres.url(postgres_folder, NAME), autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, partition_date,"
            " window_start, window_end, load_id) VALUES (1, '1_room', '1_cue', '2026-03-02', '2026-03-02', now(), now(), 1)"
        )
        connection.execute(
            "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, meeting_view_time, partition_date,"
            " window_start, window_end, load_id) SELECT 1, '1_room', '1_cue', 'person.' || lpad(n::text, 5, '0'), 10,"
            " '2026-03-02', now(), now(), 1 FROM generate_series(1, %s) AS n",
            [PEOPLE],
        )
        # Each hosts a session and opens a breakout, whose ids tell nothing of theirs.
        connection.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, partition_date,"
            " session_host_user_id, window_start, window_end, load_id) SELECT partner_id, '1_' || md5(user_id), md5(user_id),"
            " '2026-03-03', '2026-03-03', user_id, now(), now(), 1 FROM kaltura.attendees ORDER BY md5('x' || user_id)"
        )
        connection.execute(
            "INSERT INTO kaltura.breakout_sessions (partner_id, parent_entry_id, breakout_entry_id, cue_point_id,"
            " session_start_time, partition_date, session_initiator, window_start, window_end, load_id)"
            " SELECT partner_id, '1_room', '1_b' || md5(user_id), 'b' || md5(user_id), '2026-03-03', '2026-03-03', user_id,"
            " now(), now(), 1 FROM kaltura.attendees ORDER BY md5('y' || user_id)"
        )
        connection.execute(
            "INSERT INTO kaltura.people SELECT 1, user_id, 'p_' || md5('a salt' || user_id) FROM kaltura.attendees"
        )
        # All are enrolled in a course with a session that all attended, and one that nobody did.
        connection.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,"
            " partition_date, window_start, window_end, load_id) VALUES"
            " (1, '1_missed', '1_none', '2026-03-02', '2026-03-02 01:00', '2026-03-02', now(), now(), 1)"
        )
        connection.execute(
            "INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at, requests,"
            " rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)"
            " SELECT 1, report, '2026-03-02', '2026-03-01 23:00', '2026-03-03 12:00', now(), 1, 0, 0, 0, 0, 0, 0, 0, 0"
            " FROM unnest(ARRAY[6000, 6001, 6002]) AS report"
        )
        connection.execute(
            "INSERT INTO university.courses (account_id, course_id) VALUES (1, 'c'), (1, 'of all hosts')"
        )
        connection.execute(
            "INSERT INTO university.course_rooms SELECT 1, 'of all hosts', entry_id FROM kaltura.room_sessions"
            " WHERE session_host_user_id IS NOT NULL ORDER BY md5(entry_id)"
        )
        connection.execute("INSERT INTO university.course_rooms VALUES (1, 'c', '1_room'), (1, 'c', '1_missed')")
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id)"
            " SELECT 1, 'c', user_id FROM kaltura.attendees ORDER BY md5('z' || user_id)"
        )
        connection.execute(  # where nobody at all is, nobody is expected
            "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, partition_date, window_start,"
            " window_end, load_id) VALUES (1, '1_missed', '1_none', '', '2026-03-02', now(), now(), 1)"
        )
        connection.execute("ANALYZE")
        connection.execute(f"CREATE ROLE {READER}".encode())
        connection.execute(f"GRANT USAGE ON SCHEMA analytics TO {READER}".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA analytics TO {READER}".encode())
        yield connection
        connection.execute(f"DROP OWNED BY {READER}".encode())
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {NAME} WITH (FORCE)".encode())
        connection.execute(f"DROP ROLE IF EXISTS {READER}".encode())


def rising(values: list[str]) -> float:
    """In how many pairs of neighbours the second value is the greater one."""
    return sum(left < right for left, right in itertools.pairwise(values)) / (len(values) - 1)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("plan", PLANS)
def test_pseudonyms_do_not_come_in_the_order_of_ids(plan: str, query: str, filled: psycopg.Connection) -> None:
    ids = dict(filled.execute("SELECT pseudonym, user_id FROM kaltura.people").fetchall())
    with filled.transaction(force_rollback=True):
        for setting in PLANS[plan]:
            filled.execute(f"SET LOCAL {setting} = off".encode())
        filled.execute(f"SET LOCAL ROLE {READER}".encode())
        shown = [person for (person,) in filled.execute(QUERIES[query].encode())]
    shown = [person for person in shown if person]  # and a row of nobody
    assert set(shown) == set(ids)
    assert 0.4 < rising([ids[each] for each in shown]) < 0.6


@pytest.mark.parametrize("plan", PLANS)
def test_no_view_with_people_in_it_tells_of_the_order_of_ids(plan: str, filled: psycopg.Connection) -> None:
    """By the catalog: a view that is added later is in it by itself."""
    ids = dict(filled.execute("SELECT pseudonym, user_id FROM kaltura.people").fetchall())
    columns = filled.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'analytics'"
        " AND column_name IN ('person_id', 'host_id', 'opened_by_id') ORDER BY 1, 2"
    ).fetchall()
    assert len(columns) >= 6
    with filled.transaction(force_rollback=True):
        for setting in PLANS[plan]:
            filled.execute(f"SET LOCAL {setting} = off".encode())
        filled.execute(f"SET LOCAL ROLE {READER}".encode())
        for view, column in columns:
            query = f"SELECT {column} FROM analytics.{view} WHERE {column} IS NOT NULL"
            shown = [person for (person,) in filled.execute(query.encode()) if person]
            assert (view, set(shown)) == (view, set(ids))
            told = [ids[person] for person, _ in itertools.groupby(shown)]  # a row a session: one after another
            assert 0.4 < rising(told) < 0.6, f"{view}.{column}"


def test_the_measure_tells_an_order_that_is_that_of_the_ids(filled: psycopg.Connection) -> None:
    ids = [each for (each,) in filled.execute("SELECT user_id FROM kaltura.attendees")]
    assert rising(ids) > 0.9
