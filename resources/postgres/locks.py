"""The advisory locks of loads, by name: two integers each, so that they stay apart from those of other programs.

The second integer of a report's lock is the report's number. Any login of the database can hold any of them, so no wait
for one is without an end.
"""

import time
from dataclasses import dataclass

import psycopg

from resources.errors import ConfigurationError
from resources.postgres.error_notes import note_waited_for
from resources.postgres.refusals import CANCELLED, LOCK_TIMEOUT
from resources.runtime.printable import printable

LOCK_CLASS = 0x6B616C74  # "kalt"
PEOPLE_LOCK = 0  # loads take it shared; erasure, retention and conversion take it exclusively
REGISTRY_LOCK = 1
LOADS_LOCK = 2  # a run that loads days takes it shared until it ends; what such a run must not meet, exclusively
READERS_LOCK = 3  # who reads more than one thing takes it shared; a restore, which takes all away, exclusively

SCHEMA_LOCK = 0x6B616C7475726100  # whoever changes the schema or its grants; one number that all versions agree on
SCHEMA_LOCK_SECONDS = 60  # other migrations take seconds
RESTORE_SECONDS = 30  # a run may be about to end
POLL_SECONDS = 0.2
LOCK_SECONDS = 900  # a load of the largest day takes a minute, an erasure some; a role's own limit goes first

_PROCESSES = """
SELECT format(
    'process %%s, role %%s, program %%s, since %%s',
    found.pid,
    coalesce(pg_stat_activity.usename, 'unknown'),
    coalesce(nullif(pg_stat_activity.application_name, ''), 'unknown'),
    coalesce(to_char(pg_stat_activity.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC'), 'unknown')
)
FROM {} AS found LEFT JOIN pg_stat_activity ON found.pid = pg_stat_activity.pid
"""
_HOLDERS = f"""
{_PROCESSES.format("pg_locks")}
WHERE
    found.locktype = 'advisory' AND found.granted AND found.objsubid = %s
    AND found.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (found.classid::bigint << 32) | found.objid::bigint = %s
ORDER BY found.pid
"""
_BLOCKERS = f"""
{_PROCESSES.format("(SELECT DISTINCT unnest(pg_blocking_pids(%s)) AS pid)")}
ORDER BY found.pid
"""
_HELD_ALONE = """
SELECT EXISTS (
    SELECT FROM pg_locks
    WHERE
        locktype = 'advisory' AND granted AND objsubid = %s AND mode = 'ExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND (classid::bigint << 32) | objid::bigint = %s
)
"""
END_IT = "SELECT pg_terminate_backend(its number)"
_BUSY = (
    "a restore, redate, forget-account or retention --all is under way",
    f"Wait for it, and run this again. Where nobody is at it any more, as its machine is gone: {END_IT}.",
)
_LOADING = (
    "Wait for that run or stop it (Dagster's UI, or Ctrl-C), switch the schedules off, and run this again. Where there is "
    f"no such run any more, as its machine is gone: {END_IT}."
)
# The server asks whether the other end is still there: of a machine that is gone nothing else tells, and by the system's
# own settings it asks after two hours. Until the transaction ends.
NOTICED_WHEN_GONE = """
SELECT
    pg_catalog.set_config('tcp_keepalives_idle', '60', TRUE),
    pg_catalog.set_config('tcp_keepalives_interval', '10', TRUE),
    pg_catalog.set_config('tcp_keepalives_count', '6', TRUE)
"""
_ONE_NUMBER, _TWO_NUMBERS = 1, 2  # how pg_locks tells the two kinds of advisory locks apart
_LIMIT = "SELECT set_config('lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), %s), true)"


@dataclass(frozen=True)
class Lock:
    """One of the locks of loads, and what a wait for it is a wait for."""

    number: int
    what: str
    shared: bool = False

    @property
    def mode(self) -> str:
        return "_shared" if self.shared else ""


class Locks:
    """Several of them until the transaction ends, in the order in which all take them.

    Nearly always all are to be had at once: so they are tried in one statement, and what has to be asked under them goes
    in the same round trip.
    """

    def __init__(self, *locks: Lock) -> None:
        self._locks = locks

    def ask(self, connection: psycopg.Connection) -> None:
        """Tries each if it has those before it: who waits for one holds none that comes after it."""
        query = str(len(self._locks))
        for before, lock in reversed([*enumerate(self._locks)]):
            attempt = f"pg_try_advisory_xact_lock{lock.mode}({LOCK_CLASS}, {lock.number})"
            query = f"CASE WHEN {attempt} THEN {query} ELSE {before} END"
        self._taken = connection.execute(f"SELECT {query}".encode())

    def wait(self, connection: psycopg.Connection, seconds: float | None = None) -> bool:
        """For those that were not to be had. True where there were any: what was asked under them is to be asked again."""
        [[taken]] = self._taken.fetchall()
        for lock in self._locks[taken:]:
            _wait_for(connection, lock, LOCK_SECONDS if seconds is None else seconds)
        return bool(taken < len(self._locks))


def take_lock(connection: psycopg.Connection, number: int, what: str, *, shared: bool = False) -> None:
    """Take one of the locks of loads until the transaction ends. An error says that `what` was waited for, and who held it.

    Raises `psycopg.errors.LockNotAvailable`, which is begun again for a while, as an outage is.
    """
    locks = Locks(Lock(number, what, shared))
    locks.ask(connection)
    locks.wait(connection)


def _wait_for(connection: psycopg.Connection, lock: Lock, seconds: float) -> None:
    try:
        with connection.transaction():
            row = connection.execute("SELECT current_setting('lock_timeout')").fetchone()
            connection.execute(_LIMIT, [f"{seconds}s"])
            connection.execute(f"SELECT pg_advisory_xact_lock{lock.mode}(%s, %s)".encode(), [LOCK_CLASS, lock.number])
            connection.execute("SELECT set_config('lock_timeout', %s, true)", row)
    except psycopg.Error as error:
        if error.sqlstate in (CANCELLED, LOCK_TIMEOUT):
            holders = _holders(connection, _TWO_NUMBERS, LOCK_CLASS << 32 | lock.number)
            note_waited_for(error, f"{lock.what} ({holders})")
        raise


class LockedByAnother(ConfigurationError):
    """Somebody holds a lock for longer than it is waited for; the message says who."""


def take_schema_lock(connection: psycopg.Connection) -> None:
    """Take it until the transaction ends: behind a pooler, a lock of the session stays with the server's connection.

    Raises `LockedByAnother` after a minute.
    """
    if _comes(connection, "SELECT pg_try_advisory_xact_lock(%s)", [SCHEMA_LOCK], SCHEMA_LOCK_SECONDS):
        return
    raise LockedByAnother(
        f"the schema is being changed by another: {_holders(connection, _ONE_NUMBER, SCHEMA_LOCK)}. Waited for "
        f"{SCHEMA_LOCK_SECONDS} s. Run it again later, or end that process: {END_IT}."
    )


def keep_loads_off(connection: psycopg.Connection, harm: str) -> None:
    """Let no run load days until the transaction ends. Raises `LockedByAnother` where one is at it for longer.

    `harm` says what would become of the days.
    """
    taken = _comes(connection, "SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_CLASS, LOADS_LOCK], RESTORE_SECONDS)
    if not taken:
        key = LOCK_CLASS << 32 | LOADS_LOCK
        alone = connection.execute(_HELD_ALONE, [_TWO_NUMBERS, key]).fetchone() == (True,)
        found, todo = _BUSY if alone else (f"days are being loaded, and {harm}", _LOADING)
        raise LockedByAnother(
            f"{found}: {_holders(connection, _TWO_NUMBERS, key)}. Waited for {RESTORE_SECONDS} s, and changed nothing. {todo}"
        )
    connection.execute(NOTICED_WHEN_GONE.encode())


def keep_readers_off(connection: psycopg.Connection) -> None:
    """Let nothing of this project read until the transaction ends. Raises `LockedByAnother` where one reads for longer.

    A restore that took the views from a reader would wait for its tables, and the reader for its next view.
    """
    if not _comes(connection, "SELECT pg_try_advisory_xact_lock(%s, %s)", [LOCK_CLASS, READERS_LOCK], RESTORE_SECONDS):
        raise LockedByAnother(
            f"the warehouse is being read: {_holders(connection, _TWO_NUMBERS, LOCK_CLASS << 32 | READERS_LOCK)}. "
            f"Waited for {RESTORE_SECONDS} s, and changed nothing. Run this again later, or end that process: {END_IT}."
        )


def _comes(connection: psycopg.Connection, attempt: str, key: list[int], seconds: float) -> bool:
    gives_up_at = time.monotonic() + seconds
    while connection.execute(attempt.encode(), key).fetchone() != (True,):
        if time.monotonic() >= gives_up_at:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _holders(connection: psycopg.Connection, numbers: int, key: int) -> str:
    return _told(connection, _HOLDERS, [numbers, key]) or "somebody who is done just now"


def blockers(connection: psycopg.Connection, process: int) -> str:
    """Whom a process waits for; empty where it waits for nobody."""
    return _told(connection, _BLOCKERS, [process])


def _told(connection: psycopg.Connection, query: str, values: list[int]) -> str:
    return "; ".join(printable(process) for (process,) in connection.execute(query.encode(), values))
