"""A run that is executed again: days of the attempt it belongs to are not pulled twice, and all others are pulled."""

import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from in_process import installed

from assets.pull.materialization import ALREADY_LOADED_BY
from assets.reports import REPORTS
from resources.kaltura.windows import DAY, Days
from simulator import University, serving

FIRST = dt.date(2025, 2, 3)
DAYS = Days(FIRST, FIRST + 2 * DAY)
MIDDLE = FIRST + DAY


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def inside(database: str, instance: dg.DagsterInstance) -> Iterator[SimpleNamespace]:
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        installed(kaltura, database, instance) as made,
    ):
        yield made


def refuse(inside: SimpleNamespace, day: dt.date = MIDDLE) -> None:
    """From now on the database takes nothing of the day."""
    inside.sql(
        f"ALTER TABLE kaltura.loads ADD CONSTRAINT no_such_day CHECK (partition_date <> '{day}') NOT VALID".encode()
    )


def accept(inside: SimpleNamespace) -> None:
    inside.sql("ALTER TABLE kaltura.loads DROP CONSTRAINT no_such_day")


def again(inside: SimpleNamespace, instance: dg.DagsterInstance, parent_id: str) -> tuple[str, bool]:
    """Execute the run again, as Dagster's UI and its daemon do. The new run's id, and whether it ended well."""
    parent = instance.get_run_by_id(parent_id)
    assert parent
    job = inside.defs.resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(
        job_def=job, tags=parent.tags, parent_run_id=parent_id, root_run_id=parent.root_run_id or parent_id
    )
    result = execute_run(InMemoryJob(job), run, instance, raise_on_error=False)
    return run.run_id, result.success


def days_loaded_by(inside: SimpleNamespace, run_id: str) -> set[dt.date]:
    """Those of which the run has loaded every report."""
    found = inside.sql(
        "SELECT partition_date FROM kaltura.loads WHERE run_id = %s GROUP BY 1 HAVING count(*) = %s",
        [run_id, len(REPORTS)],
    )
    return {day for (day,) in found}


def minutes(inside: SimpleNamespace) -> list[tuple[object, ...]]:
    query = (
        "SELECT partition_date, round(sum(meeting_view_time)::numeric, 3) FROM kaltura.attendees GROUP BY 1 ORDER BY 1"
    )
    return list(inside.sql(query).fetchall())


def grow_old(inside: SimpleNamespace) -> None:
    """The warehouse holds older figures than Kaltura has by now."""
    inside.sql("UPDATE kaltura.attendees SET meeting_view_time = meeting_view_time / 2")


def marked_by(instance: dg.DagsterInstance, day: dt.date) -> list[str]:
    """Which runs the newest marks of the day name as those that loaded it."""
    asked = [dg.AssetRecordsFilter(report.key, asset_partitions=[str(day)]) for report in REPORTS]
    newest = [instance.fetch_materializations(each, limit=1).records[0].asset_materialization for each in asked]
    return [str(mark.metadata[ALREADY_LOADED_BY].value) for mark in newest if mark]


def test_a_retry_pulls_only_what_the_runs_of_its_attempt_have_not_loaded(
    inside: SimpleNamespace, instance: dg.DagsterInstance
) -> None:
    refuse(inside)
    first = inside.pull(DAYS).run_id
    second, succeeded = again(inside, instance, first)
    assert not succeeded
    accept(inside)
    third, succeeded = again(inside, instance, second)
    assert succeeded
    loaded = [days_loaded_by(inside, run) for run in (first, second, third)]
    assert loaded == [{DAYS.first, DAYS.last}, set(), {MIDDLE}]
    assert marked_by(instance, DAYS.last) == [first] * len(REPORTS)


def test_a_retry_of_a_run_that_was_to_pull_again_what_had_succeeded_does_so(
    inside: SimpleNamespace, instance: dg.DagsterInstance
) -> None:
    """The first run's days are no reason: it had succeeded, and its days were to be pulled anew."""
    first = inside.pull(DAYS).run_id
    as_kaltura_says = minutes(inside)
    grow_old(inside)
    refuse(inside)
    second, succeeded = again(inside, instance, first)
    assert not succeeded
    accept(inside)
    inside.kaltura.requests.clear()
    third, succeeded = again(inside, instance, second)
    assert succeeded
    assert days_loaded_by(inside, second) == {DAYS.first, DAYS.last}
    assert days_loaded_by(inside, third) == {MIDDLE}
    assert any(request.report_id for request in inside.kaltura.requests)
    assert minutes(inside) == as_kaltura_says


def test_days_that_a_retried_run_has_loaded_for_another_account_are_pulled(
    inside: SimpleNamespace, instance: dg.DagsterInstance
) -> None:
    """It ran with a wrong KALTURA_PARTNER_ID, which was mended since."""
    refuse(inside)
    first = inside.pull(DAYS).run_id
    inside.sql("UPDATE kaltura.loads SET partner_id = partner_id + 1")
    accept(inside)
    second, succeeded = again(inside, instance, first)
    assert succeeded
    assert days_loaded_by(inside, second) == set(DAYS)


def test_a_retry_of_a_run_that_is_in_no_history_any_more_pulls_all_days(
    inside: SimpleNamespace, instance: dg.DagsterInstance
) -> None:
    refuse(inside)
    first = inside.pull(DAYS).run_id
    second, _ = again(inside, instance, first)
    accept(inside)
    instance.delete_run(first)
    third, succeeded = again(inside, instance, second)
    assert succeeded
    assert days_loaded_by(inside, third) == set(DAYS)


def test_a_day_lost_while_its_run_goes_on_fails_it_though_an_earlier_attempt_had_loaded_it_too(
    inside: SimpleNamespace, instance: dg.DagsterInstance
) -> None:
    """What the run itself wrote of the day has gone, as by a fail-over that lost the last seconds."""
    first = inside.pull(DAYS).run_id
    inside.sql(
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" DELETE FROM kaltura.loads WHERE partition_date = '{MIDDLE}' AND run_id = NEW.run_id; RETURN NULL; END $$;"
        " CREATE TRIGGER lose AFTER INSERT ON kaltura.loads FOR EACH ROW"
        f" WHEN (NEW.partition_date = '{DAYS.last}') EXECUTE FUNCTION lose()".encode()
    )
    _, succeeded = again(inside, instance, first)
    assert not succeeded
