"""The time zone of an account's days: recorded with the first pull, and no pull gets in under another."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from conftest import client_of
from pipeline import Pipeline

from assets.pull.extract import extract
from assets.pull.filters import Filters
from assets.reports import REPORTS
from resources.kaltura.client import Client
from resources.kaltura.windows import Calendar, Days
from resources.warehouse.calendars import CalendarError
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Running, University, serving

PARTNER = 9999
FIRST = dt.date(2026, 3, 7)  # a day before New York's clocks go forward
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Pacific/Pago_Pago"]


@dataclass
class Account:
    """Pulls of one account, in any time zone."""

    client: Client
    warehouse: Warehouse

    def pull(
        self, zone: str, days: int = 3, partner_id: int = PARTNER, first: dt.date = FIRST, *, is_held: bool = True
    ) -> None:
        """As a run does it. Without `is_held` as the version before zones were recorded did."""
        timezone = ZoneInfo(zone)
        if is_held:
            self.warehouse.require_timezone(partner_id, timezone)
        self.load(timezone, days, partner_id, first, is_held=is_held)

    def load(
        self,
        timezone: ZoneInfo,
        days: int,
        partner_id: int = PARTNER,
        first: dt.date = FIRST,
        *,
        is_held: bool = True,
    ) -> None:
        asked = Days(first, first + dt.timedelta(days=days - 1))
        calendar, number = Calendar(timezone, 12), self.warehouse.next_pull()
        brought = extract(asked, REPORTS, self.client, calendar, Filters({}), number=number)
        provenance = Provenance(partner_id, brought.pull, timezone=timezone if is_held else None)
        for day, arrivals in brought.by_day.items():
            self.warehouse.upsert(day, arrivals, provenance)


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    with serving(University(seed=3, timezone="America/New_York", rooms=6)) as running:
        yield running


@pytest.fixture
def account(kaltura: Running, warehouse: Warehouse) -> Iterator[Account]:
    with client_of(kaltura) as client:
        yield Account(client, warehouse)


def recorded(url: str) -> dict[int, str]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT partner_id, timezone FROM kaltura.calendars").fetchall())


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(f"SELECT to_jsonb(t) AS row FROM kaltura.{table} AS t ORDER BY row").fetchall()
            for table in ("room_sessions", "attendees", "breakout_sessions", "loads", "changes", "rejects", "calendars")
        }


def test_the_first_pull_records_the_zone_and_later_ones_leave_it(account: Account, database: str) -> None:
    account.pull("America/New_York")
    account.pull("America/New_York")
    assert recorded(database) == {PARTNER: "America/New_York"}


def test_a_pull_in_another_zone_is_refused_with_both_ways_out(account: Account, database: str) -> None:
    account.pull("America/New_York")
    before = rows(database)
    with pytest.raises(CalendarError) as refused:
        account.pull("UTC")
    assert "set PARTITION_TIMEZONE=America/New_York again" in str(refused.value)
    assert "python -m pipelines redate" in str(refused.value)
    assert rows(database) == before


def test_a_zone_that_changes_while_a_run_is_under_way_stops_the_run_at_its_next_day(
    account: Account, database: str
) -> None:
    account.pull("America/New_York", days=1)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE kaltura.calendars SET timezone = 'UTC'")
    before = rows(database)
    with pytest.raises(CalendarError, match="cut in UTC"):
        account.load(ZoneInfo("America/New_York"), 2)
    assert rows(database) == before


def test_an_account_that_is_taken_out_while_a_run_is_under_way_does_not_come_back_by_it(
    account: Account, database: str
) -> None:
    account.warehouse.require_timezone(PARTNER, ZoneInfo("UTC"))
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM kaltura.calendars")
    with pytest.raises(CalendarError, match="does not know account 9999 any more"):
        account.load(ZoneInfo("UTC"), 1)
    assert not any(rows(database).values())


def test_an_account_without_rows_takes_on_another_zone(account: Account, database: str) -> None:
    account.warehouse.require_timezone(PARTNER, ZoneInfo("UTC"))
    account.pull("Asia/Kolkata", days=1)
    assert recorded(database) == {PARTNER: "Asia/Kolkata"}


def test_each_account_has_a_zone_of_its_own(account: Account, database: str) -> None:
    account.pull("UTC", days=1)
    account.pull("Asia/Kolkata", days=1, partner_id=2)
    account.pull("UTC", days=1)
    assert recorded(database) == {PARTNER: "UTC", 2: "Asia/Kolkata"}


@pytest.mark.parametrize("zone", ZONES)
def test_days_filled_before_zones_were_recorded_are_of_the_zone_at_whose_midnights_they_are_cut_and_of_no_other(
    zone: str, account: Account, database: str
) -> None:
    account.pull(zone, is_held=False)
    before = rows(database)
    for other in ZONES:
        if other != zone:
            with pytest.raises(CalendarError, match="are not cut at the midnights of"):
                account.warehouse.require_timezone(PARTNER, ZoneInfo(other))
    assert rows(database) == before
    account.pull(zone)
    assert recorded(database) == {PARTNER: zone}


def test_days_without_any_session_are_known_by_their_windows(account: Account, database: str) -> None:
    account.pull("America/New_York", is_held=False)
    with psycopg.connect(database) as connection:
        for table in ("room_sessions", "attendees", "breakout_sessions"):
            connection.execute(f"DELETE FROM kaltura.{table}".encode())
    with pytest.raises(CalendarError, match="one was asked for from 2026-03-07 04:00 UTC"):
        account.warehouse.require_timezone(PARTNER, ZoneInfo("UTC"))
    account.warehouse.require_timezone(PARTNER, ZoneInfo("America/New_York"))


def test_windows_that_would_fit_do_not_hide_a_session_on_the_wrong_day(account: Account, database: str) -> None:
    account.pull("UTC", is_held=False)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE kaltura.room_sessions SET partition_date = partition_date + 1")
    with pytest.raises(CalendarError, match="a session of 2026-03-0. ..:.. UTC is on 2026-03"):
        account.warehouse.require_timezone(PARTNER, ZoneInfo("UTC"))


@pytest.mark.deep
def test_a_run_and_the_status_refuse_another_zone_in_one_line_and_write_nothing(
    kaltura: Running, new_database: Callable[[], str], tmp_path: Path
) -> None:
    url = new_database()
    zones = {
        zone: Pipeline(kaltura, url, tmp_path, {"START_DATE": "2026-03-01", "PARTITION_TIMEZONE": zone})
        for zone in ("America/New_York", "UTC")
    }
    zones["America/New_York"].materialize("--partition", str(FIRST))
    before = rows(url)
    printed = zones["UTC"].materialize("--partition", str(FIRST), succeeds=False)
    assert "set PARTITION_TIMEZONE=America/New_York again" in printed
    said = zones["UTC"].run("python", "-m", "pipelines", "status", succeeds=False)
    assert "set PARTITION_TIMEZONE=America/New_York again" in said
    assert rows(url) == before
