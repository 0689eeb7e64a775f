"""The main job at a terminal: pull some days into the warehouse through Dagster, and show what landed.

    python -m pipelines.run [--days 7 | --from DAY --to DAY]

It starts what the settings leave to the checkout (the private Postgres, the stand-in Kaltura), applies the migrations,
and makes a run that the UI shows like any other.
"""

import argparse
import datetime as dt
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import dagster as dg
import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines import dagster_home as home
from pipelines.first_look import print_first_look
from pipelines.interrupts import Interrupts
from pipelines.sensors.abandoned_runs import end_abandoned_local_runs
from resources.errors import ConfigurationError
from resources.kaltura.errors import KalturaError
from resources.kaltura.resource import expect_account_or_demo, is_standin
from resources.local import kaltura as standin
from resources.postgres.migrations import migrate
from resources.postgres.roles import apply_roles
from resources.postgres.session import opened
from resources.postgres.url import database_url, is_private
from resources.runtime.processes import execution_tag
from resources.settings import SettingError, Settings, load_env_file


def main() -> int:
    load_env_file()
    console = Console()
    given = _arguments()
    try:
        settings = Settings.from_environment()
        expect_account_or_demo()
        first, last = _days(given, settings)
        with console.status("Starting ...") as status:
            url = _made_ready(status.update)
        return _pull_and_show(first, last, url, console)
    except (ConfigurationError, SettingError, KalturaError) as error:
        console.print(f"[bold red]Nothing was pulled.[/] {escape(str(error))}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped. The days that had landed stay; run it again to go on.")
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.run", description="Pull days of Kaltura room data into the warehouse."
    )
    parser.add_argument("--days", type=int, default=7, help="how many full days, up to yesterday (default: 7)")
    parser.add_argument(
        "--from", dest="first", type=dt.date.fromisoformat, metavar="DAY", help="first day, as 2026-01-31"
    )
    parser.add_argument(
        "--to", dest="last", type=dt.date.fromisoformat, metavar="DAY", help="last day (default: yesterday)"
    )
    return parser.parse_args()


def _days(given: argparse.Namespace, settings: Settings) -> tuple[dt.date, dt.date]:
    yesterday = dt.datetime.now(settings.timezone).date() - dt.timedelta(days=1)
    last = given.last or yesterday
    first = given.first or max(last - dt.timedelta(days=given.days - 1), settings.start_date)
    if last > yesterday:
        raise SettingError(f"{last} is not over yet in {settings.timezone}: the last full day is {yesterday}.")
    if first < settings.start_date:
        raise SettingError(f"{first} is before START_DATE={settings.start_date}. Set START_DATE to an earlier day.")
    if last < first:
        raise SettingError(f"There is no day from {first} to {last}.")
    return first, last


def _made_ready(say: Callable[[str], None]) -> str:
    """The warehouse's URL, once everything runs that the checkout has to run itself."""
    if is_private():
        say("Starting the private Postgres ...")
    url = database_url()
    say("Applying migrations ...")
    migrate(url)
    if is_private():
        apply_roles(url, again=False)
    if is_standin():
        say("Starting the stand-in Kaltura ...")
        standin.start()
    say("Loading Dagster ...")
    home.prepare()
    return url


def _pull_and_show(first: dt.date, last: dt.date, url: str, console: Console) -> int:
    from pipelines.definitions import defs  # reads the settings, and takes seconds: not before they are checked

    with dg.DagsterInstance.get() as instance:
        end_abandoned_local_runs(instance)
        run_id, failure = _executed(defs, instance, first, last, console)
    with opened(url) as connection:
        rows_as_dicts = cast(psycopg.Connection[dict[str, Any]], connection)
        rows_as_dicts.row_factory = dict_row
        print_first_look(console, rows_as_dicts, run_id, first, last)
    if failure:
        console.print(f"[bold red]The run failed.[/] {escape(failure)}", highlight=False)
        return 1
    console.print(_whats_next(url), highlight=False, soft_wrap=True)
    return 0


def _executed(
    defs: dg.Definitions, instance: dg.DagsterInstance, first: dt.date, last: dt.date, console: Console
) -> tuple[str, str]:
    """The run's id, and why it failed if it did."""
    from assets.reports import REPORTS

    job = defs.resolve_implicit_global_asset_job_def()
    run_id = str(uuid.uuid4())
    days = (last - first).days + 1
    started = time.monotonic()
    with _progress(console, instance, run_id, days):
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            asset_selection=[report.key for report in REPORTS],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={
                "dagster/asset_partition_range_start": str(first),
                "dagster/asset_partition_range_end": str(last),
                **execution_tag(run_id),
            },
            raise_on_error=False,
        )
    if _was_interrupted(result):
        raise KeyboardInterrupt
    console.print(f"Pulled {days} day{'s' if days > 1 else ''} in {time.monotonic() - started:.1f} s.\n")
    _print_findings(result, console)
    return run_id, "" if result.success else _why(result)


def _print_findings(result: dg.ExecuteInProcessResult, console: Console) -> None:
    """What the checks found; nothing where all is well."""
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            color = "red" if check.severity is dg.AssetCheckSeverity.ERROR else "yellow"
            name = f"{check.check_name} of {check.asset_key.path[-1]}"
            console.print(f"[bold {color}]Check {name}.[/] {escape(check.description or '')}\n", highlight=False)


def _whats_next(url: str) -> str:
    """Where the data is and what to type; the password of a database of one's own is left out."""
    lines = ["[bold]A prompt on it[/]   make psql"]
    if is_private():
        lines.append(f"[bold]Other clients[/]    {escape(url)}")
    lines.append("[bold]Dagster's UI[/]     make ui, to backfill older days and switch the daily schedule on")
    if is_standin():
        lines.append(
            "[bold]Your account[/]     copy .env.example to .env and fill in KALTURA_*; this was invented data"
        )
    return "\n".join(lines)


@contextmanager
def _progress(console: Console, instance: dg.DagsterInstance, run_id: str, days: int) -> Iterator[None]:
    """A bar that moves as each day's tables are marked."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"Pulling {days} days", total=days)
        marked: set[str] = set()

        def on_event(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event and event.is_step_materialization and event.partition:
                marked.add(event.partition)
                progress.update(task, completed=len(marked))
                if interrupts.any_since_asked():
                    signal.raise_signal(signal.SIGINT)  # the run goes on all the same

        with Interrupts() as interrupts:
            instance.add_event_listener(run_id, on_event)
            yield


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether Ctrl-C ended the run: Dagster takes the signal for itself, and tells of it as of a failure."""
    failures = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    return any(
        failure.error and failure.error.cls_name == dg.DagsterExecutionInterruptedError.__name__ for failure in failures
    )


def _why(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            described = failure.user_failure_data.description if failure.user_failure_data else None
            return described or (failure.error.message if failure.error else "the run failed")
    return "the run failed"


if __name__ == "__main__":
    sys.exit(main())
