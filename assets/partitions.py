"""The calendar: one partition a day, from `START_DATE`, in `PARTITION_TIMEZONE`; for reports, one a week."""

import dagster as dg

from resources.kaltura.windows import Calendar
from resources.settings import Settings, load_env_file

load_env_file()
SETTINGS = Settings.from_environment()

CALENDAR = Calendar(SETTINGS.timezone, SETTINGS.grace_hours)

# A start that moves, such as today minus a year, would kill running backfills: it is a constant of the installation.
PARTITIONS = dg.DailyPartitionsDefinition(start_date=SETTINGS.start_date.isoformat(), timezone=str(SETTINGS.timezone))

# The weeks from Monday to Sunday, from the first that begins at or after START_DATE.
WEEKS = dg.WeeklyPartitionsDefinition(
    start_date=SETTINGS.start_date.isoformat(), timezone=str(SETTINGS.timezone), day_offset=1
)

# A range of days is one run; DAYS_PER_RUN cuts a long backfill into runs that may go side by side.
BACKFILL_POLICY = (
    dg.BackfillPolicy.multi_run(SETTINGS.days_per_run) if SETTINGS.days_per_run else dg.BackfillPolicy.single_run()
)
