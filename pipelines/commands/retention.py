"""`retention`: takes names and e-mails out of old days by hand, as the job `retention` does every night."""

import click

from pipelines.command_line import OneTransaction
from resources.settings import SettingError, Settings


@click.command(cls=OneTransaction)
@click.option("--all", "everything", is_flag=True, help="Every day, once: from PII_MODE=full to PII_MODE=pseudonymous.")
@click.option("--dry-run", is_flag=True, help="Change nothing; print what would be.")
def command(everything: bool, dry_run: bool) -> None:
    """Take names and e-mails out of days older than RETENTION_DAYS."""
    privacy = Settings.from_environment().privacy
    if not everything and not privacy.retention_days:
        raise SettingError("RETENTION_DAYS is not set: names are kept for good. Set it, as in RETENTION_DAYS=365.")
    from rich.console import Console

    from pipelines.commands.erase import print_counts
    from pipelines.retention import counts_of

    console = Console()
    with console.status("Taking names out ..."):
        counts = counts_of(privacy, everything=everything, dry_run=dry_run)
    days = "all days" if everything else f"days that are more than {privacy.retention_days} days old"
    console.print(f"Of {days}, in all accounts:")
    print_counts(console, counts, dry_run=dry_run)
    if everything and not dry_run:
        console.print("The warehouse holds pseudonyms only. Keep PII_MODE=pseudonymous and this PII_KEY from now on.")
