"""Which loads together tell of all of a day, where each tells of a stretch of it.

A load tells of the sessions that started in one stretch of time: the day that it was asked for, as that was cut then. In
another time zone the stretch lies on two days or three. A day is known whole where such stretches leave no gap.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LoadCoverage:
    """What one load tells of one day: of sessions that started from `starts_at` up to `ends_at`."""

    starts_at: dt.datetime
    ends_at: dt.datetime
    pulled_at: dt.datetime
    loaded_at: dt.datetime
    window_start: dt.datetime
    window_end: dt.datetime
    pull: int
    people_kept: int = 0


@dataclass(frozen=True)
class DayCoverage:
    """What is known of a day of which loads tell together: as much as of its least known moment."""

    window_start: dt.datetime
    window_end: dt.datetime
    pull: int
    pulled_at: dt.datetime
    loaded_at: dt.datetime
    # Of one of them: which of two pulls' are of this day, and whether they are the same, is not known.
    people_kept: int = 0

    @classmethod
    def of(cls, starts_at: dt.datetime, ends_at: dt.datetime, told: Iterable[LoadCoverage]) -> "DayCoverage | None":
        """None where the loads leave a gap.

        The day is known up to the earliest pull of those that are needed where the latest come first, and it is loaded
        since the last load of those that are needed where the earliest come first.
        """
        latest_first = sorted(told, key=lambda each: each.pulled_at, reverse=True)
        needed = _covering(starts_at, ends_at, latest_first)
        if not needed:
            return None
        first = _covering(starts_at, ends_at, sorted(latest_first, key=lambda each: each.loaded_at))
        return cls(
            window_start=min(each.window_start for each in needed),
            window_end=min(each.window_end for each in needed),
            pull=max(each.pull for each in latest_first),
            pulled_at=needed[-1].pulled_at,
            loaded_at=first[-1].loaded_at,
            people_kept=max(each.people_kept for each in needed),
        )


def _covering(starts_at: dt.datetime, ends_at: dt.datetime, told: Iterable[LoadCoverage]) -> list[LoadCoverage]:
    """As many of the first ones as it takes to cover the day, without those that the later ones make up for.

    None where all of them don't cover it.
    """
    chosen: list[LoadCoverage] = []
    for each in told:
        chosen.append(each)
        if _is_covered(starts_at, ends_at, chosen):
            break
    else:
        return []
    for each in tuple(chosen):
        rest = [other for other in chosen if other is not each]
        chosen = rest if _is_covered(starts_at, ends_at, rest) else chosen
    return chosen


def _is_covered(starts_at: dt.datetime, ends_at: dt.datetime, told: Iterable[LoadCoverage]) -> bool:
    until = starts_at
    for each in sorted(told, key=lambda each: each.starts_at):
        if each.starts_at > until:
            return False
        until = max(until, each.ends_at)
    return until >= ends_at
