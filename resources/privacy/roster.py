"""People on the university's lists (`university.enrolments`): how they are stored, and how they are taken out again.

A list names somebody by user id, by e-mail, or by both. It has no days: an enrolment is as old as its last day, or its
course's. The caller's transaction, and the people lock of `people.py`.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from resources.postgres import statistics
from resources.postgres.locks import REGISTRY_LOCK, take_lock
from resources.privacy import listed_pseudonyms
from resources.privacy.identity import identity
from resources.privacy.listed_pseudonyms import Tie
from resources.privacy.people import lock_shared
from resources.privacy.pseudonymise import forget_unused, note_removal
from resources.privacy.pseudonyms import PSEUDONYM_PATTERN, Mode, People, Privacy, pseudonym_of
from resources.privacy.suppressions import Suppressions
from resources.table import Table

NAME = "university.enrolments"

_OLD = """
DELETE FROM university.enrolments USING university.enrolments AS listed
LEFT JOIN university.courses ON courses.account_id = listed.account_id AND courses.course_id = listed.course_id
WHERE
    enrolments.ctid = listed.ctid
    AND (listed.person_email IS NOT NULL OR listed.person_id !~ %(pseudonym)s)
    AND (%(end)s::date IS NULL OR coalesce(listed.to_date, courses.ends_on) < %(end)s::date)
    AND (%(account)s::bigint IS NULL OR listed.account_id = %(account)s)
RETURNING
    listed.account_id, listed.course_id, listed.person_id, listed.person_email,
    listed.role, listed.from_date, listed.to_date
"""
_AGED = """
SELECT enrolments.course_id, enrolments.person_id, enrolments.role, enrolments.from_date, enrolments.to_date
FROM university.enrolments
LEFT JOIN university.courses
    ON courses.account_id = enrolments.account_id AND courses.course_id = enrolments.course_id
WHERE
    enrolments.account_id = %(account)s
    AND enrolments.person_email IS NULL AND enrolments.person_id ~ %(pseudonym)s
    AND coalesce(enrolments.to_date, courses.ends_on) < %(end)s::date
"""
_LISTING = """
SELECT DISTINCT account_id FROM university.enrolments WHERE %(account)s::bigint IS NULL OR account_id = %(account)s
"""
_UNKNOWN = """
SELECT DISTINCT person
FROM university.enrolments
CROSS JOIN LATERAL (SELECT coalesce(person_id, lower(person_email))) AS listed (person)
WHERE
    account_id = %s AND person !~ %s
    AND NOT EXISTS (SELECT FROM kaltura.people WHERE people.partner_id = account_id AND people.user_id = person)
"""
_INSERT = """
INSERT INTO university.enrolments (account_id, course_id, person_id, role, from_date, to_date)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Named:
    """How one line of a list names somebody."""

    person_id: str | None
    person_email: str | None

    @property
    def known_by(self) -> str:
        """What the person's pseudonym is made of."""
        return self.person_id or (self.person_email or "").lower()


def everybody(connection: psycopg.Connection, partner_id: int) -> set[Named]:
    query = "SELECT DISTINCT person_id, person_email FROM university.enrolments WHERE account_id = %s"
    return {Named(*row) for row in connection.execute(query, [partner_id])}


def emails_of(connection: psycopg.Connection, partner_id: int, ids: Iterable[str]) -> set[str]:
    """E-mails that lists have beside these ids, or that belong to these pseudonyms."""
    wanted = set(ids)
    held = listed_pseudonyms.held_by_email(connection, partner_id)
    return {
        each.person_email
        for each in everybody(connection, partner_id)
        if each.person_email and each.person_id in wanted
    } | {email for email, pseudonyms in held.items() if not wanted.isdisjoint(pseudonyms)}


def take_out(
    connection: psycopg.Connection, people: People, tables: Sequence[Table], suppressions: Suppressions
) -> int:
    """Delete the enrolments of everybody who is suppressed; how many those were. `note_removal` is the caller's."""
    if not suppressions:
        return 0
    held = listed_pseudonyms.held(connection, people.partner_id)
    erased = erased_among(everybody(connection, people.partner_id), people, suppressions, held)
    if not erased:
        return 0
    names = [[each.person_id or "" for each in erased], [each.person_email or "" for each in erased]]
    count = connection.execute(
        "DELETE FROM university.enrolments USING unnest(%s::text[], %s::text[]) AS gone (person_id, person_email)"
        " WHERE account_id = %s AND coalesce(enrolments.person_id, '') = gone.person_id"
        " AND coalesce(enrolments.person_email, '') = gone.person_email",
        [*names, people.partner_id],
    ).rowcount
    known = {name for each in erased for name in (each.person_id, (each.person_email or "").lower()) if name}
    forget_unused(connection, tables, people.partner_id, known)  # a line goes by the e-mail: rows of its id may stand
    listed_pseudonyms.forget_unlisted(connection)
    return count


def erased_among(
    named: Iterable[Named],
    people: People,
    suppressions: Suppressions,
    held: Mapping[str, Collection[str]] | None = None,
) -> set[Named]:
    """Listed people who have been erased: by the pseudonym of their id, or by one that is `held` for them.

    A line without an id also matches by the e-mail of anybody who was erased; a line with one only by an e-mail that
    somebody was erased by.
    """
    if not suppressions:
        return set()
    known = {each: {each.known_by, *(held or {}).get(each.known_by, ())} for each in named}
    names = set[str]().union(*known.values())
    ids = suppressions.erased({each: pseudonym_of(people, each) for each in names}).keys()
    by_email = suppressions.erased_by({each.person_email.lower() for each in known if each.person_email})
    emails = suppressions.being(each.person_email for each in known if each.person_email and not each.person_id)
    return {
        each
        for each in known
        if not known[each].isdisjoint(ids)
        or (each.person_email or "").lower() in by_email
        or (not each.person_id and each.person_email in emails)
    }


def stored(
    connection: psycopg.Connection, people: People, named: Sequence[Named], old: Sequence[bool]
) -> Mapping[Named, Named]:
    """How each is stored as the mode allows; who has been erased is not in it.

    `old` says which are past retention. Where ids stay as they are, `make_known` is to be called once they are stored.
    """
    emails = [each.person_email for each, is_old in zip(named, old, strict=True) if is_old and each.person_email]
    beside = listed_pseudonyms.beside(connection, people.privacy, emails)
    erased = erased_among(named, people, Suppressions(connection, people))
    result: dict[Named, Named] = {}
    ties: set[Tie] = set()
    for each, is_old in zip(named, old, strict=True):
        if each in erased:
            continue
        if people.privacy.is_full and not is_old:
            result[each] = each
        else:
            pseudonym, theirs = _aged(people, each, beside)
            result[each] = Named(pseudonym, None)
            ties |= theirs
    listed_pseudonyms.keep(connection, ties)
    return result


def register(connection: psycopg.Connection, privacy: Privacy, account: int | None, tables: Sequence[Table]) -> bool:
    """Treat whoever was listed by SQL as `load-lists` would have: erased people go, the others get their pseudonyms.

    Those of the account; None: of all. Whether anybody's id or e-mail was taken out, which the planner's samples may have.
    """
    listing = connection.execute(_LISTING, {"account": account}).fetchall()
    if not listing:
        return False
    lock_shared(connection)
    accounts = [privacy.of_account(listed) for (listed,) in listing]
    has_taken_out = False
    for people in accounts:
        if take_out(connection, people, tables, Suppressions(connection, people)):
            note_removal(connection)
            has_taken_out = True
    if privacy.mode is Mode.PSEUDONYMOUS:
        has_taken_out |= age(connection, privacy, account, None) > 0
    if has_taken_out:
        statistics.note_old(connection)
    if privacy.is_full:
        # After all removals: who notes one waits for others that do, and must not hold the registry meanwhile.
        for people in accounts:
            make_known(connection, people)
    return has_taken_out


def age(connection: psycopg.Connection, privacy: Privacy, account: int | None, end: dt.date | None) -> int:
    """The account's enrolments that ended before `end` become pseudonyms; None: those of all accounts, of all days.

    Call it while attendees still have e-mails. Who is listed by e-mail alone is looked up among the attendees, so that
    the pseudonym is theirs; others of theirs are kept beside it.
    """
    rows = connection.execute(_OLD, {"account": account, "end": end, "pseudonym": PSEUDONYM_PATTERN}).fetchall()
    accounts = {account: privacy.of_account(account) for account, *_ in rows}
    beside = listed_pseudonyms.beside(connection, privacy, [email for _, _, _, email, *_ in rows if email])
    made, ties = [], set[Tie]()
    for account, course, person_id, email, *rest in rows:
        pseudonym, theirs = _aged(accounts[account], Named(person_id, email), beside)
        made.append((account, course, pseudonym, *rest))
        ties |= theirs
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, made)
    listed_pseudonyms.keep(connection, ties)
    if rows:
        listed_pseudonyms.forget_unlisted(connection)
    return len(rows)


def _aged(people: People, named: Named, beside: Mapping[tuple[int, str], Sequence[str]]) -> tuple[str, set[Tie]]:
    """The pseudonym that takes the place of id and e-mail, and what keeps the person's others beside it."""
    theirs = beside.get((people.partner_id, (named.person_email or "").lower()), ())
    pseudonym = pseudonym_of(people, named.known_by) if named.person_id or not theirs else theirs[0]
    return pseudonym, {(people.partner_id, other, pseudonym) for other in theirs if other != pseudonym}


def aged_enrolments(connection: psycopg.Connection, partner_id: int, end: dt.date) -> list[tuple[object, ...]]:
    """Enrolments that ended before `end` and are pseudonyms: the columns of the list, but for the e-mail."""
    return connection.execute(_AGED, {"account": partner_id, "end": end, "pseudonym": PSEUDONYM_PATTERN}).fetchall()


def make_known(connection: psycopg.Connection, people: People) -> None:
    """Whoever is listed by id or e-mail gets a pseudonym that analysts see. Two spellings of one id have one.

    As `PersonRegistry` does for a day's load, and under its lock.
    """
    values = [people.partner_id, PSEUDONYM_PATTERN]
    if connection.execute(f"{_UNKNOWN} LIMIT 1", values).fetchone() is None:
        return
    take_lock(connection, REGISTRY_LOCK, "another load that brings people in")
    ids = {person for (person,) in connection.execute(_UNKNOWN, values)}  # under the lock: others may have brought them
    new = sorted(ids, key=lambda each: (identity(each), each))
    connection.execute(
        "INSERT INTO kaltura.people (partner_id, user_id, pseudonym)"
        " SELECT %s, * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        [people.partner_id, new, people.pseudonyms(new)],
    )
