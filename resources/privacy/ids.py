"""Under which ids people are in an account's tables, and who it is that has an e-mail."""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from resources.errors import ConfigurationError
from resources.privacy import listed_pseudonyms, roster
from resources.privacy.identity import identity
from resources.privacy.pseudonymise import target_of
from resources.privacy.pseudonyms import EMAIL_HAS, NOBODY, PEOPLE_FILTER, People, is_pseudonym, pseudonym_of
from resources.table import Table


class SharedEmail(ConfigurationError):
    """An e-mail that several people have: nobody can tell which of them is meant."""

    def __init__(self, people: int) -> None:
        super().__init__(f"{people} people have this e-mail. Erase each by their user id. Nothing was changed.")


def everybody(connection: psycopg.Connection, partner_id: int, tables: Sequence[Table]) -> set[str]:
    """Every id of a person, in every spelling, wherever the account's rows, changes, filters and lists hold one."""
    found = _ids(connection, partner_id, tables)
    for table in tables:
        for column in table.person_columns:
            said = (
                "SELECT DISTINCT said.id FROM kaltura.changes"
                " CROSS JOIN LATERAL (VALUES (key ->> %(name)s), (before ->> %(name)s), (after ->> %(name)s)) AS said (id)"
                " WHERE table_name = %(table)s AND (key ->> 'partner_id')::bigint = %(partner)s AND said.id IS NOT NULL"
            )
            parameters = {"name": column, "table": table.name, "partner": partner_id}
            found.update(each for (each,) in connection.execute(said, parameters))
    query = sql.SQL("SELECT user_id FROM kaltura.people WHERE partner_id = %s").format()
    found.update(each for (each,) in connection.execute(query, [partner_id]))
    found.update(each.known_by for each in roster.everybody(connection, partner_id))
    found.update(*listed_pseudonyms.held(connection, partner_id).values())
    filters = "SELECT filters -> %s FROM kaltura.loads WHERE partner_id = %s AND filters ? %s"
    for (ids,) in connection.execute(filters, [PEOPLE_FILTER, partner_id, PEOPLE_FILTER]):
        found.update(ids)
    return found.difference(NOBODY)


def _ids(connection: psycopg.Connection, partner_id: int, tables: Sequence[Table]) -> set[str]:
    """The ids of the rows themselves."""
    found: set[str] = set()
    for table in tables:
        for column in table.person_columns:
            query = sql.SQL("SELECT DISTINCT {} FROM {} WHERE partner_id = %s").format(
                sql.Identifier(column), target_of(table)
            )
            found.update(each for (each,) in connection.execute(query, [partner_id]) if each)
    return found


def known_pseudonyms(
    connection: psycopg.Connection, partner_id: int, tables: Sequence[Table], pseudonyms: Sequence[str]
) -> set[str]:
    """Those of people whom the account's rows or `kaltura.people` have: as an id, or as what is kept of one."""
    query = "SELECT pseudonym FROM kaltura.people WHERE partner_id = %s AND pseudonym = ANY(%s)"
    found = {each for (each,) in connection.execute(query, [partner_id, pseudonyms])}
    for table in tables:
        for column in table.person_columns:
            rows = sql.SQL("SELECT DISTINCT {0} FROM {1} WHERE partner_id = %s AND {0} = ANY(%s)").format(
                sql.Identifier(column), target_of(table)
            )
            found.update(each for (each,) in connection.execute(rows, [partner_id, pseudonyms]))
    return found


def beside_emails(connection: psycopg.Connection, partner_id: int, tables: Sequence[Table]) -> dict[str, set[str]]:
    """By e-mail, the ids that rows and lists have beside it, and the pseudonyms of days that have lost it."""
    found: dict[str, set[str]] = {}
    for table in tables:
        for column in table.keyed_by_person:
            for name in table.personal_columns:
                query = sql.SQL(
                    "SELECT DISTINCT {1}, {0} FROM {2} WHERE partner_id = %s AND strpos({1}, %s) > 0"
                ).format(sql.Identifier(column), sql.Identifier(name), target_of(table))
                for email, user_id in connection.execute(query, [partner_id, EMAIL_HAS]):
                    if user_id not in NOBODY and not is_pseudonym(user_id):
                        found.setdefault(email, set()).add(user_id)
    for each in roster.everybody(connection, partner_id):
        if each.person_id and each.person_email and each.person_id not in NOBODY:  # lists are filled by SQL, too
            found.setdefault(each.person_email, set()).add(each.person_id)
    for email, pseudonyms in listed_pseudonyms.held_by_email(connection, partner_id).items():
        found.setdefault(email, set()).update(pseudonyms)
    return found


def others_with(connection: psycopg.Connection, people: People, tables: Sequence[Table], email: str) -> bool:
    """Whether others have as an e-mail what is a person's id."""
    if EMAIL_HAS not in email:
        return False
    beside = beside_emails(connection, people.partner_id, tables).items()
    theirs = {each for spelled, ids in beside if identity(spelled) == identity(email) for each in ids}
    return not {pseudonym_of(people, each) for each in theirs} <= {people.pseudonym(email)}


def whose_email(connection: psycopg.Connection, people: People, tables: Sequence[Table], email: str) -> list[str]:
    """The id, or the pseudonym where no id is known, of the person who has this e-mail, where it is nobody's id.

    Raises `SharedEmail` where several have it.
    """
    if EMAIL_HAS not in email or identity(email) in map(identity, _ids(connection, people.partner_id, tables)):
        return []
    beside = beside_emails(connection, people.partner_id, tables).items()
    theirs = {each for spelled, ids in beside if identity(spelled) == identity(email) for each in ids}
    found = {pseudonym_of(people, each): each for each in sorted(theirs, key=is_pseudonym, reverse=True)}
    if len(found) > 1:
        raise SharedEmail(len(found))
    return list(found.values())
