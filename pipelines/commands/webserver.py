"""`webserver`: Dagster's, with the guard before it."""

import click

from pipelines.command_line import Command
from resources.settings import word_list


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.option("--trusted-host", multiple=True, metavar="NAME", help="A name that a proxy passes on (UI_TRUSTED_HOSTS).")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(trusted_host: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Dagster's webserver with a guard before its GraphQL. WORDS are whatever `dagster-webserver` takes."""
    from pipelines.instance import dagster_home, dagster_programs
    from pipelines.instance.guarded_webserver import serve

    dagster_home.expect_usable()
    serve((*word_list("UI_TRUSTED_HOSTS"), *trusted_host), dagster_programs.beside_no_env_file(words))
