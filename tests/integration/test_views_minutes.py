"""Minutes that Kaltura did not give are unknown: every figure of attendees' minutes of every view, whatever minutes are NULL.

A sum is 0 where nobody is listed, NULL where people are listed and none has minutes, and else of those that have some.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from tests.integration.test_views_unknown import ACCOUNT, MONDAY
from tests.integration.test_views_unknown import connection as connection

DAYS = 56  # the two windows of `rooms`
# The room's sessions by their day, those in its breakout room too: two of one week, and one on the newest day.
MAIN = {"s1": 1, "s2": 2, "s40": 40, "s55": 55}
BREAKOUT = {"b1": 1, "b40": 40}
DAY = MAIN | BREAKOUT
LENGTH = 40
PEOPLE = ("ann", "bob")
NOBODIES = ("", "Unknown")

Visit = tuple[str, str]  # a session and a person
Visits = Mapping[Visit, float | None]
Values = dict[object, float | None]

LOADS = """
INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at, loaded_at, requests,
    rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)
SELECT %s, report_id, %s::date + day, %s::date + day, %s::date + day, %s::date + day + 3, %s::date + day + 3,
    1, 0, 0, 0, 0, 0, 0, 0, 0
FROM generate_series(0, 55) AS day, unnest(ARRAY[6000, 6001, 6002]) AS report_id
"""
SESSION = """
INSERT INTO kaltura.room_sessions (partner_id, entry_id, parent_entry_id, cue_point_id, session_start_time, session_end_time,
    session_host_user_id, partition_date, window_start, window_end, load_id)
VALUES (%s, %s, %s, %s, %s, %s, 'host', %s, %s, %s, 0)
"""
BREAKOUT_SESSION = """
INSERT INTO kaltura.breakout_sessions (partner_id, parent_entry_id, breakout_entry_id, cue_point_id, session_start_time,
    session_end_time, partition_date, window_start, window_end, load_id)
VALUES (%s, 'room', 'breakout', %s, %s, %s, %s, %s, %s, 0)
"""
ATTENDEE = """
INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, user_type, meeting_view_time, partition_date,
    window_start, window_end, load_id)
VALUES (%s, %s, %s, %s, 'User', %s, %s, %s, %s, 0)
"""
COURSE = """
INSERT INTO university.courses (account_id, course_id, department) VALUES (404, 'course', 'Maths');
INSERT INTO university.course_rooms (account_id, course_id, room_id) VALUES (404, 'course', 'room');
INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (404, 'course', 'ann'), (404, 'course', 'zed');
"""


def fill(connection: psycopg.Connection, visits: Visits) -> None:
    """Eight weeks of which everything is loaded, with the sessions and those visits in them."""
    connection.execute(LOADS, [ACCOUNT, *[MONDAY] * 5])
    connection.execute(COURSE)
    for session, day in DAY.items():
        start = dt.datetime.combine(MONDAY + dt.timedelta(days=day), dt.time(8), dt.UTC)
        end = start + dt.timedelta(minutes=LENGTH)
        room, parent = ("breakout", "room") if session in BREAKOUT else ("room", None)
        row = [ACCOUNT, room, parent, session, start, end, start.date(), start, end]
        connection.execute(SESSION, row)
        if session in BREAKOUT:
            connection.execute(BREAKOUT_SESSION, [ACCOUNT, session, start, end, start.date(), start, end])
    for (session, person), minutes in visits.items():
        date = MONDAY + dt.timedelta(days=DAY[session])
        room = "breakout" if session in BREAKOUT else "room"
        connection.execute(ATTENDEE, [ACCOUNT, room, session, person, minutes, date, date, date])


def lasted(by: Mapping[object, Sequence[str]]) -> Values:
    """0 where none was held."""
    return {key: float(LENGTH * len(sessions)) for key, sessions in by.items()}


class Truth:
    """What each figure ought to be, of the visits that it is of."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits

    def total(self, sessions: Iterable[str], people: Iterable[str] = (*PEOPLE, *NOBODIES)) -> float | None:
        held, asked = {*sessions}, {*people}
        of = [minutes for (session, person), minutes in self.visits.items() if session in held and person in asked]
        known = [minutes for minutes in of if minutes is not None]
        return sum(known) if known or not of else None

    def added_up(self, sessions: Iterable[str], people: Iterable[str] = (*PEOPLE, *NOBODIES)) -> float | None:
        """The sum over sessions, of which each has its own: 0 where none of them is unknown."""
        of = [self.total([session], people) for session in sessions]
        known = [minutes for minutes in of if minutes is not None]
        return sum(known) if any(known) or len(known) == len(of) else None

    def of_people(self, session: str, figure: Callable[[list[float]], float]) -> float | None:
        found = [self.visits.get((session, person)) for person in PEOPLE]
        known = [minutes for minutes in found if minutes is not None]
        return figure(known) if known else None

    def both(self, by: Mapping[object, Iterable[str]]) -> dict[str, Values]:
        return {
            "total_minutes": {key: self.total(sessions) for key, sessions in by.items()},
            "unidentified_minutes": {key: self.total(sessions, NOBODIES) for key, sessions in by.items()},
        }

    def values(self) -> dict[str, dict[str, Values]]:
        dates = [MONDAY + dt.timedelta(days=day) for day in range(DAYS)]
        by_day = {date: [s for s in MAIN if dates[MAIN[s]] == date] for date in dates}
        aside = {date: [s for s in BREAKOUT if dates[BREAKOUT[s]] == date] for date in dates}
        mondays = dates[::7]
        weeks = {monday: [s for s in MAIN if 0 <= (dates[MAIN[s]] - monday).days < 7] for monday in mondays}
        weeks_aside = {
            monday: [s for s in BREAKOUT if 0 <= (dates[BREAKOUT[s]] - monday).days < 7] for monday in mondays
        }
        met = {monday: sessions for monday, sessions in weeks.items() if sessions}
        of_weeks: dict[str, Values] = {
            "total_minutes": {monday: self.added_up(sessions) for monday, sessions in met.items()},
            "unidentified_minutes": {monday: self.added_up(sessions, NOBODIES) for monday, sessions in met.items()},
        }
        each, rooms = {session: [session] for session in DAY}, {"room": MAIN, "breakout": BREAKOUT}
        held = {session: [session] for session in MAIN}
        expected = [session for session in MAIN if any(session == visited for visited, _ in self.visits)]
        seen = {person for _, person in self.visits} & set(PEOPLE)
        recent = {room: [s for s in of if DAY[s] >= 28] for room, of in rooms.items()}
        previous = {room: [s for s in of if DAY[s] < 28] for room, of in rooms.items()}
        in_course = {person for session, person in self.visits if session in MAIN} & set(PEOPLE) | {"ann", "zed"}
        return {
            "sessions": self.both(each)
            | {
                "median_minutes": {session: self.of_people(session, median) for session in DAY},
                "longest_minutes": {session: self.of_people(session, max) for session in DAY},
            },
            "logical_sessions": self.both(each),
            "breakouts": self.both({session: [session] for session in BREAKOUT}),
            "attendance": {
                "attended_minutes": {f"{session} {person}": value for (session, person), value in self.visits.items()}
            },
            "rooms": self.both(rooms)
            | {
                "recent_minutes": {room: self.total(sessions) for room, sessions in recent.items()},
                "previous_minutes": {room: self.total(sessions) for room, sessions in previous.items()},
            },
            "hosts": self.both({"host": MAIN}),
            "people": {
                "total_minutes": {person: self.total(MAIN, [person]) for person in seen},
                "breakout_minutes": {person: self.total(BREAKOUT, [person]) for person in seen},
            },
            "daily": self.both(by_day)
            | {
                "breakout_minutes": {date: self.total(of) for date, of in aside.items()},
                "session_minutes": lasted(by_day),
            },
            "weekly": self.both(weeks)
            | {
                "breakout_minutes": {w: self.total(of) for w, of in weeks_aside.items()},
                "session_minutes": lasted(weeks),
            },
            "course_meetings": self.both(held),
            "course_sessions": self.both(held),
            "course_weekly": of_weeks,
            "department_weekly": of_weeks,
            "course_presence": {
                "attended_minutes": {
                    f"{session} {person}": self.total([session], [person])
                    for session in expected
                    for person in (*PEOPLE, "zed")
                    if person != "bob" or (session, "bob") in self.visits
                }
            },
            "course_attendance": {
                "attended_minutes": {
                    person: self.added_up(expected, [person]) if expected else None for person in in_course
                }
            },
        }


# By what a row of the view is known.
ROWS = {
    "sessions": "session_id",
    "logical_sessions": "logical_session_id",
    "breakouts": "reported_session_id",
    "attendance": "session_id || ' ' || person_id",
    "rooms": "room_id",
    "hosts": "host_id",
    "people": "person_id",
    "daily": "session_date",
    "weekly": "week_date",
    "course_meetings": "session_id",
    "course_sessions": "session_id",
    "course_weekly": "week_date",
    "department_weekly": "week_date",
    "course_presence": "session_id || ' ' || person_id",
    "course_attendance": "person_id",
}
# Of starts and ends, not of attendees; of visits that have minutes, or engagement, alone; of changes, which are tried below.
OTHERS = {
    *((view, "duration_minutes") for view in ("sessions", "breakouts", "logical_sessions")),
    *((view, "open_minutes") for view in ("logical_sessions", "course_meetings", "course_sessions")),
    *(
        (view, "session_minutes")
        for view in ("rooms", "hosts", "concurrency_hourly", "course_weekly", "department_weekly")
    ),
    ("planned_sessions", "late_minutes"),
    ("restated_sessions", "after_end_minutes"),
    ("attendance", "engaged_minutes"),
    ("sessions", "rated_minutes"),
    ("engagement_distribution", "attended_minutes"),
    ("absences", "attended_minutes"),
    ("restated_sessions", "changed_minutes"),
}


def test_every_figure_of_minutes_of_every_view_is_tried_here(connection: psycopg.Connection) -> None:
    found = connection.execute(
        "SELECT table_name::text, column_name::text FROM information_schema.columns"
        " WHERE table_schema = 'analytics' AND column_name LIKE '%minutes'"
    ).fetchall()
    assert {*found} == {(view, name) for view, columns in Truth({}).values().items() for name in columns} | OTHERS


def test_who_came_for_a_time_that_is_not_given_did_come(connection: psycopg.Connection) -> None:
    fill(connection, {("s1", "ann"): None})
    for view in ("course_weekly", "department_weekly"):
        active = f"SELECT active_student_count FROM analytics.{view} WHERE week_date = %s"
        assert connection.execute(active.encode(), [MONDAY]).fetchall() == [(1,)], view
    present = connection.execute(
        "SELECT person_id, is_present FROM analytics.course_presence WHERE session_id = 's1' ORDER BY person_id"
    ).fetchall()
    assert present == [("ann", True), ("zed", False)]
    seen = connection.execute("SELECT last_seen_date FROM analytics.course_attendance ORDER BY person_id").fetchall()
    assert seen == [(MONDAY + dt.timedelta(days=1),), (None,)]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [(20, 35, 15), (None, 35, None), (20, None, None), (None, None, 0), (20, "gone", -20)],
)
def test_by_how_much_minutes_changed_is_unknown_where_one_of_them_is(
    connection: psycopg.Connection, before: float | None, after: float | str | None, wanted: float | None
) -> None:
    fill(connection, {})
    [load] = connection.execute(
        "SELECT max(id) FROM kaltura.loads WHERE report_id = 6001 AND partition_date = %s",
        [MONDAY + dt.timedelta(days=1)],
    ).fetchall()
    then = None if after == "gone" else Jsonb({"meeting_view_time": after, "meeting_engaged_play_time_ratio": 0.5})
    connection.execute(
        "INSERT INTO kaltura.changes (load_id, table_name, key, change, before, after) VALUES (%s, 'attendees', %s, %s, %s, %s)",
        [
            *load,
            Jsonb({"partner_id": ACCOUNT, "entry_id": "room", "cue_point_id": "s1", "user_id": "ann"}),
            "remove" if after == "gone" else "update",
            Jsonb({"meeting_view_time": before, "meeting_engaged_play_time_ratio": 0.4}),
            then,
        ],
    )
    found = connection.execute("SELECT changed_minutes FROM analytics.restated_sessions").fetchall()
    assert found == [(wanted,)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    visits=st.dictionaries(
        st.tuples(st.sampled_from([*DAY]), st.sampled_from([*PEOPLE, *NOBODIES])),
        st.sampled_from([None, None, 0.0, 20.0, 35.0]),
        max_size=12,
    )
)
@example(visits={("s1", "ann"): None})
@example(visits={("s1", ""): None, ("b1", "Unknown"): None})
def test_minutes_are_null_where_people_are_listed_and_none_has_any_and_0_where_nobody_is(
    connection: psycopg.Connection, visits: Visits
) -> None:
    with connection.transaction(force_rollback=True):
        fill(connection, visits)
        for view, columns in Truth(visits).values().items():
            query = f"SELECT {ROWS[view]}, {', '.join(columns)} FROM analytics.{view} WHERE account_id = {ACCOUNT}"
            rows = connection.execute(query.encode()).fetchall()
            for at, (name, wanted) in enumerate(columns.items(), 1):
                assert {row[0]: row[at] for row in rows} == wanted, f"{view}.{name}"
        trends = dict(connection.execute("SELECT room_id, minutes_trend_ratio FROM analytics.rooms").fetchall())
        for room, sessions in (("room", MAIN), ("breakout", BREAKOUT)):
            newer = Truth(visits).total(s for s in sessions if DAY[s] >= 28)
            older = Truth(visits).total(s for s in sessions if DAY[s] < 28)
            assert trends[room] == (newer / older if newer is not None and older else None)
