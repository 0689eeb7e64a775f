"""Growth: what a day costs in an empty table, and where there are a million, ten and fifty million attendees already;
and what one person's rows cost to find there.

The tables stand side by side and take turns, a new day each round. The rows that are there are made by Postgres, in
the order of their days, with ids that are spread over the index as Kaltura's random ones are. People come and go: each
has as many rows in a table of any size.
"""

import datetime as dt
import statistics
from collections import defaultdict
from collections.abc import Callable

import psycopg
from psycopg import sql

from bench.contestants import Ours
from bench.measuring import Figure, beside, median, ratio, seconds, turns
from bench.replies import FIRST_DAY, replies

ROWS_A_DAY = 3_000  # of a university with 60 rooms
SESSIONS_A_DAY = 75
ROWS_A_PERSON = 250
LONG_AGO = dt.date(1960, 1, 1)  # 50 million rows are 45 years of such days

Say = Callable[[str], None]

_FILL = """
INSERT INTO kaltura.attendees (
    partner_id, entry_id, cue_point_id, user_id, user_name, user_email, user_type, meeting_view_time,
    meeting_engaged_play_time_ratio, partition_date, window_start, window_end, load_id
)
SELECT
    1, '1_' || substr(md5((session %% 997)::text), 1, 8), '1_' || substr(md5(session::text), 1, 10),
    'user' || to_char((session * 7919::bigint + person * 104729) %% %(people)s, 'FM000000'), 'Invented Person',
    'person@example.org', 'User', (person * 13) %% 90, (person %% 10) / 10.0,
    %(first)s::date + session / %(sessions)s, %(first)s::timestamptz, %(first)s::timestamptz + interval '1 day', 1
FROM generate_series(0, %(count)s / 40 - 1) AS session, generate_series(1, 40) AS person
"""


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    sizes = [0, 300_000] if quick else [0, 1_000_000, 10_000_000, 50_000_000]
    rounds = 3 if quick else 9
    tables = {}
    for rows in sizes:
        say(f"growth: making a table of {rows:,} rows")
        tables[str(rows)] = _filled(url, rows)
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number, size in turns(rounds, tables):
        say(f"growth: a day's load into {int(size):,} rows, round {number + 1} of {rounds}")
        day = FIRST_DAY + dt.timedelta(days=number)
        bodies = replies(day, ROWS_A_DAY)
        for state in ("new", "same again"):
            took[size, state].append(seconds(lambda: tables[size].load(day, bodies)))  # noqa: B023 (called at once)
    largest = str(sizes[-1])
    figures = []
    for size in tables:
        for state in ("new", "same again"):
            name = f"a day of {ROWS_A_DAY:,} into {int(size):,} rows, {state}"
            figures.append(median(name, took[size, state]))
            if size != "0":
                promise = 1.3 if size == largest and not quick else None
                figures.append(ratio(f"{name}, against an empty table", took[size, state], took["0", state], promise))
    say("growth: one person's rows")
    return figures + _one_person(tables, rounds) + _month(tables[largest], largest)


def _filled(url: str, rows: int) -> Ours:
    """A database of its own beside the one at `url`, with so many attendees in it. Its key is built in one go."""
    name = f"growth_{rows}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, "empty"))))
    ours = Ours(beside(url, name))
    if rows:
        with psycopg.connect(ours.url, autocommit=True) as connection:
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("ALTER TABLE kaltura.attendees DROP CONSTRAINT attendees_pkey")
            connection.execute(
                _FILL, {"first": LONG_AGO, "sessions": SESSIONS_A_DAY, "count": rows, "people": rows // ROWS_A_PERSON}
            )
            connection.execute(
                "ALTER TABLE kaltura.attendees ADD CONSTRAINT attendees_pkey"
                " PRIMARY KEY (partner_id, entry_id, cue_point_id, user_id)"
            )
            connection.execute("VACUUM (ANALYZE) kaltura.attendees")
    with psycopg.connect(ours.url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    few = replies(FIRST_DAY - dt.timedelta(days=1), 100)
    ours.load(FIRST_DAY - dt.timedelta(days=1), few)
    return ours


def _one_person(tables: dict[str, Ours], rounds: int) -> list[Figure]:
    """What an analyst who sees people waits for one person's rows: another person each round, the tables in turns."""
    filled = [size for size in tables if size != "0"]
    took: dict[str, list[float]] = defaultdict(list)
    for number, size in turns(rounds, filled):
        query = f"SELECT * FROM analytics.attendance WHERE person_id = 'user{number * 7:06}'"
        with psycopg.connect(tables[size].url) as connection:
            found = connection.execute(query.encode()).fetchall()
            assert len(found) >= ROWS_A_PERSON / 2
            took[size].append(seconds(lambda: connection.execute(query.encode()).fetchall()))  # noqa: B023 (called at once)
    figures = [median(f"attendance of one person among {int(size):,} rows", took[size]) for size in filled]
    smallest, largest = filled[0], filled[-1]
    name = f"attendance of one person among {int(largest):,} rows, against {int(smallest):,}"
    return [*figures, ratio(name, took[largest], took[smallest])] if largest != smallest else figures


def _month(ours: Ours, size: str) -> list[Figure]:
    """What an analyst waits for a month of the largest table, and how large it is."""
    query = (
        "SELECT count(*), sum(attended_minutes) FROM analytics.attendance"
        " WHERE session_date >= '1960-06-01' AND session_date < '1960-07-01'"
    )
    with psycopg.connect(ours.url) as connection:
        took = [seconds(lambda: connection.execute(query).fetchall()) for _ in range(5)]
        found = connection.execute(
            "SELECT pg_table_size('kaltura.attendees'), pg_relation_size('kaltura.attendees_pkey'),"
            " pg_relation_size('kaltura.attendees_by_day')"
        ).fetchone()
    table, key, by_day = (int(size) / 1e6 for size in found or (0, 0, 0))
    rows = f"{int(size):,} rows"
    return [
        Figure(f"attendance of a month among {rows}", statistics.median(took), "s", None, took),
        Figure(f"{rows}: table", table, "MB"),
        Figure(f"{rows}: its key", key, "MB"),
        Figure(f"{rows}: its index of days", by_day, "MB"),
    ]
