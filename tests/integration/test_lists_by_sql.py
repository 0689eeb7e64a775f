"""Whoever fills the lists by SQL: people on them are treated as those that `load-lists` brings, by the next run at the latest."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import run_folder
from click.testing import CliRunner
from in_process import installed

from pipelines import retention
from pipelines.command_line import front_door
from resources.kaltura.windows import Days
from resources.postgres.roles import apply_roles
from resources.privacy.pseudonyms import FULL, Privacy, is_pseudonym
from resources.warehouse.warehouse import Warehouse
from tests.integration.test_privacy import ADA, BOB, NONE, PSEUDONYMOUS, WITH_KEY, Place, erased, everything, pull, rows
from tests.integration.test_privacy import place as place
from tests.integration.test_university import enrolled
from tests.integration.test_whole_days import kaltura as kaltura

NEVER_CAME = "never.came"
STUDENTS = "SELECT student_count, active_student_count, attended_count, absence_count FROM analytics.course_weekly"
DEPARTMENT = STUDENTS.replace("course_weekly", "department_weekly")
PEOPLE = "SELECT person_id, attended_session_count, absence_count FROM analytics.course_attendance WHERE is_enrolled"


def filled(place: Place, emails: bool = True) -> None:
    """As a program of somebody else's would: e-mails in capitals, too."""
    with psycopg.connect(place.warehouse.url) as connection:
        connection.execute("INSERT INTO university.courses (account_id, course_id) VALUES (1, 'c1')")
        connection.execute("INSERT INTO university.course_rooms VALUES (1, 'c1', '1_room')")
        ada = (None, ADA.email.upper()) if emails else (ADA.user_id, None)
        for person in (ada, (BOB.user_id, None), (NEVER_CAME, None)):
            connection.execute("INSERT INTO university.enrolments VALUES (1, 'c1', %s, %s)", person)


def registered(place: Place, privacy: Privacy) -> None:
    opened = Warehouse(place.warehouse.url, privacy)
    try:
        opened.register_listed_people(1, retention.TABLES)
    finally:
        opened.close()


@pytest.fixture
def as_analyst(place: Place) -> Iterator[Any]:
    """Asks as somebody who may not see people."""
    with run_folder.alone("roles"):
        apply_roles(place.warehouse.url)

        def asked(query: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(place.warehouse.url) as connection:
                connection.execute("SET ROLE kaltura_analyst")
                return connection.execute(query.encode()).fetchall()

        yield asked


@pytest.mark.parametrize("by", ["migrate", "the nightly job"])
def test_everybody_has_a_pseudonym_and_is_counted(
    by: str, place: Place, as_analyst: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(place, FULL)
    filled(place)
    before = as_analyst(PEOPLE)
    assert (None, 2, 2) in before  # who has none yet is one with all such: docs/lists.md says so
    if by == "migrate":
        monkeypatch.delenv("PII_MODE", raising=False)
        done = CliRunner().invoke(front_door, ["migrate", "--database-url", place.warehouse.url])
        assert done.exit_code == 0, done.output
    else:
        with psycopg.connect(place.warehouse.url) as connection:
            retention.without_old_names(connection, FULL, 1)
    people = as_analyst(PEOPLE)
    assert len({person_id for person_id, *_ in people if is_pseudonym(person_id)}) == 3
    assert sorted(counts for _, *counts in people) == [[0, 2], [2, 0], [2, 0]]
    assert as_analyst(STUDENTS) == as_analyst(DEPARTMENT) == [(3, 2, 4, 2)]
    with psycopg.connect(place.warehouse.url) as connection:  # nobody whom a list has is taken for unused
        retention.forget_unused(connection, retention.TABLES, None)
    assert as_analyst(STUDENTS) == [(3, 2, 4, 2)]


def test_a_run_registers_those_of_its_account_and_no_others(place: Place) -> None:
    account = place.kaltura.partner_id
    with psycopg.connect(place.warehouse.url) as connection:
        for listing in (1, account):
            connection.execute("INSERT INTO university.courses (account_id, course_id) VALUES (%s, 'c1')", [listing])
            connection.execute("INSERT INTO university.enrolments VALUES (%s, 'c1', %s)", [listing, NEVER_CAME])
    with installed(place.kaltura, place.warehouse.url) as pipeline:
        assert pipeline.pull(Days(place.day(0), place.day(0))).success
        known = pipeline.sql(f"SELECT partner_id FROM kaltura.people WHERE user_id = '{NEVER_CAME}'").fetchall()
    assert known == [(account,)]


def test_migrate_lets_people_be_where_it_does_not_know_the_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another key they would have other pseudonyms than in the reports."""
    pull(place, WITH_KEY)
    filled(place)
    monkeypatch.delenv("PII_KEY", raising=False)
    there = rows(place, "SELECT * FROM kaltura.people ORDER BY 1, 2")
    assert CliRunner().invoke(front_door, ["migrate", "--database-url", place.warehouse.url]).exit_code == 0
    assert rows(place, "SELECT * FROM kaltura.people ORDER BY 1, 2") == there


def test_whoever_has_been_erased_is_taken_off_again(place: Place) -> None:
    pull(place, WITH_KEY)
    erased(place, WITH_KEY)
    filled(place)
    registered(place, WITH_KEY)
    assert sorted(enrolled(place.warehouse.url)) == [(BOB.user_id, None), (NEVER_CAME, None)]
    assert [each for each in (ADA.user_id, ADA.email) if each in everything(place).lower()] == []


def test_ids_become_pseudonyms_in_mode_pseudonymous(place: Place, as_analyst: Any) -> None:
    pull(place, PSEUDONYMOUS)
    filled(place, emails=False)
    registered(place, PSEUDONYMOUS)
    people = PSEUDONYMOUS.of_account(1)
    made = sorted((people.pseudonym(each), None) for each in (ADA.user_id, BOB.user_id, NEVER_CAME))
    assert sorted(enrolled(place.warehouse.url)) == made
    assert as_analyst(STUDENTS) == [(3, 2, 4, 2)]


def test_in_mode_none_they_are_left_alone_as_nobody_can_be_found(place: Place) -> None:
    pull(place, NONE)
    filled(place, emails=False)
    before = enrolled(place.warehouse.url)
    registered(place, NONE)
    assert enrolled(place.warehouse.url) == before


def test_registering_listed_people_twice_writes_nothing(place: Place) -> None:
    pull(place, WITH_KEY)
    filled(place)
    versions = "SELECT xmin::text, ctid::text, t::text FROM {} AS t ORDER BY 3"
    registered(place, WITH_KEY)
    there = [rows(place, versions.format(name)) for name in ("kaltura.people", "university.enrolments")]
    registered(place, WITH_KEY)
    assert [rows(place, versions.format(name)) for name in ("kaltura.people", "university.enrolments")] == there
