"""Who has been erased, as HMACs: what later loads and restored backups are held against.

An erased person leaves one row made of their pseudonym, and one for each id, name and e-mail that the warehouse knew them
by: report 6002 tells people by name, and a line that can't be used may hold anything.

An e-mail by which somebody was erased takes out whoever comes with it. One that is merely the id of an erased person does
not: others may have it beside an id of their own. So the two leave different rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import psycopg

from resources.privacy.identity import trace, traces
from resources.privacy.pseudonyms import EMAIL_HAS, NOBODY, People, is_pseudonym, withheld
from resources.table import Table

PERSON, TRACE = "person", "trace"
MOST_HASHES = 100_000  # remembered: some 20 MB. An erasure reads every value of an account


class Suppressions:
    """The erased people of one account, in the connection's transaction."""

    def __init__(self, connection: psycopg.Connection, people: People) -> None:
        """Asks who they are. In a pipeline, where the answer may come later."""
        self.connection = connection
        self.people = people
        query = "SELECT person, kind, to_sweep FROM kaltura.suppressions WHERE partner_id = %s"
        self._recorded = connection.execute(query, [people.partner_id])
        self._hashes: dict[str, str] = {}
        self._to_sweep: set[str] = set()
        self._new: dict[str, str] = {}

    @cached_property
    def _kinds(self) -> dict[str, str]:
        kinds = {}
        for person, kind, to_sweep in self._recorded:
            kinds[str(person)] = str(kind)
            if to_sweep:
                self._to_sweep.add(str(person))
        return kinds

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def erased(self, pseudonyms: Mapping[str, str]) -> dict[str, str]:
        """Of ids (or pseudonyms) with their pseudonyms: those of people who have been erased, by which they were."""
        found = {}
        for each, pseudonym in pseudonyms.items() if self else ():
            before = self.people.as_spelled(each)
            if self._rows_of(pseudonym) & self._kinds.keys():
                found[each] = pseudonym
            elif before and self._rows_of(before) & self._kinds.keys():
                found[each] = before
                self.include(pseudonym, ())  # in other spellings, too
        return found

    def erased_by(self, emails: Iterable[str]) -> set[str]:
        """Those of the e-mails by which somebody was erased: whoever comes with one of them is that person."""
        known = self._kinds if self else {}
        return {
            email
            for email in emails
            if any(
                made and self.people.suppression(made) in known
                for made in (self.people.pseudonym(email), self.people.as_spelled(email))
            )
        }

    def unswept(self, pseudonyms: Mapping[str, str]) -> dict[str, str]:
        """Of ids (or pseudonyms) with their pseudonyms: those that loads have found to be an erased person's.

        Days from before that have them still, until a sweep has taken them out.
        """
        erased = self.erased(pseudonyms)
        return {
            each: made for each, made in erased.items() if self._rows_of(made) & (self._to_sweep | self._new.keys())
        }

    def being_emails(self, pseudonyms: Mapping[str, str]) -> set[str]:
        """Of ids (or pseudonyms) with their pseudonyms: those that are an erased person's e-mail."""
        if not self:
            return set()
        emails = self.being(each for each in pseudonyms if EMAIL_HAS in each)
        return emails | {
            each
            for each, made in pseudonyms.items()
            if is_pseudonym(each) and self.people.suppressed_email(made) in self._kinds
        }

    def naming(self, texts: Iterable[str]) -> set[str]:
        """Those of the texts in which an erased person's id, name or e-mail stands."""
        return {text for text in texts if any(self._is_known(each) for each in traces(text))}

    def kept_lines(self, raws: Sequence[str], table: Table) -> list[str]:
        """Lines of a report that could not be used, as they are kept while anybody is suppressed.

        Only where a line is whole and no erased person stands in it, as it is: a piece may be a part of a name.
        """
        named = self.naming(raws)
        return [raw if is_whole(raw, table) and raw not in named else withheld(raw) for raw in raws]

    def being(self, values: Iterable[str]) -> set[str]:
        """Those of the values that are an erased person's id, name or e-mail, and nothing more."""
        return {value for value in values if self._is_known(trace(value))}

    def include(self, pseudonym: str | None, known_as: Iterable[str]) -> None:
        """Count a person among the erased, by these ids, names and e-mails; for good once `save` is called."""
        if pseudonym and self.people.suppression(pseudonym) not in self._kinds:
            self._add(self.people.suppressed_id(pseudonym), PERSON)
        for each in known_as:
            if each in NOBODY or not trace(each) or is_pseudonym(each):
                continue
            self._add(self._hash(trace(each)), TRACE)
            if EMAIL_HAS in each:
                self._add(self.people.suppressed_email(self.people.pseudonym(each)), TRACE)

    def include_by(self, pseudonym: str) -> None:
        """Count a person among the erased by what was asked for: where that is an e-mail, whoever comes with it, too."""
        self._add(self.people.suppression(pseudonym), PERSON)

    def save(self, *, are_swept: bool = False) -> None:
        """Records who was included. Unless `are_swept`, days from before may still have the people."""
        new = sorted(
            self._new.items()
        )  # one order for all: two loads that find the same people do not block each other
        self.connection.execute(
            "INSERT INTO kaltura.suppressions (partner_id, person, kind, to_sweep)"
            " SELECT %s, made.person, made.kind, made.kind = %s AND %s"
            " FROM unnest(%s::text[], %s::text[]) AS made (person, kind) ON CONFLICT DO NOTHING",
            [
                self.people.partner_id,
                PERSON,
                not are_swept,
                [person for person, _ in new],
                [kind for _, kind in new],
            ],
        )

    def note_swept(self) -> None:
        """No day of the account has anybody who is suppressed."""
        self.connection.execute(
            "UPDATE kaltura.suppressions SET to_sweep = FALSE WHERE partner_id = %s AND to_sweep",
            [self.people.partner_id],
        )

    def _add(self, person: str, kind: str) -> None:
        if person not in self._kinds:
            self._kinds[person] = self._new[person] = kind

    def _rows_of(self, pseudonym: str) -> set[str]:
        return {self.people.suppression(pseudonym), self.people.suppressed_id(pseudonym)}

    def _is_known(self, text: str) -> bool:
        return self._hash(text) in self._kinds

    def _hash(self, text: str) -> str:
        if text not in self._hashes:
            if len(self._hashes) >= MOST_HASHES:
                self._hashes.clear()
            self._hashes[text] = self.people.suppressed_trace(text)
        return self._hashes[text]


def has_unswept(connection: psycopg.Connection, partner_id: int) -> bool:
    """Whether loads have found erased people whom days from before may still have."""
    query = "SELECT EXISTS (SELECT FROM kaltura.suppressions WHERE partner_id = %s AND to_sweep)"
    return connection.execute(query, [partner_id]).fetchone() == (True,)


def is_whole(raw: str, table: Table) -> bool:
    """Whether a line has as many fields as a row, or more."""
    return len(raw.splitlines()) == 1 and raw.count(",") + 1 >= len(table.columns)
