"""A restored backup brings back no names that had been taken out of any account, or says of which and what to run."""

import datetime as dt
from pathlib import Path

import psycopg
import pytest
from pipeline import Pipeline
from rich.console import Console

from resources.postgres.backup import back_up
from simulator import Session, View
from tests.integration.test_privacy import ADA, BOB, KEY, WITH_KEY, Place, command, found, pull
from tests.integration.test_privacy import place as place
from tests.integration.test_retention_of_one_account import ONE, OTHER, TRACES, held
from tests.integration.test_retention_of_one_account import both as both
from tests.integration.test_retention_of_one_account import installation as installation
from tests.integration.test_whole_days import kaltura as kaltura

NOT_OF_DAYS = {"enrolments", "people", "listed_pseudonyms"}  # a course goes on, so its list keeps names


def names_days(place: Place, account: int) -> bool:
    rows = {name: texts for name, texts in held(place, account).items() if name not in NOT_OF_DAYS}
    return bool(found(TRACES, str(rows).encode()))


def of_course(place: Place, account: int) -> list[tuple[object, ...]]:
    """Who is on the list of the course that is over."""
    with psycopg.connect(place.warehouse.url) as connection:
        return connection.execute(
            "SELECT person_id, person_email FROM university.enrolments WHERE account_id = %s AND course_id = 'over'"
            " ORDER BY 1, 2",
            [account],
        ).fetchall()


@pytest.fixture
def backup(both: Place, tmp_path: Path) -> Path:
    """Of both accounts, with their names."""
    file = tmp_path / "older.dump"
    back_up(both.warehouse.url, file, Console(quiet=True), KEY)
    return file


def restored(installation: Pipeline, file: Path, url: str, **more: str) -> str:
    return command(installation, "restore", str(file), "--replace", "--database-url", url, **more)


# Of whose settings a restore is, and whose names it takes out again where both accounts had theirs taken out.
BY = {
    "the first account": ({}, {ONE, OTHER}),
    "the first account, which keeps its names now": ({"RETENTION_DAYS": ""}, {OTHER}),
    "another account": ({"KALTURA_PARTNER_ID": "3"}, {ONE, OTHER}),
    "another account, without retention": ({"KALTURA_PARTNER_ID": "3", "RETENTION_DAYS": ""}, {ONE, OTHER}),
    "no account": ({"KALTURA_PARTNER_ID": "", "DATABASE_URL": ""}, {ONE, OTHER}),
    "no account that could be told": ({"KALTURA_PARTNER_ID": ""}, {ONE, OTHER}),
}


@pytest.mark.parametrize("by", BY)
def test_what_each_account_had_taken_out_goes_again_whosever_settings_a_restore_has(
    by: str, installation: Pipeline, both: Place, backup: Path, tmp_path: Path
) -> None:
    for account in (ONE, OTHER):
        command(installation, "retention", "--partner-id", str(account))
    lists = {account: of_course(both, account) for account in (ONE, OTHER)}
    more, treated = BY[by]

    said = restored(installation, backup, both.warehouse.url, LOCAL_POSTGRES_DIR=str(tmp_path / "none"), **more)

    for account in (ONE, OTHER):
        assert names_days(both, account) is (account not in treated)
        assert (f"names taken out again of days before {both.day(1)}, in account {account}: " in said) is (
            account in treated
        )
        if account in treated:
            assert of_course(both, account) == lists[account]
    assert ("RETENTION_DAYS is not set here" in said) is (treated == {OTHER})
    assert ("Account 3, of the settings, is not in the backup" in said) is ("3" in more.values())


def test_an_account_of_which_nothing_tells_how_long_it_keeps_names_is_named_with_its_command(
    installation: Pipeline, both: Place, backup: Path, new_database: object
) -> None:
    """Into an empty database, and over a warehouse in which the other account has its names."""
    assert callable(new_database)
    for url in (new_database(), both.warehouse.url):
        said = restored(installation, backup, url)
        assert f"in account {ONE}: " in said
        assert f"`python -m pipelines retention --partner-id {OTHER}`" in said
        assert f"retention --partner-id {ONE}`" not in said
    assert not names_days(both, ONE)
    assert names_days(both, OTHER)


def named_days(place: Place, account: int) -> list[dt.date]:
    """Those on which somebody has a name."""
    with psycopg.connect(place.warehouse.url) as connection:
        found = connection.execute(
            "SELECT DISTINCT partition_date FROM kaltura.attendees WHERE partner_id = %s AND user_name IS NOT NULL"
            " ORDER BY 1",
            [account],
        )
        return [day for (day,) in found]


@pytest.mark.parametrize("had_aged", [False, True])
def test_who_was_erased_on_a_day_that_keeps_names_takes_nobody_elses_with_them(
    had_aged: bool, installation: Pipeline, both: Place, tmp_path: Path
) -> None:
    """An erased person has a pseudonym in each session, which reads like that of somebody whose name retention took."""
    start, end = both.second(33), both.second(34)
    both.sessions.append(Session("1_room", "Room", "", "1_d", start, end, ADA.user_id))
    both.views += [View("1_room", "1_d", user, start, end) for user in (ADA, BOB)]
    pull(both, WITH_KEY, 1, account=OTHER)
    file = tmp_path / "of_two_days.dump"
    back_up(both.warehouse.url, file, Console(quiet=True), KEY)
    if had_aged:
        command(installation, "retention", "--partner-id", str(OTHER))
    command(installation, "erase", "--user-id", BOB.user_id, "--partner-id", str(OTHER), "--yes")
    before = named_days(both, OTHER)
    assert before == [both.day(day) for day in ((1,) if had_aged else (0, 1))]

    said = restored(installation, file, both.warehouse.url)

    assert named_days(both, OTHER) == before
    assert (f"names taken out again of days before {both.day(1)}, in account {OTHER}: " in said) is had_aged
    assert (f"`python -m pipelines retention --partner-id {OTHER}`" in said) is not had_aged


def test_what_dagster_shows_is_said_of_the_account_of_the_settings_and_for_others_how_to_ask(
    installation: Pipeline, both: Place, backup: Path
) -> None:
    said = command(installation, "restore", str(backup), "--replace")
    assert f"Account {ONE}: Dagster shows no day that it does not hold." in said
    assert f"Of account {OTHER} `python -m pipelines status` tells, under its settings." in said
