"""Puts one list into its table: what the table holds of the account is then what the file says, in one transaction.

Rows that are there already are not touched, so loading an unchanged file writes nothing.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
from psycopg import sql

from resources.privacy.listed_pseudonyms import forget_unlisted
from resources.privacy.people import first_day_kept, lock_shared, require_mode
from resources.privacy.pseudonyms import People, Privacy
from resources.privacy.roster import Named, aged_enrolments, stored
from resources.university.lists import ACCOUNT, COURSES, LISTS, PERSON_EMAIL, PERSON_ID, TIMETABLE, UniversityList
from resources.university.read import refused
from resources.university.validate import validated
from resources.warehouse import calendars

STAGED = sql.Identifier("pg_temp", "staged")


@dataclass(frozen=True)
class ListRead:
    """A file that was read and held against its columns, and by which settings."""

    path: Path
    wanted: UniversityList
    account: int
    privacy: Privacy
    timezone: ZoneInfo
    frame: pd.DataFrame


@dataclass(frozen=True)
class Loaded:
    """What the load of one list did. `erased`: lines left out, of people who have been erased.

    `aged`: lines left out for what is held of their course since its names were taken out (RETENTION_DAYS).
    `unknown_courses`: how many of the courses that it names are not in the list of courses; `unknown_rooms`: how many
    rooms it plans for courses that are, and `course_rooms` does not have for them. `local_times`: see `calendars`.
    """

    name: str
    rows: int
    inserted: int
    removed: int
    erased: int
    aged: int
    unknown_courses: int
    unknown_rooms: int = 0
    local_times: str = ""


def read_list(path: Path, wanted: UniversityList, account: int, privacy: Privacy, timezone: ZoneInfo) -> ListRead:
    """What `load` puts into the table. To be read before the transaction: a server ends one that waits for a file.

    Raises `ListRefused` where the file can't be used, `OSError` where it can't be read.
    """
    return ListRead(path, wanted, account, privacy, timezone, validated(path, wanted, account, privacy, timezone))


def load(connection: psycopg.Connection, listed: ListRead, *, accept_empty: bool = False) -> Loaded:
    """Make the account's rows of the list those of the file. The caller's transaction.

    Raises `ListRefused` where the file is empty, or has times and the days are cut in another zone than it was read in;
    `PrivacyError` where the warehouse is filled with other settings.
    """
    path, wanted, account, privacy, frame = listed.path, listed.wanted, listed.account, listed.privacy, listed.frame
    lock_shared(connection)
    require_mode(connection, privacy)
    local_times = _local_times(connection, path, account, listed.timezone) if wanted.has_times else ""
    target = sql.Identifier("university", wanted.name)
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(target))
    erased = aged = 0
    if wanted.names_people:
        frame, erased, aged = _people_stored(connection, privacy.of_account(account), frame)
    if frame.empty and not accept_empty and _has_rows(connection, target, account):
        raise refused(path, "it has no rows. Where that is meant: `python -m pipelines load-lists --accept-empty`.")
    _stage(connection, target, wanted, account, frame)
    rows, inserted, removed = _made_equal(connection, target, wanted, account)
    if wanted.names_people and removed:
        forget_unlisted(connection)
    if inserted or removed:  # a view over a table that has just been filled takes seconds, until autovacuum has seen it
        connection.execute("SET LOCAL client_min_messages = error")  # a login that does not own it is merely ignored
        connection.execute(sql.SQL("ANALYZE {}").format(target))
    unknown = _unknown_courses(connection, wanted, account), _unknown_rooms(connection, wanted, account)
    return Loaded(wanted.name, rows, inserted, removed, erased, aged, *unknown, local_times)


def _local_times(connection: psycopg.Connection, path: Path, account: int, timezone: ZoneInfo) -> str:
    """Under the people lock: no pull records a zone, and no `redate` another, before what was read is there."""
    try:
        calendars.expect_none_but(connection, account, timezone)
    except calendars.CalendarError as error:
        raise refused(path, str(error)) from None
    return calendars.local_times(connection, account, timezone)


def _people_stored(
    connection: psycopg.Connection, people: People, frame: pd.DataFrame
) -> tuple[pd.DataFrame, int, int]:
    """The frame with its people as they may be stored, how many lines are left out for people who were erased, and how
    many for what stays of courses whose names were taken out.

    Who is listed by e-mail alone had the pseudonym of their user id then. Nothing tells it any more: their attendance has
    lost its e-mail, and by the e-mail's own pseudonym they would have been absent from all of it.
    """
    old = pd.Series(_past_retention(connection, people, frame), frame.index, dtype=bool)
    by_email_alone = old & frame[PERSON_ID].isna()
    if not by_email_alone.any():
        return *_as_they_may_be_stored(connection, people, frame, list(old)), 0
    rows = aged_enrolments(connection, people.partner_id, first_day_kept(connection, people.privacy))
    columns = [name for name in frame.columns if name != PERSON_EMAIL]
    held = pd.DataFrame(rows, columns=columns, dtype="object").assign(**{PERSON_EMAIL: None})
    left_out = by_email_alone & frame["course_id"].isin(held["course_id"])
    stays = held[held["course_id"].isin(frame.loc[left_out, "course_id"])]
    frame, erased = _as_they_may_be_stored(connection, people, frame[~left_out], list(old[~left_out]))
    return pd.concat([frame, stays]), erased, int(left_out.sum())


def _as_they_may_be_stored(
    connection: psycopg.Connection, people: People, frame: pd.DataFrame, old: list[bool]
) -> tuple[pd.DataFrame, int]:
    named = [Named(*row) for row in frame[[PERSON_ID, PERSON_EMAIL]].itertuples(index=False, name=None)]
    kept = stored(connection, people, named, old)
    is_kept = [each in kept for each in named]
    there = [kept[each] for each in named if each in kept]
    frame = frame.loc[is_kept].copy()
    frame[PERSON_ID] = pd.Series([each.person_id for each in there], frame.index, dtype="object")
    frame[PERSON_EMAIL] = pd.Series([each.person_email for each in there], frame.index, dtype="object")
    return frame, len(named) - len(there)


def _past_retention(connection: psycopg.Connection, people: People, frame: pd.DataFrame) -> list[bool]:
    if not (people.privacy.is_full and people.privacy.retention_days):
        return [False] * len(frame)
    first_kept = first_day_kept(connection, people.privacy)
    query = "SELECT course_id, ends_on FROM university.courses WHERE account_id = %s"
    ends: dict[str, dt.date | None] = dict(connection.execute(query, [people.partner_id]).fetchall())
    last_days = [
        to_date or ends.get(course) for course, to_date in zip(frame["course_id"], frame["to_date"], strict=True)
    ]
    return [day is not None and day < first_kept for day in last_days]


def _stage(
    connection: psycopg.Connection, target: sql.Identifier, wanted: UniversityList, account: int, frame: pd.DataFrame
) -> None:
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(STAGED))
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE staged (LIKE {}) ON COMMIT DROP").format(target))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(STAGED, _list([ACCOUNT, *wanted.column_names]))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in frame[wanted.column_names].itertuples(index=False, name=None):
            copy.write_row([account, *row])
    connection.execute(sql.SQL("ANALYZE {}").format(STAGED))


def _made_equal(
    connection: psycopg.Connection, target: sql.Identifier, wanted: UniversityList, account: int
) -> tuple[int, int, int]:
    """Rows that the list has now, that were added and that went. Rows are compared whole, as text: NULL equals NULL."""
    parts = {"target": target, "staged": STAGED, "columns": _list([ACCOUNT, *wanted.column_names])}
    removed = connection.execute(
        sql.SQL(
            "DELETE FROM {target} AS held WHERE held.account_id = %s"
            " AND NOT EXISTS (SELECT FROM {staged} AS listed WHERE listed::text = held::text)"
        ).format(**parts),
        [account],
    ).rowcount
    inserted = connection.execute(
        sql.SQL(
            "INSERT INTO {target} ({columns}) SELECT {columns} FROM {staged} AS listed WHERE NOT EXISTS"
            " (SELECT FROM {target} AS held WHERE held.account_id = %s AND held::text = listed::text)"
            " ON CONFLICT DO NOTHING"
        ).format(**parts),
        [account],
    ).rowcount
    row = connection.execute(
        sql.SQL("SELECT count(*) FROM {target} WHERE account_id = %s").format(**parts), [account]
    ).fetchone()
    return int(row[0]) if row else 0, inserted, removed


def _unknown_courses(connection: psycopg.Connection, wanted: UniversityList, account: int) -> int:
    if wanted is COURSES:
        return 0
    row = connection.execute(
        sql.SQL(
            "SELECT count(DISTINCT listed.course_id) FROM {} AS listed WHERE NOT EXISTS (SELECT FROM university.courses"
            " WHERE courses.account_id = %s AND courses.course_id = listed.course_id)"
        ).format(STAGED),
        [account],
    ).fetchone()
    return int(row[0]) if row else 0


def _unknown_rooms(connection: psycopg.Connection, wanted: UniversityList, account: int) -> int:
    """Each course's by itself: a plan is held by what is on in its room, and the course's register has rooms of its own."""
    if wanted is not TIMETABLE:
        return 0
    row = connection.execute(
        sql.SQL(
            "SELECT count(*) FROM (SELECT DISTINCT course_id, room_id FROM {}) AS listed"
            " INNER JOIN university.courses ON courses.account_id = %s AND courses.course_id = listed.course_id"
            " WHERE NOT EXISTS (SELECT FROM university.course_rooms AS held WHERE held.account_id = courses.account_id"
            " AND held.course_id = listed.course_id AND held.room_id = listed.room_id)"
        ).format(STAGED),
        [account],
    ).fetchone()
    return int(row[0]) if row else 0


def filled(connection: psycopg.Connection, account: int) -> set[str]:
    """Names of the lists of which the warehouse has rows of the account."""
    tables = {each.name: sql.Identifier("university", each.name) for each in LISTS}
    return {name for name, table in tables.items() if _has_rows(connection, table, account)}


def _has_rows(connection: psycopg.Connection, target: sql.Identifier, account: int) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE account_id = %s)").format(target)
    return connection.execute(query, [account]).fetchone() == (True,)


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
