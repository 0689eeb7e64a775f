"""One backfill after another, each with one thing going wrong, and what each came to against the undisturbed one.

Everything is real but the account and the clock of the pauses: Dagster runs the assets in this process, the stand-in
answers over HTTP, the tables are in a Postgres. The client's pauses between tries are left out and added up instead,
from its own constants.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import psycopg
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from assets.partitions import CALENDAR
from assets.pull.asset import kaltura_rooms
from assets.pull.extract import extract
from assets.pull.filters import Filters
from assets.pull.windows import FIRST_WINDOW_DAYS
from assets.report import Report
from assets.reports import REPORTS
from assets.room_sessions import ROOM_SESSIONS
from pipelines.range_tags import range_tags
from resources.kaltura import client
from resources.kaltura.complete import FULLNESS
from resources.kaltura.errors import SessionInvalid
from resources.kaltura.resource import Kaltura
from resources.kaltura.windows import Days
from resources.warehouse.resource import WarehouseResource
from simulator import DEMO, Breakout, Fault, ListedWorld, Running, Session, University, User, View

MONDAY = dt.date(2026, 3, 2)
DAYS = [MONDAY + dt.timedelta(days=number) for number in range(12)]
ROOMS = 4
HOUR_SECONDS = 3600
LONG_AFTER = dt.timedelta(days=60)

# The backfill's windows have 7, 4 and 1 days, as the cap leaves room for no more. Its places are the last day of each.
PLACES = {"start": DAYS[6], "middle": DAYS[10], "end": DAYS[11]}
CAP_OVER_FIRST_WINDOW = 0.63 / FULLNESS
CAP_THAT_IS_REACHED = 0.93  # of the first window's rows: the windows of 6001 that hold the places come to it once each
LONG_MEETING_HOURS = 24

TABLES = ("room_sessions", "attendees", "breakout_sessions")
BOOKKEEPING = ("loads", "changes", "rejects")


@dataclass(frozen=True)
class Trouble:
    """What goes wrong: once, or at every request that holds the day until somebody mends it."""

    name: str
    kind: str
    lasting: bool = False
    min_rows: int | None = None
    filtered: bool | None = None
    reaches_cap: bool = False  # the backfill meets the cap: a lower one would cost days by itself, as no session fits

    def fault(self, report: Report, day: dt.date) -> Fault:
        return Fault(
            self.kind,  # type: ignore[arg-type]
            times=None if self.lasting else 1,
            report_id=report.report_id,
            covers=_evening(day),
            min_rows=self.min_rows,
            filtered=self.filtered,
            column=report.table.columns[-1].name,
            seconds=0.05,
        )


TROUBLES = (
    Trouble("rate limit (`ACTION_BLOCKED`), once", "rate_limit"),
    Trouble("timeout (`DRUID_QUERY_TIMED_OUT`), once", "timeout"),
    Trouble("timeout once the rows are counted, once", "timeout_rows", min_rows=1),
    Trouble("timeout of every request without ids", "timeout", lasting=True, filtered=False),
    Trouble("bad gateway (HTTP 502), once", "bad_gateway"),
    Trouble("bad gateway, until mended", "bad_gateway", lasting=True),
    Trouble("HTML page in place of the report, once", "html"),
    Trouble("connection reset, once", "reset"),
    Trouble("zero bytes, once", "zero_bytes"),
    Trouble("body shorter than announced, once", "short_body"),
    Trouble("empty report, as the store could not be read, once", "unreadable_store"),
    Trouble("count at the cap lost, so that the report is empty, once", "count_lost", reaches_cap=True),
    Trouble("expired KS, once", "expired_ks"),
    Trouble("KS refused, and echoed in the error, once", "echoed_ks"),
    Trouble("KS refused, and echoed in the error, until mended", "echoed_ks", lasting=True),
    Trouble("`INTERNAL_SERVERL_ERROR`, once", "internal_error"),
    Trouble("`INTERNAL_SERVERL_ERROR`, until mended", "internal_error", lasting=True),
    Trouble("`INTERNAL_DATABASE_ERROR`, once", "database_error"),
    Trouble("`REPORT_NOT_FOUND`, until mended", "report_not_found", lasting=True),
    Trouble("`SERVICE_FORBIDDEN`, until mended", "service_forbidden", lasting=True),
    Trouble("slow reply, once", "slow"),
    Trouble("filter ignored, once", "ignore_filters", filtered=True),
    Trouble("filter ignored, until mended", "ignore_filters", lasting=True, filtered=True),
    Trouble("column missing, once", "missing_column"),
    Trouble("column missing, until mended", "missing_column", lasting=True),
)


@dataclass(frozen=True)
class Case:
    """One backfill to be disturbed."""

    trouble: Trouble
    report: Report
    place: str

    @property
    def fault(self) -> Fault:
        return self.trouble.fault(self.report, PLACES[self.place])


CASES = [Case(trouble, report, place) for trouble in TROUBLES for report in REPORTS for place in PLACES]


@dataclass(frozen=True)
class Outcome:
    """What came of it. `red` days are those that the run left without a mark; a retry after mending is asked for them.

    `requests` are those of the run beyond the undisturbed one's, tries and session tokens included; `pauses` the least
    and the most seconds that it would have waited. `lost` and `twice` are rows: of the undisturbed tables that are not
    there, figures and all, and of these tables that are not among the undisturbed.
    """

    red: int
    red_after_retry: int
    retried: int
    requests: int
    pauses: tuple[float, float]
    lost: int
    twice: int


@dataclass
class Backfills:
    """An account, a warehouse and the undisturbed backfill that all others are compared with."""

    kaltura: Running
    url: str
    undisturbed: Counter[tuple[dt.date, str]] = field(default_factory=Counter)
    most_rows: int = 0
    _usual_requests: dict[int, int] = field(default_factory=dict)
    _pauses: list[tuple[float, float]] = field(default_factory=list)

    def prepare(self) -> None:
        """Learn how many rows the first window has, and run undisturbed with the windows that follow from a cap there."""
        self.kaltura.world = campus()
        self.kaltura.now = dt.datetime.combine(DAYS[-1] + LONG_AFTER, dt.time(), dt.UTC).timestamp()
        first = Days(DAYS[0], DAYS[FIRST_WINDOW_DAYS - 1])
        with account(self.kaltura.base_url, self.kaltura.row_cap).client() as asking:
            came = extract(first, REPORTS, asking, CALENDAR, Filters({}), number=1)
        self.most_rows = round(came.rows_a_day * len(first))
        self.kaltura.row_cap = int(CAP_OVER_FIRST_WINDOW * self.most_rows)
        with self._instance() as instance:
            red = self._run(instance)
        asked = [request for request in self.kaltura.requests if request.report_id == ROOM_SESSIONS.report_id]
        windows = sum("entry_ids" not in request.params for request in asked)
        if red or windows != len(PLACES) or len(asked) != 2 * windows:
            raise RuntimeError(f"undisturbed it is {windows} windows, {len(asked)} requests, {len(red)} red days")
        self.undisturbed = self._rows()
        self._usual_requests[self.kaltura.row_cap] = self._requests()

    def usual_requests(self) -> int:
        """Of the undisturbed backfill, at the cap of now."""
        cap = self.kaltura.row_cap
        if cap not in self._usual_requests:
            with self._instance() as instance:
                red = self._run(instance)
                self._usual_requests[cap] = self._requests()
            if red or self._differences(without=red) != (0, 0):
                raise RuntimeError(f"undisturbed it comes to other tables with a cap of {cap}")
        return self._usual_requests[cap]

    def outcome(self, case: Case) -> Outcome:
        """Run with the case's fault; where days are red, mend it and re-execute the run as its user would."""
        share = CAP_THAT_IS_REACHED if case.trouble.reaches_cap else CAP_OVER_FIRST_WINDOW
        self.kaltura.row_cap = int(share * self.most_rows)
        usual_requests = self.usual_requests()
        with self._instance() as instance:
            self.kaltura.faults.add(case.fault)
            red = self._run(instance)
            requests, pauses = self._requests() - usual_requests, list(self._pauses)
            self.kaltura.faults.clear()
            lost, twice = self._differences(without=red)
            loads = self._loads()
            still_red = self._run(instance, again=True) if red else red
            retried = (self._loads() - loads) // len(REPORTS)
            lost_at_last, twice_at_last = self._differences(without=set())
        return Outcome(
            red=len(red),
            red_after_retry=len(still_red),
            retried=retried,
            requests=requests,
            pauses=(sum(least for least, _ in pauses), sum(most for _, most in pauses)),
            lost=lost + lost_at_last,
            twice=twice + twice_at_last,
        )

    @property
    def _job(self) -> Any:
        arguments: tuple[Any, ...] = (self.kaltura.base_url, self.url, self.kaltura.row_cap)
        return dg.build_reconstructable_job("bench.fault_runs", backfill.__name__, arguments)

    @contextmanager
    def _instance(self) -> Iterator[dg.DagsterInstance]:
        """A history of runs, and tables, that are empty."""
        self.kaltura.faults.clear()
        with psycopg.connect(self.url) as connection:
            connection.execute(f"TRUNCATE {', '.join(f'kaltura.{name}' for name in (*TABLES, *BOOKKEEPING))}".encode())
        hooks = get_on_retry_hooks()
        set_on_retry_hooks([self._note_pause])
        logging.getLogger("kaltura").setLevel(logging.CRITICAL)
        try:
            with dg.DagsterInstance.ephemeral() as instance:
                yield instance
        finally:
            logging.getLogger("kaltura").setLevel(logging.NOTSET)
            set_on_retry_hooks(hooks)

    def _run(self, instance: dg.DagsterInstance, *, again: bool = False) -> set[dt.date]:
        """The days that are not materialized after the run, or after the retry of the instance's run."""
        self._pauses.clear()
        self.kaltura.requests.clear()
        self.kaltura.session_calls.clear()
        parent = instance.get_runs(limit=1)[0].run_id if again else None
        result = dg.execute_job(
            self._job,
            instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags=range_tags(DAYS[0], DAYS[-1]),
            reexecution_options=dg.ReexecutionOptions.from_failure(parent, instance) if parent else None,
        )
        marked = [instance.get_materialized_partitions(report.key) for report in REPORTS]
        red = {day for day in DAYS if not all(str(day) in days for days in marked)}
        if result.success == bool(red):
            raise RuntimeError(f"the run {'succeeded' if result.success else 'failed'}, and {len(red)} days are red")
        return red

    def _rows(self) -> Counter[tuple[dt.date, str]]:
        """Every row of the three tables with its day; bookkeeping, which differs between any two loads, left out."""
        bookkeeping = "ARRAY['load_id', 'first_loaded_at', 'changed_at', 'window_start', 'window_end']"
        selects = [f"SELECT partition_date, (to_jsonb(t) - {bookkeeping})::text FROM kaltura.{t} AS t" for t in TABLES]
        with psycopg.connect(self.url) as connection:
            return Counter(connection.execute(" UNION ALL ".join(selects).encode()).fetchall())

    def _differences(self, *, without: set[dt.date]) -> tuple[int, int]:
        """Rows lost and rows too many, on all other days. A red day's rows count as too many where there are any."""
        rows = self._rows()
        wanted = Counter({row: count for row, count in self.undisturbed.items() if row[0] not in without})
        return (wanted - rows).total(), (rows - wanted).total()

    def _requests(self) -> int:
        return len(self.kaltura.requests) + len(self.kaltura.session_calls)

    def _loads(self) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute("SELECT count(*) FROM kaltura.loads").fetchone()
        return int(row[0]) if row else 0

    def _note_pause(self, details: RetryDetails) -> None:
        if not isinstance(details.caused_by, SessionInvalid):
            self._pauses.append(client.pause_bounds(details.caused_by, details.retry_num - 1))


def backfill(base_url: str, database_url: str, row_cap: int) -> dg.JobDefinition:
    """The job of the three assets, for an account and a warehouse."""
    job = dg.define_asset_job("backfill", selection=[report.key for report in REPORTS])
    resources = {"kaltura": account(base_url, row_cap), "warehouse": WarehouseResource(url=database_url)}
    defs = dg.Definitions(assets=[kaltura_rooms], jobs=[job], resources=resources, executor=dg.in_process_executor)
    return defs.resolve_job_def("backfill")


def account(base_url: str, row_cap: int) -> Kaltura:
    """The stand-in's account, asked without pauses between tries."""
    return Kaltura(
        base_url=base_url,
        partner_id=str(DEMO.partner_id),
        app_token_id=DEMO.app_token_id,
        app_token=DEMO.app_token,
        row_cap=row_cap,
        pause_scale=0,
    )


def campus() -> ListedWorld:
    """A small university's two weeks. On the day of each place a meeting begins that outlasts the day's window."""
    university = University(seed=11, timezone="UTC", rooms=ROOMS)
    activity = university.between(_evening(DAYS[0] - dt.timedelta(days=2)), _evening(DAYS[-1] + dt.timedelta(days=2)))
    sessions, breakouts, views = list(activity.sessions), list(activity.breakouts), list(activity.viewing.views())
    for number, day in enumerate(PLACES.values()):
        start = _evening(day) - 3 * HOUR_SECONDS
        end = start + LONG_MEETING_HOURS * HOUR_SECONDS
        main, group, cue = f"1_long{number}", f"1_group{number}", f"1_cue{number}"
        sessions += [
            Session(main, "A long meeting", "", cue, start, end, "host"),
            Session(group, "Its group", main, f"{cue}g", start, end, "host"),
        ]
        breakouts.append(Breakout(main, "A long meeting", group, "Its group", f"{cue}g", "host", start, end))
        for nth, (entry, cue_point) in enumerate(((main, cue), (group, f"{cue}g"))):
            user = User(90_000 + nth, f"guest{nth}", "Invented Guest", "", "Guest")
            views += [
                View(entry, cue_point, user, start, start + HOUR_SECONDS),
                View(entry, cue_point, user, end - HOUR_SECONDS, end),
            ]
    return ListedWorld(sessions, breakouts, views)


def _evening(day: dt.date) -> int:
    """A moment that only windows of this day, or of days around it, hold: the grace of the day before is over."""
    return int(dt.datetime.combine(day, dt.time(18), dt.UTC).timestamp())
