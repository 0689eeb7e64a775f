"""`restore`: puts a backup of the warehouse back.

People who have been erased from the warehouse that is there are erased from the backup, too, in the same transaction.
"""

from pathlib import Path

import click

from pipelines.command_line import Command, database_url_option
from resources.settings import Settings


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Even if the warehouse holds rows: they are lost.")
@click.option("--trust", is_flag=True, help="Even if it is not signed with PII_KEY: its SQL is run.")
@database_url_option
def command(file: Path, replace: bool, trust: bool, database_url: str) -> None:
    """Put a backup of the warehouse back: FILE, with FILE.json beside it."""
    privacy = Settings.from_environment().privacy
    from rich.console import Console

    from assets.reports import REPORTS
    from resources.postgres import url
    from resources.postgres.restore import restore
    from resources.privacy.restored import KeptErasures

    kept = KeptErasures(privacy, [report.table for report in REPORTS])
    manifest = restore(
        database_url or url.database_url(),
        file,
        Console(stderr=True),
        keeper=kept,
        replace=replace,
        key=privacy.key,
        trust=trust,
    )
    click.echo(f"restored {sum(manifest.rows.values()):,} rows of {manifest.made_at}")
    click.echo(f"people erased since then, and now from the backup too: {kept.people:,}")
