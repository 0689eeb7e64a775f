"""`roles`: makes the database's roles, or brings them up to date."""

import click

from pipelines.command_line import Command, database_url_option


@click.command(cls=Command)
@database_url_option
def command(database_url: str) -> None:
    """Make the roles of loaders and analysts, or bring them up to date. After `migrate`."""
    from resources.postgres import url
    from resources.postgres.roles import apply_roles

    apply_roles(database_url or url.database_url())
    click.echo("kaltura_loader, kaltura_analyst and kaltura_analyst_pii have their rights: GRANT them to your logins")
