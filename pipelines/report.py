"""The week's report at a terminal: make it through Dagster if it is not there yet or older than the data, and open it.

    python -m pipelines.report [--week DAY] [--again] [--no-open]

It makes a run that the UI shows like any other.
"""

import argparse
import datetime as dt
import os
import sys
import webbrowser
from pathlib import Path

import dagster as dg
from rich.console import Console

from assets.room_report.figures import WEEK, Account, accounts
from pipelines import dagster_home as home
from resources.errors import ConfigurationError
from resources.postgres.migrations import migrate
from resources.postgres.url import database_url, is_private
from resources.settings import SettingError, Settings, load_env_file, report_folder
from resources.warehouse.warehouse import Warehouse


class NoReportError(ConfigurationError):
    """There is nothing to report on; the message says what to do."""


def main() -> int:
    load_env_file()
    console = Console()
    given = _arguments()
    try:
        settings = Settings.from_environment()
        with console.status("Reading ..."):
            known = _accounts()
            week = _monday(given.week) if given.week else newest_week(known, _today(settings))
            _require_week(week, known, settings)
        paths = [_path(account, week) for account in known]
        if given.again or not all(map(_is_current, known, paths)):
            with console.status(f"Writing the report of the week of {week} ..."):
                _materialize(week)
        for path in paths:
            console.print(str(path), highlight=False, soft_wrap=True)
        if not given.no_open and _can_open():
            webbrowser.open(paths[0].as_uri())
        return 0
    except (ConfigurationError, SettingError) as error:
        console.print(f"[bold red]No report.[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.report", description="Write the week's report, and open it in a browser."
    )
    parser.add_argument(
        "--week",
        type=dt.date.fromisoformat,
        metavar="DAY",
        help="a day of the week, as 2026-11-16 (default: the newest week that is over and has data)",
    )
    parser.add_argument("--again", action="store_true", help="write it anew, also where it is there already")
    parser.add_argument("--no-open", action="store_true", help="print where the file is, and open nothing")
    return parser.parse_args()


def newest_week(known: list[Account], today: dt.date) -> dt.date:
    """The Monday of the newest week that is over on `today` and of which a day was loaded. Raises `NoReportError`."""
    if not known:
        raise NoReportError("Nothing has been loaded yet: run `make run` first.")
    newest = min(max(_monday(account.last_date) for account in known), _monday(today) - WEEK)
    if newest < min(_monday(account.first_date) for account in known):
        raise NoReportError(f"All that was loaded is of this week, which is over on {_monday(today) + WEEK}.")
    return newest


def _require_week(week: dt.date, known: list[Account], settings: Settings) -> None:
    """Raises `NoReportError` where the week is no partition."""
    from assets.partitions import WEEKS  # Dagster's, which takes a moment

    if not known:
        raise NoReportError("Nothing has been loaded yet: run `make run` first.")
    if WEEKS.has_partition_key(str(week)):
        return
    if week + WEEK > _today(settings):
        raise NoReportError(f"The week of {week} is not over yet in {settings.timezone}.")
    raise NoReportError(f"The week of {week} begins before START_DATE={settings.start_date}.")


def _monday(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=day.weekday())


def _today(settings: Settings) -> dt.date:
    return dt.datetime.now(settings.timezone).date()


def _accounts() -> list[Account]:
    """The accounts in the warehouse; a private one is started and brought up to date."""
    url = database_url()
    if is_private():
        migrate(url)
    warehouse = Warehouse(url)
    try:
        warehouse.require_current_schema()
        with warehouse.reading() as connection:
            return accounts(connection)
    finally:
        warehouse.close()


def _path(account: Account, week: dt.date) -> Path:
    from assets.room_report.asset import file_name

    return report_folder() / file_name(account.account_id, week)


def _is_current(account: Account, path: Path) -> bool:
    """Whether the file is there, and nothing was loaded since."""
    return path.exists() and path.stat().st_mtime > account.loaded_at.timestamp()


def _materialize(week: dt.date) -> None:
    """Raises `NoReportError` where the run fails."""
    from assets.room_report.asset import room_report
    from pipelines.definitions import defs

    home.prepare()
    with dg.DagsterInstance.get() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            partition_key=str(week),
            asset_selection=[room_report.key],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
    if not result.success:
        raise NoReportError(f"The run {result.run_id} failed: {_why(result)}")


def _why(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            if failure.error:
                return (failure.error.cause or failure.error).message.strip()
    return "its events say why, in `make ui`"


def _can_open() -> bool:
    """Whether a browser would show the file to the person at this terminal."""
    is_graphical = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return is_graphical and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
