"""What a report is to us: a source at Kaltura, a table in Postgres and an asset in Dagster, described in one place.

Column lists, required headers, parsing, the frame's schema, the asset's column schema and its metadata are derived here
from the `Table` that each asset's own file declares.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import dagster as dg
import pandera.pandas as pa

from assets.code_references import written_in
from assets.partitions import PARTITIONS, SETTINGS
from resources.kaltura.query import Filter, Source
from resources.privacy.pseudonyms import PEOPLE_FILTER
from resources.table import Column, Kind, Table

GROUP = "kaltura_rooms"

# By how long ago the last load was, whatever it loaded: the check recent_events judges what happened in it.
# The schedule loads every 24 hours, and a pull of some days takes minutes: one night missed warns, two are an error.
FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=dt.timedelta(hours=30), fail_window=dt.timedelta(hours=54))
OWNERS = ["team:data-engineering"]

ENTRY_IDS = "entry_ids"
VIRTUAL_EVENT_IDS = "virtual_event_ids"
USER_IDS = PEOPLE_FILTER
CUE_POINT_IDS = "cue_point_ids"
PARENT_ENTRY_IDS = "parent_entry_ids"


def asset_key(name: str, schema: str = "kaltura") -> dg.AssetKey:
    """An asset's key, behind `ASSET_PREFIX` where it is set.

    Dagster marks a day by the asset's key alone, whatever code location it comes from: of two accounts in one Dagster
    each needs keys of its own, or a day that one has loaded is green for the other too.
    """
    return dg.AssetKey([*filter(None, [SETTINGS.asset_prefix]), schema, name])


def source_key(report_id: int) -> dg.AssetKey:
    """Of Kaltura's report itself, as it stands above its table in the lineage."""
    return asset_key(f"report_{report_id}", "kaltura_api")


@dataclass(frozen=True)
class Report:
    """One of Kaltura's Room reports. `filters` maps a setting's name to the report's own filter.

    `dated_by`: the report that lists the sessions of these rows, which have no time of their own: a row belongs to the day
    on which its session starts. Where it is None, a row carries its start itself.

    `drawn_from`: this report finds the rows of that one and keeps some of them, once the server's cap was applied. So a
    reply that was cut can be shorter than the cap.
    """

    table: Table
    split_by: Filter
    filters: dict[str, Filter]
    title: str
    lineage: tuple[str, ...] = ()
    dated_by: "Report | None" = None
    drawn_from: "Report | None" = None

    def __post_init__(self) -> None:
        times = self.table if self.dated_by is None else self.dated_by.table
        if missing := {"session_start_time", "session_end_time", "cue_point_id"}.difference(times.column_names):
            raise ValueError(f"{times.name}: nothing tells the day of a row of {self.table.name}: {sorted(missing)}")

    @property
    def report_id(self) -> int:
        return self.table.report_id

    @cached_property
    def source(self) -> Source:
        columns = self.table.columns
        return Source(
            report_id=self.table.report_id,
            columns=self.table.required_columns,
            personal_columns=self.table.personal_columns,
            one_line=frozenset(c.name for c in columns if c.is_one_line or c.name in self.table.key),
            split_by=self.split_by,
            filters=tuple(self.filters.values()),
            may_be_thinned=self.drawn_from is not None,
            unknown_is_useless=any(c.name == self.split_by.column and not c.nullable for c in columns),
            never_all_0=self.table.never_all_0,
        )

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """The frame that may be written: types, ranges, nulls."""
        return pa.DataFrameSchema(
            {column.name: _frame_column(column) for column in self.table.columns},
            strict=False,
            name=self.table.name,
        )

    @property
    def key(self) -> dg.AssetKey:
        return asset_key(self.table.name)

    def _shown(self, column: Column) -> dg.TableColumn:
        """As the UI shows it. Tags say what it is for a person and for the key, as descriptions say what it measures."""
        tags = {
            "key": column.name in self.table.key,
            "personal": column.personal,
            "person_id": column.person,
        }
        return dg.TableColumn(
            column.name,
            column.kind.sql,
            column.description,
            dg.TableColumnConstraints(nullable=column.nullable, unique=False),
            {name: "" for name, holds in tags.items() if holds},
        )

    @cached_property
    def spec(self) -> dg.AssetSpec:
        return dg.AssetSpec(
            key=self.key,
            deps=[source_key(self.report_id), *(asset_key(name) for name in self.lineage)],
            description=self.table.description,
            group_name=GROUP,
            kinds={"postgres", "pandas", "kaltura"},
            owners=OWNERS,
            partitions_def=PARTITIONS,
            skippable=True,
            freshness_policy=FRESHNESS,
            metadata={
                **written_in(f"assets/{self.table.name}.py"),
                "dagster/table_name": f"kaltura.{self.table.name}",
                "dagster/column_schema": dg.TableSchema(columns=[self._shown(c) for c in self.table.columns]),
                "dagster/column_lineage": dg.TableColumnLineage(
                    {c.name: [dg.TableColumnDep(source_key(self.report_id), c.name)] for c in self.table.columns}
                ),
                "kaltura/report": f"{self.report_id} ({self.title})",
                "key": ", ".join(("partner_id", *self.table.key)),
            },
        )


def _frame_column(column: Column) -> pa.Column:
    least, most = column.kind.bounds
    checks = []
    if least is not None and most is not None:
        words = f"is not a {column.kind.name.lower()} from {least:.0f} to {most:.0f}"
        checks = [pa.Check.in_range(least, most, error=words)]
    elif least is not None:
        checks = [pa.Check.ge(least, error=f"is below {least:.0f}")]
    # pandera looks at a text's every value, and Arrow has read nothing but texts.
    dtype = None if column.kind is Kind.TEXT else column.kind.frame
    return pa.Column(dtype, checks, nullable=column.nullable, required=not column.personal, name=column.name)
