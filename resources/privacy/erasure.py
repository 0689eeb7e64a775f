"""Takes one person out of the tables for good, and again out of a backup that is restored later.

The person is known by the id in any spelling (`identity.py`), by the pseudonym, and by the names and e-mails that the
tables have beside the id. Rows and figures stay, under another pseudonym in each session; of a host in each meeting, see
`meetings.py`. The caller's transaction, and the people lock of `people.py`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from resources.privacy import roster
from resources.privacy.identity import identity
from resources.privacy.ids import beside_emails, everybody, others_with, whose_email
from resources.privacy.meetings import Key, hosted_as
from resources.privacy.pseudonymise import Counts, note_removal, refiltered, target_of
from resources.privacy.pseudonyms import ERASED, EXTRA, NOBODY, PEOPLE_FILTER, People, is_pseudonym, pseudonym_of
from resources.privacy.suppressions import Suppressions
from resources.privacy.sweep import Sweep, forget_content, rewrite_change
from resources.table import Table


def erase(connection: psycopg.Connection, people: People, tables: Sequence[Table], user_id: str) -> Counts | None:
    """Make one person nobody, in whatever spelling the id is given, and let no load bring the person back.

    None where nothing in the database is theirs, and nothing was written.
    """
    suppressions = Suppressions(connection, people)
    theirs = whose_email(connection, people, tables, user_id)
    # Where the e-mail is an id, and others have it beside their own, by the e-mail nobody is erased.
    if theirs or not others_with(connection, people, tables, user_id):
        suppressions.include_by(pseudonym_of(people, user_id))
    counts = _erased(connection, people, tables, (*theirs, user_id), suppressions)
    if not any(counts.values()):
        return None
    counts["rejects"] += Sweep(connection, people, tables, suppressions).withhold_pieces()
    suppressions.save(are_swept=True)
    note_removal(connection)
    return counts


def erase_again(connection: psycopg.Connection, people: People, tables: Sequence[Table]) -> int:
    """Take everybody who is suppressed out of what a backup has brought back; how many people that were."""
    suppressions = Suppressions(connection, people)
    there = everybody(connection, people.partner_id, tables)
    emails = beside_emails(connection, people.partner_id, tables)
    by_email = {each for email in suppressions.erased_by(emails) for each in emails[email]}
    erased = suppressions.erased({each: pseudonym_of(people, each) for each in there})
    erased |= {each: pseudonym_of(people, each) for each in by_email}
    return _erased_again(connection, people, tables, erased, there, suppressions)


def erase_who_came(connection: psycopg.Connection, people: People, tables: Sequence[Table]) -> int:
    """Take people whom loads have found to be erased ones, under ids not known as theirs, out of days from before.

    How many people that were.
    """
    suppressions = Suppressions(connection, people)
    there = everybody(connection, people.partner_id, tables)
    came = suppressions.unswept({each: pseudonym_of(people, each) for each in there})
    return _erased_again(connection, people, tables, came, there, suppressions)


def _erased_again(
    connection: psycopg.Connection,
    people: People,
    tables: Sequence[Table],
    erased: Mapping[str, str],
    there: Iterable[str],
    suppressions: Suppressions,
) -> int:
    """Ids with their pseudonyms, all of whom are suppressed, and `there` everybody who is."""
    spelled = {made: each for each, made in sorted(erased.items(), key=_pseudonyms_first)}
    for pseudonym, each in spelled.items():
        _Erasure(connection, people, tables, pseudonym, each, there, suppressions).run()
    sweep = Sweep(connection, people, tables, suppressions)
    sweep.run()
    sweep.withhold_pieces()
    suppressions.save(are_swept=True)
    suppressions.note_swept()
    note_removal(connection)
    return len(spelled)


def _erased(
    connection: psycopg.Connection,
    people: People,
    tables: Sequence[Table],
    ids: Iterable[str],
    suppressions: Suppressions,
) -> Counts:
    counts: Counts = {}
    for each in ids:
        if each in NOBODY:  # these are the rows of all whom Kaltura can't name
            continue
        erasure = _Erasure(connection, people, tables, pseudonym_of(people, each), each, suppressions=suppressions)
        for name, count in erasure.run().items():
            counts[name] = counts.get(name, 0) + count
    return counts


def _pseudonyms_first(item: tuple[str, str]) -> bool:
    return not is_pseudonym(item[0])


def erased_at(connection: psycopg.Connection, people: People, user_id: str) -> dt.datetime | None:
    """When the person was erased, if they were."""
    known_as = [*filter(None, (people.pseudonym(user_id), people.as_spelled(user_id)))]
    row = connection.execute(
        "SELECT erased_at FROM kaltura.suppressions WHERE partner_id = %s AND person = ANY(%s)",
        [people.partner_id, [made(each) for each in known_as for made in (people.suppression, people.suppressed_id)]],
    ).fetchone()
    return row[0] if row else None


class _Erasure:
    """One person. `spelled` is one spelling of the id, or the pseudonym where no id is known."""

    def __init__(
        self,
        connection: psycopg.Connection,
        people: People,
        tables: Sequence[Table],
        pseudonym: str,
        spelled: str,
        there: Iterable[str] = (),
        suppressions: Suppressions | None = None,
    ) -> None:
        self.connection = connection
        self.people = people
        self.tables = tables
        self.pseudonym = pseudonym
        there = there or everybody(connection, people.partner_id, tables)
        spellings = {each for each in there if identity(each) == identity(spelled)} | {spelled}
        self.known_as = [*spellings | {pseudonym} | {*filter(None, map(people.as_spelled, spellings))}]
        self.suppressions = Suppressions(connection, people) if suppressions is None else suppressions
        self.hosted: dict[Key, str] = {}
        self.names: set[str] = set()
        self.days: set[dt.date] = set()

    def run(self) -> Counts:
        counts: Counts = {}
        self.hosted = hosted_as(self.connection, self.people, self.pseudonym, self.known_as)
        for table in self.tables:
            for column in table.person_columns:
                counts[f"{table.name}.{column}"] = self._rows(table, column)
        counts["changes"] = sum(self._changes(table) for table in self.tables)
        self.names.update(roster.emails_of(self.connection, self.people.partner_id, self.known_as))
        for table in self.tables:
            self.names.update(self._names_in_rejects(table))
        self.suppressions.include(self.pseudonym, {*self.known_as, *self.names} - {self.pseudonym})
        sweep = Sweep(self.connection, self.people, self.tables, self.suppressions, self._shared_names())
        for name, count in sweep.run().items():
            counts[name] = counts.get(name, 0) + count
        counts["loads.filters"] = self._filters()
        counts["people"] = self.connection.execute(
            "DELETE FROM kaltura.people WHERE partner_id = %s AND user_id = ANY(%s)",
            [self.people.partner_id, self.known_as],
        ).rowcount
        forget_content(self.connection, self.people.partner_id, self.days | sweep.days)
        return counts

    def _rows(self, table: Table, column: str) -> int:
        names = table.personal_columns if column in table.keyed_by_person else ()
        width = len(table.session_key)
        query = sql.SQL("SELECT {columns} FROM {target} AS row WHERE partner_id = %s AND {column} = ANY(%s)").format(
            columns=_list(["partition_date", *table.session_key, column, *names]),
            target=target_of(table),
            column=sql.Identifier(column),
        )
        found = self.connection.execute(query, [self.people.partner_id, self.known_as]).fetchall()
        self.days.update(row[0] for row in found)
        self.names.update(value for row in found for value in row[width + 2 :] if value)
        there = [row[1 : width + 2] for row in sorted(found)]
        made = []
        for number, (*session, _) in enumerate(there):
            is_twin = (
                number > 0 and list(there[number - 1][:width]) == session
            )  # two spellings of the id in one session
            made.append(
                self.people.in_session(self.pseudonym, [*session, str(number)]) if is_twin else self._made(session)
            )
        return self.connection.execute(
            self._update(table, column, names),
            [*([row[at] for row in there] for at in range(width + 1)), made, self.people.partner_id],
        ).rowcount

    def _made(self, session: Sequence[str]) -> str:
        room, cue = session
        return self.hosted.get((room, cue)) or self.people.in_session(self.pseudonym, session)

    @staticmethod
    def _update(table: Table, column: str, names: Sequence[str]) -> sql.Composed:
        key = [*table.session_key, column]
        emptied = (sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in (*names, EXTRA))
        same = (sql.SQL("row.{0} = made.{0}").format(sql.Identifier(name)) for name in key)
        return sql.SQL(
            "UPDATE {target} AS row SET {column} = made.pseudonym, {emptied}"
            " FROM unnest({arrays}) AS made ({key}, pseudonym) WHERE row.partner_id = %s AND {same}"
        ).format(
            target=target_of(table),
            column=sql.Identifier(column),
            emptied=sql.SQL(", ").join(emptied),
            arrays=sql.SQL(", ").join([sql.SQL("%s::text[]")] * (len(key) + 1)),
            key=_list(key),
            same=sql.SQL(" AND ").join(same),
        )

    def _changes(self, table: Table) -> int:
        said = [
            sql.SQL("{} ->> {} = ANY(%(known_as)s)").format(sql.Identifier(side), sql.Literal(column))
            for side in ("key", "before", "after")
            for column in table.person_columns
        ]
        if not said:
            return 0
        found = self.connection.execute(
            sql.SQL(
                "SELECT ctid::text, load_id, key, before, after FROM kaltura.changes WHERE table_name = %(table)s"
                " AND (key ->> 'partner_id')::bigint = %(partner_id)s AND ({said})"
            ).format(said=sql.SQL(" OR ").join(said)),
            {"table": table.name, "partner_id": self.people.partner_id, "known_as": self.known_as},
        ).fetchall()
        for place, load_id, key, before, after in found:
            session = [key[name] for name in table.session_key]
            sides = [self._side(table, side, session, key) for side in (key, before, after)]
            rewrite_change(self.connection, load_id, place, sides)
        return len(found)

    def _side(
        self, table: Table, side: dict[str, Any] | None, session: Sequence[str], key: dict[str, Any]
    ) -> dict[str, Any] | None:
        """A row as JSON without the person."""
        if side is None:
            return None
        made = self._made(session)
        hit = {name: made for name in table.person_columns if side.get(name) in self.known_as}
        row_is_theirs = any(key.get(name) in self.known_as for name in table.person_columns)
        gone = [name for name in (*table.personal_columns, EXTRA) if (hit or row_is_theirs) and name in side]
        if row_is_theirs:
            self.names.update(side[name] for name in table.personal_columns if side.get(name))
        return {**side, **dict.fromkeys(gone), **hit}

    def _names_in_rejects(self, table: Table) -> Iterator[str]:
        """Names and e-mails that stand beside the id in whole lines that could not be used."""
        columns = table.column_names
        ids = [columns.index(name) for name in table.keyed_by_person]
        names = [columns.index(name) for name in table.personal_columns]
        query = "SELECT raw FROM kaltura.rejects WHERE partner_id = %s AND report_id = %s"
        known_as = {identity(each) for each in self.known_as}
        for (raw,) in self.connection.execute(query, [self.people.partner_id, table.report_id]) if ids else ():
            values = [value.strip('"') for value in raw.split(",")]
            if len(values) >= len(columns) and any(identity(values[at]) in known_as for at in ids):
                yield from filter(None, (values[at] for at in names))

    def _shared_names(self) -> set[str]:
        """Those of the person's names that others have, too: by them alone nobody can tell who is meant."""
        shared: set[str] = set()
        for table in self.tables:
            for column in () if table.loose_personal_columns else table.personal_columns:
                query = sql.SQL("SELECT DISTINCT {column} FROM {target} WHERE partner_id = %s AND {column} = ANY(%s)")
                composed = query.format(column=sql.Identifier(column), target=target_of(table))
                found = self.connection.execute(composed, [self.people.partner_id, list(self.names)])
                shared.update(name for (name,) in found)
        return shared

    def _filters(self) -> int:
        query = "SELECT id, filters FROM kaltura.loads WHERE partner_id = %s AND filters -> %s ?| %s"
        found = self.connection.execute(query, [self.people.partner_id, PEOPLE_FILTER, self.known_as]).fetchall()
        return sum(
            refiltered(
                self.connection,
                load_id,
                filters,
                [ERASED if each in self.known_as else each for each in filters[PEOPLE_FILTER]],
            )
            for load_id, filters in found
        )


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
