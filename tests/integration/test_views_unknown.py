"""What was never loaded is unknown: whichever reports of whichever days are loaded, no view makes a figure of a gap."""

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

ACCOUNT = 404
MONDAY = dt.date(2026, 3, 2)
DAYS = 14
REPORTS = (6000, 6001, 6002)
PEOPLE = ("ann", "bob")
MINUTES = 30.0

Loads = frozenset[tuple[int, int]]  # the days, counted from the Monday on, and the reports of them that are loaded

LOAD = """
INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, filters, is_whole, pulled_at,
    loaded_at, requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, 0, 0, 0, 0, 0, 0, 0, 0)
"""
SESSION = """
INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,
    meeting_view_period_unique_users, partition_date, window_start, window_end, load_id, first_loaded_at)
VALUES (%s, 'room', %s, %s, %s, 2, %s, %s, %s, 0, %s)
"""
ATTENDEE = """
INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, user_type, meeting_view_time,
    meeting_engaged_play_time_ratio, partition_date, window_start, window_end, load_id, first_loaded_at)
VALUES (%s, 'room', %s, %s, 'User', %s, 0.5, %s, %s, %s, 0, %s)
"""


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def _start(day: int) -> dt.datetime:
    return dt.datetime.combine(MONDAY + dt.timedelta(days=day), dt.time(8), dt.UTC)


def load(
    connection: psycopg.Connection,
    day: int,
    report: int,
    pulled_at: dt.datetime | None = None,
    filters: str | None = None,
) -> None:
    """One report of one day is pulled, by default when the day has long been over: a session with two people."""
    start = _start(day)
    pulled = pulled_at or start + dt.timedelta(days=3)
    date, window = start.date(), (start.replace(hour=0), start.replace(hour=9))
    connection.execute(LOAD, [ACCOUNT, report, date, *window, filters, not filters, pulled, pulled])
    if report == 6000:
        end = start + dt.timedelta(minutes=40)
        connection.execute(SESSION + " ON CONFLICT DO NOTHING", [ACCOUNT, f"s{day}", start, end, date, *window, pulled])
    if report == 6001:
        for person in PEOPLE[: 1 if filters else 2]:
            row = [ACCOUNT, f"s{day}", person, MINUTES, date, *window, pulled]
            connection.execute(ATTENDEE + " ON CONFLICT DO NOTHING", row)


def both(loads: Loads, day: int) -> bool:
    return {(day, 6000), (day, 6001)} <= loads


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    loads=st.frozensets(st.tuples(st.integers(0, DAYS - 1), st.sampled_from(REPORTS)), min_size=1),
    restricted=st.frozensets(st.tuples(st.integers(0, DAYS - 1), st.sampled_from(REPORTS)), max_size=4),
)
@example(loads=frozenset({(0, 6001), (1, 6000), (1, 6001)}), restricted=frozenset({(0, 6000)}))
def test_a_figure_is_null_exactly_where_a_report_that_it_comes_from_is_not_loaded(
    connection: psycopg.Connection, loads: Loads, restricted: Loads
) -> None:
    with connection.transaction(force_rollback=True):
        for day, report in sorted(restricted):
            load(connection, day, report, filters='{"user_ids": ["ann"]}')
        for day, report in sorted(loads):
            load(connection, day, report)
        _days_are_right(connection, loads, restricted)
        _weeks_are_right(connection, loads)
        _sessions_are_right(connection, loads)
        _rooms_are_right(connection, loads, restricted)
        _courses_are_right(connection, loads)


def _days_are_right(connection: psycopg.Connection, loads: Loads, restricted: Loads) -> None:
    touched = [day for day, _ in loads | restricted]
    wanted = [
        (
            MONDAY + dt.timedelta(days=day),
            1 if (day, 6000) in loads else None,
            2 if both(loads, day) else None,
            2 * MINUTES if both(loads, day) else None,
            not both(loads, day),
        )
        for day in range(min(touched), max(touched) + 1)
    ]
    daily = "SELECT session_date, session_count, people_count, total_minutes, is_provisional FROM analytics.daily ORDER BY 1"
    assert connection.execute(daily).fetchall() == wanted
    agreed = "SELECT session_date, session_count, attendance_count FROM analytics.reconciliation ORDER BY 1"
    assert [(date, count, rows) for date, count, rows in connection.execute(agreed).fetchall()] == [
        (date, count, people) for date, count, people, _, _ in wanted
    ]
    bands = "SELECT session_date FROM analytics.engagement_distribution ORDER BY 1"
    assert connection.execute(bands).fetchall() == [(date,) for date, _, people, _, _ in wanted if people]


def _weeks_are_right(connection: psycopg.Connection, loads: Loads) -> None:
    weekly = (
        "SELECT week_date, session_count, people_count, total_minutes, missing_session_day_count,"
        " missing_attendance_day_count FROM analytics.weekly ORDER BY 1"
    )
    for week_date, sessions, people, minutes, missing, missing_attendance in connection.execute(weekly).fetchall():
        first = (week_date - MONDAY).days
        held = sum((day, 6000) in loads for day in range(first, first + 7))
        known = sum(both(loads, day) for day in range(first, first + 7))
        assert (sessions, missing) == (held or None, 7 - held)
        assert (people, minutes) == ((2, known * 2 * MINUTES) if known else (None, None))
        assert missing_attendance == 7 - known


def _sessions_are_right(connection: psycopg.Connection, loads: Loads) -> None:
    rows = connection.execute("SELECT session_id, people_count, is_provisional FROM analytics.sessions").fetchall()
    for session_id, people, is_provisional in rows:
        is_loaded = (int(session_id[1:]), 6001) in loads
        assert (people, is_provisional) == ((2, False) if is_loaded else (None, True))
    returns = connection.execute(
        "SELECT session_id, returning_ratio FROM analytics.room_retention ORDER BY session_number"
    ).fetchall()
    for session_id, ratio in returns:
        known = {(int(returns[0][0][1:]), 6001), (int(session_id[1:]), 6001)} <= loads
        assert ratio == (1 if known else None)
    hours = connection.execute("SELECT hour_at, people_at_most_count FROM analytics.concurrency_hourly").fetchall()
    assert all(people == (2 if ((hour.date() - MONDAY).days, 6001) in loads else None) for hour, people in hours)


def _rooms_are_right(connection: psycopg.Connection, loads: Loads, restricted: Loads) -> None:
    held = {day for day, report in loads | restricted if report == 6000}
    known = sum(both(loads, day) for day in held)
    wanted = [(len(held), len(held) - known, 2 if known else None, known * 2 * MINUTES if known else None)]
    rooms = "SELECT session_count, unknown_attendance_session_count, people_count, total_minutes FROM analytics.rooms"
    assert connection.execute(rooms).fetchall() == (wanted if held else [])


@pytest.mark.parametrize(("days", "wanted"), [(30, None), (55, None), (56, 1.0), (70, 1.0)])
def test_a_steady_room_has_a_trend_of_1_where_both_windows_are_loaded_whole_and_none_before(
    connection: psycopg.Connection, days: int, wanted: float | None
) -> None:
    for day in range(days):
        load(connection, day, 6000)
        load(connection, day, 6001)

    assert connection.execute("SELECT minutes_trend_ratio FROM analytics.rooms").fetchall() == [(wanted,)]


@pytest.mark.parametrize("report", [6000, 6001])
def test_a_trend_is_unknown_where_one_report_of_one_day_is_missing(connection: psycopg.Connection, report: int) -> None:
    for day in range(56):
        for each in (6000, 6001):
            if (day, each) != (40, report):
                load(connection, day, each)

    assert connection.execute("SELECT minutes_trend_ratio FROM analytics.rooms").fetchall() == [(None,)]


def test_attendees_pulled_while_the_session_ran_stay_provisional_when_only_sessions_are_pulled_again(
    connection: psycopg.Connection,
) -> None:
    early = _start(0) + dt.timedelta(minutes=10)
    load(connection, 0, 6000, pulled_at=early)
    load(connection, 0, 6001, pulled_at=early)
    load(connection, 0, 6000)

    [(session_until, attendance_until, is_provisional)] = connection.execute(
        "SELECT session_known_until_at, attendance_known_until_at, is_provisional FROM analytics.sessions"
    ).fetchall()
    assert (session_until, attendance_until, is_provisional) == (_start(3), early, True)
    assert connection.execute("SELECT DISTINCT is_provisional FROM analytics.attendance").fetchall() == [(True,)]
    assert connection.execute("SELECT is_provisional FROM analytics.daily").fetchall() == [(True,)]
    fresh = "SELECT report_id, provisional_day_count FROM analytics.data_freshness WHERE report_id < 6002 ORDER BY 1"
    assert connection.execute(fresh).fetchall() == [(6000, 0), (6001, 1)]


def test_attendees_that_are_first_loaded_weeks_later_restate_nothing(connection: psycopg.Connection) -> None:
    load(connection, 0, 6000)
    load(connection, 0, 6001, pulled_at=_start(21))

    assert connection.execute("SELECT * FROM analytics.restated_sessions").fetchall() == []


def _courses_are_right(connection: psycopg.Connection, loads: Loads) -> None:
    """Ann came for 30 of 40 minutes and Zed never did; where attendees are not loaded, neither is known."""
    for statement in (
        "INSERT INTO university.courses (account_id, course_id) VALUES (%s, 'c')",
        "INSERT INTO university.course_rooms VALUES (%s, 'c', 'room')",
        "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (%s, 'c', 'ann')",
        "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (%s, 'c', 'zed')",
    ):
        connection.execute(statement, [ACCOUNT])
    marks = connection.execute(
        "SELECT session_date - %s, person_id, is_attended, is_provisional FROM analytics.course_presence"
        " WHERE account_id = %s AND is_enrolled",
        [MONDAY, ACCOUNT],
    ).fetchall()
    assert {(day, person) for day, person, *_ in marks} >= {
        (day, person) for day, report in loads if report == 6000 for person in ("ann", "zed")
    }
    for day, person, is_attended, is_provisional in marks:
        known = (day, 6001) in loads
        assert is_attended == ((person == "ann") if known else None), (day, person)
        assert is_provisional or known
    told = dict(
        connection.execute(
            "SELECT person_id, unknown_session_count FROM analytics.course_attendance WHERE account_id = %s AND is_enrolled",
            [ACCOUNT],
        ).fetchall()
    )
    unknown = len({day for day, person, is_attended, _ in marks if is_attended is None})
    assert told == {"ann": unknown, "zed": unknown}


@pytest.mark.parametrize(
    ("pulled_at", "filters", "with_attendees", "wanted"),
    [
        (_start(3), None, True, [("late", True, 2, 2 * MINUTES)]),
        (_start(3), None, False, [("late", True, 0, 0)]),
        (_start(0) + dt.timedelta(minutes=20), None, True, []),  # it had not begun then
        (_start(3), '{"entry_ids": ["another"]}', True, []),  # nothing was said of its room
    ],
)
def test_a_session_that_a_later_pull_brings_of_a_day_that_was_whole_restates_it_with_its_people(
    connection: psycopg.Connection,
    pulled_at: dt.datetime,
    filters: str | None,
    with_attendees: bool,
    wanted: list[tuple[object, ...]],
) -> None:
    for report in (6000, 6001) if with_attendees else (6000,):
        load(connection, 0, report, pulled_at, filters)
    later, start = _start(5), _start(0) + dt.timedelta(hours=1)
    for report in (6000, 6001):
        connection.execute(LOAD, [ACCOUNT, report, MONDAY, start, start, None, True, later, later])
    known = [MONDAY, start, start + dt.timedelta(hours=2), later]
    connection.execute(SESSION, [ACCOUNT, "late", start, start + dt.timedelta(minutes=40), *known])
    for person in PEOPLE:
        connection.execute(ATTENDEE, [ACCOUNT, "late", person, MINUTES, *known])
    query = "SELECT session_id, is_addition, added_attendance_count, changed_minutes FROM analytics.restated_sessions"
    assert connection.execute(query).fetchall() == wanted
