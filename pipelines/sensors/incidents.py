"""What is wrong now, read from Dagster's own record: days that failed to load, checks that fail, loads that are overdue.

An incident is a subject and a day. Days are told apart so that one that recovers says so, and so that the next run over
the same days does not tell the same again. Why a day failed stands in its run's events, which cost a tenth of a second a
run to read: that is done once, for days that were not told yet, and for no longer than a tick may take.
"""

import datetime as dt
import re
import time
from collections.abc import Container, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES

from assets.checks import checks
from assets.partitions import SETTINGS
from assets.pull.materialization import is_of_pull
from assets.pull.reasons import names_days, reason
from assets.reports import REPORTS
from assets.university import list_key
from pipelines.run_days import days_of
from resources.kaltura.errors import redacted
from resources.university.lists import LISTS

# How long a run may wait for its retry, and a failure for the end of its backfill, before it is told all the same.
HOLD_SECONDS = 6 * 3600
EVENTS_AT_ONCE = 2000
# Postgres numbers an event when it is written and shows it when that is committed: of runs that write at the same time, one
# may show after another with a higher number. Events are looked at again until they are so old that none can come before.
SETTLED_AFTER_SECONDS = 60
TICK_SECONDS = 5.0  # of reading; what is left is read at the next tick. The daemon cuts a tick off after 60.
REASON_LIMIT = 600  # characters

WARNING, ERROR = "warning", "error"
LOAD = "load"
_E_MAIL = re.compile(r"[^\s@<>,;:\"']+@[^\s@<>,;:\"']+\.\w+")

Day = dt.date | None  # None: not of a day


@dataclass(frozen=True)
class Incident:
    """Why a subject is bad on a day. `tables` are those concerned, `run_id` a run that found it.

    `has_rows`: an earlier run had loaded the day, and what it loaded stands.
    """

    level: str
    reason: str
    tables: tuple[str, ...]
    run_id: str = field(default="", compare=False)  # the same in a hundred runs is told once
    has_rows: bool = False


@dataclass
class Collected:
    """What one look collected.

    `red` are days whose newest attempt did not load them, or has not yet; `loaded` those that have ever been loaded. Of
    a red day that is not `bad` nothing new is known: it was told before, a run is at it, or its reason is still unread.
    Events up to `checks_until` and `runs_until` need not be looked at again; of those after, the runs in `runs_told` were.
    """

    bad: dict[str, dict[Day, Incident]] = field(default_factory=dict)
    good: dict[str, set[Day]] = field(default_factory=dict)
    red: set[Day] = field(default_factory=set)
    red_runs: set[str] = field(default_factory=set)
    loaded: set[Day] = field(default_factory=set)
    once: list[tuple[str, Incident]] = field(default_factory=list)
    checks_until: int = 0
    runs_until: int = 0
    runs_told: set[str] = field(default_factory=set)


def collect(
    instance: dg.DagsterInstance,
    checks_after: int | None,
    runs_after: int | None,
    now: float,
    told: Container[Day] = (),
    location: str | None = None,
    runs_told: Set[str] = frozenset(),
) -> Collected:
    """Everything that is bad, and what of checks and runs is new since the given events. None: since now.

    Days in `told` were told to have failed: why is not read again; nor of the runs in `runs_told`. `location`: the code
    location whose runs are looked at; the same Dagster may serve other accounts, and other projects.
    """
    found = Collected()
    newest = instance.event_log_storage.get_maximum_record_id() or 0
    if max(checks_after or 0, runs_after or 0) > newest:
        found.once.append(("the history of runs was wiped, or another one is in its place", _BEGUN_ANEW))
        checks_after, runs_after = None, 0
    reasons = _Reasons(instance, now)
    _failed_days(instance, reasons, told, found)
    _failed_runs(reasons, newest if runs_after is None else runs_after, location, runs_told, found)
    if checks_after is None:
        _latest_checks(instance, found)
        found.checks_until = newest
    else:
        _new_checks(reasons, checks_after, found)
    _overdue(instance, found)
    return found


_BEGUN_ANEW = Incident(
    WARNING, "alerts begin anew with it. What the days hold is told by `python -m pipelines status`.", ()
)


class _Reasons:
    """Runs and what they said of their days, each read once, for as long as a tick may take."""

    def __init__(self, instance: dg.DagsterInstance, now: float) -> None:
        self.instance = instance
        self.now = now
        self._until: float | None = None  # from the first reading on, so that each tick gets on by one at least
        self._is_running: dict[str, bool] = {}
        self._records: dict[str, dg.RunRecord | None] = {}
        self._texts: dict[str, str] = {}

    @property
    def are_enough(self) -> bool:
        """Whether this tick has read for long enough."""
        return self._until is not None and time.monotonic() > self._until

    def record(self, run_id: str) -> "dg.RunRecord | None":
        if run_id not in self._records:
            self._records[run_id] = self.instance.get_run_record_by_id(run_id)
        return self._records[run_id]

    def is_held(self, run_id: str) -> bool:
        """Whether more is to come: the run's retry, or the rest of its backfill."""
        record = self.record(run_id)
        if record is None or self.now - (record.end_time or self.now) > HOLD_SECONDS:
            return False
        run = record.dagster_run
        if run.is_complete_and_waiting_to_retry:
            return True
        return "dagster/backfill" in run.tags and self._goes_on(run.tags["dagster/backfill"])

    def _goes_on(self, backfill_id: str) -> bool:
        if backfill_id not in self._is_running:
            backfill = self.instance.get_backfill(backfill_id)
            self._is_running[backfill_id] = (
                backfill is not None and backfill.status not in BULK_ACTION_TERMINAL_STATUSES
            )
        return self._is_running[backfill_id]

    def of(self, run_id: str, day: Day = None) -> str:
        """What the run says of the day, or of itself."""
        if self._until is None:
            self._until = time.monotonic() + TICK_SECONDS
        if run_id not in self._texts:
            self._texts[run_id] = self._text(run_id)
        return reason(self._texts[run_id], day) or "it was killed, or could not start"

    def _text(self, run_id: str) -> str:
        for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
            for entry in self.instance.all_logs(run_id, of_type=kind):
                event = entry.get_dagster_event()
                if kind is dg.DagsterEventType.RUN_FAILURE:
                    return event.message or ""
                data = event.step_failure_data
                if data.user_failure_data and data.user_failure_data.description:
                    return str(data.user_failure_data.description)
                return data.error.message if data.error else ""
        return ""


def _failed_days(instance: dg.DagsterInstance, reasons: _Reasons, told: Container[Day], found: Collected) -> None:
    """Days whose newest attempt did not load them: those that the UI shows in red. Nothing is bad before START_DATE."""
    attempts: dict[tuple[dt.date, str], list[str]] = {}
    storage = instance.event_log_storage
    for report in REPORTS:
        newest = storage.get_latest_asset_partition_materialization_attempts_without_materializations(report.key)
        for partition, (run_id, _) in newest.items():
            attempts.setdefault((dt.date.fromisoformat(partition), run_id), []).append(report.table.name)
        found.loaded |= {dt.date.fromisoformat(day) for day in storage.get_materialized_partitions(report.key)}
    found.red = {day for day, _ in attempts}
    found.red_runs = {run_id for _, run_id in attempts}
    bad = found.bad.setdefault(LOAD, {})
    for (day, run_id), tables in sorted(attempts.items(), reverse=True):
        if day in told or day < SETTINGS.start_date:
            continue
        if reasons.are_enough:
            break
        record = reasons.record(run_id)
        if record is None or record.dagster_run.status is not dg.DagsterRunStatus.FAILURE or reasons.is_held(run_id):
            continue  # under way; or a person stopped it, and knows
        bad[day] = Incident(ERROR, said(reasons.of(run_id, day)), tuple(sorted(tables)), run_id, day in found.loaded)


def _failed_runs(reasons: _Reasons, after: int, location: str | None, told: Set[str], found: Collected) -> None:
    """Runs that failed and left no day in red, which nobody would see otherwise; those of the university's lists too.

    Where it ends early, those that were looked at before are remembered until their events are passed.
    """
    found.runs_until = after
    unpassed = set(told)
    ours = {*(report.key for report in REPORTS), *map(list_key, LISTS)}
    for event_id, entry, is_settled in _events(reasons, dg.DagsterEventType.RUN_FAILURE, after):
        run_id = entry.run_id
        record = None if reasons.are_enough else reasons.record(run_id)
        if reasons.are_enough or (record and reasons.is_held(run_id)):
            found.runs_told |= unpassed
            break
        if is_settled:
            found.runs_until = event_id
            unpassed.discard(run_id)
        else:
            found.runs_told.add(run_id)
        if run_id in told:
            continue
        if record is None or run_id in found.red_runs or not ours & set(record.dagster_run.asset_selection or ours):
            continue
        origin = record.dagster_run.remote_job_origin
        if location and origin and origin.location_name != location:  # whose runs of jobs name no assets either
            continue
        days = days_of(record.dagster_run)
        if days & found.red:
            continue  # another run was at them since, in vain: the days themselves are told
        text = reasons.of(run_id)
        if "dagster/auto_retry_run_id" not in record.dagster_run.tags and not names_days(text):
            are_in = " All its days are in now." if days and days <= found.loaded else ""
            found.once.append(("a run failed", Incident(ERROR, said(text) + are_in, (), run_id)))


def _latest_checks(instance: dg.DagsterInstance, found: Collected) -> None:
    keys = [spec.key for spec in checks.specs()]
    for record in instance.event_log_storage.get_latest_asset_check_execution_by_key(keys).values():
        if record.event and record.event.dagster_event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            _judge(record.event.get_dagster_event().asset_check_evaluation_data, record.run_id, found)


def _new_checks(reasons: _Reasons, after: int, found: Collected) -> None:
    """What was evaluated since. To judge an evaluation once more, with all that followed it, changes nothing."""
    found.checks_until = after
    ours = {spec.key for spec in checks.specs()}
    for event_id, entry, is_settled in _events(reasons, dg.DagsterEventType.ASSET_CHECK_EVALUATION, after):
        if reasons.is_held(entry.run_id):
            break
        if is_settled:
            found.checks_until = event_id
        evaluation = entry.get_dagster_event().asset_check_evaluation_data
        if evaluation.asset_check_key in ours:
            _judge(evaluation, entry.run_id, found)


def _judge(evaluation: "dg.AssetCheckEvaluation", run_id: str, found: Collected) -> None:
    """What one evaluation says of each of its days. A later one of the same days overrides it.

    One that could not be done says nothing of any day: what was bad is bad still.
    """
    table, metadata = evaluation.asset_key.path[-1], evaluation.metadata
    if checks.FIRST_DAY not in metadata:
        return
    subject = f"{evaluation.check_name} of {table}"
    first, last = (dt.date.fromisoformat(str(metadata[name].value)) for name in (checks.FIRST_DAY, checks.LAST_DAY))
    bad, good = found.bad.setdefault(subject, {}), found.good.setdefault(subject, set())
    level = ERROR if evaluation.severity is dg.AssetCheckSeverity.ERROR else WARNING
    incident = Incident(level, said(evaluation.description or ""), (table,), run_id)
    undone = f"{subject} could not be done"
    if checks.NOT_DONE in metadata:
        found.bad.setdefault(undone, {})[None] = incident
        return
    found.bad.setdefault(undone, {}).pop(None, None)
    found.good[undone] = {None}
    for n in range((last - first).days + 1):
        day = first + dt.timedelta(days=n)
        bad.pop(day, None)
        good.add(day)
    if evaluation.passed:
        return
    for text in _list(metadata, checks.BAD_DAYS) or [str(last)]:
        day = dt.date.fromisoformat(text)
        good.discard(day)
        bad[day] = incident


def _list(metadata: Mapping[str, dg.MetadataValue], name: str) -> Sequence[str]:
    value = metadata[name].value if name in metadata else None
    return [str(each) for each in value] if isinstance(value, list) else []


def _overdue(instance: dg.DagsterInstance, found: Collected) -> None:
    """Assets that nothing was loaded into for longer than their freshness policy allows.

    Dagster goes by the newest mark's time. Where that mark stands for no pull, nothing new is known: what was told stands.
    """
    states = instance.get_freshness_state_records([report.key for report in REPORTS])
    for report in REPORTS:
        state = states[report.key].freshness_state if report.key in states else FreshnessState.UNKNOWN
        subject = f"{report.table.name} is overdue"
        found.bad[subject] = {}
        if state in (FreshnessState.WARN, FreshnessState.FAIL):
            level = ERROR if state is FreshnessState.FAIL else WARNING
            why = "nothing was loaded for over a day. See whether the schedule daily_pull is on, and whether its runs start."
            found.bad[subject][None] = Incident(level, why, (report.table.name,))
        elif _is_newest_of_pull(instance, report.key):
            found.good[subject] = {None}


def _is_newest_of_pull(instance: dg.DagsterInstance, key: dg.AssetKey) -> bool:
    newest = instance.fetch_materializations(key, limit=1).records
    return all(is_of_pull(record.asset_materialization) for record in newest if record.asset_materialization)


def _events(reasons: _Reasons, kind: dg.DagsterEventType, after: int) -> Iterator[tuple[int, dg.EventLogEntry, bool]]:
    """Those of all runs with their ids, in order, and of each whether it need not be looked at again."""
    entries = reasons.instance.event_log_storage.get_logs_for_all_runs_by_log_id(
        after, dagster_event_type=kind, limit=EVENTS_AT_ONCE
    )
    is_settled = True
    for event_id, entry in sorted(entries.items()):
        is_settled = is_settled and reasons.now - entry.timestamp > SETTLED_AFTER_SECONDS
        yield event_id, entry, is_settled


def said(text: str) -> str:
    """The text's first line, fit to leave the house: no token, no address of a person, not too long."""
    line = _E_MAIL.sub("[address]", redacted(text.strip().split("\n", 1)[0]))
    return line if len(line) <= REASON_LIMIT else f"{line[:REASON_LIMIT]} ..."
