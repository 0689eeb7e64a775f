"""The lineage in Dagster: from Kaltura's reports by the tables to the views, as the catalog has it."""

from pathlib import Path

import psycopg

from assets.lineage import SCHEMA, report_specs, source_key, view_specs, views
from assets.report import asset_key
from assets.reports import REPORTS
from pipelines.definitions import defs
from pipelines.pages import column_lineage
from resources.settings import CHECKOUT

COLUMNS = """
SELECT c.relname, a.attname, col_description(c.oid, a.attnum)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v' ORDER BY c.relname, a.attnum
"""
READS = """
SELECT DISTINCT c.relname, s.relnamespace::regnamespace::text, s.relname
FROM pg_class AS c
JOIN pg_rewrite AS r ON r.ev_class = c.oid
JOIN pg_depend AS d ON d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class AS s ON s.oid = d.refobjid AND s.oid <> c.oid
WHERE c.relnamespace = 'analytics'::regnamespace AND c.relkind = 'v' ORDER BY 1, 2, 3
"""


def test_views_have_the_catalog_s_columns_with_its_words(database: str) -> None:
    with psycopg.connect(database) as connection:
        catalog = connection.execute(COLUMNS).fetchall()
        said = dict(
            connection.execute(
                "SELECT relname, obj_description(oid) FROM pg_class"
                " WHERE relnamespace = 'analytics'::regnamespace AND relkind = 'v'"
            ).fetchall()
        )

    declared = [
        (view.name, name, text)
        for view in sorted(views(), key=lambda view: view.name)
        for name, text in view.columns.items()
    ]
    assert sorted(declared) == sorted(catalog)
    assert {view.name: [*view.columns] for view in views()} == {
        name: [column for of, column, _ in catalog if of == name] for name in said
    }
    assert {view.name: view.description for view in views()} == said


def test_views_stand_below_what_they_read(database: str) -> None:
    with psycopg.connect(database) as connection:
        catalog = connection.execute(READS).fetchall()

    assert [
        (view.name, *source) for view in sorted(views(), key=lambda view: view.name) for source in view.sources
    ] == catalog


def test_every_table_stands_between_its_report_and_views() -> None:
    graph = defs.resolve_asset_graph()
    for report in REPORTS:
        assert source_key(report.report_id) in graph.get(report.key).parent_keys
        assert any(key.path[-2] == SCHEMA for key in graph.get(report.key).child_keys)
    for spec in [*report_specs(), *view_specs()]:
        assert not graph.get(spec.key).is_executable
        assert spec.description
    sessions = asset_key("sessions", SCHEMA)
    assert graph.get(sessions).parent_keys >= {asset_key("room_sessions"), asset_key("attendees")}


def test_columns_say_what_is_the_key_and_what_is_a_person_s() -> None:
    for report in REPORTS:
        metadata = report.spec.metadata
        shown = {column.name: set(column.tags) for column in metadata["dagster/column_schema"].columns}
        assert {name for name, tags in shown.items() if "key" in tags} == {*report.table.key}
        assert {name for name, tags in shown.items() if "personal" in tags} == {*report.table.personal_columns}
        assert {name for name, tags in shown.items() if "person_id" in tags} == {*report.table.person_columns}


def test_the_timeline_says_which_schedule_a_run_is_of() -> None:
    repository = defs.get_repository_def()
    jobs = {
        name: schedule.job_name
        for name in ("daily_pull", "weekly_sweep")
        if (schedule := repository.get_schedule_def(name))
    }
    assert jobs == {"daily_pull": "daily_pull", "weekly_sweep": "weekly_sweep"}
    for name in jobs:
        selected = repository.get_job(name).asset_layer.selected_asset_keys
        assert selected == {report.key for report in REPORTS}


def test_each_asset_says_where_its_code_is() -> None:
    graph = defs.resolve_asset_graph()
    ours = {key for key in graph.get_all_asset_keys() if "kaltura_api" not in key.path}
    for key in ours - {source_key(report.report_id) for report in REPORTS}:
        references = graph.get(key).metadata["dagster/code_references"].code_references
        for reference in references:
            lines = Path(reference.file_path).read_text("utf-8").splitlines()
            assert reference.line_number <= len(lines)
            if reference.file_path.endswith(".sql"):
                assert f"CREATE VIEW {SCHEMA}.{key.path[-1]}" in lines[reference.line_number - 1]
    for report in REPORTS:
        shown = [
            Path(each.file_path) for each in graph.get(report.key).metadata["dagster/code_references"].code_references
        ]
        assert {CHECKOUT / "assets" / f"{report.table.name}.py", CHECKOUT / "assets/pull/asset.py"} == set(shown)


def test_the_origins_of_columns_are_what_the_database_says(database: str) -> None:
    with psycopg.connect(database) as connection:
        found = column_lineage.origins(connection)
    assert column_lineage.PATH.read_text("utf-8") == column_lineage.text(found)
    assert column_lineage.ColumnOrigin("rooms", "account_id", "analytics", "sessions", "account_id") in found
    assert not [each for each in found if each.column in ("person_id", "host_id") and each.source_schema == "kaltura"]


def test_a_column_comes_from_a_column_of_an_asset_above_it() -> None:
    graph = defs.resolve_asset_graph()
    columns = {
        key: {column.name for column in graph.get(key).metadata["dagster/column_schema"].columns}
        for key in graph.get_all_asset_keys()
        if "dagster/column_schema" in graph.get(key).metadata
    }
    followed = 0
    for key, own in columns.items():
        if "dagster/column_lineage" in graph.get(key).metadata:
            for column, [origin] in graph.get(key).metadata["dagster/column_lineage"].deps_by_column.items():
                assert column in own
                assert origin.asset_key in graph.get(key).parent_keys
                assert origin.column_name in columns[origin.asset_key]
                followed += 1
    assert followed > len(REPORTS) * 5 + 50
