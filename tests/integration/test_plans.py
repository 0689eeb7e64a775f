"""What a load reads does not depend on what the planner believes: whatever the statistics of its tables say, it reads
hardly more than where they are new."""

from collections.abc import Callable

import psycopg
import pytest

from resources.warehouse.warehouse import Warehouse
from simulator import Running, User, View
from tests.integration.test_changed_day import pages_read
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura

DAYS, SESSIONS, PEOPLE = 8, 25, 40
FIRST_FULL = 1  # the day before it is the first pull's, with ten rows
AT_MOST = 1.2  # times the pages of fresh tables; a look through a table for each session takes twice as many here

TABLES = "kaltura.room_sessions, kaltura.attendees, kaltura.breakout_sessions"


def ten_rows(place: Place, database: str) -> None:
    """A first pull of next to nothing, and what autovacuum, or the pull itself, makes of it."""
    place.pull(0)
    run(database, "ANALYZE")


def truncated(place: Place, database: str) -> None:
    """As where somebody starts over: TRUNCATE keeps the statistics."""
    place.pull(0)
    run(database, "ANALYZE")
    run(database, f"TRUNCATE {TABLES}, kaltura.loads")


def of_other_days(place: Place, database: str) -> None:
    """Statistics from before most of what is there came."""
    place.pull(0, 1)
    run(database, "ANALYZE")
    place.pull(2, DAYS // 2)


def run(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statement.encode())


def university(kaltura: Running, warehouse: Warehouse) -> Place:
    """A day of ten attendees, and then days of a thousand."""
    place = Place(kaltura, warehouse)
    place.meets("1_first", 9, 10, [(9, 10)] * 10)
    people = [User(n, f"user{n}", f"Person {n}", "", "User") for n in range(PEOPLE)]
    for day in range(FIRST_FULL, FIRST_FULL + DAYS):
        for number in range(SESSIONS):
            entry, cue, start = f"1_room{number}", f"1_cue{day}x{number}", 24 * day + 6 + number / 2
            place.meets(cue, start, start + 1, entry=entry)
            began = place.second(start)
            place.views += [View(entry, cue, user, began, began + 600) for user in people[1:]]
    return place


def pages_of_pulls(place: Place, database: str, first: int, last: int) -> int:
    """What pulls of the days read, the second of which finds nothing new."""
    place.warehouse.close()
    before = pages_read(database)
    place.warehouse = Warehouse(database)
    for _ in range(2):
        place.pull(first, last)
    place.warehouse.close()
    return pages_read(database) - before


@pytest.mark.parametrize("earlier", [ten_rows, truncated, of_other_days])
def test_a_backfill_over_misleading_statistics_reads_what_it_reads_over_fresh_tables(
    earlier: Callable[[Place, str], None], kaltura: Running, new_database: Callable[[], str]
) -> None:
    first, last = DAYS // 2 + 1, DAYS
    read = {}
    for name, prepare in (("fresh", None), ("misled", earlier)):
        database = new_database()
        run(database, "ALTER TABLE kaltura.attendees SET (autovacuum_enabled = off)")
        place = university(kaltura, Warehouse(database))
        if prepare is not None:
            prepare(place, database)
        read[name] = pages_of_pulls(place, database, first, last)
    assert 0 < read["misled"] < AT_MOST * read["fresh"]
