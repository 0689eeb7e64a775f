"""Many accounts in one warehouse: pulled at the same time, each apart from the others, whatever their ids."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from conftest import client_of
from pipeline import ASSETS, Pipeline

from resources.kaltura.resource import account_name
from resources.kaltura.windows import Calendar, Days
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Credentials, Running, University, serving

DAYS = Days(dt.date(2026, 3, 2), dt.date(2026, 3, 4))

# The first two have the very same rooms, sessions and people, as far as ids go, in time zones of their own.
ACCOUNTS = {
    1001: (11, "America/New_York"),
    1002: (11, "Asia/Singapore"),
    1003: (12, "UTC"),
}


@pytest.fixture
def accounts() -> Iterator[dict[int, Running]]:
    with contextlib.ExitStack() as stack:
        yield {
            partner_id: stack.enter_context(
                serving(
                    University(seed=seed, timezone=zone, rooms=10),
                    credentials=Credentials(partner_id=partner_id, app_token=f"invented token of {partner_id}"),
                )
            )
            for partner_id, (seed, zone) in ACCOUNTS.items()
        }


def loaded_alone(running: Running, zone: str, url: str) -> None:
    from assets.pull.asset import PullConfig
    from assets.pull.extract import extract
    from assets.reports import REPORTS

    warehouse = Warehouse(url)
    with client_of(running) as client:
        calendar, number = Calendar(ZoneInfo(zone), 12), warehouse.next_pull()
        extracted = extract(DAYS, REPORTS, client, calendar, PullConfig().filters(), number=number)
    for day, arrivals in extracted.by_day.items():
        warehouse.upsert(day, arrivals, Provenance(running.partner_id, extracted.pull))
    warehouse.close()


@pytest.mark.deep
def test_accounts_pulled_at_the_same_time_each_end_as_if_alone(
    accounts: dict[int, Running], database: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    pipelines = {
        partner_id: Pipeline(
            running, database, tmp_path / str(partner_id),
            {"START_DATE": "2026-01-01", "PARTITION_TIMEZONE": ACCOUNTS[partner_id][1]},
        )
        for partner_id, running in accounts.items()
    }  # fmt: skip
    command = ["dagster", "asset", "materialize", "-m", "pipelines.definitions", "--select", ASSETS]
    processes = []
    for pipeline in pipelines.values():
        pipeline.home.mkdir()
        (pipeline.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        processes.append(pipeline.start(*command, "--partition-range", f"{DAYS.first}...{DAYS.last}"))
    for process in processes:
        printed, _ = process.communicate(timeout=1200)
        assert process.returncode == 0, printed[-4000:]

    together = pipelines[1001].tables()
    for partner_id, running in accounts.items():
        alone = Pipeline(running, new_database(), tmp_path, {})
        loaded_alone(running, ACCOUNTS[partner_id][1], alone.database)
        for table, rows in alone.tables().items():
            assert rows
            assert [row for row in together[table] if row[0]["partner_id"] == partner_id] == rows
    assert {row[0]["partner_id"] for rows in together.values() for row in rows} == set(ACCOUNTS)


def test_each_account_waits_in_a_pool_of_its_own(monkeypatch) -> None:
    monkeypatch.setenv("KALTURA_PARTNER_ID", " 1001 ")
    assert account_name() == "1001"
    monkeypatch.setenv("KALTURA_PARTNER_ID", "")
    assert account_name() == "standin"
