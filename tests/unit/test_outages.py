"""Which errors of the database are waited for: those of a list, and no others."""

import psycopg
import psycopg.errors
import pytest
import sqlalchemy as sa

from resources.postgres.outages import PASSING_CLASSES, PASSING_STATES, is_outage

KNOWN = {
    error.sqlstate: error
    for error in vars(psycopg.errors).values()
    if isinstance(error, type) and issubclass(error, psycopg.Error) and getattr(error, "sqlstate", None)
}


@pytest.mark.parametrize("state", sorted(KNOWN))
def test_only_what_the_list_names_is_waited_for_whatever_class_the_driver_gives_it(state: str) -> None:
    assert is_outage(KNOWN[state]("said by the server")) is (
        state in PASSING_STATES or state.startswith(PASSING_CLASSES)
    )


def test_every_state_of_the_list_is_one_that_there_is() -> None:
    assert set(KNOWN) >= PASSING_STATES


@pytest.mark.parametrize("state", ["54000", "57014", "58030", "22021", "42501", "28P01"])
def test_a_row_too_long_for_an_index_a_full_limit_or_a_refusal_is_no_outage(state: str) -> None:
    assert not is_outage(KNOWN[state]("said by the server"))


def test_a_connection_that_broke_is_an_outage_through_sqlalchemy_too() -> None:
    broken = psycopg.OperationalError("server closed the connection")
    assert is_outage(broken)
    assert is_outage(sa.exc.OperationalError("SELECT 1", {}, broken))
    assert not is_outage(ValueError("something else"))
