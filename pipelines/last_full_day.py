"""Yesterday, for commands that are given no day: by the clock of the database, not by that of the machine that they run on.

Dagster cuts its partitions by this machine's clock: where that is behind, the newest day is no partition yet.
"""

import datetime as dt

from assets.checks import missing_days
from assets.partitions import PARTITIONS
from resources.postgres.session import opened


def last_full_day(url: str) -> dt.date:
    """Raises as `opened` does."""
    with opened(url) as connection:
        by_database = missing_days.last_full_day(connection)
    newest = PARTITIONS.get_last_partition_key()
    return min(by_database, dt.date.fromisoformat(newest)) if newest else by_database
