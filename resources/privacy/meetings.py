"""Under which pseudonym an erased host is in each session: one for the parts of a meeting, and another for each meeting.

A lost connection leaves a meeting in several sessions, which views stitch as long as the host is the same
(`analytics.openings`, the same walk in SQL). Another pseudonym in each of them would make each a meeting of its own, and a
class that came to one of them absent from the others. What is stored already decides, so that no pull changes it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import groupby
from typing import NamedTuple

import psycopg

from resources.arrivals import Arrivals
from resources.privacy.pseudonyms import NOBODY, People, is_pseudonym

GAP = dt.timedelta(minutes=5)
HOST, _START, _END = "session_host_user_id", "session_start_time", "session_end_time"
# A session is followed for a week: what began before can't reach into the day.
_REACH = dt.timedelta(days=8)

Key = tuple[str, str]
"""Of a session: the room's id and its own."""


class _Session(NamedTuple):
    room: str
    started_at: dt.datetime
    cue: str
    ended_at: dt.datetime | None
    host: str | None

    @property
    def key(self) -> Key:
        return self.room, self.cue


def hosted_as(connection: psycopg.Connection, people: People, person: str, known_as: Iterable[str]) -> dict[Key, str]:
    """How a person, by the pseudonym `person`, is to be written in each session that is stored as hosted by them."""
    ids = list(known_as)
    rooms = "SELECT entry_id FROM kaltura.room_sessions WHERE partner_id = %s AND session_host_user_id = ANY(%s)"
    hosted = {room for (room,) in connection.execute(rooms, [people.partner_id, ids])}
    stored = _stored(connection, people.partner_id, hosted, dt.date.min, dt.date.max) if hosted else []
    before = {each.key: each.host or "" for each in stored}
    made: dict[Key, str] = {}
    for _, room in groupby(sorted(stored, key=_by_time), key=lambda each: each.room):
        made |= dict(_in_room(people, person, {*ids}, list(room), before))
    return made


def arriving_hosts(
    connection: psycopg.Connection, people: People, day: dt.date, arrived: Sequence[Arrivals], erased: Mapping[str, str]
) -> dict[str, dict[Key, str]]:
    """The same of each of the `erased` (ids, and the pseudonym of each) whom a day's reports bring, by pseudonym."""
    rooms = _rooms(arrived, erased)
    if not rooms:
        return {}
    first, last = day - _REACH, day + _REACH
    stored = {each.key: each for each in _stored(connection, people.partner_id, {*rooms}, first, last)}
    there = stored | {each.key: each for each in _arriving(arrived, {*rooms}, erased)}
    before = {key: each.host or "" for key, each in stored.items()}
    made: dict[str, dict[Key, str]] = {}
    for room, sessions in groupby(sorted(there.values(), key=_by_time), key=lambda each: each.room):
        in_room = list(sessions)
        for person in rooms[room]:
            made.setdefault(person, {}).update(_in_room(people, person, {person}, in_room, before))
    return made


def _in_room(
    people: People, person: str, known_as: Set[str], sessions: Sequence[_Session], before: Mapping[Key, str]
) -> Iterator[tuple[Key, str]]:
    """Of one room's sessions by start, those that the person hosts. `before`: the host as stored of each session."""
    theirs = {
        people.in_session(person, each.key)
        for each in sessions
        if each.host in known_as or is_pseudonym(before.get(each.key, ""))
    }
    for meeting in _meetings(sessions, known_as | theirs):
        own = [people.in_session(person, each.key) for each in meeting]
        kept = next((was for each in meeting if (was := before.get(each.key, "")) in own), own[0])
        yield from ((each.key, kept) for each in meeting)


def _meetings(sessions: Sequence[_Session], known_as: Set[str]) -> list[list[_Session]]:
    """The person's sessions with no gap and no other known host between them."""
    found: list[list[_Session]] = []
    goes_on = False
    reached: dt.datetime | None = None
    for each in sessions:
        if reached is None or each.started_at - reached > GAP:
            goes_on = False
        if each.host in known_as:
            found.extend([] if goes_on else [[]])
            found[-1].append(each)
            goes_on = True
        elif each.host and each.host not in NOBODY:
            goes_on = False
        if each.ended_at:
            reached = max(reached or each.ended_at, each.ended_at)
    return found


def _by_time(session: _Session) -> tuple[str, dt.datetime, str]:
    return session.room, session.started_at, session.cue


def _stored(
    connection: psycopg.Connection, partner_id: int, rooms: Set[str], first: dt.date, last: dt.date
) -> list[_Session]:
    found = connection.execute(
        "SELECT entry_id, session_start_time, cue_point_id, session_end_time, session_host_user_id"
        " FROM kaltura.room_sessions WHERE partner_id = %s AND entry_id = ANY(%s) AND partition_date BETWEEN %s AND %s",
        [partner_id, list(rooms), first, last],
    )
    return [_Session(*row) for row in found]


def _rooms(arrived: Sequence[Arrivals], erased: Mapping[str, str]) -> dict[str, set[str]]:
    """Where the erased are, as hosts or among the attendees: by room."""
    found: dict[str, set[str]] = {}
    for each in arrived:
        for column in each.table.person_columns:
            rows = each.frame.loc[each.frame[column].isin(list(erased)), [each.table.session_key[0], column]]
            for room, user_id in rows.drop_duplicates().itertuples(index=False, name=None):
                found.setdefault(room, set()).add(erased[user_id])
    return found


def _arriving(arrived: Sequence[Arrivals], rooms: Set[str], erased: Mapping[str, str]) -> Iterator[_Session]:
    for each in arrived:
        if HOST not in each.table.column_names:
            continue
        columns = ["entry_id", _START, "cue_point_id", _END, HOST]
        rows = each.frame.loc[each.frame["entry_id"].isin(list(rooms)), columns]
        values = rows.astype(object).where(rows.notna(), None)
        for room, at, cue, until, host in values.itertuples(index=False, name=None):
            yield _Session(room, at, cue, until, erased.get(host, host))
