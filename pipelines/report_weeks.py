"""Weeks whose report is to be made up for: nothing ran when it was due, or a day of the week has come in since.

Dagster makes up for one tick that was missed, and `daily_pull` brings missing days back some a night. What the reports hold is
told by Dagster's marks of them, not by their files: those may lie where the code server can't look. What they could hold is
told by the warehouse that they are made from: a mark of a day outlives it, and one that was pulled for some ids has a mark.
"""

import datetime as dt
from collections.abc import Sequence

import dagster as dg

from assets.checks import query
from assets.room_report.asset import DAYS_LOADED, FIGURES, OF_ACCOUNT, room_report
from pipelines.catch_up import TIMEOUT_SECONDS
from resources.kaltura.windows import DAY
from resources.settings import CHECKOUT
from resources.warehouse.resource import WarehouseResource

WEEKS_BACK = 26  # half a year, a long vacation in it
_WHOLE_DAYS = CHECKOUT / "sql" / "queries" / "whole_days.sql"


def weeks_to_report(
    instance: dg.DagsterInstance, warehouse: WarehouseResource, account: int, usual: Sequence[str], weeks: Sequence[str]
) -> list[str]:
    """Of `weeks`, by their Mondays in order, those whose report lacks days that are loaded. Without the `usual` ones.

    Raises `ProjectError`.
    """
    weeks = weeks[-WEEKS_BACK:]
    loaded = _whole_days(warehouse, account, _days_of(weeks[0])[0], _days_of(weeks[-1])[-1])
    return [
        week
        for week in weeks
        if week not in usual
        and (days := loaded.intersection(_days_of(week)))
        and _days_reported(instance, account, week) < len(days)
    ]


def _whole_days(warehouse: WarehouseResource, account: int, first: dt.date, last: dt.date) -> set[dt.date]:
    values = {"partner_id": account, "first": first, "last": last}
    with warehouse.opened() as opened, opened.connection() as connection, query.reading(connection, TIMEOUT_SECONDS):
        return {day for (day,) in connection.execute(_WHOLE_DAYS.read_bytes(), values)}


def _days_of(week: str) -> list[dt.date]:
    monday = dt.date.fromisoformat(week)
    return [monday + number * DAY for number in range(7)]


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
