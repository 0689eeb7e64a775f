"""Locks of tables and views that whoever changes the schema takes alone, while others read.

A statement that waits for such a lock lets nobody pass: all who come after it wait too. So it waits for a moment, lets go
of everything that it has, and tries again. An analyst's forgotten transaction stops the change, and nobody else.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self, TypeVar

import psycopg

from resources.postgres.locks import END_IT, LockedByAnother, blockers
from resources.postgres.refusals import NOT_NOW
from resources.postgres.session import CONNECT_TIMEOUT_SECONDS

ATTEMPT_SECONDS = 3.0  # for which others wait behind it
PAUSE_SECONDS = 1.0  # in which they get their turn
WAIT_SECONDS = 120.0  # a load of the largest day takes a minute
POLL_SECONDS = 0.2

# The role's own limit stays where it is shorter.
_LIMIT = """
SELECT set_config('lock_timeout', CASE WHEN setting::integer BETWEEN 1 AND %(ms)s THEN setting ELSE %(ms)s::text END, TRUE)
FROM pg_settings
WHERE name = 'lock_timeout'
"""
Done = TypeVar("Done")


def patiently(connection: psycopg.Connection, work: Callable[[], Done]) -> Done:
    """What `work` does in the caller's transaction. It is undone and begun again while somebody has what it wants to lock.

    Raises `LockedByAnother`, which says who that is.
    """
    gives_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        watch = _Watch(connection)
        try:
            with watch, connection.transaction():
                before = connection.execute("SELECT current_setting('lock_timeout')").fetchone()
                connection.execute(_LIMIT, {"ms": int(ATTEMPT_SECONDS * 1000)})
                done = work()
                connection.execute("SELECT set_config('lock_timeout', %s, TRUE)", before)
            return done
        except psycopg.Error as error:
            if error.sqlstate not in NOT_NOW:
                raise
            if time.monotonic() >= gives_up_at:
                raise LockedByAnother(
                    f"tables or views are in use that are to be changed: {watch.seen or 'by whom could not be seen'}. "
                    f"Tried for {WAIT_SECONDS:g} s, and undone. Have that transaction ended (by whoever began it, or by "
                    f"its role or a superuser: {END_IT}), and run this again."
                ) from None
        time.sleep(PAUSE_SECONDS)


class _Watch:
    """Looks whom a connection waits for, by one of its own: who has waited in vain is not told it any more."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.seen = ""
        self._connection = connection
        self._process = connection.execute("SELECT pg_backend_pid()::integer").fetchone()
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _look(self) -> None:
        if self._process is None or self._is_done.wait(min(POLL_SECONDS, ATTEMPT_SECONDS / 2)):
            return  # nearly always it has what it wants by then
        info = self._connection.info
        with (
            suppress(psycopg.Error, UnicodeError),
            psycopg.connect(
                info.dsn, password=info.password, connect_timeout=CONNECT_TIMEOUT_SECONDS, autocommit=True
            ) as watching,
        ):
            while not self._is_done.is_set():
                self.seen = blockers(watching, *self._process) or self.seen
                self._is_done.wait(POLL_SECONDS)
