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

# By rows, state and whom it is against: what ours may take at most, as a ratio. The floor is COPY of new rows in any state.
PROMISES = {
    (1_000, "new", "executemany"): 1.0,
    (100_000, "new", "floor"): 1.4,
    (100_000, "a tenth changed", "floor"): 2.0,
    (100_000, "new", "dlt default"): 1 / 6,
    (100_000, "new", "pgpq"): 1.2,
    (100_000, "a tenth changed", "pgpq upsert"): 1.2,
    (1_000_000, "new", "floor"): 1.2,
    **{
        (rows, state, "dlt tuned"): at_most
        for rows in (100_000, 1_000_000)
        for state, at_most in zip(STATES, (0.6, 0.2, 0.7), strict=True)
    },
}

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
        contestants: dict[str, Contestant] = {"floor": floor, "ours": ours, **{name: others[name] for name in names}}
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
        new, again, changed = (took["ours", state] for state in STATES)
        rows = f"{self.rows:,} rows"
        figures = [
            self._against("floor", "new", took),
            self._against("floor", "a tenth changed", took),
            ratio(f"{rows}: same again, against new", again, new, 0.5 if promised else None),
            ratio(f"{rows}: a tenth changed, against new", changed, new),
            median(f"{rows}: same again, WAL written", self.wal, "MB", 0.5 if promised else None),
        ]
        for name, state in took:
            if name not in ("floor", "ours"):
                figures.append(self._against(name, state, took))
        figures += [median(f"{rows}: {name}, {state}", samples) for (name, state), samples in sorted(took.items())]
        return figures

    def _against(self, name: str, state: str, took: dict[tuple[str, str], list[float]]) -> Figure:
        whom, theirs = ("COPY", took[name, "new"]) if name == "floor" else (name, took[name, state])
        at_most = PROMISES.get((self.rows, state, name))
        return ratio(f"{self.rows:,} rows: {state}, against {whom}", took["ours", state], theirs, at_most)

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

        def load() -> None:
            for day, bodies in days:
                contestant.load(day, bodies)

        return seconds(load)

    def _wal(self) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
        return int(row[0]) if row else 0
