"""`migrate`: brings a database to this version's schema."""

import click

from pipelines.command_line import Command, database_url_option


@click.command(cls=Command)
@database_url_option
def command(database_url: str) -> None:
    """Bring the database to this version's schema. Safe to repeat."""
    from resources.postgres import url
    from resources.postgres.migrations import migrate

    applied = migrate(database_url or url.database_url())
    click.echo("\n".join(f"applied sql/{name}" for name in applied) or "the schema is current")
