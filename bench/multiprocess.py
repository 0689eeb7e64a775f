"""The pipeline with a process for its one step, as Dagster would have it by default: what that costs a run."""

import dagster as dg

from pipelines import definitions

defs = dg.Definitions(
    assets=definitions.defs.assets, resources=definitions.defs.resources, executor=dg.multiprocess_executor
)
