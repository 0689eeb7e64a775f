"""What the warehouse holds against what Dagster says."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import installed
from pipeline import Pipeline

import pipelines.status
from assets.checks import missing_days
from assets.pull import asset
from assets.reports import REPORTS
from pipelines.status import (
    LOADED,
    MISSING,
    NEVER,
    NOT_MARKED,
    NOT_THERE,
    OVERDUE,
    PARTITIONS,
    PROVISIONAL,
    SETTINGS,
    TO_COME,
    compared,
    status,
)
from resources.kaltura.windows import Days
from simulator import Fault, University, serving
from tests.integration.test_restore_anywhere import EMPTY, at_version

KEYS = [report.key for report in REPORTS]
WEEK = Days(dt.date(2026, 3, 2), dt.date(2026, 3, 8))
a_day = st.integers(0, 20).map(lambda n: dt.date(2026, 3, 1) + dt.timedelta(days=n))


@given(
    st.sets(a_day),
    st.dictionaries(a_day, st.booleans()),
    st.sets(a_day),
    st.sets(a_day),
    a_day,
    st.sets(a_day),
    st.sets(a_day),
)
def test_each_day_is_said_once_and_as_it_is(
    wanted: set[dt.date],
    loaded: dict[dt.date, bool],
    missing: set[dt.date],
    marked: set[dt.date],
    usual: dt.date,
    unsettled: set[dt.date],
    to_come: set[dt.date],
) -> None:
    missing -= loaded.keys()
    found = compared(wanted, loaded, missing, marked, usual, unsettled, to_come)
    said = [(day, kind) for kind, runs in found.items() for run in runs for day in run]
    assert sorted(day for day, _ in said) == sorted({*wanted, *loaded, *missing, *marked})
    for day, kind in said:
        assert (day in loaded) is (kind in (LOADED, PROVISIONAL, OVERDUE, NOT_MARKED))
        assert (day in marked) is (kind in (LOADED, PROVISIONAL, OVERDUE, NOT_THERE))
        assert (day in missing - marked - to_come) is (kind == MISSING)
        assert (day in (missing - marked) & to_come) is (kind == TO_COME)
        assert (loaded.get(day, False) and day in marked) is (kind in (PROVISIONAL, OVERDUE))
        assert kind != (OVERDUE if day >= usual or day in unsettled else PROVISIONAL)


def test_days_that_a_failover_took_are_said_to_be_marked_and_not_there_and_days_of_a_wiped_history_not_marked(
    database: str,
) -> None:
    with (
        serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        assert dagster.pull(WEEK).success
        before = status(connection, instance, kaltura.partner_id)
        assert before.days[LOADED] == [WEEK]
        assert before.days[NOT_THERE] == before.days[NOT_MARKED] == []
        assert before.days[NEVER] == [Days(dt.date(2025, 1, 1), dt.date(2026, 3, 1))]
        assert [run.first for run in before.days[MISSING]] == [dt.date(2026, 3, 9)]

        connection.execute("DELETE FROM kaltura.loads WHERE partition_date >= '2026-03-06' AND report_id = 6001")
        lost = status(connection, instance, kaltura.partner_id)
        assert lost.days[LOADED] == [Days(WEEK.first, dt.date(2026, 3, 5))]
        assert lost.days[NOT_THERE] == [Days(dt.date(2026, 3, 6), WEEK.last)]
        assert any("green and the warehouse lacks them" in line for line in lost.lines())

        instance.wipe()
        assert status(connection, instance, kaltura.partner_id).days[NOT_MARKED] == [
            Days(WEEK.first, dt.date(2026, 3, 5))
        ]


def test_days_of_which_all_reports_came_empty_and_were_believed_are_said(database: str) -> None:
    with (
        serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        accepting = {"run_config": {"ops": {"kaltura_rooms": {"config": {"accept_empty": True}}}}}
        kaltura.faults.add(Fault("unreadable_store", times=None))
        assert dagster.pull(Days(dt.date(2026, 3, 3), dt.date(2026, 3, 4)), **accepting).success
        kaltura.faults.clear()
        kaltura.faults.add(Fault("unreadable_store", times=None, report_id=6002))
        assert dagster.pull(Days(dt.date(2026, 3, 5), dt.date(2026, 3, 5)), **accepting).success

        believed = status(connection, instance, kaltura.partner_id)
        assert believed.empty == [Days(dt.date(2026, 3, 3), dt.date(2026, 3, 4))]
        assert "believed empty: 2 days: 2026-03-03 to 2026-03-04" in believed.lines()
        assert believed.document()["believed_empty"] == [["2026-03-03", "2026-03-04"]]


@pytest.mark.parametrize("words", [["status"], ["status", "--json"], ["status", "--mend"], ["redate"], ["report"]])
@pytest.mark.parametrize("last", [None, "0018_one_at_once.sql"])
def test_a_database_without_this_versions_schema_is_told_with_the_command_that_makes_it(
    last: str | None, words: list[str], new_database: Callable[[str], str], tmp_path: Path
) -> None:
    url = new_database(EMPTY)
    if last:
        at_version(url, last, tmp_path / "older")
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura:
        place = Pipeline(kaltura, url, tmp_path, {"COLUMNS": "300"})
        said = place.run("python", "-m", "pipelines", *words, succeeds=False).strip()
    assert said.startswith(f"{words[0]}: the database ")
    assert "Run `make migrate`" in said
    assert len(said) < 400  # an empty one lacks all files: their names tell nothing


def test_a_day_that_is_provisional_and_that_no_pull_asks_for_any_more_is_to_be_mended(database: str) -> None:
    yesterday = dt.date.fromisoformat(PARTITIONS.get_partition_keys()[-1])
    last_usual = yesterday - dt.timedelta(days=SETTINGS.lookback_days + 1)
    pulled_late = "UPDATE kaltura.loads SET pulled_at = partition_date + interval '28 hours' WHERE partition_date = %s"
    with (
        serving(University(seed=11, timezone="UTC", rooms=3)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        assert dagster.pull(Days(last_usual - dt.timedelta(days=2), yesterday)).success
        connection.execute(pulled_late, [last_usual])
        found = status(connection, instance, kaltura.partner_id)
        assert last_usual in [day for days in found.days[PROVISIONAL] for day in days]
        assert found.days[OVERDUE] == []
        assert found.is_well
        before = last_usual - dt.timedelta(days=1)
        connection.execute(pulled_late, [before])
        found = status(connection, instance, kaltura.partner_id)
        assert found.days[OVERDUE] == [Days(before, before)]
        assert not found.is_well
        assert any(line.strip().startswith("pulled before they were over") for line in found.lines())
        assert dagster.pull(Days(before, before)).success
        assert status(connection, instance, kaltura.partner_id).is_well


@pytest.mark.parametrize(
    ("hour", "kind", "is_well"),
    [(0.5, TO_COME, True), (5.9, TO_COME, True), (6, MISSING, False), (23.9, MISSING, False)],
)
def test_yesterday_is_missing_once_the_days_pull_has_had_its_time(
    hour: float, kind: str, is_well: bool, database: str
) -> None:
    yesterday = dt.date.fromisoformat(PARTITIONS.get_partition_keys()[-1])
    day_before = yesterday - dt.timedelta(days=1)
    today = dt.datetime.combine(yesterday + dt.timedelta(days=1), dt.time(), SETTINGS.timezone)
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        assert dagster.pull(Days(day_before, day_before)).success
        found = status(connection, instance, kaltura.partner_id, today + dt.timedelta(hours=hour))
        assert found.days[kind] == [Days(yesterday, yesterday)]
        assert found.is_well is is_well
        connection.execute("UPDATE kaltura.loads SET partition_date = partition_date - 1")
        lost = status(connection, instance, kaltura.partner_id, today + dt.timedelta(hours=hour))
        assert not lost.is_well, "only yesterday may be to come"


@pytest.mark.parametrize("days_later", [0, 1, 40])
def test_where_no_day_is_over_since_start_date_none_has_to_be_there(
    days_later: int, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """START_DATE is today or later, and days before it are loaded."""
    yesterday = dt.date.fromisoformat(PARTITIONS.get_partition_keys()[-1])
    start = yesterday + dt.timedelta(days=1 + days_later)
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        assert dagster.pull(Days(yesterday - dt.timedelta(days=4), yesterday - dt.timedelta(days=3))).success
        moved = replace(SETTINGS, start_date=start)
        for module in (pipelines.status, missing_days, asset):
            monkeypatch.setattr(module, "SETTINGS", moved)
        none = dg.DailyPartitionsDefinition(start_date=str(start), timezone=str(SETTINGS.timezone))
        monkeypatch.setattr(pipelines.status, "PARTITIONS", none)
        found = status(connection, instance, kaltura.partner_id)
        assert found.is_well
        assert not any(found.days.values())
        job = dagster.defs.resolve_implicit_global_asset_job_def()
        alone = job.get_subset(
            asset_selection=set(), asset_check_selection={dg.AssetCheckKey(KEYS[0], missing_days.NAME)}
        )
        assert alone.execute_in_process(instance=instance).get_asset_check_evaluations() == []
