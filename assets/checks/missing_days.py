"""Which days are missing: not loaded whole, though the account's first load lies before them.

The warehouse alone is asked, by the query of the check `missing_days`: what Dagster has marked may have been lost there
since. The check, the schedule that catches up and `status` all read it here.
"""

import datetime as dt
from collections.abc import Sequence

import psycopg

from assets.checks import query
from assets.partitions import SETTINGS
from assets.reports import REPORTS
from resources.kaltura.windows import Days
from resources.settings import Term, keeps_to_ids

NAME = "missing_days"


_REACH = (
    "SELECT greatest(min(partition_date), %s::date),"
    " greatest(max(partition_date) FILTER (WHERE NOT coalesce(filters ? 'started', FALSE)), %s::date)"
    " FROM kaltura.loads WHERE partner_id = %s HAVING count(*) > 0"
)


def reach(connection: psycopg.Connection, account: int, last: dt.date) -> Days | None:
    """The days that have to be there: up to `last`, or to the newest load where that is later. None: nothing is yet."""
    row = connection.execute(_REACH, [SETTINGS.start_date, last, account]).fetchone()
    return Days(*row) if row and row[0] <= row[1] else None


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
        "is_filtered": keeps_to_ids(),
        "catch_up_days": SETTINGS.catch_up_days,
        "terms": _multirange(SETTINGS.terms),
    }


def _multirange(terms: Sequence[Term]) -> str:
    """As Postgres writes it; without terms, all days."""
    return f"{{{','.join(f'[{first},{last}]' for first, last in terms)}}}" if terms else "{(,)}"


def missing(connection: psycopg.Connection, account: int, last: dt.date) -> dict[dt.date, frozenset[int]]:
    """The missing days of the account, the oldest first, and the reports that are there. Raises `psycopg.Error`."""
    days = reach(connection, account, last)
    if days is None:
        return {}
    text = query.query(connection, NAME, parameters(account, days))
    return {day: frozenset(reports or ()) for day, reports, _ in connection.execute(text.encode())}
