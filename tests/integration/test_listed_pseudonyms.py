"""Whom a list names by e-mail stays found under every id of theirs, while the names of day after day go."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console

from pipelines import retention
from resources.postgres.backup import back_up
from resources.postgres.migrations import files
from resources.postgres.restore import restore
from resources.privacy.ids import SharedEmail
from resources.privacy.pseudonyms import Privacy
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.university.lists import ENROLMENTS
from simulator import Session, User, View
from tests.integration.test_privacy import KEY, PSEUDONYMOUS, TABLES, WITH_KEY, Place, erased, everything, pull, rows
from tests.integration.test_privacy import place as place
from tests.integration.test_university import all_loaded, enrolled, loaded, written
from tests.integration.test_whole_days import kaltura as kaltura

EMAIL = "ann.inventedson@example.edu"
WORK, HOME, PHONE, LATE = (
    User(number, f"ann.{place}", "Ann Inventedson", EMAIL.title(), "User")
    for number, place in enumerate(("at.work", "at.home", "on.the.phone", "of.late"), start=11)
)
BY_EMAIL = f"course_id,person_email\nc1,{EMAIL}\n"
BY_BOTH = f"course_id,person_id,person_email\nc1,{WORK.user_id},{EMAIL}\n"
GOES_ON = "course_id\nc1\n"
PRESENT = "SELECT session_id, is_enrolled, attended_minutes FROM analytics.course_presence WHERE attended_minutes > 0"


@pytest.fixture
def came(place: Place) -> Place:
    """Three days of one room. Ann comes to each of its sessions once, by three ids."""
    place.sessions, place.views, place.breakouts = [], [], []
    for day, cue, user in ((0, "1_a", WORK), (0, "1_b", HOME), (1, "1_c", HOME), (2, "1_d", PHONE)):
        meets(place, day, cue, user)
    pull(place, WITH_KEY, 0, 1, 2)
    return place


def meets(place: Place, day: int, cue: str, user: User) -> None:
    start = place.second(24 * day + 2 + 2 * len(place.sessions))  # apart, or two would be stitched to one
    place.sessions.append(Session("1_room", "Room", "", cue, start, start + 3600, "host"))
    place.views.append(View("1_room", cue, user, start, start + 3600))


def kept_from(place: Place, day: int) -> Privacy:
    """With names of that day and those after it."""
    [(today,)] = rows(place, "SELECT (now() AT TIME ZONE 'UTC')::date")
    return replace(WITH_KEY, retention_days=(today - place.day(day)).days)


def aged(place: Place, day: int, work: Callable[..., Any] = retention.without_old_names) -> None:
    with psycopg.connect(place.warehouse.url) as connection:
        work(connection, kept_from(place, day), 1)


def present(place: Place) -> Sequence[tuple[Any, ...]]:
    return rows(place, f"{PRESENT} ORDER BY 1")


def tied(place: Place) -> set[tuple[str, str]]:
    return {(made, as_) for made, as_ in rows(place, "SELECT pseudonym, listed_as FROM kaltura.listed_pseudonyms")}


@pytest.mark.parametrize("listed", [BY_EMAIL, BY_BOTH], ids=["by e-mail alone", "by one of the ids and e-mail"])
def test_every_id_is_theirs_while_the_names_of_the_course_go_day_by_day(
    listed: str, came: Place, tmp_path: Path
) -> None:
    url, people = came.warehouse.url, WITH_KEY.of_account(1)
    all_loaded(url, written(tmp_path, courses=GOES_ON, enrolments=listed), WITH_KEY)
    before = present(came)
    assert [(cue, is_enrolled) for cue, is_enrolled, _ in before] == [
        (cue, True) for cue in ("1_a", "1_b", "1_c", "1_d")
    ]
    for first_kept, ids in ((1, [WORK, HOME]), (2, [WORK, HOME]), (3, [WORK, HOME, PHONE])):
        aged(came, first_kept)
        assert tied(came) == {(people.pseudonym(each.user_id), EMAIL) for each in ids}
        assert present(came) == before
        loaded(url, tmp_path, ENROLMENTS, kept_from(came, first_kept))
        assert present(came) == before
    named = rows(came, "SELECT DISTINCT person_id FROM analytics.course_presence")
    assert named == [(EMAIL if listed == BY_EMAIL else WORK.user_id,)]
    assert rows(came, "SELECT absence_count, not_enrolled_session_count FROM analytics.course_attendance") == [(0, 0)]


def test_an_id_that_a_late_pull_brings_is_theirs_too(came: Place, tmp_path: Path) -> None:
    """Of a day whose names are not kept any more: what it brings loses its e-mail before it is stored."""
    all_loaded(came.warehouse.url, written(tmp_path, courses=GOES_ON, enrolments=BY_EMAIL), WITH_KEY)
    meets(came, 0, "1_late", LATE)
    pull(came, kept_from(came, 2), 0)  # before retention has seen the day
    assert [(cue, is_enrolled) for cue, is_enrolled, _ in present(came)] == [
        (cue, True) for cue in ("1_a", "1_b", "1_c", "1_d", "1_late")
    ]
    assert (WITH_KEY.of_account(1).pseudonym(LATE.user_id), EMAIL) in tied(came)


def test_every_id_is_theirs_once_the_course_itself_is_past_retention(came: Place, tmp_path: Path) -> None:
    url = came.warehouse.url
    courses = f"course_id,ends_on\nc1,{came.day(1)}\n"
    all_loaded(url, written(tmp_path, courses=courses, enrolments=BY_EMAIL), WITH_KEY)
    before = present(came)
    assert len(before) == 3
    for first_kept in (1, 3, 3):
        aged(came, first_kept)
        assert present(came) == before
        loaded(url, tmp_path, ENROLMENTS, kept_from(came, first_kept))
        assert present(came) == before
    [(person_id, email)] = enrolled(url)
    assert email is None
    assert {listed_as for _, listed_as in tied(came)} == {person_id}


def test_every_id_is_theirs_where_the_list_comes_after_its_course(came: Place, tmp_path: Path) -> None:
    courses = f"course_id,ends_on\nc1,{came.day(1)}\n"
    written(tmp_path, courses=courses, enrolments=BY_EMAIL)
    all_loaded(came.warehouse.url, tmp_path, kept_from(came, 2))
    aged(came, 2)
    assert [is_enrolled for _, is_enrolled, _ in present(came)] == [True] * 3


@pytest.mark.parametrize("listed", [BY_EMAIL, BY_BOTH], ids=["by e-mail alone", "by one of the ids and e-mail"])
@pytest.mark.parametrize("is_aged", [False, True])
def test_every_id_is_theirs_once_everything_is_a_pseudonym(
    is_aged: bool, listed: str, came: Place, tmp_path: Path
) -> None:
    all_loaded(came.warehouse.url, written(tmp_path, courses=GOES_ON, enrolments=listed), WITH_KEY)
    before = present(came)
    if is_aged:
        aged(came, 2)
    with psycopg.connect(came.warehouse.url) as connection:
        retention.converted(connection, PSEUDONYMOUS)
    assert present(came) == before
    assert [each for each in (EMAIL, WORK.user_id, HOME.user_id, PHONE.user_id) if each in everything(came)] == []


@pytest.mark.parametrize("name", [f",{EMAIL}", f"{WORK.user_id},", f"{WORK.user_id},{EMAIL}"])
@pytest.mark.parametrize("first_kept", [1, 2, 3])
def test_who_was_listed_before_by_a_line_that_is_old_is_there_by_the_line_that_holds(
    first_kept: int, name: str, came: Place, tmp_path: Path
) -> None:
    if EMAIL not in name:
        came.views = [replace(view, user=WORK) for view in came.views]
        pull(came, WITH_KEY, 0, 1, 2)
    header = "course_id,person_id,person_email,from_date,to_date"
    enrolments = f"{header}\nc1,{name},,{came.day(0)}\nc1,{name},{came.day(1)},\n"
    all_loaded(came.warehouse.url, written(tmp_path, courses=GOES_ON, enrolments=enrolments), WITH_KEY)
    before = present(came)
    assert [is_enrolled for _, is_enrolled, _ in before] == [True] * 4
    aged(came, first_kept)
    assert present(came) == before
    counts = "SELECT sum(absence_count), sum(not_enrolled_session_count) FROM analytics.course_attendance"
    assert rows(came, counts) == [(0, 0)]


def test_who_is_on_no_list_any_more_is_not_kept(came: Place, tmp_path: Path) -> None:
    all_loaded(came.warehouse.url, written(tmp_path, courses=GOES_ON, enrolments=BY_EMAIL), WITH_KEY)
    aged(came, 2)
    assert tied(came)
    written(tmp_path, courses=GOES_ON, enrolments="course_id,person_id\nc1,some.body.else\n")
    loaded(came.warehouse.url, tmp_path, ENROLMENTS, kept_from(came, 2))
    assert tied(came) == set()


# --- erasing --------------------------------------------------------------------------------------------------------


def expect_gone(place: Place, folder: Path, user: User) -> None:
    there = everything(place)
    assert [
        each for each in (EMAIL, user.user_id, WITH_KEY.of_account(1).pseudonym(user.user_id)) if each in there
    ] == []
    assert enrolled(place.warehouse.url) == []
    assert loaded(place.warehouse.url, folder, ENROLMENTS, WITH_KEY).erased == 1


def test_who_is_erased_by_an_id_that_old_days_had_is_on_no_list(came: Place, tmp_path: Path) -> None:
    """And an older backup, in which the list has them still, brings nobody back."""
    url = came.warehouse.url
    all_loaded(url, written(tmp_path, courses=GOES_ON, enrolments=BY_EMAIL), WITH_KEY)
    aged(came, 3)
    back_up(url, tmp_path / "a.dump", Console(quiet=True), KEY)
    assert erased(came, WITH_KEY, WORK.user_id)["university.enrolments"] == 1
    expect_gone(came, tmp_path, WORK)
    kept = ReapplyErasures(WITH_KEY, TABLES)
    restore(url, tmp_path / "a.dump", Console(quiet=True), keeper=kept, tables=TABLES, replace=True, key=KEY)
    expect_gone(came, tmp_path, WORK)


def test_an_email_that_old_days_have_lost_still_says_who_is_to_be_erased(place: Place, tmp_path: Path) -> None:
    place.sessions, place.views, place.breakouts = [], [], []
    meets(place, 0, "1_a", WORK)
    pull(place, WITH_KEY)
    all_loaded(place.warehouse.url, written(tmp_path, courses=GOES_ON, enrolments=BY_EMAIL), WITH_KEY)
    aged(place, 1)
    counts = erased(place, WITH_KEY, EMAIL.upper())
    assert (counts["attendees.user_id"], counts["university.enrolments"]) == (1, 1)
    expect_gone(place, tmp_path, WORK)


def test_an_email_that_old_days_had_with_several_ids_erases_nobody_and_says_so(came: Place, tmp_path: Path) -> None:
    all_loaded(came.warehouse.url, written(tmp_path, courses=GOES_ON, enrolments=BY_EMAIL), WITH_KEY)
    aged(came, 2)  # the phone's id is there still
    before = everything(came)
    with pytest.raises(SharedEmail, match="3 people have this e-mail"):
        erased(came, WITH_KEY, EMAIL)
    assert everything(came) == before


# --- what an older version left -------------------------------------------------------------------------------------


def test_a_pseudonym_that_stands_beside_an_email_on_the_list_is_moved(came: Place, tmp_path: Path) -> None:
    url, made = came.warehouse.url, WITH_KEY.of_account(1).pseudonym(WORK.user_id)
    all_loaded(url, written(tmp_path, courses=GOES_ON, enrolments=BY_EMAIL), WITH_KEY)
    [migration] = [file for file in files("migrations") if file.name.endswith("_listed_pseudonyms.sql")]
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE university.enrolments SET person_id = %s", [made])
        connection.execute("INSERT INTO university.enrolments VALUES (1, 'c1', NULL, %s)", [EMAIL])
        connection.execute("INSERT INTO university.enrolments VALUES (1, 'c2', %s, %s)", [made, EMAIL.upper()])
        connection.execute(migration.text.encode())
    assert sorted(enrolled(url)) == [(None, EMAIL.upper()), (None, EMAIL)]
    assert tied(came) == {(made, EMAIL)}
