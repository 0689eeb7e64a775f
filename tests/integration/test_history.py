"""A history that ends: old runs go, and no day changes its colour, on both of Dagster's storages."""

import datetime as dt
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent, StepMaterializationData
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import installed

from assets.partitions import PARTITIONS
from assets.reports import REPORTS
from pipelines.instance import history
from resources.kaltura.windows import DAY, Days
from resources.warehouse.resource import WarehouseResource
from resources.warehouse.warehouse import FORGET_OLD_LOADS
from simulator import University, serving

MEMORY = Path("/dev/shm")  # Dagster waits for the disk at each event
FIRST = dt.date(2026, 3, 2)
OLD = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # what began before then is old
DAYS = 6  # of the histories here
SUCCESS, FAILURE, CANCELED = history.ENDED
Colours = dict[str, tuple[set[str], set[str]]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def dagster(request: pytest.FixtureRequest, databases) -> Iterator[dg.DagsterInstance]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        storage: dict[str, object] = {"sqlite": {"base_dir": f"{folder}/storage"}}
        if request.param == "postgres":
            url = databases.make().replace("postgresql://", "postgresql+psycopg2://")
            storage = {"postgres": {"postgres_url": url}}
        (Path(folder) / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}))
        with dg.DagsterInstance.from_config(folder) as instance:
            yield instance


@pytest.fixture
def instance(dagster: dg.DagsterInstance) -> dg.DagsterInstance:
    dagster.wipe()
    return dagster


def day_of(number: int) -> str:
    return str(FIRST + dt.timedelta(days=number))


def record(
    instance: dg.DagsterInstance,
    first: int,
    last: int,
    good: set[int],
    ends: dg.DagsterRunStatus,
    *,
    old: bool = False,
    **about: object,
) -> str:
    """A run that is only recorded: days planned, the good ones marked."""
    run = dg.DagsterRun(
        "__ASSET_JOB",
        str(uuid.uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        asset_selection={report.key for report in REPORTS},
        **about,  # type: ignore[arg-type]
    )
    if old:
        instance.run_storage.add_historical_run(run, OLD - dt.timedelta(days=1))  # type: ignore[attr-defined]
    else:
        instance.add_run(run)
    for number in range(first, last + 1):
        for report in REPORTS:
            planned = AssetMaterializationPlannedData(report.key, partition=day_of(number))
            instance.report_dagster_event(
                DagsterEvent.build_asset_materialization_planned_event(run.job_name, "s", planned), run.run_id
            )
    for number in sorted(good & set(range(first, last + 1))):
        for report in REPORTS:
            data = StepMaterializationData(dg.AssetMaterialization(report.key, partition=day_of(number)))
            instance.report_dagster_event(
                DagsterEvent("ASSET_MATERIALIZATION", run.job_name, event_specific_data=data), run.run_id
            )
    if ends is FAILURE:
        instance.report_run_failed(run)
    elif ends is CANCELED:
        instance.report_run_canceled(run)
    else:
        instance.report_dagster_event(DagsterEvent("PIPELINE_SUCCESS", run.job_name), run.run_id)
    return run.run_id


def colours(instance: dg.DagsterInstance, *, anew: bool) -> Colours:
    """Green and red days by asset, as the UI shows them: from what Dagster has cached, or counted `anew`."""
    found: Colours = {}
    for report in REPORTS:
        if anew:
            instance.event_log_storage.wipe_asset_cached_status(report.key)
        value = get_and_update_asset_status_cache_value(instance, report.key, PARTITIONS)
        found[report.table.name] = (
            set(value.deserialize_materialized_partition_subsets(PARTITIONS).get_partition_keys()) if value else set(),
            set(value.deserialize_failed_partition_subsets(PARTITIONS).get_partition_keys()) if value else set(),
        )
    return found


a_run = st.tuples(
    st.integers(0, DAYS - 1),
    st.integers(0, DAYS - 1),
    st.sets(st.integers(0, DAYS - 1)),
    st.sampled_from(history.ENDED),
)


@pytest.mark.deep
@settings(deadline=None, max_examples=12, suppress_health_check=list(HealthCheck))
@given(st.lists(a_run, max_size=8), st.lists(a_run, max_size=3))
def test_no_day_changes_its_colour(instance: dg.DagsterInstance, old: list, young: list) -> None:
    instance.wipe()
    for one, other, good, ends in old:
        record(instance, min(one, other), max(one, other), good, ends, old=True)
    kept = {record(instance, min(one, other), max(one, other), good, ends) for one, other, good, ends in young}
    before = colours(instance, anew=True)

    gone = history.forget(instance, OLD)

    assert colours(instance, anew=False) == before
    assert colours(instance, anew=True) == before
    left = {run.run_id for run in instance.get_runs()}
    assert kept <= left
    assert len(left) == len(old) + len(young) - gone
    assert history.forget(instance, OLD) == 0


def test_runs_whose_days_were_all_marked_again_go_with_their_events_and_files(instance: dg.DagsterInstance) -> None:
    gone = record(instance, 0, 3, {0, 1, 2, 3}, SUCCESS, old=True)
    of_one_day = record(instance, 0, 4, {0, 4}, FAILURE, old=True)
    record(instance, 0, 3, {0, 1, 2, 3}, SUCCESS)
    assert history.forget(instance, OLD) == 1
    assert not instance.has_run(gone)
    assert instance.has_run(of_one_day)
    assert instance.all_logs(of_one_day)
    if isinstance(instance.event_log_storage, history.SqliteEventLogStorage):
        assert not list(Path(instance.event_log_storage.path_for_shard(gone)).parent.glob(f"{gone}*"))


def test_a_run_that_a_later_one_retries_stays(instance: dg.DagsterInstance) -> None:
    root = record(instance, 0, 3, set(), FAILURE, old=True)
    about = {"root_run_id": root, "parent_run_id": root}
    tags = {"dagster/root_run_id": root, "dagster/parent_run_id": root}
    retry = record(instance, 0, 3, {0, 1, 2, 3}, SUCCESS, tags=tags, **about)
    assert history.forget(instance, OLD) == 0
    assert {run.run_id for run in instance.get_run_group(retry)[1]} == {root, retry}  # type: ignore[index]


def test_runs_under_way_and_runs_of_other_projects_stay(instance: dg.DagsterInstance) -> None:
    other = dg.DagsterRun("theirs", str(uuid.uuid4()), status=SUCCESS, asset_selection={dg.AssetKey("theirs")})
    unknown = dg.DagsterRun("theirs", str(uuid.uuid4()), status=SUCCESS)
    under_way = dg.DagsterRun(
        "__ASSET_JOB", str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED, asset_selection={REPORTS[0].key}
    )
    for run in (other, unknown, under_way):
        instance.run_storage.add_historical_run(run, OLD - dt.timedelta(days=1))  # type: ignore[attr-defined]
    assert history.forget(instance, OLD) == 0


@pytest.mark.deep
def test_the_index_is_written_anew_where_much_of_it_is_free(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    said: list[str] = []
    for _ in range(4):
        record(instance, 0, DAYS - 1, set(range(DAYS)), SUCCESS, old=True)
    record(instance, 0, DAYS - 1, set(range(DAYS)), SUCCESS)
    assert history.forget(instance, OLD) == 4
    before = colours(instance, anew=True)
    history.vacuum(instance, said.append)
    if isinstance(storage, history.SqliteEventLogStorage):
        [line] = said
        assert "MB before" in line
    else:
        assert said == []
    assert colours(instance, anew=True) == before


TABLES = ("room_sessions", "attendees", "breakout_sessions")


def aged(sql: psycopg.Connection, days: int) -> None:
    """All that was loaded until now was loaded so many days ago."""
    for table in TABLES:
        sql.execute(
            f"UPDATE kaltura.{table} SET first_loaded_at = first_loaded_at - make_interval(days => %s),"
            " changed_at = changed_at - make_interval(days => %s)".encode(),
            [days, days],
        )
    sql.execute("UPDATE kaltura.loads SET loaded_at = loaded_at - make_interval(days => %s)", [days])


def shown(sql: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every view."""
    names = sql.execute("SELECT viewname FROM pg_views WHERE schemaname = 'analytics' ORDER BY 1").fetchall()
    assert names
    return {
        name: sorted(sql.execute(f"SELECT v::text FROM analytics.{name} AS v".encode()).fetchall()) for (name,) in names
    }


@pytest.mark.deep
def test_records_of_old_pulls_that_brought_nothing_go_and_no_view_and_no_later_pull_is_another(database: str) -> None:
    last = dt.datetime.now(dt.UTC).date() - DAY
    week = Days(last - 6 * DAY, last)
    with (
        serving(University(seed=5, timezone="UTC", rooms=3)) as kaltura,
        installed(kaltura, database) as dagster,
        psycopg.connect(database) as sql,
    ):
        for days in (week, Days(last - 3 * DAY, last), week, week):
            assert dagster.pull(days).success
        sql.execute("DELETE FROM kaltura.attendees WHERE partition_date = %s", [last])  # a day that the next pull mends
        sql.execute("UPDATE kaltura.rejects SET load_id = (SELECT max(id) FROM kaltura.loads)")
        aged(sql, 500)
        sql.commit()
        for days in (week, week):
            assert dagster.pull(days).success
        [[before]] = sql.execute("SELECT count(*) FROM kaltura.loads").fetchall()
        views, of_each = (
            shown(sql),
            sql.execute(
                "SELECT partner_id, report_id, partition_date, max(id), max(pull), min(loaded_at) FROM kaltura.loads"
                " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall(),
        )

        gone = sql.execute(
            FORGET_OLD_LOADS.read_bytes(),
            {"partner_id": kaltura.partner_id, "before": dt.datetime.now(dt.UTC) - dt.timedelta(days=400)},
        ).rowcount

        assert shown(sql) == views
        assert gone >= 3 * (7 + 4)  # of each day all old ones but the first
        assert (
            sql.execute(
                "SELECT partner_id, report_id, partition_date, max(id), max(pull), min(loaded_at) FROM kaltura.loads"
                " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
            == of_each
        )
        sql.commit()
        result = dagster.pull(week)
        assert result.success
        [[written]] = sql.execute(
            "SELECT sum(inserted + updated + removed) FROM kaltura.loads WHERE run_id = %s", [result.run_id]
        ).fetchall()
        assert written == 0
        [[left]] = sql.execute("SELECT count(*) FROM kaltura.loads").fetchall()
        assert left == before - gone + 21


def test_the_nightly_job_goes_by_the_databases_clock_and_says_what_it_took(
    instance: dg.DagsterInstance, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = record(instance, 0, 1, {0, 1}, SUCCESS, old=True)
    record(instance, 0, 1, {0, 1}, SUCCESS)
    monkeypatch.setattr(history, "SETTINGS", replace(history.SETTINGS, history_days=30))
    result = history.history.execute_in_process(
        instance=instance, resources={"warehouse": WarehouseResource(url=database)}
    )
    assert result.success
    assert not instance.has_run(old)
    said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert any("1 runs deleted" in line for line in said)


def test_with_history_days_0_nothing_goes(
    instance: dg.DagsterInstance, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = record(instance, 0, 1, {0, 1}, SUCCESS, old=True)
    record(instance, 0, 1, {0, 1}, SUCCESS)
    monkeypatch.setattr(history, "SETTINGS", replace(history.SETTINGS, history_days=0))
    resources = {"warehouse": WarehouseResource(url=database)}
    assert history.history.execute_in_process(instance=instance, resources=resources).success
    assert instance.has_run(old)
