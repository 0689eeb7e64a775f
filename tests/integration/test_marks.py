"""Marks that are those of the warehouse after `status --mend`, on both of Dagster's storages."""

import datetime as dt
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import installed
from rich.console import Console

import pipelines.status
from assets.partitions import PARTITIONS
from assets.pull.materialization import MARKED_BY
from assets.reports import REPORTS
from pipelines import catch_up
from pipelines.command_line import front_door
from pipelines.instance.mend import mend
from pipelines.status import MISSING, NOT_MARKED, NOT_THERE, status
from resources.kaltura.windows import DAY, Days
from resources.postgres.backup import back_up
from resources.warehouse.resource import WarehouseResource
from simulator import DEMO, University, serving

ACCOUNT = DEMO.partner_id
MEMORY = Path("/dev/shm")  # Dagster waits for the disk at each event
LAST = dt.datetime.now(dt.UTC).date() - DAY
WEEK = Days(LAST - 6 * DAY, LAST)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Midnight may have passed since this file was read; and the day's pull is due, at whatever hour the tests run."""
    monkeypatch.setattr(pipelines.status, "CHECK_AT", dt.time())
    last = dt.datetime.now(dt.UTC).date() - DAY
    monkeypatch.setattr(sys.modules[__name__], "LAST", last)
    monkeypatch.setattr(sys.modules[__name__], "WEEK", Days(last - 6 * DAY, last))


@pytest.fixture(params=["sqlite", "postgres"])
def home(
    request: pytest.FixtureRequest, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder for Dagster, on one of its storages."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        storage: dict[str, object] = {"sqlite": {"base_dir": f"{folder}/storage"}}
        if request.param == "postgres":
            url = new_database().replace("postgresql://", "postgresql+psycopg2://")
            storage = {"postgres": {"postgres_url": url}}
        (Path(folder) / "dagster.yaml").write_text(
            yaml.safe_dump({"storage": storage, "telemetry": {"enabled": False}})
        )
        monkeypatch.setenv("DAGSTER_HOME", folder)
        yield Path(folder)


@pytest.fixture
def records(home: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A warehouse that `status` finds by the settings, and a Dagster of the same installation."""
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("KALTURA_DEMO", "1")
    with psycopg.connect(database, autocommit=True) as sql, dg.DagsterInstance.get() as instance:
        yield SimpleNamespace(sql=sql, url=database, instance=instance)


def load(records: SimpleNamespace, report_id: int, day: dt.date) -> None:
    records.sql.execute(
        "INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at,"
        " requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)"
        " VALUES (%s, %s, %s, now(), now(), now(), 1, 0, 0, 0, 0, 0, 0, 0, 0)",
        [ACCOUNT, report_id, day],
    )


def mark(records: SimpleNamespace, key: dg.AssetKey, day: dt.date) -> None:
    records.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=str(day)))


def green(records: SimpleNamespace, key: dg.AssetKey) -> set[str]:
    """The days that the UI shows as materialized, and leaves out by "only missing and failed"."""
    value = get_and_update_asset_status_cache_value(records.instance, key, PARTITIONS)
    if value is None:
        return set()
    return set(value.deserialize_materialized_partition_subsets(PARTITIONS).get_partition_keys())


def said(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(front_door, ["status", *words])
    return result.exit_code, result.output


@pytest.mark.deep
def test_days_that_a_restored_backup_lacks_lose_their_marks_and_come_back_until_nothing_is_wrong(
    records: SimpleNamespace, tmp_path: Path
) -> None:
    there, lost = Days(WEEK.first, WEEK.first + 2 * DAY), Days(WEEK.first + 3 * DAY, LAST)
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        installed(kaltura, records.url, records.instance) as dagster,
    ):
        assert dagster.pull(there).success
        back_up(records.url, tmp_path / "old.dump", Console(quiet=True))
        assert dagster.pull(lost).success
        assert said() == (0, said()[1])
        restored = CliRunner().invoke(front_door, ["restore", str(tmp_path / "old.dump"), "--trust", "--replace"])
        assert restored.exit_code == 0
        assert f"{NOT_THERE}: {lost.first} to {lost.last}" in restored.output
        assert "status --mend" in restored.output
        code, text = said()
        assert code == 1
        assert f"{NOT_THERE}: 4 days: {lost.first} to {lost.last}" in text
        assert "status --mend" in text
        assert "The warehouse and Dagster disagree: see above." in text

        code, text = said("--mend")

        assert code == 1  # they are missing still
        assert f"Marks taken away, as the warehouse does not hold them: {lost.first} to {lost.last}" in text
        assert f"{MISSING}: 4 days: {lost.first} to {lost.last}" in text
        assert NOT_THERE not in text
        assert NOT_MARKED not in text
        assert "The warehouse and Dagster agree, and days are missing" in text
        for report in REPORTS:
            assert green(records, report.key) == {str(day) for day in there}
            newest = records.instance.fetch_materializations(report.key, limit=1).records[0].asset_materialization
            assert {"inserted", "window", MARKED_BY} <= newest.metadata.keys()

        usual = Days(LAST - DAY, LAST)
        missing = catch_up.days_to_pull(records.instance, WarehouseResource(url=records.url), ACCOUNT, usual)
        assert missing == [Days(lost.first, usual.first - DAY)]
        for days in (usual, *missing):
            assert dagster.pull(days).success
        code, text = said()
        assert "The warehouse and Dagster agree." in text
        assert code == 0


def test_after_a_wiped_history_the_days_that_are_there_are_marked_and_nothing_is_wrong(
    records: SimpleNamespace,
) -> None:
    for day in WEEK:
        for report in REPORTS:
            load(records, report.report_id, day)
    code, text = said()
    assert code == 1
    assert f"{NOT_MARKED}: 7 days" in text
    code, text = said("--mend", "--json")
    assert code == 0
    document = json.loads(text)
    assert document["is_well"]
    assert document["mended"] == {"marked": [[str(WEEK.first), str(WEEK.last)]], "unmarked": [], "forgotten": []}
    assert json.loads(said("--mend", "--json")[1])["mended"] == {"marked": [], "unmarked": [], "forgotten": []}
    assert all(green(records, report.key) == {str(day) for day in WEEK} for report in REPORTS)


def test_marks_that_are_all_that_is_left_of_a_lost_history_bring_it_back_until_they_are_taken_away(
    records: SimpleNamespace,
) -> None:
    for report in REPORTS:
        load(records, report.report_id, LAST)
        for day in WEEK:
            mark(records, report.key, day)
    lost = Days(WEEK.first, LAST - DAY)
    code, text = said()
    assert code == 1
    assert f"{NOT_THERE}: 6 days: {lost.first} to {lost.last}" in text
    asked = catch_up.days_to_pull(records.instance, WarehouseResource(url=records.url), ACCOUNT, Days(LAST, LAST))
    assert asked == [lost]

    _, text = said("--mend")

    assert f"nothing brings back by itself, as no load is known before them: {lost.first} to {lost.last}" in text
    assert f"python -m pipelines pull --from {lost.first} --to {lost.last}" in text
    assert catch_up.days_to_pull(records.instance, WarehouseResource(url=records.url), ACCOUNT, Days(LAST, LAST)) == []


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_which_days_nothing_brings_back_is_said_before_a_mark_goes_so_that_no_interruption_loses_it(
    words: tuple[str, ...], records: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the warehouse's connection wait in a transaction while marks are written, which a role may have no time for."""
    for report in REPORTS:
        load(records, report.report_id, LAST)
        for day in WEEK:
            mark(records, report.key, day)
    lost = Days(WEEK.first, LAST - DAY)
    waiting: list[int] = []

    def interrupted(*_: object) -> None:
        idle = "state LIKE 'idle in transaction%' AND datname = current_database()"
        waiting.append(records.sql.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {idle}").fetchone()[0])
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.instance.mend._mark", interrupted)
    code, text = said("--mend", *words)
    assert code == 130
    assert waiting == [0]
    assert f"nothing brings back by itself, as no load is known before them: {lost.first} to {lost.last}" in text
    assert f"python -m pipelines pull --from {lost.first} --to {lost.last}" in text
    assert green(records, REPORTS[0].key) == set()


some_days = st.lists(st.sets(st.integers(0, 6)), min_size=len(REPORTS), max_size=len(REPORTS))


@pytest.mark.deep
@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(some_days, some_days)
def test_each_assets_marks_are_the_days_that_the_warehouse_holds_of_it(
    records: SimpleNamespace, there: list[set[int]], marked: list[set[int]]
) -> None:
    records.sql.execute("TRUNCATE kaltura.loads CASCADE")
    records.instance.wipe()
    for report, held, marks in zip(REPORTS, there, marked, strict=True):
        for n in held:
            load(records, report.report_id, WEEK.first + n * DAY)
        for n in marks:
            mark(records, report.key, WEEK.first + n * DAY)

    mended = mend(lambda: nullcontext(records.sql), records.instance, ACCOUNT, lambda _: None)

    for report, held in zip(REPORTS, there, strict=True):
        assert green(records, report.key) == {str(WEEK.first + n * DAY) for n in held}
    added = {n for held, marks in zip(there, marked, strict=True) for n in held - marks}
    taken = {n for held, marks in zip(there, marked, strict=True) for n in marks - held}
    assert {day for days in mended.marked for day in days} == {WEEK.first + n * DAY for n in added}
    assert {day for days in mended.unmarked for day in days} == {WEEK.first + n * DAY for n in taken}
    after = status(records.sql, records.instance, ACCOUNT)
    assert after.days[NOT_THERE] == after.days[NOT_MARKED] == []


def test_a_day_that_a_run_loads_meanwhile_keeps_its_mark(
    records: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for report in REPORTS:
        load(records, report.report_id, WEEK.first)
        mark(records, report.key, WEEK.first)
        mark(records, report.key, LAST)
    wipe = dg.DagsterInstance.wipe_assets

    def run_ends_then_wipe(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> None:
        for report in REPORTS:
            load(records, report.report_id, WEEK.first + DAY)
            mark(records, report.key, WEEK.first + DAY)
        wipe(instance, keys)

    monkeypatch.setattr(dg.DagsterInstance, "wipe_assets", run_ends_then_wipe)
    mend(lambda: nullcontext(records.sql), records.instance, ACCOUNT, lambda _: None)
    for report in REPORTS:
        assert green(records, report.key) == {str(WEEK.first), str(WEEK.first + DAY)}


def test_nothing_is_mended_in_a_schema_of_a_newer_version(records: SimpleNamespace) -> None:
    load(records, 6000, WEEK.first)
    mark(records, REPORTS[0].key, LAST)
    records.sql.execute("INSERT INTO kaltura.migrations (name, checksum) VALUES ('migrations/9999_later.sql', 'x')")
    code, text = said("--mend")
    assert code == 1
    assert "9999_later.sql" in text
    assert green(records, REPORTS[0].key) == {str(LAST)}
