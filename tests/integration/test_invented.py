"""A trial without an account, and then one's own in the same warehouse: what is said of the invented data, and what helps."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import new_history
import pytest
from click.testing import CliRunner
from in_process import installed

from assets.reports import REPORTS
from pipelines.command_line import front_door
from pipelines.instance import dagster_home
from resources.kaltura.windows import Days
from resources.local import kaltura as standin
from resources.settings import CHECKOUT
from simulator import Credentials, Running, University, serving

OWN = 12345  # behind the stand-in's, by number
FIRST, SECOND = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
ADVICE = f"`python -m pipelines forget-account {standin.ACCOUNT}`"


@pytest.fixture
def own(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """The account that the settings name."""
    home = tmp_path / "home"
    home.mkdir()
    new_history.put_into(home / "storage")
    with serving(University(seed=11, rooms=3), credentials=Credentials(partner_id=OWN)) as running:
        settings = {
            "DAGSTER_HOME": str(home),
            "DATABASE_URL": database,
            "REPORT_DIR": str(tmp_path / "reports"),
            "KALTURA_BASE_URL": running.base_url,
            "KALTURA_PARTNER_ID": str(OWN),
            "KALTURA_APP_TOKEN_ID": running.app_token_id,
            "KALTURA_APP_TOKEN": running.app_token,
            "COLUMNS": "300",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield running


def said(*words: str) -> str:
    return CliRunner().invoke(front_door, words).output


def said_by_a_process(*words: str) -> str:
    """Of what runs Dagster: what it was imported with by another test stands for good."""
    command = [sys.executable, "-m", "pipelines", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout


def pull(account: Running, database: str, days: Days) -> None:
    with dagster_home.instance() as instance, installed(account, database, instance) as dagster:
        assert dagster.pull(days).success


@pytest.mark.parametrize("is_first", [True, pytest.param(False, marks=pytest.mark.deep)])
def test_invented_data_beside_ones_own_are_named_where_one_looks_and_the_advice_takes_them_out(
    is_first: bool, own: Running, database: str
) -> None:
    assert ADVICE not in said("status")
    with serving(University(seed=7, rooms=3)) as invented:
        if is_first:
            pull(invented, database, Days(FIRST, SECOND))
        pulled = said_by_a_process("pull", "--from", str(SECOND), "--to", str(SECOND))
        assert (ADVICE in pulled) is is_first, pulled
        if not is_first:
            pull(invented, database, Days(FIRST, SECOND))

    told = said_by_a_process("report", "--no-open", "--week", str(FIRST)).splitlines()
    assert str(OWN) in told[0]
    assert str(standin.ACCOUNT) in told[1]
    assert ADVICE in told[2]
    assert ADVICE in said("doctor")
    assert ADVICE in said("status")

    said("forget-account", str(standin.ACCOUNT), "--yes")
    assert ADVICE not in said("status", "--mend")
    with dagster_home.instance() as instance:
        for report in REPORTS:
            assert instance.get_materialized_partitions(report.key) == {str(SECOND)}
