"""The front door: finds a command, reads the settings for it, and ends it with one line where something is not right.

Commands live in `pipelines/commands`, a file each, and are imported when they are called: `stop` and `psql-url` answer
at once, because neither Dagster nor pandas is imported for them. Each ends with 0, with 1 where it says what went wrong,
with 2 where its words can't be read, or with 130 after Ctrl-C; `postgres status` with 3 where the server does not run, and
`home COMMAND` with 127 where there is no such program, else as that program does.
"""

import datetime as dt
import logging
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, TypeVar

import click

from pipelines.instance import dagster_home
from resources.errors import ProjectError
from resources.runtime.printable import printable
from resources.settings import load_env_file

_F = TypeVar("_F", bound=Callable[..., Any])

# What `--help` lists. A command `a-b` is `command` of pipelines/commands/a_b.py.
COMMANDS = {
    "Data": {
        "pull": "pull days of room data into the warehouse, and show what landed",
        "load-lists": "load the university's own lists: courses, their rooms, enrolments, the timetable",
        "report": "the week's report, in a browser",
        "dashboards": "Superset with five dashboards over the warehouse, until Ctrl-C; or they as a file",
        "export": "views as Parquet, CSV or Excel files",
        "notebook": "explore the views with filters, in a marimo notebook",
        "psql": "a prompt on the warehouse",
        "psql-url": "print the warehouse's connection string",
    },
    "Operation": {
        "ui": "Dagster's UI, daemon and code server, until Ctrl-C",
        "stop": "stop what a checkout runs for itself; data stay",
        "doctor": "examine the Kaltura account",
        "status": "what the warehouse holds, against what Dagster says",
        "alert-test": "send a test message to where alerts go",
    },
    "Database": {
        "migrate": "bring the database to this version's schema",
        "roles": "make the roles of loaders and analysts, or bring them up to date",
        "backup": "back the warehouse up",
        "restore": "put a backup back",
        "forget-account": "take an account out of every table",
        "redate": "move an account's rows to their days in another time zone",
    },
    "People": {
        "erase": "take one person out of the warehouse for good",
        "retention": "take names and e-mails out of old days",
    },
    "Parts": {
        "home": "print Dagster's home, or become a command that uses it",
        "webserver": "Dagster's webserver, with a guard before it",
        "standin": "serve the stand-in Kaltura, until Ctrl-C",
        "postgres": "the private Postgres of a checkout: start, stop, status, url, remove",
        "docs": "write the pages that are made from the database's catalog and .env.example",
    },
}
NAMES = [name for section in COMMANDS.values() for name in section]


# What is said after Ctrl-C.
WHAT_STANDS = {
    "pull": "The days that had landed stay; run it again to go on.",
    "migrate": "Each file is applied whole or not at all: run it again to go on.",
    "backup": "A backup is written whole or not at all: run it again.",
    "doctor": "It only reads: nothing was changed.",
    "export": "A file is written whole or not at all: run it again.",
    "report": "A report is written whole or not at all: run it again.",
    "status": "Nothing was changed, but by --mend: run that again to finish.",
}


class Stopped(click.ClickException):
    """The command ends here: one line, and its exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        setattr(self, "exit_code", exit_code)  # noqa: B010 - click has it as a variable of the class

    def show(self, file: Any = None) -> None:
        click.echo("\n".join(map(printable, self.message.split("\n"))), file=file, err=True)


class Command(click.Command):
    """A command of the project: the settings are read before it, and not for its help."""

    def invoke(self, ctx: click.Context) -> Any:
        load_env_file()
        return super().invoke(ctx)


class OneTransaction(Command):
    """A command that does all that it does in one transaction. Where it fails it says what stands."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            if came_of_interrupt(error):
                raise Stopped(f"\nStopped. {_what_stands(error)}", 130) from None
            message = said_of(error)
            if message is None or (ctx.parent and ctx.parent.params["traceback"]):
                raise
            stands = "" if _TOLD.search(message) else f" {_what_stands(error)}"
            raise Stopped(f"{ctx.info_name}: {message}{stands}") from None


_TOLD = re.compile("nothing was (changed|restored)", re.IGNORECASE)


def _what_stands(error: BaseException) -> str:
    from resources.postgres.error_notes import what_stands
    from resources.postgres.session import has_committed

    return what_stands(error) or ("What it changed stands." if has_committed() else "Nothing was changed.")


class FrontDoor(click.Group):
    """All commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return NAMES

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in NAMES:
            return None
        command: click.Command = import_module(f"pipelines.commands.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, commands in COMMANDS.items():
            with formatter.section(section):
                formatter.write_dl(list(commands.items()))

    def invoke(self, ctx: click.Context) -> Any:
        # Of a connection that Ctrl-C interrupts while it closes, it would print the traceback, and then pass it on.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            if came_of_interrupt(error):
                begun = ctx.invoked_subcommand  # None while its module is being imported
                stands = WHAT_STANDS.get(begun, "") if begun else "Nothing was begun."
                raise Stopped(f"\nStopped. {stands}".rstrip(), 130) from None
            message = said_of(error)
            if message is None or ctx.params["traceback"]:
                raise
            raise Stopped(f"{ctx.invoked_subcommand}: {message}") from None


@click.command(cls=FrontDoor, context_settings={"max_content_width": 110})
@click.option("--traceback", is_flag=True, help="Where an error came from, in full.")
def front_door(traceback: bool) -> None:
    """Kaltura room data in a Postgres. Settings come from the environment, and from .env of the checkout."""


def came_of_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C is at the root of it: Python 3.11 makes a RuntimeError of one that meets a class being made."""
    root: BaseException | None = error
    while root and not isinstance(root, KeyboardInterrupt):
        root = root.__cause__ or root.__context__
    return root is not None and not isinstance(error, click.ClickException | click.exceptions.Exit)


def said_of(error: BaseException) -> str | None:
    """An error of a setting, a file, a database or a reply in words; None where it is a mistake of the program."""
    if isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort | BrokenPipeError):
        return None
    if isinstance(error, ProjectError):
        return str(error)
    if of_history := dagster_home.unusable_history(error):
        return f"{of_history} {dagster_home.HISTORY_ADVICE}"
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{printable(str(error.filename))}: {reason}." if error.filename else f"{reason}."
    if isinstance(error, tuple(_from_other_packages())):
        lines = str(error).strip().splitlines()
        return printable(lines[0] if lines else type(error).__name__)
    return None


def _from_other_packages() -> Iterator[type[Exception]]:
    """Errors of what is outside. A package that was not imported has raised none."""
    outside = {"psycopg": "Error", "httpx": "HTTPError", "dagster": "DagsterError"}
    for package, name in outside.items():
        if package in sys.modules:
            yield getattr(sys.modules[package], name)


def database_url_option(function: _F) -> _F:
    """`--database-url`, of the commands that can work on another database than the configured one."""
    words = "Another database than DATABASE_URL's (without which it is the private Postgres)."
    return click.option("--database-url", default="", metavar="URL", help=words)(function)


def day_option(name: str, destination: str, words: str) -> Callable[[_F], _F]:
    """An option that takes a day, as 2026-01-31."""
    return click.option(name, destination, type=_day, metavar="DAY", help=words)


def _day(value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a day. Write it as 2026-01-31.") from None
