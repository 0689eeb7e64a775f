"""Makes Dagster's marks those of the warehouse: `status --mend`. Nothing is pulled, and no row is written or removed.

Days that the warehouse holds are marked. A day that it does not hold loses its mark, so that "only missing and failed"
takes it. Dagster's storages can't take away the mark of one day (`wipe_asset_partitions` is not implemented there): all
marks of the asset are wiped and those of the days that are there written anew, with the figures that they had. Ended in
between, it leaves good days without a mark, and the next time marks them.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import dagster as dg
import psycopg

from assets.pull.materialization import MARKED_BY
from assets.report import Report
from assets.reports import REPORTS
from pipelines.status import held, marks, shown
from resources.kaltura.windows import Days, stretches

MARKS_AT_ONCE = 500


@dataclass(frozen=True)
class Mended:
    """Days that got a mark, of any report, and days that lost theirs.

    Of those, nobody asks for `forgotten` ones any more: they lie before the first load that the warehouse knows of.
    """

    marked: list[Days]
    unmarked: list[Days]
    forgotten: list[Days]

    def document(self) -> dict[str, list[list[str]]]:
        return {
            "marked": [[str(days.first), str(days.last)] for days in self.marked],
            "unmarked": [[str(days.first), str(days.last)] for days in self.unmarked],
            "forgotten": [[str(days.first), str(days.last)] for days in self.forgotten],
        }

    def lines(self) -> list[str]:
        """Without `forgotten`, which have been told before."""
        said = {
            "Marked, as the warehouse holds them": self.marked,
            "Marks taken away, as the warehouse does not hold them": self.unmarked,
        }
        return [f"{what}: {shown(days)}" for what, days in said.items() if days]


def mend(
    reading: Callable[[], AbstractContextManager[psycopg.Connection]],
    instance: dg.DagsterInstance,
    account: int,
    tell: Callable[[str], None],
) -> Mended:
    """Raises as `held` does, before anything is written.

    `reading` opens the warehouse, twice: writing marks anew takes its time, in which no transaction waits. `tell` is told of
    `forgotten` days before a mark goes: nothing would tell of them once this was interrupted.
    """
    with reading() as connection:
        lost, forgotten = _lost(connection, instance, account)
    if forgotten:
        tell("\n".join(_of_forgotten(forgotten)))
    figures = {report.report_id: _newest(instance, report) for report in REPORTS if lost[report.report_id]}
    instance.wipe_assets([report.key for report in REPORTS if lost[report.report_id]])
    # Read anew: what a run has loaded and marked since, the wipe has taken away too.
    marked = marks(instance)
    with reading() as connection:
        there = held(connection, account)
    added: set[dt.date] = set()
    for report in REPORTS:
        known = figures.get(report.report_id, {})
        unmarked = there.days_of(report) - marked[report.report_id]
        _mark(instance, report, unmarked, known)
        added |= unmarked - known.keys()
    return Mended(stretches(added), stretches(set.union(*lost.values())), forgotten)


def _lost(
    connection: psycopg.Connection, instance: dg.DagsterInstance, account: int
) -> tuple[dict[int, set[dt.date]], list[Days]]:
    """By report, days that are marked and not there; and those of them that are not missing once their marks are gone.

    Marks are read first: a run loads a day before it marks it.
    """
    marked = marks(instance)
    there = held(connection, account)
    lost = {report.report_id: marked[report.report_id] - there.days_of(report) for report in REPORTS}
    return lost, stretches(set.union(*lost.values()) - there.missing.keys())


def _of_forgotten(forgotten: Sequence[Days]) -> list[str]:
    what = "Days whose marks go, and that nothing brings back by itself, as no load is known before them"
    pull = [f"    python -m pipelines pull --from {days.first} --to {days.last}" for days in forgotten]
    return [f"{what}: {shown(forgotten)}", *pull]


def _mark(
    instance: dg.DagsterInstance,
    report: Report,
    days: Collection[dt.date],
    figures: Mapping[dt.date, Mapping[str, dg.MetadataValue]],
) -> None:
    for day in sorted(days):
        metadata = {**figures.get(day, {}), MARKED_BY: dg.MetadataValue.text("python -m pipelines status --mend")}
        instance.report_runless_asset_event(dg.AssetMaterialization(report.key, partition=str(day), metadata=metadata))


def _newest(instance: dg.DagsterInstance, report: Report) -> dict[dt.date, Mapping[str, dg.MetadataValue]]:
    """What the newest mark of each day says."""
    found: dict[dt.date, Mapping[str, dg.MetadataValue]] = {}
    cursor, has_more = None, True
    while has_more:
        page = instance.fetch_materializations(report.key, limit=MARKS_AT_ONCE, cursor=cursor)
        for record in page.records:
            mark = record.asset_materialization
            if mark and mark.partition:
                found.setdefault(dt.date.fromisoformat(mark.partition), mark.metadata)
        cursor, has_more = page.cursor, page.has_more
    return found
