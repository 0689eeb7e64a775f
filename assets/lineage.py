"""What stands above and below the assets in Dagster's lineage: Kaltura's reports, and the views that analysts read.

Nothing here is ever materialized. A report belongs to Kaltura; a view is always what the tables are. They are declared so
that the way of the data is seen whole, with the words of the catalog: a view's columns and sources are read from its file
in sql/views, whose comments Postgres holds too.
"""

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import dagster as dg

from assets.code_references import written_in
from assets.report import OWNERS, asset_key, source_key
from assets.reports import REPORTS
from resources.postgres.migrations import files
from resources.postgres.views import created_by
from resources.settings import CHECKOUT
from resources.university.lists import LISTS

SCHEMA = GROUP = "analytics"
KALTURA_GROUP = "kaltura_reports"

_READS = re.compile(r"\b(?:FROM|JOIN)\s+(kaltura|analytics|university)\.(\w+)")
_LITERAL = r"((?:'(?:[^']|'')*'\s*)+)"
_COMMENT = re.compile(rf"COMMENT ON (VIEW|COLUMN) {SCHEMA}\.(\w+)(?:\.(\w+))? IS\s+{_LITERAL};")


COLUMN_LINEAGE = "assets/column_lineage.csv"


class ColumnOrigin(NamedTuple):
    """A view's column that is another's as it is: a line of `COLUMN_LINEAGE`, which `make docs` writes."""

    view: str
    column: str
    source_schema: str
    source: str
    source_column: str


@dataclass(frozen=True)
class View:
    """A view as its file declares it. `sources` are schema and name of what it reads; `columns` are in its own order.

    `file` is below sql/, and `line` the one in which the view begins.
    """

    file: str
    line: int
    name: str
    description: str
    columns: Mapping[str, str]
    sources: Sequence[tuple[str, str]]


def views() -> list[View]:
    """Those of `sql/views`, in the order in which they are made."""
    made = []
    for file in files("views"):
        comments = [(match[2], match[3], _said(match[4])) for match in _COMMENT.finditer(file.text)]
        for name in created_by(file.text):
            before, _, rest = file.text.partition(f"CREATE VIEW {SCHEMA}.{name}")
            body = rest.partition("\nCOMMENT ON")[0]
            made.append(
                View(
                    file.name,
                    before.count("\n") + 1,
                    name,
                    next((said for view, column, said in comments if view == name and not column), ""),
                    {column: said for view, column, said in comments if view == name and column},
                    sorted(set(_READS.findall(body)) - {(SCHEMA, name)}),
                )
            )
    return made


def _said(literals: str) -> str:
    """The text of string literals that follow one another, which SQL puts together."""
    return "".join(re.findall(r"'((?:[^']|'')*)'", literals)).replace("''", "'")


def report_specs() -> list[dg.AssetSpec]:
    """Kaltura's reports, each above the table that it fills."""
    return [
        dg.AssetSpec(
            source_key(report.report_id),
            description=f"Kaltura's report {report.report_id} ({report.title}), as report.getCsvFromStringParams sends it.",
            group_name=KALTURA_GROUP,
            kinds={"kaltura", "csv"},
            owners=OWNERS,
            metadata={
                "dagster/column_schema": dg.TableSchema(
                    columns=[dg.TableColumn(c.name, "text", c.description) for c in report.table.columns]
                )
            },
        )
        for report in REPORTS
    ]


def column_origins() -> list[ColumnOrigin]:
    with (CHECKOUT / COLUMN_LINEAGE).open(encoding="utf-8", newline="") as file:
        return [ColumnOrigin(**line) for line in csv.DictReader(file)]


def view_specs() -> list[dg.AssetSpec]:
    """The views of schema `analytics`, below the tables that they read."""
    there = views()
    assets: dict[tuple[str, str], Collection[str]] = {
        **{("kaltura", report.table.name): report.table.column_names for report in REPORTS},
        **{("university", each.name): each.column_names for each in LISTS},
        **{(SCHEMA, view.name): view.columns for view in there},
    }
    # A table has columns of bookkeeping too, which come from no report and no list.
    origins = [
        each for each in column_origins() if each.source_column in assets.get((each.source_schema, each.source), ())
    ]
    return [
        dg.AssetSpec(
            asset_key(view.name, SCHEMA),
            deps=[asset_key(name, schema) for schema, name in view.sources if (schema, name) in assets],
            description=view.description,
            group_name=GROUP,
            kinds={"postgres", "view"},
            owners=OWNERS,
            metadata={
                **written_in(f"sql/{view.file}", view.line),
                "dagster/table_name": f"{SCHEMA}.{view.name}",
                "dagster/column_schema": dg.TableSchema(
                    columns=[dg.TableColumn(name, "", said) for name, said in view.columns.items()]
                ),
                "dagster/column_lineage": dg.TableColumnLineage(
                    {
                        each.column: [dg.TableColumnDep(asset_key(each.source, each.source_schema), each.source_column)]
                        for each in origins
                        if each.view == view.name
                    }
                ),
            },
        )
        for view in there
    ]
