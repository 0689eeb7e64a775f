"""At which hours days are pulled and looked after, by the clock of PARTITION_TIMEZONE."""

import datetime as dt

PULL_AT = dt.time(4, 30)  # late enough for the events of the evening, early enough for the morning's readers
CHECK_AT = dt.time(6)  # when the day's pull has had its time


def daily(at: dt.time) -> str:
    """As cron writes it."""
    return f"{at.minute} {at.hour} * * *"
