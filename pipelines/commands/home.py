"""`home`: Dagster's home, and commands that find it ready."""

import os
import shutil
import sys
from pathlib import Path

import click

from pipelines.command_line import Command, Stopped
from pipelines.instance import dagster_home, dagster_programs


@click.command(cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", metavar="[COMMAND ...]", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> None:
    """Print Dagster's home; or become COMMAND, with the home made ready and the settings read."""
    folder = dagster_home.prepare()
    if not words:
        click.echo(folder)
        return
    beside = Path(sys.executable).parent / words[0]  # the environment's own programs need not be on PATH
    program = str(beside) if beside.exists() else shutil.which(words[0])
    if program is None:
        raise Stopped(f"home: there is no program {words[0]!r}.", 127)
    if dagster_programs.is_dagsters(words):
        program = str(Path(program).absolute())
        words = dagster_programs.beside_no_env_file(words)
    os.execv(program, [program, *words[1:]])  # noqa: S606
