"""How often a day's load waits for the database's answer, counted in what libpq sends: a database may be far away."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from resources.warehouse.warehouse import Warehouse
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura

# What has libpq wait: a statement, the end of a pipeline or of a statement with parameters, the end of a COPY. Within a
# pipeline it is what is read before its end.
WAITS = ("Query", "Sync", "CopyDone", "Flush")
NEW, AGAIN = 8, 2  # a day's, of three tables: each that has rows is two more, as nothing else goes with a COPY
NEW_PEOPLE = 4  # the lock of who is known, who is, and a COPY of those who are not


@pytest.fixture
def waits(warehouse: Warehouse, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """How many there were since it was last asked."""
    file = (tmp_path / "trace").open("w+")

    def traced(connection: psycopg.Connection, *_: object) -> None:
        connection.pgconn.trace(file.fileno())
        connection.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)

    def count() -> int:
        lines = (tmp_path / "trace").read_text().splitlines()[counted[0] :]
        counted[0] += len(lines)
        sent = [line.split("\t")[2] for line in lines if line.startswith("F\t")]
        return sum(what in WAITS and (before, what) != ("Sync", "Flush") for before, what in pairwise(["", *sent]))

    counted = [0]
    sa.event.listen(warehouse.engine, "connect", traced)
    yield count
    warehouse.close()  # before its connections write to a file that is closed
    file.close()


@pytest.mark.parametrize("people", [1, 12])
@pytest.mark.parametrize("sessions", [1, 12])
def test_a_day_waits_as_often_whatever_it_holds(
    sessions: int, people: int, kaltura, warehouse: Warehouse, waits: Callable[[], int]
) -> None:
    place = Place(kaltura, warehouse)
    for day in range(2):
        for number in range(sessions):
            start = 24 * day + 8 + number
            place.meets(f"1_cue{day}x{number}", start, start + 0.5, [(start, start + 0.5)] * people)
    counts = {}
    for name, day in (("first", 0), ("new", 1), ("again", 1)):
        extracted = place.bring(day)
        waits()
        place.write(extracted)
        counts[name] = waits()
    assert counts["new"] <= NEW
    assert counts["again"] <= AGAIN
    assert counts["first"] <= NEW + NEW_PEOPLE
