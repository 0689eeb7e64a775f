"""Erasing a host, or pulling their days again, leaves every meeting whole, and nobody can follow them to another one."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.pull.extract import Extract
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Session, User, View
from tests import depth
from tests.integration.test_privacy import ADA, BOB, WITH_KEY, Place, erased, rows, versions
from tests.integration.test_privacy import place as place
from tests.integration.test_whole_days import kaltura as kaltura

CYD = User(5, "cyd.ofthelist", "Cyd Ofthelist", "cyd.ofthelist@example.edu", "User")
LOUD = ADA.user_id.upper()

# What counts people over the parts of a meeting is left out where it has several: the erased are new in each.
FIGURES = {
    "logical_sessions": "SELECT room_id, logical_session_id, session_ids, started_at, ended_at, open_minutes, total_minutes,"
    " unidentified_minutes, is_provisional, CASE WHEN part_count = 1 THEN people_count END"
    " FROM analytics.logical_sessions ORDER BY 1, 4, 2",
    "course_sessions": "SELECT room_id, session_id, open_minutes, student_count, attended_count, absent_count,"
    " CASE WHEN part_count = 1 THEN not_enrolled_count END, total_minutes FROM analytics.course_sessions"
    " ORDER BY started_at, 1, 2",
    "absences": "SELECT * FROM analytics.absences ORDER BY started_at, room_id, session_id, person_id",
    "room_retention": "SELECT room_id, session_id, session_number, people_count FROM analytics.room_retention ORDER BY 1, 2",
}
FOLLOWED = """
WITH meetings AS (
    SELECT logical_session_id, room_id, unnest(session_ids) AS session_id FROM analytics.logical_sessions
), known AS (
    SELECT entry_id, cue_point_id, user_id FROM kaltura.attendees
    UNION ALL
    SELECT entry_id, cue_point_id, session_host_user_id FROM kaltura.room_sessions
)
SELECT user_id FROM known INNER JOIN meetings ON entry_id = room_id AND cue_point_id = session_id
WHERE user_id ~ '^p_' GROUP BY 1 HAVING count(DISTINCT (room_id, logical_session_id)) > 1
"""

EMPTIED = """
TRUNCATE kaltura.room_sessions, kaltura.attendees, kaltura.loads, kaltura.changes, kaltura.people, kaltura.suppressions,
    university.courses, university.course_rooms, university.enrolments
"""

# When each session starts after the one before it, how long it lasts (minutes), its host, who came, and its room.
Meetings = Sequence[tuple[int, int, str, set[User], str]]
meetings = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 4, 7, 60]),
        st.sampled_from([0, 10, 30, 60]),
        st.sampled_from([ADA.user_id, ADA.user_id, LOUD, BOB.user_id, ""]),
        st.sets(st.sampled_from([ADA, BOB, CYD])),
        st.sampled_from(["1_room", "1_room", "1_other"]),
    ),
    min_size=2,
    max_size=6,
)
CUT = [(0, 60, ADA.user_id, {ADA, BOB, CYD}, "1_room"), (3, 7, ADA.user_id, {ADA}, "1_room")]
TAKEN_OVER = [*CUT, (2, 30, BOB.user_id, {BOB}, "1_room"), (2, 30, ADA.user_id, {CYD}, "1_room")]


def happened(place: Place, sessions: Meetings, minute: int) -> None:
    """From so many minutes before midnight on: some of it is of the next day."""
    place.sessions, place.views, place.breakouts = [], [], []
    ends: dict[str, int] = {}
    for number, (after, length, host, users, room) in enumerate(sessions):
        start = ends.get(room, place.second(24) - minute * 60) + after * 60
        ends[room] = end = start + length * 60
        place.sessions.append(Session(room, "Room", "", f"1_{number}", start, end, host))
        place.views += [View(room, f"1_{number}", user, start, end) for user in users]


def load(place: Place, extracted: Extract, days: Sequence[int]) -> None:
    """What was asked for once, as another pull brings it again."""
    pull = replace(extracted.pull, number=place.warehouse.next_pull())
    with closing(Warehouse(place.warehouse.url, WITH_KEY)) as opened:
        opened.require_privacy_mode()
        for day in map(place.day, days):
            opened.upsert(day, extracted.by_day[day], Provenance(1, pull))


def figures(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    return {view: rows(place, query) for view, query in FIGURES.items()}


def emptied(place: Place) -> None:
    with psycopg.connect(place.warehouse.url, autocommit=True) as connection:
        connection.execute(EMPTIED)
        connection.execute("INSERT INTO university.courses (account_id, course_id) VALUES (1, 'c')")
        connection.execute("INSERT INTO university.course_rooms VALUES (1, 'c', '1_room'), (1, 'c', '1_other')")
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, 'c', %s)", [CYD.user_id]
        )
        connection.execute("UPDATE kaltura.privacy SET removals = removals + 1")


@settings(
    max_examples=40 if depth.DEEP else 3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sessions=meetings,
    minute=st.sampled_from([20, 100, 600]),
    person=st.sampled_from([ADA, BOB]),
    again=st.permutations([0, 1]),
    is_new=st.booleans(),
)
@example(sessions=CUT, minute=61, person=ADA, again=[1, 0], is_new=True)
@example(sessions=TAKEN_OVER, minute=65, person=ADA, again=[0, 1], is_new=False)
def test_whoever_is_erased_every_meeting_is_as_it_was_and_nobody_is_followed_to_another(
    place: Place, sessions: Meetings, minute: int, person: User, again: Sequence[int], is_new: bool
) -> None:
    """`is_new`: the days are pulled into an empty warehouse that knows who was erased, in either order."""
    emptied(place)
    happened(place, sessions, minute)
    extracted = place.bring(0, 1, people=WITH_KEY.of_account(1))
    load(place, extracted, (0, 1))
    before = figures(place)
    was_there = erased(place, WITH_KEY, person.user_id) is not None
    assert figures(place) == before
    assert rows(place, FOLLOWED) == []
    written = versions(place)
    if is_new:
        rows(place, "WITH gone AS (DELETE FROM kaltura.room_sessions), too AS (DELETE FROM kaltura.attendees) SELECT 1")
    load(place, extracted, again)
    assert figures(place) == before
    assert rows(place, FOLLOWED) == []
    if not is_new:
        assert versions(place) == written
    left = "SELECT FROM kaltura.room_sessions WHERE lower(session_host_user_id) = '{0}' LIMIT 1"
    assert not (was_there and rows(place, left.format(person.user_id)))
