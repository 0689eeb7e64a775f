"""The reports 6000, 6001 and 6002, drawn from the viewing events of the window asked for, and from nothing else.

A session, breakout or attendee is in a report if it has at least one visible event in the window, and its figures count
those events alone: a window that ends inside a session returns a part of its figures under its usual key.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.params import BREAKOUT_REPORT_ID, PARENTS, Question
from simulator.viewing import TICK_SECONDS, Ints, RoomKey, Viewing, ints
from simulator.wire import Report, printed_dimension, printed_metric
from simulator.world import UNKNOWN, Activity, Breakout, Session, World

SESSION_COLUMNS = (
    "entry_id", "entry_name", "parent_entry_id", "cue_point_id", "session_start_time", "session_end_time",
    "session_host_user_id", "meeting_view_period_unique_users", "meeting_engaged_play_time_ratio",
)  # fmt: skip
ATTENDEE_COLUMNS = (
    "entry_id", "cue_point_id", "user_id", "user_name", "user_email", "user_type",
    "meeting_view_time", "meeting_engaged_play_time_ratio",
)  # fmt: skip
BREAKOUT_COLUMNS = (
    "parent_entry_id", "parent_entry_name", "breakout_entry_id", "breakout_entry_name", "cue_point_id",
    "session_initiator", "session_start_time", "session_end_time", "duration", "participant_count", "engagement_rate",
)  # fmt: skip
NAME_COLUMNS = frozenset({"entry_name", "user_name", "parent_entry_name", "breakout_entry_name"})

_TICKS_A_MINUTE = 60 / TICK_SECONDS


@dataclass(frozen=True)
class _Figures:
    """Visible events in the window, for each room and internal user that has any."""

    room: Ints
    user: Ints
    ticks: Ints
    engaged: Ints


@dataclass(frozen=True)
class _RoomFigures:
    users: int
    ratio: float


def answer(world: World, question: Question, *, now: float, row_cap: int, thins_breakouts: bool = True) -> Report:
    """The report's rows, largest first figure first, cut in silence at the cap or at the question's smaller limit."""
    visible_until = min(question.end, int(now))
    if visible_until > question.start:
        activity = world.between(question.start, visible_until)
    else:
        activity = Activity((), (), _NO_VIEWING)
    figures = _figures(activity.viewing, question, int(now))
    limit = row_cap if question.limit is None else min(row_cap, question.limit)
    capped = replace(question, limit=limit)
    if thins_breakouts and question.report_id == BREAKOUT_REPORT_ID:
        return _thinned_breakouts(activity, capped, figures, int(now), limit)
    report = _REPORTS[question.report_id](activity, capped, figures, int(now)).first(limit)
    return replace(report, found_row_count=len(report))


def _figures(viewing: Viewing, question: Question, now: int) -> _Figures:
    ticks, engaged = viewing.clipped(question.start, question.end, now)
    seen = np.flatnonzero(ticks)
    pairs, group = np.unique(viewing.room[seen] * len(viewing.users) + viewing.user[seen], return_inverse=True)
    room, user = np.divmod(pairs, max(len(viewing.users), 1))
    return _Figures(
        room,
        user,
        ticks=np.bincount(group, weights=ticks[seen], minlength=len(pairs)).astype(np.int64),
        engaged=np.bincount(group, weights=engaged[seen], minlength=len(pairs)).astype(np.int64),
    )


def _by_room(viewing: Viewing, figures: _Figures) -> dict[RoomKey, _RoomFigures]:
    users = np.bincount(figures.room, minlength=len(viewing.rooms))
    ticks = np.bincount(figures.room, weights=figures.ticks, minlength=len(viewing.rooms))
    engaged = np.bincount(figures.room, weights=figures.engaged, minlength=len(viewing.rooms))
    return {
        viewing.rooms[room]: _RoomFigures(int(users[room]), float(engaged[room] / ticks[room]))
        for room in np.flatnonzero(users).tolist()
    }


def _sessions(activity: Activity, question: Question, figures: _Figures, now: int) -> Report:
    seen = _by_room(activity.viewing, figures)
    sessions: dict[RoomKey, Session] = {}
    for listed in activity.sessions:
        sessions.setdefault((listed.entry_id, listed.cue_point_id), listed)
    rows = []
    for key, session in sessions.items():
        if (
            key in seen
            and question.admits("entry_ids", session.entry_id)
            and question.admits("virtual_event_ids", session.virtual_event_id)
        ):
            start, end, host = _looked_up(session, session.host_user_id, now)
            dimensions = (session.entry_id, session.entry_name, session.parent_entry_id, session.cue_point_id)
            rows.append((seen[key].users, (*dimensions, start, end, host), (seen[key].users, seen[key].ratio)))
    return _printed(SESSION_COLUMNS, rows)


def _breakouts(activity: Activity, question: Question, figures: _Figures, now: int) -> Report:
    seen = _by_room(activity.viewing, figures)
    breakouts: dict[RoomKey, Breakout] = {}
    for listed in activity.breakouts:
        breakouts.setdefault((listed.breakout_entry_id, listed.cue_point_id), listed)
    rows = []
    for key, room in breakouts.items():
        if (
            key in seen
            and question.admits(PARENTS, room.parent_entry_id)
            and question.admits("virtual_event_ids", room.virtual_event_id)
        ):
            start, end, initiator = _looked_up(room, room.initiator, now)
            names = (room.parent_entry_id, room.parent_entry_name, room.breakout_entry_id, room.breakout_entry_name)
            # The server subtracts what it has: an end that isn't known counts as 0.
            duration = int(end or 0) - int(start) if start != UNKNOWN else 0
            figures_of_room = (duration, seen[key].users, seen[key].ratio)
            rows.append((seen[key].users, (*names, room.cue_point_id, initiator, start, end), figures_of_room))
    return _printed(BREAKOUT_COLUMNS, rows)


def _thinned_breakouts(activity: Activity, question: Question, figures: _Figures, now: int, limit: int) -> Report:
    """The breakouts among the first rooms, up to `limit`, that the query found: every room that 6000 lists, by users.

    Restricted to main rooms it finds their breakouts alone.
    """
    breakouts = _breakouts(activity, question, figures, now)
    keys = set(zip(breakouts.columns["breakout_entry_id"], breakouts.columns["cue_point_id"], strict=True))
    users = list(map(int, breakouts.columns["participant_count"]))
    others: list[int] = []
    if PARENTS not in question.filters:
        rooms = _sessions(activity, question, figures, now).columns
        names = ("entry_id", "cue_point_id", "meeting_view_period_unique_users")
        listed = zip(*(rooms[name] for name in names), strict=True)
        others = [int(count) for *key, count in listed if tuple(key) not in keys]
    kept = sum(1 for at, count in enumerate(users) if at + sum(other >= count for other in others) < limit)
    return replace(breakouts.first(kept), found_row_count=min(limit, len(users) + len(others)))


def _attendees(activity: Activity, question: Question, figures: _Figures, now: int) -> Report:
    viewing = activity.viewing
    asked = np.flatnonzero(_asked_for(activity, question, figures))
    order = asked[np.argsort(-figures.ticks[asked], kind="stable")][: question.limit]
    room, user, ticks = figures.room[order], figures.user[order], figures.ticks[order]
    ratio = figures.engaged[order] / ticks
    cells = [
        *(_spread([printed_dimension(key[at]) for key in viewing.rooms], room) for at in range(2)),
        *(
            _spread([printed_dimension(getattr(person, field)) for person in viewing.users], user)
            for field in ("user_id", "name", "email", "user_type")
        ),
        [printed_metric(minutes) for minutes in (ticks / _TICKS_A_MINUTE).tolist()],
        [printed_metric(value) for value in ratio.tolist()],
    ]
    return Report(dict(zip(ATTENDEE_COLUMNS, cells, strict=True)))


def _asked_for(activity: Activity, question: Question, figures: _Figures) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of the figures' rows pass the question's filters."""
    viewing = activity.viewing
    events = {(b.breakout_entry_id, b.cue_point_id): b.virtual_event_id for b in activity.breakouts}
    events |= {(s.entry_id, s.cue_point_id): s.virtual_event_id for s in activity.sessions}
    rooms = [
        question.admits("entry_ids", key[0])
        and question.admits("cue_point_ids", key[1])
        and question.admits("virtual_event_ids", events.get(key, ""))
        for key in viewing.rooms
    ]
    users = [question.admits("user_ids", user.user_id) for user in viewing.users]
    asked: np.ndarray[tuple[int], np.dtype[np.bool_]] = (
        np.array(rooms, dtype=np.bool_)[figures.room] & np.array(users, dtype=np.bool_)[figures.user]
    )
    return asked


def _looked_up(meeting: Session | Breakout, by: str, now: int) -> tuple[int | str, int | str, str]:
    """Start, end and host as they are known at `now`: a running session has no end, which is spelled in two ways."""
    if meeting.cue_point_id == UNKNOWN:
        return UNKNOWN, UNKNOWN, UNKNOWN
    if meeting.ended_at is not None and meeting.ended_at <= now:
        return meeting.started_at, meeting.ended_at, by
    leaves_end_empty = zlib.crc32(meeting.cue_point_id.encode()) % 2 == 0
    return meeting.started_at, "" if leaves_end_empty else meeting.started_at, by


def _printed(
    columns: Sequence[str], rows: Iterable[tuple[int, tuple[int | str, ...], tuple[int | float, ...]]]
) -> Report:
    """Rows of (rank, dimensions, figures) as printed columns, by rank."""
    ranked = sorted(rows, key=lambda row: -row[0])
    cells = [[*map(printed_dimension, dimensions), *map(printed_metric, figures)] for _, dimensions, figures in ranked]
    return Report({name: [row[at] for row in cells] for at, name in enumerate(columns)})


def _spread(cells: list[str], positions: Ints) -> list[str]:
    spread: list[str] = np.array(cells, dtype=object)[positions].tolist()
    return spread


_NO_INTS = ints(())
_NO_VIEWING = Viewing([], [], *(_NO_INTS,) * 8)

_REPORTS: dict[int, Callable[[Activity, Question, _Figures, int], Report]] = {
    6000: _sessions,
    6001: _attendees,
    6002: _breakouts,
}
