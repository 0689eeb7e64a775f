"""The figures of a week's report, read from the views of `analytics` by the queries of sql/report, a row a dataclass.

Nothing here names a person: the queries count people and ask for no id. Room names are as Kaltura sent them, which is
as anybody typed them.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import class_row

from resources.settings import CHECKOUT

QUERIES = CHECKOUT / "sql" / "report"
WEEK = dt.timedelta(days=7)

Row = TypeVar("Row")


@dataclass(frozen=True)
class Account:
    """A Kaltura account in the warehouse, and the days between which it was loaded.

    `data_version`: another once its figures may be others.
    """

    account_id: int
    first_date: dt.date
    last_date: dt.date
    timezone: str | None
    data_version: str

    @property
    def zone(self) -> ZoneInfo | None:
        """Where its days are cut; None where that is not recorded yet."""
        return ZoneInfo(self.timezone) if self.timezone else None


@dataclass(frozen=True)
class Week:
    """A week's main sessions; `people_count` counts each identified person once.

    0 where nothing happened on the days that are loaded, None where the report is loaded of none. Minutes are None also
    where people are listed and Kaltura gave a time for none of them.
    """

    week_date: dt.date
    session_count: int | None
    people_count: int | None
    attendance_count: int | None
    room_count: int | None
    breakout_session_count: int | None
    total_minutes: float | None
    unidentified_minutes: float | None
    weighted_engagement_ratio: float | None
    is_provisional: bool


@dataclass(frozen=True)
class Day:
    """Which reports of a local day were loaded whole, and whether its figures may still change."""

    session_date: dt.date
    is_session_loaded: bool
    is_attendance_loaded: bool
    is_breakout_loaded: bool
    is_provisional: bool


@dataclass(frozen=True)
class Hour:
    """The mean number of main sessions open in an hour of the week; `weekday` 0 is Monday. Hours without one: no row."""

    weekday: int
    hour: int
    open_session_count: float


@dataclass(frozen=True)
class Band:
    """Attendances of a tenth of engagement: band 1 is 0 to 10 %. None where no attendees of the week are loaded."""

    band_number: int
    attendance_count: int | None
    previous_attendance_count: int | None


@dataclass(frozen=True)
class Room:
    """One of the week's busiest rooms. The name is untrusted text."""

    room_name: str
    session_count: int
    people_count: int | None
    total_minutes: float | None
    weighted_engagement_ratio: float | None


@dataclass(frozen=True)
class Return:
    """Of a room's first people, the share that is in its nth session: quartiles over sessions. NULL: no session."""

    first_number: int
    last_number: int | None
    session_count: int
    unknown_session_count: int
    is_nobody_followed: bool
    room_count: int
    lower_ratio: float | None
    median_ratio: float | None
    upper_ratio: float | None


@dataclass(frozen=True)
class Breakouts:
    """A week's breakout sessions, and how many main sessions they were part of, as far as that is known."""

    week_date: dt.date
    breakout_count: int
    main_session_count: int
    untied_breakout_count: int
    median_people_count: float | None
    median_minutes: float | None


@dataclass(frozen=True)
class Department:
    """A department's courses in the week, by the university's own lists; None where its attendance is not loaded."""

    department: str | None
    course_count: int
    session_count: int
    student_count: int
    active_student_count: int | None
    attendance_ratio: float | None
    total_minutes: float | None


@dataclass(frozen=True)
class Restated:
    """What later pulls changed in the figures of a week's sessions."""

    week_date: dt.date
    session_count: int
    completed_session_count: int
    added_attendance_count: int
    changed_attendance_count: int
    removed_attendance_count: int
    changed_minutes: float | None
    newest_pull_at: dt.datetime


@dataclass(frozen=True)
class Freshness:
    """How new one of Kaltura's three reports is in the warehouse."""

    report_id: int
    report_name: str
    newest_event_at: dt.datetime | None
    newest_load_at: dt.datetime | None
    first_date: dt.date
    last_date: dt.date
    missing_day_count: int
    provisional_day_count: int


@dataclass(frozen=True)
class Figures:
    """Everything that the report of one account and week says. Weeks are 13, the newest last; days are theirs."""

    account_id: int
    week_date: dt.date
    timezone: ZoneInfo
    weeks: Sequence[Week]
    days: Sequence[Day]
    hours: Sequence[Hour]
    bands: Sequence[Band]
    rooms: Sequence[Room]
    returns: Sequence[Return]
    breakouts: Sequence[Breakouts]
    restated: Sequence[Restated]
    freshness: Sequence[Freshness]
    departments: Sequence[Department] = ()

    @property
    def week(self) -> Week:
        return self.weeks[-1]

    @property
    def week_before(self) -> Week:
        return self.weeks[-2]

    @property
    def last_date(self) -> dt.date:
        """The week's Sunday."""
        return self.week_date + WEEK - dt.timedelta(days=1)

    @property
    def is_empty(self) -> bool:
        """Whether the week held nothing, be it that nothing happened or that nothing was loaded."""
        return not (self.week.session_count or self.week.attendance_count or self.week.breakout_session_count)

    @property
    def is_nobody_followed(self) -> bool:
        """Whether everybody is another person in each session (PII_MODE=none): people are attendances then."""
        return any(row.is_nobody_followed for row in self.returns)

    @cached_property
    def missing(self) -> dict[dt.date, list[dt.date]]:
        """By the Monday of each week, its days of which sessions or attendees are not loaded."""
        return self._by_week(lambda day: not (day.is_session_loaded and day.is_attendance_loaded))

    @cached_property
    def missing_sessions(self) -> dict[dt.date, list[dt.date]]:
        """By the Monday of each week, its days of which sessions are not loaded."""
        return self._by_week(lambda day: not day.is_session_loaded)

    @cached_property
    def missing_breakouts(self) -> dict[dt.date, list[dt.date]]:
        """By the Monday of each week, its days of which breakouts, or the sessions they are part of, are not loaded."""
        return self._by_week(lambda day: not (day.is_session_loaded and day.is_breakout_loaded))

    @cached_property
    def provisional(self) -> dict[dt.date, list[dt.date]]:
        """By the Monday of each week, its days whose figures may still change."""
        return self._by_week(lambda day: day.is_provisional)

    @property
    def is_comparable(self) -> bool:
        """Whether no day is missing from the week and the one before it."""
        return not self.missing[self.week_date] and not self.missing[self.week_date - WEEK]

    def is_attendance_unknown(self, week: Week) -> bool:
        """Whether it is not known if anybody came. Where days are missing, 0 is what the others add up to: not nobody."""
        if week.people_count is None:
            return True
        return not week.people_count and week.total_minutes == 0 and bool(self.missing[week.week_date])

    @cached_property
    def breakouts_by_week(self) -> dict[dt.date, Breakouts]:
        return {row.week_date: row for row in self.breakouts}

    def breakout_ratio(self, week: Week) -> float | None:
        """The share of the week's main sessions that used breakouts. None where a day has sessions and not its breakouts."""
        known = set(self.missing_sessions[week.week_date])
        if not week.session_count or not known.issuperset(self.missing_breakouts[week.week_date]):
            return None
        used = self.breakouts_by_week.get(week.week_date)
        return used.main_session_count / week.session_count if used else 0.0

    def _by_week(self, wanted: Callable[[Day], bool]) -> dict[dt.date, list[dt.date]]:
        return {
            week.week_date: [
                day.session_date
                for day in self.days
                if week.week_date <= day.session_date < week.week_date + WEEK and wanted(day)
            ]
            for week in self.weeks
        }


def accounts(connection: psycopg.Connection) -> list[Account]:
    """The accounts of which anything was loaded."""
    return _rows(connection, "accounts", Account)


def figures(connection: psycopg.Connection, account_id: int, week_date: dt.date, timezone: ZoneInfo) -> Figures:
    """The figures of the week that begins with the Monday `week_date`. One snapshot where the connection has one."""
    given = {"account_id": account_id, "week_date": week_date, "timezone": str(timezone)}
    return Figures(
        account_id,
        week_date,
        timezone,
        weeks=_rows(connection, "weeks", Week, **given),
        days=_rows(connection, "days", Day, **given),
        hours=_rows(connection, "hours", Hour, **given),
        bands=_rows(connection, "engagement", Band, **given),
        rooms=_rows(connection, "rooms", Room, **given),
        returns=_rows(connection, "retention", Return, **given),
        breakouts=_rows(connection, "breakouts", Breakouts, **given),
        restated=_rows(connection, "restated", Restated, **given),
        freshness=_rows(connection, "freshness", Freshness, **given),
        departments=_rows(connection, "departments", Department, **given),
    )


def _rows(connection: psycopg.Connection, name: str, kind: type[Row], **parameters: object) -> list[Row]:
    query = (QUERIES / f"{name}.sql").read_text("utf-8").encode()
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query, parameters or None).fetchall()
