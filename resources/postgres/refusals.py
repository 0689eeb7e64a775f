"""What the database says when it refuses or breaks off, by its SQLSTATE, and what to do about it.

Whether waiting helps is said in `outages`. Rows belong in no log. Detail and context quote them, and so does the message
where a value is not of its type: of those only the relation's name is told. What depends on what can't be dropped is named
in the detail, and told.
"""

import re
from collections.abc import Mapping

import psycopg

from resources.postgres.error_notes import waited_for

CANCELLED = "57014"
LOCK_TIMEOUT = "55P03"
NOT_ALLOWED = "42501"
DEPENDENTS = "2BP01"
NOT_NOW = frozenset((LOCK_TIMEOUT, "40P01"))  # somebody else has a lock: the same may be had later
# Their messages quote the value, in the server's language.
_VALUES = frozenset(("22003", "22007", "22008", "22P02"))
_NOT_OF_THE_TYPE = "a value is not of the type that is wanted, or out of its range"

_ADVICE = {
    LOCK_TIMEOUT: "lock_timeout is over. See who holds the lock in pg_stat_activity and pg_locks, or raise the role's "
    "limit: ALTER ROLE ... SET lock_timeout = '1min'",
    "25P02": "a statement before it failed",
    "25P03": "idle_in_transaction_session_timeout is over. Raise it: ALTER ROLE ... SET "
    "idle_in_transaction_session_timeout = '5min'",
    "25P04": "transaction_timeout is over. Raise it: ALTER ROLE ... SET transaction_timeout = 0",
    "57P05": "idle_session_timeout is over. Raise it: ALTER ROLE ... SET idle_session_timeout = 0",
    "25006": "the server or the role is read only. Check that DATABASE_URL names the primary, and a role that writes",
    NOT_ALLOWED: "the role may not do this. `make roles` gives kaltura_loader its rights: GRANT kaltura_loader TO it",
    DEPENDENTS: "drop that first, and make it anew afterwards",
    "53100": "the server's disk is full. Make room there",
    "53200": "the server is out of memory",
    "53300": "the server takes no more connections. Close some, or raise max_connections",
    "54000": "a value is too large for an index",
}
_TIMEOUT = "statement_timeout is over. Raise the role's limit: ALTER ROLE ... SET statement_timeout = 0"
_BY_A_PERSON = "somebody cancelled the statement (pg_cancel_backend). Find out who did and why, then run it again"
_WAITED = (
    "{} was over before that came. Wait for whoever holds it, and run this again. Where nobody is at it any more, as its "
    "machine is gone: SELECT pg_terminate_backend(its number)"
)
_BY_EITHER = (
    "the statement was cancelled, by statement_timeout or by somebody. Look for the limit: SHOW statement_timeout"
)


def explained(error: psycopg.Error, advice_for: Mapping[str, str] | None = None) -> str:
    """The server's words, its SQLSTATE, what was at issue, and what to do. No row and no statement.

    `advice_for`: by SQLSTATE, in the place of the advice to whoever loads days.
    """
    said = error.diag
    state = error.sqlstate or ""
    relation = re.search(r'relation "([^"]+)"', said.context or "")
    named = (said.table_name or (relation and relation.group(1)), said.constraint_name)
    where = "".join(f", at {name}" for name in named if name)
    waited = waited_for(error)
    words = _NOT_OF_THE_TYPE if state in _VALUES else said.message_primary
    # This detail names what depends on what. That of other errors quotes rows.
    depends = " ".join((said.message_detail or "").split()) if state == DEPENDENTS else ""
    advice = {**_ADVICE, **(advice_for or {})}.get(state)
    if state == CANCELLED:
        advice = _cancelled(words or "", bool(waited))
    elif state == LOCK_TIMEOUT and waited:
        advice = _WAITED.format("lock_timeout")
    return (
        f"{words} (SQLSTATE {state}){where}"
        + (f", waiting for {waited}" if waited else "")
        + (f": {depends}" if depends else "")
        + (f": {advice}" if advice else "")
    )


def _cancelled(message: str, is_waiting: bool) -> str:
    """SQLSTATE 57014 does not say who cancelled. Only the message does, and it may be in the server's language."""
    if "statement timeout" in message:
        return _WAITED.format("statement_timeout") if is_waiting else _TIMEOUT
    return _BY_A_PERSON if "user request" in message else _BY_EITHER
