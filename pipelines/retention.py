"""Takes the names out of old days: each day's people become pseudonyms `RETENTION_DAYS` after it, names and e-mails go.

    python -m pipelines.retention [--dry-run]     days older than RETENTION_DAYS
    python -m pipelines.retention --all           every day: turns a warehouse of PII_MODE=full into a pseudonymous one

The job `retention` does the first every night. A pull of an old day is treated alike, so a backfill brings no names back.
"""

import argparse
import sys

import dagster as dg
import psycopg
from rich.console import Console

from assets.partitions import SETTINGS
from assets.reports import REPORTS
from pipelines.erase import print_counts
from resources.errors import ConfigurationError
from resources.postgres.migrations import Migrations
from resources.postgres.session import opened
from resources.postgres.url import database_url
from resources.privacy.people import expect_convertible, first_day_kept, lock_exclusively, record, require_mode
from resources.privacy.pseudonymise import Counts, forget_unused, pseudonymise
from resources.privacy.pseudonyms import Privacy
from resources.settings import SettingError, load_env_file, privacy_settings
from resources.warehouse.resource import Postgres

TABLES = [report.table for report in REPORTS]
RETAIN_AT = "30 3 * * *"  # before the day's pull


def without_old_names(connection: psycopg.Connection, privacy: Privacy) -> Counts:
    """Days older than `retention_days`, in the connection's transaction. Raises `PrivacyError`."""
    lock_exclusively(connection)
    require_mode(connection, privacy)
    if not privacy.retention_days:
        return {}
    counts = pseudonymise(connection, privacy, TABLES, end=first_day_kept(privacy))
    return {**counts, "people": forget_unused(connection, TABLES)}


def converted(connection: psycopg.Connection, privacy: Privacy) -> Counts:
    """All days; from now on the warehouse is filled with `PII_MODE=pseudonymous`. Raises `PrivacyError`."""
    lock_exclusively(connection)
    expect_convertible(connection, privacy)
    counts = pseudonymise(connection, privacy, TABLES)
    counts["people"] = forget_unused(connection, TABLES)
    record(connection, privacy)
    return counts


@dg.op(description="Names and e-mails of days older than RETENTION_DAYS go, and ids become pseudonyms.")
def take_out_old_names(context: dg.OpExecutionContext, warehouse: Postgres) -> None:
    with warehouse.opened() as opened:
        opened.require_current_schema()
        with opened.connection() as connection:
            counts = without_old_names(connection, opened.privacy)
    if not opened.privacy.retention_days:
        context.log.info("RETENTION_DAYS is not set: names are kept.")
        return
    said = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    context.log.info(f"days before {first_day_kept(opened.privacy)}: {said}")


@dg.job(description="Takes the names out of days older than RETENTION_DAYS.")
def retention() -> None:
    take_out_old_names()


# On as soon as RETENTION_DAYS is set: a promise to people that waits for somebody to press a button is none.
nightly_retention = dg.ScheduleDefinition(
    name="nightly_retention",
    job=retention,
    cron_schedule=RETAIN_AT,
    execution_timezone=str(SETTINGS.timezone),
    default_status=(
        dg.DefaultScheduleStatus.RUNNING if SETTINGS.privacy.retention_days else dg.DefaultScheduleStatus.STOPPED
    ),
    description="Names of days older than RETENTION_DAYS. On by default where that is set.",
)


def main() -> int:
    load_env_file()
    console = Console()
    given = _arguments()
    try:
        privacy = privacy_settings()
        if not given.all and not privacy.retention_days:
            raise SettingError("RETENTION_DAYS is not set: names are kept for good. Set it, as in RETENTION_DAYS=365.")
        with console.status("Taking names out ..."):
            counts = _counts(privacy, everything=given.all, dry_run=given.dry_run)
    except (ConfigurationError, SettingError) as error:
        console.print(f"[bold red]Nothing was changed.[/] {error}", highlight=False)
        return 1
    days = "all days" if given.all else f"days before {first_day_kept(privacy)}"
    console.print(f"Of {days}, in all accounts:")
    print_counts(console, counts, dry_run=given.dry_run)
    if given.all and not given.dry_run:
        console.print("The warehouse holds pseudonyms only. Keep PII_MODE=pseudonymous and this PII_KEY from now on.")
    return 0


def _counts(privacy: Privacy, *, everything: bool, dry_run: bool) -> Counts:
    with opened(database_url()) as connection:
        if pending := Migrations(connection).pending():
            raise SettingError(f"The database lacks {', '.join(pending)}. Run `make migrate`, then this again.")
        counts = converted(connection, privacy) if everything else without_old_names(connection, privacy)
        if dry_run:
            connection.rollback()
    return counts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.retention", description="Take names and e-mails out of old days."
    )
    parser.add_argument(
        "--all", action="store_true", help="every day, once, to go from PII_MODE=full to PII_MODE=pseudonymous"
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing; print what would be")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
