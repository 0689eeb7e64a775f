"""Lines that Kaltura might send and nobody can use, or not wholly, and which of them have to stand in `kaltura.rejects`.

`rewritten(spoils, text)` spoils a reply on its way; `without(spoils, tables)` is the truth then; `Lines.sent` are the
lines that windows bring and that can't be used, counted from the world by none of the code under test.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

import psycopg

from simulator import ListedWorld, events
from tests.truth import NO_SESSION, Tables

Key = tuple[int, str, str, str]  # report, room, session, person
Span = tuple[int, int]

RATIO, MINUTES = "meeting_engaged_play_time_ratio", "meeting_view_time"
PLACES = {6000: (0, 3), 6001: (0, 1, 2), 6002: (2, 4)}  # of the key in a line
FIELDS = {6000: 9, 6001: 8, 6002: 11}


@dataclass(frozen=True)
class Spoil:
    """What becomes of a person's lines: a figure that is none, or a comma too many, so that the line is no row."""

    user_id: str
    how: Literal["ratio", "minutes", "comma"]


def rewritten(spoils: Collection[Spoil], text: str) -> str:
    """A report's text with the lines of 6001 spoilt. Replies of keys alone are left as they are."""
    header, *lines = text.split("\n")
    names = header.split(",")
    if MINUTES not in names:
        return text
    how = {spoil.user_id: spoil.how for spoil in spoils}
    return "\n".join([header, *(_spoilt(line.split(","), names, how) for line in lines)])


def _spoilt(values: list[str], names: list[str], how: dict[str, str]) -> str:
    spoil = how.get(values[names.index("user_id")]) if len(values) == len(names) else None
    if spoil == "comma":
        values.insert(names.index("user_name"), "Surname")
    elif spoil:
        values[names.index(RATIO if spoil == "ratio" else MINUTES)] = "1.5" if spoil == "ratio" else "many"
    return ",".join(values)


def without(spoils: Collection[Spoil], tables: Tables) -> Tables:
    """The tables as they are where the lines are spoilt: a figure costs itself, a line that is no row the person."""
    how = {spoil.user_id: spoil.how for spoil in spoils}
    attendees = {}
    for key, row in tables["attendees"].items():
        spoil = how.get(key[2])
        if spoil != "comma":
            lost = {RATIO: None} if spoil == "ratio" else {MINUTES: None} if spoil == "minutes" else {}
            attendees[key] = row | lost
    return tables | {"attendees": attendees}


@dataclass
class Lines:
    """Lines that can't be used, or not wholly: how often each is sent. Those that belong to no day come by windows."""

    of_days: Counter[Key] = field(default_factory=Counter)
    of_windows: list[tuple[Span, Counter[Key]]] = field(default_factory=list)

    @classmethod
    def sent(
        cls,
        world: ListedWorld,
        windows: Iterable[Span],
        days: Collection[dt.date],
        zone: ZoneInfo,
        spoils: Sequence[Spoil],
    ) -> "Lines":
        """`windows` are those that the days are asked for with."""
        lines = cls()
        ticks: dict[tuple[str, str, int], list[int]] = defaultdict(list)
        ids: dict[int, str] = {}
        for view in world.views:
            ticks[view.entry_id, view.cue_point_id, view.user.number] += [event.at for event in events(view)]
            ids[view.user.number] = view.user.user_id
        how = {spoil.user_id: spoil.how for spoil in spoils}
        rooms = {(entry, cue) for (entry, cue, _), at in ticks.items() if at}
        listed = {(s.entry_id, s.cue_point_id): s for s in reversed(world.sessions)}
        started = {key: dt.datetime.fromtimestamp(s.started_at, zone).date() for key, s in listed.items()}
        on_days = {key[1] for key in rooms & listed.keys() if started[key] in days and key[1] not in NO_SESSION}
        for key in rooms & listed.keys():
            if key[1] in ("0", "Error") and started[key] in days:
                lines.of_days[6000, key[0], key[1], ""] += 1
        for (entry, cue, number), at in ticks.items():
            if at and cue in on_days and how.get(ids[number]) in ("ratio", "minutes"):
                lines.of_days[6001, entry, cue, ids[number]] += 1
        for span in windows:
            came = Counter[Key]()
            within = {key for key, at in ticks.items() if any(span[0] <= tick < span[1] for tick in at)}
            rooms_within = {key[:2] for key in within}
            known = {cue for entry, cue in rooms_within & listed.keys() if cue not in NO_SESSION}
            for entry, cue in rooms_within & listed.keys():
                if cue == "Unknown":
                    came[6000, entry, cue, ""] += 1
            for entry, cue, number in within:
                if cue not in known or how.get(ids[number]) == "comma":
                    came[6001, entry, cue, ids[number]] += 1
            lines.of_windows.append((span, came))
        return lines

    def assert_stand(self, connection: psycopg.Connection) -> None:
        """Each line that is still sent stands there, once, and no other does."""
        dated, undated = Counter[Key](), defaultdict[Key, list[tuple[float, float]]](list)
        for report_id, raw, start, end in connection.execute(
            "SELECT report_id, raw, extract(EPOCH FROM window_start), extract(EPOCH FROM window_end) FROM kaltura.rejects"
        ):
            values = [*(raw.split(",")[place] for place in PLACES[report_id]), ""]
            key = (report_id, values[0], values[1], values[2])
            if start is None:
                dated[key] += 1
            else:
                undated[key].append((float(start), float(end)))
        assert dated == self.of_days
        assert undated.keys() == {key for _, came in self.of_windows for key in came}
        for key, spans in undated.items():
            most = max(came[key] for _, came in self.of_windows)
            at_once = max(sum(other[0] <= span[0] < other[1] for other in spans) for span in spans)
            assert most <= len(spans)
            assert at_once <= most, f"{key} stands {at_once} times"
