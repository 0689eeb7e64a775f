"""Who has been erased, as HMACs: what later loads and restored backups are held against.

An erased person leaves one row made of their pseudonym, and one for each id, name and e-mail that the warehouse knew them
by: report 6002 tells people by name, and a line that can't be used may hold anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import psycopg

from resources.privacy.identity import trace, traces
from resources.privacy.pseudonyms import NOBODY, People, is_pseudonym, withheld
from resources.table import Table

PERSON, TRACE = "person", "trace"


class Suppressions:
    """The erased people of one account, in the connection's transaction."""

    def __init__(self, connection: psycopg.Connection, people: People) -> None:
        """Asks who they are. In a pipeline, where the answer may come later."""
        self.connection = connection
        self.people = people
        query = "SELECT person, kind FROM kaltura.suppressions WHERE partner_id = %s"
        self._recorded = connection.execute(query, [people.partner_id])
        self._hashes: dict[str, str] = {}

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {str(person): str(kind) for person, kind in self._recorded}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def erased(self, pseudonyms: Mapping[str, str]) -> dict[str, str]:
        """Of ids (or pseudonyms) with their pseudonyms: those of people who have been erased, by which they were."""
        found = {}
        for each, pseudonym in pseudonyms.items() if self else ():
            before = self.people.as_spelled(each)
            if self.people.suppression(pseudonym) in self._kinds:
                found[each] = pseudonym
            elif before and self.people.suppression(before) in self._kinds:
                found[each] = before
                self.include(pseudonym, ())  # in other spellings, too
        return found

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
        if pseudonym:
            self._kinds[self.people.suppression(pseudonym)] = PERSON
        self._kinds.update(
            (self._hash(trace(each)), TRACE)
            for each in known_as
            if each not in NOBODY and trace(each) and not is_pseudonym(each)
        )

    def save(self) -> None:
        self.connection.execute(
            "INSERT INTO kaltura.suppressions (partner_id, person, kind)"
            " SELECT %s, * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING",
            [self.people.partner_id, list(self._kinds), list(self._kinds.values())],
        )

    def _is_known(self, text: str) -> bool:
        return self._hash(text) in self._kinds

    def _hash(self, text: str) -> str:
        if text not in self._hashes:
            self._hashes[text] = self.people.suppressed_trace(text)
        return self._hashes[text]


def is_whole(raw: str, table: Table) -> bool:
    """Whether a line has as many fields as a row, or more."""
    return len(raw.splitlines()) == 1 and raw.count(",") + 1 >= len(table.columns)
