"""Students alone are absent or at risk: enrolments whose roles change, against a walk over the days by hand, in every view."""

import datetime as dt
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.room_report.figures import figures
from tests.integration.test_course_views import FIRST, held
from tests.integration.test_course_views import connection as connection

DAYS = 7  # a whole week, with a session each
ROLES = ("student", "teacher", "assistant", "observer")


class Enrolment(NamedTuple):
    role: str
    first: int | None
    last: int | None

    def covers(self, day: int) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


def date(day: int | None) -> dt.date | None:
    return None if day is None else FIRST.date() + dt.timedelta(days=day)


def enrolled(connection: psycopg.Connection, *enrolments: Enrolment, person: str = "ada") -> None:
    for role, first, last in enrolments:
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id, role, from_date, to_date)"
            " VALUES (1, 'c', %s, %s, %s, %s)",
            [person, role, date(first), date(last)],
        )


def began(enrolment: Enrolment) -> int:
    return -DAYS if enrolment.first is None else enrolment.first


def role_on(day: int, enrolments: list[Enrolment]) -> str | None:
    """Of several that hold on the day, that which began last."""
    covering = [each for each in enrolments if each.covers(day)]
    return max(covering, key=began).role if covering else None


class Register(NamedTuple):
    """What course_attendance says of one person."""

    role: str | None
    is_enrolled: bool
    is_student: bool
    session_count: int
    attended_session_count: int
    absence_count: int
    not_enrolled_session_count: int
    longest_absence_count: int
    newest_absence_count: int
    is_at_risk: bool | None
    enrolled_until_date: dt.date | None


def walked(enrolments: list[Enrolment], came: list[bool], ends: int | None) -> Register:
    """Day by day, by hand."""
    until = {each: min((day for day in (each.last, ends) if day is not None), default=None) for each in enrolments}
    last = max(
        enrolments, key=lambda each: (2 * DAYS if until[each] is None else until[each], began(each)), default=None
    )
    is_student = any(each.role == "student" for each in enrolments)
    held_days = [day for day in range(DAYS) if ends is None or day <= ends]
    roles = {day: role_on(day, enrolments) for day in held_days}
    counted = [day for day in held_days if roles[day] and (roles[day] == "student" or not is_student)]
    runs = [len(list(run)) for was_there, run in groupby(came[day] for day in counted) if not was_there]
    newest = runs[-1] if counted and not came[counted[-1]] else 0
    present = sum(came[day] for day in counted)
    missed = len(counted) - present
    at_risk = last is not None and last.role == "student" and len(counted) >= 2
    return Register(
        last.role if last else None,
        last is not None,
        is_student,
        len(counted),
        present,
        missed,
        sum(came[day] for day in held_days if not roles[day]),
        max(runs, default=0),
        newest,
        (present < missed or newest >= 3) if at_risk else None,
        date(until[last]) if last else None,
    )


@st.composite
def terms(draw: st.DrawFn) -> list[Enrolment]:
    """Enrolments of one person: at most one from each day on, as the list has them."""
    found = []
    for first in draw(st.lists(st.sampled_from([None, *range(DAYS)]), max_size=3, unique=True)):
        last = draw(st.one_of(st.none(), st.integers(first or 0, DAYS + 2)))
        found.append(Enrolment(draw(st.sampled_from(ROLES)), first, last))
    return found


COLUMNS = ", ".join(Register._fields)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    enrolments=terms(),
    came=st.lists(st.booleans(), min_size=DAYS, max_size=DAYS),
    ends=st.sampled_from([None, DAYS - 1, 3]),
)
def test_every_view_counts_the_days_on_which_somebody_was_a_student(
    connection: psycopg.Connection, enrolments: list[Enrolment], came: list[bool], ends: int | None
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("UPDATE university.courses SET department = 'd', ends_on = %s", [date(ends)])
        enrolled(connection, *enrolments)
        for day, was_there in enumerate(came):
            held(connection, day, [("ada", 60.0)] if was_there else [])
        ask = lambda query: connection.execute(query.encode()).fetchall()  # noqa: E731
        attendance = ask(f"SELECT {COLUMNS} FROM analytics.course_attendance")
        absences = ask("SELECT session_date FROM analytics.absences ORDER BY session_date")
        sessions = ask(
            "SELECT sum(student_count), sum(attended_count), sum(absent_count), sum(not_enrolled_count)"
            " FROM analytics.course_sessions"
        )
        weekly = "student_count, attended_count, absence_count"
        of_course = ask(f"SELECT {weekly}, not_enrolled_people_count FROM analytics.course_weekly")
        of_department = ask(f"SELECT {weekly} FROM analytics.department_weekly")
        report = figures(connection, 1, FIRST.date(), ZoneInfo("UTC")).departments
    wanted = walked(enrolments, came, ends)
    held_days = [day for day in range(DAYS) if ends is None or day <= ends]
    assert attendance == ([wanted] if enrolments or any(came[day] for day in held_days) else [])
    students = [day for day in held_days if role_on(day, enrolments) == "student"]
    missed = [day for day in students if not came[day]]
    present = len(students) - len(missed)
    guests = wanted.not_enrolled_session_count
    assert absences == [(date(day),) for day in missed]
    assert sessions == [(len(students), present, len(missed), guests)]
    assert of_course == [(min(1, len(students)), present, len(missed), min(1, guests))]
    assert of_department == [(min(1, len(students)), present, len(missed))]
    [department] = report
    assert (department.student_count, department.session_count) == (min(1, len(students)), len(held_days))
    assert department.attendance_ratio == (pytest.approx(present / len(students)) if students else None)
    if wanted.is_student:
        assert (wanted.session_count, wanted.absence_count) == (len(students), len(missed))


def test_an_observer_who_becomes_a_student_is_not_at_risk_for_what_an_observer_missed(
    connection: psycopg.Connection,
) -> None:
    enrolled(connection, Enrolment("observer", 0, 2), Enrolment("student", 3, None))
    for day in range(5):
        held(connection, day, [("ada", 60.0)] if day > 2 else [])
    query = "SELECT role, session_count, absence_count, is_at_risk FROM analytics.course_attendance"
    assert connection.execute(query).fetchall() == [("student", 2, 0, False)]


@pytest.mark.parametrize("role", ["teacher", "observer"])
def test_who_was_a_student_is_not_at_risk_any_more_and_stays_among_the_students(
    role: str, connection: psycopg.Connection
) -> None:
    enrolled(connection, Enrolment("student", None, 2), Enrolment(role, 3, None))
    for day in range(5):
        held(connection, day, [])
    query = "SELECT role, is_student, session_count, absence_count, is_at_risk FROM analytics.course_attendance"
    assert connection.execute(query).fetchall() == [(role, True, 3, 3, None)]


def test_nobody_is_about_to_be_lost_from_a_course_that_is_over(connection: psycopg.Connection) -> None:
    """Question 4 of docs/questions.md, of a term that has ended and of one that has not."""
    enrolled(connection, Enrolment("student", None, None))
    for day in range(3):
        held(connection, day, [])
    still = (
        "SELECT person_id FROM analytics.course_attendance"
        " WHERE is_at_risk AND coalesce(enrolled_until_date, 'infinity') >= CURRENT_DATE"
    )
    assert connection.execute(still).fetchall() == [("ada",)]
    connection.execute("UPDATE university.courses SET ends_on = %s", [date(6)])
    assert connection.execute(still).fetchall() == []
    until = "SELECT enrolled_until_date FROM analytics.course_attendance"
    assert connection.execute(until).fetchall() == [(date(6),)]
