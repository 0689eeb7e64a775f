"""Rows whose room Kaltura does not know, on days that have to be asked for by rooms: none is in no table and no reject."""

import pytest

from assets.pull.filters import Filters
from assets.report import ENTRY_IDS, PARENT_ENTRY_IDS
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.errors import Unsplittable
from resources.table import UNKNOWN
from simulator import Breakout, Fault, Session, View
from tests.integration.test_whole_days import HOUR, PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.integration.test_whole_days import place as place
from tests.integration.test_whole_days import stages as stages

UNKNOWN_IDS = pytest.mark.parametrize("nobody", UNKNOWN)


def takes_place(place: Place, entry: str, parent: str, hour: float) -> None:
    start, end, cue = place.second(hour), place.second(hour + 0.5), f"{entry}_{hour}"
    place.breakouts.append(Breakout(parent, "Main", entry, "Group", cue, "host", start, end))
    place.sessions.append(Session(entry, "Group", parent, cue, start, end, "host"))
    place.views.append(View(entry, cue, PEOPLE[0], start, end))


def is_too_much(place: Place, report_id: int) -> None:
    """A whole day of the report times out, some hours of it do not."""
    place.kaltura.faults.add(
        Fault("timeout", report_id=report_id, filtered=False, min_span_seconds=20 * HOUR, times=None)
    )


@UNKNOWN_IDS
def test_a_breakout_of_an_unknown_main_room_is_loaded_or_its_day_is_red(nobody: str, place: Place) -> None:
    takes_place(place, "1_group", "1_main", 9)
    takes_place(place, "1_lost", nobody, 10)
    assert len(place.bring(0).by_day[place.day(0)][2].frame) == 2
    is_too_much(place, 6002)
    with pytest.raises(Unsplittable, match="a row without parentEntryIds can't be asked for by it"):
        place.bring(0)


@UNKNOWN_IDS
def test_a_session_of_an_unknown_room_is_counted_on_a_day_that_is_asked_for_by_rooms(nobody: str, place: Place) -> None:
    takes_place(place, "1_room", "", 9)
    takes_place(place, nobody, "", 10)
    is_too_much(place, 6000)
    [arrived, *_] = place.bring(0, reports=[ROOM_SESSIONS]).by_day[place.day(0)]
    assert arrived.frame["entry_id"].tolist() == ["1_room"]
    assert arrived.rejects["reason"].tolist() == ["entry_id is empty or unknown"]
    assert nobody == "" or nobody in arrived.rejects["raw"].tolist()[0]


@UNKNOWN_IDS
def test_a_day_of_unknown_rooms_alone_is_loaded_without_a_row(nobody: str, place: Place) -> None:
    takes_place(place, nobody, "", 10)
    is_too_much(place, 6000)
    [arrived, *_] = place.bring(0, reports=[ROOM_SESSIONS]).by_day[place.day(0)]
    assert (len(arrived.frame), arrived.rejected) == (0, 1)


@pytest.mark.parametrize("nobody", [each for each in UNKNOWN if each])
def test_no_filter_of_the_stand_in_matches_what_kaltura_does_not_know(nobody: str, place: Place) -> None:
    takes_place(place, nobody, nobody, 9)
    arrived = place.bring(0, filters=Filters({ENTRY_IDS: [nobody], PARENT_ENTRY_IDS: [nobody]})).by_day[place.day(0)]
    assert [each.received for each in arrived] == [0, 0, 0]
