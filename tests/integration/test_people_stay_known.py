"""Somebody whom the table knows, and whom Kaltura counts as nobody in a later pull: deleted there, or not looked up."""

from collections.abc import Callable, Collection, Sequence
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
from assets.report import ENTRY_IDS, USER_IDS
from assets.reports import TABLES
from resources.kaltura.windows import Days
from resources.privacy.erasure import erase
from resources.privacy.pseudonyms import Mode, Privacy
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


def has_another_id(view: View) -> View:
    """Of the same name."""
    user = view.user
    return replace(view, user=replace(user, number=50 + user.number, user_id=f"new{user.user_id}"))


def come_unknown(place: Place, minutes: int) -> None:
    """One more, whom Kaltura never knew."""
    number = 200 + len(place.views)
    joined = place.second(9)
    place.views = [
        *place.views,
        View("1_room", "1_a", replace(NOBODY, number=number), joined, joined + 60 * minutes),
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


@pytest.mark.parametrize("late", [1, 60], ids=["for less time than any of them", "for as long as several of them"])
def test_who_has_another_id_is_removed_under_the_old_one(place: Place, late: int) -> None:
    """Though one more is unknown."""
    pulled(place)
    place.views = [has_another_id(view) for view in place.views]
    come_unknown(place, late)
    told = pulled(place)
    assert (told.people_kept, told.removed, told.inserted) == (0, COUNT, COUNT + 1)
    assert_equal(place.tables, place.truth(0))


def test_who_has_another_id_and_no_name_stays_where_it_may_be_they_who_are_unknown_and_it_is_said(place: Place) -> None:
    """The minutes add up all the same."""
    place.warehouse.privacy = Privacy(Mode.PSEUDONYMOUS, "an invented key of the tests, long enough for them")
    pulled(place)
    before = minutes(place)
    place.views = [has_another_id(view) if view.user.number == 5 else view for view in place.views]
    come_unknown(place, 40)
    told = pulled(place)
    assert (told.people_kept, told.removed, told.inserted) == (1, 0, 2)
    after = minutes(place)
    assert before.items() <= after.items()
    assert sum(after.values()) == pytest.approx(sum(before.values()) + 40)
    assert warned(place) == [{"partition_date": str(place.monday), "people_became_unknown": 1}]


@pytest.mark.parametrize(
    ("unknown_before", "unknown_now", "without_minutes"),
    [
        ([], [3], [3]),
        ([], [3, 4], [3]),
        ([], [3, 4], [3, 4]),
        ([0], [0, 3], [3]),
        ([0], [0, 3], [0, 3]),
        ([0], [0, 3, 4], [0, 3]),
    ],
)
def test_who_is_known_without_minutes_stays_as_well(
    place: Place, unknown_before: list[int], unknown_now: list[int], without_minutes: list[int]
) -> None:
    """And nobody has a row for them that says nothing else."""

    def changed(unknown: list[int]) -> Callable[[str], str]:
        def of(line: str) -> str:
            entry, cue, user_id, name, email, kind, stayed, ratio = line.split(",")
            number = int(user_id.removeprefix("user"))
            if number in without_minutes:
                stayed, ratio = "0", "0"
            if number in unknown:
                user_id = name = email = kind = ""
            return ",".join((entry, cue, user_id, name, email, kind, stayed, ratio))

        return of

    loaded(place, place.bring_changed(0, ATTENDEES, changed(unknown_before)))
    before, written = place.tables, versions(place)
    for _ in range(2):
        told = loaded(place, place.bring_changed(0, ATTENDEES, changed(unknown_now)))
        assert (told.people_kept, told.removed) == (len(set(unknown_now) - set(unknown_before)), 0)
        assert place.tables == before
        assert versions(place) == written


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


_steps = st.lists(
    st.tuples(st.sets(st.integers(0, COUNT - 1)), st.sets(st.integers(0, COUNT - 1)), st.integers(0, 60)),
    min_size=1,
    max_size=5,
)


@pytest.mark.larger
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_steps)
def test_whoever_is_unknown_when_and_whatever_ids_they_get_nobody_loses_minutes_or_is_there_twice_and_who_was_named_stays(
    place: Place, steps: Sequence[tuple[Collection[int], Collection[int], int]]
) -> None:
    """Who is unknown at each pull, who has another id, and for how many minutes somebody else was there unknown."""
    with place.warehouse.connection() as connection:
        connection.execute("TRUNCATE kaltura.room_sessions, kaltura.attendees, kaltura.loads, kaltura.changes")
    first = everybody = place.views
    known: set[int] = set()
    try:
        for unknown, renamed, late in steps:
            place.views = everybody
            come_unknown(place, late)
            everybody = place.views
            place.views = [has_another_id(view) if view.user.number in renamed else view for view in everybody]
            of_all = sum((view.left_at - view.joined_at) / 60 for view in everybody)
            now = {n: f"newuser{n}" if n in renamed else f"user{n}" for n in range(COUNT) if n not in unknown}
            unnamed(place, {*unknown, *(50 + n for n in unknown)})
            told = pulled(place)
            found = minutes(place)
            assert sum(found.values()) == pytest.approx(of_all)
            assert {n: found.get(user_id) for n, user_id in now.items()} == pytest.approx({n: 5 * (n + 1) for n in now})
            there = [int(user_id.removeprefix("new").removeprefix("user")) for user_id in found.keys() - {""}]
            assert len(there) == len(set(there))
            if not now.keys() - known:  # else nobody has less by those who are named now
                assert known <= {*there}
                assert told.people_kept == len(known - now.keys())
            known = {*there}
        place.views = everybody
        pulled(place)
        assert_equal(place.tables, place.truth(0))
    finally:
        place.views = first


def a_comma_too_many(line: str) -> str:
    return line.replace("user0,", "user0,Surname,", 1)


@pytest.mark.parametrize("spared", ["came as nobody", "in a line that is no row", "outside the pull's filter"])
def test_whoever_stays_in_a_session_goes_with_it_to_another_day(spared: str, place: Place) -> None:
    pulled(place)
    before = place.tables["attendees"]
    later = 20 * 3600
    place.sessions = [
        replace(at, started_at=at.started_at + later, ended_at=(at.ended_at or 0) + later) for at in place.sessions
    ]
    place.views = [
        replace(view, joined_at=view.joined_at + later, left_at=view.left_at + later, engaged=())
        for view in place.views
    ]
    if spared == "came as nobody":
        unnamed(place, range(1, COUNT))
        brought = place.bring(1)
    elif spared == "in a line that is no row":
        brought = place.bring_changed(1, ATTENDEES, a_comma_too_many)
    else:
        brought = place.bring(1, filters=Filters({USER_IDS: ["user1"]}))
    place.write(brought)
    after = place.tables["attendees"]
    assert after.keys() == before.keys()
    query = "SELECT DISTINCT partition_date FROM kaltura.{}"
    assert (
        {*rows(place, query.format("attendees"))} == {*rows(place, query.format("room_sessions"))} == {(place.day(1),)}
    )
    moved = "SELECT count(*) FROM kaltura.changes WHERE table_name = 'attendees' AND change = 'update'"
    assert rows(place, f"{moved} AND before ->> 'partition_date' < after ->> 'partition_date'") == [(COUNT,)]
