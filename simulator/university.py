"""An invented university whose rooms are in use since 2015 and go on being used: a world for any window, any year.

Each local day is drawn from the seed and its date alone, when it is first asked for, so the same window always holds
the same, and time can pass. About a million attendee rows a year with 60 rooms.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from simulator.people import Kind, Room, invented_people, kaltura_id, main_rooms
from simulator.viewing import Ints, RoomKey, Viewing, ints, joined
from simulator.world import UNKNOWN, Activity, Breakout, Session, WindowTooWideError

FOUNDED = date(2015, 1, 1)  # before it nothing is seen, as of Kaltura before there were Rooms
LONGEST_WINDOW_DAYS = 800  # wider ones time out, as they would with the real API
_CACHED_DAYS = 70
# A session is drawn with the day on which it starts: the longest runs 30 hours, nobody joins over 15 minutes early.
_LONGEST_STAY = timedelta(hours=34)
_EARLIEST_JOIN = timedelta(minutes=15)

_WEEKDAY_SHARE = (1.0, 1.0, 1.0, 0.95, 0.8, 0.16, 0.1)  # of the rooms, Monday to Sunday
_LATE_EVENING_PROBABILITY = 0.35
_MARATHON_PROBABILITY = 0.04
_UNKNOWN_SESSION_PROBABILITY = 1 / 700
_BREAKOUT_PROBABILITY = {Kind.LECTURE: 0.06, Kind.SEMINAR: 0.4, Kind.OFFICE_HOUR: 0.0}
_ATTENDANCE = {Kind.LECTURE: (0.3, 0.75), Kind.SEMINAR: (0.5, 0.95), Kind.OFFICE_HOUR: (0.02, 0.2)}
_MINUTES = {Kind.LECTURE: (50, 75, 90), Kind.SEMINAR: (80, 110), Kind.OFFICE_HOUR: (30, 60, 120)}


@dataclass
class _Day:
    """A day being drawn."""

    date: date
    random: np.random.Generator
    sessions: list[Session] = field(default_factory=list)
    breakouts: list[Breakout] = field(default_factory=list)
    rooms: list[RoomKey] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    attendance: list[Ints] = field(default_factory=list)

    def attended(self, key: RoomKey, start: int, end: int, users: Ints) -> None:
        self.rooms.append(key)
        self.spans.append((start, end))
        self.attendance.append(users)


class University:
    """A world that is drawn day by day. Ask for any window: what has been drawn is kept for a while."""

    def __init__(self, seed: int = 7, timezone: str = "America/New_York", rooms: int = 60) -> None:
        self.seed = seed
        self.timezone = ZoneInfo(timezone)
        self.people = invented_people(seed)
        self.rooms = main_rooms(seed, rooms, self.people)
        self._days: OrderedDict[date, Activity] = OrderedDict()
        self._lock = threading.Lock()

    def between(self, start: int, end: int) -> Activity:
        if end - start > LONGEST_WINDOW_DAYS * 86400:
            raise WindowTooWideError
        first = (datetime.fromtimestamp(start, self.timezone) - _LONGEST_STAY).date()
        last = (datetime.fromtimestamp(end, self.timezone) + _EARLIEST_JOIN).date()
        days = [self.on(first + timedelta(days=number)) for number in range((last - first).days + 1)]
        return Activity(
            tuple(session for day in days for session in day.sessions),
            tuple(breakout for day in days for breakout in day.breakouts),
            joined([day.viewing for day in days], self.people.everybody),
        )

    def on(self, day: date) -> Activity:
        """All that starts on a local day."""
        with self._lock:
            if day not in self._days:
                self._days[day] = self._drawn(day)
                if len(self._days) > _CACHED_DAYS:
                    self._days.popitem(last=False)
            self._days.move_to_end(day)
            return self._days[day]

    def _drawn(self, on: date) -> Activity:
        day = _Day(on, np.random.default_rng([self.seed, on.toordinal()]))
        if on < FOUNDED:
            return Activity((), (), _viewing(day, self))
        share = _WEEKDAY_SHARE[on.weekday()]
        for number, room in enumerate(self.rooms):
            for nth in range(_meetings(day, room, share)):
                minutes = int(day.random.choice(_MINUTES[room.kind]))
                self._meet(day, room, (number, nth), (8 + 5 * nth) * 60 + int(day.random.integers(0, 56)) * 5, minutes)
        self._meet_at_odd_hours(day)
        self._view_without_session(day)
        return Activity(tuple(day.sessions), tuple(day.breakouts), _viewing(day, self))

    def _meet_at_odd_hours(self, day: _Day) -> None:
        """Sessions across midnight, and now and then one that runs for 14 or 30 hours."""
        if day.random.random() < _LATE_EVENING_PROBABILITY:
            room = self.rooms[int(day.random.integers(len(self.rooms)))]
            self._meet(day, room, ("late",), 22 * 60 + 30 + int(day.random.integers(0, 12)) * 5, 120)
        if day.random.random() < _MARATHON_PROBABILITY:
            room = self.rooms[int(day.random.integers(len(self.rooms)))]
            self._meet(day, room, ("marathon",), 10 * 60, int(day.random.choice([14, 30])) * 60)

    def _view_without_session(self, day: _Day) -> None:
        """A few people in a room of which the API no longer knows the session: its id reads 0."""
        room = self.rooms[int(day.random.integers(len(self.rooms)))]
        start = self._at(day.date, 12 * 60)
        day.attended((room.entry_id, "0"), start, start + 1200, day.random.choice(room.roster, 2, replace=False))

    def _meet(self, day: _Day, room: Room, which: tuple[object, ...], minute_of_day: int, minutes: int) -> None:
        """One session of a room, with its breakouts."""
        start = self._at(day.date, minute_of_day) + int(day.random.integers(-120, 300))
        end = start + minutes * 60 + int(day.random.integers(-400, 500))
        cue_point_id = kaltura_id(self.seed, day.date, room.entry_id, which)
        if day.random.random() < _UNKNOWN_SESSION_PROBABILITY:
            cue_point_id = UNKNOWN
        low, high = _ATTENDANCE[room.kind]
        present = max(2, int(len(room.roster) * day.random.uniform(low, high)))
        users = np.append(day.random.permutation(room.roster)[:present], room.host.number)
        day.sessions.append(Session(room.entry_id, room.name, "", cue_point_id, start, end, room.host.user_id))
        day.attended((room.entry_id, cue_point_id), start, end, users)
        if minutes > 40 and day.random.random() < _BREAKOUT_PROBABILITY[room.kind]:
            self._break_out(day, room, cue_point_id, (start + (end - start) // 3, end - 300), users)

    def _break_out(self, day: _Day, room: Room, parent_cue: str, span: tuple[int, int], users: Ints) -> None:
        """Split those present over three to five breakout rooms, each with a session of its own."""
        groups = np.array_split(users[: max(6, len(users) * 4 // 5)], int(day.random.integers(3, 6)))
        for number, group in enumerate(groups, start=1):
            if not len(group):
                continue
            start, end = (edge + int(day.random.integers(0, 60)) for edge in span)
            entry_id = kaltura_id(self.seed, room.entry_id, "breakout", number)
            cue_point_id = kaltura_id(self.seed, day.date, entry_id, parent_cue, start)
            name = f"{room.name} / Group {number}"
            day.sessions.append(Session(entry_id, name, room.entry_id, cue_point_id, start, end, room.host.user_id))
            day.breakouts.append(
                Breakout(room.entry_id, room.name, entry_id, name, cue_point_id, room.host.user_id, start, end)
            )
            day.attended((entry_id, cue_point_id), start, end, group)

    def _at(self, on: date, minute_of_day: int) -> int:
        wall = datetime(on.year, on.month, on.day, minute_of_day // 60, minute_of_day % 60, tzinfo=self.timezone)
        return int(wall.astimezone(UTC).timestamp())


def _meetings(day: _Day, room: Room, share: float) -> int:
    """How often a room meets on this day: office hours up to three times, others once or twice."""
    usual = {Kind.LECTURE: 1.35, Kind.SEMINAR: 1.2, Kind.OFFICE_HOUR: 2.0}[room.kind] * share
    return int(usual) + int(day.random.random() < usual % 1)


def _viewing(day: _Day, university: University) -> Viewing:
    """The stays of everybody who attended: most come a little after the start, some leave early, some come back."""
    random = day.random
    room = np.repeat(np.arange(len(day.rooms)), [len(users) for users in day.attendance])
    user = np.concatenate([ints(()), *day.attendance])
    spans = np.array(day.spans, dtype=np.int64).reshape(-1, 2)
    start, end = spans[room, 0], spans[room, 1]
    length = end - start
    come = start + np.where(random.random(len(room)) < 0.2, -random.integers(0, 600, len(room)), 0)
    come += random.exponential(0.05 * length).astype(np.int64)
    go = end + random.integers(-60, 90, len(room))
    go -= np.where(random.random(len(room)) < 0.25, random.random(len(room)) * 0.6 * length, 0).astype(np.int64)
    come = np.minimum(come, end - 60)
    go = np.maximum(go, come + 30)
    return _with_pauses(day, university, (room, user, come, go))


def _with_pauses(day: _Day, university: University, stays: tuple[Ints, Ints, Ints, Ints]) -> Viewing:
    """The stays as columns, with one in twelve cut in two by a pause, their engaged parts, and how late they arrive."""
    room, user, come, go = stays
    random = day.random
    paused = np.flatnonzero((random.random(len(room)) < 1 / 12) & (go - come > 600))
    pause = come[paused] + ((go[paused] - come[paused]) * random.uniform(0.3, 0.6, len(paused))).astype(np.int64)
    come = np.concatenate([come, pause + random.integers(30, 240, len(paused))])
    go = np.concatenate([go, go[paused]])
    go[paused] = pause
    room, user = np.concatenate([room, room[paused]]), np.concatenate([user, user[paused]])
    half = (go - come) // 2
    attention = np.where(random.random(len(room)) < 0.04, 0, random.beta(5, 2, len(room)))
    engaged = (half * attention).astype(np.int64)
    return Viewing(
        rooms=day.rooms,
        users=university.people.everybody,
        room=room,
        user=user,
        joined_at=come,
        left_at=go,
        arrives_after=_lateness(random, len(room)),
        engaged_view=np.tile(np.arange(len(room)), 2),
        engaged_from=np.concatenate([come, come + half]),
        engaged_to=np.concatenate([come, come + half]) + np.tile(engaged, 2),
    )


def _lateness(random: np.random.Generator, count: int) -> Ints:
    """Seconds until events are in: a minute at most for most, 5-30 minutes for some, hours for a very few."""
    luck = random.random(count)
    usual = random.integers(0, 60, count)
    late = np.where(luck < 0.06, random.integers(300, 1800, count), usual)
    return np.where(luck < 0.003, random.integers(3600, 6 * 3600, count), late).astype(np.int64)
