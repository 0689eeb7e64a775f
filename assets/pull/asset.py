"""The three assets, and the one function that brings their days in.

They are one `multi_asset`, one step: a day's three tables are written in one transaction, so nobody ever reads
attendees without their sessions. A run covers any number of days. Each is marked as it commits; a day that fails is
named at the end and stops none of the others.
"""

import datetime as dt
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Never, TypeVar

import dagster as dg
import sqlalchemy as sa
from pydantic import Field

from assets.attendees import ATTENDEES
from assets.checks import checks, missing_days
from assets.partitions import BACKFILL_POLICY, CALENDAR, SETTINGS
from assets.pull import reasons, retries, same_attempt, untried_days
from assets.pull.carried_over import CarriedOver
from assets.pull.extract import Extract, extract
from assets.pull.filters import Filters
from assets.pull.materialization import ALREADY_LOADED_BY, Metadata, metadata_of
from assets.pull.windows import BAD_DAYS_IN_A_ROW, Fetched, NotAsked, Windows, one_ahead
from assets.report import CUE_POINT_IDS, ENTRY_IDS, PARENT_ENTRY_IDS, VIRTUAL_EVENT_IDS, Report
from assets.reports import REPORTS, TABLES
from assets.room_sessions import ROOM_SESSIONS
from resources.errors import ConfigurationError
from resources.kaltura.client import Client
from resources.kaltura.clock import SAID_FROM_SECONDS, difference
from resources.kaltura.errors import KalturaError
from resources.kaltura.resource import Kaltura, account_name
from resources.kaltura.windows import Days
from resources.postgres import outages, statistics
from resources.privacy.pseudonyms import People
from resources.runtime import event_files, interrupts, memory
from resources.settings import word_list
from resources.warehouse.provenance import Provenance
from resources.warehouse.resource import WarehouseResource
from resources.warehouse.warehouse import DayLost, Warehouse, WarehouseError

_T = TypeVar("_T")

# One pool an account: what one account is asked for holds up no other that the same Dagster pulls.
POOL = f"kaltura_api_{account_name()}"
NO_ROOM = ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
NOT_LOADED = f"not loaded, as the {BAD_DAYS_IN_A_ROW} days before it failed one after another"
_NOT_SAMPLED = (
    "The planner does not know yet what was loaded into {}: this login may not ANALYZE it. Autovacuum does so a while later, "
    "and until then views may take long. From Postgres 17 on `make roles` gives kaltura_loader the right."
)
_NOT_ERASED = "Who was erased and came again is not taken out of all days yet"
_OLD_SAMPLES = "The planner's samples (pg_stats) still hold people who were taken out, until a run can take them anew"
_NOT_CHECKED = "The checks could not be done"
DAYS_CHECKED_ALONE = 30  # by a run of checks without a pull


class PullConfig(dg.Config):
    """What a run can be restricted to; by default to the `KALTURA_*_IDS` settings.

    Dagster stores a run's config before the run begins, and the defaults with it, where no erasure reaches. So it has no
    place for ids of people: those of `KALTURA_USER_IDS` are read when the run runs.
    """

    entry_ids: list[str] = Field(default=word_list("KALTURA_ENTRY_IDS"), description="Rooms, in reports 6000 and 6001.")
    virtual_event_ids: list[str] = Field(
        default=word_list("KALTURA_VIRTUAL_EVENT_IDS"), description="Virtual events, in all three reports."
    )
    cue_point_ids: list[str] = Field(
        default=word_list("KALTURA_CUE_POINT_IDS"), description="Sessions, in report 6001."
    )
    parent_entry_ids: list[str] = Field(
        default=word_list("KALTURA_PARENT_ENTRY_IDS"), description="Main rooms, in report 6002."
    )

    accept_empty: bool = Field(
        default=False,
        description="Believe that a report was empty, or minutes and counts all 0, whatever speaks against it: for days that "
        "really had nothing.",
    )

    def filters(self) -> Filters:
        return Filters(
            {
                **Filters.from_settings().ids,
                ENTRY_IDS: self.entry_ids,
                VIRTUAL_EVENT_IDS: self.virtual_event_ids,
                CUE_POINT_IDS: self.cue_point_ids,
                PARENT_ENTRY_IDS: self.parent_entry_ids,
            }
        )


@dg.multi_asset(
    name="kaltura_rooms",
    specs=[report.spec for report in REPORTS],
    backfill_policy=BACKFILL_POLICY,
    pool=POOL,
    can_subset=True,
    check_specs=checks.specs(),
)
def kaltura_rooms(
    context: dg.AssetExecutionContext, config: PullConfig, kaltura: Kaltura, warehouse: WarehouseResource
) -> Iterator[Never]:
    """Bring the run's days in: each day's tables together, whole, once. Then check them, also where days failed."""
    reports = [report for report in REPORTS if report.key in context.selected_asset_keys]
    filters = config.filters()
    memory.limit_arenas()
    untried_days.tag(context.instance, context.run, {})
    with (
        interrupts.sent_until_heard(),
        event_files.kept_open(context.instance, context.run.run_id),
        retries.classified(context),
        warehouse.opened() as opened,
        opened.loading(context.run.run_id),
        kaltura.client() as client,
    ):
        opened.require_current_schema()
        opened.require_privacy_mode()
        opened.register_listed_people(kaltura.account, TABLES)
        opened.require_timezone(kaltura.account, CALENDAR.timezone)
        people = opened.privacy.of_account(kaltura.account)
        run = _Run(context, reports, opened, people, filters)
        retries.wait_before_retry(context, kaltura.pause_scale)
        run.keep_to(Filters.from_settings())
        days = run.days()
        if reports:
            missing = run.without_loaded(days)
            run.pull(missing, client, accepts_empty=config.accept_empty)
            run.erase_who_came()
            if run.has_written and (left := opened.gather_statistics([report.table for report in reports])):
                context.log.info(_NOT_SAMPLED.format(", ".join(left)))
        run.fail_lost()
        run.check(days)
        run.raise_for_failures()
    yield from ()  # days and checks are told of one by one, as they are known


class _Run:
    """What becomes of the days: loaded and marked, or failed with a reason."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        reports: Sequence[Report],
        warehouse: Warehouse,
        people: People,
        filters: Filters,
    ) -> None:
        self.context = context
        self.reports = reports
        self.warehouse = warehouse
        self.people = people
        self.filters = filters
        self.root_run_id = context.run.root_run_id or context.run.run_id
        self.attempt = same_attempt.runs(context.instance, context.run)
        self.failed: dict[dt.date, Exception] = {}
        self.not_done: dict[str, WarehouseError] = {}
        self.reasons_said: set[str] = set()
        self.marked: set[dt.date] = set()
        self.carried_over = CarriedOver()
        self.failed_loads_in_a_row = 0
        self.has_written = False
        self.has_said_clock = False

    def keep_to(self, filters: Filters) -> None:
        """Record what the settings keep to, whatever this run is restricted to."""
        kept_to = {report.report_id: self.people.kept_to(filters.names_of(report)) for report in REPORTS}
        if lacking := self.warehouse.keep_to(self.people.partner_id, kept_to):
            self.context.log.warning(
                f"The settings KALTURA_*_IDS keep to other ids than before. {lacking:,} loads, each of a report and day, were "
                "restricted to those: their days count as missing until they are pulled again."
            )

    def days(self) -> list[dt.date]:
        """The days of the run; of one that was launched for checks alone, and so has none, the newest that are loaded.

        None from before START_DATE. In a warehouse that was emptied, those that Dagster has marked: all of them are missing,
        which a check has to tell.
        """
        if self.reports or self.context.has_partition_key or self.context.has_partition_key_range:
            return [dt.date.fromisoformat(key) for key in self.context.partition_keys]
        newest = self.warehouse.newest_day(self.people.partner_id) or missing_days.first_marked(self.context.instance)
        newest_first = (newest - dt.timedelta(days=n) for n in range(DAYS_CHECKED_ALONE)) if newest else ()
        return sorted(day for day in newest_first if day >= SETTINGS.start_date)

    def without_loaded(self, days: Sequence[dt.date]) -> list[dt.date]:
        """The days that the runs which this one retries have not loaded; the others are marked again, and left alone."""
        if self.attempt == [self.context.run.run_id]:
            return list(days)
        loaded = self._loaded_days()
        for day in sorted(loaded.keys() & set(days)):
            self.context.log.info(f"{day}: already loaded by run {loaded[day]}, which this one retries")
            for report in self.reports:
                self._mark(report, day, {ALREADY_LOADED_BY: loaded[day]})
        return [day for day in days if day not in loaded]

    def _loaded_days(self) -> dict[dt.date, str]:
        """Of this attempt, and by which of its runs."""
        tables = [report.table for report in self.reports]
        return self.warehouse.loaded_days(self.people.partner_id, self.root_run_id, self.attempt, tables)

    def against_empty(self, report: Report, days: Days, *, all_are_empty: bool) -> str:
        return self.warehouse.against_empty(
            self.people.partner_id,
            report.report_id,
            days.first,
            days.last,
            all_are_empty=all_are_empty,
            kept_to=self.people.kept_to(self.filters.names_of(report)),
        )

    def pull(self, days: Sequence[dt.date], client: Client, *, accepts_empty: bool) -> None:
        """Asks for the days, a window at a time, and loads each window while the next one is on its way.

        Once days can't be written, the rest is not asked for: Kaltura would answer for nothing.
        """
        windows = Windows(
            lambda these, seen: extract(
                these,
                self.reports,
                client,
                CALENDAR,
                self.filters,
                number=self.warehouse.next_pull(),
                people=self.people,
                against_empty=self.against_empty,
                holds_zeros=self.warehouse.zeros_of(self.people.partner_id),
                seen=seen,
                accepts_empty=accepts_empty,
            ),
            client.row_cap,
        )
        rest = sorted(days)
        with closing(one_ahead(windows.fetched(days), client.give_up)) as fetching:
            for fetched in fetching:
                self.load(fetched)
                rest = [day for day in rest if day > fetched.days.last]
                del fetched  # while the next window is waited for, this one's rows are of no more use
                memory.trim()
                if self._gives_up_loading:
                    break
        for day in rest:
            self._fail(day, NotAsked(NOT_LOADED))

    def erase_who_came(self) -> None:
        """Out of days that the run has not pulled, and out of the planner's samples, too."""
        if self._tried(lambda: self.warehouse.erase_who_came(self.people.partner_id, TABLES), _NOT_ERASED):
            self.context.log.info(
                "Somebody who had been erased came under an id not known as theirs: it is, and has gone."
            )
        if left := self._tried(self.warehouse.renew_samples, _OLD_SAMPLES):
            self.context.log.warning(statistics.told_of(left))

    def _tried(self, doing: Callable[[], _T], not_done: str) -> _T | None:
        """What it returns. Where it fails, the run has more to tell: so it goes on, and says so at its end."""
        try:
            for attempt in outages.attempts(retries.passes):
                with attempt:
                    return doing()
        except WarehouseError as error:
            self.not_done[not_done] = error
        return None

    def load(self, fetched: Fetched) -> None:
        if isinstance(fetched.outcome, Exception):
            for day in fetched.days:
                self._fail(day, fetched.outcome)
            return
        self._say_of_clock(fetched.outcome.pull.clock_ahead_seconds)
        for day in fetched.days:
            self._load_day(day, fetched.outcome)

    def _say_of_clock(self, ahead_seconds: float | None) -> None:
        if ahead_seconds is None or abs(ahead_seconds) <= SAID_FROM_SECONDS or self.has_said_clock:
            return
        self.has_said_clock = True
        self.context.log.warning(
            f"The clock of this machine is {difference(ahead_seconds)} Kaltura's. Days and windows go by Kaltura's; "
            "set the clock (NTP). From ten minutes on a run stops."
        )

    def fail_lost(self) -> None:
        """Fails the days that the run has marked and that the warehouse does not hold any more."""
        if not self.marked:
            return
        for day in sorted(self.marked - self._loaded_days().keys()):
            self._fail(day, DayLost())

    def check(self, days: Sequence[dt.date]) -> None:
        """Tells what the checks say of the days. Nothing where no day came in: then nothing has changed."""
        if not days or len(self.failed) == len(days):
            return
        for evaluation in self._tried(lambda: self._evaluations(Days(min(days), max(days))), _NOT_CHECKED) or ():
            self._tell(evaluation)

    def _evaluations(self, days: Days) -> Sequence[dg.AssetCheckEvaluation]:
        found = checks.results(
            self.context.selected_asset_check_keys,
            self.reports,
            days,
            self.people.partner_id,
            self.warehouse,
            has_all_attendees=self.filters.names_of(ATTENDEES) == self.filters.names_of(ROOM_SESSIONS),
            marked_from=missing_days.first_marked(self.context.instance),
        )
        return list(found)  # at once: those of a try that broke off are not told twice

    def raise_for_failures(self) -> None:
        """Raises `dagster.Failure` with every bad day: only a run that ends failed shows them in red.

        Also where the checks were not done, of which nobody would hear otherwise: a retry does them, and pulls nothing
        that is there.
        """
        errors: list[Exception] = [*self.failed.values()]
        told, metadata = [], {}
        untried_days.tag(self.context.instance, self.context.run, self.failed)
        if self.failed:
            days = sorted(self.failed)
            told = [reasons.headline(len(days)), *reasons.lines(self.failed)]
            metadata[reasons.FAILED_DAYS] = dg.MetadataValue.json([str(day) for day in days])
        errors += self.not_done.values()
        told += (f"{what}: {error}" for what, error in self.not_done.items())
        if errors and self.reports and not self.failed:
            told.append("All days of the run are loaded.")
        if errors:
            raise retries.failure(self.context, errors, "\n".join(told), metadata)

    @property
    def _gives_up_loading(self) -> bool:
        return self.failed_loads_in_a_row >= BAD_DAYS_IN_A_ROW

    def _load_day(self, day: dt.date, extracted: Extract) -> None:
        if self._gives_up_loading:
            self._fail(day, NotAsked(NOT_LOADED))
            return
        provenance = Provenance(
            partner_id=self.people.partner_id,
            pull=extracted.pull,
            run_id=self.context.run.run_id,
            root_run_id=self.root_run_id,
            timezone=CALENDAR.timezone,
        )
        try:
            marks = self._loaded(day, extracted, provenance)
        except Exception as error:  # whatever a day does to us, the others go on
            self.failed_loads_in_a_row += 1
            self._fail(day, error)
            return
        self.failed_loads_in_a_row = 0
        for report, metadata in marks:
            self._mark(report, day, metadata)

    def _loaded(self, day: dt.date, extracted: Extract, provenance: Provenance) -> list[tuple[Report, Metadata]]:
        """Writes the day. What its marks say of each report."""
        arrivals = self.carried_over.given_to(extracted.by_day[day])
        loads = self.warehouse.upsert(day, arrivals, provenance)
        self.carried_over.loaded(loads)
        self.has_written |= any(load.inserted or load.updated or load.removed for load in loads)
        return metadata_of(self.reports, arrivals, loads, self.filters)

    def _mark(self, report: Report, day: dt.date, metadata: Metadata) -> None:
        """Tell Dagster that the table's day is there."""
        self._tell(dg.AssetMaterialization(report.key, partition=str(day), metadata=metadata))
        self.marked.add(day)

    def _tell(self, event: dg.AssetMaterialization | dg.AssetCheckEvaluation) -> None:
        """To Dagster, whose storage may be restarting just now."""
        for attempt in outages.attempts(_is_outage):
            with attempt:
                self.context.log_event(event)

    def _fail(self, day: dt.date, error: Exception) -> None:
        if not isinstance(error, KalturaError | ConfigurationError | NotAsked):
            self.context.log.error("".join(traceback.format_tb(error.__traceback__)))
            error = retries.Unforeseen(error)
        self.failed[day] = error
        if str(error) not in self.reasons_said:  # of which other days it is true is told at the end
            self.reasons_said.add(str(error))
            self.context.log.error(f"{day}: {error}")


def _is_outage(error: Exception) -> bool:
    """Of Dagster's storage, but for a disk without room: a person has to make some.

    The second is known by name: its module takes a second to import, for Postgres alone.
    """
    if isinstance(error, sa.exc.DBAPIError):
        return getattr(error.orig, "sqlite_errorname", "") not in NO_ROOM
    return type(error).__name__ == "DagsterPostgresException"
