"""`retention`: takes names and e-mails out of old days by hand, as the job `retention` does every night."""

import click

from pipelines.command_line import OneTransaction
from resources.settings import SettingError, Settings


@click.command(cls=OneTransaction)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every day of all accounts, once: from PII_MODE=full to PII_MODE=pseudonymous.",
)
@click.option(
    "--partner-id", "partner_id", type=click.IntRange(min=0), help="The account (default: KALTURA_PARTNER_ID)."
)
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be.")
def command(everything: bool, partner_id: int | None, dry_run: bool) -> None:
    """Take names and e-mails out of the account's days older than RETENTION_DAYS."""
    privacy = Settings.from_environment().privacy
    if everything and partner_id is not None:
        raise click.UsageError("--all is of all accounts: PII_MODE is the warehouse's.")
    if not everything and not privacy.retention_days:
        raise SettingError("RETENTION_DAYS is not set: names are kept for good. Set it, as in RETENTION_DAYS=365.")
    from rich.console import Console

    from pipelines.commands.erase import print_counts, print_left
    from pipelines.retention import counts_of
    from pipelines.terminal import spinner
    from resources.local import kaltura as standin

    console = Console()
    account = None if everything else standin.account() if partner_id is None else partner_id
    with console.status("Taking names out ...", spinner=spinner(console)):
        counts, left = counts_of(privacy, account, dry_run=dry_run)
    console.print(
        "Of all days, in all accounts:"
        if account is None
        else f"Of days that are more than {privacy.retention_days} days old, in account {account}:"
    )
    print_counts(console, counts, dry_run=dry_run)
    print_left(console, left)
    if everything and not dry_run:
        console.print("The warehouse holds pseudonyms only. Keep PII_MODE=pseudonymous and this PII_KEY from now on.")
