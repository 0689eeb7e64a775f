"""A database that restarts, or fails over to another machine, is waited for in the middle of a run."""

from collections.abc import Callable, Iterable

import psycopg
import stamina

WAITED_FOR_SECONDS = 180


def attempts(is_outage: Callable[[Exception], bool]) -> Iterable[stamina.Attempt]:
    """What `for attempt in attempts(...): with attempt: ...` does again, with pauses, while it raises an outage."""
    return stamina.retry_context(
        on=is_outage, attempts=None, timeout=WAITED_FOR_SECONDS, wait_initial=0.5, wait_max=10, wait_jitter=1
    )


# What passes by itself. Whatever else a server says, it says again: a row that does not fit into an index, for one,
# is of the same class of the driver's (OperationalError) as a server that shuts down.
PASSING_CLASSES = ("08",)  # the connection
PASSING_STATES = frozenset(
    (
        "25006",  # read only: a standby, in the moments before it takes over
        "40001",  # serialization
        "40P01",  # deadlock
        "53000",  # short of resources: memory, disk, connections
        "53100",
        "53200",
        "53300",
        "55P03",  # a lock was not to be had in time
        "57P01",  # the server shuts down, has crashed, or starts
        "57P02",
        "57P03",
        "57P05",
    )
)


def is_outage(error: BaseException) -> bool:
    """Whether the database is away or busy, and may be back in a minute."""
    cause = getattr(error, "orig", None) or error  # SQLAlchemy's own wraps the driver's
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is None:  # not the server's word: the connection broke, or there was none
        return isinstance(cause, psycopg.OperationalError)
    return cause.sqlstate in PASSING_STATES or cause.sqlstate.startswith(PASSING_CLASSES)
