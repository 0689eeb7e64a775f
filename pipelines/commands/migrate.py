"""`migrate`: brings a database to this version's schema."""

import click

from pipelines.command_line import Command, database_url_option


@click.command(cls=Command)
@database_url_option
def command(database_url: str) -> None:
    """Bring the database to this version's schema. Safe to repeat."""
    from resources.runtime import garbage

    with garbage.none_among_imports():  # the declarations come with Dagster, which takes twice as long without this
        from assets.reports import TABLES
    from resources.postgres import url
    from resources.postgres.migrations import migrate

    applied = migrate(database_url or url.database_url(), TABLES)
    click.echo("\n".join(f"applied {what}" for what in applied) or "the schema is current")
