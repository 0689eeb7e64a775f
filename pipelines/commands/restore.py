"""`restore`: puts a backup of the warehouse back.

People who have been erased from the warehouse that is there are erased from the backup, too, in the same transaction; so
are the names of days that are older than `RETENTION_DAYS`, and of days that had lost them in the other accounts.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from pipelines.command_line import OneTransaction, database_url_option
from resources.settings import Settings


@click.command(cls=OneTransaction)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Even if the warehouse holds rows: they are lost.")
@click.option("--trust", is_flag=True, help="Even if it is not signed with PII_KEY: its SQL is run.")
@database_url_option
def command(file: Path, replace: bool, trust: bool, database_url: str) -> None:
    """Put a backup of the warehouse back: FILE, with FILE.json beside it."""
    privacy = Settings.from_environment().privacy
    from rich.console import Console

    from assets.reports import TABLES
    from pipelines.reapply_privacy import ReapplyPrivacy
    from resources.postgres import url
    from resources.postgres.restore import restore

    kept = ReapplyPrivacy(privacy, TABLES)
    restored = restore(
        database_url or url.database_url(),
        file,
        Console(stderr=True),
        keeper=kept,
        tables=TABLES,
        replace=replace,
        key=privacy.key,
        trust=trust,
    )
    click.echo(f"restored {sum(restored.manifest.rows.values()):,} rows of {restored.manifest.made_at}")
    click.echo(f"people erased since then, and now from the backup too: {kept.people:,}")
    click.echo("\n".join(kept.names) or "The backup holds no account.")
    click.echo(restored.rights)
    if not database_url:
        click.echo(_of_marks(kept.accounts))


def _of_marks(accounts: Sequence[int]) -> str:
    """Days that Dagster shows as loaded and the warehouse that was put back does not hold, and what mends that.

    Of the account of the settings: another one has a Dagster, and a first day, of its own.
    """
    from pipelines.command_line import said_of
    from pipelines.instance import dagster_home
    from pipelines.status import MENDS, NOT_THERE, shown, status
    from resources.local import kaltura as local_kaltura
    from resources.postgres.session import opened
    from resources.postgres.url import database_url

    try:
        account = local_kaltura.account()
        with opened(database_url()) as connection, dagster_home.instance() as instance:
            days = status(connection, instance, account).days[NOT_THERE]
    except Exception as error:  # whatever it is, the restore stands
        said = dagster_home.unusable_history(error) or said_of(error) or type(error).__name__
        return (
            "The backup is restored. Which days Dagster shows that it does not hold could not be asked: "
            f"{said.splitlines()[0].rstrip('.')}. Then `python -m pipelines status` tells."
        )
    lines = [f"Account {account}: Dagster shows no day that it does not hold."]
    if days:
        lines = [f"Account {account}: {NOT_THERE}: {shown(days)}", f"    {MENDS[NOT_THERE]}"]
    others = [other for other in accounts if other != account]
    lines += [f"Of account {other} `python -m pipelines status` tells, under its settings." for other in others]
    return "\n".join(lines)
