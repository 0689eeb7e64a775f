"""The advisory locks of loads, by name: two integers each, so that they stay apart from those of other programs.

The second integer of a report's lock is the report's number.
"""

import time

import psycopg

from resources.errors import ConfigurationError

LOCK_CLASS = 0x6B616C74  # "kalt"
PEOPLE_LOCK = 0  # loads take it shared; erasure, retention and conversion take it exclusively
ROLL_LOCK = 1

SCHEMA_LOCK = 0x6B616C7475726100  # whoever changes the schema or its grants; one number that all versions agree on
SCHEMA_LOCK_SECONDS = 60  # other migrations take seconds
POLL_SECONDS = 0.2

_HOLDERS = """
SELECT format(
    'process %%s, role %%s, program %%s, since %%s',
    pg_locks.pid,
    coalesce(pg_stat_activity.usename, 'unknown'),
    coalesce(nullif(pg_stat_activity.application_name, ''), 'unknown'),
    coalesce(to_char(pg_stat_activity.xact_start, 'YYYY-MM-DD HH24:MI:SS UTC'), 'unknown')
)
FROM pg_locks LEFT JOIN pg_stat_activity ON pg_locks.pid = pg_stat_activity.pid
WHERE
    pg_locks.locktype = 'advisory' AND pg_locks.granted AND pg_locks.objsubid = 1
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (pg_locks.classid::bigint << 32) | pg_locks.objid::bigint = %s
"""


class LockedByAnother(ConfigurationError):
    """Somebody holds a lock for longer than it is waited for; the message says who."""


def take_schema_lock(connection: psycopg.Connection) -> None:
    """Take it until the transaction ends: behind a pooler, a lock of the session stays with the server's connection.

    Raises `LockedByAnother` after a minute.
    """
    gives_up_at = time.monotonic() + SCHEMA_LOCK_SECONDS
    while True:
        row = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [SCHEMA_LOCK]).fetchone()
        if row == (True,):
            return
        if time.monotonic() >= gives_up_at:
            break
        time.sleep(POLL_SECONDS)
    holders = "; ".join(holder for (holder,) in connection.execute(_HOLDERS, [SCHEMA_LOCK]))
    raise LockedByAnother(
        f"the schema is being changed by another: {holders or 'somebody who is done just now'}. Waited for "
        f"{SCHEMA_LOCK_SECONDS} s. Run it again later, or end that process: SELECT pg_terminate_backend(its number)."
    )
