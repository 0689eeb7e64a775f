"""`report`: the week's report. Made through Dagster if it is not there yet or older than the data, and opened.

It makes a run that the UI shows like any other.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.command_line import Command, day_option
from resources.errors import ConfigurationError
from resources.settings import Settings, report_folder, report_language

if TYPE_CHECKING:
    from assets.room_report.figures import Account

WEEK = dt.timedelta(days=7)


class NoReportError(ConfigurationError):
    """There is nothing to report on; the message says what to do."""


@click.command(cls=Command)
@day_option("--week", "day", "A day of the week, as 2026-11-16 (default: the newest that is over and has data).")
@click.option("--again", is_flag=True, help="Write it anew, also where it is there already.")
@click.option("--no-open", is_flag=True, help="Print where the file is, and open nothing.")
def command(day: dt.date | None, again: bool, no_open: bool) -> None:
    """Write the week's report, print where it is, and open it in a browser."""
    settings = Settings.from_environment()
    from rich.console import Console

    from pipelines.terminal import spinner

    console = Console()
    with console.status("Reading ...", spinner=spinner(console)):
        known, today, invented = _accounts_and_today()
        week = _monday(day) if day else newest_week(known, today)
        _require_week(week, known, settings, today)
    from assets.room_report.asset import is_current

    paths = [_path(account, week) for account in known]
    language = report_language()
    if again or not all(is_current(path, account, language) for path, account in zip(paths, known, strict=True)):
        with console.status(f"Writing the report of the week of {week} ...", spinner=spinner(console)):
            _write(week)
    for path in paths:
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)
    if invented:
        console.print(invented, highlight=False, markup=False, soft_wrap=True)
    if not no_open and _can_open():
        webbrowser.open(paths[0].as_uri())


def newest_week(known: list[Account], today: dt.date) -> dt.date:
    """The Monday of the newest week that is over on `today` and of which a day was loaded. Raises `NoReportError`."""
    if not known:
        raise NoReportError("Nothing has been loaded yet: run `make run` first.")
    newest = min(max(_monday(account.last_date) for account in known), _monday(today) - WEEK)
    if newest < min(_monday(account.first_date) for account in known):
        raise NoReportError(f"All that was loaded is of this week, which is over on {_monday(today) + WEEK}.")
    return newest


def _require_week(week: dt.date, known: list[Account], settings: Settings, today: dt.date) -> None:
    """Raises `NoReportError` where the week is no partition."""
    from assets.partitions import WEEKS  # Dagster's, which takes a moment

    if not known:
        raise NoReportError("Nothing has been loaded yet: run `make run` first.")
    if week > today - WEEK:  # a week after the last one of all years is none
        raise NoReportError(f"The week of {week} is not over yet in {settings.timezone}.")
    if not WEEKS.has_partition_key(str(week)):
        raise NoReportError(f"The week of {week} begins before START_DATE={settings.start_date}.")


def _monday(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())


def _accounts_and_today() -> tuple[list[Account], dt.date, str]:
    """The accounts in the warehouse, the configured one first; the day by its clock; and what is to say of invented ones.

    The warehouse is started and brought up to date where it is private.
    """
    from assets.reports import TABLES
    from assets.room_report.figures import accounts
    from pipelines.invented import invented_beside
    from pipelines.last_full_day import last_full_day
    from resources.local import kaltura as local_kaltura
    from resources.postgres.migrations import migrate
    from resources.postgres.url import database_url, is_private
    from resources.warehouse.warehouse import Warehouse

    configured = None if local_kaltura.is_standin() else local_kaltura.account()
    url = database_url()
    if is_private():
        migrate(url, TABLES)
    warehouse = Warehouse(url)
    try:
        warehouse.require_current_schema()
        with warehouse.reading() as connection:
            known = sorted(accounts(connection), key=lambda each: each.account_id != configured)
            invented = invented_beside(connection)
    finally:
        warehouse.close()
    return known, last_full_day(url) + dt.timedelta(days=1), invented


def _path(account: Account, week: dt.date) -> Path:
    from assets.room_report.asset import file_name

    return report_folder() / file_name(account.account_id, week)


def _write(week: dt.date) -> None:
    """Raises `NoReportError` where the run fails."""
    from assets.room_report.asset import OF_ALL_ACCOUNTS, room_report
    from pipelines import launch

    result = launch.launch([room_report.key], partition_key=str(week), tags=OF_ALL_ACCOUNTS)
    if not result.success:
        raise NoReportError(f"The run {result.run_id} failed: {result.why}")


def _can_open() -> bool:
    """Whether a browser would show the file to the person at this terminal."""
    is_graphical = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return is_graphical and sys.stdout.isatty()
