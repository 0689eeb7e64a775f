"""Somebody whom the table knows, and whom Kaltura counts as nobody in a later pull: deleted there, or not looked up."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import dagster as dg
import pytest
from depth import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.attendees import ATTENDEES
from assets.checks import checks
from assets.pull.extract import Extract
from assets.pull.filters import Filters
from assets.report import ENTRY_IDS
from assets.reports import TABLES
from resources.kaltura.windows import Days
from resources.privacy.erasure import erase
from resources.warehouse.load import Load
from resources.warehouse.warehouse import Warehouse
from simulator import Running, User, View
from tests.integration.test_upsert import load, rows, versions
from tests.integration.test_whole_days import PEOPLE, Place
from tests.integration.test_whole_days import kaltura as kaltura
from tests.truth import assert_equal

NOBODY = User(99, "", "", "", "")
COUNT = 12
ACCOUNT = 1


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    """A meeting of twelve, who stay for 5, 10, 15 ... minutes, and one without people of its own."""
    made = Place(kaltura, warehouse)
    made.meets("1_a", 9, 10, [(9, 9 + (number + 1) / 12) for number in range(COUNT)])
    return made


def unnamed(place: Place, numbers: Collection[int], as_whom: str = "") -> None:
    """Kaltura no longer knows these people, who have not been anywhere else meanwhile."""
    place.views = [
        replace(view, user=replace(NOBODY, number=100 + view.user.number, user_id=as_whom))
        if view.user.number in numbers
        else view
        for view in place.views
    ]


def pulled(place: Place, **more: object) -> Load:
    return loaded(place, place.bring(0, **more))  # type: ignore[arg-type]


def loaded(place: Place, brought: Extract) -> Load:
    [attendees] = [told for told in load(place, brought) if told.table == ATTENDEES.table.name]
    return attendees


def minutes(place: Place) -> dict[str, float]:
    return {key[2]: row["meeting_view_time"] for key, row in place.tables["attendees"].items()}


def warned(place: Place) -> list[dict[str, object]]:
    key = dg.AssetCheckKey(ATTENDEES.key, "people_stay_known")
    [told] = checks.results(
        {key}, (), Days(place.monday, place.monday), ACCOUNT, place.warehouse, has_all_attendees=True
    )
    return [] if told.passed else [dict(record.data) for record in told.metadata["sample"].records]


@pytest.mark.parametrize("as_whom", ["", "Unknown", "0", "Error"])
def test_known_people_who_all_come_as_nobody_stay_as_they_were_and_it_is_said(place: Place, as_whom: str) -> None:
    pulled(place)
    before, written = place.tables, versions(place)
    assert warned(place) == []
    unnamed(place, range(COUNT), as_whom)
    for _ in range(2):
        told = pulled(place)
        assert (told.people_kept, told.removed, told.inserted, told.updated) == (COUNT, 0, 0, 0)
        assert (told.unchanged, told.superseded, told.received) == (0, 1, told.merged + 1)
        assert place.tables == before
        assert versions(place) == written
        assert warned(place) == [{"partition_date": str(place.monday), "people_became_unknown": COUNT}]


def test_once_kaltura_names_them_again_the_tables_are_the_truth_and_nothing_warns(place: Place) -> None:
    pulled(place)
    named = place.views
    unnamed(place, range(COUNT))
    pulled(place)
    place.views = named
    assert pulled(place).people_kept == 0
    assert_equal(place.tables, place.truth(0))
    assert warned(place) == []


def test_nobody_keeps_the_minutes_that_are_nobodys(place: Place) -> None:
    """Two of twelve are unknown from the start; of the others three more are, and the rest goes on."""
    named = place.views
    unnamed(place, [0, 1])
    pulled(place)
    before = minutes(place)
    assert before[""] == pytest.approx(15)
    engaged = dict(rows(place, "SELECT user_id, meeting_engaged_play_time_ratio FROM kaltura.attendees"))
    unnamed(place, [5, 6, 7])
    told = pulled(place)
    assert (told.people_kept, told.removed, told.updated) == (3, 0, 0)
    assert minutes(place) == pytest.approx(before)
    after = dict(rows(place, "SELECT user_id, meeting_engaged_play_time_ratio FROM kaltura.attendees"))
    assert after == pytest.approx(engaged)
    assert rows(place, "SELECT count(*) FROM kaltura.changes") == [(0,)]
    place.views = named
    pulled(place)
    assert_equal(place.tables, place.truth(0))


def test_who_is_gone_while_nobody_has_no_more_minutes_is_removed(place: Place) -> None:
    unnamed(place, [0, 1])
    pulled(place)
    place.views = [view for view in place.views if view.user.number != 5]
    told = pulled(place)
    assert (told.people_kept, told.removed) == (0, 1)
    assert_equal(place.tables, place.truth(0))
    assert warned(place) == []


def test_who_has_another_id_is_removed_under_the_old_one(place: Place) -> None:
    """Though one more is unknown, who has fewer minutes than any of them."""
    pulled(place)
    place.views = [
        replace(view, user=replace(view.user, number=50 + view.user.number, user_id=f"new{view.user.number}"))
        for view in place.views
    ]
    joined = place.second(9)
    place.views.append(View("1_room", "1_a", NOBODY, joined, joined + 60))
    told = pulled(place)
    assert (told.people_kept, told.removed, told.inserted) == (0, COUNT, COUNT + 1)
    assert_equal(place.tables, place.truth(0))


def test_whoever_was_unknown_from_the_first_pull_on_is_nobody_until_kaltura_knows_who_it_was(place: Place) -> None:
    named = place.views
    unnamed(place, range(COUNT))
    pulled(place)
    assert_equal(place.tables, place.truth(0))
    place.views = named
    pulled(place)
    assert_equal(place.tables, place.truth(0))
    assert warned(place) == []


def test_in_whatever_order_two_pulls_come_in_an_older_one_names_nobody_anew(place: Place) -> None:
    named = place.bring(0)
    unnamed(place, range(COUNT))
    later = place.bring(0)
    load(place, later)
    told = loaded(place, named)
    assert (told.people_kept, told.superseded) == (0, COUNT)
    assert list(minutes(place)) == [""]


def test_what_was_spared_is_not_taken_for_what_kaltura_sent(place: Place) -> None:
    """A row that is written by another way in between is mended by the same reply, which the shortcut would not look at."""
    pulled(place)
    unnamed(place, range(COUNT))
    pulled(place)
    with place.warehouse.connection() as connection:
        connection.execute("UPDATE kaltura.attendees SET user_name = 'x' WHERE user_id = 'user3'")
        [content] = connection.execute(
            "SELECT content FROM kaltura.loads WHERE report_id = 6001 ORDER BY id DESC LIMIT 1"
        )
    assert content == (None,)
    assert pulled(place).people_kept == COUNT


def test_a_filtered_pull_counts_nobody_twice_either(place: Place) -> None:
    pulled(place)
    before = place.tables
    unnamed(place, range(COUNT))
    only = Filters({ENTRY_IDS: ["1_room"]})
    told = loaded(place, place.bring(0, filters=only))
    assert told.people_kept == COUNT
    assert place.tables == before


def test_minutes_of_nobody_that_can_not_be_read_may_be_anybodys(place: Place) -> None:
    pulled(place)
    unnamed(place, range(COUNT))

    told = loaded(place, place.bring_changed(0, ATTENDEES, lambda line: line.replace(",,,,5,", ",,,,bad,")))
    assert (told.people_kept, told.removed) == (COUNT, 0)
    assert set(minutes(place)) == {person.user_id for person in PEOPLE[:COUNT]} | {""}
    assert minutes(place)[""] is None


def test_a_pull_names_no_erased_person_anew_and_leaves_what_the_erasure_left(place: Place) -> None:
    pulled(place)
    with place.warehouse.connection() as connection:
        assert erase(connection, place.warehouse.privacy.of_account(ACCOUNT), TABLES, "user3")
    before = place.tables
    unnamed(place, range(COUNT))
    assert pulled(place).people_kept == COUNT
    assert place.tables == before
    assert "user3" not in minutes(place)
    whole = rows(place, "SELECT count(*) FROM kaltura.attendees AS a WHERE a::text ~ 'user3|Person 3'")
    assert whole == [(0,)]


@pytest.mark.larger
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sets(st.integers(0, COUNT - 1)), min_size=1, max_size=5))
def test_whoever_is_unknown_when_nobody_loses_minutes_and_who_was_named_stays_named(
    place: Place, unknown: Sequence[Collection[int]]
) -> None:
    with place.warehouse.connection() as connection:
        connection.execute("TRUNCATE kaltura.room_sessions, kaltura.attendees, kaltura.loads, kaltura.changes")
    everybody = place.views
    of_all = sum(5.0 * (number + 1) for number in range(COUNT))
    known: set[str] = set()
    for numbers in unknown:
        place.views = everybody
        unnamed(place, numbers)
        told = pulled(place)
        found = minutes(place)
        named = {PEOPLE[number].user_id for number in range(COUNT) if number not in numbers}
        assert sum(found.values()) == pytest.approx(of_all)
        assert named <= found.keys()
        if not named - known:  # else who is lost may have got another id
            assert known <= found.keys()
            assert told.people_kept == len(known - named)
        known = found.keys() - {""}
    place.views = everybody
    pulled(place)
    assert_equal(place.tables, place.truth(0))
