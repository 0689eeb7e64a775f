"""Loading: a day of 1,000 to 1,000,000 attendees, new, the same again, and with a tenth changed.

A million are ten days of 100,000, which is where Kaltura cuts a reply.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable

import psycopg

from bench.contestants import Contestant, DltDefault, DltTuned, ExecuteMany, Floor, Ours, Pgpq, PgpqUpsert, ToSql
from bench.measuring import Figure, median, ratio, seconds, turns
from bench.replies import FIRST_DAY, Replies, replies

ROWS_A_DAY = 100_000
STATES = ("new", "same again", "a tenth changed")
NEW_ALONE = ("floor", "pgpq")  # who can load a day once

Days = list[tuple[dt.date, Replies]]
Say = Callable[[str], None]


def measure(url: str, quick: bool, say: Say) -> list[Figure]:
    """The database at `url` has our schema and is nobody else's."""
    ours, floor = Ours(url), Floor(url)
    others: dict[str, Contestant] = {
        "dlt tuned": DltTuned(url),
        "dlt default": DltDefault(url),
        "to_sql": ToSql(url),
        "executemany": ExecuteMany(url),
        "pgpq": Pgpq(url),
        "pgpq upsert": PgpqUpsert(url),
    }
    warm_up(url, {"ours": ours, **others})
    figures = []
    for rows, rounds, names in _plan(quick):
        say(f"loading {rows:,} rows")
        contestants = {"floor": floor, "ours": ours} | {name: others[name] for name in names}
        figures += _Size(url, rows, contestants, rounds, say).figures()
    return figures


def _plan(quick: bool) -> list[tuple[int, int, list[str]]]:
    """Rows, rounds, and who else takes part: who needs half a minute for a load stays out of it."""
    fast = ["dlt tuned", "pgpq", "pgpq upsert"]
    quicker = [*fast, "dlt default", "executemany"]
    every = [*quicker, "to_sql"]
    if quick:
        return [(10_000, 3, every), (100_000, 3, fast)]
    return [(1_000, 7, every), (10_000, 7, every), (100_000, 7, quicker), (1_000_000, 5, fast)]


def warm_up(url: str, contestants: dict[str, Contestant]) -> None:
    few = replies(FIRST_DAY, 100)
    for name, contestant in contestants.items():
        contestant.load(FIRST_DAY, few)
        if name not in NEW_ALONE:
            contestant.load(FIRST_DAY, few)
        contestant.empty()


class _Size:
    """One number of rows: every contestant, every state, round after round."""

    def __init__(self, url: str, rows: int, contestants: dict[str, Contestant], rounds: int, say: Say) -> None:
        self.url = url
        self.rows = rows
        self.contestants = contestants
        self.rounds = rounds
        self.say = say
        a_day = min(rows, ROWS_A_DAY)
        days = [FIRST_DAY + dt.timedelta(days=number) for number in range(rows // a_day)]
        self.first: Days = [(day, replies(day, a_day)) for day in days]
        self.changed: Days = [(day, replies(day, a_day, changed_share=0.1)) for day in days]
        self.wal: list[float] = []
        self._wal_before = 0

    def figures(self) -> list[Figure]:
        self._prepare_floor()
        took: dict[tuple[str, str], list[float]] = defaultdict(list)
        for number, name in turns(self.rounds, self.contestants):
            self.say(f"loading {self.rows:,} rows, round {number + 1} of {self.rounds}: {name}")
            contestant = self.contestants[name]
            contestant.empty()
            took[name, "new"].append(self._timed(contestant, self.first))
            if name not in NEW_ALONE:
                took[name, "same again"].append(self._timed(contestant, self.first))
                if name == "ours":
                    self.wal.append((self._wal() - self._wal_before) / 1e6)
                took[name, "a tenth changed"].append(self._timed(contestant, self.changed))
        return self._compared(took)

    def _compared(self, took: dict[tuple[str, str], list[float]]) -> list[Figure]:
        promised = self.rows == ROWS_A_DAY
        new, again = took["ours", "new"], took["ours", "same again"]
        rows = f"{self.rows:,} rows"
        figures = [
            ratio(f"{rows}: new, against COPY", new, took["floor", "new"], 2.0 if promised else None),
            ratio(f"{rows}: same again, against new", again, new, 0.5 if promised else None),
            ratio(f"{rows}: a tenth changed, against new", took["ours", "a tenth changed"], new),
            median(f"{rows}: same again, WAL written", self.wal, "MB", 0.5 if promised else None),
        ]
        promises = {("dlt default", "new"): 1 / 6, ("dlt tuned", "new"): 0.6, ("dlt tuned", "same again"): 0.6}
        for name in self.contestants:
            for state in (STATES if name not in NEW_ALONE else ("new",)) if name not in ("floor", "ours") else ():
                at_most = promises.get((name, state)) if promised else None
                figures.append(
                    ratio(f"{rows}: {state}, against {name}", took["ours", state], took[name, state], at_most)
                )
        figures += [median(f"{rows}: {name}, {state}", samples) for (name, state), samples in sorted(took.items())]
        return figures

    def _prepare_floor(self) -> None:
        floor, ours = self.contestants["floor"], self.contestants["ours"]
        assert isinstance(floor, Floor)
        ours.empty()
        for day, bodies in self.first:
            ours.load(day, bodies)
            floor.prepare(day, bodies)

    def _timed(self, contestant: Contestant, days: Days) -> float:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")  # as autovacuum does between one day's pull and the next
            connection.execute("CHECKPOINT")
        self._wal_before = self._wal()
        return seconds(lambda: [contestant.load(day, bodies) for day, bodies in days])

    def _wal(self) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
        return int(row[0]) if row else 0
