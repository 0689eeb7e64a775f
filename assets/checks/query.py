"""What a check's query finds in the warehouse: how much, on which days, and a sample, from one text.

The query is put together as a person would paste it into `psql`, and run as it is pasted: read only, with a time limit.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from resources.postgres.reading import readers_lock
from resources.settings import CHECKOUT

QUERIES = CHECKOUT / "sql" / "checks"
SAMPLE_ROWS = 10
TIMEOUT_SECONDS = 120  # of one query; the slowest takes some 3 s for a year of a million attendees

# `is_error` is a column that a query may have: of findings that are an error where others are a warning.
_SUMMARY = """
WITH found AS MATERIALIZED (
{}
)
SELECT
    (SELECT count(*) FROM found) AS count,
    (SELECT coalesce(array_agg(DISTINCT partition_date ORDER BY partition_date), '{{}}') FROM found) AS days,
    (SELECT coalesce(bool_or((to_jsonb(found) ->> 'is_error')::boolean), FALSE) FROM found) AS is_error,
    (
        SELECT coalesce(jsonb_agg(to_jsonb(sample) - 'is_error'), '[]')
        FROM (SELECT * FROM found ORDER BY partition_date LIMIT {}) AS sample
    ) AS sample
"""

# What a query finds that compares tables, on the days that have them all.
_COMPARABLE = """
SELECT found.*
FROM (
{}
) AS found
WHERE found.partition_date IN (
    SELECT partition_date
    FROM kaltura.loads
    WHERE partner_id = {} AND report_id = ANY({}) AND is_whole
    GROUP BY partition_date
    HAVING count(DISTINCT report_id) = {}
)
ORDER BY found.partition_date"""


@dataclass(frozen=True)
class CheckResult:
    """`count` rows of the query, on `days`, of which `sample` holds the first few."""

    count: int
    days: Sequence[dt.date]
    is_error: bool
    sample: Sequence[Mapping[str, Any]]


def query(connection: psycopg.Connection, name: str, parameters: Mapping[str, object]) -> str:
    """The text of `sql/checks/<name>.sql` with its parameters written out."""
    text = (QUERIES / f"{name}.sql").read_text("utf-8").strip()
    return psycopg.ClientCursor(connection).mogrify(text, parameters)


def comparable(connection: psycopg.Connection, text: str, account: int, report_ids: Sequence[int]) -> str:
    """The query, without what it finds on days of which a pull of one of the reports lacks, or none was whole."""
    values = (sql.Literal(each).as_string(connection) for each in (account, list(report_ids), len(report_ids)))
    return _COMPARABLE.format(text, *values).strip()


@contextmanager
def reading(connection: psycopg.Connection, timeout_seconds: int = TIMEOUT_SECONDS) -> Iterator[psycopg.Connection]:
    """The connection, for queries of which a failed one does not spoil the next. To be entered in a transaction.

    A restore is waited for, no longer than a query takes at most.
    """
    apart = readers_lock()
    with connection.pipeline():
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute("SET LOCAL jit = off")  # compiling takes longer than any of the queries
        apart.ask(connection)
    apart.wait(connection, timeout_seconds)  # apart: a wait is no slow query
    connection.execute(sql.SQL("SET LOCAL statement_timeout = {}").format(sql.Literal(f"{timeout_seconds}s")))
    yield connection


def find(connection: psycopg.Connection, text: str) -> CheckResult:
    """What the query finds. Raises `psycopg.Error`; the transaction that it was in goes on."""
    cursor = connection.cursor(row_factory=dict_row)
    try:
        with connection.pipeline():  # there are two dozen of them, and the database may be far away
            connection.execute("SAVEPOINT found")
            cursor.execute(_SUMMARY.format(text, SAMPLE_ROWS).encode())
            connection.execute("RELEASE SAVEPOINT found")
    except psycopg.Error:
        if not connection.broken:
            connection.execute("ROLLBACK TO SAVEPOINT found")
        raise
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 (a SELECT of subqueries has one row)
    return CheckResult(row["count"], row["days"], row["is_error"], row["sample"])
