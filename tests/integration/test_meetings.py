"""What is counted by meeting stays as it is whatever a host tries out, and wherever a lost connection cuts a meeting in two."""

import datetime as dt
from typing import NamedTuple

import psycopg
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from resources.settings import CHECKOUT
from tests.integration.test_privacy import WITH_KEY
from tests.integration.test_room_views import FIRST, HOST, held, with_privacy
from tests.integration.test_room_views import connection as connection

REPORT = (CHECKOUT / "sql" / "report" / "retention.sql").read_text("utf-8")
[QUESTION_13] = [
    part.split("```sql\n")[1].split("```")[0]
    for part in (CHECKOUT / "docs" / "questions.md").read_text("utf-8").split("\n## ")
    if part.startswith("13. ")
]


class Meeting(NamedTuple):
    """Who came, at which minute it was cut, if at all, and who of them saw which part of it."""

    people: set[str]
    cut: int | None
    only_first: set[str]
    only_second: set[str]


_PEOPLE = st.sampled_from(["ann", "bob", "kim", HOST])
_MEETINGS = st.builds(
    Meeting,
    people=st.sets(_PEOPLE).map(lambda people: people | {"zoe"}),
    cut=st.none() | st.integers(1, 57),
    only_first=st.sets(_PEOPLE),
    only_second=st.sets(_PEOPLE),
)
_TRIALS = st.sets(st.sampled_from([HOST, HOST.upper()]))
FIGURES = {
    "the ratios": "SELECT session_date, session_number, people_count, returning_ratio, size_ratio"
    " FROM analytics.room_retention WHERE session_number IS NOT NULL ORDER BY started_at",
    "a host's audience": "SELECT mean_people_count FROM analytics.hosts",
    "question 13": QUESTION_13,
}


def figures(connection: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    found = {name: connection.execute(query.encode()).fetchall() for name, query in FIGURES.items()}
    found["question 13"] = [row[-1:] for row in found["question 13"]]  # the mean alone: the rest counts what was held
    week = {"account_id": 1, "week_date": FIRST.date()}
    return {**found, "the report": connection.execute(REPORT.encode(), week).fetchall()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    meetings=st.lists(_MEETINGS, min_size=1, max_size=5),
    trials=st.dictionaries(st.integers(-1, 5), _TRIALS, max_size=4),
    is_known=st.booleans(),
)
@example(meetings=[Meeting({"zoe"}, None, set(), set())] * 3, trials={-1: set(), 0: {HOST}, 1: {HOST}}, is_known=False)
@example(meetings=[Meeting({"ann", "zoe"}, 30, {"ann"}, set())] * 3, trials={}, is_known=True)
def test_neither_a_test_opening_nor_a_lost_connection_changes_what_is_counted_by_meeting(
    connection: psycopg.Connection, meetings: list[Meeting], trials: dict[int, set[str]], is_known: bool
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO university.courses (account_id, course_id) VALUES (1, 'c')")
        connection.execute("INSERT INTO university.course_rooms VALUES (1, 'c', 'room')")
        if is_known:
            with_privacy(connection, WITH_KEY, [HOST, "ann", "bob", "kim", "zoe"])
        with connection.transaction(force_rollback=True):
            for number, meeting in enumerate(meetings):
                held(connection, number, FIRST + dt.timedelta(days=number), 60, meeting.people, loaded=True)
            whole = figures(connection)
        for number, meeting in enumerate(meetings):
            start = FIRST + dt.timedelta(days=number)
            if meeting.cut is None:
                held(connection, number, start, 60, meeting.people, loaded=True)
                continue
            again, only_first = start + dt.timedelta(minutes=meeting.cut + 1), meeting.only_first - meeting.only_second
            held(connection, number, start, meeting.cut, meeting.people - meeting.only_second, loaded=True)
            held(connection, 100 + number, again, 59 - meeting.cut, meeting.people - only_first, loaded=True)
        for day, people in trials.items():
            held(connection, 200 + day, FIRST + dt.timedelta(days=day, hours=10), 5, people, loaded=True)
        assert figures(connection) == whole
