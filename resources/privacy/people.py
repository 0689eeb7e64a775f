"""People in the database: in which mode it is filled, who is known by which pseudonym, who has been erased.

Loads take the people lock shared; erasure, retention and conversion take it exclusively, so that none of them meets a
load in flight.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.types.json import Jsonb

from resources.arrivals import Arrivals
from resources.errors import ConfigurationError
from resources.postgres import copy as copying
from resources.postgres.locks import PEOPLE_LOCK, Lock, take_lock
from resources.privacy import listed_pseudonyms
from resources.privacy.listed_pseudonyms import USER_EMAIL
from resources.privacy.meetings import Key, arriving_hosts
from resources.privacy.pseudonymise import pseudonymise
from resources.privacy.pseudonyms import (
    EMAIL_HAS,
    ERASED,
    EXTRA,
    NOBODY,
    PEOPLE_FILTER,
    PEOPLE_LIST,
    RAW,
    Mode,
    People,
    Privacy,
    distinct,
    replaced,
    withheld,
)
from resources.privacy.registry import PersonRegistry
from resources.privacy.suppressions import Suppressions
from resources.table import Kind

FRESH_START = "start over with a fresh database (another DATABASE_URL) and a backfill"


_KINDS = {"partner_id": Kind.NUMBER, "user_id": Kind.TEXT, "pseudonym": Kind.TEXT}
_COPY = sql.SQL("COPY kaltura.people (partner_id, user_id, pseudonym) FROM STDIN (FORMAT binary)").format()
_NO_IDS = (None, *NOBODY)

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
    take_lock(connection, PEOPLE_LOCK, "an erasure, or names being taken out", shared=True)


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
        connection.execute("UPDATE kaltura.privacy SET removals = removals + 1")
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


class DayPrivacy:
    """What a day's load does for the people in it, inside the day's transaction."""

    def __init__(self, privacy: Privacy, partner_id: int, day: dt.date) -> None:
        self.added: set[str] = set()
        self.people = People(privacy, partner_id)
        self.privacy = privacy
        self.partner_id = partner_id
        self.day = day
        self.removals = 0

    def ask(self, connection: psycopg.Connection) -> None:
        """What is settled, and who was erased: under `LOADS_SHARE`. In a pipeline."""
        self.connection = connection
        self._settled = connection.execute("SELECT mode, key_fingerprint, removals FROM kaltura.privacy")
        self.suppressions = Suppressions(connection, self.people)
        self._first_day_kept = _ask_first_day_kept(connection, self.privacy)

    def require_settled(self) -> None:
        """Raises `PrivacyError` where the warehouse is filled with other settings."""
        row = self._settled.fetchone()
        if row is None or row[:2] != (self.privacy.mode, self.privacy.fingerprint):
            require_mode(self.connection, self.privacy)  # raises, or takes the settings on where there are no rows yet
        self.removals = row[2] if row else 0

    @cached_property
    def is_past_retention(self) -> bool:
        return bool(self.privacy.retention_days) and self.day < _first_day_in(self._first_day_kept)

    def arrivals(self, arrived: Sequence[Arrivals], registry: PersonRegistry) -> list[Arrivals]:
        """What arrived as it may be stored, with everybody in it known by a pseudonym."""
        arrived = [replace(each, rejects=self.people.rejects(each.rejects)) for each in arrived]
        if self.privacy.is_full and self.is_past_retention:
            self._erased_by_email(arrived, registry)  # while the e-mails are there
            tables = [each.table for each in arrived]
            days = self.day, self.day + dt.timedelta(days=1)
            listed_pseudonyms.tie_days(self.connection, self.privacy, self.partner_id, *days)
            listed_pseudonyms.tie_arrivals(self.connection, self.people, self._beside_emails(arrived))
            pseudonymise(self.connection, self.privacy, tables, self.partner_id, *days)
            arrived = [self._aged(each) for each in arrived]
        elif self.privacy.is_full:
            return self._known(arrived, registry)
        if self.privacy.mode is Mode.NONE:
            return [replace(each, unread=_without_sessions(each)) for each in arrived]
        if not self.suppressions:
            return arrived
        there = _ids(arrived) | _unread_ids(arrived)
        return self._without(arrived, self.suppressions.erased({person: person for person in there}))

    def filters(self, asked_for: Mapping[str, Sequence[str]] | None) -> Mapping[str, Sequence[str] | str] | None:
        """A pull's filters as they are recorded: not even there does an erased person stand."""
        filters = self.people.filters(asked_for)
        asked = (filters or {}).get(PEOPLE_FILTER)
        if not filters or not asked or not (self.suppressions or self.is_past_retention):
            return filters
        pseudonyms = {each: self.people.pseudonym(each) if self.privacy.is_full else each for each in asked}
        erased = self.suppressions.erased(pseudonyms)
        kept = pseudonyms if self.is_past_retention else {each: each for each in asked}
        return {**filters, PEOPLE_FILTER: [ERASED if each in erased else kept[each] for each in asked]}

    def _known(self, arrived: Sequence[Arrivals], registry: PersonRegistry) -> list[Arrivals]:
        """Whom the registry knows has not been erased: only those who are new have to be looked at."""
        there = _ids(arrived)
        by_email = self._erased_by_email(arrived, registry)
        new = registry.unknown(self.connection, self.partner_id, self.removals, there, self.suppressions)
        pseudonyms = dict(zip(new, self.people.pseudonyms(new), strict=True))
        erased = self.suppressions.erased(pseudonyms) | by_email | self._being_an_erased_email(pseudonyms)
        added = {user_id: made for user_id, made in pseudonyms.items() if user_id not in erased}
        if added:
            self.added = set(added)
            rows = pa.table({"user_id": list(added), "pseudonym": list(added.values())})
            copying.rows_in(self.connection, _COPY, rows, _KINDS, {"partner_id": self.partner_id})
        if not self.suppressions:
            return list(arrived)
        refused = {user_id: self.people.pseudonym(user_id) for user_id in _unread_ids(arrived) - there}
        return self._without(arrived, erased | self.suppressions.erased(refused))

    def _being_an_erased_email(self, new: Mapping[str, str]) -> dict[str, str]:
        """New ids that are the e-mail of somebody who was erased, with their pseudonyms: theirs, from now on."""
        found = self.suppressions.being(each for each in new if EMAIL_HAS in each) if self.suppressions else set()
        for each in found:
            self.suppressions.include(new[each], [each])
        if found:
            self.suppressions.save()
        return {each: new[each] for each in found}

    def _beside_emails(self, arrived: Sequence[Arrivals]) -> set[tuple[str, str]]:
        """Ids, and the e-mails that they come with, of people who have not been erased."""
        found: set[tuple[str, str]] = set()
        for each in arrived:
            for column in each.table.keyed_by_person if USER_EMAIL in each.table.column_names else ():
                rows = each.frame.loc[~each.frame[column].isin(_NO_IDS), [column, USER_EMAIL]]
                found.update(rows.dropna().drop_duplicates().itertuples(index=False, name=None))
        erased = self.suppressions.erased({user_id: self.people.pseudonym(user_id) for user_id, _ in found})
        return {(user_id, email) for user_id, email in found if user_id not in erased}

    def _erased_by_email(self, arrived: Sequence[Arrivals], registry: PersonRegistry) -> dict[str, str]:
        """Those who were erased by the e-mail that they come with, under whatever id: from now on they are by the id, too."""
        found: dict[str, str] = {}
        asked: set[str] = set()
        for each in arrived if self.suppressions else ():
            for column, name in product(each.table.keyed_by_person, each.table.personal_columns):
                has_email = each.frame[name].str.contains(EMAIL_HAS, regex=False, na=False)
                rows = each.frame.loc[has_email & ~each.frame[column].isin(_NO_IDS), [column, name]]
                emails = registry.unasked(self.partner_id, self.removals, set(distinct(rows[name])))
                erased = self.suppressions.erased({email: self.people.pseudonym(email) for email in emails})
                asked |= emails.difference(erased)
                theirs = distinct(rows.loc[rows[name].isin(list(erased)), column])
                found.update((user_id, self.people.pseudonym(user_id)) for user_id in theirs)
        for user_id, pseudonym in found.items():
            self.suppressions.include(pseudonym, [user_id])
        if found:
            self.suppressions.save()
        registry.forget(self.partner_id, self.removals, set(found), asked)
        return found

    def _aged(self, each: Arrivals) -> Arrivals:
        """A day whose names are not kept any more."""
        rejects = each.rejects.assign(**{RAW: each.rejects[RAW].map(withheld).astype("str")})
        unread = each.unread if each.unread.empty else self.people.pseudonymous(each.unread, each.table)
        return replace(each, frame=self.people.pseudonymous(each.frame, each.table), rejects=rejects, unread=unread)

    def _without(self, arrived: Sequence[Arrivals], erased: Mapping[str, str]) -> list[Arrivals]:
        """The rows of those who were erased as the erasure left them, and nobody else's rows that name them."""
        self._learn(arrived, erased)
        hosts = arriving_hosts(self.connection, self.people, self.day, arrived, erased) if erased else {}
        return [self._without_in(each, erased, hosts) for each in arrived]

    def _learn(self, arrived: Sequence[Arrivals], erased: Mapping[str, str]) -> None:
        """An erased person who comes under another name, or another spelling of the id, is known by it from now on."""
        for each in arrived:
            for column in each.table.keyed_by_person:
                rows = each.frame.loc[each.frame[column].isin(list(erased)), [column, *each.table.personal_columns]]
                values = {value for name in rows for value in rows[name].dropna().unique()}
                if new := values - self.suppressions.being(values):
                    self.suppressions.include(None, new)
                    self.suppressions.save()

    def _without_in(
        self, each: Arrivals, erased: Mapping[str, str], hosts: Mapping[str, Mapping[Key, str]]
    ) -> Arrivals:
        frame, table = each.frame, each.table
        for column in table.person_columns:
            theirs = frame[column].isin(list(erased))
            if not theirs.any():
                continue
            frame = frame.assign(**{column: replaced(frame[column], erased)})
            frame[column] = self.people.by_session(frame, table, column, theirs, hosts)
            gone = [EXTRA, *(table.personal_columns if column in table.keyed_by_person else ())]
            frame.loc[theirs, gone] = None
        for column in (EXTRA, *table.loose_personal_columns):
            values = frame[column].dropna().unique()
            named = self.suppressions.naming(values) if column == EXTRA else self.suppressions.being(values)
            if named:
                frame = frame.assign(**{column: frame[column].mask(frame[column].isin(list(named)))})
        return replace(each, frame=frame, rejects=self._rejects(each), unread=_without_ids(each, erased))

    def _rejects(self, each: Arrivals) -> pd.DataFrame:
        raws: list[str] = each.rejects[RAW].tolist()
        if not raws or not self.privacy.is_full:
            return each.rejects
        shown = self.suppressions.kept_lines(raws, each.table)
        return each.rejects.assign(**{RAW: pd.Series(shown, index=each.rejects.index, dtype="str")})


def _without_ids(each: Arrivals, erased: Mapping[str, str]) -> pd.DataFrame:
    """Keys that could not be used: that of somebody who was erased may be any of its session."""
    unread = each.unread
    for column in {*each.table.person_columns} & {*unread.columns}:
        unread = unread.assign(**{column: unread[column].mask(unread[column].isin(list(erased)))})
    return unread


def _without_sessions(each: Arrivals) -> pd.DataFrame:
    """Keys that could not be used: where a pseudonym is one session's, that of a session that is not known is nobody's."""
    is_unknown = each.unread[list(each.table.session_key)].isna().any(axis=1)
    return each.unread.assign(**{name: each.unread[name].mask(is_unknown) for name in each.table.keyed_by_person})


def _ids(arrived: Iterable[Arrivals]) -> set[str]:
    return _ids_in(each.frame[name] for each in arrived for name in each.table.person_columns)


def _unread_ids(arrived: Iterable[Arrivals]) -> set[str]:
    """Of people in rows that can't be used: an erasure holds for these, too."""
    return _ids_in(each.unread[name] for each in arrived for name in each.table.keyed_by_person)


def _ids_in(columns: Iterable[pd.Series]) -> set[str]:
    return {user_id for column in columns for user_id in distinct(column) if user_id not in _NO_IDS}


def first_day_kept(connection: psycopg.Connection, privacy: Privacy) -> dt.date:
    """The first day, by UTC's calendar, whose names are still kept.

    By the database's clock: names that went because the clock of the machine that runs this was ahead are gone for good.
    """
    return _first_day_in(_ask_first_day_kept(connection, privacy))


def _ask_first_day_kept(connection: psycopg.Connection, privacy: Privacy) -> psycopg.Cursor:
    query = "SELECT (now() AT TIME ZONE 'UTC')::date - %s::integer"
    return connection.execute(query, [privacy.retention_days], binary=True)


def _first_day_in(asked: psycopg.Cursor) -> dt.date:
    row = asked.fetchone()
    assert row is not None  # noqa: S101 (a SELECT of a value has one row)
    day: dt.date = row[0]
    return day
