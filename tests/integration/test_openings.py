"""Which sessions go on with what came before in their room, against a walk through the room by hand."""

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import depth

FIRST = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
GAP = 5
SESSION = """
INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,
    session_host_user_id, partition_date, window_start, window_end, load_id)
VALUES (1, 'room', %s, %s, %s, %s, %s, %s, %s, 0)
"""

# When each session starts after the one before it, how long it lasts, and its host: minutes, and hours of a night between.
Room = list[tuple[int, int | None, str | None]]
rooms = st.lists(
    st.tuples(
        st.sampled_from([0, 2, 5, 6, 30, 62, 65, 66, 24 * 60]),
        st.sampled_from([None, 0, 30, 60, 14 * 60]),
        st.sampled_from([None, "", "Unknown", "x", "y"]),
    ),
    max_size=8,
)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


@settings(max_examples=depth.examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(room=rooms)
def test_a_session_opens_its_room_anew_after_a_gap_or_under_another_host_than_the_last_known_since_one(
    connection: psycopg.Connection, room: Room
) -> None:
    with connection.transaction(force_rollback=True):
        minute = 0
        sessions = []
        for number, (after, length, host) in enumerate(room):
            minute += after
            end = None if length is None else minute + length
            sessions.append((minute, end, host))
            at = FIRST + dt.timedelta(minutes=minute)
            until = None if end is None else FIRST + dt.timedelta(minutes=end)
            connection.execute(SESSION, [f"s{number}", at, until, host, at.date(), at, at + dt.timedelta(days=9)])
        got = connection.execute("SELECT is_new FROM analytics.openings ORDER BY started_at, session_id").fetchall()
    assert [is_new for (is_new,) in got] == openings(sessions)


def openings(sessions: list[tuple[int, int | None, str | None]]) -> list[bool]:
    """Which of the sessions open the room anew: what is known of the host is forgotten with each gap, not with each opening."""
    found = []
    last_host = None
    reached: int | None = None
    for start, end, host in sessions:
        is_after_a_gap = reached is None or start - reached > GAP
        if is_after_a_gap:
            last_host = None
        is_host_known = host not in (None, "", "Unknown")
        found.append(is_after_a_gap or (is_host_known and last_host is not None and host != last_host))
        if is_host_known:
            last_host = host
        if end is not None:
            reached = end if reached is None else max(reached, end)
    return found
