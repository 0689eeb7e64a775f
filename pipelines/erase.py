"""Takes one person out of the warehouse for good, at that person's request.

    python -m pipelines.erase --user-id ID [--partner-id N] [--dry-run] [--yes]

Rows and figures stay, under another pseudonym in each session; names and e-mails go, from changes and rejects too, in
one transaction. No later load brings the person back. Exit code 1: nobody by that id is in the warehouse.
"""

import argparse
import os
import sys

from rich.console import Console
from rich.table import Table

from assets.reports import REPORTS
from resources.errors import ConfigurationError
from resources.local import kaltura as standin
from resources.postgres.migrations import Migrations
from resources.postgres.session import opened
from resources.postgres.url import database_url
from resources.privacy.erasure import erase, erased_at
from resources.privacy.people import lock_exclusively, require_mode
from resources.privacy.pseudonymise import Counts
from resources.privacy.pseudonyms import NOBODY, Mode, People, Privacy
from resources.settings import MAKE_A_KEY, SettingError, load_env_file, privacy_settings

TABLES = [report.table for report in REPORTS]


def main() -> int:
    load_env_file()
    console = Console()
    given = _arguments()
    try:
        privacy = privacy_settings()
        people = privacy.of_account(given.partner_id or _account())
        _expect_erasable(given.user_id, privacy)
        if not given.dry_run and not given.yes and not _is_confirmed(console, people):
            console.print("Nothing was changed.")
            return 1
        return _erased(console, people, given.user_id, dry_run=given.dry_run)
    except (ConfigurationError, SettingError) as error:
        console.print(f"[bold red]Nothing was changed.[/] {error}", highlight=False)
        return 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.erase", description="Take one person out of the warehouse for good."
    )
    parser.add_argument("--user-id", required=True, help="the person's user id at Kaltura, as in kaltura.attendees")
    parser.add_argument("--partner-id", type=int, help="the account (default: KALTURA_PARTNER_ID)")
    parser.add_argument("--dry-run", action="store_true", help="change nothing; print what would be")
    parser.add_argument("--yes", action="store_true", help="do not ask whether to go on")
    return parser.parse_args()


def _account() -> int:
    return int(os.environ.get("KALTURA_PARTNER_ID", "").strip() or standin.CREDENTIALS.partner_id)


def _expect_erasable(user_id: str, privacy: Privacy) -> None:
    """Raises `SettingError`."""
    if user_id.strip() in NOBODY:
        raise SettingError(f"{user_id!r} is nobody: it stands for all whom Kaltura could not name, together.")
    if not privacy.key:
        raise SettingError(f"Erasing needs PII_KEY, which the list of erased people is made with. {MAKE_A_KEY}")


def _is_confirmed(console: Console, people: People) -> bool:
    if not sys.stdin.isatty():
        raise SettingError("There is nobody here to ask: add --yes, or --dry-run to only count.")
    console.print(f"This takes the person out of the warehouse of account {people.partner_id}. It can't be undone.")
    return console.input("Go on? \\[y/N] ").strip().lower() in ("y", "yes")


def _erased(console: Console, people: People, user_id: str, *, dry_run: bool) -> int:
    with opened(database_url()) as connection:
        if pending := Migrations(connection).pending():
            raise SettingError(f"The database lacks {', '.join(pending)}. Run `make migrate`, then this again.")
        lock_exclusively(connection)
        require_mode(connection, people.privacy)
        before = erased_at(connection, people, user_id)
        counts = erase(connection, people, TABLES, user_id)
        if dry_run or counts is None:
            connection.rollback()
    if counts is None:
        return _nobody(console, people, f"{before:%Y-%m-%d}" if before else "")
    print_counts(console, counts, dry_run=dry_run)
    if not dry_run:
        console.print("The person is erased, and no later load brings them back. Kaltura itself still knows them.")
    return 0


def _nobody(console: Console, people: People, erased_on: str) -> int:
    if erased_on:
        console.print(f"Nothing is left to erase: the person was erased on {erased_on}, and stays so.")
        return 0
    if people.privacy.mode is Mode.NONE:
        console.print("Nothing is left to erase: with PII_MODE=none nobody can be told from one session to the next.")
        return 0
    console.print(f"Nobody by that id is in the warehouse of account {people.partner_id}. Nothing was changed.")
    return 1


def print_counts(console: Console, counts: Counts, *, dry_run: bool) -> None:
    table = Table("in", title="Would be changed" if dry_run else "Changed", title_justify="left", title_style="bold")
    table.add_column("rows", justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
