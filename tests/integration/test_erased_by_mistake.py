"""Nobody is erased who was not asked for, and who was is erased whatever happens to the run that finds them."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from rich.console import Console

from assets.reports import TABLES
from resources.postgres.backup import back_up
from resources.postgres.restore import restore
from resources.privacy.people import record
from resources.privacy.pseudonymise import pseudonymise
from resources.privacy.pseudonyms import NOBODY as NOBODYS_IDS
from resources.privacy.pseudonyms import is_pseudonym
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse, WarehouseError
from simulator import User
from tests.integration.test_erased_by_email import GUEST, NAMED, PAIRS, TRACES, meets
from tests.integration.test_privacy import (
    ADA,
    BOB,
    KEY,
    PSEUDONYMOUS,
    WITH_KEY,
    Place,
    aged,
    bring_as,
    erased,
    everything,
    found,
    pull,
    rows,
)
from tests.integration.test_privacy import place as place
from tests.integration.test_university import all_loaded, enrolled, written
from tests.integration.test_whole_days import kaltura as kaltura

BY_ITS_EMAIL = User(8, ADA.email.upper(), "A. Inventedson-Namechange", "", "User")
REMOVALS = "SELECT removals FROM kaltura.privacy"


def share_an_email(place: Place) -> None:
    """Bob has Ada's e-mail, too."""
    place.views = [
        replace(view, user=replace(view.user, email=ADA.email)) if view.user == BOB else view for view in place.views
    ]


def of_bob(place: Place) -> tuple[object, ...]:
    query = f"SELECT * FROM kaltura.attendees WHERE user_id = '{BOB.user_id}' ORDER BY cue_point_id"
    return tuple(row[:8] for row in rows(place, query))


@pytest.mark.parametrize("came_first", [False, True], ids=["its id is erased", "its id comes after an erasure"])
def test_who_has_the_email_that_is_an_erased_persons_id_stays(came_first: bool, place: Place, tmp_path: Path) -> None:
    """By the e-mail nobody was erased: it was, or is, an id."""
    share_an_email(place)
    if came_first:
        meets(place, 0, BY_ITS_EMAIL)
    pull(place, WITH_KEY)
    pair = f"c1,{BOB.user_id},{ADA.email}\n"
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=PAIRS + pair), WITH_KEY)
    there, listed = of_bob(place), enrolled(place.warehouse.url)
    assert there
    assert erased(place, WITH_KEY, BY_ITS_EMAIL.user_id if came_first else ADA.user_id)
    meets(place, 1, BY_ITS_EMAIL)
    for _ in range(2):
        opened = Warehouse(place.warehouse.url, WITH_KEY)
        try:
            opened.register_listed_people(1, TABLES)
        finally:
            opened.close()
        pull(place, WITH_KEY, 0, 1)
    assert of_bob(place) == there
    assert enrolled(place.warehouse.url) == listed
    assert found({BY_ITS_EMAIL.user_id, BY_ITS_EMAIL.name}, everything(place).encode()) == set()


@pytest.mark.parametrize("nobody", [each for each in NOBODYS_IDS if each])
def test_an_email_that_a_list_has_beside_nobodys_id_erases_nobody_elses_rows(
    nobody: str, place: Place, tmp_path: Path
) -> None:
    place.views = [view for view in place.views if view.user != ADA]
    meets(place, 0, User(5, nobody, "", "", ""))
    pull(place, WITH_KEY)
    back_up(place.warehouse.url, tmp_path / "older.dump", Console(quiet=True), KEY)
    with place.warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id, person_email) VALUES (1, 'c1', %s, %s)",
            [nobody, ADA.email],
        )
    query = f"SELECT count(*) FROM kaltura.attendees WHERE user_id = '{nobody}'"
    before = rows(place, query)
    erased(place, WITH_KEY, ADA.email)
    assert rows(place, query) == before != [(0,)]
    with place.warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO university.enrolments (account_id, course_id, person_id, person_email) VALUES (1, 'c1', %s, %s)",
            [nobody, ADA.email],
        )
    back_up(place.warehouse.url, tmp_path / "listed.dump", Console(quiet=True), KEY)
    for name in ("listed.dump", "older.dump"):
        kept = ReapplyErasures(WITH_KEY, TABLES)
        restore(
            place.warehouse.url,
            tmp_path / name,
            Console(quiet=True),
            keeper=kept,
            tables=TABLES,
            replace=True,
            key=KEY,
        )
        assert rows(place, query) == before


def load(opened: Warehouse, place: Place, *days: int) -> None:
    for day in days:
        brought = bring_as(place, WITH_KEY, day)
        opened.upsert(place.day(day), brought.by_day[place.day(day)], Provenance(1, brought.pull))


def test_who_is_known_to_be_erased_and_keeps_coming_is_not_erased_anew(place: Place) -> None:
    for day, user in enumerate((GUEST, NAMED, NAMED)):
        meets(place, day, user)
    pull(place, WITH_KEY)
    assert erased(place, WITH_KEY, ADA.email)
    pull(place, WITH_KEY, 1)
    before = rows(place, REMOVALS)
    opened = Warehouse(place.warehouse.url, WITH_KEY)
    try:
        load(opened, place, 0, 1, 2)
        assert opened.erase_who_came(1, TABLES) == 0
    finally:
        opened.close()
    assert rows(place, REMOVALS) == before


def test_who_came_and_could_not_be_erased_is_by_the_next_run_of_another_process(place: Place) -> None:
    """Somebody holds the lock of people for longer than the run waits."""
    for day, user in enumerate((GUEST, NAMED)):
        meets(place, day, user)
    pull(place, WITH_KEY)
    assert erased(place, WITH_KEY, ADA.email)
    opened = Warehouse(place.warehouse.url, WITH_KEY)
    try:
        load(opened, place, 1)
        with psycopg.connect(place.warehouse.url) as holder:
            holder.execute("SELECT pg_advisory_xact_lock_shared(1801546868, 0)")
            with opened.connection() as connection:
                connection.execute("SET lock_timeout = '200ms'")
            with pytest.raises(WarehouseError):
                opened.erase_who_came(1, TABLES)
    finally:
        opened.close()
    gone = TRACES | {GUEST.user_id, NAMED.name, NAMED.email}
    assert found(gone, everything(place).encode()) == {GUEST.user_id}
    again = Warehouse(place.warehouse.url, WITH_KEY)
    try:
        assert again.erase_who_came(1, TABLES) == 1
    finally:
        again.close()
    assert found(gone, everything(place).encode()) == set()


def test_a_new_id_that_is_an_erased_persons_email_has_no_lasting_pseudonym_on_a_day_past_retention(
    place: Place,
) -> None:
    for day, user in enumerate((BY_ITS_EMAIL, ADA)):
        meets(place, day, user)
    pull(place, aged(place), 1)
    assert erased(place, WITH_KEY)
    pull(place, aged(place), 0)
    assert_unlinked(place, "1_day0", BY_ITS_EMAIL.user_id)


def test_a_new_id_that_is_an_erased_persons_email_has_no_lasting_pseudonym_once_all_ids_are_pseudonyms(
    place: Place,
) -> None:
    pull(place, WITH_KEY)
    assert erased(place, WITH_KEY)
    with place.warehouse.connection() as connection:
        pseudonymise(connection, PSEUDONYMOUS, TABLES, None)
        record(connection, PSEUDONYMOUS)
    for day, user in ((1, BY_ITS_EMAIL), (2, GUEST)):
        meets(place, day, user)
    pull(place, PSEUDONYMOUS, 1, 2)
    assert_unlinked(place, "1_day1", BY_ITS_EMAIL.user_id)
    lasting = WITH_KEY.of_account(1).pseudonym(GUEST.user_id)
    assert rows(place, "SELECT user_id FROM kaltura.attendees WHERE cue_point_id = '1_day2'") == [(lasting,)]


def assert_unlinked(place: Place, cue: str, user_id: str) -> None:
    """Who was in the session has a pseudonym there, and not that of all their days."""
    [[stored]] = rows(place, f"SELECT user_id FROM kaltura.attendees WHERE cue_point_id = '{cue}'")
    assert is_pseudonym(stored)
    assert stored != WITH_KEY.of_account(1).pseudonym(user_id)
