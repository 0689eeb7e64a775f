"""People in the database: in which mode it is filled, by which key, and until when their names are kept.

Loads take the people lock shared; erasure, retention and conversion take it exclusively, so that none of them meets a
load in flight.
"""

import datetime as dt
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from resources.errors import ConfigurationError
from resources.postgres.locks import PEOPLE_LOCK, Lock, take_lock
from resources.privacy import listed_pseudonyms
from resources.privacy.pseudonymise import note_removal
from resources.privacy.pseudonyms import PEOPLE_FILTER, PEOPLE_LIST, Mode, Privacy

FRESH_START = "start over with a fresh database (another DATABASE_URL) and a backfill"

# Erasure, retention and conversion take it exclusively.
LOADS_SHARE = Lock(PEOPLE_LOCK, "an erasure, or names being taken out", shared=True)


class PrivacyError(ConfigurationError):
    """The settings are not those that the warehouse was filled with; the message says what to do."""


@dataclass(frozen=True)
class _Recorded:
    mode: Mode
    fingerprint: str | None
    is_filled: bool
    has_suppressions: bool


def lock_exclusively(connection: psycopg.Connection) -> None:
    """Wait until no load is in flight, and let none begin before the transaction ends.

    Before anything is read: who waits, for a restore it may be, is to hold no table that the other one wants.
    """
    take_lock(connection, PEOPLE_LOCK, "the loads that are under way")


def lock_shared(connection: psycopg.Connection) -> None:
    """Wait for what takes people out, and for a restore, and let none begin before the transaction ends. As above, first."""
    take_lock(connection, LOADS_SHARE.number, LOADS_SHARE.what, shared=True)


def has_settings_of(connection: psycopg.Connection, privacy: Privacy) -> bool:
    """Whether the warehouse is filled with these settings."""
    return _is_settled(_recorded(connection), privacy)


def require_mode(connection: psycopg.Connection, privacy: Privacy) -> None:
    """Hold the settings against those that the warehouse was filled with. One without rows takes on the new ones.

    Raises `PrivacyError`.
    """
    if _is_settled(_recorded(connection), privacy):
        return
    lock_exclusively(connection)
    recorded = _recorded(connection)
    if _is_settled(recorded, privacy):
        return
    if told := _what_differs(recorded, privacy):
        raise PrivacyError(told)
    record(connection, privacy)


def what_differs(connection: psycopg.Connection, privacy: Privacy) -> str:
    """Why a run with these settings would be refused, and what to do; empty where it would not."""
    return _what_differs(_recorded(connection), privacy)


def _what_differs(recorded: _Recorded, privacy: Privacy) -> str:
    if recorded.fingerprint not in (None, privacy.fingerprint) and (recorded.is_filled or recorded.has_suppressions):
        return _other_key(privacy)
    if recorded.mode is not privacy.mode and recorded.is_filled:
        return _other_mode(recorded.mode, privacy.mode)
    return ""


def expect_convertible(connection: psycopg.Connection, privacy: Privacy) -> None:
    """Raises `PrivacyError` unless a full warehouse is to become a pseudonymous one, with no other key than it has."""
    recorded = _recorded(connection)
    if privacy.mode is not Mode.PSEUDONYMOUS:
        raise PrivacyError(f"PII_MODE={privacy.mode}: set PII_MODE=pseudonymous to turn everything into pseudonyms.")
    if recorded.mode is Mode.NONE:
        raise PrivacyError(_other_mode(recorded.mode, privacy.mode))
    if recorded.fingerprint not in (None, privacy.fingerprint):
        raise PrivacyError(_other_key(privacy))


def record(connection: psycopg.Connection, privacy: Privacy) -> None:
    """The settings are now those of the warehouse, and so are the pseudonyms of the people in it."""
    connection.execute(
        "UPDATE kaltura.privacy SET mode = %s, key_fingerprint = %s, changed_at = now()",
        [privacy.mode, privacy.fingerprint],
    )
    _forget_people_lists(connection)
    if not privacy.is_full:  # no id stands anywhere that somebody would have to be known by a pseudonym for
        connection.execute("DELETE FROM kaltura.people")
        note_removal(connection)
        listed_pseudonyms.forget_unlisted(connection)
    if not privacy.key:
        return
    known = connection.execute("SELECT partner_id, user_id FROM kaltura.people").fetchall()
    made = [privacy.of_account(partner_id).pseudonym(user_id) for partner_id, user_id in known]
    connection.execute(
        "UPDATE kaltura.people SET pseudonym = made.pseudonym"
        " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS made (partner_id, user_id, pseudonym)"
        " WHERE people.partner_id = made.partner_id AND people.user_id = made.user_id",
        [[partner_id for partner_id, _ in known], [user_id for _, user_id in known], made],
    )


def _forget_people_lists(connection: psycopg.Connection) -> None:
    """Lists of people are known by the key, see `People.kept_to`: with another one, loads of them are of an unknown list."""
    unknown = {PEOPLE_LIST: ""}
    connection.execute(
        "UPDATE kaltura.loads SET filters = filters || %s, is_whole = FALSE WHERE filters ? %s",
        [Jsonb(unknown), PEOPLE_FILTER],
    )
    known = connection.execute("SELECT partner_id, kept_to FROM kaltura.calendars WHERE kept_to IS NOT NULL").fetchall()
    for partner_id, kept_to in known:
        left = {report: each | unknown if PEOPLE_LIST in each else each for report, each in kept_to.items()}
        connection.execute("UPDATE kaltura.calendars SET kept_to = %s WHERE partner_id = %s", [Jsonb(left), partner_id])


def _recorded(connection: psycopg.Connection) -> _Recorded:
    row = connection.execute(
        "SELECT mode, key_fingerprint,"
        " EXISTS (SELECT FROM kaltura.loads) OR EXISTS (SELECT FROM kaltura.attendees)"
        " OR EXISTS (SELECT FROM kaltura.room_sessions) OR EXISTS (SELECT FROM kaltura.breakout_sessions)"
        " OR EXISTS (SELECT FROM kaltura.changes) OR EXISTS (SELECT FROM kaltura.rejects)"
        " OR EXISTS (SELECT FROM university.enrolments),"
        " EXISTS (SELECT FROM kaltura.suppressions) FROM kaltura.privacy"
    ).fetchone()
    if row is None:
        raise PrivacyError(
            "kaltura.privacy has no row. Restore it: INSERT INTO kaltura.privacy (mode) VALUES ('full')."
        )
    return _Recorded(Mode(row[0]), *row[1:])


def _is_settled(recorded: _Recorded, privacy: Privacy) -> bool:
    return recorded.mode is privacy.mode and recorded.fingerprint == privacy.fingerprint


def _other_key(privacy: Privacy) -> str:
    what = "is not the one that the warehouse was filled with" if privacy.key else "is missing"
    return (
        f"PII_KEY {what}: the same people would get other pseudonyms, and those who were erased would come back. "
        f"Set the old PII_KEY again or, where it is lost, {FRESH_START}."
    )


def _other_mode(recorded: Mode, wanted: Mode) -> str:
    steps = [f"set PII_MODE={recorded} again"]
    if (recorded, wanted) == (Mode.FULL, Mode.PSEUDONYMOUS):
        steps.append("turn what is there into pseudonyms: `python -m pipelines retention --all`")
    steps.append(FRESH_START)
    return f"PII_MODE={wanted}, but the warehouse was filled with PII_MODE={recorded}. Either {'; or '.join(steps)}."


def first_day_kept(connection: psycopg.Connection, privacy: Privacy) -> dt.date:
    """The first day, by UTC's calendar, whose names are still kept.

    By the database's clock: names that went because the clock of the machine that runs this was ahead are gone for good.
    """
    return first_day_in(ask_first_day_kept(connection, privacy))


def ask_first_day_kept(connection: psycopg.Connection, privacy: Privacy) -> psycopg.Cursor:
    """`first_day_kept` in two steps, of which a pipeline has others between: this one asks, `first_day_in` reads."""
    query = "SELECT (now() AT TIME ZONE 'UTC')::date - %s::integer"
    return connection.execute(query, [privacy.retention_days], binary=True)


def first_day_in(asked: psycopg.Cursor) -> dt.date:
    """The answer to `ask_first_day_kept`."""
    row = asked.fetchone()
    assert row is not None  # noqa: S101 (a SELECT of a value has one row)
    day: dt.date = row[0]
    return day
