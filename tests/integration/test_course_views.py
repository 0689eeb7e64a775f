"""The views of courses against a register that is kept by hand: any history, whichever ids somebody came by."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.reports import TABLES
from pipelines.retention import without_old_names
from resources.privacy.pseudonymise import pseudonymise
from tests.integration.test_privacy import WITH_KEY
from tests.integration.test_room_views import held as meeting
from tests.integration.test_room_views import with_privacy

ACCOUNT = 1
FIRST = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
LENGTH = 60.0
THRESHOLD = 0.5
EMAIL = "ada@example.edu"

# How Ada may be known to a report, given how the list names her.
LISTED_BY_ID = ("ada", "p_" + "a" * 32)
LISTED_BY_EMAIL = ("ada", "ada.from.home", EMAIL)

SESSION = """
INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,
    session_host_user_id, partition_date, window_start, window_end, load_id)
VALUES (1, 'room', %(id)s, %(start)s, %(end)s, 'host', %(date)s, %(start)s, %(known)s, 0)
"""
ATTENDEE = """
INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, user_email, user_type, meeting_view_time,
    partition_date, window_start, window_end, load_id)
VALUES (1, 'room', %s, %s, %s, 'User', %s, %s, %s, %s, 0)
"""
LOADS = """
INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at, requests,
    rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)
SELECT 1, report, %(date)s, %(start)s, %(known)s, %(known)s, 1, 0, 0, 0, 0, 0, 0, 0, 0
FROM unnest(ARRAY[6000, 6001]) AS report
"""


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as opened:
        opened.execute("INSERT INTO university.courses (account_id, course_id) VALUES (1, 'c')")
        opened.execute("INSERT INTO university.course_rooms VALUES (1, 'c', 'room')")
        opened.execute("INSERT INTO kaltura.people VALUES (1, 'ada', 'p_' || repeat('a', 32))")
        yield opened


def held(connection: psycopg.Connection, day: int, visits: list[tuple[str, float | None]]) -> None:
    """A session a day, with Ada in it for so many minutes under each id, and somebody unnamed: no host is alone in it."""
    start = FIRST + dt.timedelta(days=day)
    said = {"date": start.date(), "start": start, "known": start + dt.timedelta(days=3)}
    connection.execute(SESSION, {**said, "id": f"s{day}", "end": start + dt.timedelta(minutes=LENGTH)})
    connection.execute(LOADS, said)
    for user_id, minutes in {"": 5.0, **dict(visits)}.items():
        email = None if user_id in ("", *LISTED_BY_ID[1:], EMAIL) else EMAIL.upper()
        row = [f"s{day}", user_id, email, minutes, start.date(), start, said["known"]]
        connection.execute(ATTENDEE, row)


def visits_by(ids: tuple[str, ...]) -> st.SearchStrategy[list[list[tuple[str, float | None]]]]:
    minutes = st.sampled_from([None, 0.0, 10.0, 20.0, 29.0, 30.0, 45.0, 60.0])
    return st.lists(st.lists(st.tuples(st.sampled_from(ids), minutes), max_size=3), max_size=9)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), by_email=st.booleans())
def test_a_persons_attendance_is_that_of_a_register_kept_by_hand(
    connection: psycopg.Connection, data: st.DataObject, by_email: bool
) -> None:
    history = data.draw(visits_by(LISTED_BY_EMAIL if by_email else LISTED_BY_ID))
    with connection.transaction(force_rollback=True):
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id, person_email) VALUES (1, 'c', %s, %s)",
            [None, EMAIL.title()] if by_email else ["ada", None],
        )
        for day, visits in enumerate(history):
            held(connection, day, visits)
        [got] = connection.execute(
            "SELECT session_count, attended_session_count, absence_count, attended_minutes, longest_absence_count,"
            " newest_absence_count, is_at_risk FROM analytics.course_attendance"
        ).fetchall()
        absences = connection.execute("SELECT session_id FROM analytics.absences ORDER BY started_at").fetchall()
    stays = [list(dict(visits).values()) for visits in history]
    attended = [was_attended(stay) for stay in stays]
    known = [is_attended for is_attended in attended if is_attended is not None]
    runs = [len(list(run)) for is_attended, run in groupby(known) if not is_attended]
    newest = runs[-1] if runs and not known[-1] else 0
    present, missed = sum(known), len(known) - sum(known)
    at_risk = present < missed or newest >= 3 if len(known) >= 2 else None
    told = [minutes for stay in stays for minutes in stay or [0.0] if minutes is not None]
    assert got[:3] == (len(history), present, missed)
    is_unknown = not any(told) and any(None in stay for stay in stays)  # 0 is where nothing is unknown
    assert got[3] == pytest.approx(sum(told) if told and not is_unknown else None)
    assert got[4:] == (max(runs, default=0), newest, at_risk)
    assert absences == [(f"s{day}",) for day, is_attended in enumerate(attended) if is_attended is False]


def was_attended(stay: list[float | None]) -> bool | None:
    """Whether these stays of a session add up to the threshold; None where one whose length is not known decides."""
    told = sum(minutes for minutes in stay if minutes is not None)
    if stay and told >= THRESHOLD * LENGTH:
        return True
    return None if None in stay else False


@pytest.mark.parametrize("visits", [[], [0.0], [None], [0.5], [60.0], [0.0, 0.5], [0.0, None]])
def test_with_a_threshold_of_0_to_have_attended_is_to_have_been_there(
    visits: list[float | None], connection: psycopg.Connection
) -> None:
    connection.execute("UPDATE university.courses SET attendance_threshold = 0")
    connection.execute(
        "INSERT INTO university.enrolments (account_id, course_id, person_email) VALUES (1, 'c', %s)", [EMAIL]
    )
    held(connection, 0, list(zip(LISTED_BY_EMAIL, visits, strict=False)))
    was_there = any(minutes != 0 for minutes in visits)
    query = "SELECT is_present, is_attended FROM analytics.course_presence"
    assert connection.execute(query).fetchall() == [(was_there, was_there)]
    weekly = connection.execute(
        "SELECT active_student_count, attended_count, absence_count FROM analytics.course_weekly"
    ).fetchall()
    assert weekly == [(was_there, was_there, not was_there)]


@pytest.mark.parametrize("gap_minutes", [0, 3, 5, 6])
def test_a_meeting_that_a_lost_connection_cut_in_two_is_one_session_for_its_people(
    gap_minutes: int, connection: psycopg.Connection
) -> None:
    """Ada saw 40 of the first part's 60 minutes, and nothing of the ten that came after the break."""
    connection.execute("INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, 'c', 'ada')")
    held(connection, 0, [("ada", 40)])
    start = FIRST + dt.timedelta(minutes=LENGTH + gap_minutes)
    said = {"id": "again", "start": start, "end": start + dt.timedelta(minutes=10), "date": start.date()}
    connection.execute(SESSION, {**said, "known": start + dt.timedelta(days=3)})
    connection.execute(ATTENDEE, ["again", "", None, 5.0, start.date(), start, start])  # no host alone
    rows = connection.execute(
        "SELECT session_id, attended_minutes, round(attended_ratio::numeric, 2)::float FROM analytics.course_presence"
        " ORDER BY started_at"
    ).fetchall()
    is_one = gap_minutes <= 5
    assert rows == ([("s0", 40, 0.57)] if is_one else [("s0", 40, 0.67), ("again", 0, 0)])


def opened(connection: psycopg.Connection, name: str, start: dt.datetime, end: dt.datetime | None) -> None:
    said = {"date": start.date(), "start": start, "known": start + dt.timedelta(days=30)}
    connection.execute(SESSION, {**said, "id": name, "end": end})
    connection.execute(LOADS, said)


def test_a_plan_is_held_by_the_session_that_overlaps_it_and_not_by_one_whose_end_is_not_known(
    connection: psycopg.Connection,
) -> None:
    at = lambda minutes: FIRST + dt.timedelta(minutes=minutes)  # noqa: E731
    opened(connection, "no end", at(0), None)
    opened(connection, "the lecture", at(365), at(475))
    connection.execute("INSERT INTO university.timetable VALUES (1, 'c', 'room', %s, %s)", [at(360), at(480)])
    query = (
        "SELECT outcome, session_id, late_minutes FROM analytics.planned_sessions WHERE planned_start_at IS NOT NULL"
    )
    assert connection.execute(query).fetchall() == [("held", "the lecture", 5)]


@pytest.mark.parametrize(("began", "outcome"), [(-5, None), (0, "held"), (20, "held")])
def test_a_session_without_an_end_holds_a_plan_where_it_began_in_it_and_of_an_earlier_one_nothing_is_known(
    began: int, outcome: str | None, connection: psycopg.Connection
) -> None:
    at = lambda minutes: FIRST + dt.timedelta(minutes=minutes)  # noqa: E731
    opened(connection, "no end", at(began), None)
    connection.execute("INSERT INTO university.timetable VALUES (1, 'c', 'room', %s, %s)", [at(0), at(60)])
    query = "SELECT outcome, session_id FROM analytics.planned_sessions WHERE planned_start_at IS NOT NULL"
    assert connection.execute(query).fetchall() == [(outcome, "no end")]


def test_a_student_of_two_courses_of_a_department_attends_their_common_session_once(
    connection: psycopg.Connection,
) -> None:
    connection.execute("UPDATE university.courses SET department = 'd'")
    connection.execute("INSERT INTO university.courses (account_id, course_id, department) VALUES (1, 'c2', 'd')")
    connection.execute("INSERT INTO university.course_rooms VALUES (1, 'c2', 'room')")
    for course, person in (("c", "ada"), ("c2", "ada"), ("c", "eve")):
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, %s, %s)", [course, person]
        )
    held(connection, 0, [("ada", 50)])
    query = (
        "SELECT session_count, student_count, attended_count, absence_count, attendance_ratio"
        " FROM analytics.department_weekly"
    )
    assert connection.execute(query).fetchall() == [(1, 2, 1, 1, 0.5)]


def test_a_person_is_at_risk_as_of_when_they_left_and_the_row_says_when_that_was(
    connection: psycopg.Connection,
) -> None:
    left = FIRST.date() + dt.timedelta(days=2)
    for person, until in (("ada", left), ("eve", None), ("kim", None), ("kim", left)):
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id, from_date, to_date)"
            " VALUES (1, 'c', %s, %s, %s)",
            [person, FIRST.date() + dt.timedelta(days=3) if person == "kim" and until is None else None, until],
        )
    for day in range(6):
        held(connection, day, [])
    query = "SELECT person_id, is_at_risk, enrolled_until_date FROM analytics.course_attendance ORDER BY person_id"
    assert connection.execute(query).fetchall() == [("ada", True, left), ("eve", True, None), ("kim", True, None)]


def test_where_a_part_of_a_session_has_no_end_nobody_is_said_to_have_attended_a_share_of_it(
    connection: psycopg.Connection,
) -> None:
    at = lambda minutes: FIRST + dt.timedelta(minutes=minutes)  # noqa: E731
    opened(connection, "first", at(0), at(10))
    opened(connection, "second", at(12), None)
    connection.execute(ATTENDEE, ["second", "ada", None, 6.0, FIRST.date(), FIRST, at(60 * 24 * 30)])
    query = (
        "SELECT attended_minutes, attended_ratio, is_attended FROM analytics.course_presence WHERE person_id = 'ada'"
    )
    assert connection.execute(query).fetchall() == [(6.0, None, None)]


@pytest.mark.parametrize(
    ("stays", "is_attended", "ratio"),
    [([], False, 0), ([0.0], False, 0), ([None], None, None), ([0.0, None], None, None), ([5.0], None, None)],
)
def test_who_was_listed_with_0_minutes_is_absent_however_long_the_session_was(
    stays: list[float | None], is_attended: bool | None, ratio: float | None, connection: psycopg.Connection
) -> None:
    opened(connection, "no end", FIRST, None)
    connection.execute(ATTENDEE, ["no end", "", None, 5.0, FIRST.date(), FIRST, FIRST])  # no host alone
    connection.execute(
        "INSERT INTO university.enrolments (account_id, course_id, person_email) VALUES (1, 'c', %s)", [EMAIL]
    )
    for user_id, minutes in zip(LISTED_BY_EMAIL, stays, strict=False):
        connection.execute(ATTENDEE, ["no end", user_id, EMAIL, minutes, FIRST.date(), FIRST, FIRST])
    query = "SELECT is_present, is_attended, attended_ratio FROM analytics.course_presence"
    assert connection.execute(query).fetchall() == [(is_attended is None, is_attended, ratio)]


def test_a_session_that_is_running_still_was_not_completed_by_more_people(connection: psycopg.Connection) -> None:
    opened(connection, "s", FIRST, None)
    connection.execute(
        "INSERT INTO kaltura.changes (load_id, table_name, key, change, before, after)"
        ' SELECT max(id), \'room_sessions\', \'{"partner_id": 1, "entry_id": "room", "cue_point_id": "s"}\', \'update\','
        ' \'{"session_end_time": null, "meeting_view_period_unique_users": 10}\','
        ' \'{"session_end_time": null, "meeting_view_period_unique_users": 20}\' FROM kaltura.loads'
    )
    assert connection.execute("SELECT is_completion FROM analytics.restated_sessions").fetchall() == [(False,)]


SPELLED = ["ada", "ADA", " Ada "]
REGISTER = (
    "SELECT session_id, is_enrolled, role, is_present FROM analytics.course_presence ORDER BY started_at, person_id"
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    came=st.lists(st.sampled_from(SPELLED), min_size=1, max_size=5),
    listed=st.sampled_from(SPELLED),
    aged=st.integers(0, 5),
)
def test_however_an_id_is_spelled_the_register_is_the_same_before_and_after_the_names_go(
    connection: psycopg.Connection, came: list[str], listed: str, aged: int
) -> None:
    register = "SELECT session_id, person_id, role, attended_minutes, is_attended FROM analytics.course_presence"
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM kaltura.people")
        with_privacy(connection, WITH_KEY, {listed, *came})
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, 'c', %s)", [listed]
        )
        for day, spelled in enumerate(came):
            held(connection, day, [(spelled, LENGTH)])
        before = connection.execute(f"{register} ORDER BY started_at").fetchall()
        pseudonymise(connection, WITH_KEY, TABLES, 1, end=(FIRST + dt.timedelta(days=aged)).date())
        after = connection.execute(f"{register} ORDER BY started_at").fetchall()
    assert before == [(f"s{day}", listed, "student", LENGTH, True) for day in range(len(came))]
    assert after == before


NAMED = [("ada", None), ("ADA", None), (None, EMAIL), (" Ada ", EMAIL.title())]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    came=st.lists(st.sampled_from([None, *SPELLED, "ada.from.home"]), min_size=1, max_size=6),
    periods=st.dictionaries(st.integers(0, 5), st.sampled_from([None, *NAMED]), min_size=1, max_size=4),
    aged=st.integers(0, 6),
)
def test_who_is_listed_by_several_lines_is_there_once_on_each_day_by_the_line_that_holds(
    connection: psycopg.Connection,
    came: list[str | None],
    periods: dict[int, tuple[str | None, str | None] | None],
    aged: int,
) -> None:
    """From each of these days on the list names Ada so, or not at all; the first line has no first day, the last no last."""
    begins = sorted(periods)
    lines = [(periods[day], day, until) for day, until in zip(begins, [*begins[1:], None], strict=True)]
    by_email_alone = all(line in (None, (None, EMAIL)) for line, _, _ in lines)
    ids = SPELLED[:1] if not by_email_alone else [*SPELLED[:1], "ada.from.home"]
    visits = [user_id and (user_id if user_id in ids else "ada") for user_id in came]
    on = lambda day: (FIRST + dt.timedelta(days=day)).date()  # noqa: E731
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM kaltura.people")
        with_privacy(connection, WITH_KEY, [*SPELLED, "ada.from.home", EMAIL])
        for line, first, until in lines:
            if line:
                connection.execute(
                    "INSERT INTO university.enrolments (account_id, course_id, person_id, person_email, from_date, to_date)"
                    " VALUES (1, 'c', %s, %s, %s, %s)",
                    [*line, on(first) if first else None, on(until - 1) if until else None],
                )
        for day, user_id in enumerate(visits):
            held(connection, day, [(user_id, LENGTH)] if user_id else [])
        before = connection.execute(REGISTER).fetchall()
        [(today,)] = connection.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchall()
        without_old_names(connection, replace(WITH_KEY, retention_days=(today - on(aged)).days), 1)
        after = connection.execute(REGISTER).fetchall()
    is_listed = [
        any(line and first <= day < (until or 9) for line, first, until in lines) for day in range(len(visits))
    ]
    assert before == [
        (f"s{day}", listed, "student" if listed else None, bool(user_id))
        for day, (listed, user_id) in enumerate(zip(is_listed, visits, strict=True))
        if listed or user_id
    ]
    assert after == before


HOSTS = ["host", "HOST"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(
        # Under one spelling in a session, as loads leave it: of two, retention makes two people.
        st.tuples(
            st.sets(st.sampled_from([*HOSTS, "", "Error", "ada", "bob"])).filter(lambda people: not {*HOSTS} <= people),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    ),
    aged=st.integers(0, 6),
)
def test_nobody_is_absent_from_a_session_with_nobody_but_its_host(
    connection: psycopg.Connection, history: list[tuple[set[str], bool]], aged: int
) -> None:
    """Each day a session with these people in it, whose attendees are loaded or not."""
    sessions = (
        "SELECT is_host_alone, student_count, absent_count FROM analytics.course_sessions ORDER BY started_at",
        "SELECT session_id FROM analytics.absences ORDER BY started_at",
        "SELECT session_count, unknown_session_count, absence_count FROM analytics.course_attendance WHERE is_enrolled",
    )
    ask = lambda: [connection.execute(query.encode()).fetchall() for query in sessions]  # noqa: E731
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM kaltura.people")
        with_privacy(connection, WITH_KEY, [*HOSTS, "ada", "bob"])
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, 'c', 'ada')"
        )
        for day, (people, is_loaded) in enumerate(history):
            meeting(connection, day, FIRST + dt.timedelta(days=day), 30, people, loaded=is_loaded)
        before = ask()
        pseudonymise(connection, WITH_KEY, TABLES, 1, end=(FIRST + dt.timedelta(days=aged)).date())
        after = ask()
    alone = [people <= {*HOSTS} if is_loaded else None for people, is_loaded in history]
    absent = [
        None if is_alone is None else int(not is_alone and "ada" not in people)
        for is_alone, (people, _) in zip(alone, history, strict=True)
    ]
    assert before[0] == [
        (is_alone, int(not is_alone), was_absent) for is_alone, was_absent in zip(alone, absent, strict=True)
    ]
    assert before[1] == [(f"s{day}",) for day, was_absent in enumerate(absent) if was_absent]
    assert before[2] == [(len(alone) - alone.count(True), alone.count(None), absent.count(1))]
    assert after == before
