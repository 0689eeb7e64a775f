"""The tags by which Dagster knows which days a run over a range of them is about. Imports nothing: `make run` starts with it."""

import datetime as dt

FIRST_DAY, LAST_DAY = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def range_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    return {FIRST_DAY: str(first), LAST_DAY: str(last)}
