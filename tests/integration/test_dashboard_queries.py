"""What the dashboards' charts ask of the views, on the small invented university: who and what counts once, and is told apart."""

import datetime as dt
from collections.abc import Iterator
from itertools import takewhile

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from seed import fill

from pipelines.dashboards.boards import BOARDS
from pipelines.dashboards.charts import Chart
from pipelines.dashboards.datasets import CALCULATED
from pipelines.dashboards.metrics import METRICS, metrics_of

CHARTS = {chart.name: chart for board in BOARDS for chart in board.charts}
MAIN_VISITS = "analytics.attendance WHERE NOT is_breakout"


@pytest.fixture
def seeded(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
        yield connection


def shown(connection: psycopg.Connection, chart: Chart) -> list[dict[str, object]]:
    """A chart's rows: the query as Superset makes it of the declaration, its axis cut into weeks."""
    calculated = {each.name: each.sql for each in CALCULATED.get(chart.dataset, ())}
    axes = {each["label"] for each in chart.grouped if isinstance(each, dict)}
    columns = {
        name: f"date_trunc('week', {calculated.get(name, name)})::date" if name in axes else calculated.get(name, name)
        for name in (each if isinstance(each, str) else each["label"] for each in chart.grouped)
    }
    told = columns | {name: metrics_of(chart.dataset)[name].sql[chart.dataset] for name in chart.metrics}
    query = f"SELECT {', '.join(f'{sql} AS {name}' for name, sql in told.items())} FROM analytics.{chart.dataset}"
    if kept := (*chart.where, *(calculated[name] for name in chart.only)):
        query += f" WHERE {' AND '.join(f'({each})' for each in kept)}"
    if columns and chart.metrics:
        query += f" GROUP BY {', '.join(columns.values())}"
    if chart.order:
        asked = {what["sqlExpression"] if isinstance(what, dict) else told[what]: up for what, up in chart.ordered}
        query += f" ORDER BY {', '.join(f'{sql} ASC' if up else f'{sql} DESC' for sql, up in asked.items())}"
    query += f" LIMIT {chart.limit}"
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode()).fetchall()


def one(connection: psycopg.Connection, query: str) -> object:
    [(figure,)] = connection.execute(query.encode()).fetchall()
    return figure


def test_an_id_is_one_persons_in_each_account(seeded: psycopg.Connection) -> None:
    """`ann` is somebody in two accounts, in a session of each that has the same id in a room that has the same id."""
    [row] = shown(seeded, CHARTS["People"])
    assert row["people"] == one(
        seeded,
        f"SELECT count(*) FROM (SELECT DISTINCT account_id, person_id FROM {MAIN_VISITS} AND is_identified) AS p",
    )
    sessions = "COUNT(*) FROM (SELECT DISTINCT account_id, room_id, session_id FROM"
    rows = shown(seeded, CHARTS["Room: who was there"])
    assert {row["account_id"]: row["sessions"] for row in rows if row["person_id"] == "ann"} == {
        account: one(seeded, f"SELECT {sessions} {MAIN_VISITS} AND person_id = 'ann' AND account_id = {account}) AS s")
        for account in (101, 202)
    }


def test_sessions_of_one_id_in_two_rooms_are_two(seeded: psycopg.Connection) -> None:
    seeded.execute("UPDATE kaltura.room_sessions SET cue_point_id = 's1' WHERE cue_point_id = 's4'")
    seeded.execute(
        "UPDATE kaltura.attendees SET cue_point_id = 's1', user_id = 'ann' WHERE cue_point_id = 's4'"
        " AND user_id = 'cyd'"
    )
    [ann] = [
        row
        for row in shown(seeded, CHARTS["Room: who was there"])
        if (row["person_id"], row["account_id"]) == ("ann", 101)
    ]
    assert ann["sessions"] == 4  # s1 and s2 in one room, s1 and s5 in another


@pytest.mark.parametrize("name", ["Busiest rooms", "Hosts and their rooms", "Rooms and who was there"])
def test_rooms_of_one_name_are_told_apart(name: str, seeded: psycopg.Connection) -> None:
    before = len(shown(seeded, CHARTS[name]))
    seeded.execute(
        "UPDATE kaltura.room_sessions SET entry_name = 'Algebra', session_host_user_id = 'h1'"
        " WHERE entry_id IN ('r-alg', 'r-bio')"
    )
    rows = [row for row in shown(seeded, CHARTS[name]) if row["newest_room_name"] == "Algebra"]
    assert sorted((row["account_id"], row["room_id"]) for row in rows) == [
        (101, "r-alg"),
        (101, "r-bio"),
        (202, "r-alg"),
    ]
    assert before >= len(rows)


@pytest.mark.parametrize(
    ("name", "renamed", "by", "newest"),
    [
        ("Busiest rooms", "room", "room_id", "newest_room_name"),
        ("Hosts and their rooms", "room", "room_id", "newest_room_name"),
        ("Rooms and who was there", "room", "room_id", "newest_room_name"),
        ("People and their time", "person", "person_id", "newest_person_name"),
    ],
)
def test_who_or_what_was_renamed_is_one_row_under_the_newest_name(
    name: str, renamed: str, by: str, newest: str, seeded: psycopg.Connection
) -> None:
    table, column = {"room": ("room_sessions", "entry_name"), "person": ("attendees", "user_name")}[renamed]
    ids = [*CHARTS[name].grouped]
    before = {tuple(row[each] for each in ids): row for row in shown(seeded, CHARTS[name])}
    [(day,)] = seeded.execute(
        f"SELECT max(partition_date) FROM kaltura.{table} WHERE partition_date < '2026-10-12'".encode()
    )
    query = f"UPDATE kaltura.{table} SET {column} = 'Zz, before' WHERE partition_date < %s AND {column} IS NOT NULL"
    assert seeded.execute(query.encode(), [day]).rowcount
    rows = shown(seeded, CHARTS[name])
    after = {tuple(row[each] for each in ids): row for row in rows}
    assert by in ids
    assert len(rows) == len(after)
    assert {key: {**row, newest: ""} for key, row in after.items()} == {
        key: {**row, newest: ""} for key, row in before.items()
    }
    assert {row[newest] for row in rows} > {"Zz, before"}
    named = seeded.execute(
        f"SELECT DISTINCT ON ({by}, account_id) {by}, account_id, {renamed}_name FROM analytics.attendance"
        f" WHERE account_id = 101 AND NOT is_breakout AND {renamed}_name IS NOT NULL"
        f" ORDER BY {by}, account_id, started_at DESC".encode()
    ).fetchall()
    told = {(row[by], row["account_id"]): row[newest] for row in rows}
    assert [name for each, account, name in named if (each, account) in told] == [
        told[each, account] for each, account, _ in named if (each, account) in told
    ]


def test_rooms_have_the_same_hours_in_both_tables_also_of_those_whom_nobody_knows(seeded: psycopg.Connection) -> None:
    seeded.execute(
        "UPDATE kaltura.attendees SET user_id = 'Unknown' WHERE cue_point_id = 's6'"
    )  # the room's only session
    busiest, visited = (
        {
            (row["room_id"], row["newest_room_name"]): row["hours"]
            for row in shown(seeded, CHARTS[name])
            if row["account_id"] == 101 and row["newest_room_name"] is not None and row["hours"]
        }
        for name in ("Busiest rooms", "Rooms and who was there")
    )
    assert ("r-lab", "Lab") in visited
    assert visited == pytest.approx(busiest)


def test_who_came_to_a_final_and_a_provisional_session_is_one_of_the_weeks_people(seeded: psycopg.Connection) -> None:
    seeded.execute("UPDATE kaltura.attendees SET user_id = 'ann' WHERE user_id = 'dan'")  # in a session without an end
    weeks: dict[object, int] = {}
    for row in shown(seeded, CHARTS["People week by week"]):
        assert row["whole_week_state"] in ("final", "provisional", "running week")
        weeks[row["session_day"]] = weeks.get(row["session_day"], 0) + int(str(row["people"]))
    expected = seeded.execute(
        "SELECT date_trunc('week', session_date)::date, count(DISTINCT (account_id, person_id))"
        f" FROM {MAIN_VISITS} AND is_identified GROUP BY 1"
    ).fetchall()
    assert weeks == dict(expected)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=6))
@example(days=[(False, True, True), (True, True, False), (True, True, False)])
def test_days_are_loaded_and_final_until_the_day_before_the_first_that_is_not(
    seeded: psycopg.Connection, days: list[tuple[bool, bool, bool]]
) -> None:
    """A day in between that is not final, or not loaded, is not passed over."""
    first = dt.date(2026, 10, 5)
    with seeded.transaction(force_rollback=True):
        seeded.execute(
            "CREATE TEMPORARY TABLE calendar (session_date date, is_session_loaded boolean, is_attendance_loaded boolean,"
            " is_provisional boolean)"
        )
        for number, day in enumerate(days):
            seeded.execute(
                "INSERT INTO pg_temp.calendar VALUES (%s, %s, %s, %s)", [first + dt.timedelta(days=number), *day]
            )
        told = {
            name: one(seeded, f"SELECT {metrics_of('calendar')[name].sql['calendar']} FROM pg_temp.calendar")
            for name in ("loaded_until", "final_until")
        }
    loaded = len(list(takewhile(lambda day: day[0] and day[1], days)))
    final = len(list(takewhile(lambda day: not day[2], days)))
    assert told == {
        name: first + dt.timedelta(days=count - 1) if count else None
        for name, count in (("loaded_until", loaded), ("final_until", final))
    }


def test_hours_of_sessions_are_unknown_where_people_came_and_have_no_time(seeded: psycopg.Connection) -> None:
    """Beside such a session, one to which nobody came makes them no 0."""
    seeded.execute("UPDATE kaltura.attendees SET meeting_view_time = NULL")
    assert [row["hours"] for row in shown(seeded, CHARTS["Room: hours"])] == [None]
    [of_courses] = [each.sql["course_sessions"] for each in METRICS if each.name == "hours"]
    assert one(seeded, f"SELECT {of_courses} FROM analytics.course_sessions") is None

    seeded.execute("DELETE FROM kaltura.attendees")

    assert [row["hours"] for row in shown(seeded, CHARTS["Room: hours"])] == [0]
    assert one(seeded, f"SELECT {of_courses} FROM analytics.course_sessions") == 0


def test_a_person_who_is_not_shown_is_nobody_of_a_count(seeded: psycopg.Connection) -> None:
    """Of an id that has no pseudonym, who may not see people is shown none."""
    visits = "(VALUES (1, NULL, TRUE, FALSE), (1, 'a', TRUE, FALSE), (2, 'a', TRUE, FALSE), (2, 'a', TRUE, FALSE))"
    people = metrics_of("attendance")["people"].sql["attendance"]
    columns = "account_id, person_id, is_identified, is_breakout"
    assert one(seeded, f"SELECT {people} FROM {visits} AS attendance ({columns})") == 2


def test_a_week_on_an_axis_is_a_monday_in_whatever_zone_it_is_shown(seeded: psycopg.Connection) -> None:
    """Superset shows a time as UTC has it: one of a zone would be a Sunday in Berlin."""
    seeded.execute("SET timezone = 'Europe/Berlin'")
    asked = {
        (chart.dataset, each["label"]) for chart in CHARTS.values() for each in chart.grouped if isinstance(each, dict)
    }
    assert len(asked) == 6
    for dataset, name in asked:
        [day] = [each.sql for each in CALCULATED[dataset] if each.name == name]
        days = "(VALUES (DATE '2026-10-25', DATE '2026-10-19')) AS rows (session_date, week_date)"
        week = one(seeded, f"SELECT date_trunc('week', {day}) FROM {days}")
        assert week == dt.datetime(2026, 10, 19), dataset
