"""`load-lists`: loads the university's own lists from CSV files, each whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.command_line import Command, Stopped, database_url_option
from resources.postgres import url
from resources.settings import SettingError, Settings, university_folder

if TYPE_CHECKING:
    from rich.console import Console

    from resources.university.lists import UniversityList
    from resources.university.load import Loaded


@click.command(cls=Command)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--accept-empty", is_flag=True, help="Believe a list without rows: what was loaded of it before goes.")
@database_url_option
def command(folder: Path | None, accept_empty: bool, database_url: str) -> None:
    """Load courses.csv, course_rooms.csv, enrolments.csv and timetable.csv of FOLDER (by default UNIVERSITY_DIR).

    A list that is not there is left as it is. Exit code 1 where one was refused; the others are loaded all the same.
    """
    settings = Settings.from_environment()
    folder = folder or university_folder()
    if folder is None:
        raise SettingError("Say where the lists are: `load-lists FOLDER`, or set UNIVERSITY_DIR.")
    from rich.console import Console

    from resources.local import kaltura as standin
    from resources.university.folder import has_none, lists_in

    there = lists_in(folder)
    if not there:
        raise SettingError(has_none(folder))
    account = standin.account()
    console = Console()
    console.print(f"The lists of {folder} for account {account}:", highlight=False, markup=False, soft_wrap=True)
    at = database_url or url.database_url()
    refused = [_loaded(console, at, folder, each, account, settings, accept_empty=accept_empty) for each in there]
    if problems := [problem for problem in refused if problem]:
        raise Stopped("\n".join(problems))


def _loaded(
    console: Console,
    at: str,
    folder: Path,
    wanted: UniversityList,
    account: int,
    settings: Settings,
    *,
    accept_empty: bool,
) -> str:
    """Why the list was refused; empty where it was loaded, which is printed."""
    from resources.postgres.migrations import Migrations
    from resources.postgres.session import opened
    from resources.privacy.people import lock_shared
    from resources.university.load import load, read_list
    from resources.university.read import ListRefused

    path = folder / wanted.file_name
    try:
        listed = read_list(path, wanted, account, settings.privacy, settings.timezone)
        with opened(at) as connection:
            lock_shared(connection)
            Migrations(connection).require_current()
            done = load(connection, listed, accept_empty=accept_empty)
    except ListRefused as error:
        return str(error)
    except OSError as error:
        return f"{path} can't be read: {error.strerror}."
    console.print(_said(done), highlight=False)
    return ""


def _said(done: Loaded) -> str:
    lines = [f"[bold]{done.name}[/]: {done.rows:,} rows, {done.inserted:,} new, {done.removed:,} gone"]
    if done.erased:
        lines.append(f"  {done.erased:,} lines are left out: their people have been erased")
    if done.aged:
        lines.append(
            f"  {done.aged:,} lines name people by e-mail alone, of courses whose names RETENTION_DAYS took out: what is held"
            " of those courses stays"
        )
    if done.unknown_courses:
        lines.append(
            f"  {done.unknown_courses:,} of its courses are not in the list of courses: what it says of them is in no view"
        )
    if done.unknown_rooms:
        lines.append(
            f"  {done.unknown_rooms:,} rooms that it plans for a course are not in course_rooms for that course: what is held"
            " there counts as held, and in none of the course's other views"
        )
    return "\n".join(lines)
