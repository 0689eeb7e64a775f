"""Weeks whose report is to be made up for: nothing ran when it was due, or a day of the week has come in since.

Dagster makes up for one tick that was missed, and `daily_pull` brings missing days back some a night. What the reports hold is
told by Dagster's marks of them, not by their files: those may lie where the code server can't look.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from assets.room_report.asset import DAYS_LOADED, FIGURES, OF_ACCOUNT, room_report
from pipelines.status import marks
from resources.kaltura.windows import DAY

WEEKS_BACK = 26  # half a year, a long vacation in it


def weeks_to_report(
    instance: dg.DagsterInstance, account: int, usual: Sequence[str], weeks: Sequence[str]
) -> list[str]:
    """Of `weeks`, by their Mondays in order, those whose report lacks days that are loaded. Without the `usual` ones."""
    loaded = set.intersection(*marks(instance).values())
    return [
        week
        for week in weeks[-WEEKS_BACK:]
        if week not in usual
        and (days := _days_of(week) & loaded)
        and _days_reported(instance, account, week) < len(days)
    ]


def _days_of(week: str) -> set[dt.date]:
    monday = dt.date.fromisoformat(week)
    return {monday + number * DAY for number in range(7)}


def _days_reported(instance: dg.DagsterInstance, account: int, week: str) -> int:
    """How many days of the week the account's newest report of it has; 0 where there is none."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=room_report.key, asset_partitions=[week]), limit=1
    )
    for record in found.records:
        mark = record.asset_materialization
        table = mark.metadata.get(FIGURES) if mark else None
        if isinstance(table, dg.TableMetadataValue):
            return max(
                (int(str(row.data[DAYS_LOADED])) for row in table.records if row.data[OF_ACCOUNT] == account), default=0
            )
    return 0
