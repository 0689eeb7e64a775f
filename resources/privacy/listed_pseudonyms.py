"""Which pseudonyms belong to whom a list names by e-mail (`kaltura.listed_pseudonyms`).

Days past retention have lost the e-mail by which a person is found under any number of ids. The pseudonyms of those ids
are kept, as long as a list has the person. The caller's transaction, and the people lock of `people.py`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping

import psycopg

from resources.privacy.pseudonyms import EMAIL_HAS, People, Privacy, pseudonym_of

USER_EMAIL = "user_email"  # of the attendees: by what a list's e-mail is found in a report

_OF_DAYS = """
SELECT DISTINCT attendees.user_id, lower(attendees.user_email)
FROM kaltura.attendees
INNER JOIN university.enrolments
    ON enrolments.account_id = attendees.partner_id AND lower(enrolments.person_email) = lower(attendees.user_email)
WHERE
    attendees.partner_id = %s AND attendees.partition_date >= %s AND attendees.partition_date < %s
    AND attendees.user_email IS NOT NULL AND NOT analytics.is_nobody(attendees.user_id)
"""
_LISTED = (
    "SELECT lower(person_email) FROM university.enrolments WHERE account_id = %s AND lower(person_email) = ANY(%s)"
)
_IDS_BESIDE = """
SELECT DISTINCT partner_id, lower(user_email), user_id FROM kaltura.attendees
WHERE lower(user_email) = ANY(%s) AND NOT analytics.is_nobody(user_id) ORDER BY user_id DESC
"""
_HELD_FOR = "SELECT partner_id, listed_as, pseudonym FROM kaltura.listed_pseudonyms WHERE listed_as = ANY(%s) ORDER BY pseudonym"
_INSERT = """
INSERT INTO kaltura.listed_pseudonyms (partner_id, pseudonym, listed_as)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING
"""
_FORGET = """
DELETE FROM kaltura.listed_pseudonyms
WHERE
    NOT EXISTS (
        SELECT FROM university.enrolments
        WHERE enrolments.account_id = listed_pseudonyms.partner_id AND enrolments.person_id = listed_pseudonyms.listed_as
    )
    AND NOT EXISTS (
        SELECT FROM university.enrolments
        WHERE
            enrolments.account_id = listed_pseudonyms.partner_id
            AND lower(enrolments.person_email) = listed_pseudonyms.listed_as
    )
"""

Tie = tuple[int, str, str]
"""An account, a pseudonym, and how the list has the person."""


def tie_days(connection: psycopg.Connection, privacy: Privacy, account: int, first: dt.date, end: dt.date) -> None:
    """Keep the pseudonyms of whoever is listed by e-mail and came on the account's days from `first` to before `end`.

    Call it before those days lose their e-mails.
    """
    people = privacy.of_account(account)
    found = connection.execute(_OF_DAYS, [account, first, end]).fetchall()
    keep(connection, ((account, pseudonym_of(people, user_id), email) for user_id, email in found))


def tie_arrivals(connection: psycopg.Connection, people: People, came: Iterable[tuple[str, str]]) -> None:
    """The same of ids and e-mails that a pull of such a day has brought and that are not stored."""
    by_email = [(email.lower(), user_id) for user_id, email in came]
    if not by_email:
        return
    emails = sorted({email for email, _ in by_email})
    listed = {email for (email,) in connection.execute(_LISTED, [people.partner_id, emails])}
    keep(
        connection,
        ((people.partner_id, pseudonym_of(people, user_id), email) for email, user_id in by_email if email in listed),
    )


def keep(connection: psycopg.Connection, ties: Iterable[Tie]) -> None:
    rows = sorted({tie for tie in ties if tie[1] != tie[2]})
    if rows:
        connection.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])


def beside(
    connection: psycopg.Connection, privacy: Privacy, emails: Iterable[str]
) -> Mapping[tuple[int, str], list[str]]:
    """By account and e-mail in lower case, the pseudonyms of the ids that attendees have with it, or had.

    The first is that of the greatest id that there still is.
    """
    wanted = sorted({email.lower() for email in emails})
    found: dict[tuple[int, str], dict[str, None]] = {}
    for query in (_IDS_BESIDE, _HELD_FOR) if wanted else ():
        for account, email, known_by in connection.execute(query.encode(), [wanted]):
            made = pseudonym_of(privacy.of_account(account), known_by)
            found.setdefault((account, email), {})[made] = None
    return {key: list(pseudonyms) for key, pseudonyms in found.items()}


def held(connection: psycopg.Connection, partner_id: int) -> Mapping[str, set[str]]:
    """The pseudonyms of the account's people, by how a list has them."""
    found: dict[str, set[str]] = {}
    query = "SELECT listed_as, pseudonym FROM kaltura.listed_pseudonyms WHERE partner_id = %s"
    for listed_as, pseudonym in connection.execute(query, [partner_id]):
        found.setdefault(listed_as, set()).add(pseudonym)
    return found


def held_by_email(connection: psycopg.Connection, partner_id: int) -> Mapping[str, set[str]]:
    return {email: each for email, each in held(connection, partner_id).items() if EMAIL_HAS in email}


def forget_unlisted(connection: psycopg.Connection) -> None:
    """Take out what is held of people who are on no list any more."""
    connection.execute(_FORGET.encode())
