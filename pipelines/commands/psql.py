"""`psql`: a prompt on the warehouse."""

import click

from pipelines.command_line import Command
from resources.local.postgres import prompt
from resources.postgres.url import database_url


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> None:
    """Become psql on the warehouse. WORDS go to psql, as in: psql -c 'select now()'"""
    prompt(database_url(), words)
