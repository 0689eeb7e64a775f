"""Why days failed, told once a reason with the days that it is true of, and read again from what was told."""

import datetime as dt
import re
from collections.abc import Mapping

from resources.kaltura.windows import stretches

FAILED_DAYS = "failed days"  # in the metadata of a run that failed
LINES = 20
STRETCHES_IN_A_LINE = 5
_NOT_LOADED = "of the run's days could not be loaded"

_STRETCH = r"\d{4}-\d\d-\d\d(?: to \d{4}-\d\d-\d\d)?"
_LINE = re.compile(rf"({_STRETCH}(?:, {_STRETCH})*(?: and \d+ more days)?): (.*)")


def headline(count: int) -> str:
    """What a run that leaves so many days in red begins with."""
    return f"{count} {_NOT_LOADED}; all others are."


def names_days(text: str) -> bool:
    """Whether it is of a run that left days in red: those tell what there is to tell."""
    return _NOT_LOADED in text


def lines(failed: Mapping[dt.date, Exception]) -> list[str]:
    """One for each reason, the earliest day's first."""
    by_reason: dict[str, list[dt.date]] = {}
    for day in sorted(failed):
        by_reason.setdefault(str(failed[day]), []).append(day)
    told = [f"{_shown(days)}: {reason}" for reason, days in by_reason.items()][:LINES]
    left = [day for days in [*by_reason.values()][LINES:] for day in days]
    return [*told, f"and {len(left)} more, up to {max(left)}"] if left else told


def _shown(days: list[dt.date]) -> str:
    runs = stretches(days)
    shown = ", ".join(str(run).replace("...", " to ") for run in runs[:STRETCHES_IN_A_LINE])
    rest = sum(map(len, runs[STRETCHES_IN_A_LINE:]))
    return f"{shown} and {rest} more days" if rest else shown


def reason(text: str, day: dt.date | None) -> str:
    """What the text says of the day; else of the last days that it names; else its first line."""
    found = [match for match in map(_LINE.fullmatch, text.splitlines()) if match]
    own = [match for match in found if day and _names(match.group(1), day)]
    for match in (*own, *found[-1:]):
        return match.group(2)
    return text.split("\n", 1)[0]


def _names(said: str, day: dt.date) -> bool:
    dates = (re.findall(r"\d{4}-\d\d-\d\d", stretch) for stretch in re.findall(_STRETCH, said))
    return any(stretch[0] <= str(day) <= stretch[-1] for stretch in dates)
