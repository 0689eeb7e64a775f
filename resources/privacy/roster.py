"""People on the university's lists (`university.enrolments`): how they are stored, and how they are taken out again.

A list names somebody by user id, by e-mail, or by both. It has no days: an enrolment is as old as its last day, or its
course's. The caller's transaction, and the people lock of `people.py`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from resources.postgres.locks import REGISTRY_LOCK, take_lock
from resources.privacy.identity import identity
from resources.privacy.pseudonyms import PSEUDONYM_PATTERN, People, Privacy, is_pseudonym
from resources.privacy.suppressions import Suppressions

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
_IDS_OF_EMAILS = """
SELECT partner_id, lower(user_email), max(user_id) FROM kaltura.attendees
WHERE lower(user_email) = ANY(%s) AND NOT analytics.is_nobody(user_id) GROUP BY partner_id, lower(user_email)
"""
_IDS_OF_OLD_DAYS = """
SELECT partner_id, lower(user_email), max(user_id) FROM kaltura.attendees
WHERE
    partner_id = %s AND partition_date < %s AND user_email IS NOT NULL AND NOT analytics.is_nobody(user_id)
    AND lower(user_email) IN (SELECT lower(person_email) FROM university.enrolments WHERE person_id IS NULL)
GROUP BY partner_id, lower(user_email)
"""
_TIED = """
SELECT lower(person_email), max(person_id) FROM university.enrolments
WHERE account_id = %s AND person_email IS NOT NULL AND person_id ~ %s GROUP BY lower(person_email)
"""
_TIE = """
UPDATE university.enrolments SET person_id = %s
WHERE account_id = %s AND person_id IS NULL AND lower(person_email) = %s
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
        return self.person_id or self.person_email or ""


def everybody(connection: psycopg.Connection, partner_id: int) -> set[Named]:
    query = "SELECT DISTINCT person_id, person_email FROM university.enrolments WHERE account_id = %s"
    return {Named(*row) for row in connection.execute(query, [partner_id])}


def emails_of(connection: psycopg.Connection, partner_id: int, ids: Iterable[str]) -> set[str]:
    """E-mails that lists have beside these ids."""
    wanted = set(ids)
    return {
        each.person_email
        for each in everybody(connection, partner_id)
        if each.person_email and each.person_id in wanted
    }


def take_out(connection: psycopg.Connection, people: People, suppressions: Suppressions) -> int:
    """Delete the enrolments of everybody who is suppressed; how many those were."""
    erased = erased_among(everybody(connection, people.partner_id), people, suppressions)
    if not erased:
        return 0
    names = [[each.person_id or "" for each in erased], [each.person_email or "" for each in erased]]
    count = connection.execute(
        "DELETE FROM university.enrolments USING unnest(%s::text[], %s::text[]) AS gone (person_id, person_email)"
        " WHERE account_id = %s AND coalesce(enrolments.person_id, '') = gone.person_id"
        " AND coalesce(enrolments.person_email, '') = gone.person_email",
        [*names, people.partner_id],
    ).rowcount
    known = [name for each in erased for name in (each.person_id, each.person_email) if name]
    connection.execute(
        "DELETE FROM kaltura.people WHERE partner_id = %s AND user_id = ANY(%s)", [people.partner_id, known]
    )
    return count


def erased_among(named: Iterable[Named], people: People, suppressions: Suppressions) -> set[Named]:
    """Those who have been erased: known by the pseudonym of the id, or by the e-mail."""
    if not suppressions:
        return set()
    there = set(named)
    names = {each.known_by for each in there}
    ids = suppressions.erased({each: each if is_pseudonym(each) else people.pseudonym(each) for each in names})
    emails = suppressions.being(each.person_email for each in there if each.person_email)
    return {each for each in there if each.known_by in ids or each.person_email in emails}


def stored(
    connection: psycopg.Connection, people: People, named: Sequence[Named], old: Sequence[bool]
) -> Mapping[Named, Named]:
    """How each is stored as the mode allows; who has been erased is not in it.

    `old` says which are past retention. Where ids stay as they are, each gets a pseudonym that analysts see.
    """
    ids = _ids_of(connection, [each for each, is_old in zip(named, old, strict=True) if is_old])
    tied: dict[str, str] = dict(connection.execute(_TIED, [people.partner_id, PSEUDONYM_PATTERN]).fetchall())
    erased = erased_among(named, people, Suppressions(connection, people))
    result: dict[Named, Named] = {}
    as_they_are: set[str] = set()
    for each, is_old in zip(named, old, strict=True):
        if each in erased:
            continue
        tied_id = None if each.person_id else tied.get((each.person_email or "").lower())
        if people.privacy.is_full and not is_old:
            result[each] = Named(tied_id or each.person_id, each.person_email)
            as_they_are.add(result[each].known_by)
        else:
            known_by = tied_id or ids.get((people.partner_id, each)) or each.known_by
            result[each] = Named(_pseudonym(people, known_by), None)
    _make_known(connection, people, {each for each in as_they_are if not is_pseudonym(each)})
    return result


def age(connection: psycopg.Connection, privacy: Privacy, account: int | None, end: dt.date | None) -> int:
    """The account's enrolments that ended before `end` become pseudonyms; None: those of all accounts, of all days.

    Call it while attendees still have e-mails. Who is listed by e-mail alone is looked up among the attendees, so that
    the pseudonym is theirs.
    """
    rows = connection.execute(_OLD, {"account": account, "end": end, "pseudonym": PSEUDONYM_PATTERN}).fetchall()
    named = [Named(person_id, email) for _, _, person_id, email, *_ in rows]
    ids = _ids_of(connection, named)
    accounts = {account: privacy.of_account(account) for account, *_ in rows}
    made = [
        (account, course, _pseudonym(accounts[account], ids.get((account, each)) or each.known_by), *rest)
        for (account, course, _, _, *rest), each in zip(rows, named, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, made)
    return len(rows)


def tie(connection: psycopg.Connection, privacy: Privacy, account: int, end: dt.date) -> None:
    """Whoever is listed by e-mail alone gets the pseudonym of their id beside it, while attendees of old days tell that.

    Those lose e-mail and id; the list is as old as its course, and keeps its e-mail: nothing would tie them any more.
    """
    for _, email, user_id in connection.execute(_IDS_OF_OLD_DAYS, [account, end]).fetchall():
        connection.execute(_TIE, [_pseudonym(privacy.of_account(account), user_id), account, email])


def aged_enrolments(connection: psycopg.Connection, partner_id: int, end: dt.date) -> list[tuple[object, ...]]:
    """Enrolments that ended before `end` and are pseudonyms: the columns of the list, but for the e-mail."""
    return connection.execute(_AGED, {"account": partner_id, "end": end, "pseudonym": PSEUDONYM_PATTERN}).fetchall()


def _ids_of(connection: psycopg.Connection, named: Iterable[Named]) -> dict[tuple[int, Named], str]:
    """The user ids that attendees have with the e-mails of those who are named by e-mail alone, by account."""
    by_email = {each.person_email.lower(): each for each in named if each.person_email and not each.person_id}
    if not by_email:
        return {}
    found = connection.execute(_IDS_OF_EMAILS, [list(by_email)])
    return {(account, by_email[email]): user_id for account, email, user_id in found}


def _pseudonym(people: People, known_by: str) -> str:
    return known_by if is_pseudonym(known_by) else people.pseudonym(known_by)


def _make_known(connection: psycopg.Connection, people: People, ids: set[str]) -> None:
    """As `PersonRegistry` does for a day's load, and under its lock. Two spellings of one id have one pseudonym."""
    if not ids:
        return
    take_lock(connection, REGISTRY_LOCK, "another load that brings people in")
    query = "SELECT user_id FROM kaltura.people WHERE partner_id = %s AND user_id = ANY(%s)"
    there = {user_id for (user_id,) in connection.execute(query, [people.partner_id, list(ids)])}
    new = sorted(ids - there, key=lambda each: (identity(each), each))
    connection.execute(
        "INSERT INTO kaltura.people (partner_id, user_id, pseudonym)"
        " SELECT %s, * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING",
        [people.partner_id, new, people.pseudonyms(new)],
    )
