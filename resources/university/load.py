"""Puts one list into its table: what the table holds of the account is then what the file says, in one transaction.

Rows that are there already are not touched, so loading an unchanged file writes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import psycopg
from psycopg import sql

from resources.privacy.listed_pseudonyms import forget_unlisted
from resources.privacy.people import lock_shared, require_mode
from resources.privacy.pseudonyms import Privacy
from resources.privacy.roster import make_known
from resources.university.enrolled import Enrolled
from resources.university.lists import ACCOUNT, COURSES, LISTS, TIMETABLE, UniversityList
from resources.university.read import refused
from resources.university.validate import Rows, validated
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
    rows: Rows


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
    path, wanted, account, privacy = listed.path, listed.wanted, listed.account, listed.privacy
    lock_shared(connection)
    require_mode(connection, privacy)
    if wanted.has_times:
        _expect_zone(connection, path, account, listed.timezone)
    target = sql.Identifier("university", wanted.name)
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(target))
    enrolled = Enrolled(connection, privacy.of_account(account))
    frames = _as_stored(enrolled, listed.rows, wanted) if wanted.names_people else listed.rows.frames()
    if (
        not _stage(connection, target, wanted, account, frames)
        and not accept_empty
        and _has_rows(connection, target, account)
    ):
        raise refused(path, "it has no rows. Where that is meant: `python -m pipelines load-lists --accept-empty`.")
    rows, inserted, removed = _made_equal(connection, target, wanted, account)
    if wanted.names_people:
        make_known(connection, privacy.of_account(account))
        if removed:
            forget_unlisted(connection)
    if inserted or removed:  # a view over a table that has just been filled takes seconds, until autovacuum has seen it
        connection.execute("SET LOCAL client_min_messages = error")  # a login that does not own it is merely ignored
        connection.execute(sql.SQL("ANALYZE {}").format(target))
    unknown = _unknown_courses(connection, wanted, account), _unknown_rooms(connection, wanted, account)
    times = calendars.local_times(connection, account, listed.timezone) if wanted.has_times else ""
    return Loaded(wanted.name, rows, inserted, removed, enrolled.erased, enrolled.aged, *unknown, times)


def _expect_zone(connection: psycopg.Connection, path: Path, account: int, timezone: ZoneInfo) -> None:
    """Under the people lock: no pull records a zone, and no `redate` another, before what was read is there."""
    try:
        calendars.expect_none_but(connection, account, timezone)
    except calendars.CalendarError as error:
        raise refused(path, str(error)) from None


def _stage(
    connection: psycopg.Connection,
    target: sql.Identifier,
    wanted: UniversityList,
    account: int,
    frames: Iterable[pd.DataFrame],
) -> int:
    """How many rows the list will have. Between two pieces the connection is free for what they ask."""
    connection.execute("SET LOCAL client_min_messages = warning")
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(STAGED))
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE staged (LIKE {}) ON COMMIT DROP").format(target))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(STAGED, _list([ACCOUNT, *wanted.column_names]))
    count = 0
    for frame in frames:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in frame[wanted.column_names].itertuples(index=False, name=None):
                copy.write_row([account, *row])
        count += len(frame)
    connection.execute(sql.SQL("ANALYZE {}").format(STAGED))
    return count


def _as_stored(enrolled: Enrolled, rows: Rows, wanted: UniversityList) -> Iterator[pd.DataFrame]:
    for frame in rows.frames():
        yield enrolled.stored(frame)
    yield enrolled.stays(wanted.column_names)


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
