"""`redate`: moves an account's rows to their days in another time zone: what PARTITION_TIMEZONE says now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.command_line import OneTransaction
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.warehouse.redate import Redated


@click.command(cls=OneTransaction)
@click.option("--partner-id", "account", type=click.IntRange(min=0), help="The account (default: KALTURA_PARTNER_ID).")
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be.")
def command(account: int | None, dry_run: bool) -> None:
    """Move every row of the account to its day in PARTITION_TIMEZONE, in one transaction. Nothing is pulled.

    The way: stop the schedules, set the new PARTITION_TIMEZONE, `redate`, load the timetable again, start them again.
    """
    timezone = Settings.from_environment().timezone
    from rich.console import Console

    from assets.reports import TABLES
    from pipelines.commands.erase import print_counts
    from resources.local import kaltura as standin
    from resources.postgres.locks import keep_loads_off
    from resources.postgres.migrations import Migrations
    from resources.postgres.session import opened
    from resources.postgres.url import database_url
    from resources.privacy.people import lock_exclusively
    from resources.university.lists import LISTS
    from resources.university.load import filled
    from resources.warehouse.redate import redate

    console = Console()
    account = standin.account() if account is None else account
    with opened(database_url()) as connection:
        if not dry_run:
            keep_loads_off(connection, "the rest of that run would be refused, as it cuts days in the zone before")
        lock_exclusively(connection)
        Migrations(connection).require_current()
        done = redate(connection, account, timezone, TABLES)
        has_times = not {each.name for each in LISTS if each.has_times}.isdisjoint(filled(connection, account))
        if dry_run:
            connection.rollback()
    if done is None:
        console.print(f"The days of account {account} are cut in {timezone} already. Nothing was changed.")
        return
    print_counts(console, done.moved, dry_run=dry_run)
    click.echo("\n".join(_said(account, done, has_times=has_times, dry_run=dry_run)))


def _said(account: int, done: Redated, *, has_times: bool, dry_run: bool) -> list[str]:
    from pipelines.status import shown
    from pipelines.whose_account import where_to_run

    lines = [
        f"The days of account {account} {'would be' if dry_run else 'are'} cut in {done.after}; before, in {done.before}."
    ]
    if done.not_whole:
        lines.append(
            f"Not loaded whole {'then' if dry_run else 'any more'}: {shown(done.not_whole)}. Their rows stay; `daily_pull` "
            "brings the rest back as it does missing days, or `python -m pipelines pull --from DAY --to DAY`."
        )
    if has_times:
        lines.append(
            f"The timetable's times without an offset {'stay' if dry_run else 'are still'} those of {done.before}, until it is "
            "loaded again: by the sensor `changed_lists` where UNIVERSITY_DIR is set, else `python -m pipelines load-lists`."
        )
    lines.append(
        "Dagster knows days by their names: `python -m pipelines status --mend` takes the marks of days away that are not "
        "loaded whole, and marks those that are."
    )
    if elsewhere := where_to_run(account):
        lines.append(elsewhere)
    return lines
