"""`backup`: the warehouse in a file, and what is in it in another beside it."""

import datetime as dt
from pathlib import Path

import click

from pipelines.command_line import Command, database_url_option
from resources.runtime import interrupts
from resources.runtime.counted import counted


@click.command(cls=Command)
@click.argument("file", required=False, metavar="[FILE|FOLDER]", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(min=1, max=36600),
    metavar="DAYS",
    help="Then remove the backups of that folder that are older, of those called kaltura-TIME.dump. Without it all stay.",
)
@database_url_option
def command(file: Path | None, keep: int | None, database_url: str) -> None:
    """Back the warehouse up: FILE, and FILE.json beside it. In a FOLDER that is there, it is called kaltura-TIME.dump.

    By default FOLDER is .local/backups or, where nothing can be written into the checkout, backups in DAGSTER_HOME.
    """
    from rich.console import Console

    from resources.postgres import url
    from resources.postgres.backup import back_up, connected, database_time
    from resources.postgres.backup_folder import new_file, remove_older
    from resources.settings import privacy_settings

    database = database_url or url.database_url()
    with interrupts.also_on_termination():
        if file and not file.is_dir():
            target = file
        else:
            with connected(database) as connection:
                target = new_file(database_time(connection), file)
        manifest = back_up(database, target, Console(stderr=True), privacy_settings().key)
    size = target.stat().st_size / 1e6
    click.echo(f"backed up {sum(manifest.rows.values()):,} rows, {size:,.1f} MB: {target}")
    if keep:
        before = dt.datetime.fromisoformat(manifest.made_at) - dt.timedelta(days=keep)
        if removed := remove_older(target, before):
            click.echo(f"removed {counted(len(removed), 'backup')} from before {before:%Y-%m-%d %H:%M} UTC")
