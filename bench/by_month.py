"""Would a table of attendees with a partition a month do better? The same rows in one, beside ours, in turns.

A row's day is no part of its key, so the key of such a table has to take it in, and can't tell that a session was moved
to another day. What is measured are the statements that the two would have to answer: the rows of a day copied in, the
sessions of a day looked up as a load does, and a month read.
"""

import dataclasses
import datetime as dt
import io
from collections import defaultdict

import psycopg
from psycopg import sql

from assets.attendees import ATTENDEES
from bench.measuring import Figure, ratio, seconds, turns
from resources.warehouse.statements import Merge

MONTHLY = dataclasses.replace(ATTENDEES.table, name="attendees_by_month")
ROUNDS = 7
A_MONTH = "partition_date >= '1960-06-01' AND partition_date < '1960-07-01'"

_MAKE = """
CREATE TABLE kaltura.attendees_by_month (LIKE kaltura.attendees INCLUDING DEFAULTS) PARTITION BY RANGE (partition_date);
DO $$ DECLARE month date; BEGIN
    FOR month IN SELECT generate_series(
        (SELECT date_trunc('month', min(partition_date)) FROM kaltura.attendees),
        (SELECT max(partition_date) FROM kaltura.attendees), interval '1 month'
    ) LOOP
        EXECUTE format(
            'CREATE TABLE kaltura.%I PARTITION OF kaltura.attendees_by_month FOR VALUES FROM (%L) TO (%L)',
            'attendees_' || to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date
        );
    END LOOP;
END $$;
INSERT INTO kaltura.attendees_by_month SELECT * FROM kaltura.attendees;
ALTER TABLE kaltura.attendees_by_month ADD PRIMARY KEY (partner_id, entry_id, cue_point_id, user_id, partition_date);
"""


def measure(url: str, day: dt.date) -> list[Figure]:
    """The database at `url` holds the attendees, and those of `day` among them, who are copied under other accounts."""
    tables = {table.name: Merge(table) for table in (ATTENDEES.table, MONTHLY)}
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(_MAKE)
        connection.execute("VACUUM (ANALYZE)")
        for number, name in turns(ROUNDS, tables):
            merge = tables[name]
            rows, sessions = _of_day(connection, day, partner=100 + number)
            copy = sql.SQL("COPY {} FROM STDIN").format(merge.target)
            took[name, "a day copied in"].append(seconds(lambda: _copied(connection, copy, rows)))  # noqa: B023
            asked = seconds(lambda: connection.execute(merge.held, sessions).fetchall())  # noqa: B023
            took[name, "its sessions looked up"].append(asked)
            month = sql.SQL("SELECT count(*), sum(meeting_view_time) FROM {} WHERE " + A_MONTH).format(merge.target)
            took[name, "a month read"].append(seconds(lambda: connection.execute(month).fetchall()))  # noqa: B023
    states = dict.fromkeys(state for _, state in took)
    return [
        ratio(
            f"a partition a month, against none: {state}", took[MONTHLY.name, state], took[ATTENDEES.table.name, state]
        )
        for state in states
    ]


def _of_day(connection: psycopg.Connection, day: dt.date, partner: int) -> tuple[bytes, dict[str, object]]:
    """The day's rows as another account's, in the order of the key, and their sessions as `Merge.held` asks for them."""
    query = sql.SQL(
        "COPY (SELECT (jsonb_populate_record(a, jsonb_build_object('partner_id', {}))).* FROM kaltura.attendees AS a"
        " WHERE partition_date = {} AND partner_id = 1 ORDER BY entry_id, cue_point_id, user_id) TO STDOUT"
    ).format(partner, str(day))
    stream = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for piece in copy:
            stream.write(piece)
    sessions = connection.execute(
        "SELECT DISTINCT entry_id, cue_point_id FROM kaltura.attendees WHERE partition_date = %s AND partner_id = 1",
        [day],
    ).fetchall()
    entries, cue_points = zip(*sessions, strict=True)
    return stream.getvalue(), {"partner_id": partner, "entry_id": list(entries), "cue_point_id": list(cue_points)}


def _copied(connection: psycopg.Connection, statement: sql.Composed, rows: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(rows)
