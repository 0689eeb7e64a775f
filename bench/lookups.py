"""One of each, out of many: a person, host, room, course, hour, day, month and year of the views, on ten million attendees.

The rows are made by Postgres (universities.sql). Each question is put by whoever may see people and by whoever may not, and
the slower of the two stands; every column of every row is sent.
"""

import datetime as dt
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from bench.measuring import Figure, beside, median, seconds
from resources.settings import CHECKOUT

YEARS, QUICK_YEARS = 10, 1  # of a million attendees each
FIRST = dt.date(2016, 1, 4)
ROUNDS = 3
AT_ONCE, A_YEAR = 0.15, 3.0
SLOWEST_SECONDS = 5  # what takes longer is not waited for, and counts as this
ROLES = {True: "RESET ROLE", False: "SET ROLE kaltura_analyst"}

Say = Callable[[str], None]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    years = QUICK_YEARS if quick else YEARS
    with psycopg.connect(_filled(url, years, say), autocommit=True) as connection:
        connection.execute(f"SET statement_timeout = '{SLOWEST_SECONDS}s'".encode())
        rows = _one(connection, "SELECT count(*) FROM kaltura.attendees")
        figures = []
        for name, at_most, queries in _questions(connection, FIRST + dt.timedelta(days=365 * years - 200)):
            say(f"lookups: {name}")
            slower = max((_took(connection, role, queries[role]) for role in ROLES), key=statistics.median)
            figures.append(median(f"{name}, of {rows:,} attendees", slower, at_most=None if quick else at_most))
    return figures


def _filled(url: str, years: int, say: Say) -> str:
    """A database of its own, with the roles in it. Its largest key is built in one go."""
    say(f"lookups: making {years} million attendees")
    name = f"universities_{years}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, "empty"))))
    filled = beside(url, name)
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute("ALTER TABLE kaltura.attendees DROP CONSTRAINT attendees_pkey")
        script = (Path(__file__).parent / "universities.sql").read_text("utf-8")
        connection.execute(script.replace("%(years)s", str(years)).encode())
        connection.execute(
            "ALTER TABLE kaltura.attendees ADD CONSTRAINT attendees_pkey"
            " PRIMARY KEY (partner_id, entry_id, cue_point_id, user_id)"
        )
        connection.execute((CHECKOUT / "sql" / "roles.sql").read_text("utf-8").encode())
        connection.execute("VACUUM (ANALYZE)")
    return filled


def _questions(connection: psycopg.Connection, day: dt.date) -> Iterator[tuple[str, float, dict[bool, str]]]:
    """What is asked, the most it may take, and the query for whoever sees people and whoever does not."""
    ids = _ids(connection, day)
    spans = {"a day": (1, AT_ONCE), "a month": (31, AT_ONCE), "a year": (365, A_YEAR)}
    views = connection.execute(
        "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
        " WHERE table_schema = 'analytics' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    for view, columns in views:
        for column in ("person_id", "host_id", "room_id", "course_id"):
            if column in columns:
                asked = {
                    role: f"SELECT * FROM analytics.{view} WHERE {column} = '{ids[column][role]}'" for role in ROLES
                }
                yield f"{view} of one {column.removesuffix('_id')}", AT_ONCE, asked
        date = next((name for name in ("session_date", "week_date", "hour_at") if name in columns), None)
        for span, (days, at_most) in spans.items() if date else ():
            first = day - dt.timedelta(days=day.weekday() if days < 365 else 165)
            query = (
                f"SELECT * FROM analytics.{view} WHERE {date} >= '{first}' AND {date} < '{first + dt.timedelta(days)}'"
            )
            yield f"{view} of {span}", at_most, dict.fromkeys(ROLES, query)


def _ids(connection: psycopg.Connection, day: dt.date) -> dict[str, dict[bool, str]]:
    """By column, an id of the day as whoever sees people knows it, and as the others do."""
    of_day = f"FROM kaltura.room_sessions WHERE partition_date = '{day}' AND parent_entry_id IS NULL"
    room = _one(connection, f"SELECT min(entry_id) {of_day}")
    course = _one(connection, f"SELECT min(course_id) FROM university.course_rooms WHERE room_id = '{room}'")
    host = _one(connection, f"SELECT min(session_host_user_id) {of_day}")
    person = _one(connection, f"SELECT max(user_id) FROM kaltura.attendees WHERE partition_date = '{day}'")
    found = {"room_id": dict.fromkeys(ROLES, str(room)), "course_id": dict.fromkeys(ROLES, str(course))}
    for column, someone in (("host_id", host), ("person_id", person)):
        pseudonym = _one(connection, f"SELECT pseudonym FROM kaltura.people WHERE user_id = '{someone}'")
        found[column] = {True: str(someone), False: str(pseudonym)}
    return found


def _one(connection: psycopg.Connection, query: str) -> object:
    [[value]] = connection.execute(query.encode()).fetchall()
    return value


def _took(connection: psycopg.Connection, sees_people: bool, query: str) -> list[float]:
    """Seconds of each round; once, where it takes longer than anybody waits."""
    connection.execute(ROLES[sees_people].encode())
    took: list[float] = []
    try:
        _fetch(connection, query)  # reads in what the rounds find in memory
        took += [seconds(lambda: _fetch(connection, query)) for _ in range(ROUNDS)]
    except psycopg.errors.QueryCanceled:
        took = [float(SLOWEST_SECONDS)]
    finally:
        connection.execute("RESET ROLE")
    return took


def _fetch(connection: psycopg.Connection, query: str) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT".encode()) as copy:
        for _ in copy:
            pass
