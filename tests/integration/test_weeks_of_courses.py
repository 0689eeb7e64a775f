"""A week, or a term, of a course is final only where every day of it is known, whichever days are loaded and however."""

import datetime as dt

import psycopg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.test_course_views import FIRST, SESSION
from tests.integration.test_course_views import connection as connection
from tests.integration.test_room_views import LOAD

MONDAY = FIRST.date()
DAYS = range(14)
WHOLE, EARLY, SESSIONS_ALONE, ATTENDEES_ALONE = "whole", "early", "sessions", "attendees"

_TERM = st.tuples(st.none() | st.integers(-2, 6), st.none() | st.integers(7, 16))


def loaded(connection: psycopg.Connection, day: int, how: str) -> None:
    """Those that were pulled early, just after the session, were not over then."""
    start = dt.datetime.combine(MONDAY + dt.timedelta(days=day), dt.time(), dt.UTC)
    at = start + (dt.timedelta(hours=20) if how == EARLY else dt.timedelta(days=9))
    for report in {SESSIONS_ALONE: [6000], ATTENDEES_ALONE: [6001]}.get(how, [6000, 6001]):
        connection.execute(LOAD, [report, start.date(), start, at, at])


def held(connection: psycopg.Connection, day: int) -> None:
    start = FIRST + dt.timedelta(days=day)
    end, known = start + dt.timedelta(hours=1), start + dt.timedelta(hours=2)
    connection.execute(SESSION, {"id": f"s{day}", "start": start, "end": end, "date": start.date(), "known": known})


def date(day: int | None) -> dt.date | None:
    return None if day is None else MONDAY + dt.timedelta(days=day)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.dictionaries(
        st.sampled_from(DAYS), st.sampled_from([WHOLE, WHOLE, WHOLE, EARLY, SESSIONS_ALONE, ATTENDEES_ALONE])
    ),
    sessions=st.sets(st.sampled_from(DAYS), min_size=1),
    terms=st.lists(_TERM, min_size=1, max_size=2),
)
@example(days=dict.fromkeys(range(5), WHOLE), sessions={0}, terms=[(None, None)])
@example(days=dict.fromkeys(range(14), WHOLE), sessions={0, 8}, terms=[(None, None)])
@example(days=dict.fromkeys(range(9), WHOLE), sessions={0, 8}, terms=[(0, 8)])
@example(days=dict.fromkeys(range(9), WHOLE), sessions={0, 8}, terms=[(0, 8), (0, 9)])
def test_a_week_of_a_course_is_final_only_where_every_day_of_it_in_the_term_is_known(
    connection: psycopg.Connection,
    days: dict[int, str],
    sessions: set[int],
    terms: list[tuple[int | None, int | None]],
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM university.course_rooms")
        connection.execute("DELETE FROM university.courses")
        for number, (first, last) in enumerate(terms):
            connection.execute(
                "INSERT INTO university.courses (account_id, course_id, department, starts_on, ends_on)"
                " VALUES (1, %s, 'd', %s, %s)",
                [f"c{number}", date(first), date(last)],
            )
            connection.execute("INSERT INTO university.course_rooms VALUES (1, %s, 'room')", [f"c{number}"])
            connection.execute(
                "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, %s, 'ada')",
                [f"c{number}"],
            )
        for day in sessions:
            held(connection, day)
        for day, how in days.items():
            loaded(connection, day, how)
        columns = "missing_session_day_count, missing_attendance_day_count, is_provisional"
        of_courses = connection.execute(
            f"SELECT course_id, week_date, {columns} FROM analytics.course_weekly".encode()
        ).fetchall()
        of_department = connection.execute(f"SELECT week_date, {columns} FROM analytics.department_weekly").fetchall()
        of_weeks = dict(
            connection.execute("SELECT week_date, is_provisional FROM analytics.weekly ORDER BY week_date").fetchall()
        )
        of_terms = connection.execute(
            "SELECT course_id, missing_day_count, is_provisional FROM analytics.course_attendance"
        ).fetchall()
    held_by = {f"c{number}": set(range(-99, 99)) & in_term(term) for number, term in enumerate(terms)}
    for course, week_date, *told in of_courses:
        assert told == of_days(held_by[course], week_date, days)
    for week_date, *told in of_department:
        assert told == of_days(set.union(*held_by.values()), week_date, days)
    whole_terms = all(term == (None, None) for term in terms)
    for week_date, *_, is_provisional in [row[1:] for row in of_courses] + of_department:
        assert is_provisional or not whole_terms or not of_weeks[week_date]
    for course, missing, is_provisional in of_terms:
        known = held_by[course] & set(range(min(days), max(days) + 1)) if days else set()
        unknown = {day for day in known if days.get(day) not in (WHOLE, EARLY)}
        assert missing == len(unknown)
        growing = bool(unknown) or any(days[day] == EARLY for day in known & set(days))
        heard = all(days.get(day) in (WHOLE, EARLY) for day in sessions & held_by[course])
        assert is_provisional == (growing or not heard)


def in_term(term: tuple[int | None, int | None]) -> set[int]:
    first, last = term
    return set(range(-99 if first is None else first, 99 if last is None else last + 1))


def of_days(term: set[int], week_date: dt.date, days: dict[int, str]) -> list[object]:
    monday = (week_date - MONDAY).days
    due = term & set(range(monday, monday + 7))
    without_sessions = [day for day in due if days.get(day) in (None, ATTENDEES_ALONE)]
    unknown = [day for day in due if days.get(day) not in (WHOLE, EARLY)]
    return [len(without_sessions), len(unknown), any(days.get(day) != WHOLE for day in due)]
