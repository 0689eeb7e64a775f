"""Viewing: who was in which room when, as 10-second events.

`View` is the truth about one stay in a room and `events` spells it out tick by tick, slow and obviously right, for
tests. `Viewing` holds the same stays as columns, so that a report over a million of them is arithmetic on arrays.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TICK_SECONDS = 10

Ints = NDArray[np.int64]
RoomKey = tuple[str, str]  # entry_id, cue_point_id


@dataclass(frozen=True, slots=True)
class User:
    """One internal user. Reports group by `number`; two numbers may share one `user_id`."""

    number: int
    user_id: str
    name: str
    email: str
    user_type: str


@dataclass(frozen=True, slots=True)
class View:
    """One user's stay in one room, with the parts of it during which they were engaged."""

    entry_id: str
    cue_point_id: str
    user: User
    joined_at: int
    left_at: int
    engaged: tuple[tuple[int, int], ...] = ()
    arrives_after: int = 0  # seconds by which its events reach the event store late


@dataclass(frozen=True, slots=True)
class Event:
    """What the player sends every ten seconds, at multiples of ten since the epoch."""

    at: int
    engaged: bool
    visible_from: int  # the first second at which a report shows it


def events(view: View) -> Iterator[Event]:
    """Every event of a stay: the ticks in [joined_at, left_at), visible once their ten seconds are over and arrived."""
    first = -(-view.joined_at // TICK_SECONDS) * TICK_SECONDS
    for at in range(first, view.left_at, TICK_SECONDS):
        engaged = any(begin <= at < end for begin, end in view.engaged)
        yield Event(at, engaged, visible_from=at + TICK_SECONDS + view.arrives_after)


def ticks_between(start: Ints, end: Ints) -> Ints:
    """How many multiples of ten lie in [start, end): a count, without listing them."""
    counted: Ints = -(-end // TICK_SECONDS) + (-start // TICK_SECONDS)
    return np.maximum(counted, 0)


@dataclass(frozen=True)
class Viewing:
    """Stays as columns: one position a stay, and in the `engaged_*` columns one position an engaged interval."""

    rooms: Sequence[RoomKey]
    users: Sequence[User]
    room: Ints  # position in `rooms`
    user: Ints  # position in `users`
    joined_at: Ints
    left_at: Ints
    arrives_after: Ints
    engaged_view: Ints  # position of the stay
    engaged_from: Ints
    engaged_to: Ints

    def __len__(self) -> int:
        return len(self.room)

    def views(self) -> Iterator[View]:
        """The same stays one by one, for whoever wants to count their events by hand."""
        engaged: dict[int, list[tuple[int, int]]] = {}
        for view, begin, end in zip(
            self.engaged_view.tolist(), self.engaged_from.tolist(), self.engaged_to.tolist(), strict=True
        ):
            engaged.setdefault(view, []).append((begin, end))
        columns = (self.room, self.user, self.joined_at, self.left_at, self.arrives_after)
        for position, (room, user, joined, left, late) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            entry_id, cue_point_id = self.rooms[room]
            intervals = tuple(sorted(engaged.get(position, ())))
            yield View(entry_id, cue_point_id, self.users[user], joined, left, intervals, late)

    def clipped(self, start: int, end: int, now: int) -> tuple[Ints, Ints]:
        """Each stay's events, and its engaged events, that fall in [start, end) and are visible at `now`."""
        # An event at t shows from t + 10 + arrives_after on: t < now - arrives_after - 9.
        until = np.minimum(end, now - self.arrives_after - (TICK_SECONDS - 1))
        ticks = ticks_between(np.maximum(self.joined_at, start), np.minimum(self.left_at, until))
        engaged_ticks = ticks_between(
            np.maximum(self.engaged_from, start), np.minimum(self.engaged_to, until[self.engaged_view])
        )
        engaged = np.bincount(self.engaged_view, weights=engaged_ticks, minlength=len(self))
        return ticks, engaged.astype(np.int64)


def ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, dtype=np.int64)


def in_columns(views: Sequence[View]) -> Viewing:
    """Stays as columns. Of several spellings of one user number the last is the one that reports look up."""
    rooms = list(dict.fromkeys((view.entry_id, view.cue_point_id) for view in views))
    users = {view.user.number: view.user for view in views}
    room_at = {key: position for position, key in enumerate(rooms)}
    user_at = {number: position for position, number in enumerate(users)}
    engaged = [(at, begin, end) for at, view in enumerate(views) for begin, end in _disjoint_within(view)]
    return Viewing(
        rooms=rooms,
        users=list(users.values()),
        room=ints(room_at[view.entry_id, view.cue_point_id] for view in views),
        user=ints(user_at[view.user.number] for view in views),
        joined_at=ints(view.joined_at for view in views),
        left_at=ints(view.left_at for view in views),
        arrives_after=ints(view.arrives_after for view in views),
        engaged_view=ints(at for at, _, _ in engaged),
        engaged_from=ints(begin for _, begin, _ in engaged),
        engaged_to=ints(end for _, _, end in engaged),
    )


def _disjoint_within(view: View) -> Iterator[tuple[int, int]]:
    """The engaged intervals cut to the stay and without overlap, as an event covered twice is engaged once."""
    reached = view.joined_at
    for begin, end in sorted(view.engaged):
        begin, end = max(begin, reached), min(end, view.left_at)
        if begin < end:
            yield begin, end
            reached = end


def joined(parts: Sequence[Viewing], users: Sequence[User]) -> Viewing:
    """Several lots of stays as one. The parts all index the same `users`; a room in two parts becomes one room."""
    room_at: dict[RoomKey, int] = {}
    rooms = [ints(room_at.setdefault(key, len(room_at)) for key in part.rooms) for part in parts]
    starts = np.cumsum([0, *(len(part) for part in parts)])

    def column(name: str) -> Ints:
        return np.concatenate([ints(()), *(getattr(part, name) for part in parts)])

    return Viewing(
        rooms=list(room_at),
        users=users,
        room=np.concatenate([ints(()), *(to[part.room] for to, part in zip(rooms, parts, strict=True))]),
        user=column("user"),
        joined_at=column("joined_at"),
        left_at=column("left_at"),
        arrives_after=column("arrives_after"),
        engaged_view=np.concatenate(
            [ints(()), *(part.engaged_view + start for part, start in zip(parts, starts, strict=False))]
        ),
        engaged_from=column("engaged_from"),
        engaged_to=column("engaged_to"),
    )
