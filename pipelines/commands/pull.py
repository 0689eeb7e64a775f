"""`pull`: the main job at a terminal. Pulls some days into the warehouse through Dagster, and shows what landed.

It starts what the settings leave to the checkout (the private Postgres, the stand-in Kaltura), applies the migrations,
and makes a run that the UI shows like any other.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import click

from pipelines.command_line import Command, Stopped, day_option
from resources.errors import ProjectError
from resources.settings import SettingError, Settings, output_folder

if TYPE_CHECKING:
    import dagster as dg
    from rich.console import Console
    from rich.status import Status

    from pipelines.launch import Launched

DEFAULT_DAYS = 7


@click.command(cls=Command)
@click.option(
    "--days", type=click.IntRange(1), help=f"How many full days, up to yesterday or --to.  [default: {DEFAULT_DAYS}]"
)
@day_option("--from", "first", "First day, as 2026-01-31.")
@day_option("--to", "last", "Last day (default: yesterday).")
@click.option(
    "--accept-empty", is_flag=True, help="Believe reports that are empty, or figures that are all 0: nothing happened."
)
def command(days: int | None, first: dt.date | None, last: dt.date | None, accept_empty: bool) -> None:
    """Pull days of room data into the warehouse, and show what landed."""
    if first and days:
        raise click.UsageError(
            "--from and --days exclude each other. Write --from DAY --to DAY, or --days N [--to DAY]."
        )
    settings = Settings.from_environment()
    from resources.runtime import garbage

    with garbage.none_among_imports():
        from resources.kaltura.resource import Kaltura

    Kaltura.from_environment().process_config_and_initialize().credentials()  # what is wrong with them is said here
    if first and last:
        _expect_days(first, last, settings)  # before anything is started
    _pull_and_show(
        lambda yesterday: _days(days or DEFAULT_DAYS, first, last, settings, yesterday), accept_empty=accept_empty
    )


def _days(
    days: int, first: dt.date | None, last: dt.date | None, settings: Settings, yesterday: dt.date
) -> tuple[dt.date, dt.date]:
    last = last or yesterday
    if last > yesterday:
        raise SettingError(f"{last} is not over yet in {settings.timezone}: the last full day is {yesterday}.")
    if first is None:
        reach = min(days - 1, max(0, (last - settings.start_date).days))
        first = last - dt.timedelta(days=reach)
    _expect_days(first, last, settings)
    return first, last


def _expect_days(first: dt.date, last: dt.date, settings: Settings) -> None:
    """Raises `SettingError`."""
    if first < settings.start_date:
        raise SettingError(f"{first} is before START_DATE={settings.start_date}. Set START_DATE to an earlier day.")
    if last < first:
        raise SettingError(f"There is no day from {first} to {last}.")


def _pull_and_show(chosen: Callable[[dt.date], tuple[dt.date, dt.date]], *, accept_empty: bool) -> None:
    from rich.console import Console
    from rich.markup import escape

    from pipelines.terminal import spinner

    console = Console()
    with console.status("Starting ...", spinner=spinner(console)) as status:
        url = _made_ready(status)
        from assets.reports import REPORTS
        from pipelines import launch
        from pipelines.last_full_day import last_full_day
        from pipelines.range_tags import range_tags

        first, last = chosen(last_full_day(url))

    days, started = (last - first).days + 1, time.monotonic()
    result = launch.launch(
        [report.key for report in REPORTS],
        tags=range_tags(first, last),
        pull_config={"accept_empty": True} if accept_empty else None,
        watch=lambda instance, run_id: _progress(console, instance, run_id, days),
    )
    asked, took = f"{days} day{'s' if days > 1 else ''}", f"{time.monotonic() - started:.1f} s"
    if result.success:
        console.print(f"Pulled {asked} in {took}.\n")
    else:
        console.print(f"Of {asked}, {_loaded(result)} are in, after {took}.\n")
    _print_findings(result, console)
    try:
        _load_invented_lists(url, first, last)
        _print_what_landed(url, result.run_id, first, last, console)
        _print_what_to_mend(url, console)
    except ProjectError as error:
        console.print(f"What landed can't be shown: {escape(str(error))}\n", highlight=False)
    if not result.success:
        raise Stopped(f"The run failed. {result.why}")
    console.print(_whats_next(escape(url)), highlight=False, soft_wrap=True)


def _made_ready(status: Status) -> str:
    """The warehouse's URL, once everything runs that the checkout has to run itself."""
    from resources.postgres.url import database_url, is_private

    if is_private():
        status.update("Starting the private Postgres ...")
    url = database_url()
    status.update("Applying migrations ...")
    from assets.reports import TABLES
    from resources.postgres.migrations import migrate
    from resources.postgres.roles import apply_roles

    migrate(url, TABLES)
    if is_private():
        apply_roles(url, again=False)
    status.update("Loading Dagster ...")
    return url


def _load_invented_lists(url: str, first: dt.date, last: dt.date) -> None:
    """The stand-in's university has lists of its own, for whoever has not set another folder of them."""
    from resources.local.kaltura import is_standin
    from resources.settings import university_folder

    if not is_standin() or university_folder():
        return
    from resources.local import kaltura as standin
    from resources.postgres.session import opened
    from resources.university.lists import LISTS
    from resources.university.load import load, read_list

    settings = Settings.from_environment()
    folder = output_folder("university")
    standin.write_lists(folder, first, last)
    account = int(standin.credentials().partner_id)
    for each in LISTS:
        if not each.names_people or settings.privacy.mode != "none":
            listed = read_list(folder / each.file_name, each, account, settings.privacy, settings.timezone)
            with opened(url) as connection:
                load(connection, listed)


def _loaded(run: Launched) -> int:
    """How many days were loaded whole, all their tables. One that was lost after it had been marked is none of them."""
    by_day: dict[str | None, set[dg.AssetKey]] = {}
    for mark in run.marks:
        by_day.setdefault(mark.partition, set()).add(mark.asset_key)
    tables = set().union(*by_day.values())
    return sum(keys == tables for day, keys in by_day.items() if day not in run.failed_days)


def _print_what_landed(url: str, run_id: str, first: dt.date, last: dt.date, console: Console) -> None:
    import psycopg
    from psycopg.rows import dict_row

    from pipelines.first_look import print_first_look
    from resources.postgres.reading import keep_a_restore_off
    from resources.postgres.session import opened

    with opened(url) as connection:
        keep_a_restore_off(connection)
        rows_as_dicts = cast("psycopg.Connection[dict[str, Any]]", connection)
        rows_as_dicts.row_factory = dict_row
        print_first_look(console, rows_as_dicts, run_id, first, last)


def _print_what_to_mend(url: str, console: Console) -> None:
    """Invented data beside the account's own, and names that should have gone."""
    from pipelines.invented import invented_beside
    from pipelines.retention import names_left
    from resources.local import kaltura as local_kaltura
    from resources.postgres.session import opened

    privacy = Settings.from_environment().privacy
    with opened(url) as connection:
        for said in (invented_beside(connection), names_left(connection, privacy, local_kaltura.account())):
            if said:
                console.print(f"{said}\n", highlight=False, soft_wrap=True)


def _print_findings(run: Launched, console: Console) -> None:
    """What the checks found; nothing where all is well."""
    from rich.text import Text

    from pipelines.terminal import as_text

    for check in run.evaluations:
        if not check.passed:
            color = "red" if check.severity.value == "ERROR" else "yellow"
            name = f"{check.check_name} of {check.asset_key.path[-1]}"
            said = Text.assemble(as_text(f"Check {name}. ", f"bold {color}"), as_text(check.description or ""), "\n")
            console.print(said, highlight=False)


def _whats_next(url: str) -> str:
    """Where the data is and what to type; the password of a database of one's own is left out."""
    from resources.local.kaltura import is_standin
    from resources.postgres.url import is_private

    lines = ["[bold]A prompt on it[/]   make psql"]
    if is_private():
        lines.append(f"[bold]Other clients[/]    {url}")
    lines.append("[bold]Dagster's UI[/]     make ui, to backfill older days and switch the daily schedule on")
    if is_standin():
        lines.append(
            "[bold]Your account[/]     copy .env.example to .env and fill in KALTURA_*; this was invented data,"
            " some of it broken on purpose"
        )
    return "\n".join(lines)


@contextmanager
def _progress(console: Console, instance: dg.DagsterInstance, run_id: str, days: int) -> Iterator[None]:
    """A bar that moves as each day's tables are marked."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from pipelines.terminal import spinner

    said = TextColumn("{task.description}")
    columns = (SpinnerColumn(spinner(console)), said, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"Pulling {days} days", total=days)
        marked: set[str] = set()

        def on_event(entry: dg.EventLogEntry) -> None:
            event = entry.dagster_event
            if event and event.is_step_materialization and event.partition:
                marked.add(event.partition)
                progress.update(task, completed=len(marked))

        instance.add_event_listener(run_id, on_event)
        yield
