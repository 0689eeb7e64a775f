"""An e-mail given to `erase` takes out the person who has it, and whoever comes with it later."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from resources.postgres.backup import back_up
from resources.postgres.restore import restore
from resources.privacy.ids import SharedEmail
from resources.privacy.pseudonyms import is_pseudonym
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.university.lists import ENROLMENTS
from simulator import Session, User, View
from tests.integration.test_privacy import (
    ADA,
    BOB,
    KEY,
    TABLES,
    WITH_KEY,
    Place,
    aged,
    erased,
    everything,
    found,
    pull,
    rows,
    versions,
)
from tests.integration.test_privacy import place as place
from tests.integration.test_university import BY_EMAIL, all_loaded, enrolled, loaded, written
from tests.integration.test_whole_days import kaltura as kaltura

TRACES = {ADA.user_id, ADA.name, ADA.email}


def test_the_person_who_has_the_email_is_erased_and_stays_so(place: Place, tmp_path: Path) -> None:
    pull(place, WITH_KEY)
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=BY_EMAIL), WITH_KEY)
    counts = erased(place, WITH_KEY, f" {ADA.email.upper()} ")
    assert counts["attendees.user_id"] > 0
    assert counts["university.enrolments"] == 1
    assert found(TRACES, everything(place).encode()) == set()
    pull(place, WITH_KEY)
    assert found(TRACES, everything(place).encode()) == set()


def test_who_was_erased_by_an_email_before_they_ever_came_comes_as_nobody(place: Place, tmp_path: Path) -> None:
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=BY_EMAIL), WITH_KEY)
    assert erased(place, WITH_KEY, ADA.email)["university.enrolments"] == 1
    pull(place, WITH_KEY)
    assert found(TRACES - {ADA.user_id}, everything(place).encode()) == set()
    assert found({ADA.user_id}, str(rows(place, "SELECT user_id FROM kaltura.attendees")).encode()) == set()
    pull(place, WITH_KEY)
    assert found(TRACES, everything(place).encode()) == set()
    assert found({BOB.user_id}, everything(place).encode()) == {BOB.user_id}


def test_an_older_backup_brings_nobody_back_who_was_erased_by_an_email_before_they_came(
    place: Place, tmp_path: Path
) -> None:
    url = place.warehouse.url
    pull(place, WITH_KEY)
    back_up(url, tmp_path / "older.dump", Console(quiet=True), KEY)
    with place.warehouse.connection() as connection:
        connection.execute(
            "TRUNCATE kaltura.attendees, kaltura.people, kaltura.room_sessions, kaltura.breakout_sessions"
        )
        connection.execute("UPDATE kaltura.privacy SET removals = removals + 1")
    all_loaded(url, written(tmp_path, enrolments=BY_EMAIL), WITH_KEY)
    assert erased(place, WITH_KEY, ADA.email)
    kept = ReapplyErasures(WITH_KEY, TABLES)
    restore(url, tmp_path / "older.dump", Console(quiet=True), keeper=kept, tables=TABLES, replace=True, key=KEY)
    assert kept.people == 1
    assert found(TRACES, everything(place).encode()) == set()


def test_an_email_that_several_have_erases_nobody_and_says_so(place: Place) -> None:
    other = replace(BOB, number=7, user_id="some.body.else", email=ADA.email)
    place.views.append(View("1_room", "1_a", other, place.second(9), place.second(10)))
    pull(place, WITH_KEY)
    before = everything(place)
    with pytest.raises(SharedEmail, match="2 people have this e-mail"):
        erased(place, WITH_KEY, ADA.email)
    assert everything(place) == before


GUEST = User(77, "guest.seventyseven", "", "", "User")
NAMED = replace(GUEST, number=78, name="A. Inventedson-Namechange", email=ADA.email.upper())


def meets(place: Place, day: int, user: User) -> None:
    cue, (start, end) = f"1_day{day}", (place.second(24 * day + 16), place.second(24 * day + 17))
    place.sessions.append(Session("1_room", "Room", "", cue, start, end, BOB.user_id))
    place.views.append(View("1_room", cue, user, start, end))


def test_who_was_known_before_they_came_with_an_erased_email_is_nobody_on_all_days(place: Place) -> None:
    for day, user in enumerate((GUEST, NAMED, GUEST)):
        meets(place, day, user)
    pull(place, WITH_KEY)
    assert rows(place, f"SELECT count(*) FROM kaltura.people WHERE user_id = '{GUEST.user_id}'") == [(1,)]
    assert erased(place, WITH_KEY, ADA.email)
    pull(place, WITH_KEY, 1, 2)
    gone = TRACES | {GUEST.user_id, NAMED.name, NAMED.email}
    assert found(gone, everything(place).encode()) == set()
    pull(place, WITH_KEY, 2)  # by another process
    assert found(gone, everything(place).encode()) == set()
    there = versions(place)
    pull(place, WITH_KEY, 1)
    assert versions(place) == there


def test_who_comes_with_an_erased_email_on_a_day_past_retention_has_no_lasting_pseudonym(
    place: Place,
) -> None:
    place.views = [view for view in place.views if view.user != ADA]
    for day, user in enumerate((NAMED, ADA)):
        meets(place, day, user)
    pull(place, aged(place), 1)
    assert erased(place, WITH_KEY, ADA.email)
    pull(place, aged(place), 0)
    lasting = WITH_KEY.of_account(1).pseudonym(NAMED.user_id)
    on_the_day = rows(place, "SELECT user_id FROM kaltura.attendees WHERE cue_point_id = '1_day0'")
    assert len(on_the_day) == 1
    assert is_pseudonym(on_the_day[0][0])
    assert on_the_day != [(lasting,)]
    there = versions(place)
    pull(place, aged(place), 0)
    assert versions(place) == there


PAIRS = "course_id,person_id,person_email\n"
OFFICE = "office@example.edu"


def without_emails(place: Place, **emails: str) -> None:
    """Kaltura has no e-mail of anybody, but for these."""
    place.views = [
        replace(view, user=replace(view.user, email=emails.get(view.user.user_id.split(".")[0], "")))
        for view in place.views
    ]


def test_an_email_that_a_list_alone_has_beside_an_id_is_that_persons(place: Place, tmp_path: Path) -> None:
    without_emails(place)
    pull(place, WITH_KEY)
    pair = f"c1,{ADA.user_id},{ADA.email.upper()}\n"
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=PAIRS + pair), WITH_KEY)
    counts = erased(place, WITH_KEY, ADA.email)
    assert counts["attendees.user_id"] > 0
    assert counts["university.enrolments"] == 1
    assert found(TRACES, everything(place).encode()) == set()
    pull(place, WITH_KEY)
    assert found(TRACES, everything(place).encode()) == set()
    assert loaded(place.warehouse.url, tmp_path, ENROLMENTS, WITH_KEY).erased == 1


def test_an_email_that_a_list_has_beside_several_ids_erases_nobody_and_says_so(place: Place, tmp_path: Path) -> None:
    without_emails(place, ada=OFFICE)
    pull(place, WITH_KEY)
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=f"{PAIRS}c1,{BOB.user_id},{OFFICE}\n"), WITH_KEY)
    before = everything(place)
    with pytest.raises(SharedEmail, match="2 people have this e-mail"):
        erased(place, WITH_KEY, OFFICE)
    assert everything(place) == before


def test_whose_line_has_an_id_stays_listed_and_known_though_somebody_with_the_same_email_is_erased(
    place: Place, tmp_path: Path
) -> None:
    without_emails(place, ada=OFFICE)
    pull(place, WITH_KEY)
    line = f"c1,{BOB.user_id},{OFFICE}\nc1,{ADA.user_id},{OFFICE}\nc2,,{OFFICE}\n"
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=PAIRS + line), WITH_KEY)
    known = rows(place, f"SELECT * FROM kaltura.people WHERE user_id = '{BOB.user_id}'")
    assert len(known) == 1
    assert erased(place, WITH_KEY)["university.enrolments"] == 2
    assert enrolled(place.warehouse.url) == [(BOB.user_id, OFFICE)]
    assert rows(place, "SELECT * FROM kaltura.people") == known
    assert loaded(place.warehouse.url, tmp_path, ENROLMENTS, WITH_KEY).erased == 2
    assert enrolled(place.warehouse.url) == [(BOB.user_id, OFFICE)]


def test_a_new_id_that_is_the_email_of_somebody_who_was_erased_is_theirs_and_one_that_was_there_is_another(
    place: Place,
) -> None:
    """Kaltura calls people by their e-mails from some day on."""
    without_emails(place, ada=ADA.email, bob=OFFICE)
    pull(place, WITH_KEY)
    meets(place, 0, User(9, OFFICE, "Front Office", "", "User"))
    pull(place, WITH_KEY)
    assert erased(place, WITH_KEY)
    assert erased(place, WITH_KEY, BOB.user_id)
    meets(place, 1, User(8, ADA.email.upper(), "A. Inventedson-Namechange", "", "User"))
    pull(place, WITH_KEY, 0, 1)
    there = everything(place)
    assert found(TRACES | {ADA.email.upper(), "A. Inventedson-Namechange"}, there.encode()) == set()
    assert rows(place, f"SELECT user_name FROM kaltura.attendees WHERE user_id = '{OFFICE}'") == [("Front Office",)]
    before = versions(place)
    pull(place, WITH_KEY, 1)
    assert versions(place) == before


def test_an_email_that_is_an_id_is_that_persons_alone(place: Place) -> None:
    """Whoever else has it beside their own id was not asked for."""
    by_email = User(8, ADA.email, "Somebody Invented", "", "User")
    place.views.append(View("1_room", "1_a", by_email, place.second(9), place.second(10)))
    pull(place, WITH_KEY)
    erased(place, WITH_KEY, ADA.email)
    assert rows(place, f"SELECT count(*) FROM kaltura.attendees WHERE user_id = '{ADA.email}'") == [(0,)]
    assert rows(place, f"SELECT count(*) > 0 FROM kaltura.attendees WHERE user_id = '{ADA.user_id}'") == [(True,)]
