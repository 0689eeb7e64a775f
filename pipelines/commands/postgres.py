"""`postgres`: the private Postgres of a checkout, which the other commands start when they need it."""

from pathlib import Path

import click

from pipelines.command_line import Command
from resources.local import postgres


@click.command(cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("verb", type=click.Choice(["start", "stop", "status", "url", "psql", "remove"]))
@click.option("--folder", type=click.Path(path_type=Path), help="The server's folder (default: LOCAL_POSTGRES_DIR).")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, verb: str, folder: Path | None, words: tuple[str, ...]) -> None:
    """The project's private Postgres: one server a folder, made and started on first use.

    \b
    start    start the server if it is not running, and print its connection string
    stop     stop it; the data stay
    status   say whether it runs and where its things are (exit code 3: it does not run)
    url      print the connection string, nothing else
    remove   stop it and delete its data
    psql     open a prompt on it, starting it if need be; WORDS go to psql

    PG_BIN is a folder with other Postgres programs to use.
    """
    if words and verb != "psql":
        ctx.fail(f"unexpected: {' '.join(words)}")
    place = folder or postgres.default_folder()
    match verb:
        case "start":
            postgres.start(place)
            click.echo(postgres.url(place))
        case "stop":
            postgres.stop(place)
        case "url":
            click.echo(postgres.url(place))
        case "status":
            ctx.exit(_status(place))
        case "psql":
            postgres.start(place)
            postgres.prompt(postgres.url(place), words)
        case "remove":
            postgres.remove(place)


def _status(folder: Path) -> int:
    running = postgres.is_running(folder)
    click.echo(f"{'running' if running else 'not running'}: {folder.expanduser().resolve()}")
    if running:
        server = postgres.find(folder)
        click.echo(f"  url   {postgres.url(folder)}\n  data  {server.data}\n  log   {server.log}")
    return 0 if running else 3
