"""Pulls that list a session as before, and people of it no more: who is taken out, and when that is told."""

from collections.abc import Callable, Collection
from dataclasses import replace

import dagster as dg
import pytest

from assets.attendees import ATTENDEES
from assets.checks import checks
from resources.kaltura.windows import Days
from resources.warehouse.warehouse import Warehouse
from simulator import Running, User
from tests.integration.test_whole_days import PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.truth import assert_equal

NOBODY = User(99, "", "", "", "")
MEETINGS = 5  # of all people each
ROWS = MEETINGS * len(PEOPLE)


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    made = Place(kaltura, warehouse)
    for number in range(MEETINGS):
        made.meets(f"1_{number}", 8 + number, 9 + number, [(8 + number, 9 + number)] * len(PEOPLE))
    return made


def warned(place: Place) -> list[dict[str, object]]:
    key = dg.AssetCheckKey(ATTENDEES.key, "people_stay_listed")
    [told] = checks.results({key}, (), Days(place.monday, place.day(1)), 1, place.warehouse, has_all_attendees=True)
    return [] if told.passed else [dict(record.data) for record in told.metadata["sample"].records]


def pulled_again_without(place: Place, gone: Callable[[int], bool]) -> int:
    """How many people are gone: by the number of their view."""
    kept = [view for number, view in enumerate(place.views) if not gone(number)]
    count = len(place.views) - len(kept)
    place.views = kept
    place.pull(0)
    return count


@pytest.mark.parametrize(
    ("gone", "is_told"),
    [
        (lambda number: number % 2 == 1, True),  # half of each meeting
        (lambda number: number < len(PEOPLE) - 1, True),  # one meeting but for one person
        (lambda number: number < 6, True),
        (lambda number: number < 5, False),  # 5 % of the day
        (lambda number: False, False),
    ],
    ids=["half of them", "nearly all of a meeting", "over a twentieth", "a twentieth", "nobody"],
)
def test_people_who_are_taken_out_are_told_until_they_are_back(
    gone: Callable[[int], bool], is_told: bool, place: Place
) -> None:
    place.pull(0)
    everybody = place.views
    assert warned(place) == []
    count = pulled_again_without(place, gone)
    told = {"partition_date": str(place.monday), "people_removed": count, "people_left": ROWS - count}
    assert warned(place) == ([told] if is_told else [])
    place.pull(0)
    assert warned(place) == ([told] if is_told else []), "what was lost yesterday is lost today"
    place.views = everybody
    place.pull(0)
    assert warned(place) == []
    assert_equal(place.tables, place.truth(0))


def as_others(place: Place, numbers: Collection[int], to: Callable[[User], User]) -> None:
    place.views = [replace(view, user=to(view.user)) if view.user.number in numbers else view for view in place.views]


def test_people_whose_id_changes_and_who_get_a_name_are_not_lost(place: Place) -> None:
    named = place.views
    as_others(place, range(8), lambda user: replace(NOBODY, number=100 + user.number))
    place.pull(0)
    place.views = named
    place.pull(0)
    assert warned(place) == []
    as_others(place, range(8), lambda user: replace(user, user_id=f"{user.user_id}@example.org"))
    place.pull(0)
    assert warned(place) == []
    assert_equal(place.tables, place.truth(0))


def test_what_was_taken_out_long_ago_is_told_no_more(place: Place) -> None:
    place.pull(0)
    pulled_again_without(place, lambda number: number % 2 == 1)
    assert warned(place)
    with place.warehouse.connection() as connection:
        connection.execute("UPDATE kaltura.changes SET changed_at = changed_at - interval '15 days'")
    assert warned(place) == []
