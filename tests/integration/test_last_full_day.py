"""Which day was yesterday is told by the database's clock: this machine's may be off by years, or by an hour at midnight."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import psycopg
import pytest
from click.testing import CliRunner
from dagster._core.test_utils import freeze_time

from assets.partitions import SETTINGS
from pipelines import launch
from pipelines.command_line import front_door
from pipelines.commands import pull, report
from pipelines.last_full_day import last_full_day
from simulator import ListedWorld, Running, serving

DAY = dt.timedelta(days=1)


@contextmanager
def clock_off(by: dt.timedelta) -> Iterator[None]:
    """This machine's clock, as Dagster and the commands read it."""

    class Off(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) + by

    class Clock:
        datetime = Off
        date, timedelta, UTC = dt.date, dt.timedelta, dt.UTC

    with freeze_time(dt.datetime.now(dt.UTC) + by), patch.object(pull, "dt", Clock), patch.object(report, "dt", Clock):
        yield


def yesterday(url: str) -> dt.date:
    with psycopg.connect(url) as connection:
        [(day,)] = connection.execute("SELECT (now() AT TIME ZONE %s)::date - 1", [str(SETTINGS.timezone)]).fetchall()
    assert isinstance(day, dt.date)
    return day


@pytest.mark.parametrize("ahead", [3650 * DAY, DAY, dt.timedelta(0)])
def test_a_clock_that_is_ahead_moves_no_day(ahead: dt.timedelta, database: str) -> None:
    with clock_off(ahead):
        assert last_full_day(database) == yesterday(database)


@pytest.mark.parametrize("days", [1, 2, 30])
def test_by_a_clock_that_is_behind_it_is_the_newest_day_that_dagster_knows(days: int, database: str) -> None:
    with clock_off(-days * DAY):
        assert last_full_day(database) == yesterday(database) - days * DAY


@pytest.fixture
def kaltura() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@pytest.mark.parametrize("ahead", [400 * DAY, DAY, dt.timedelta(0)])
def test_pull_without_days_asks_for_those_up_to_yesterday_and_refuses_a_day_that_is_not_over(
    ahead: dt.timedelta, database: str, kaltura: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    def launched(*_: object, tags: dict[str, str], **__: object) -> None:
        asked.append(tags)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "launch", launched)
    settings = {
        "DATABASE_URL": database,
        "KALTURA_BASE_URL": kaltura.base_url,
        "KALTURA_PARTNER_ID": str(kaltura.partner_id),
        "KALTURA_APP_TOKEN_ID": kaltura.app_token_id,
        "KALTURA_APP_TOKEN": kaltura.app_token,
    }
    last = yesterday(database)
    with clock_off(ahead):
        CliRunner().invoke(front_door, ["pull", "--days", "3"], env=settings)
        refused = CliRunner().invoke(front_door, ["pull", "--to", str(last + DAY)], env=settings)
    assert [list(tags.values()) for tags in asked] == [[str(last - 2 * DAY), str(last)]]
    assert f"{last + DAY} is not over yet" in refused.stderr
    assert f"the last full day is {last}" in refused.stderr


@pytest.mark.parametrize("ahead", [400 * DAY, 7 * DAY, dt.timedelta(0)])
def test_report_without_a_week_is_of_the_newest_that_is_over(ahead: dt.timedelta, database: str) -> None:
    today = yesterday(database) + DAY
    monday = today - today.weekday() * DAY
    with psycopg.connect(database) as connection:
        for day in (monday - 7 * DAY, monday):
            connection.execute(
                "INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at,"
                " requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged,"
                " removed) VALUES (1, 6000, %s, now(), now(), now(), 1, 0, 0, 0, 0, 0, 0, 0, 0)",
                [day],
            )
    settings = {"DATABASE_URL": database, "KALTURA_PARTNER_ID": "1"}
    written: list[dt.date] = []
    with clock_off(ahead), patch.object(report, "_write", written.append):
        done = CliRunner().invoke(front_door, ["report", "--no-open", "--again"], env=settings)
        refused = CliRunner().invoke(front_door, ["report", "--no-open", "--week", str(monday)], env=settings)
    assert (done.exit_code, written) == (0, [monday - 7 * DAY]), done.output
    assert f"The week of {monday} is not over yet" in refused.stderr
