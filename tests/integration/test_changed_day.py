"""A day that is there already and comes again with a few rows changed: its load reads what it must, and no more."""

from dataclasses import replace

import psycopg
import pytest

from resources.warehouse.warehouse import Warehouse
from simulator import Running, User, View
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.pipeline import wait_until

SESSIONS, PEOPLE = 20, 1_000
PAGES_A_ROW = 2  # a quarter is what it takes; a look at each by its key takes four, a plan by pairs takes hundreds
PAGES_READ = (
    "SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0))::bigint"
    " FROM pg_statio_user_tables WHERE schemaname = 'kaltura'"
)


OTHERS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


def pages_read(url: str) -> int:
    """Of all tables and indexes of ours since the server started.

    A backend tells what it did as it ends, and it ends some time after its client has closed the connection: it drops
    its staging tables first.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(lambda: connection.execute(OTHERS).fetchone() == (0,))
        row = connection.execute(PAGES_READ).fetchone()
    assert row
    return int(row[0])


@pytest.fixture
def crowded(kaltura: Running, warehouse: Warehouse) -> Place:
    """A day with twenty thousand attendees."""
    place = Place(kaltura, warehouse)
    people = [User(n, f"user{n}", f"Person {n}", "", "User") for n in range(PEOPLE)]
    for number in range(SESSIONS):
        entry, start = f"1_room{number}", 8 + number / 2
        place.meets(f"1_cue{number}", start, start + 1, entry=entry)
        began = place.second(start)
        place.views += [View(entry, f"1_cue{number}", user, began, began + 600) for user in people[1:]]
    return place


@pytest.mark.parametrize("is_analyzed", [False, True], ids=["as it was loaded", "after ANALYZE"])
def test_twenty_thousand_rows_over_an_existing_day_with_one_in_a_hundred_changed_read_a_bounded_number_of_pages(
    is_analyzed: bool, crowded: Place, database: str
) -> None:
    crowded.pull(0)
    if is_analyzed:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ANALYZE")
    crowded.views = [
        replace(view, left_at=view.left_at + 60) if number % 100 == 7 else view
        for number, view in enumerate(crowded.views)
    ]
    crowded.at(60 * 24 + 1)
    crowded.warehouse.close()
    before = pages_read(database)

    crowded.warehouse = Warehouse(database)
    crowded.pull(0)
    crowded.warehouse.close()

    read = pages_read(database) - before
    with psycopg.connect(database) as connection:
        [inserted, updated, unchanged] = (
            connection.execute(
                "SELECT inserted, updated, unchanged FROM kaltura.loads WHERE report_id = 6001 ORDER BY id DESC LIMIT 1"
            ).fetchone()
            or ()
        )
    assert (inserted, updated, unchanged) == (0, SESSIONS * PEOPLE // 100, SESSIONS * PEOPLE * 99 // 100)
    assert 0 < read < PAGES_A_ROW * SESSIONS * PEOPLE
