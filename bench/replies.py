"""Replies of any size, all invented: a day of sessions and their attendees as the CSV that Kaltura would send."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import httpx
import numpy as np

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.extract import Extract, extract
from assets.pull.filters import Filters
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.client import Client, RequestStats
from resources.kaltura.csv import BOM
from resources.kaltura.query import Query
from resources.kaltura.reply import Raw
from resources.kaltura.session import Credentials
from resources.kaltura.windows import Calendar, Days

ATTENDEES_A_SESSION = 40
PEOPLE = 20_000
CALENDAR = Calendar(ZoneInfo("UTC"), 12)
FIRST_DAY = dt.date(2026, 3, 2)

Replies = dict[int, bytes]
"""A reply's body by the number of its report."""


@dataclass(frozen=True)
class _Meeting:
    """A session and the ids of what belongs to it."""

    number: int
    day: dt.date

    @property
    def entry_id(self) -> str:
        return f"1_{self.number % 997:08x}"

    @property
    def cue_point_id(self) -> str:
        # Kaltura's ids are drawn at random: neighbours in time are none in an index.
        return f"1_{(self.number * 2654435761 + self.day.toordinal() * 40503) % 2**32:08x}"

    @property
    def starts_at(self) -> int:
        morning = dt.datetime.combine(self.day, dt.time(8), dt.UTC)
        return int(morning.timestamp()) + self.number % 36_000


def replies(day: dt.date, rows: int, *, changed_share: float = 0.0) -> Replies:
    """A day with `rows` attendees. The same arguments give the same rows; `changed_share` of them differ otherwise."""
    random = np.random.default_rng([rows, day.toordinal()])
    meetings = [_Meeting(number, day) for number in range(-(-rows // ATTENDEES_A_SESSION))]
    attendees: list[str] = []
    for meeting in meetings:
        some = random.choice(PEOPLE, ATTENDEES_A_SESSION, replace=False)
        minutes, ratios = random.integers(1, 540, len(some)) / 6, random.random(len(some))
        attendees += [
            f"{meeting.entry_id},{meeting.cue_point_id},user{user:06},Invented Person {user},"
            f"person{user}@example.org,User,{stay:.14g},{ratio:.14g}"
            for user, stay, ratio in zip(some, minutes, ratios, strict=True)
        ]
    attendees = attendees[:rows]
    for index in np.flatnonzero(random.random(rows) < changed_share):
        attendees[index] = attendees[index].replace(",User,", ",User,1", 1)
    random.shuffle(attendees)
    sessions = [
        f"{each.entry_id},Invented room {each.number % 997},,{each.cue_point_id},{each.starts_at},"
        f"{each.starts_at + 5400},host{each.number % 300},{ATTENDEES_A_SESSION},0.5"
        for each in meetings
    ]
    return {
        ROOM_SESSIONS.report_id: _csv(ROOM_SESSIONS.table.column_names, sessions),
        ATTENDEES.report_id: _csv(ATTENDEES.table.column_names, attendees),
        BREAKOUT_SESSIONS.report_id: BOM + b"\n",
    }


def _csv(header: list[str], lines: list[str]) -> bytes:
    return BOM + "\n".join([",".join(header), *lines, ""]).encode()


class Canned(Client):
    """A client that has its replies already: all of the way in but the network."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9", Credentials("1", ks="invented"), row_cap=10**9)
        self.replies: Replies = {}
        self.pulls = 0

    def raw(
        self,
        query: Query,
        stats: RequestStats,
        *,
        excluded_columns: tuple[str, ...] = (),
        tries: int | None = None,
    ) -> Raw:
        stats.requests += 1
        return Raw(200, httpx.Headers(), self.replies[query.source.report_id])

    def bring(self, day: dt.date, bodies: Replies) -> Extract:
        """The day as the pipeline brings it in, from bytes to typed rows."""
        self.replies = bodies
        self.pulls += 1
        return extract(Days(day, day), REPORTS, self, CALENDAR, Filters({}), number=self.pulls)
