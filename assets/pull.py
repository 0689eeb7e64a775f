"""The three assets, and the one function that brings their days in.

They are one `multi_asset`, one step: a day's three tables are written in one transaction, so nobody ever reads
attendees without their sessions. A run covers any number of days. Each is marked as it commits; a day that fails is
named at the end and stops none of the others.
"""

import datetime as dt
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
from pydantic import Field

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.fetch import BAD_DAYS_IN_A_ROW, Fetched, NotAsked, Windows, one_ahead
from assets.partitions import BACKFILL_POLICY, CALENDAR, SETTINGS
from assets.report import CUE_POINT_IDS, ENTRY_IDS, PARENT_ENTRY_IDS, USER_IDS, VIRTUAL_EVENT_IDS, Report
from assets.room_sessions import ROOM_SESSIONS
from assets.whole_days import Brought, Filters, bring
from resources.errors import ConfigurationError
from resources.kaltura.errors import KalturaError
from resources.kaltura.resource import Kaltura
from resources.load import Load, Provenance
from resources.postgres import Postgres
from resources.privacy import People
from resources.settings import id_list
from resources.warehouse import Warehouse

REPORTS = (ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS)
DAYS_IN_A_MESSAGE = 20


class Restrictions(dg.Config):
    """Keep to these ids, for this run; by default to the `KALTURA_*_IDS` settings. With any set, nothing is removed."""

    entry_ids: list[str] = Field(default=id_list("KALTURA_ENTRY_IDS"), description="Rooms, in reports 6000 and 6001.")
    virtual_event_ids: list[str] = Field(
        default=id_list("KALTURA_VIRTUAL_EVENT_IDS"), description="Virtual events, in all three reports."
    )
    cue_point_ids: list[str] = Field(default=id_list("KALTURA_CUE_POINT_IDS"), description="Sessions, in report 6001.")
    parent_entry_ids: list[str] = Field(
        default=id_list("KALTURA_PARENT_ENTRY_IDS"), description="Main rooms, in report 6002."
    )

    @property
    def people(self) -> list[str]:
        return id_list("KALTURA_USER_IDS")

    def filters(self) -> Filters:
        return Filters(
            {
                ENTRY_IDS: self.entry_ids,
                VIRTUAL_EVENT_IDS: self.virtual_event_ids,
                USER_IDS: self.people,
                CUE_POINT_IDS: self.cue_point_ids,
                PARENT_ENTRY_IDS: self.parent_entry_ids,
            }
        )


class RestrictionsWithPeople(Restrictions):
    user_ids: list[str] = Field(default=id_list("KALTURA_USER_IDS"), description="People, in report 6001.")

    @property
    def people(self) -> list[str]:
        return self.user_ids


class PullConfig(RestrictionsWithPeople if SETTINGS.privacy.is_full else Restrictions):  # type: ignore[misc]
    """What a run can be restricted to.

    Dagster stores a run's config before the run begins: where no ids of people are kept, it has no place for them.
    """


@dg.multi_asset(
    name="kaltura_rooms",
    specs=[report.spec for report in REPORTS],
    backfill_policy=BACKFILL_POLICY,
    pool="kaltura_api",
    can_subset=True,
)
def kaltura_rooms(
    context: dg.AssetExecutionContext, config: PullConfig, kaltura: Kaltura, warehouse: Postgres
) -> Iterator[dg.AssetCheckResult]:
    """Bring the run's days in: each day's tables together, whole, once."""
    reports = [report for report in REPORTS if report.key in context.selected_asset_keys]
    days = [dt.date.fromisoformat(key) for key in context.partition_keys]
    filters = config.filters()
    with warehouse.opened() as opened, kaltura.client() as client:
        opened.require_current_schema()
        opened.settle_privacy()
        people = opened.privacy.of_account(kaltura.account)
        run = _Run(context, reports, opened, people, filters)
        missing = run.without_loaded(days)
        windows = Windows(lambda these: bring(these, reports, client, CALENDAR, filters, people=people), client.row_cap)
        for fetched in one_ahead(windows.fetched(missing)):
            run.load(fetched)
    run.raise_for_failures()
    yield from ()


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
        self.root_run_id = context.run.root_run_id or context.run_id
        self.failed: dict[dt.date, Exception] = {}
        self.failed_loads_in_a_row = 0

    def without_loaded(self, days: Sequence[dt.date]) -> list[dt.date]:
        """The days that the run which this one retries has not loaded; the others are marked again, and left alone."""
        parent = self.context.run.parent_run_id
        parent_run = self.context.instance.get_run_by_id(parent) if parent else None
        if parent_run is None or parent_run.is_success:
            return list(days)
        loaded = self.warehouse.loaded_days(self.root_run_id, [report.table for report in self.reports])
        for day in sorted(loaded.intersection(days)):
            self.context.log.info(f"{day}: already loaded by the run that this one retries")
            for report in self.reports:
                self._mark(report, day, {"already loaded by": self.root_run_id})
        return [day for day in days if day not in loaded]

    def load(self, fetched: Fetched) -> None:
        if isinstance(fetched.outcome, Exception):
            for day in fetched.days:
                self._fail(day, fetched.outcome)
            return
        for day in fetched.days:
            self._load_day(day, fetched.outcome)

    def raise_for_failures(self) -> None:
        """Raises `dagster.Failure` with every bad day: only a run that ends failed shows them in red."""
        if not self.failed:
            return
        days = sorted(self.failed)
        lines = [f"{day}: {self.failed[day]}" for day in days[:DAYS_IN_A_MESSAGE]]
        if len(days) > DAYS_IN_A_MESSAGE:
            lines.append(f"and {len(days) - DAYS_IN_A_MESSAGE} more, up to {days[-1]}")
        raise dg.Failure(
            description=f"{len(days)} of the run's days could not be loaded; all others are.\n" + "\n".join(lines),
            metadata={"failed days": [str(day) for day in days]},
        )

    def _load_day(self, day: dt.date, brought: Brought) -> None:
        if self.failed_loads_in_a_row >= BAD_DAYS_IN_A_ROW:
            self._fail(day, NotAsked(f"not loaded, as the {BAD_DAYS_IN_A_ROW} days before it failed one after another"))
            return
        provenance = Provenance(
            partner_id=self.people.partner_id,
            pulled_at=brought.pulled_at,
            filters=self.people.filters(self.filters.active),
            run_id=self.context.run_id,
            root_run_id=self.root_run_id,
        )
        arrivals = brought.by_day[day]
        try:
            loads = self.warehouse.upsert(day, arrivals, provenance)
        except ConfigurationError as error:
            self.failed_loads_in_a_row += 1
            self._fail(day, error)
            return
        self.failed_loads_in_a_row = 0
        by_table = {load.table: load for load in loads}
        for report, arrived in zip(self.reports, arrivals, strict=True):
            window = f"{arrived.window_start:%Y-%m-%d %H:%M} to {arrived.window_end:%Y-%m-%d %H:%M} UTC"
            self._mark(report, day, {**_counts(by_table[report.table.name]), "window": window})

    def _mark(self, report: Report, day: dt.date, metadata: dict[str, int | str]) -> None:
        self.context.log_event(dg.AssetMaterialization(report.key, partition=str(day), metadata=metadata))

    def _fail(self, day: dt.date, error: Exception) -> None:
        if not isinstance(error, KalturaError | ConfigurationError | NotAsked):
            self.context.log.error("".join(traceback.format_tb(error.__traceback__)))
            error = _Unforeseen(error)
        self.failed[day] = error
        self.context.log.error(f"{day}: {error}")


class _Unforeseen(Exception):
    """An error that is none of ours. Its own text may quote a row, and rows belong in no log: where it arose is told."""

    def __init__(self, error: Exception) -> None:
        at = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f" in {Path(frame.filename).name}, line {frame.lineno}" for frame in at)
        super().__init__(f"{type(error).__name__}{where}. This is a fault of the pipeline: please report it.")


def _counts(load: Load) -> dict[str, int | str]:
    return {
        "dagster/partition_row_count": load.inserted + load.updated + load.unchanged,
        "inserted": load.inserted,
        "updated": load.updated,
        "unchanged": load.unchanged,
        "removed": load.removed,
        "received": load.received,
        "merged": load.merged,
        "rejected": load.rejected,
        "of other days": load.other_days,
        "requests": load.requests,
    }
