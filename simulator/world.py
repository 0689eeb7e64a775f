"""The truth that reports are drawn from: which sessions took place, and who viewed them.

A world knows no clock: it holds what was and what will be, and a report shows what is visible at the time it is asked.
All times are Unix seconds, UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from simulator.viewing import View, Viewing, in_columns

UNKNOWN = "Unknown"  # what the API prints for a session or user that it can't resolve


@dataclass(frozen=True, slots=True)
class Session:
    """A meeting in a main room or, with `parent_entry_id`, a breakout room. With the id `Unknown` its times are too."""

    entry_id: str
    entry_name: str
    parent_entry_id: str
    cue_point_id: str
    started_at: int
    ended_at: int | None
    host_user_id: str
    virtual_event_id: str = ""


@dataclass(frozen=True, slots=True)
class Breakout:
    """A meeting in a breakout room as 6002 tells it. Its viewers are views of (breakout_entry_id, cue_point_id)."""

    parent_entry_id: str
    parent_entry_name: str
    breakout_entry_id: str
    breakout_entry_name: str
    cue_point_id: str
    initiator: str
    started_at: int
    ended_at: int | None
    virtual_event_id: str = ""


@dataclass(frozen=True)
class Activity:
    """A part of a world. Views may belong to no listed session, and a listed session may have no view."""

    sessions: tuple[Session, ...]
    breakouts: tuple[Breakout, ...]
    viewing: Viewing


class WindowTooWideError(Exception):
    """The window holds more than this world can answer for: the API times out on it."""


class World(Protocol):
    def between(self, start: int, end: int) -> Activity:
        """All that may have an event in [start, end). More is allowed, less is not."""
        ...


class ListedWorld:
    """A world of exactly the sessions, breakouts and views it is given."""

    def __init__(
        self, sessions: Iterable[Session] = (), breakouts: Iterable[Breakout] = (), views: Iterable[View] = ()
    ) -> None:
        self.sessions = tuple(sessions)
        self.breakouts = tuple(breakouts)
        self.views = tuple(views)
        self._all = Activity(self.sessions, self.breakouts, in_columns(self.views))

    def between(self, start: int, end: int) -> Activity:
        return self._all
