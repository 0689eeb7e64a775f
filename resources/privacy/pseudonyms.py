"""What is kept of people: everything, pseudonyms, or pseudonyms that differ from one session to the next.

A pseudonym is an HMAC-SHA256 made with `PII_KEY`, here and never in SQL, where somebody who reads tables could reach
the key. The pseudonym of a person in one session is made from that of the person, so both can be had from either.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resources.privacy.identity import identity
from resources.privacy.settings import Mode as Mode
from resources.privacy.settings import Privacy as Privacy
from resources.table import UNKNOWN, Table

PEOPLE_FILTER = "user_ids"  # the one filter whose values are ids of people
PEOPLE_LIST = "people"  # beside them, by which the list is known when they are pseudonyms or erased
NOBODY = UNKNOWN  # how people that Kaltura can't name are written: these stay, for views count them apart
PSEUDONYM_PREFIX = "p_"
PSEUDONYM_DIGITS = 32
# For Postgres. Where SQL stands in a file of its own, a test holds it against this.
PSEUDONYM_PATTERN = f"^{PSEUDONYM_PREFIX}[0-9a-f]{{{PSEUDONYM_DIGITS}}}$"
ERASED = "(erased)"
EMAIL_HAS = "@"

_IS_WITHHELD = re.compile(r"withheld \([0-9]+ characters\)")

EXTRA, RAW = "extra", "raw"


@dataclass(frozen=True)
class People:
    """How the people of one account are stored."""

    privacy: Privacy
    partner_id: int

    def excluded(self, personal_columns: tuple[str, ...]) -> tuple[str, ...]:
        """The columns that Kaltura is told to leave out."""
        return () if self.privacy.is_full else personal_columns

    def pseudonym(self, user_id: str) -> str:
        """Of a person in the whole account; where there is no key, one drawn at random."""
        if not self.privacy.key:
            return PSEUDONYM_PREFIX + secrets.token_hex(PSEUDONYM_DIGITS // 2)
        return self._made("person", identity(user_id))

    def as_spelled(self, user_id: str) -> str:
        """The pseudonym of an id before every spelling of it had the same one; empty where that is what it has now.

        Rows and erasures of that time are known by it: what erases asks for it too.
        """
        if not self.privacy.key or is_pseudonym(user_id) or identity(user_id) == user_id:
            return ""
        return self._made("person", user_id)

    def pseudonyms(self, user_ids: Sequence[str]) -> list[str]:
        """Those of many ids: two spellings of one person's have the same."""
        if self.privacy.key:
            return [self.pseudonym(user_id) for user_id in user_ids]
        people = dict.fromkeys(map(identity, user_ids), "")
        drawn = secrets.token_hex(PSEUDONYM_DIGITS // 2 * len(people))
        for number, person in enumerate(people):
            people[person] = PSEUDONYM_PREFIX + drawn[number * PSEUDONYM_DIGITS : (number + 1) * PSEUDONYM_DIGITS]
        return [people[identity(user_id)] for user_id in user_ids]

    def in_session(self, pseudonym: str, session: Sequence[str]) -> str:
        """Of a person in one session: nobody can tell that two of them are the same person."""
        return self._made("session", *session, pseudonym)

    def suppression(self, pseudonym: str) -> str:
        """What an erased person is known by, and by nothing else."""
        return self.privacy._hmac("suppressed", str(self.partner_id), pseudonym)

    def suppressed_id(self, pseudonym: str) -> str:
        """The same of an id that was found to be an erased person's: nobody was erased by it."""
        return self.privacy._hmac("suppressed id", str(self.partner_id), pseudonym)

    def suppressed_email(self, pseudonym: str) -> str:
        """What an erased person's e-mail is known by where it stands as an id and is a pseudonym already."""
        return self.privacy._hmac("suppressed email", str(self.partner_id), pseudonym)

    def suppressed_trace(self, trace: str) -> str:
        """What an id, a name or an e-mail of an erased person is known by; see `identity.trace`."""
        return self.privacy._hmac("trace", str(self.partner_id), trace)

    def stored(self, frame: pd.DataFrame, table: Table) -> pd.DataFrame:
        """A typed frame of `table` as the mode allows it to be stored: ids as pseudonyms, no names, no `extra`."""
        if self.privacy.is_full:
            return one_spelling(frame, table)
        frame = self.pseudonymous(frame, table)
        if self.privacy.mode is Mode.NONE:
            for column in table.person_columns:
                known = frame[column].notna() & ~frame[column].isin(NOBODY)
                frame[column] = self.by_session(frame, table, column, known)
        return frame

    def pseudonymous(self, frame: pd.DataFrame, table: Table) -> pd.DataFrame:
        frame = without_names(frame, table)
        for column in table.person_columns:
            ids = frame[column]
            made = {each: self.pseudonym(each) for each in distinct(ids) if each not in NOBODY}
            frame[column] = replaced(ids, made)
        return frame

    def by_session(
        self,
        frame: pd.DataFrame,
        table: Table,
        column: str,
        which: pd.Series,
        hosts: Mapping[str, Mapping[tuple[str, str], str]] | None = None,
    ) -> pd.Series:
        """The column, with the pseudonyms in the rows of `which` made those of the row's session.

        `hosts`: of who hosts sessions, the one to take in each of them (`meetings.py`).
        """
        rows = frame.loc[which, [*table.session_key, column]].fillna("")
        made = [
            (hosts or {}).get(person, {}).get((room, cue)) or self.in_session(person, (room, cue))
            for room, cue, person in rows.itertuples(index=False, name=None)
        ]
        result = frame[column].copy()
        result.loc[which] = pd.Series(made, index=rows.index, dtype="str")
        return result

    def rejects(self, rejects: pd.DataFrame) -> pd.DataFrame:
        """A line that can't be used may hold anything."""
        return rejects if self.privacy.is_full else rejects.assign(**{RAW: rejects[RAW].map(withheld).astype("str")})

    def kept_to(self, filters: Mapping[str, Sequence[str]] | None) -> dict[str, list[str] | str] | None:
        """By which a pull's filters are known from others, whatever is recorded of the ids of people."""
        if not filters:
            return None
        known: dict[str, list[str] | str] = {name: sorted(set(ids)) for name, ids in filters.items()}
        if people := known.pop(PEOPLE_FILTER, None):
            known[PEOPLE_LIST] = self.privacy._hmac("list", str(self.partner_id), *sorted(set(map(identity, people))))
        return known

    def filters(self, asked_for: Mapping[str, Sequence[str]] | None) -> dict[str, list[str] | str] | None:
        """A pull's filters as they may be recorded."""
        known = self.kept_to(asked_for)
        if known is None or asked_for is None or PEOPLE_LIST not in known:
            return known
        return {**known, PEOPLE_FILTER: [self._recorded(each) for each in asked_for[PEOPLE_FILTER]]}

    def _recorded(self, user_id: str) -> str:
        if self.privacy.is_full:
            return user_id
        return self.pseudonym(user_id) if self.privacy.mode is Mode.PSEUDONYMOUS else ERASED

    def _made(self, *parts: str) -> str:
        return PSEUDONYM_PREFIX + self.privacy._hmac(str(self.partner_id), *parts)[:PSEUDONYM_DIGITS]


FULL = Privacy()
EVERYTHING = FULL.of_account(0)
"""For what keeps people as they are: no account matters."""


def without_names(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    nothing = pd.Series(pd.NA, index=frame.index, dtype="str")
    return frame.assign(**dict.fromkeys((*table.personal_columns, EXTRA), nothing))


def one_spelling(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """Somebody who is in one session under several spellings of the id is there under one, so that the rows merge."""
    for column in table.keyed_by_person:
        people = {each: identity(each) for each in distinct(frame[column]) if each not in NOBODY}
        if len(set(people.values())) == len(people):
            continue
        counts = pd.Series(people).value_counts()
        several = frame[column].map(people).isin(counts.index[counts > 1])
        rows = frame.loc[several, [*table.session_key, column]]
        by = [rows[name] for name in table.session_key]
        greatest = rows[column].groupby([*by, rows[column].map(people)], dropna=False).transform("max")
        frame = frame.assign(**{column: frame[column].mask(several, greatest.reindex(frame.index)).astype("str")})
    return frame


def distinct(ids: pd.Series) -> list[str]:
    """The ids that there are, each once. Arrow's own way to a list takes ten times as long as numpy's."""
    found: list[str] = pc.unique(pa.array(ids).drop_null()).to_numpy(zero_copy_only=False).tolist()
    return found


def replaced(ids: pd.Series, made: Mapping[str, str]) -> pd.Series:
    """The ids, with those that `made` knows replaced."""
    return ids.map(lambda each: made.get(each, each), na_action="ignore").astype("str")


def is_pseudonym(value: str) -> bool:
    digits = value.removeprefix(PSEUDONYM_PREFIX)
    return digits != value and len(digits) == PSEUDONYM_DIGITS and set(digits) <= set("0123456789abcdef")


def pseudonym_of(people: People, known_by: str) -> str:
    """Of an id, or of what is one already: on days past retention the rows have it in the place of the id."""
    return known_by if is_pseudonym(known_by) else people.pseudonym(known_by)


def withheld(raw: str) -> str:
    """What stands in the place of a line as it came."""
    return raw if _IS_WITHHELD.fullmatch(raw) else f"withheld ({len(raw)} characters)"
