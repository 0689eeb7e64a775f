"""Takes the names out of old days: each day's people become pseudonyms `RETENTION_DAYS` after it, names and e-mails go.

The job `retention` does it every night, the command of that name by hand: for the account whose setting it is. Others in
the same warehouse have their own. A pull of an old day is treated alike, so a backfill brings no names back.
"""

import datetime as dt

import dagster as dg
import psycopg

from assets.partitions import SETTINGS
from assets.reports import TABLES
from resources.local import kaltura as standin
from resources.postgres import statistics
from resources.postgres.locks import keep_loads_off
from resources.postgres.migrations import Migrations
from resources.postgres.session import opened
from resources.postgres.url import database_url
from resources.privacy import listed_pseudonyms, roster
from resources.privacy.people import (
    expect_convertible,
    first_day_kept,
    lock_exclusively,
    record,
    require_mode,
)
from resources.privacy.pseudonymise import Counts, forget_unused, pseudonymise
from resources.privacy.pseudonyms import Privacy
from resources.settings import CHECKOUT
from resources.warehouse.resource import WarehouseResource

OLD_NAMES = CHECKOUT / "sql" / "queries" / "old_names.sql"
RETAIN_AT = "30 3 * * *"  # before the day's pull


def without_old_names(connection: psycopg.Connection, privacy: Privacy, account: int) -> Counts:
    """The account's days older than `retention_days`, in the connection's transaction. Raises `PrivacyError`."""
    lock_exclusively(connection)
    require_mode(connection, privacy)
    roster.register(connection, privacy, account, TABLES)
    if not privacy.retention_days:
        return {}
    return without_names_before(connection, privacy, account, first_day_kept(connection, privacy))


def without_names_before(connection: psycopg.Connection, privacy: Privacy, account: int, end: dt.date) -> Counts:
    """The account's days before `end`, whatever the settings keep. Under the people lock."""
    listed_pseudonyms.tie_days(connection, privacy, account, dt.date.min, end)
    enrolments = roster.age(connection, privacy, account, end)
    counts = {**pseudonymise(connection, privacy, TABLES, account, end=end), roster.NAME: enrolments}
    return {**counts, "people": forget_unused(connection, TABLES, account)}


def names_left(connection: psycopg.Connection, privacy: Privacy, account: int) -> str:
    """What to say where retention has not been at old days of the account, as where no daemon runs; empty where it has."""
    if not privacy.retention_days:
        return ""
    asked = {"partner_id": account, "first_kept": first_day_kept(connection, privacy)}
    if connection.execute(OLD_NAMES.read_bytes(), asked).fetchone() != (True,):
        return ""
    return (
        f"Names of days older than RETENTION_DAYS={privacy.retention_days} are still there: `python -m pipelines retention` "
        "takes them out. Every night the schedule `nightly_retention` does, where Dagster's daemon runs."
    )


def converted(connection: psycopg.Connection, privacy: Privacy) -> Counts:
    """All days of all accounts, as the mode is the warehouse's: from now on `PII_MODE=pseudonymous`. Raises `PrivacyError`."""
    lock_exclusively(connection)
    expect_convertible(connection, privacy)
    enrolments = roster.age(connection, privacy, None, None)
    counts = {**pseudonymise(connection, privacy, TABLES, None), roster.NAME: enrolments}
    counts["people"] = forget_unused(connection, TABLES, None)
    record(connection, privacy)
    return counts


@dg.op(description="Names and e-mails of the account's days older than RETENTION_DAYS go, and ids become pseudonyms.")
def take_out_old_names(context: dg.OpExecutionContext, warehouse: WarehouseResource) -> None:
    with warehouse.opened() as opened:
        opened.require_current_schema()
        with opened.connection() as connection:
            counts = without_old_names(connection, opened.privacy, standin.account())
            first_kept = first_day_kept(connection, opened.privacy)
            left = statistics.take_anew(connection) if opened.privacy.retention_days else []
    if not opened.privacy.retention_days:
        context.log.info("RETENTION_DAYS is not set: names are kept.")
        return
    said = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    context.log.info(f"days before {first_kept}: {said}")
    if left:
        context.log.warning(statistics.told_of(left))


@dg.job(description="Takes the names out of the account's days older than RETENTION_DAYS.")
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


def counts_of(privacy: Privacy, account: int | None, *, dry_run: bool) -> tuple[Counts, list[str]]:
    """What the command `retention` changes, or would: old days of the account, or with None every day of all.

    With the tables of which the planner keeps what it knew, as `statistics.take_anew` has them. Raises `ProjectError`.
    """
    with opened(database_url()) as connection:
        if account is None and not dry_run:
            keep_loads_off(connection, "the rest of that run would be refused, as it keeps names")
        lock_exclusively(connection)
        Migrations(connection).require_current()
        counts = converted(connection, privacy) if account is None else without_old_names(connection, privacy, account)
        left = [] if dry_run else statistics.take_anew(connection)
        if dry_run:
            connection.rollback()
    return counts, left
