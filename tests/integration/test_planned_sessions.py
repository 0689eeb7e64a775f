"""The timetable against what was held: which session holds a plan, over any midnight, and when nothing is known yet."""

import datetime as dt
from typing import NamedTuple
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.integration.test_course_views import ATTENDEE, LOADS, SESSION
from tests.integration.test_course_views import connection as connection

MINUTE = dt.timedelta(minutes=1)
HOUR, DAY = 60, 60 * 24
MIDNIGHT = dt.datetime(2026, 3, 3, tzinfo=dt.UTC)
HALF_A_DAY, A_WEEK = 12 * HOUR, 7
MEETING_GAP = 5  # minutes: two sessions with no more between them are one, and tested elsewhere


class Session(NamedTuple):
    """Minutes from midnight; of one without an end it is not known."""

    start: int
    end: int | None


class Plan(NamedTuple):
    start: int
    end: int


def at(minute: int) -> dt.datetime:
    return MIDNIGHT + minute * MINUTE


def opened(connection: psycopg.Connection, number: int, session: Session, zone: ZoneInfo) -> None:
    start = at(session.start)
    end = None if session.end is None else at(session.end)
    date = start.astimezone(zone).date()
    connection.execute(
        SESSION, {"id": f"s{number}", "date": date, "start": start, "end": end, "known": start + dt.timedelta(days=30)}
    )


def pulled(connection: psycopg.Connection, date: dt.date, pulled_at: dt.datetime) -> None:
    start = dt.datetime.combine(date, dt.time(), dt.UTC)
    connection.execute(LOADS, {"date": date, "start": start, "known": pulled_at})


def planned(connection: psycopg.Connection, *plans: Plan) -> None:
    for start, end in plans:
        connection.execute("INSERT INTO university.timetable VALUES (1, 'c', 'room', %s, %s)", [at(start), at(end)])


def outcomes(connection: psycopg.Connection) -> list[tuple[str | None, str | None]]:
    return connection.execute(
        "SELECT outcome, session_id FROM analytics.planned_sessions WHERE planned_start_at IS NOT NULL"
        " ORDER BY planned_start_at"
    ).fetchall()


HELD, NOT_HELD, UNKNOWN = "held", "not held", None


CASES: dict[str, tuple[list[tuple[int, int | None]], list[tuple[int, int]], list[tuple[str | None, str | None]]]] = {
    "before midnight, without an end": ([(-5, None)], [(0, 90)], [(UNKNOWN, "s0")]),
    "after midnight, without an end": ([(DAY + 5, None)], [(DAY - 30, DAY + 60)], [(HELD, "s0")]),
    "half a day before, without an end": ([(-HALF_A_DAY, None)], [(0, 90)], [(NOT_HELD, None)]),
    "the first ran over": ([(480, 543)], [(480, 540), (540, 600)], [(HELD, "s0"), (NOT_HELD, None)]),
    "the first ran over into a second": (
        [(480, 543), (550, 560)],
        [(480, 540), (540, 600)],
        [(HELD, "s0"), (HELD, "s1")],
    ),
    "the second, open before": ([(530, 600)], [(480, 540), (540, 600)], [(NOT_HELD, None), (HELD, "s0")]),
    "the second, open before, and the first": (
        [(480, 520), (535, 600)],
        [(480, 540), (540, 600)],
        [(HELD, "s0"), (HELD, "s1")],
    ),
    "one for two": ([(480, 600)], [(480, 540), (540, 600)], [(HELD, "s0"), (HELD, "s0")]),
    "one for two, late and short": ([(495, 570)], [(480, 540), (540, 600)], [(HELD, "s0"), (HELD, "s0")]),
    "one for two, that ended in the second": (
        [(480, 569)],
        [(480, 540), (540, 600)],
        [(HELD, "s0"), (NOT_HELD, None)],
    ),
    "short, and of one plan alone": ([(480, 482)], [(480, 600)], [(HELD, "s0")]),
    "as long of both": ([(535, 545)], [(480, 540), (540, 600)], [(HELD, "s0"), (HELD, "s0")]),
    "a plan within a longer one": ([(480, 720)], [(480, 720), (540, 600)], [(HELD, "s0"), (HELD, "s0")]),
    "none": ([], [(480, 540)], [(NOT_HELD, None)]),
}


@pytest.mark.parametrize(("sessions", "plans", "wanted"), CASES.values(), ids=CASES)
def test_a_plan_is_held_by_the_session_that_overlaps_it_most(
    sessions: list[tuple[int, int | None]],
    plans: list[tuple[int, int]],
    wanted: list[tuple[str | None, str | None]],
    connection: psycopg.Connection,
) -> None:
    for number, session in enumerate(sessions):
        opened(connection, number, Session(*session), ZoneInfo("UTC"))
    for day in range(-2, 4):
        pulled(connection, at(day * DAY).date(), at(30 * DAY))
    planned(connection, *(Plan(*plan) for plan in plans))
    assert outcomes(connection) == wanted


def overlap(session: Session, plan: Plan) -> int:
    assert session.end is not None
    return min(session.end, plan.end) - max(session.start, plan.start)


def holds(session: Session, plan: Plan, plans: list[Plan]) -> bool:
    """Whether it may: it touches the plan, and is not that of another which it overlaps longer."""
    if session.end is None:
        return plan.start - HALF_A_DAY < session.start < plan.end
    if not (session.start < plan.end and session.end > plan.start):
        return False
    longest = max(overlap(session, each) for each in plans)
    return overlap(session, plan) == longest or overlap(session, plan) * 2 >= plan.end - plan.start


def walked(
    plan: Plan, plans: list[Plan], sessions: list[Session], pulls: dict[dt.date, dt.datetime], zone: ZoneInfo
) -> tuple[str | None, str | None]:
    candidates = [number for number, session in enumerate(sessions) if holds(session, plan, plans)]
    known = [number for number in candidates if sessions[number].end is not None]
    if known:
        longest = max(overlap(sessions[number], plan) for number in known)
        first = min((n for n in known if overlap(sessions[n], plan) == longest), key=lambda n: sessions[n].start)
        return HELD, f"s{first}"
    if candidates:
        first = min(candidates, key=lambda number: sessions[number].start)
        return UNKNOWN if sessions[first].start < plan.start else HELD, f"s{first}"
    days = {at(minute).astimezone(zone).date() for minute in range(plan.start, plan.end)}
    is_over = all(day in pulls and pulls[day] >= at(plan.end) for day in days)
    return NOT_HELD if is_over else UNKNOWN, None


@st.composite
def meetings(draw: st.DrawFn) -> list[Session]:
    """Sessions of one room, one after another and with more between them than a lost connection; few have no end."""
    found, free = [], -DAY
    for pause, length in draw(st.lists(st.tuples(st.integers(6, HOUR * 14), st.integers(1, HOUR * 5)), max_size=6)):
        start = free + pause
        end = None if draw(st.integers(0, 4)) == 0 else start + length
        found.append(Session(start, end))
        free = start + length + MEETING_GAP
    return found


_PLANS = st.lists(
    st.tuples(st.integers(-4, 14), st.sampled_from([1, 2, 3, 6])).map(
        lambda p: Plan(HOUR * 2 * p[0], HOUR * (2 * p[0] + p[1]))
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda plan: plan.start,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sessions=meetings(),
    plans=_PLANS,
    pulls=st.dictionaries(st.integers(-3, 4), st.integers(-2 * DAY, 5 * DAY), max_size=8),
    zone=st.sampled_from(["UTC", "America/New_York", "Pacific/Auckland"]).map(ZoneInfo),
)
def test_outcomes_are_those_of_a_walk_by_hand(
    connection: psycopg.Connection, sessions: list[Session], plans: list[Plan], pulls: dict[int, int], zone: ZoneInfo
) -> None:
    first = MIDNIGHT.astimezone(zone).date()
    pulled_at = {first + dt.timedelta(days=day): at(minute) for day, minute in pulls.items()}
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO kaltura.calendars (partner_id, timezone) VALUES (1, %s)", [str(zone)])
        for number, session in enumerate(sessions):
            opened(connection, number, session, zone)
        for date, moment in pulled_at.items():
            pulled(connection, date, moment)
        planned(connection, *plans)
        got = outcomes(connection)
        provisional = connection.execute(
            "SELECT is_provisional FROM analytics.planned_sessions WHERE outcome = 'not held'"
        ).fetchall()
    wanted = [walked(plan, plans, sessions, pulled_at, zone) for plan in sorted(plans)]
    assert got == wanted
    assert provisional == [(False,)] * sum(outcome == NOT_HELD for outcome, _ in wanted)


def test_a_plan_over_midnight_is_finally_not_held_once_both_days_are_loaded(connection: psycopg.Connection) -> None:
    planned(connection, Plan(DAY - 30, DAY + 60))
    query = "SELECT outcome, is_provisional FROM analytics.planned_sessions"
    pulled(connection, at(0).date(), at(2 * DAY))
    assert connection.execute(query).fetchall() == [(UNKNOWN, True)]
    pulled(connection, at(DAY).date(), at(DAY + 59))
    assert connection.execute(query).fetchall() == [(UNKNOWN, True)]
    pulled(connection, at(DAY).date(), at(DAY + 60))
    assert connection.execute(query).fetchall() == [(NOT_HELD, False)]


def test_a_plan_that_ends_at_midnight_is_of_its_day_alone(connection: psycopg.Connection) -> None:
    planned(connection, Plan(DAY - 60, DAY))
    pulled(connection, at(0).date(), at(DAY))
    assert outcomes(connection) == [(NOT_HELD, None)]


@pytest.mark.parametrize(
    ("pulls", "outcome"),
    [
        ([{"entry_ids": ["room"]}], NOT_HELD),
        ([{"entry_ids": ["another", "room"]}], NOT_HELD),
        ([{"entry_ids": ["another"]}], UNKNOWN),
        ([{"virtual_event_ids": ["event"]}], UNKNOWN),
        ([{"entry_ids": ["room"], "virtual_event_ids": ["event"]}], UNKNOWN),
        ([None, {"entry_ids": ["another"]}], NOT_HELD),
        ([{"entry_ids": ["another"]}, None], NOT_HELD),
    ],
)
def test_of_a_room_that_no_pull_asked_for_it_is_not_known_whether_a_plan_was_held(
    pulls: list[dict[str, list[str]] | None], outcome: str | None, connection: psycopg.Connection
) -> None:
    """Days are whole without it where the settings keep to other ids."""
    planned(connection, Plan(480, 540))
    for number, filters in enumerate(pulls):
        pulled(connection, at(0).date(), at(2 * DAY + number))
        connection.execute(
            "UPDATE kaltura.loads SET filters = %s WHERE id > (SELECT max(id) - 2 FROM kaltura.loads)",
            [filters and Jsonb(filters)],
        )
    query = "SELECT outcome, is_provisional FROM analytics.planned_sessions"
    assert connection.execute(query).fetchall() == [(outcome, outcome is UNKNOWN)]
    opened(connection, 0, Session(490, 530), ZoneInfo("UTC"))  # by a pull of its own
    assert outcomes(connection) == [(HELD, "s0")]


@pytest.mark.parametrize("is_host_alone", [True, False])
def test_a_test_opening_of_a_host_alone_is_no_session_held_without_a_plan(
    is_host_alone: bool, connection: psycopg.Connection
) -> None:
    planned(connection, Plan(480, 540))
    pulled(connection, at(0).date(), at(2 * DAY))
    opened(connection, 0, Session(600, 605), ZoneInfo("UTC"))
    if not is_host_alone:
        connection.execute(ATTENDEE, ["s0", "ada", None, 5.0, at(0).date(), at(0), at(2 * DAY)])
    query = "SELECT session_id FROM analytics.planned_sessions WHERE outcome = 'held without a plan'"
    assert connection.execute(query).fetchall() == ([] if is_host_alone else [("s0",)])
