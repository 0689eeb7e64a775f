"""What the mark of a loaded day says of each of its tables in Dagster's UI: counts, the window, a picture."""

from collections.abc import Mapping, Sequence

import dagster as dg

from assets.pull.day_chart import picture
from assets.pull.filters import Filters
from assets.report import Report
from resources.arrivals import Arrivals
from resources.warehouse.load import Load

Metadata = Mapping[str, int | str | dg.MetadataValue]

# In a mark that was written without a request to Kaltura: of a day that an earlier run had loaded.
ALREADY_LOADED_BY, MARKED_BY = "already loaded by", "marked by"


def is_of_pull(mark: dg.AssetMaterialization) -> bool:
    """Whether the day was pulled just before it was marked."""
    return mark.metadata.keys().isdisjoint((ALREADY_LOADED_BY, MARKED_BY))


def metadata_of(
    reports: Sequence[Report], arrivals: Sequence[Arrivals], loads: Sequence[Load], filters: Filters
) -> list[tuple[Report, Metadata]]:
    """Of what arrived for each report in one day, and what became of it. `filters` are those of the run."""
    by_table = {load.table: load for load in loads}
    marks: list[tuple[Report, Metadata]] = []
    for report, arrived in zip(reports, arrivals, strict=True):
        window = f"{arrived.window_start:%Y-%m-%d %H:%M} to {arrived.window_end:%Y-%m-%d %H:%M} UTC"
        drawn = picture(arrived.frame)
        shown = {"picture": drawn} if drawn else {}
        is_whole = filters.of(report) in ({}, Filters.from_settings().of(report))
        marks.append((report, {**_counts(by_table[report.table.name], is_whole), "window": window, **shown}))
    return marks


def _counts(load: Load, is_whole: bool) -> dict[str, int | str]:
    """By the names that the UI shows. The partition's rows are told by a pull of all that the installation keeps alone."""
    empty = {"empty": "the report had no row of this day, and that was believed"} if not load.received else {}
    return {
        **empty,
        "dagster/partition_row_count" if is_whole else "rows of the ids asked for": load.inserted
        + load.updated
        + load.unchanged
        + load.superseded,
        "inserted": load.inserted,
        "updated": load.updated,
        "unchanged": load.unchanged,
        "superseded": load.superseded,
        "removed": load.removed,
        "people kept": load.people_kept,
        "received": load.received,
        "merged": load.merged,
        "rejected": load.rejected,
        "repaired": load.repaired,
        "of other days": load.other_days,
        "requests": load.requests,
    }
