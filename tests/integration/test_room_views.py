"""Views of rooms against what is reckoned by hand: who comes back to a room, and how full its local hours are."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.reports import TABLES
from pipelines.retention import without_old_names
from resources.privacy.pseudonymise import pseudonymise
from resources.privacy.pseudonyms import Privacy
from tests.integration.test_privacy import NONE, WITH_KEY

FIRST = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
HOST = "host"
ALONE = {HOST, HOST.upper()}

SESSION = """
INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,
    session_host_user_id, partition_date, window_start, window_end, load_id)
VALUES (1, 'room', %s, %s, %s, %s, %s, %s, %s, 0)
"""
ATTENDEE = """
INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, user_type, meeting_view_time,
    partition_date, window_start, window_end, load_id)
VALUES (1, 'room', %s, %s, 'User', 30, %s, %s, %s, 0)
"""
LOAD = """
INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at, requests,
    rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)
VALUES (1, %s, %s, %s, %s, %s, 1, 0, 0, 0, 0, 0, 0, 0, 0)
"""


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def held(
    connection: psycopg.Connection,
    number: int,
    start: dt.datetime,
    minutes: float,
    people: set[str],
    *,
    loaded: bool,
    host: str = HOST,
) -> None:
    known, end = start + dt.timedelta(days=3), start + dt.timedelta(minutes=minutes)
    connection.execute(SESSION, [f"s{number}", start, end, host, start.date(), start, known])
    for report in (6000, 6001) if loaded else (6000,):
        connection.execute(LOAD, [report, start.date(), start, known, known])
    for person in people if loaded else ():
        connection.execute(ATTENDEE, [f"s{number}", person, start.date(), start, known])


_PEOPLE = st.sets(st.sampled_from([HOST, HOST.upper(), "ann", "bob", "", "Unknown"]))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(_PEOPLE, st.booleans()), max_size=6))
def test_a_host_alone_is_no_session_and_those_who_return_are_those_of_the_first(
    connection: psycopg.Connection, history: list[tuple[set[str], bool]]
) -> None:
    with connection.transaction(force_rollback=True):
        for number, (people, loaded) in enumerate(history):
            held(connection, number, FIRST + dt.timedelta(days=number), 60, people, loaded=loaded)
        got = connection.execute(
            "SELECT session_number, people_count, first_session_people_count, returning_people_count"
            " FROM analytics.room_retention ORDER BY started_at"
        ).fetchall()
    known = [people - {"", "Unknown"} if loaded else None for people, loaded in history]
    begins = next((n for n, people in enumerate(known) if people is None or {"ann", "bob"} & people), len(known))
    counted = [n for n, (people, loaded) in enumerate(history) if n >= begins and (not loaded or people - ALONE)]
    wanted = []
    for number, people in enumerate(known):
        first = known[begins] if number in counted else None
        wanted.append(
            (
                counted.index(number) + 1 if number in counted else None,
                None if people is None else len(people),
                None if first is None else len(first),
                None if first is None or people is None else len(first & people),
            )
        )
    assert got == wanted


def with_privacy(connection: psycopg.Connection, privacy: Privacy, people: Iterable[str] = ()) -> None:
    """As loads in that mode leave the warehouse, with the pseudonyms of these people."""
    connection.execute(
        "UPDATE kaltura.privacy SET mode = %s, key_fingerprint = %s", [privacy.mode, privacy.fingerprint]
    )
    for person in people:
        pseudonym = privacy.of_account(1).pseudonym(person)
        connection.execute("INSERT INTO kaltura.people VALUES (1, %s, %s)", [person, pseudonym])


_COUNTS = {
    "room_retention": "SELECT people_count, first_session_people_count, returning_people_count"
    " FROM analytics.room_retention ORDER BY started_at",
    "rooms": "SELECT people_count FROM analytics.rooms",
    "hosts": "SELECT people_count FROM analytics.hosts WHERE host_id IS NULL",
    "logical_sessions": "SELECT people_count, part_count FROM analytics.logical_sessions ORDER BY started_at",
    "weekly": "SELECT people_count, host_count FROM analytics.weekly ORDER BY week_date",
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(st.sets(st.sampled_from([HOST, "ann", "bob", "", "Unknown"])), min_size=1, max_size=5),
    kept=st.integers(0, 3),
    host=st.sampled_from([HOST, ""]),
)
def test_a_person_counts_once_on_both_sides_of_the_day_from_which_names_are_kept(
    connection: psycopg.Connection, history: list[set[str]], kept: int, host: str
) -> None:
    """Sessions on both sides of a midnight, and the names before it gone: every view counts as it did."""
    midnight = FIRST.replace(hour=0) + dt.timedelta(days=3)
    with connection.transaction(force_rollback=True):
        with_privacy(connection, WITH_KEY, [HOST, "ann", "bob"])
        for number, people in enumerate(history):
            start = midnight + dt.timedelta(minutes=10 * (number - kept))
            held(connection, number, start, 8, people, loaded=True, host=host)
        before = {view: connection.execute(query).fetchall() for view, query in _COUNTS.items()}
        pseudonymise(connection, WITH_KEY, TABLES, 1, end=midnight.date())
        after = {view: connection.execute(query).fetchall() for view, query in _COUNTS.items()}
    assert after == before


def test_who_comes_back_after_more_than_retention_days_returned_and_is_one_person(
    connection: psycopg.Connection,
) -> None:
    """Ann came 400 days ago and yesterday, to a room that somebody else held open."""
    with_privacy(connection, WITH_KEY, ["ann", HOST])
    days = [FIRST, FIRST + dt.timedelta(days=399)]
    for number, day in enumerate(days):
        held(connection, number, day, 60, {"ann"}, loaded=True)
    privacy = replace(WITH_KEY, retention_days=(dt.datetime.now(dt.UTC).date() - FIRST.date()).days - 100)
    with connection.transaction():
        without_old_names(connection, privacy, 1)
    stored = connection.execute("SELECT user_id = 'ann' FROM kaltura.attendees ORDER BY partition_date").fetchall()
    assert stored == [(False,), (True,)]
    assert connection.execute("SELECT people_count FROM analytics.rooms").fetchall() == [(1,)]
    shown = "SELECT person_id = 'ann', session_count FROM analytics.people ORDER BY first_seen_date"
    assert connection.execute(shown).fetchall() == [(False, 1), (True, 1)]
    hosts = connection.execute("SELECT session_count FROM analytics.hosts").fetchall()
    assert hosts == [(1,), (1,)]
    returned = "SELECT returning_people_count, returning_ratio FROM analytics.room_retention ORDER BY started_at"
    assert connection.execute(returned).fetchall() == [(1, 1), (1, 1)]


def test_nobody_can_be_said_to_return_where_everybody_is_new_in_each_session(connection: psycopg.Connection) -> None:
    with_privacy(connection, NONE)
    people = NONE.of_account(1)
    for number in range(2):
        ann = people.in_session(people.pseudonym("ann"), [str(number)])
        held(connection, number, FIRST + dt.timedelta(days=number), 60, {ann}, loaded=True)
    query = (
        "SELECT people_count, first_session_people_count, returning_people_count, returning_ratio, size_ratio"
        " FROM analytics.room_retention"
    )
    assert connection.execute(query).fetchall() == [(1, 1, None, None, 1)] * 2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide", "America/St_Johns", ""]),
    sessions=st.lists(
        st.tuples(st.integers(0, 5000), st.sampled_from([0.0, 1.0, 30.0, 45.5, 150.0])),
        min_size=1,
        max_size=5,
        unique=True,
    ),
)
def test_hours_are_whole_ones_of_the_accounts_own_time_and_hold_every_open_minute(
    connection: psycopg.Connection, zone: str, sessions: list[tuple[int, float]]
) -> None:
    local = ZoneInfo(zone or "UTC")
    with connection.transaction(force_rollback=True):
        if zone:
            connection.execute("INSERT INTO kaltura.calendars (partner_id, timezone) VALUES (1, %s)", [zone])
        for number, (minute, length) in enumerate(sessions):
            held(connection, number, FIRST + dt.timedelta(minutes=minute), length, set(), loaded=True)
        got = connection.execute(
            "SELECT hour_at, session_count, peak_session_count, session_minutes FROM analytics.concurrency_hourly"
        ).fetchall()
    hours: dict[dt.datetime, list[tuple[dt.datetime, dt.datetime]]] = {}
    for minute, length in sessions:
        start = FIRST + dt.timedelta(minutes=minute)
        end = start + dt.timedelta(minutes=length)
        hour = start.astimezone(local).replace(minute=0).astimezone(dt.UTC)
        while hour < max(end, start + dt.timedelta(microseconds=1)):
            next_hour = hour + dt.timedelta(hours=1)
            hours.setdefault(hour, []).append((max(start, hour), min(end, next_hour)))
            hour = next_hour
    wanted = {
        hour: (
            len(spans),
            max(sum(a <= start and (start < b or a == b == start) for a, b in spans) for start, _ in spans),
            pytest.approx(sum((b - a).total_seconds() for a, b in spans) / 60),
        )
        for hour, spans in hours.items()
    }
    assert {hour.astimezone(dt.UTC): tuple(rest) for hour, *rest in got} == wanted


_PARENT = st.sampled_from([None, "", "0", "Unknown", "Error", "main"])
ROOM_SESSION = """
INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, parent_entry_id, session_start_time, session_end_time,
    partition_date, window_start, window_end, load_id)
VALUES (1, %s, %s, %s, %s, %s, %s, %s, %s, 0)
"""
BREAKOUT = """
INSERT INTO kaltura.breakout_sessions (partner_id, parent_entry_id, breakout_entry_id, cue_point_id, session_start_time,
    session_end_time, partition_date, window_start, window_end, load_id)
VALUES (1, %s, 'breakout', %s, %s, %s, %s, %s, %s, 0)
"""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(named=_PARENT, own=st.none() | st.tuples(_PARENT, st.booleans()), another=st.none() | st.tuples(_PARENT))
@example(named="0", own=("main", True), another=None)
@example(named="0", own=("main", False), another=None)
@example(named=None, own=None, another=("main",))
def test_the_main_room_of_a_breakout_is_the_one_that_any_report_names(
    connection: psycopg.Connection,
    named: str | None,
    own: tuple[str | None, bool] | None,
    another: tuple[str | None] | None,
) -> None:
    """`own`: what report 6000 names in the breakout's own row, and whether it has the same id; `another`: of another day."""
    at = (FIRST, FIRST + dt.timedelta(hours=1), FIRST.date(), FIRST, FIRST)
    later = FIRST + dt.timedelta(days=9)
    with connection.transaction(force_rollback=True):
        connection.execute(ROOM_SESSION, ["main", "m", None, *at])
        connection.execute(BREAKOUT, [named, "b", *at])
        if own:
            connection.execute(ROOM_SESSION, ["breakout", "b" if own[1] else "x", own[0], *at])
        if another:
            row = [*another, later, later, later.date(), later, later]
            connection.execute(ROOM_SESSION, ["breakout", "y", *row])
        found = connection.execute(
            "SELECT main_room_id, main_session_id, main_session_tied_by FROM analytics.breakouts"
        ).fetchall()
    is_named = "main" in (named, own and own[0], another and another[0])
    assert found == [("main", "m", "time") if is_named else (None, None, None)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    breakouts=st.lists(
        st.tuples(st.booleans(), st.sets(st.sampled_from(["ann", "bob", ""])), st.booleans()), min_size=1, max_size=5
    )
)
def test_figures_of_a_breakout_whose_own_session_is_not_known_are_unknown_and_never_smaller(
    connection: psycopg.Connection, breakouts: list[tuple[bool, set[str], bool]]
) -> None:
    """Of each: whether report 6002 gives its own id, or that of the main session; who came; whether report 6000 loses it."""
    figures = "SELECT people_count, total_minutes, unidentified_minutes FROM analytics.breakouts ORDER BY started_at"
    with connection.transaction(force_rollback=True):
        for number, (by_own_id, people, _) in enumerate(breakouts):
            start = FIRST + dt.timedelta(days=number)
            end, known = start + dt.timedelta(minutes=20), start + dt.timedelta(days=9)
            span = (start, end, start.date(), start, known)
            connection.execute(ROOM_SESSION, ["breakout", f"own{number}", "main", *span])
            connection.execute(BREAKOUT, ["main", f"own{number}" if by_own_id else f"main{number}", *span])
            connection.execute(LOAD, [6001, start.date(), start, known, known])
            for person in people:
                row = [f"own{number}", person, start.date(), start, known]
                connection.execute(ATTENDEE.replace("'room'", "'breakout'").encode(), row)
        before = connection.execute(figures).fetchall()
        lost = [f"own{number}" for number, (*_, is_lost) in enumerate(breakouts) if is_lost]
        connection.execute("DELETE FROM kaltura.room_sessions WHERE cue_point_id = ANY(%s)", [lost])
        after = connection.execute(figures).fetchall()
    for (by_own_id, people, is_lost), was, told in zip(breakouts, before, after, strict=True):
        assert was[0] == len(people - {""})
        assert told == ((None, None, None) if is_lost and not (by_own_id and people) else was)
