"""A whole account out of the warehouse: every table that the catalog knows, and nothing of any other account."""

from collections.abc import Iterator

import psycopg
import pytest
from conftest import client_of
from psycopg import sql

from pipelines.command_line import Stopped
from pipelines.commands.forget_account import command
from resources.postgres import locks
from resources.postgres.backup import named
from resources.warehouse.accounts import KEPT, UnknownAccount, forget_account
from resources.warehouse.warehouse import Warehouse
from simulator import Running
from tests.integration.test_calendars import Account
from tests.integration.test_calendars import kaltura as kaltura

MISTAKEN, OTHER = 1234, 5678
UNCHANGED_BY_ACCOUNT = {"migrations", "views", "privacy"}  # of the whole database


@pytest.fixture
def account(kaltura: Running, warehouse: Warehouse) -> Iterator[Account]:
    with client_of(kaltura) as client:
        yield Account(client, warehouse)


@pytest.fixture
def filled(account: Account, database: str) -> str:
    """Two accounts with the same three days; of one a row was changed, and somebody was erased."""
    for partner_id in (MISTAKEN, OTHER):
        account.pull("UTC", partner_id=partner_id)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE kaltura.attendees SET user_name = 'Somebody Invented', load_id = load_id")
        connection.execute("UPDATE kaltura.loads SET content = NULL, row_versions = NULL")
        connection.execute("INSERT INTO kaltura.suppressions (partner_id, person) VALUES (%s, 'x')", [MISTAKEN])
        for partner_id in (MISTAKEN, OTHER):
            connection.execute("INSERT INTO university.courses (account_id, course_id) VALUES (%s, 'c')", [partner_id])
            connection.execute(
                "INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (%s, 'c', 'p')",
                [partner_id],
            )
            connection.execute("INSERT INTO kaltura.listed_pseudonyms VALUES (%s, 'p_', 'p')", [partner_id])
    for partner_id in (MISTAKEN, OTHER):
        account.pull("UTC", partner_id=partner_id)
    return database


def held(url: str) -> dict[str, list[str]]:
    """Every row of every table of ours, as text, by the catalog."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('kaltura', 'university')"
        ).fetchall()
        query = sql.SQL("SELECT row::text FROM {} AS row ORDER BY 1")
        return {
            named(*table): [text for (text,) in connection.execute(query.format(sql.Identifier(*table)))]
            for table in tables
            if table[1] not in UNCHANGED_BY_ACCOUNT
        }


def test_nothing_of_the_account_is_left_in_any_table_and_all_of_the_others_is(filled: str, account: Account) -> None:
    before = held(filled)
    assert all(str(MISTAKEN) in "".join(rows) for name, rows in before.items() if rows), "a table that is not tried"
    assert before["changes"]
    with psycopg.connect(filled) as connection:
        counts = forget_account(connection, MISTAKEN)
    after = held(filled)
    for name, rows in after.items():
        if name == KEPT:
            assert rows == before[name]
        else:
            assert not any(
                f"({MISTAKEN}," in row or f",{MISTAKEN}," in row or f" {MISTAKEN}," in row for row in rows
            ), name
            assert len(before[name]) - len(rows) == counts.get(name, 0), name
    account.pull("America/New_York", partner_id=MISTAKEN)  # it takes any time zone again
    assert len(held(filled)["attendees"]) > len(after["attendees"])


def test_a_dry_run_counts_and_changes_nothing(
    filled: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", filled)
    before = held(filled)
    command.main([str(MISTAKEN), "--dry-run"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "Would be changed" in said
    assert "The list of 1 erased people stays" in said
    assert held(filled) == before


def test_the_command_says_what_dagster_still_marks_and_what_comes_back_by_itself(
    filled: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", filled)
    monkeypatch.setenv("UNIVERSITY_DIR", "lists")
    command.main([str(MISTAKEN), "--yes"], standalone_mode=False)
    said = capsys.readouterr().out
    assert "status --mend" in said
    assert "changed_lists" in said
    assert not any(f",{MISTAKEN}," in row for row in held(filled)["loads"])


@pytest.mark.parametrize("here", [str(MISTAKEN), str(OTHER), ""])
def test_of_another_account_than_that_of_the_settings_it_is_said_where_to_mend_its_marks(
    here: str, filled: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`status --mend` knows the account of its settings alone, and the other one's schedule would bring its days back."""
    monkeypatch.setenv("DATABASE_URL", filled)
    monkeypatch.setenv("KALTURA_PARTNER_ID", here)
    command.main([str(MISTAKEN), "--yes"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    is_another = here != str(MISTAKEN)
    assert (f"in the environment of account {MISTAKEN}" in said) is is_another
    assert ("switch its `daily_pull` off" in said) is is_another
    assert (f"here it is of account {OTHER}" in said) is (here == str(OTHER))


def test_a_run_that_is_under_way_is_waited_for_and_then_named_and_a_dry_run_only_counts(
    filled: str, account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest of the run would be refused, its days told as lost, and the account pulled anew by the run's retry."""
    monkeypatch.setenv("DATABASE_URL", filled)
    monkeypatch.setattr(locks, "RESTORE_SECONDS", 0.1)
    before = held(filled)
    with account.warehouse.loading("0123456789"):
        with pytest.raises(Stopped, match=r"kaltura run 01234567.*Wait for that run or stop it"):
            command.main([str(MISTAKEN), "--yes"], standalone_mode=False)
        command.main([str(MISTAKEN), "--dry-run"], standalone_mode=False)
        assert "Would be changed" in capsys.readouterr().out
    assert held(filled) == before
    command.main([str(MISTAKEN), "--yes"], standalone_mode=False)
    assert held(filled) != before


def test_an_account_that_is_not_there_is_told_with_those_that_are(filled: str) -> None:
    before = held(filled)
    with psycopg.connect(filled) as connection, pytest.raises(UnknownAccount, match=f"has {MISTAKEN}, {OTHER}"):
        forget_account(connection, 1)
    assert held(filled) == before
