"""What a day's load does for the people in it: everybody gets a pseudonym, and whoever was erased comes in as nobody."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql

from resources.arrivals import Arrivals
from resources.postgres import copy as copying
from resources.privacy import listed_pseudonyms
from resources.privacy.ids import known_pseudonyms
from resources.privacy.listed_pseudonyms import USER_EMAIL
from resources.privacy.meetings import Key, arriving_hosts
from resources.privacy.people import ask_first_day_kept, first_day_in, require_mode
from resources.privacy.pseudonymise import pseudonymise
from resources.privacy.pseudonyms import (
    EMAIL_HAS,
    ERASED,
    EXTRA,
    NOBODY,
    PEOPLE_FILTER,
    RAW,
    Mode,
    People,
    Privacy,
    distinct,
    pseudonym_of,
    replaced,
    withheld,
)
from resources.privacy.registry import PersonRegistry
from resources.privacy.suppressions import Suppressions
from resources.table import Kind, Table

_KINDS = {"partner_id": Kind.NUMBER, "user_id": Kind.TEXT, "pseudonym": Kind.TEXT}
_COPY = sql.SQL("COPY kaltura.people (partner_id, user_id, pseudonym) FROM STDIN (FORMAT binary)").format()
_NO_IDS = (None, *NOBODY)


class DayPrivacy:
    """What a day's load does for the people in it, inside the day's transaction."""

    def __init__(self, privacy: Privacy, partner_id: int, day: dt.date) -> None:
        self.added: set[str] = set()
        self.people = People(privacy, partner_id)
        self.privacy = privacy
        self.partner_id = partner_id
        self.day = day
        self.removals = 0
        self.has_taken_names = False  # out of rows that were there

    def ask(self, connection: psycopg.Connection) -> None:
        """What is settled, and who was erased: under `LOADS_SHARE`. In a pipeline."""
        self.connection = connection
        self._settled = connection.execute("SELECT mode, key_fingerprint, removals FROM kaltura.privacy")
        self.suppressions = Suppressions(connection, self.people)
        self._first_day_kept = ask_first_day_kept(connection, self.privacy)

    def require_settled(self) -> None:
        """Raises `PrivacyError` where the warehouse is filled with other settings."""
        row = self._settled.fetchone()
        if row is None or row[:2] != (self.privacy.mode, self.privacy.fingerprint):
            require_mode(self.connection, self.privacy)  # raises, or takes the settings on where there are no rows yet
        self.removals = row[2] if row else 0

    @cached_property
    def is_past_retention(self) -> bool:
        return bool(self.privacy.retention_days) and self.day < first_day_in(self._first_day_kept)

    def arrivals(self, arrived: Sequence[Arrivals], registry: PersonRegistry) -> list[Arrivals]:
        """What arrived as it may be stored, with everybody in it known by a pseudonym."""
        arrived = [replace(each, rejects=self.people.rejects(each.rejects)) for each in arrived]
        if self.privacy.is_full and self.is_past_retention:
            self._erased_by_email(arrived, registry)  # while the e-mails are there
            self._being_an_erased_email(_ids(arrived), [each.table for each in arrived])
            tables = [each.table for each in arrived]
            days = self.day, self.day + dt.timedelta(days=1)
            listed_pseudonyms.tie_days(self.connection, self.privacy, self.partner_id, *days)
            listed_pseudonyms.tie_arrivals(self.connection, self.people, self._beside_emails(arrived))
            counts = pseudonymise(self.connection, self.privacy, tables, self.partner_id, *days)
            self.has_taken_names = any(counts.values())
            arrived = [self._aged(each) for each in arrived]
        elif self.privacy.is_full:
            return self._known(arrived, registry)
        if self.privacy.mode is Mode.NONE:
            return [replace(each, unread=_without_sessions(each)) for each in arrived]
        if not self.suppressions:
            return arrived
        if self.privacy.mode is Mode.PSEUDONYMOUS:
            self._being_an_erased_email(_ids(arrived), [each.table for each in arrived])
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
        theirs = self._being_an_erased_email(new, [each.table for each in arrived])
        erased = self.suppressions.erased(pseudonyms) | by_email | theirs
        added = {user_id: made for user_id, made in pseudonyms.items() if user_id not in erased}
        if added:
            self.added = set(added)
            rows = pa.table({"user_id": list(added), "pseudonym": list(added.values())})
            copying.rows_in(self.connection, _COPY, rows, _KINDS, {"partner_id": self.partner_id})
        if not self.suppressions:
            return list(arrived)
        refused = {user_id: self.people.pseudonym(user_id) for user_id in _unread_ids(arrived) - there}
        return self._without(arrived, erased | self.suppressions.erased(refused))

    def _being_an_erased_email(self, ids: Iterable[str], tables: Sequence[Table]) -> dict[str, str]:
        """Ids (or pseudonyms) that are the e-mail of somebody who was erased: theirs, where nobody had them before."""
        made = {each: pseudonym_of(self.people, each) for each in ids} if self.suppressions else {}
        found = self.suppressions.being_emails(made)
        found -= self.suppressions.erased({each: made[each] for each in found}).keys()
        if not found:
            return {}
        there = known_pseudonyms(self.connection, self.partner_id, tables, [made[each] for each in found])
        new = {each: made[each] for each in found if made[each] not in there}
        for each, pseudonym in new.items():
            self.suppressions.include(pseudonym, [each])
        self.suppressions.save()
        return new

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
                erased = self.suppressions.erased_by(emails)
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
