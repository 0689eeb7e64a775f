"""`forget-account`: takes one account out of every table of the warehouse, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.command_line import OneTransaction, Stopped

if TYPE_CHECKING:
    from rich.console import Console


@click.command(cls=OneTransaction)
@click.argument("partner_id", type=click.IntRange(min=0))
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be.")
@click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
def command(partner_id: int, dry_run: bool, yes: bool) -> None:
    """Take account PARTNER_ID out of every table. Kaltura is not touched: what it still has can be pulled again."""
    from rich.console import Console

    from pipelines.commands.erase import is_confirmed

    console = Console()
    warning = f"This takes all rows of account {partner_id} out of the warehouse. Only a backup brings them back."
    if not dry_run and not yes and not is_confirmed(console, warning):
        raise Stopped("Nothing was changed.")
    _forget(console, partner_id, dry_run=dry_run)


def _forget(console: Console, partner_id: int, *, dry_run: bool) -> None:
    from pipelines.commands.erase import print_counts, print_left
    from pipelines.whose_account import where_to_run
    from resources.postgres import statistics
    from resources.postgres.locks import keep_loads_off
    from resources.postgres.migrations import Migrations
    from resources.postgres.session import opened
    from resources.postgres.url import database_url
    from resources.privacy.people import lock_exclusively
    from resources.settings import university_folder
    from resources.warehouse.accounts import erased_people, forget_account

    with opened(database_url()) as connection:
        if not dry_run:  # the run's retry would pull anew all that it had loaded
            keep_loads_off(connection, "a run of this account would bring it back")
        lock_exclusively(connection)
        Migrations(connection).require_current()
        counts = forget_account(connection, partner_id)
        erased = erased_people(connection, partner_id)
        left = [] if dry_run else statistics.take_anew(connection)
        if dry_run:
            connection.rollback()
    print_counts(console, counts, dry_run=dry_run)
    if erased:
        console.print(f"The list of {erased:,} erased people stays, so that no later load brings them back.")
    print_left(console, left)
    if not dry_run:
        elsewhere = where_to_run(partner_id)
        console.print(
            f"Account {partner_id} is out of the warehouse. Dagster still marks its days, and `daily_pull` brings marked "
            "days back: `python -m pipelines status --mend` takes the marks away."
        )
        if elsewhere:
            console.print(f"{elsewhere} Before, switch its `daily_pull` off, or take its code location away.")
        if university_folder():
            console.print(
                "Where it is KALTURA_PARTNER_ID, the sensor `changed_lists` loads its lists of UNIVERSITY_DIR again."
            )
