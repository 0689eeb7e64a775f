"""Days that nobody pulled while nothing ran: what the daily schedule asks for, and that they all come back."""

import dataclasses
import datetime as dt
import itertools
import time
import uuid
from collections.abc import Collection, Iterator
from types import SimpleNamespace

import dagster as dg
import new_history
import psycopg
import pytest
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from depth import examples
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from in_process import installed

from assets.checks import missing_days as check
from assets.pull.empty_replies import RowsSeen
from assets.pull.extract import Extract
from assets.pull.windows import BAD_DAYS_IN_A_ROW, NotAsked, Windows
from assets.reports import REPORTS
from pipelines import catch_up
from pipelines.definitions import defs
from pipelines.range_tags import FIRST_DAY, LAST_DAY
from pipelines.run_days import PULLS
from pipelines.schedules import DAILY_PULL, daily_pull
from pipelines.status import days_with_loads, held
from resources.arrivals import Pull
from resources.kaltura.errors import BadReply, ColumnMissing, Unavailable
from resources.kaltura.windows import DAY, Days, stretches
from resources.warehouse.resource import WarehouseResource
from simulator import DEMO, Fault, University, serving

ACCOUNT = DEMO.partner_id
FIRST = dt.date(2026, 3, 2)
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "ours"), "__ASSET_JOB")
KEYS = [report.key for report in REPORTS]


@pytest.fixture
def books(database: str) -> Iterator[SimpleNamespace]:
    """The books of a warehouse, to write loads into, and a Dagster that has seen none of them."""
    with (
        psycopg.connect(database, autocommit=True) as connection,
        new_history.instance() as instance,
    ):
        yield SimpleNamespace(sql=connection, url=database, instance=instance)


def load(
    books: SimpleNamespace,
    days: Collection[dt.date],
    reports: Collection[int] = (),
    filters: str | None = None,
    hours_later: int | None = None,
) -> None:
    """Pulled just now, or so many hours after the day had begun."""
    books.sql.cursor().executemany(
        "INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at, filters,"
        " is_whole,"
        " requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed)"
        " VALUES (%s, %s, %s, now(), now(), coalesce(%s, now()), %s, %s, 1, 0, 0, 0, 0, 0, 0, 0, 0)",
        [
            (ACCOUNT, id_, day, hours_later and _begins(day) + dt.timedelta(hours=hours_later), filters, not filters)
            for day in days
            for id_ in reports or [report.report_id for report in REPORTS]
        ],
    )


def _begins(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def tick(instance: dg.DagsterInstance, url: str, day: dt.date) -> list[Days]:
    """The ranges that `daily_pull` asks for in the morning of the day."""
    with dg.build_schedule_context(  # left open, its instance would stay the one that later tests get
        instance,
        scheduled_execution_time=dt.datetime.combine(day, dt.time(4, 30), dt.UTC),
        repository_def=defs.get_repository_def(),
        resources={"warehouse": WarehouseResource(url=url)},
    ) as context:
        requests = daily_pull.evaluate_tick(context).run_requests
    assert len({request.run_key for request in requests}) == len(requests)  # else Dagster takes them for one
    return [Days(*(dt.date.fromisoformat(request.tags[end]) for end in (FIRST_DAY, LAST_DAY))) for request in requests]


def test_a_server_that_was_off_for_a_hundred_days_gets_them_back_oldest_first_31_a_tick(books: SimpleNamespace) -> None:
    load(books, Days(FIRST, FIRST + 9 * DAY))
    gap = Days(FIRST + 10 * DAY, FIRST + 109 * DAY)
    today = gap.last + DAY
    asked: list[dt.date] = []
    for _ in range(4):
        usual, *missing = tick(books.instance, books.url, today)
        assert usual == Days(today - 4 * DAY, today - DAY)
        days = [day for each in missing for day in each]
        assert days == sorted(days)
        assert len(days) <= 31
        asked += days
        for each in (usual, *missing):
            load(books, each)
        today += DAY
    assert asked == list(Days(gap.first, gap.last - 4 * DAY))
    assert tick(books.instance, books.url, today) == [Days(today - 4 * DAY, today - DAY)]


def test_days_before_the_first_load_are_nobodys_loss_and_an_empty_warehouse_lacks_nothing(
    books: SimpleNamespace,
) -> None:
    today = FIRST + 30 * DAY
    assert len(tick(books.instance, books.url, today)) == 1
    load(books, [FIRST + 20 * DAY])
    assert tick(books.instance, books.url, today)[1:] == [Days(FIRST + 21 * DAY, today - 5 * DAY)]


def mark(books: SimpleNamespace, days: Collection[dt.date], key: dg.AssetKey = KEYS[0]) -> None:
    for day in days:
        books.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=str(day)))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path[-1])
@pytest.mark.parametrize("first_loaded", [None, 35, 0])
def test_a_warehouse_that_lost_its_first_loads_gets_its_days_back_since_the_first_that_dagster_marked(
    first_loaded: int | None, key: dg.AssetKey, books: SimpleNamespace
) -> None:
    today = FIRST + 40 * DAY
    there = set() if first_loaded is None else {FIRST + first_loaded * DAY}
    load(books, there)
    mark(books, [FIRST, FIRST + 20 * DAY], key)
    usual, *missing = tick(books.instance, books.url, today)
    lacking = [day for day in Days(FIRST, usual.first - DAY) if day not in there]
    assert [day for days in missing for day in days] == lacking[:31]
    for days in (usual, *missing):
        load(books, days)
    _, *rest = tick(books.instance, books.url, today)
    assert [day for days in rest for day in days] == lacking[31:]


def test_the_nightly_check_tells_of_the_days_of_a_warehouse_that_was_emptied(books: SimpleNamespace) -> None:
    key = dg.AssetCheckKey(KEYS[0], check.NAME)
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        installed(kaltura, books.url, books.instance) as dagster,
    ):
        job = dagster.defs.resolve_implicit_global_asset_job_def()
        alone = job.get_subset(asset_selection=set(), asset_check_selection={key})
        assert alone.execute_in_process(instance=books.instance).get_asset_check_evaluations() == []
        yesterday = check.last_full_day(books.sql)
        mark(books, [yesterday - 9 * DAY, yesterday - 8 * DAY])
        [told] = alone.execute_in_process(instance=books.instance).get_asset_check_evaluations()
    assert not told.passed
    assert told.metadata["found"].value == 10


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report.table.name)
def test_a_day_that_lacks_one_report_or_was_pulled_for_some_people_alone_is_missing(
    report, books: SimpleNamespace
) -> None:
    load(books, Days(FIRST, FIRST + 30 * DAY))
    day = FIRST + 7 * DAY
    books.sql.execute("DELETE FROM kaltura.loads WHERE partition_date = %s AND report_id = %s", [day, report.report_id])
    today = FIRST + 31 * DAY
    assert tick(books.instance, books.url, today)[1:] == [Days(day, day)]
    load(books, [day], [report.report_id], '{"user_ids": ["ann"]}')
    assert tick(books.instance, books.url, today)[1:] == [Days(day, day)]
    load(books, [day], [report.report_id])
    assert tick(books.instance, books.url, today)[1:] == []


def test_the_last_days_before_nothing_ran_are_asked_for_again_until_they_are_pulled_whole(
    books: SimpleNamespace,
) -> None:
    """Each was pulled the next morning; all but the last were pulled again. Two have a session without an end."""
    load(books, Days(FIRST, FIRST + 9 * DAY), hours_later=28)
    load(books, Days(FIRST, FIRST + 8 * DAY), hours_later=28 + 24)
    books.sql.execute(
        "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, partition_date,"
        " window_start, window_end, load_id) SELECT %s, 'r', day::text, day::timestamptz, day, day, day, 1"
        " FROM unnest(%s::date[]) AS day",
        [ACCOUNT, [FIRST, FIRST + 9 * DAY]],
    )
    load(books, [FIRST], hours_later=28 + 24 * 7)
    today = FIRST + 50 * DAY
    _, first, *_ = tick(books.instance, books.url, today)
    assert first.first == FIRST + 9 * DAY
    load(books, [FIRST + 9 * DAY], filters='{"user_ids": ["ann"]}')
    load(books, [FIRST + 9 * DAY], [6000, 6001])
    assert tick(books.instance, books.url, today)[1].first == FIRST + 9 * DAY
    load(books, [FIRST + 9 * DAY], [6002])
    assert tick(books.instance, books.url, today)[1].first == FIRST + 10 * DAY
    load(books, Days(FIRST + 10 * DAY, today - DAY))
    assert tick(books.instance, books.url, today) == [Days(today - 4 * DAY, today - DAY)]


NEVER_OVER = 100_000  # hours
ended = st.none() | st.integers(1, 120)  # after how many hours
pulls = st.lists(st.integers(25, 300), min_size=1, max_size=3)  # so many hours after midnight


@given(st.lists(st.tuples(st.integers(0, 9), ended, pulls), min_size=1, max_size=4))
@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(2, 72, [40])])
@example([(2, None, [52]), (3, None, [200])])
@example([(2, NEVER_OVER, [40]), (2, 72, [40])])
def test_days_of_which_a_session_ran_when_they_were_last_pulled_come_back_once_and_calendar_and_status_agree(
    books: SimpleNamespace, drawn: list[tuple[int, int | None, list[int]]]
) -> None:
    """Days on which sessions begin, and after them nothing ran for long."""
    books.sql.execute("TRUNCATE kaltura.loads, kaltura.room_sessions")
    load(books, Days(FIRST, FIRST + 9 * DAY), hours_later=60)
    for number, (at, hours, pulls) in enumerate(drawn):
        day = FIRST + at * DAY
        books.sql.execute("DELETE FROM kaltura.loads WHERE partition_date = %s", [day])
        for later in pulls:
            load(books, [day], hours_later=later)
        begins, known_until = (_begins(day) + dt.timedelta(hours=each) for each in (20, max(pulls)))
        ends = begins + dt.timedelta(hours=hours) if hours else None
        books.sql.execute(
            "INSERT INTO kaltura.room_sessions (partner_id, entry_id, cue_point_id, session_start_time, session_end_time,"
            " partition_date, window_start, window_end, load_id) VALUES (%s, 'r', %s, %s, %s, %s, %s, %s, 1)",
            [ACCOUNT, str(number), begins, ends, day, begins, known_until],
        )
    today = FIRST + 30 * DAY
    for _ in range(3):
        calendar = "SELECT session_date FROM analytics.calendar WHERE is_provisional AND is_session_loaded ORDER BY 1"
        provisional = [day for (day,) in books.sql.execute(calendar)]
        known = days_with_loads(books.sql, ACCOUNT)
        assert [day for day in known if known[day].is_provisional] == provisional
        usual, *asked = tick(books.instance, books.url, today)
        if not asked:
            break
        for days in (usual, *asked):
            load(books, days)
        today += DAY
    assert asked == []
    assert provisional == sorted({FIRST + at * DAY for at, hours, _ in drawn if hours == NEVER_OVER})
    assert held(books.sql, ACCOUNT).unsettled == {*provisional}, (
        "no pull makes them final, so `status` does not ask for one"
    )


def test_another_accounts_loads_fill_no_gap(books: SimpleNamespace) -> None:
    load(books, [FIRST])
    books.sql.execute(
        "INSERT INTO kaltura.loads SELECT (jsonb_populate_record(loads, jsonb_build_object('partner_id', 4711, 'id',"
        " id + 100, 'partition_date', partition_date + 1))).* FROM kaltura.loads"
    )
    assert check.missing(books.sql, ACCOUNT, FIRST + DAY) == {FIRST + DAY: frozenset()}


def test_nothing_is_caught_up_where_catch_up_days_is_0(books: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    load(books, [FIRST])
    monkeypatch.setattr(catch_up, "SETTINGS", SimpleNamespace(catch_up_days=0))
    assert len(tick(books.instance, books.url, FIRST + 30 * DAY)) == 1


def test_a_warehouse_that_is_away_leaves_the_usual_days_and_is_said(
    books: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    load(books, [FIRST])
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    assert tick(books.instance, nobody, FIRST + 30 * DAY) == [Days(FIRST + 26 * DAY, FIRST + 29 * DAY)]
    said = capfd.readouterr().err
    assert "can't be reached" in said
    assert "The usual days are asked for" in said


def _run(
    instance: dg.DagsterInstance, days: Days, status: dg.DagsterRunStatus, keys: Collection[dg.AssetKey] = KEYS
) -> None:
    tags = {FIRST_DAY: str(days.first), LAST_DAY: str(days.last)}
    if len(days) == 1:
        tags = {"dagster/partition": str(days.first)}
    instance.add_run(
        dg.DagsterRun(
            "__ASSET_JOB",
            str(uuid.uuid4()),
            status=status,
            tags=tags,
            asset_selection=frozenset(keys),
            remote_job_origin=ORIGIN,
        )
    )


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
)
def test_days_that_a_run_or_a_backfill_is_at_are_not_asked_for_twice(status, books: SimpleNamespace) -> None:
    load(books, [FIRST])
    today = FIRST + 31 * DAY
    _run(books.instance, Days(FIRST + DAY, FIRST + 5 * DAY), status)
    _run(books.instance, Days(FIRST + 8 * DAY, FIRST + 8 * DAY), status)
    _run(books.instance, Days(FIRST + 9 * DAY, FIRST + 26 * DAY), status, KEYS[:1])  # one of three tables
    _run(books.instance, Days(FIRST + 9 * DAY, FIRST + 26 * DAY), dg.DagsterRunStatus.FAILURE)
    books.instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            "a backfill",
            asset_graph=defs.resolve_asset_graph(),
            partition_names=[str(day) for day in Days(FIRST + 20 * DAY, FIRST + 22 * DAY)],
            asset_selection=KEYS,
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=books.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    )
    assert tick(books.instance, books.url, today)[1:] == [
        Days(FIRST + 6 * DAY, FIRST + 7 * DAY),
        Days(FIRST + 9 * DAY, FIRST + 19 * DAY),
        Days(FIRST + 23 * DAY, FIRST + 26 * DAY),
    ]


def test_days_of_a_schedules_run_are_not_asked_for_twice_and_those_of_another_accounts_are(
    books: SimpleNamespace,
) -> None:
    """Neither run names an asset: its job does, which has the same name in each code location of one Dagster."""
    load(books, [FIRST])
    ours, theirs = Days(FIRST + DAY, FIRST + 5 * DAY), Days(FIRST + 6 * DAY, FIRST + 9 * DAY)
    for days, tags in ((ours, DAILY_PULL.tags), (theirs, {name: f"another/{DAILY_PULL.tags[name]}" for name in PULLS})):
        asked = {**tags, FIRST_DAY: str(days.first), LAST_DAY: str(days.last)}
        queued = dg.DagsterRunStatus.QUEUED
        run = dg.DagsterRun("daily_pull", str(uuid.uuid4()), status=queued, tags=asked, remote_job_origin=ORIGIN)
        books.instance.add_run(run)
    assert tick(books.instance, books.url, FIRST + 15 * DAY)[1:] == [Days(FIRST + 6 * DAY, FIRST + 10 * DAY)]


wrong = st.dictionaries(st.integers(0, 99), st.sampled_from([BadReply, ColumnMissing, Unavailable, KeyError]))


@given(st.sets(st.integers(0, 99)) | st.just({*range(100)}), wrong, st.integers(1, 31), st.integers(0, 3))
@settings(deadline=None)
@example({*range(100)}, dict.fromkeys(range(3), BadReply), 31, 0)
@example({*range(100)}, dict.fromkeys(range(3), Unavailable), 31, 0)
@example({*range(100)}, dict.fromkeys(range(50), Unavailable), 31, 2)
@example({*range(0, 100, 2)}, dict.fromkeys(range(90), ColumnMissing), 2, 1)
def test_every_day_that_can_be_loaded_is_within_some_nights_whatever_days_never_are(
    wanted: set[int], never: dict[int, type[Exception]], most: int, nights_down: int
) -> None:
    """What a run asks for is told by the same code as that of real ones. The first nights Kaltura is down."""
    missing = {FIRST + n * DAY for n in wanted}
    hopeless = {FIRST + n * DAY: error for n, error in never.items() if n in wanted}
    failed: dict[dt.date, int] = {}
    asked: set[dt.date] = set()
    attempts = itertools.count(1)

    def extracted(days: Days, seen: RowsSeen) -> Extract:
        if is_down:
            raise Unavailable("down")
        for day in days:
            if day in hopeless:
                raise hopeless[day]("no")
        return Extract(days, Pull(1, dt.datetime(2026, 6, 1, tzinfo=dt.UTC)), {day: [] for day in days}, 10)

    # A night tries three days or `most` of those that are left, if nothing but failures comes of it; later the others.
    for night in range(nights_down + 2 * -(-len(missing) // min(most, BAD_DAYS_IN_A_ROW))):
        is_down = night < nights_down
        chosen = catch_up._chosen(missing, failed, most)
        assert sum(map(len, chosen)) == min(most, len(missing))
        for fetched in (each for run in chosen for each in Windows(extracted, row_cap=1000).fetched(run)):
            for day in fetched.days:
                failed.pop(day, None)
                if isinstance(fetched.outcome, Extract):
                    missing.remove(day)
                elif not isinstance(fetched.outcome, NotAsked):
                    failed[day] = next(attempts)
                    asked.add(day)
    assert missing == {*hopeless}
    assert missing <= asked


@pytest.mark.parametrize("fault", [Fault("missing_column", column="user_id", times=None), Fault("reset", times=None)])
def test_days_behind_three_that_never_come_are_loaded_by_real_runs(fault: Fault, database: str) -> None:
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        gap = Days(FIRST + DAY, FIRST + 5 * DAY)
        bad = [*gap][:3]
        assert dagster.pull(Days(FIRST, FIRST)).success
        usual = Days(gap.last + DAY, gap.last + DAY)
        assert dagster.pull(usual).success
        for day in bad:
            noon = int(_begins(day).timestamp()) + 16 * 3600  # later than the grace of the day before
            kaltura.faults.add(dataclasses.replace(fault, covers=noon))
        for _ in range(2):
            for days in catch_up.days_to_pull(instance, WarehouseResource(url=database), ACCOUNT, usual):
                dagster.pull(days)
        assert [*check.missing(connection, ACCOUNT, usual.last)] == bad
        kaltura.faults.clear()
        again = catch_up.days_to_pull(instance, WarehouseResource(url=database), ACCOUNT, usual)
        assert again == stretches(bad)
        assert all(dagster.pull(days).success for days in again)
        assert check.missing(connection, ACCOUNT, usual.last) == {}


def test_a_gap_comes_back_by_real_runs(database: str) -> None:
    """The days between two pulls, five a tick, until the warehouse holds all of them."""
    with (
        serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura,
        dg.DagsterInstance.ephemeral() as instance,
        installed(kaltura, database, instance) as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):
        last = FIRST + 11 * DAY
        assert dagster.pull(Days(FIRST, FIRST)).success
        assert dagster.pull(Days(last, last)).success
        for _ in range(2):
            for days in catch_up.days_to_pull(instance, WarehouseResource(url=database), ACCOUNT, Days(last, last), 5):
                assert dagster.pull(days).success
        assert check.missing(connection, ACCOUNT, last) == {}
        assert stretches(row[0] for row in connection.execute("SELECT partition_date FROM kaltura.loads")) == [
            Days(FIRST, last)
        ]
