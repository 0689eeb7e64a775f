"""`erase`: takes one person out of the warehouse for good, at that person's request.

Rows and figures stay, under another pseudonym in each session; names and e-mails go, from changes and rejects too, in
one transaction. No later load brings the person back. Exit code 1: nobody by that id is in the warehouse.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipelines.command_line import OneTransaction, Stopped
from resources.settings import MAKE_A_KEY, SettingError, Settings

if TYPE_CHECKING:
    from rich.console import Console

    from resources.privacy.pseudonymise import Counts
    from resources.privacy.pseudonyms import People
    from resources.privacy.settings import Privacy


@click.command(cls=OneTransaction)
@click.option("--user-id", required=True, help="The person's user id at Kaltura, as in kaltura.attendees.")
@click.option("--partner-id", "account", type=click.IntRange(min=0), help="The account (default: KALTURA_PARTNER_ID).")
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be.")
@click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
def command(user_id: str, account: int | None, dry_run: bool, yes: bool) -> None:
    """Take one person out of the warehouse for good. Exit code 1 where nobody by that id is in it."""
    privacy = Settings.from_environment().privacy
    from rich.console import Console

    from resources.local import kaltura as standin

    console = Console()
    people = privacy.of_account(standin.account() if account is None else account)
    _expect_erasable(user_id, privacy)
    warning = f"This takes the person out of the warehouse of account {people.partner_id}. It can't be undone."
    if not dry_run and not yes and not is_confirmed(console, warning):
        raise Stopped("Nothing was changed.")
    _erase(console, people, user_id, dry_run=dry_run)


def _expect_erasable(user_id: str, privacy: Privacy) -> None:
    """Raises `SettingError`."""
    from resources.privacy.pseudonyms import NOBODY

    if user_id.strip() in NOBODY:
        raise SettingError(f"{user_id!r} is nobody: it stands for all that Kaltura could not name, together.")
    if not privacy.key:
        raise SettingError(f"Erasing needs PII_KEY, which the list of erased people is made with. {MAKE_A_KEY}")


def is_confirmed(console: Console, warning: str) -> bool:
    """Whether whoever sits there wants it, after reading the warning. Raises `SettingError` where nobody does."""
    if not sys.stdin.isatty():
        raise SettingError("There is nobody here to ask: add --yes, or --dry-run to only count.")
    console.print(warning)
    return console.input("Go on? \\[y/N] ").strip().lower() in ("y", "yes")


def _erase(console: Console, people: People, user_id: str, *, dry_run: bool) -> None:
    from assets.reports import TABLES
    from resources.postgres import statistics
    from resources.postgres.migrations import Migrations
    from resources.postgres.session import opened
    from resources.postgres.url import database_url
    from resources.privacy.erasure import erase, erased_at
    from resources.privacy.people import lock_exclusively, require_mode

    with opened(database_url()) as connection:
        lock_exclusively(connection)
        Migrations(connection).require_current()
        require_mode(connection, people.privacy)
        before = erased_at(connection, people, user_id)
        counts = erase(connection, people, TABLES, user_id)
        if dry_run or counts is None:
            connection.rollback()
        else:
            left = statistics.take_anew(connection)
    if counts is None:
        console.print(_nobody(people, f"{before:%Y-%m-%d}" if before else ""))
        return
    print_counts(console, counts, dry_run=dry_run)
    if not dry_run:
        console.print("The person is erased, and no later load brings them back. Kaltura itself still knows them.")
        print_left(console, left)


def print_left(console: Console, left: list[str]) -> None:
    """Which tables' samples are of before."""
    from resources.postgres import statistics

    if left:
        console.print(statistics.told_of(left), highlight=False)


def _nobody(people: People, erased_on: str) -> str:
    """Why nothing was erased, where that is as it should be. Raises `Stopped` where the id is unknown."""
    if erased_on:
        return f"Nothing is left to erase: the person was erased on {erased_on}, and stays so."
    if people.privacy.mode == "none":
        return "Nothing is left to erase: with PII_MODE=none nobody can be told from one session to the next."
    raise Stopped(f"Nobody by that id is in the warehouse of account {people.partner_id}. Nothing was changed.")


def print_counts(console: Console, counts: Counts, *, dry_run: bool) -> None:
    from rich.table import Table

    table = Table("in", title="Would be changed" if dry_run else "Changed", title_justify="left", title_style="bold")
    table.add_column("rows", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)
