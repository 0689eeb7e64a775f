"""`backup`: the warehouse in a file, and what is in it in another beside it."""

from pathlib import Path

import click

from pipelines.command_line import Command, database_url_option


@click.command(cls=Command)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@database_url_option
def command(file: Path | None, database_url: str) -> None:
    """Back the warehouse up: FILE (by default .local/backups/kaltura-TIME.dump), and FILE.json beside it."""
    from rich.console import Console

    from resources.postgres import url
    from resources.postgres.backup import back_up, default_file
    from resources.settings import privacy_settings

    target = file or default_file()
    manifest = back_up(database_url or url.database_url(), target, Console(stderr=True), privacy_settings().key)
    size = target.stat().st_size / 1e6
    click.echo(f"backed up {sum(manifest.rows.values()):,} rows, {size:,.1f} MB: {target}")
