"""Every ratio of every view, where any reports of any days are loaded: of what is loaded alone, and NULL where that is nothing.

A ratio over a window of days that lacks one reads as any other number: nobody sees that half of it is missing.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from statistics import fmean

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.dashboards.metrics import METRICS
from tests.integration.test_views_unknown import (
    ACCOUNT,
    ATTENDEE,
    DAYS,
    MONDAY,
    PEOPLE,
    REPORTS,
    Loads,
    both,
    load,
)
from tests.integration.test_views_unknown import connection as connection

WEEK = 7
BREAKOUT = """
INSERT INTO kaltura.breakout_sessions (partner_id, parent_entry_id, breakout_entry_id, cue_point_id, session_start_time,
    participant_count, engagement_rate, partition_date, window_start, window_end, load_id)
VALUES (%s, 'room', 'breakout', %s, %s, 2, %s, %s, %s, %s, 0)
"""
# Two of a course: one is there each time, the other never.
COURSE = """
INSERT INTO university.courses (account_id, course_id, department) VALUES (404, 'course', 'Maths');
INSERT INTO university.course_rooms (account_id, course_id, room_id) VALUES (404, 'course', 'room');
INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (404, 'course', 'ann'), (404, 'course', 'zed');
"""
Values = dict[object, float | None]
[ENGAGEMENT] = [metric.sql for metric in METRICS if metric.name == "engagement"]


def engagement(day: int) -> float:
    """Another one on each day, so that a mean of the wrong days is another number."""
    return (day + 1) / (DAYS + 2)


def fill(connection: psycopg.Connection, loads: Loads, restricted: Loads) -> None:
    connection.execute(COURSE)
    for filters, those in (('{"user_ids": ["ann"]}', restricted), (None, loads)):
        for day, report in sorted(those):
            load(connection, day, report, filters=filters)
            if report == 6002 and not filters:
                at = dt.datetime.combine(MONDAY + dt.timedelta(days=day), dt.time(8), dt.UTC)
                connection.execute(BREAKOUT, [ACCOUNT, f"b{day}", at, engagement(day), at.date(), at, at])
    for day in range(DAYS):
        on = [engagement(day), MONDAY + dt.timedelta(days=day)]
        connection.execute(
            "UPDATE kaltura.attendees SET meeting_engaged_play_time_ratio = %s WHERE partition_date = %s", on
        )
        connection.execute(
            "UPDATE kaltura.room_sessions SET meeting_engaged_play_time_ratio = %s, session_host_user_id = 'host'"
            " WHERE partition_date = %s",
            on,
        )


def mean(days: Sequence[int]) -> float | None:
    return fmean(map(engagement, days)) if days else None


class Truth:
    """What each ratio ought to be, by the model: `there` are rows of the day, whole or not."""

    def __init__(self, loads: Loads, restricted: Loads) -> None:
        self.loads = loads
        there = loads | restricted
        self.sessions = [day for day in range(DAYS) if (day, 6000) in there]
        self.attended = [day for day in range(DAYS) if (day, 6001) in there]
        self.touched = range(min(day for day, _ in there), max(day for day, _ in there) + 1)
        self.whole = [day for day in range(DAYS) if both(loads, day)]
        self.told_all = [day for day in self.attended if (day, 6001) in loads]
        # Of sessions that are there, attendees are loaded whole: also where the sessions came by a restricted pull.
        self.heard = [day for day in self.sessions if (day, 6001) in loads]

    def by_session(self, days: Sequence[int], of: Callable[[int], float | None]) -> Values:
        return {f"s{day}": of(day) for day in days}

    def heard_at(self, day: int) -> float | None:
        return engagement(day) if day in self.heard else None

    def retention(self, day: int) -> float | None:
        return 1.0 if self.sessions and self.sessions[0] in self.heard and day in self.heard else None

    def values(self) -> dict[tuple[str, str], Values]:
        dates = {day: MONDAY + dt.timedelta(days=day) for day in self.touched}
        weeks = {
            MONDAY + dt.timedelta(days=first): first for first in (0, WEEK) if {*range(first, first + WEEK)} & {*dates}
        }
        here = bool(self.sessions)
        met = {monday: {*range(first, first + WEEK)} & {*self.sessions} for monday, first in weeks.items()}
        of_course: Values = {monday: 0.5 if days & {*self.heard} else None for monday, days in met.items() if days}
        told_apart = [day for day in self.attended if day in self.sessions or (day, 6000) in self.loads]
        return {
            ("sessions", "engagement_ratio"): self.by_session(self.sessions, engagement),
            ("sessions", "weighted_engagement_ratio"): self.by_session(self.sessions, self.heard_at),
            ("logical_sessions", "weighted_engagement_ratio"): self.by_session(self.sessions, self.heard_at),
            ("room_retention", "returning_ratio"): self.by_session(self.sessions, self.retention),
            ("room_retention", "size_ratio"): self.by_session(self.sessions, self.retention),
            ("attendance", "attended_ratio"): self.by_session(
                self.attended, lambda day: 0.75 if day in self.sessions else None
            ),
            ("attendance", "engagement_ratio"): self.by_session(self.attended, engagement),
            ("breakouts", "engagement_ratio"): {
                f"b{day}": engagement(day) for day in range(DAYS) if (day, 6002) in self.loads
            },
            ("rooms", "weighted_engagement_ratio"): {"room": mean(self.whole)} if here else {},
            ("rooms", "minutes_trend_ratio"): {"room": None} if here else {},  # 14 days are less than its two windows
            ("hosts", "weighted_engagement_ratio"): {"host": mean(self.heard)} if here else {},
            ("people", "weighted_engagement_ratio"): {
                **({"ann": mean(told_apart)} if self.attended else {}),
                **({"bob": mean([day for day in told_apart if day in self.told_all])} if self.told_all else {}),
            },
            ("daily", "weighted_engagement_ratio"): {
                date: engagement(day) if day in self.whole else None for day, date in dates.items()
            },
            ("weekly", "weighted_engagement_ratio"): {
                monday: mean([day for day in self.whole if day in range(first, first + WEEK)])
                for monday, first in weeks.items()
            },
            ("reconciliation", "difference_ratio"): {
                date: 0.0 if day in self.whole else None for day, date in dates.items()
            },
            ("course_presence", "attended_ratio"): {
                **{f"s{day} ann": 0.75 if day in self.heard else None for day in self.sessions},
                **{f"s{day} zed": 0.0 if day in self.heard else None for day in self.sessions},
                **{f"s{day} bob": 0.75 for day in self.heard},
            },
            ("course_attendance", "attendance_ratio"): {
                "ann": 1.0 if self.heard else None,
                "zed": 0.0 if self.heard else None,
                **({"bob": None} if self.heard else {}),
            },
            ("course_weekly", "attendance_ratio"): of_course,
            ("department_weekly", "attendance_ratio"): of_course,
        }


# By what a row of the view is known.
ROWS = {
    "sessions": "session_id",
    "logical_sessions": "logical_session_id",
    "room_retention": "session_id",
    "attendance": "session_id",
    "breakouts": "reported_session_id",
    "rooms": "room_id",
    "hosts": "host_id",
    "people": "person_id",
    "daily": "session_date",
    "weekly": "week_date",
    "reconciliation": "session_date",
    "course_presence": "session_id || ' ' || person_id",
    "course_attendance": "person_id",
    "course_weekly": "week_date",
    "department_weekly": "week_date",
}
# Bounds of bands are no figures; what a change was, is told by the change.
OTHERS = {
    ("engagement_distribution", "band_from_ratio"),
    ("engagement_distribution", "band_to_ratio"),
    ("restated_sessions", "engagement_before_ratio"),
    ("restated_sessions", "engagement_after_ratio"),
}
EVERYTHING: Loads = frozenset((day, report) for day in range(DAYS) for report in REPORTS)


def test_every_ratio_of_every_view_is_tried_here(connection: psycopg.Connection) -> None:
    found = connection.execute(
        "SELECT table_name::text, column_name::text FROM information_schema.columns"
        " WHERE table_schema = 'analytics' AND column_name LIKE '%ratio'"
    ).fetchall()
    assert {*found} == Truth(EVERYTHING, frozenset()).values().keys() | OTHERS


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    loads=st.frozensets(st.tuples(st.integers(0, DAYS - 1), st.sampled_from(REPORTS)), min_size=1),
    restricted=st.frozensets(st.tuples(st.integers(0, DAYS - 1), st.sampled_from((6000, 6001))), max_size=4),
)
def test_a_ratio_is_of_what_is_loaded_and_null_where_that_is_nothing(
    connection: psycopg.Connection, loads: Loads, restricted: Loads
) -> None:
    with connection.transaction(force_rollback=True):
        fill(connection, loads, restricted)
        for (view, column), wanted in Truth(loads, restricted).values().items():
            query = f"SELECT {ROWS[view]}, {column} FROM analytics.{view}"
            found: Values = dict(connection.execute(query.encode()).fetchall())
            assert found == pytest.approx(wanted), f"{view}.{column}"


_RATED = st.tuples(st.sampled_from([None, 0.0, 10.0, 1000.0]), st.sampled_from([None, 0.0, 0.4, 1.0]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(visits=st.dictionaries(st.tuples(st.integers(0, 2), st.sampled_from(PEOPLE)), _RATED, min_size=1))
@example(visits={(0, "ann"): (1000.0, None), (0, "bob"): (10.0, 1.0), (1, "ann"): (100.0, 0.0)})
def test_engagement_is_the_same_whichever_view_it_is_averaged_over(
    connection: psycopg.Connection, visits: dict[tuple[int, str], tuple[float | None, float | None]]
) -> None:
    """A session's ratio is of those of its minutes that are rated: it weighs by no more than these."""
    with connection.transaction(force_rollback=True):
        for day in range(3):
            load(connection, day, 6000)
            load(connection, day, 6001)
        connection.execute("DELETE FROM kaltura.attendees")
        for (day, person), (minutes, ratio) in visits.items():
            date = MONDAY + dt.timedelta(days=day)
            row = [ACCOUNT, f"s{day}", person, minutes, date, date, date, date]
            connection.execute(ATTENDEE, row)
            connection.execute(
                "UPDATE kaltura.attendees SET meeting_engaged_play_time_ratio = %s WHERE (cue_point_id, user_id) = (%s, %s)",
                [ratio, f"s{day}", person],
            )
        engagement = {view: f"SELECT {sql} FROM analytics.{view}" for view, sql in ENGAGEMENT.items()}
        found = {view: connection.execute(query.encode()).fetchone() for view, query in engagement.items()}
        [weekly] = connection.execute("SELECT weighted_engagement_ratio FROM analytics.weekly").fetchall()
    assert found == dict.fromkeys(found, pytest.approx(weekly))


def test_a_mean_of_people_a_session_is_over_sessions_whose_attendees_are_loaded(connection: psycopg.Connection) -> None:
    fill(connection, frozenset({(0, 6000), (0, 6001), (1, 6000), (2, 6000), (2, 6001)}), frozenset({(1, 6001)}))
    found = connection.execute("SELECT mean_people_count, unknown_attendance_session_count FROM analytics.hosts")
    assert found.fetchall() == [(2.0, 1)]
