"""The tables that a world ought to become: counted event by event in plain Python, by none of the code under test.

`expected(world, days, timezone)` says what has to stand in Postgres once every one of the days has been pulled after
all sessions ended and all events arrived; `landed(connection)` reads what does stand there, in the same shape.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from assets.reports import REPORTS
from simulator import Breakout, ListedWorld, Session, User, View, events

Key = tuple[str, ...]
Row = dict[str, Any]
Tables = dict[str, dict[Key, Row]]

KEYS = {
    "room_sessions": ("entry_id", "cue_point_id"),
    "attendees": ("entry_id", "cue_point_id", "user_id"),
    "breakout_sessions": ("breakout_entry_id", "cue_point_id"),
}
# What a world of these tests does not send, and is NULL then.
OPTIONAL = {
    report.table.name: {column.name for column in report.table.columns if column.optional} for report in REPORTS
}
OURS = ("partner_id", "window_start", "window_end", "load_id", "first_loaded_at", "changed_at")
NO_SESSION = ("", "0", "Unknown", "Error")
TICKS_A_MINUTE = 6
FOLLOWED_SECONDS = 7 * 24 * 3600
PHP_DIGITS = 1e-9  # figures come with 14 significant digits, and sums of them with a little less


@dataclass
class Count:
    """Ten-second events, and how many of them were engaged."""

    ticks: int = 0
    engaged: int = 0

    def add(self, ticks: int, engaged: int) -> None:
        self.ticks += ticks
        self.engaged += engaged

    @property
    def ratio(self) -> float:
        return self.engaged / self.ticks


def as_landed(text: str | None) -> str | None:
    """What becomes of a text: commas can't be sent, NULs can't be stored."""
    sent = "0" if text is None else text.replace(",", " ").replace("\0", "\ufffd")
    return sent or None


def expected(world: ListedWorld, days: Collection[dt.date], timezone: ZoneInfo) -> Tables:
    """The three tables, for the sessions that start on one of the local days."""

    def day(meeting: Session | Breakout) -> dt.date:
        return dt.datetime.fromtimestamp(meeting.started_at, timezone).date()

    counts = _counted(world.views, _followed_until(world))
    seen = {room for room, _ in counts}
    sessions = [s for s in world.sessions if s.cue_point_id not in NO_SESSION and (s.entry_id, s.cue_point_id) in seen]
    room_days = {(s.entry_id, s.cue_point_id): day(s) for s in sessions if day(s) in days}
    cue_days = {cue_point_id: on for (_, cue_point_id), on in room_days.items()}
    breakouts = [b for b in world.breakouts if (b.breakout_entry_id, b.cue_point_id) in seen and day(b) in days]
    attendees = _attendees({view.user.number: view.user for view in world.views}, counts)
    return {
        "room_sessions": {
            (s.entry_id, s.cue_point_id): _session(s, room_days[s.entry_id, s.cue_point_id], counts)
            for s in sessions
            if (s.entry_id, s.cue_point_id) in room_days
        },
        "attendees": {
            key: row | {"partition_date": room_days.get(key[:2], cue_days.get(key[1]))}
            for key, row in attendees.items()
            if key[1] in cue_days
        },
        "breakout_sessions": {(b.breakout_entry_id, b.cue_point_id): _breakout(b, day(b), counts) for b in breakouts},
    }


Counts = Mapping[tuple[tuple[str, str], int], Count]


def _followed_until(world: ListedWorld) -> Mapping[tuple[str, str], int]:
    """The hour at which a session without an end is not followed any more, by room; of an unlisted room, by its session."""
    until: dict[tuple[str, str], int] = {}
    for meeting in (*world.sessions, *world.breakouts):
        if _end(meeting) is None and meeting.cue_point_id not in NO_SESSION:
            entry_id = meeting.entry_id if isinstance(meeting, Session) else meeting.breakout_entry_id
            hour = -(-(meeting.started_at + FOLLOWED_SECONDS) // 3600) * 3600
            until[entry_id, meeting.cue_point_id] = hour
            if isinstance(meeting, Session):
                until["", meeting.cue_point_id] = hour
    listed = {(session.entry_id, session.cue_point_id) for session in world.sessions}
    loose = {(view.entry_id, view.cue_point_id) for view in world.views} - listed
    return until | {key: until["", key[1]] for key in loose if ("", key[1]) in until}


def _counted(views: Iterable[View], until: Mapping[tuple[str, str], int]) -> Counts:
    """Events by room and internal user number. A stay that holds no tick of the clock is no event, and nobody's."""
    counts: dict[tuple[tuple[str, str], int], Count] = defaultdict(Count)
    for view in views:
        room = view.entry_id, view.cue_point_id
        for event in events(view):
            if room not in until or event.at < until[room]:
                counts[room, view.user.number].add(1, int(event.engaged))
    return counts


def _of_room(counts: Counts, entry_id: str, cue_point_id: str) -> tuple[int, float]:
    """How many people, and their ratio."""
    mine = [count for (room, _), count in counts.items() if room == (entry_id, cue_point_id)]
    return len(mine), sum(count.engaged for count in mine) / sum(count.ticks for count in mine)


def _end(meeting: Session | Breakout) -> dt.datetime | None:
    return None if meeting.ended_at in (None, meeting.started_at) else _utc(meeting.ended_at)


def _utc(seconds: int | None) -> dt.datetime:
    assert seconds is not None
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _session(session: Session, day: dt.date, counts: Counts) -> Row:
    people, ratio = _of_room(counts, session.entry_id, session.cue_point_id)
    return {
        "entry_id": session.entry_id,
        "entry_name": as_landed(session.entry_name),
        "parent_entry_id": as_landed(session.parent_entry_id),
        "cue_point_id": session.cue_point_id,
        "session_start_time": _utc(session.started_at),
        "session_end_time": _end(session),
        "session_host_user_id": as_landed(session.host_user_id),
        "meeting_view_period_unique_users": people,
        "meeting_engaged_play_time_ratio": ratio,
        "partition_date": day,
        "extra": None,
    }


def _breakout(breakout: Breakout, day: dt.date, counts: Counts) -> Row:
    people, ratio = _of_room(counts, breakout.breakout_entry_id, breakout.cue_point_id)
    end = _end(breakout)
    return {
        "parent_entry_id": as_landed(breakout.parent_entry_id),
        "parent_entry_name": as_landed(breakout.parent_entry_name),
        "breakout_entry_id": breakout.breakout_entry_id,
        "breakout_entry_name": as_landed(breakout.breakout_entry_name),
        "cue_point_id": breakout.cue_point_id,
        "session_initiator": as_landed(breakout.initiator),
        "session_start_time": _utc(breakout.started_at),
        "session_end_time": end,
        "duration": end and end - _utc(breakout.started_at),
        "participant_count": people,
        "engagement_rate": ratio,
        "partition_date": day,
        "extra": None,
    }


def _attendees(users: Mapping[int, User], counts: Counts) -> dict[Key, Row]:
    """One row a user id: the minutes of all internal users who share it, and their ratio weighted by those minutes."""
    together: dict[Key, Count] = defaultdict(Count)
    people: dict[Key, list[User]] = defaultdict(list)
    for ((entry_id, cue_point_id), number), count in counts.items():
        key = entry_id, cue_point_id, as_landed(users[number].user_id) or ""
        together[key].add(count.ticks, count.engaged)
        people[key].append(users[number])
    return {
        key: {
            "entry_id": key[0],
            "cue_point_id": key[1],
            "user_id": key[2],
            "user_name": _name(key[2], [user.name for user in people[key]]),
            "user_email": _name(key[2], [user.email for user in people[key]]),
            "user_type": _greatest(user.user_type for user in people[key]),
            "meeting_view_time": count.ticks / TICKS_A_MINUTE,
            "meeting_engaged_play_time_ratio": count.ratio,
            "extra": None,
        }
        for key, count in together.items()
    }


def _name(user_id: str, texts: Collection[str]) -> str | None:
    """Of one person the greatest; of several who share an id that is none, the one that is the same for all."""
    if user_id in NO_SESSION and len({as_landed(text) for text in texts}) > 1:
        return None
    return _greatest(texts)


def _greatest(texts: Iterable[str]) -> str | None:
    known = [landed for text in texts if (landed := as_landed(text)) is not None]
    return max(known, key=str.encode) if known else None


def landed(connection: psycopg.Connection) -> Tables:
    """What stands in the tables, without our own bookkeeping."""
    return {name: _table(connection, name) for name in KEYS}


def _table(connection: psycopg.Connection, name: str) -> dict[Key, Row]:
    cursor = connection.execute(f"SELECT * FROM kaltura.{name}".encode())
    names = [column.name for column in cursor.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in cursor]
    return {
        tuple(row[column] for column in KEYS[name]): {column: row[column] for column in names if column not in OURS}
        for row in rows
    }


def assert_equal(found: Tables, wanted: Tables) -> None:
    """Every key, every value; floats as far as they are sent."""
    for name in KEYS:
        assert found[name].keys() == wanted[name].keys(), name
        for key, row in wanted[name].items():
            for column, value in row.items():
                there = found[name][key][column]
                same = there == (pytest.approx(value, rel=PHP_DIGITS) if isinstance(value, float) else value)
                assert same, f"{name} {key}: {column} is {there!r}, not {value!r}"
        for key, row in wanted[name].items():
            more = {column: value for column, value in found[name][key].items() if column not in row}
            assert more == dict.fromkeys(more.keys() & OPTIONAL[name]), f"{name} {key}: {more}"
