"""The command that pulls, as a schedule or a person starts it: what it takes beside its days, and from a database far away.

Each pull is a process of its own, with its imports, its checks, its marks and the first look that it prints.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable

from bench.distance import distance
from bench.installation import FIRST, Installation, stand_in
from bench.measuring import Figure, median, ratio

SCHEDULED_DAYS = 4  # yesterday, and again the three before it
FAR_SECONDS = 0.02  # a database in another network

Say = Callable[[str], None]
Seconds = dict[str, list[float]]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    with stand_in() as kaltura:
        return [*_scheduled(url, kaltura, 3 if quick else 9, say), *_far(url, kaltura, quick, say)]


def _scheduled(url: str, kaltura: str, rounds: int, say: Say) -> list[Figure]:
    installation = Installation(url, kaltura)
    installation.empty()
    last = FIRST + dt.timedelta(days=SCHEDULED_DAYS - 1)
    installation.pull(FIRST, last)
    took: Seconds = defaultdict(list)
    for number in range(rounds):
        say(f"{SCHEDULED_DAYS} days with nothing new, round {number + 1} of {rounds}")
        for name, seconds in installation.pull(FIRST, last).items():
            took[name].append(seconds)
    installation.close()
    pull = f"{SCHEDULED_DAYS} days with nothing new, by the command"
    return [
        median(f"{pull}: wall", took["wall"], at_most=5),
        median(f"{pull}: CPU", took["cpu"], at_most=4.5),
        median(f"{pull}: before the first request", took["before"]),
        median(f"{pull}: requests and loads", took["days"]),
        median(f"{pull}: after the last commit", took["after"], at_most=0.8),
    ]


def _far(url: str, kaltura: str, quick: bool, say: Say) -> list[Figure]:
    days, rounds = (5, 1) if quick else (30, 5)
    last = FIRST + dt.timedelta(days=days - 1)
    took: Seconds = defaultdict(list)
    waits: Seconds = defaultdict(list)
    for number in range(rounds):
        for place, seconds in (("near", 0.0), ("far", FAR_SECONDS)):
            with distance(url, seconds) as (there, proxy):
                installation = Installation(there, kaltura)
                installation.empty()
                for state in ("new", "again"):
                    say(f"{days} days, {state}, with the database {place}, round {number + 1} of {rounds}")
                    before = proxy.round_trips
                    took[f"{state}, {place}"].append(installation.pull(FIRST, last)["wall"])
                    waits[state].append(proxy.round_trips - before)
                installation.close()
    figures = []
    for state in ("new", "again"):
        what = f"{days} days, {state}, by the command"
        figures += [
            median(f"{what}: round trips to the database", waits[state], "round trips"),
            median(f"{what}: wall", took[f"{state}, near"]),
            ratio(f"{what}: 20 ms to the database, against none", took[f"{state}, far"], took[f"{state}, near"]),
        ]
    return figures
