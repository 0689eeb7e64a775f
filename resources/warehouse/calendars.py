"""In which time zone an account's days are cut: recorded with the first pull, and held against every later one.

`partition_date` means nothing without it. Days that are cut at other midnights hold other sessions, so a pull in another
zone would find rows changed and vanished at Kaltura that are not so.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import psycopg

from resources.errors import ConfigurationError
from resources.kaltura.windows import Calendar, Days, Window
from resources.privacy.people import lock_exclusively

_FORGOTTEN = (
    "the warehouse does not know account {} any more: it was taken out, or a backup was put back, while this run was "
    "pulling. Nothing of this day was written. Run it again, if the account is to be there."
)


class CalendarError(ConfigurationError):
    """The days are not cut as those in the warehouse are; the message says what to do."""


def recorded_timezone(connection: psycopg.Connection, partner_id: int) -> str | None:
    """By its name; None where nothing of the account has been pulled yet, or nothing since zones are recorded."""
    return _timezone_in(ask_timezone(connection, partner_id))


def ask_timezone(connection: psycopg.Connection, partner_id: int) -> psycopg.Cursor:
    """For `expect_recorded`. In a pipeline, where the answer may come later."""
    return connection.execute("SELECT timezone FROM kaltura.calendars WHERE partner_id = %s", [partner_id])


def _timezone_in(asked: psycopg.Cursor) -> str | None:
    row = asked.fetchone()
    return str(row[0]) if row else None


def require_timezone(connection: psycopg.Connection, partner_id: int, timezone: ZoneInfo) -> None:
    """Hold the zone against that of the account's days. An account without rows takes on the new one.

    Raises `CalendarError`.
    """
    if recorded_timezone(connection, partner_id) == str(timezone):
        return
    lock_exclusively(connection)
    recorded = recorded_timezone(connection, partner_id)
    if is_filled(connection, partner_id):
        if recorded is None:
            expect_cut_in(connection, partner_id, timezone)
        elif recorded != str(timezone):
            raise CalendarError(_other_zone(partner_id, recorded, timezone))
    record(connection, partner_id, timezone)


def expect_recorded(asked: psycopg.Cursor, partner_id: int, timezone: ZoneInfo) -> None:
    """Inside a day's transaction, under the people lock: that the zone is still the one that the run began with.

    Raises `CalendarError`.
    """
    recorded = _timezone_in(asked)
    if recorded is None:
        raise CalendarError(_FORGOTTEN.format(partner_id))
    if recorded != str(timezone):
        raise CalendarError(_other_zone(partner_id, recorded, timezone))


def expect_none_but(connection: psycopg.Connection, partner_id: int, timezone: ZoneInfo) -> None:
    """For what reads the account's days, or brings local times to them, and leaves the zone as it is.

    Raises `CalendarError` where the days are cut in another. An account without rows takes any.
    """
    if connection.execute("SELECT to_regclass('kaltura.calendars') IS NULL").fetchone() == (True,):
        return  # not migrated yet
    recorded = recorded_timezone(connection, partner_id)
    if recorded not in (None, str(timezone)) and is_filled(connection, partner_id):
        raise CalendarError(_other_zone(partner_id, recorded, timezone))


def local_times(connection: psycopg.Connection, partner_id: int, timezone: ZoneInfo) -> str:
    """In which zone local times are read now, and since when it is the days': where that is another, they mean others.

    The zone alone does not tell of times that were brought in it, in another and by hand, and are to be in it again. Before
    the first pull there is no zone of the days: then the times that are there tell, by what they add up to.
    """
    query = "SELECT recorded_at FROM kaltura.calendars WHERE partner_id = %s"
    if row := connection.execute(query, [partner_id]).fetchone():
        return f"{timezone}, recorded {row[0].astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
    query = "SELECT sum(extract(EPOCH FROM planned_start_at)) FROM university.timetable WHERE account_id = %s"
    row = connection.execute(query, [partner_id]).fetchone()
    return f"{timezone}, seconds that add up to {row[0]:f}" if row and row[0] is not None else str(timezone)


def record(connection: psycopg.Connection, partner_id: int, timezone: ZoneInfo, before: str | None = None) -> None:
    """`before` is the zone that the days were cut in until now, where they have been moved."""
    connection.execute(
        "INSERT INTO kaltura.calendars (partner_id, timezone, timezone_before) VALUES (%s, %s, %s)"
        " ON CONFLICT (partner_id) DO UPDATE SET timezone = excluded.timezone,"
        " timezone_before = excluded.timezone_before, recorded_at = now()",
        [partner_id, str(timezone), before],
    )


def is_filled(connection: psycopg.Connection, partner_id: int) -> bool:
    tables = ("loads", "room_sessions", "attendees", "breakout_sessions", "rejects")
    there = " OR ".join(f"EXISTS (SELECT FROM kaltura.{table} WHERE partner_id = %(partner)s)" for table in tables)
    return connection.execute(f"SELECT {there}".encode(), {"partner": partner_id}).fetchone() == (True,)


def expect_cut_in(connection: psycopg.Connection, partner_id: int, timezone: ZoneInfo) -> None:
    """Of a warehouse that was filled before zones were recorded: that its days are cut at the zone's midnights.

    Its windows tell, as they start with a day, and so do sessions, each on its day. Raises `CalendarError`.
    """
    calendar = Calendar(timezone, 0)
    windows = connection.execute(
        "SELECT DISTINCT extract(epoch FROM window_start)::bigint FROM kaltura.loads WHERE partner_id = %s ORDER BY 1",
        [partner_id],
    ).fetchall()
    wrong = [Window(start, start).starts_at for (start,) in windows if not _starts_a_day(calendar, start)]
    if wrong:
        raise CalendarError(_unlike(partner_id, timezone, f"one was asked for from {wrong[0]:%Y-%m-%d %H:%M} UTC on"))
    for table in ("room_sessions", "breakout_sessions"):
        found = connection.execute(
            f"SELECT DISTINCT partition_date, extract(epoch FROM date_trunc('hour', session_start_time) + "
            "floor(extract(minute FROM session_start_time) / 15) * interval '15 minutes')::bigint"
            f" FROM kaltura.{table} WHERE partner_id = %s",
            [partner_id],
        )
        # Midnights are at quarters of an hour of UTC, in every zone.
        for day, quarter in found:
            if calendar.day_of(quarter) != day:
                started = Window(quarter, quarter).starts_at
                raise CalendarError(
                    _unlike(partner_id, timezone, f"a session of {started:%Y-%m-%d %H:%M} UTC is on {day}")
                )


def _starts_a_day(calendar: Calendar, start: int) -> bool:
    """Whether some day's window starts then: up to two hours before its midnight."""
    day = calendar.day_of(start) + dt.timedelta(days=1)
    return any(calendar.window(Days(each, each)).start == start for each in (day, day - dt.timedelta(days=1)))


def _other_zone(partner_id: int, recorded: str | None, wanted: ZoneInfo) -> str:
    return (
        f"PARTITION_TIMEZONE={wanted}, but the days of account {partner_id} in the warehouse are cut in {recorded}: the "
        f"same day holds other sessions there. Either set PARTITION_TIMEZONE={recorded} again; or move what is there to "
        "its days in the new zone: `python -m pipelines redate` (--dry-run to only count)."
    )


def _unlike(partner_id: int, timezone: ZoneInfo, evidence: str) -> str:
    return (
        f"PARTITION_TIMEZONE={timezone}, but the days of account {partner_id} in the warehouse are not cut at the "
        f"midnights of {timezone}: {evidence}. Set PARTITION_TIMEZONE to the zone that it was filled with. To go on in "
        "this one, pull a day in that zone, which records it, and move what is there: `python -m pipelines redate`."
    )
