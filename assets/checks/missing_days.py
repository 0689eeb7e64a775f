"""Which days are missing: not loaded whole, though the account's first load lies before them.

The warehouse alone is asked, by the query of the check `missing_days`: what Dagster has marked may have been lost there
since. How far back it goes is told by Dagster's marks too, for the first load may have been lost. The check, the schedule
that catches up and `status` all read it here.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg
import psycopg

from assets.checks import query
from assets.partitions import SETTINGS
from assets.reports import REPORTS
from resources.kaltura.windows import Days
from resources.settings import Term

NAME = "missing_days"

_LOADED = (
    "SELECT min(partition_date), max(partition_date) FILTER (WHERE NOT coalesce(filters ? 'started', FALSE))"
    " FROM kaltura.loads WHERE partner_id = %s"
)


def first_marked(instance: dg.DagsterInstance) -> dt.date | None:
    """The first day that Dagster has ever seen loaded, of any report.

    A warehouse that was restored to what it was before that day, or to nothing, knows nothing of it any more.
    """
    keys = [key for report in REPORTS for key in instance.get_materialized_partitions(report.key)]
    return min(map(dt.date.fromisoformat, keys), default=None)


def reach(
    connection: psycopg.Connection, account: int, last: dt.date, marked_from: dt.date | None = None
) -> Days | None:
    """The days that have to be there: up to `last`, or to the newest load where that is later. None: nothing is yet.

    They begin with the first load, or with `marked_from` where that is earlier; never before START_DATE.
    """
    row = connection.execute(_LOADED, [account]).fetchone()
    first_loaded, newest = row or (None, None)
    begins = [day for day in (first_loaded, marked_from) if day]
    if not begins:
        return None
    first, last = max(min(begins), SETTINGS.start_date), max(newest or last, last)
    return Days(first, last) if first <= last else None


def last_full_day(connection: psycopg.Connection) -> dt.date:
    """Yesterday, by the database's clock."""
    yesterday = "SELECT (now() AT TIME ZONE %s)::date - 1"
    row = connection.execute(yesterday, [str(SETTINGS.timezone)]).fetchone()
    assert row is not None  # noqa: S101 (a SELECT of a value has one row)
    day: dt.date = row[0]
    return day


def parameters(account: int, days: Days) -> dict[str, object]:
    """Of the query."""
    return {
        "partner_id": account,
        "first": days.first,
        "last": days.last,
        "reports": len(REPORTS),
        "catch_up_days": SETTINGS.catch_up_days,
        "terms": _multirange(SETTINGS.terms),
    }


def _multirange(terms: Sequence[Term]) -> str | None:
    """As Postgres writes it; NULL without terms."""
    return f"{{{','.join(f'[{first},{last}]' for first, last in terms)}}}" if terms else None


def missing(
    connection: psycopg.Connection, account: int, last: dt.date, marked_from: dt.date | None = None
) -> dict[dt.date, frozenset[int]]:
    """The missing days of the account, the oldest first, and the reports that are there. Raises `psycopg.Error`."""
    days = reach(connection, account, last, marked_from)
    if days is None:
        return {}
    text = query.query(connection, NAME, parameters(account, days))
    return {day: frozenset(reports or ()) for day, reports, _ in connection.execute(text.encode())}
