"""`psql-url`: the warehouse's connection string."""

import click

from pipelines.command_line import Command
from resources.postgres.url import database_url


@click.command(cls=Command)
def command() -> None:
    """Print the warehouse's connection string, with its password if it has one."""
    click.echo(database_url())
