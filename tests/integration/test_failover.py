"""A server that becomes another one in the middle of a run: a demoted primary, a standby that lacks the last second."""

import threading

import psycopg
import pytest
import stamina

from resources.postgres import outages
from resources.warehouse.warehouse import Warehouse
from simulator import Running
from tests.integration.test_upsert import load, rows
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.truth import assert_equal


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    made = Place(kaltura, warehouse)
    made.meets("1_a", 9, 10, [(9, 10), (9, 9.5)])
    return made


def test_a_primary_that_became_read_only_is_waited_for_on_a_new_connection(
    place: Place, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a demoted primary does: sessions that are there stay read only, new ones are let write after a while."""
    monkeypatch.setattr(outages, "WAITED_FOR_SECONDS", 60)
    brought = place.bring(0)
    stamina.set_testing(False)  # here the pauses are what is tried
    name = rows(place, "SELECT current_database()")[0][0]
    with psycopg.connect(database, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        place.warehouse.engine.dispose()  # the next connection is one of those
        promoted = threading.Timer(
            2.0, lambda: server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        )
        server.execute("SET default_transaction_read_only = off")
        promoted.start()
        try:
            load(place, brought)
        finally:
            promoted.join()
            stamina.set_testing(True, attempts=6, cap=True)
    assert_equal(place.tables, place.truth(0))


def test_people_whose_pseudonyms_were_lost_with_the_last_second_get_them_again(place: Place, database: str) -> None:
    load(place, place.bring(0))
    with psycopg.connect(database, autocommit=True) as server:
        before = server.execute("SELECT count(*) FROM kaltura.people").fetchone()
        server.execute("TRUNCATE kaltura.people, kaltura.loads, kaltura.attendees, kaltura.room_sessions")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        load(place, place.bring(0))
        assert server.execute("SELECT count(*) FROM kaltura.people").fetchone() == before
    assert before != (0,)
