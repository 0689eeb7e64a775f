"""What alerts say of a day, over histories of runs, deliveries that fail and recoveries: never what is not so."""

import datetime as dt
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    StepMaterializationData,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.partitions import SETTINGS
from assets.pull.reasons import headline
from assets.reports import REPORTS
from pipelines.sensors import alerts, incidents
from pipelines.sensors.alerts import AlertState, digest
from pipelines.sensors.incidents import collect

FIRST = dt.date(2026, 3, 2)
WEEK = 6  # days of a history
HOUR = 3600


class History:
    """Runs that are only recorded, in a Dagster that lives in memory, and what has been told of them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None
        self.now = time.time()
        self.truth: dict[dt.date, bool] = {}  # whether the newest run of a day loaded it
        self.rows: set[dt.date] = set()

    def run(self, first: int, last: int, good: set[int], ends: dg.DagsterRunStatus, refused: bool = False) -> str:
        days = [FIRST + dt.timedelta(days=n) for n in range(first, last + 1)]
        run = dg.DagsterRun(
            "__ASSET_JOB",
            str(uuid.uuid4()),
            status=dg.DagsterRunStatus.STARTED,
            asset_selection=frozenset(report.key for report in REPORTS),
            tags={
                "dagster/asset_partition_range_start": str(days[0]),
                "dagster/asset_partition_range_end": str(days[-1]),
            },
        )
        self.instance.add_run(run)
        for day in days:
            for report in REPORTS:
                planned = AssetMaterializationPlannedData(report.key, partition=str(day))
                self._event(run, DagsterEvent.build_asset_materialization_planned_event(run.job_name, "s", planned))
        for day in days:
            if (day - FIRST).days in good:
                self._mark(run, day)
                self.rows.add(day)
            self.truth[day] = (day - FIRST).days in good
        bad = [day for day in days if not self.truth[day]]
        why = "Kaltura refuses" if refused else "\n".join([headline(len(bad)), *map(str, bad)])
        if ends is dg.DagsterRunStatus.FAILURE:
            self.instance.report_run_failed(run, why)
        elif ends is dg.DagsterRunStatus.CANCELED:
            self.instance.report_run_canceled(run)
        else:
            self._event(run, DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name))
        return run.run_id

    def tick(self, *, arrives: bool = True, hours: float = 1) -> Sequence[str]:
        """The lines that were delivered."""
        self.now += hours * HOUR
        told = AlertState.read(self.cursor)
        found = collect(self.instance, told.checks_until, told.runs_until, self.now, told.failed_days())
        what, after = digest(found, told, int(self.now))
        if what and not arrives:
            return []
        self.cursor = after.written()
        return what.lines("")

    def _mark(self, run: dg.DagsterRun, day: dt.date) -> None:
        for report in REPORTS:
            data = StepMaterializationData(dg.AssetMaterialization(report.key, partition=str(day)))
            self._event(run, DagsterEvent("ASSET_MATERIALIZATION", run.job_name, event_specific_data=data))

    def _event(self, run: dg.DagsterRun, event: DagsterEvent) -> None:
        self.instance.report_dagster_event(event, run.run_id)


@pytest.fixture
def history() -> Iterator[History]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield History(instance)


def days_in(line: str) -> set[dt.date]:
    found: set[dt.date] = set()
    for first, _, last in re.findall(r"(\d{4}-\d\d-\d\d)( to (\d{4}-\d\d-\d\d))?", line.split(":", 2)[1]):
        start, end = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
        found |= {start + dt.timedelta(days=n) for n in range((end - start).days + 1)}
    return found


ENDS = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
a_run = st.tuples(
    st.integers(0, WEEK - 1),
    st.integers(0, WEEK - 1),
    st.sets(st.integers(0, WEEK - 1)),
    st.sampled_from(ENDS),
    st.booleans(),
)
a_tick = st.tuples(st.booleans(), st.sampled_from([0.5, 1.0, 25.0]))


@pytest.mark.deep
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(a_run | a_tick, max_size=12))
def test_a_message_says_of_a_day_only_what_is_so_at_that_moment(steps: list[Any]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        history = History(instance)
        history.tick()
        told: set[dt.date] = set()
        for step in [*steps, (True, 1.0), (True, 7.0)]:
            if len(step) == 2:
                lines = history.tick(arrives=step[0], hours=step[1])
                _agrees(lines, history, told)
                continue
            one, other, good, ends, refused = step
            first, last = min(one, other), max(one, other)
            every = set(range(first, last + 1))
            loaded = every if ends is dg.DagsterRunStatus.SUCCESS else good
            if ends is dg.DagsterRunStatus.FAILURE and loaded >= every:
                refused = True  # all its days are in, and it failed all the same
            history.run(first, last, loaded, ends, refused)
        assert {day for day in told if history.truth[day]} == set()  # who is in again has been told so


def _agrees(lines: Sequence[str], history: History, told: set[dt.date]) -> None:
    for line in lines:
        days = days_in(line)
        if line.startswith("RECOVERED: not loaded"):
            assert all(history.truth[day] for day in days), line
            assert days <= told, line
            told -= days
        elif ": not loaded, " in line:
            assert not days & history.rows, line
            told |= days
        elif ": not pulled again, " in line:
            assert days <= history.rows, line
            assert not any(history.truth[day] for day in days), line
            told |= days
        elif "All its days are in now" in line:
            assert any(history.truth.values()), line


def test_days_that_failed_in_two_runs_between_two_deliveries_are_not_said_to_be_in(history: History) -> None:
    history.tick()
    history.run(0, 2, set(), dg.DagsterRunStatus.FAILURE, refused=True)
    assert history.tick(arrives=False) == []
    history.run(0, 2, set(), dg.DagsterRunStatus.FAILURE, refused=True)
    lines = history.tick()
    assert len(lines) == 1
    assert lines[0].startswith("ERROR: not loaded, 2026-03-02 to 2026-03-04")


def test_a_day_that_a_later_run_was_stopped_at_is_not_said_to_have_recovered(history: History) -> None:
    history.tick()
    history.run(0, 0, set(), dg.DagsterRunStatus.FAILURE)
    assert history.tick()
    history.run(0, 0, set(), dg.DagsterRunStatus.CANCELED)
    assert history.tick() == []
    history.run(0, 0, {0}, dg.DagsterRunStatus.SUCCESS)
    assert history.tick() == ["RECOVERED: not loaded, 2026-03-02"]


@pytest.mark.parametrize("is_red", [False, True], ids=["its Monday is loaded", "its Monday is red"])
def test_a_weeks_report_that_failed_is_told_whatever_its_monday_holds_and_says_nothing_of_days(
    history: History, is_red: bool
) -> None:
    """A schedule's run names no assets, and its partition, a Monday, reads like a day."""
    history.run(0, 6, {*range(1 if is_red else 0, 7)}, dg.DagsterRunStatus.FAILURE)
    history.tick()
    report = dg.DagsterRun(
        "__anonymous_asset_job_weekly_report",
        str(uuid.uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": str(FIRST)},
    )
    history.instance.add_run(report)
    history.instance.report_run_failed(report, "REPORT_DIR can't be written to")
    assert history.tick() == ["ERROR: a run failed: REPORT_DIR can't be written to"]


def test_a_cursor_beyond_the_newest_event_is_begun_anew_and_said_and_nothing_is_said_to_have_recovered(
    history: History,
) -> None:
    history.run(0, 2, set(), dg.DagsterRunStatus.FAILURE)
    history.tick()
    history.instance.wipe()
    [line] = history.tick()
    assert "was wiped" in line
    assert history.tick() == []
    history.run(3, 3, {3}, dg.DagsterRunStatus.FAILURE, refused=True)
    [again] = history.tick()
    assert again.startswith("ERROR: a run failed: Kaltura refuses")


@pytest.mark.deep
def test_a_thousand_red_runs_are_one_line_and_once_told_cost_no_reading(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 200 runs here: what is counted are the runs whose events are read."""
    history.tick()
    for _ in range(200):
        history.run(0, 0, set(), dg.DagsterRunStatus.FAILURE, refused=True)
    for number in range(1, 60):
        history.run(number, number, set(), dg.DagsterRunStatus.FAILURE, refused=True)
    read: list[str] = []
    text = incidents._Reasons._text
    monkeypatch.setattr(incidents._Reasons, "_text", lambda self, run_id: read.append(run_id) or text(self, run_id))
    [line] = history.tick()
    assert line.startswith("ERROR: not loaded, 2026-03-02 to 2026-04-30")
    assert len(read) == 60
    read.clear()
    assert history.tick() == []
    assert read == []


def test_a_tick_reads_for_as_long_as_it_may_and_the_rest_is_told_next_time(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.tick()
    for number in range(12):
        history.run(number, number, set(), dg.DagsterRunStatus.FAILURE, refused=True)
    spent = iter(range(1_000_000))
    monkeypatch.setattr(incidents.time, "monotonic", lambda: next(spent))  # each look at the clock takes a second
    ticks = [history.tick() for _ in range(6)]
    assert len([lines for lines in ticks if lines]) > 1
    told = set().union(*(days_in(line) for lines in ticks for line in lines))
    assert told == {FIRST + dt.timedelta(days=n) for n in range(12)}


@pytest.mark.parametrize("is_told_before", [True, False])
def test_a_day_that_never_loads_is_spoken_of_no_more_once_start_date_is_after_it(
    is_told_before: bool, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing would ever end it: no pull asks for such a day. The days after START_DATE are told as before."""
    history.run(0, 3, {1, 2}, dg.DagsterRunStatus.FAILURE)
    if is_told_before:
        history.tick()
    _start_on(FIRST + dt.timedelta(days=2), monkeypatch)
    lines = [*history.tick(hours=25), *history.tick(hours=25)]
    assert lines
    assert {day for line in lines for day in days_in(line)} == {FIRST + dt.timedelta(days=3)}
    history.run(3, 3, {3}, dg.DagsterRunStatus.SUCCESS)
    assert [line.split(":")[0] for line in history.tick()] == ["RECOVERED"]
    assert history.tick(hours=50) == []


@pytest.mark.parametrize(
    ("check", "is_dropped"), [("figures_in_range of attendees", True), ("recent_events of attendees", False)]
)
def test_a_failing_check_is_spoken_of_no_more_once_start_date_is_after_its_days_but_a_silence_that_goes_on_is(
    check: str, is_dropped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silence stands for its first day, which may lie before START_DATE while it goes on after it."""
    bad = incidents.Incident(incidents.ERROR, "no", ("attendees",))
    found = incidents.Collected(bad={check: {FIRST: bad}})
    what, told = digest(found, AlertState(), 0)
    assert what.new
    _start_on(FIRST + dt.timedelta(days=1), monkeypatch)
    what, after = digest(incidents.Collected(), told, 30 * HOUR)
    assert not what
    assert (FIRST in after.at[check]) is not is_dropped
    what, _ = digest(found, AlertState(), 30 * HOUR)
    assert bool(what) is not is_dropped


def _start_on(day: dt.date, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (alerts, incidents):
        monkeypatch.setattr(module, "SETTINGS", replace(SETTINGS, start_date=day), raising=False)
