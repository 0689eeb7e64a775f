"""The one entry point: everything that Dagster is to know, put together and nothing else."""

from resources.runtime import garbage

with garbage.none_among_imports():
    import dagster as dg

    from assets.code_references import with_functions
    from assets.lineage import report_specs, view_specs
    from assets.pull.asset import kaltura_rooms
    from assets.room_report.asset import room_report
    from assets.university import UNIVERSITY
    from assets.warehouse import WarehouseWithComments
    from pipelines.instance.history import history, nightly_history
    from pipelines.retention import nightly_retention, retention
    from pipelines.schedules import PULLS, daily_pull, nightly_check, weekly_report, weekly_sweep
    from pipelines.sensors.abandoned_runs import abandoned_runs
    from pipelines.sensors.alerts import alerts
    from pipelines.sensors.changed_lists import changed_lists
    from resources.kaltura.resource import Kaltura

# One process a run: a run is one step, and starting another process for it would cost more than most days' loads.
defs = dg.Definitions(
    assets=[
        *report_specs(),
        *view_specs(),
        *with_functions([kaltura_rooms, room_report, *UNIVERSITY]),
    ],
    jobs=[*PULLS, retention, history],
    schedules=[daily_pull, weekly_sweep, weekly_report, nightly_check, nightly_retention, nightly_history],
    sensors=[abandoned_runs, alerts, changed_lists],
    resources={"kaltura": Kaltura.from_environment(), "warehouse": WarehouseWithComments.from_environment()},
    executor=dg.in_process_executor,
)
