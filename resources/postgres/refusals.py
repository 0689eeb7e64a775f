"""What the database says when it refuses or breaks off, by its SQLSTATE, and what to do about it.

Whether waiting helps is said in `outages`. Detail and context quote rows, and rows belong in no log: of them
only the relation's name is told.
"""

import re

import psycopg

CANCELLED = "57014"
LOCK_TIMEOUT = "55P03"

_ADVICE = {
    LOCK_TIMEOUT: "lock_timeout is over. See who holds the lock in pg_stat_activity and pg_locks, or raise the role's "
    "limit: ALTER ROLE ... SET lock_timeout = '1min'",
    "25P02": "a statement before it failed",
    "25P03": "idle_in_transaction_session_timeout is over. Raise it: ALTER ROLE ... SET "
    "idle_in_transaction_session_timeout = '5min'",
    "25P04": "transaction_timeout is over. Raise it: ALTER ROLE ... SET transaction_timeout = 0",
    "57P05": "idle_session_timeout is over. Raise it: ALTER ROLE ... SET idle_session_timeout = 0",
    "25006": "the server or the role is read only. Check that DATABASE_URL names the primary, and a role that writes",
    "42501": "the role may not do this. `make roles` gives kaltura_loader its rights: GRANT kaltura_loader TO it",
    "53100": "the server's disk is full. Make room there",
    "53200": "the server is out of memory",
    "53300": "the server takes no more connections. Close some, or raise max_connections",
    "54000": "a value is too large for an index",
}
_TIMEOUT = "statement_timeout is over. Raise the role's limit: ALTER ROLE ... SET statement_timeout = 0"
_BY_A_PERSON = "somebody cancelled the statement (pg_cancel_backend). Run it again when they are content"
_BY_EITHER = (
    "the statement was cancelled, by statement_timeout or by somebody. Look for the limit: SHOW statement_timeout"
)


def explained(error: psycopg.Error) -> str:
    """The server's words, its SQLSTATE, what was at issue, and what to do. No row and no statement."""
    said = error.diag
    relation = re.search(r'relation "([^"]+)"', said.context or "")
    named = (said.table_name or (relation and relation.group(1)), said.constraint_name)
    where = "".join(f", at {name}" for name in named if name)
    waited = getattr(error, "waited_for", "")
    advice = (
        _cancelled(said.message_primary or "") if error.sqlstate == CANCELLED else _ADVICE.get(error.sqlstate or "")
    )
    return (
        f"{said.message_primary} (SQLSTATE {error.sqlstate}){where}"
        + (f", waiting for {waited}" if waited else "")
        + (f": {advice}" if advice else "")
    )


def _cancelled(message: str) -> str:
    """By whom: only the text tells, and it may be in the server's language."""
    if "statement timeout" in message:
        return _TIMEOUT
    return _BY_A_PERSON if "user request" in message else _BY_EITHER
