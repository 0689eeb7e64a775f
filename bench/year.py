"""A year's backfill: 365 days of 60 rooms, about a million attendees, in one run; and the same as one run a day.

The stand-in Kaltura is a process of its own. A day's run is started as its user would start it, so it pays for
starting Python and Dagster, as runs of a schedule and of a backfill in many runs do.
"""

import datetime as dt
import statistics
from collections.abc import Callable

from bench.installation import FIRST, Installation, stand_in
from bench.measuring import Figure, median

DAYS_IN_A_YEAR = 365
SWEEP_DAYS = 30

Say = Callable[[str], None]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    days, rounds, singles = (60, 1, 2) if quick else (DAYS_IN_A_YEAR, 5, 4)
    with stand_in() as kaltura:
        installation = Installation(url, kaltura)
        seconds: list[dict[str, float]] = []
        single: list[float] = []
        multiprocess: list[float] = []
        sweeps: list[float] = []
        for number in range(rounds):
            installation.empty()
            for day in range(singles):
                say(f"a day alone, {day + 1} of {singles}, round {number + 1} of {rounds}")
                on = FIRST + dt.timedelta(days=number * singles + day)
                single.append(installation.day(on, "pipelines.definitions"))
                if day == 0:
                    multiprocess.append(installation.day(on + dt.timedelta(days=100), "bench.multiprocess"))
            say(f"a backfill of {days} days, round {number + 1} of {rounds}")
            installation.empty()
            last = FIRST + dt.timedelta(days=days - 1)
            seconds.append(installation.backfill(FIRST, last))
            say(f"a sweep of {SWEEP_DAYS} days, round {number + 1} of {rounds}")
            sweeps.append(installation.sweep(last - dt.timedelta(days=SWEEP_DAYS - 1), last) / SWEEP_DAYS)
        rows = installation.rows()
        installation.close()
    sweep = median(f"{SWEEP_DAYS} days again with nothing new, by the command: a day", sweeps, at_most=2)
    return [*_figures(days, rows, seconds, single, multiprocess), sweep]


def _figures(
    days: int, rows: int, runs: list[dict[str, float]], single: list[float], multiprocess: list[float]
) -> list[Figure]:
    run = f"{days} days in one run"
    year = days == DAYS_IN_A_YEAR
    day = statistics.median(single)
    ours = [each["wall"] - each["waiting"] for each in runs]
    figures = [
        Figure(f"{run}: rows of attendees", rows, "rows"),
        median(f"{run}: requests", [each["requests"] for each in runs], "requests"),
        median(f"{run}: wall", [each["wall"] for each in runs]),
        median(f"{run}: all but waiting for the API", ours, at_most=90 if year else None),
        median(f"{run}: peak memory", [each["peak_bytes"] / 2**20 for each in runs], "MB", 400 if year else None),
        median(f"{run}, against one run a day", [each["wall"] / (days * day) for each in runs], "x", 0.1),
        median("one run for one day", single),
        median("one run for one day: a process for its step, against none", [m / day for m in multiprocess], "x"),
    ]
    for name in ("api", "waiting", "postgres", "dagster", "pandas"):
        figures.append(median(f"{run}: share of {name}", [each[name] / each["wall"] for each in runs], "of the wall"))
    return figures
