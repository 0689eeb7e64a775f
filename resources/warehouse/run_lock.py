"""A run that loads days says so for as long as it lasts, so that no restore takes the warehouse away beneath it.

Nor is an account taken out, or its days cut anew, in the middle of a run. The run holds an advisory lock in a transaction
of its own, on a connection of its own: between two days nothing else of it is open. Behind a pooler in transaction mode a
lock of the session would go to somebody else.
"""

from contextlib import suppress

import psycopg

from resources.postgres.locks import LOADS_LOCK, NOTICED_WHEN_GONE, take_lock
from resources.postgres.session import NO_TIME_LIMITS, connect, refused

_PROGRAM = "kaltura run {}"  # and the first characters of its id: who else wants the lock is told it
RESTORE_TAKES_SECONDS = 180  # what is waited for; the run is tried again later


class RunLock:
    """The lock of one run. Raises as `session.opened` does where it can't be had."""

    def __init__(self, url: str, run_id: str) -> None:
        self._url = url
        self._program = _PROGRAM.format(run_id[:8])
        self._connection: psycopg.Connection | None = None

    def take(self) -> None:
        """Anew, where the connection that held it is lost."""
        if self._connection is not None and self._is_held(self._connection):
            return
        self.release()
        try:
            self._connection = self._taken()
        except psycopg.Error as error:
            described = refused(error)
        else:
            return
        raise described from None

    def release(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    @staticmethod
    def _is_held(connection: psycopg.Connection) -> bool:
        try:
            connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _taken(self) -> psycopg.Connection:
        connection = connect(self._url)
        try:
            with connection.pipeline():
                connection.execute("BEGIN")  # it ends, and the lock with it, as the connection does
                connection.execute("SELECT set_config('application_name', %s, TRUE)", [self._program])
                connection.execute(f"SET LOCAL lock_timeout = '{RESTORE_TAKES_SECONDS}s'".encode())
                connection.execute(NO_TIME_LIMITS.encode())
                connection.execute(NOTICED_WHEN_GONE.encode())
            take_lock(connection, LOADS_LOCK, "a restore, or what else keeps loads off, to end", shared=True)
        except BaseException:
            connection.close()
            raise
        return connection
