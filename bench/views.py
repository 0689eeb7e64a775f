"""What analysts wait for: every view for a month and a year of the million attendees that `year` left behind.

Every column of every row is sent, as a spreadsheet or a BI tool would fetch it.
"""

import datetime as dt
from collections.abc import Callable

import psycopg

from bench.measuring import Figure, median, seconds

ROUNDS = 5
SPANS = {"a month": (dt.timedelta(days=31), 1.0), "a year": (dt.timedelta(days=365), 3.0)}
# What a view is restricted by; the others are about all that there is, and read it whatever they are filtered by.
_DATES = ("session_date", "week_date", "hour_at")

Say = Callable[[str], None]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    figures = []
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*), max(partition_date) FROM kaltura.attendees").fetchone()
        if not row or not row[0]:
            raise RuntimeError("the views are measured on what `year` leaves behind: name it before `views`")
        rows, last = row
        connection.execute("VACUUM (ANALYZE)")
        views = connection.execute(
            "SELECT table_name FROM information_schema.views WHERE table_schema = 'analytics' ORDER BY 1"
        ).fetchall()
        for (view,) in views:
            columns = {d.name for d in connection.execute(f"SELECT * FROM analytics.{view} LIMIT 0").description or ()}
            date = next((name for name in _DATES if name in columns), None)
            for span, (length, at_most) in SPANS.items() if date else [("all", (None, 3.0))]:
                say(f"views: {view}, {span}")
                where = f" WHERE {date} > '{last - length}' AND {date} <= '{last}'" if length else ""
                query = f"COPY (SELECT * FROM analytics.{view}{where}) TO STDOUT"
                took = [seconds(lambda: _fetch(connection, query)) for _ in range(ROUNDS)]  # noqa: B023 (called at once)
                promise = None if quick else at_most
                figures.append(median(f"{view} for {span}, of {rows:,} attendees", took, at_most=promise))
    return figures


def _fetch(connection: psycopg.Connection, query: str) -> None:
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for _ in copy:
            pass
