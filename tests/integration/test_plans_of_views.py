"""No view holds all rows of an account against all its days, whatever statistics there are."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

ACCOUNT = 404
DAYS, SESSIONS, PEOPLE = 400, 5, 25  # days, sessions a day, people a session

FILL = f"""
INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, is_whole, pulled_at,
    loaded_at, requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)
SELECT {ACCOUNT}, report_id, day, day, day + interval '1 day', TRUE, day + interval '9 days', day + interval '9 days',
    1, 0, 0, 0, 0, 0, 0, 0, 0
FROM generate_series(timestamp '2025-09-01', timestamp '2025-09-01' + interval '{DAYS - 1} days', interval '1 day') AS day,
    (VALUES (6000), (6001), (6002)) AS reports (report_id);

INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, entry_name, session_host_user_id,
    session_start_time, session_end_time, partition_date, window_start, window_end, load_id, first_loaded_at)
SELECT DISTINCT ON (partition_date, number) partner_id, 'room' || number % 50, 'cue' || partition_date || '_' || number,
    'Room ' || number % 50, 'user' || number, partition_date + interval '8 hours', partition_date + interval '9 hours',
    partition_date, window_start, window_end, id, pulled_at
FROM kaltura.loads, generate_series(1, {SESSIONS}) AS number
WHERE report_id = 6000;

INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, user_type, meeting_view_time,
    meeting_engaged_play_time_ratio, partition_date, window_start, window_end, load_id, first_loaded_at)
SELECT partner_id, entry_id, cue_point_id, 'user' || person, 'User', 30, 0.5, partition_date, window_start, window_end,
    load_id, first_loaded_at
FROM kaltura.room_sessions, generate_series(1, {PEOPLE}) AS person;

INSERT INTO kaltura.breakout_sessions (partner_id, breakout_entry_id, cue_point_id, parent_entry_id, session_start_time,
    session_end_time, participant_count, partition_date, window_start, window_end, load_id, first_loaded_at)
SELECT partner_id, 'part of ' || entry_id, cue_point_id, entry_id, session_start_time, session_end_time, 2,
    partition_date, window_start, window_end, load_id, first_loaded_at
FROM kaltura.room_sessions;
"""


@pytest.fixture(params=["none", "new", "of attendees alone", "of loads alone", "from before"])
def connection(request: pytest.FixtureRequest, database: str) -> Iterator[psycopg.Connection]:
    """A year of one account, with statistics or without."""
    with psycopg.connect(database, autocommit=True) as opened:
        for table in ("loads", "room_sessions", "attendees", "breakout_sessions"):
            opened.execute(f"ALTER TABLE kaltura.{table} SET (autovacuum_enabled = off)".encode())
        if request.param == "from before":
            opened.execute("ANALYZE")
        opened.execute(FILL.encode())
        statements = {
            "new": "ANALYZE",
            "of attendees alone": "ANALYZE kaltura.attendees",
            "of loads alone": "ANALYZE kaltura.loads",
        }
        opened.execute(statements.get(request.param, "SELECT").encode())
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def test_no_view_holds_the_rows_of_an_account_against_all_its_loaded_days(connection: psycopg.Connection) -> None:
    """In loops, or in a merge by the account alone, with the day in a filter."""
    views = connection.execute(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'analytics' AND column_name = 'account_id'"
    ).fetchall()
    assert len(views) > 20
    found = []
    for view, where in itertools.product([view for (view,) in views], ("", f" WHERE account_id = {ACCOUNT}")):
        explained = connection.execute(
            f"EXPLAIN (FORMAT JSON) SELECT * FROM analytics.{view}{where}".encode()
        ).fetchone()
        assert explained
        for node in nodes(explained[0][0]["Plan"]):
            by_day = re.search(
                r"\w\.session_date = \w+\.partition_date|\w\.partition_date = \w+\.session_date",
                node.get("Join Filter", ""),
            )
            if node["Node Type"] in ("Merge Join", "Nested Loop") and by_day:
                found.append((view + where, node["Node Type"], node["Join Filter"]))
    assert not found
