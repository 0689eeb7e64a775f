"""A connection on which the settings of a role or a database change nothing: what a session relies on, it sets.

`ALTER ROLE ... SET` and `ALTER DATABASE ... SET` are common on shared servers. Text in a binary COPY is converted from
`client_encoding`, times are read in the `DateStyle` they are written in, names are found along the `search_path`. The
settings are given with each BEGIN, in the same round trip: behind a pooler in transaction mode what is set for a session
is lost, or reaches the pooler's other clients. Only what poolers keep for each client is set once.

A role's own time limits stay: they are the administrator's, and `refusals` says which of them was met. A transaction that
has to wait for something else is without them.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import psycopg
from psycopg.conninfo import conninfo_to_dict

from resources.errors import ConfigurationError
from resources.postgres import refusals
from resources.postgres.error_notes import note_what_stands, what_stands
from resources.postgres.outages import is_outage
from resources.postgres.url import libpq_url

# What is said of a transaction whose end nobody heard of.
IN_DOUBT = (
    "The connection broke while it was being committed, so it is done or nothing of it is: run it again, which tells."
)

_has_committed = threading.Event()

CONNECT_TIMEOUT_SECONDS = 10
APPLICATION_NAME = "kaltura-room-warehouse"
LEAST_VERSION = 15
_KEEPALIVES = {
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}  # a server that is gone is missed in 2 min

_TOLD = frozenset({"host", "dbname", "user"})  # by which somebody finds the database that was meant
_ADDRESSES = frozenset({"hostaddr", "port"})

# Each until the transaction ends: nothing outlives it. In this order, as names are found along the last one's path.
_SETTINGS = {
    "client_encoding": "UTF8",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "search_path": "pg_catalog",
}
_SET = "SELECT " + ", ".join(f"pg_catalog.set_config('{name}', '{value}', TRUE)" for name, value in _SETTINGS.items())

# For a transaction that waits for what is not the database: a run's end, pg_dump. Until it ends; a server before version 17
# knows but two of them.
NO_TIME_LIMITS = """
SELECT set_config(name, '0', TRUE) FROM pg_catalog.pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout', 'statement_timeout')
"""


class DatabaseError(ConfigurationError):
    """The database can't be used as it is; the message says what to do."""


class DatabaseUnreachable(DatabaseError):
    """The database does not answer, or lets nobody in. It may be about to start."""


def connect(url: str) -> psycopg.Connection:
    """A connection outside of any transaction, on a server that can be used. `transaction` begins one.

    Raises `DatabaseUrlError`, `DatabaseUnreachable` or `DatabaseError`.
    """
    given = conninfo_to_dict(libpq_url(url))
    defaults = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": APPLICATION_NAME, **_KEEPALIVES}
    try:
        connection: psycopg.Connection = psycopg.connect(
            **{**defaults, **given, "client_encoding": "UTF8"},  # type: ignore[arg-type]
            autocommit=True,
            # A plan that was kept from when a table was empty would read it whole for each session of a day.
            prepare_threshold=None,
        )
    except psycopg.ProgrammingError:
        raise DatabaseError("DATABASE_URL has a parameter that can't be used. Check what stands after its ?.") from None
    except (psycopg.Error, UnicodeError) as error:
        if quoted := _quoted(str(error), given):
            raise DatabaseError(f"DATABASE_URL has a parameter {quoted} that can't be used.") from None
        raise unreachable(error) from None
    try:
        _expect_usable(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _quoted(message: str, given: Mapping[str, object]) -> str:
    """The parameter whose value libpq quotes, as it does where it can't use one: that may be a password in a wrong place."""
    for name, value in given.items():
        is_place = name in _TOLD or (name in _ADDRESSES and re.fullmatch(r"[0-9a-fA-F.:,]+", str(value)))
        if value and not is_place and f'"{value}"' in message:
            return name
    return ""


@contextmanager
def opened(url: str) -> Iterator[psycopg.Connection]:
    """A connection in a transaction that commits at the end. Raises as `connect` does, and where the database refuses."""
    try:
        with connect(url) as connection, transaction(connection):
            yield connection
    except psycopg.Error as error:
        described = refused(error)
    else:
        return
    raise described from None  # out here, so that nothing carries the database's own error, which quotes rows


def nothing() -> None:
    """What is sent along where nothing is."""


@contextmanager
def transaction(
    connection: psycopg.Connection, isolation: str = "READ COMMITTED", access: str = "READ WRITE"
) -> Iterator[None]:
    """A transaction in which no setting of the role's or the database's counts, but its time limits.

    Inside another it is a part of that one, which can be undone alone.
    """
    if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
        with connection.transaction():
            yield
        return
    with ended(connection):
        begin(connection, isolation, access)
        yield


def begin(
    connection: psycopg.Connection,
    isolation: str = "READ COMMITTED",
    access: str = "READ WRITE",
    asking: Callable[[], None] = nothing,
) -> None:
    """What `asking` sends goes in the same round trip: statements whose answers are read later.

    The server tells of another DateStyle only when all is answered: dates and times have to be asked for in binary.
    """
    with connection.pipeline():
        connection.execute(f"BEGIN ISOLATION LEVEL {isolation} {access}".encode())
        connection.execute(_SET.encode())
        asking()


@contextmanager
def ended(connection: psycopg.Connection) -> Iterator[None]:
    """The transaction that is begun in the block, or before it, is committed after it, or undone."""
    try:
        yield
        commit(connection)
    except BaseException:
        with suppress(psycopg.Error):
            connection.rollback()
        raise


def commit(connection: psycopg.Connection, sending: Callable[[], None] = nothing) -> None:
    """What `sending` writes goes in the same round trip. `what_stands` of an error in here says that nobody knows."""
    if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        return
    try:
        with connection.pipeline():
            sending()
            connection.execute("COMMIT")  # psycopg's own way waits once more
        _has_committed.set()
    except BaseException as error:
        if not isinstance(error, psycopg.Error) or error.sqlstate is None or is_outage(error):
            note_what_stands(error, IN_DOUBT)
        raise


def has_committed() -> bool:
    """Whether this process has changed a database for good."""
    return _has_committed.is_set()


def unreachable(error: BaseException | None, when: str = "") -> DatabaseUnreachable:
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    described = DatabaseUnreachable(f"the database can't be reached{when}: {reason}. Check DATABASE_URL.")
    note_what_stands(described, what_stands(error))
    return described


def refused(error: psycopg.Error, advice_for: Mapping[str, str] | None = None) -> DatabaseError:
    """What the database says of its own accord, and what to do, by SQLSTATE: `refusals` has it for whoever loads days."""
    if error.sqlstate is None:  # not the server's word: the connection broke
        return unreachable(error, " any more")
    # It may have been shutting down.
    kind = DatabaseUnreachable if is_outage(error) else DatabaseError
    described = kind(f"the database refused: {refusals.explained(error, advice_for)}.")
    note_what_stands(described, what_stands(error))
    return described


def _expect_usable(connection: psycopg.Connection) -> None:
    """Raises `DatabaseError`. The server tells both with its greeting: nothing is asked."""
    version = connection.info.server_version // 10000
    if version < LEAST_VERSION:
        raise DatabaseError(f"the database is Postgres {version}. Postgres {LEAST_VERSION} or newer is needed.")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseError(
            f"the database is encoded in {encoding}, which can't hold every name. Make one in UTF8: CREATE DATABASE "
            "name ENCODING 'UTF8' TEMPLATE template0."
        )
