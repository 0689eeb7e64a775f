"""One room has one name, however many rows a reply has: quotes that people typed stay, the server's come off."""

from dataclasses import replace

import pytest

from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.integration.test_whole_days import place as place
from tests.integration.test_whole_days import stages as stages


@pytest.fixture
def campus(place: Place) -> Place:
    """A day of four rooms. The session of one goes on until the day after next, so it is asked for by itself."""
    place.meets("1_a", 9, 58, entry="1_lab", name='"Lab"')
    for number, name in enumerate(("Hall", "Room", "Attic")):
        place.meets(f"1_{number}", 9, 10, entry=f"1_{number}", name=name)
    place.meets("1_b", 33, 34, entry="1_lab", name='"Lab"')
    return place


def names(place: Place) -> set[object]:
    return {row["entry_name"] for row in place.tables["room_sessions"].values()}


def test_a_room_whose_name_is_typed_in_quotes_has_one_name(campus: Place) -> None:
    campus.pull(0)
    campus.pull(1)
    assert names(campus) == {'"Lab"', "Hall", "Room", "Attic"}


def test_quotes_of_the_servers_come_off_a_reply_of_one_room_too(campus: Place) -> None:
    campus.sessions = [replace(each, entry_name=each.entry_name.strip('"')) for each in campus.sessions]
    campus.kaltura.quote_names = True
    try:
        campus.pull(0)
    finally:
        campus.kaltura.quote_names = False
    assert names(campus) == {"Lab", "Hall", "Room", "Attic"}
