"""The pipeline inside the test's own process: its asset, on a stand-in and a database, without commands and waiting."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import dagster as dg
import psycopg

from assets.pull.asset import kaltura_rooms
from resources.kaltura.resource import Kaltura
from resources.kaltura.windows import Days
from resources.warehouse.resource import WarehouseResource
from simulator import Running


@contextmanager
def installed(
    kaltura: Running, database: str, instance: dg.DagsterInstance | None = None, **privacy: str
) -> Iterator[SimpleNamespace]:
    """Runs of the pipeline by `pull`, and a connection by `sql`. Without an instance, Dagster's history is forgotten."""
    kaltura.faults.clear()
    resource = Kaltura(
        base_url=kaltura.base_url,
        partner_id=str(kaltura.partner_id),
        app_token_id=kaltura.app_token_id,
        app_token=kaltura.app_token,
        pause_scale=0.001,
    )
    defs = dg.Definitions(
        assets=[kaltura_rooms],
        resources={"kaltura": resource, "warehouse": WarehouseResource(url=database, **privacy)},
        executor=dg.in_process_executor,
    )
    with (
        instance or dg.DagsterInstance.ephemeral() as dagster,
        psycopg.connect(database, autocommit=True) as connection,
    ):

        def pull(days: Days, only: Sequence[dg.AssetKey] = (), **settings: Any) -> dg.ExecuteInProcessResult:
            return defs.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=dagster,
                asset_selection=list(only) or None,
                tags={
                    "dagster/asset_partition_range_start": str(days.first),
                    "dagster/asset_partition_range_end": str(days.last),
                },
                raise_on_error=False,
                **settings,
            )

        def evaluations(run: dg.ExecuteInProcessResult) -> list[dg.AssetCheckEvaluation]:
            """Of the run, as the instance has them: the result of one that failed lacks them."""
            entries = dagster.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            return [each.dagster_event.asset_check_evaluation_data for each in entries if each.dagster_event]

        def marked() -> set[str]:
            """Days that each of the tables is marked for."""
            return set.intersection(*(dagster.get_materialized_partitions(key) for key in kaltura_rooms.keys))

        yield SimpleNamespace(
            pull=pull,
            evaluations=evaluations,
            marked=marked,
            sql=connection.execute,
            kaltura=kaltura,
            database=database,
            defs=defs,
        )
