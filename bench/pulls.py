"""A month of mornings: the same 30 days pulled every day for 30 days, after all late events were in.

What it writes, against what the 30 days themselves wrote, and how much larger the tables are afterwards.
"""

import datetime as dt
from collections.abc import Callable

import psycopg

from assets.pull.extract import extract
from assets.pull.filters import Filters
from assets.reports import REPORTS
from bench.measuring import Figure
from bench.replies import CALENDAR
from resources.kaltura.client import Client
from resources.kaltura.session import Credentials
from resources.kaltura.windows import Days
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import University, serving

FIRST = dt.date(2026, 3, 1)

Say = Callable[[str], None]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    count = 7 if quick else 30
    days = Days(FIRST, FIRST + dt.timedelta(days=count - 1))
    with psycopg.connect(url) as connection:
        connection.execute(
            "TRUNCATE kaltura.attendees, kaltura.room_sessions, kaltura.breakout_sessions, kaltura.loads"
        )
    store = Warehouse(url)
    with serving(University(timezone="UTC")) as kaltura:
        credentials = Credentials(
            str(kaltura.partner_id), app_token_id=kaltura.app_token_id, app_token=kaltura.app_token
        )
        client = Client(kaltura.base_url, credentials)
        written, sizes, changed = [], [], []
        for number in range(count + 1):
            say(f"pulling {count} days, time {number + 1} of {count + 1}")
            kaltura.now = CALENDAR.midnight(days.last + dt.timedelta(days=1 + number)) + 4.5 * 3600
            before = _wal(url)
            pulled = extract(
                days,
                REPORTS,
                client,
                CALENDAR,
                Filters({}),
                number=store.next_pull(),
                now=lambda: kaltura.clock,
            )
            loads = [load for day in days for load in store.upsert(day, pulled.by_day[day], Provenance(1, pulled.pull))]
            written.append((_wal(url) - before) / 1e6)
            changed.append(sum(load.inserted + load.updated + load.removed for load in loads))
            sizes.append(_size(url))
        client.close()
    store.close()
    again = f"{count} more pulls of the same {count} days"
    return [
        Figure(f"{again}: WAL a pull", sum(written[1:]) / count, "MB", None, written[1:]),
        Figure(f"{again}: WAL of all, against the first", sum(written[1:]) / written[0], "x"),
        Figure(f"{again}: size of the tables, against after the first", sizes[-1] / sizes[0], "x"),
        Figure(f"{again}: rows changed by late events", sum(changed[1:]), "rows"),
    ]


def _wal(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    return int(row[0]) if row else 0


def _size(url: str) -> int:
    """Tables and indexes, without the bookkeeping: that grows by three rows a day and pull, as it should."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname IN"
            " ('room_sessions', 'attendees', 'breakout_sessions') AND relnamespace = 'kaltura'::regnamespace"
        ).fetchone()
    return int(row[0]) if row else 0
