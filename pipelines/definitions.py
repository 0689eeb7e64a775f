"""The one entry point: everything that Dagster is to know, put together and nothing else."""

import dagster as dg

from assets.pull import kaltura_rooms
from pipelines.abandoned import abandoned_runs
from pipelines.alerts import alerts
from pipelines.schedules import daily_pull, weekly_sweep
from resources.kaltura.resource import Kaltura
from resources.postgres import Postgres

# One process a run: a run is one step, and starting another process for it would cost more than most days' loads.
defs = dg.Definitions(
    assets=[kaltura_rooms],
    schedules=[daily_pull, weekly_sweep],
    sensors=[abandoned_runs, alerts],
    resources={"kaltura": Kaltura.from_environment(), "warehouse": Postgres.from_environment()},
    executor=dg.in_process_executor,
)
