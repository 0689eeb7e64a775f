"""Readers and a restore keep apart: what is read is the warehouse that was there, or the one that was put back.

A restore puts new tables and views in the place of those that are there. A snapshot from before its end that meets the new
ones, because their names are looked up later, finds no row in them. So who reads several things takes a lock that a restore
takes alone; where it had to wait for it, the snapshot is taken anew. A standby knows nothing of the primary's locks, nor a
restore of an older version of this one: there the views tell.
"""

import psycopg

from resources.errors import ConfigurationError
from resources.postgres.locks import READERS_LOCK, Lock, Locks
from resources.postgres.session import begin

_WAITED_FOR = "a restore to end"
# The snapshot's views, of which the server's newest catalog knows nothing any more: a privilege is asked of that one.
_GONE = """
SELECT count(*)::integer FROM pg_catalog.pg_class AS views
INNER JOIN pg_catalog.pg_namespace AS schemas ON views.relnamespace = schemas.oid
WHERE
    schemas.nspname = 'analytics' AND views.relkind = 'v'
    AND pg_catalog.has_table_privilege(views.oid, 'SELECT') IS NULL
"""


def readers_lock() -> Locks:
    """Of a reader, until its transaction ends."""
    return Locks(Lock(READERS_LOCK, _WAITED_FOR, shared=True))


class Replaced(ConfigurationError):
    """The warehouse was replaced while it was read."""

    def __init__(self) -> None:
        super().__init__("the warehouse was restored, or its views made anew, while it was read. Run this again.")


class OneMoment:
    """A transaction that reads one moment of one warehouse: `ask` goes with its BEGIN, `settle` before all that is read."""

    def __init__(self) -> None:
        self._lock = readers_lock()

    def ask(self, connection: psycopg.Connection) -> None:
        self._lock.ask(connection)
        self._gone = connection.execute(_GONE)

    def settle(self, connection: psycopg.Connection) -> None:
        """Begin anew where a restore was under way, or has just ended."""
        while self._lock.wait(connection) or self._gone.fetchone() != (0,):
            connection.rollback()
            self.begin(connection)

    def begin(self, connection: psycopg.Connection) -> None:
        begin(connection, "REPEATABLE READ", "READ ONLY", lambda: self.ask(connection))


def expect_the_same(connection: psycopg.Connection) -> None:
    """Raises `Replaced` where the views are not those any more that the transaction began with."""
    if connection.execute(_GONE).fetchone() != (0,):
        raise Replaced


def keep_a_restore_off(connection: psycopg.Connection) -> None:
    """Until the transaction ends, of which each statement reads what is there by then. One under way is waited for."""
    lock = readers_lock()
    lock.ask(connection)
    lock.wait(connection)
