"""`status`: what the warehouse holds against what Dagster says. Exit code 1: the two differ, or days are missing, or have been
provisional for too long.
"""

import json
from functools import partial

import click

from pipelines.command_line import Command


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print a document for programs.")
@click.option(
    "--mend",
    "mends",
    is_flag=True,
    help="First make Dagster's marks those of the warehouse: mark days that are there, take marks of lost days away.",
)
def command(as_json: bool, mends: bool) -> None:
    """What the warehouse holds, against what Dagster says, by ranges of days, with the command that mends each."""
    from pipelines.instance import dagster_home
    from pipelines.instance.mend import mend
    from pipelines.invented import invented_beside
    from pipelines.status import status
    from resources.local import kaltura as local_kaltura
    from resources.postgres.session import opened
    from resources.postgres.url import database_url

    account = local_kaltura.account()
    url = database_url()
    with dagster_home.instance() as instance:
        mended = mend(lambda: opened(url), instance, account, partial(click.echo, err=as_json)) if mends else None
        with opened(url) as connection:
            found = status(connection, instance, account)
            invented = invented_beside(connection)
    if as_json:
        document = found.document() | ({"mended": mended.document()} if mended else {})
        click.echo(json.dumps(document | ({"invented": invented} if invented else {}), indent=2))
    else:
        click.echo("\n".join([*(mended.lines() if mended else []), *found.lines(), *([invented] if invented else [])]))
    if not found.is_well:
        raise click.exceptions.Exit(1)
