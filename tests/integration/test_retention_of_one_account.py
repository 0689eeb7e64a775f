"""Two accounts in one warehouse: names go by the `RETENTION_DAYS` of the account that has it set, and stay in the other."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from pipeline import Pipeline
from psycopg import sql

from pipelines.retention import counts_of
from resources.postgres import locks
from resources.postgres.locks import LockedByAnother
from resources.postgres.session import opened
from resources.privacy.settings import Mode
from tests.integration.test_privacy import (
    ADA,
    BOB,
    KEY,
    WITH_KEY,
    Place,
    aged,
    command,
    filled_with_traces,
    found,
    pull,
)
from tests.integration.test_privacy import place as place
from tests.integration.test_whole_days import kaltura as kaltura

ONE, OTHER = 1, 2
TRACES = {each for user in (ADA, BOB) for each in (user.user_id, user.name, user.email)}


@pytest.fixture
def both(place: Place) -> Place:
    """The same people in two accounts: in rows, changes, rejects and filters, on the list of a course that is over and, by
    e-mail alone, on that of one which goes on. And in each somebody who is in no row any more."""
    for account in (ONE, OTHER):
        filled_with_traces(place, WITH_KEY, account)
        with opened(place.warehouse.url) as connection:
            connection.execute(
                "INSERT INTO university.courses (account_id, course_id, ends_on)"
                " VALUES (%(account)s, 'over', '2020-01-01'), (%(account)s, 'goes on', NULL)",
                {"account": account},
            )
            connection.execute(
                "INSERT INTO university.enrolments (account_id, course_id, person_id, person_email) VALUES"
                " (%(account)s, 'over', %(id)s, NULL), (%(account)s, 'over', NULL, %(email)s),"
                " (%(account)s, 'goes on', NULL, %(email)s)",
                {"account": account, "id": BOB.user_id, "email": ADA.email},
            )
            connection.execute(
                "INSERT INTO kaltura.people (partner_id, user_id, pseudonym) VALUES (%s, 'left.long.ago', 'p_')",
                [account],
            )
    return place


def held(place: Place, account: int) -> dict[str, list[str]]:
    """Every row of the account in every table, where it lies and what is in it: a row that is written anew lies elsewhere."""
    with psycopg.connect(place.warehouse.url) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name, column_name FROM information_schema.columns WHERE table_schema IN"
            " ('kaltura', 'university') AND column_name IN ('partner_id', 'account_id')"
        ).fetchall()
        rows = {
            name: connection.execute(
                sql.SQL("SELECT ctid::text || row::text FROM {} AS row WHERE {} = %s ORDER BY 1").format(
                    sql.Identifier(schema, name), sql.Identifier(column)
                ),
                [account],
            ).fetchall()
            for schema, name, column in tables
        }
        rows["changes"] = connection.execute(
            "SELECT changes.ctid::text || changes::text FROM kaltura.changes INNER JOIN kaltura.loads ON loads.id = load_id"
            " WHERE partner_id = %s ORDER BY 1",
            [account],
        ).fetchall()
    return {name: [text for (text,) in texts] for name, texts in rows.items()}


def holds_names(place: Place, account: int) -> bool:
    return bool(found(TRACES, str(held(place, account)).encode()))


@pytest.fixture
def installation(both: Place, tmp_path: Path) -> Pipeline:
    """That of the first account, by whose setting the day that is there is too old."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    days = str(aged(both).retention_days)
    more = {"PII_KEY": KEY, "KALTURA_PARTNER_ID": str(ONE), "RETENTION_DAYS": days}
    return Pipeline(both.kaltura, both.warehouse.url, home, more)


def test_the_nightly_job_leaves_the_other_account_as_it_was(installation: Pipeline, both: Place) -> None:
    before = held(both, OTHER)
    assert all(before[name] for name in ("attendees", "changes", "rejects", "loads", "people", "enrolments"))
    installation.run("dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "retention")
    assert held(both, OTHER) == before
    left = held(both, ONE)
    listed = {name: left.pop(name) for name in ("enrolments", "people", "listed_pseudonyms")}  # a course goes on
    assert found(TRACES | {"left.long.ago"}, str(left).encode()) == set()
    assert "left.long.ago" not in str(listed)


def test_an_old_day_pulled_by_the_account_leaves_the_other_as_it_was(both: Place) -> None:
    before = held(both, OTHER)
    pull(both, aged(both), account=ONE)
    assert held(both, OTHER) == before
    with psycopg.connect(both.warehouse.url) as connection:
        named = connection.execute("SELECT DISTINCT partner_id FROM kaltura.attendees WHERE user_name IS NOT NULL")
        assert named.fetchall() == [(OTHER,)]


def test_the_command_is_for_the_account_of_the_settings_or_the_one_that_is_named(
    installation: Pipeline, both: Place
) -> None:
    before = held(both, ONE)
    assert f"in account {OTHER}" in command(installation, "retention", "--partner-id", str(OTHER))
    assert held(both, ONE) == before
    before = held(both, OTHER)
    assert f"in account {ONE}" in command(installation, "retention")
    assert held(both, OTHER) == before


def test_the_account_of_number_0_is_one_like_any_other(installation: Pipeline, both: Place) -> None:
    before = held(both, ONE)
    assert "in account 0" in command(installation, "retention", "--partner-id", "0")
    erase = ["erase", "--user-id", ADA.user_id, "--partner-id", "0", "--yes"]
    assert "warehouse of account 0" in command(installation, *erase, succeeds=False)
    assert "--all is of all accounts" in command(
        installation, "retention", "--all", "--partner-id", "0", succeeds=False, PII_MODE="pseudonymous"
    )
    assert held(both, ONE) == before


def test_the_conversion_waits_for_a_run_whose_rest_would_be_refused(
    both: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", both.warehouse.url)
    monkeypatch.setattr(locks, "RESTORE_SECONDS", 0.1)
    pseudonymous = replace(WITH_KEY, mode=Mode.PSEUDONYMOUS)
    before = [held(both, account) for account in (ONE, OTHER)]
    with both.warehouse.loading("0123456789"):
        counts_of(pseudonymous, None, dry_run=True)
        counts_of(aged(both), ONE, dry_run=True)  # which refuses no run
        with pytest.raises(LockedByAnother, match="kaltura run 01234567"):
            counts_of(pseudonymous, None, dry_run=False)
    assert [held(both, account) for account in (ONE, OTHER)] == before


def test_the_conversion_is_of_all_accounts_and_names_none(installation: Pipeline, both: Place) -> None:
    pseudonymous = replace(installation, more={**installation.more, "PII_MODE": "pseudonymous"})
    said = command(pseudonymous, "retention", "--all", "--partner-id", str(ONE), succeeds=False)
    assert "--all is of all accounts" in said
    assert holds_names(both, ONE)
    command(pseudonymous, "retention", "--all")
    assert not holds_names(both, ONE)
    assert not holds_names(both, OTHER)
