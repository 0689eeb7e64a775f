"""A chart: what it shows of which dataset, in the words of Superset's charts, and as the query that its API answers.

Superset keeps a chart twice: the controls of its editor (`params`), from which a browser makes the query, and the query
itself, which the API runs for whoever asks for the chart's data. Both are made here from one declaration.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.dashboards.identity import VERSION, identifier
from pipelines.dashboards.metrics import METRICS, known, metrics_of, unfiltered

EXPLORED = "No filter"  # a time range for the dashboard's filter of days to replace
_FORMATS = {metric.name: metric.format for metric in METRICS}
ROWS = 1000
_MONDAYS, _GAPS = "W-MON", "asfreq"  # pandas: a row a Monday; one that is not there has no figure
DAY = "session_day"  # the column of days that an axis cuts into weeks (datasets.py)
MONDAY = "week_day"  # that of weeks, of which there is a row each


@dataclass(frozen=True)
class Chart:
    """`time` is the column that the filter of days restricts; `where` is what the chart always keeps to, in SQL."""

    name: str
    words: str
    dataset: str
    metrics: Sequence[str] = ()
    columns: Sequence[str] = ()
    time: str = ""
    where: Sequence[str] = ()
    only: Sequence[str] = ()  # columns of the dataset's own that have to be true: `where` knows the view's alone
    order: Sequence[tuple[str, bool]] = ()  # a column or metric, and whether it ascends
    limit: int = ROWS

    kind = ""

    @property
    def asked(self) -> list[Any]:
        """The metrics, as Superset is asked for them."""
        return list(self.metrics)

    @property
    def controls(self) -> dict[str, Any]:
        """What the chart's editor shows, beside what all charts have."""
        return {}

    @property
    def grouped(self) -> list[Any]:
        """The columns of the query's GROUP BY."""
        return list(self.columns)

    @property
    def grain(self) -> str:
        return ""

    @property
    def ordered(self) -> list[tuple[Any, bool]]:
        """The order, as Superset is asked for it. It orders by DESC alone, and Postgres puts what is unknown first there."""
        return [
            (as_sql(f"{name}, unknown last", known(name, self.dataset)), False)
            if name in self.metrics and not ascends
            else (name, ascends)
            for name, ascends in self.order
        ]

    @property
    def after(self) -> list[dict[str, Any]]:
        """What Superset does with the query's rows, in its words."""
        return []


@dataclass(frozen=True)
class Number(Chart):
    """One figure."""

    kind = "big_number_total"

    @property
    def controls(self) -> dict[str, Any]:
        metric = self.metrics[0]
        return {
            "metric": metric,
            "header_font_size": 0.4,
            "subheader_font_size": 0.15,
            "y_axis_format": _FORMATS[metric] or "SMART_NUMBER",
            "time_format": "%Y-%m-%d %H:%M",
            "force_timestamp_formatting": metric.endswith("_pulled"),
        }


@dataclass(frozen=True)
class Trend(Chart):
    """The figure of the newest week, how it differs from the week before, and the weeks as a line.

    Superset compares with the row before, whatever week it is of: so a week that is not there is made one, without a figure.
    Where the newest week has no figure, it shows the newest that has, and says of which week it is.
    """

    kind = "big_number"

    @property
    def grain(self) -> str:
        return "P1W"

    @property
    def grouped(self) -> list[Any]:
        return [axis(MONDAY, self.grain)]

    @property
    def after(self) -> list[dict[str, Any]]:
        """As the browser makes it from the controls."""
        figures = {name: {"operator": "mean"} for name in self.metrics}
        pivot = {"index": [MONDAY], "columns": [], "aggregates": figures, "drop_missing_columns": False}
        return [
            {"operation": "pivot", "options": pivot},
            {"operation": "resample", "options": {"rule": _MONDAYS, "method": _GAPS, "fill_value": None}},
            {"operation": "flatten"},
        ]

    @property
    def controls(self) -> dict[str, Any]:
        return {
            "metric": self.metrics[0],
            "x_axis": MONDAY,
            "time_grain_sqla": self.grain,
            "resample_rule": _MONDAYS,
            "resample_method": _GAPS,
            "compare_lag": 1,
            "compare_suffix": "against the week before",
            "header_font_size": 0.4,
            "subheader_font_size": 0.15,
            "show_timestamp": True,
            "show_trend_line": True,
            "start_y_axis_at_zero": True,
            "rolling_type": "None",
            "time_format": "%Y-%m-%d",
            "y_axis_format": _FORMATS[self.metrics[0]],
            "color_picker": {"r": 15, "g": 91, "b": 110, "a": 1},
        }


@dataclass(frozen=True)
class Bars(Chart):
    """Bars over weeks or days, or over the values of a column; stacked by another."""

    x: str = ""
    every: str = ""  # P1W, P1D; empty where x is no time
    is_stacked: bool = True
    filters_once: bool = False  # metrics that leave out what `where` does: Postgres looks it up once a row, not twice

    kind = "echarts_timeseries_bar"

    @property
    def asked(self) -> list[Any]:
        if not self.filters_once:
            return list(self.metrics)
        return [as_sql(name, unfiltered(name, self.dataset, self.where)) for name in self.metrics]

    @property
    def grain(self) -> str:
        return self.every

    @property
    def grouped(self) -> list[Any]:
        return [axis(self.x, self.every) if self.every else self.x, *self.columns]

    @property
    def controls(self) -> dict[str, Any]:
        return {
            "x_axis": self.x,
            **({"time_grain_sqla": self.every} if self.every else {"xAxisForceCategorical": True}),
            "x_axis_sort_asc": True,
            "x_axis_time_format": "%Y-%m-%d",
            "x_axis_title_margin": 15,
            "metrics": self.asked,
            "groupby": list(self.columns),
            "stack": "Stack" if self.is_stacked else None,
            "orientation": "vertical",
            "y_axis_format": _FORMATS[self.metrics[0]],
            "show_legend": bool(self.columns) or len(self.metrics) > 1,
            "legendOrientation": "top",
            "legendType": "scroll",
            "rich_tooltip": True,
            "tooltipTimeFormat": "%Y-%m-%d",
            "truncate_metric": True,
            "color_scheme": "supersetColors",
            "comparison_type": "values",
            "sort_series_type": "name",
        }


@dataclass(frozen=True)
class Heat(Chart):
    """A heat map of two columns."""

    x: str = ""
    kind = "heatmap_v2"

    @property
    def grouped(self) -> list[Any]:
        return [self.x, *self.columns]

    @property
    def controls(self) -> dict[str, Any]:
        return {
            "x_axis": self.x,
            "groupby": self.columns[0],
            "metric": self.metrics[0],
            "sort_x_axis": "alpha_asc",
            "sort_y_axis": "alpha_desc",
            "normalize_across": "heatmap",
            "legend_type": "continuous",
            "linear_color_scheme": "schemeTeal",
            "show_legend": True,
            "show_percentage": False,
            "value_bounds": [None, None],
            "left_margin": "auto",
            "bottom_margin": "auto",
            "xscale_interval": -1,
            "yscale_interval": -1,
            "y_axis_format": _FORMATS[self.metrics[0]],
            "x_axis_time_format": "smart_date",
        }


@dataclass(frozen=True)
class Table(Chart):
    """Figures by columns; without metrics, the rows as they are."""

    kind = "table"
    page: int = 10  # rows a page; 0 for all on one

    @property
    def controls(self) -> dict[str, Any]:
        raw = not self.metrics
        return {
            "query_mode": "raw" if raw else "aggregate",
            "all_columns": list(self.columns) if raw else [],
            "groupby": [] if raw else list(self.columns),
            "metrics": list(self.metrics),
            "order_by_cols": [json.dumps([name, up]) for name, up in self.order] if raw else [],
            **({"timeseries_limit_metric": self.ordered[0][0]} if self.order and not raw else {}),
            "order_desc": not (self.order and self.order[0][1]),
            "server_page_length": self.page,
            "page_length": self.page,
            "include_search": False,
            "show_cell_bars": True,
            "color_pn": False,
            "table_timestamp_format": "%Y-%m-%d %H:%M",
            "column_config": {
                **{name: {"d3NumberFormat": _FORMATS[name]} for name in self.metrics if _FORMATS[name]},
                **{name: {"d3TimeFormat": "%Y-%m-%d"} for name in self.columns if name.endswith("_date")},
                **{name: {"d3TimeFormat": "%Y-%m-%d"} for name in self.metrics if name in _DAYS},
                **{name: {"d3NumberFormat": ",.1%"} for name in self.columns if name.endswith("_ratio")},
                **{name: {"d3NumberFormat": ",.0f"} for name in self.columns if name.endswith("_minutes")},
                **{name: {"d3NumberFormat": "d"} for name in self.columns if name == "account_id"},
            },
        }


_DAYS = ("final_until", "loaded_until", "last_seen")


def axis(column: str, grain: str) -> dict[str, Any]:
    """A time column as an axis: cut into weeks or days."""
    return {
        "columnType": "BASE_AXIS",
        "expressionType": "SQL",
        "isColumnReference": True,
        "label": column,
        "sqlExpression": column,
        "timeGrain": grain,
    }


def as_sql(name: str, expression: str) -> dict[str, Any]:
    """A metric of the chart's own, under the name of the dataset's."""
    return {
        "expressionType": "SQL",
        "hasCustomLabel": True,
        "label": name,
        "optionName": f"metric_{name}",
        "sqlExpression": expression,
    }


def chart(declared: Chart) -> dict[str, Any]:
    """The chart, in Superset's export format."""
    unknown = set(declared.metrics) - set(metrics_of(declared.dataset))
    if unknown:
        raise ValueError(f"{declared.name}: {sorted(unknown)} can't be computed over {declared.dataset}")
    params = {
        "viz_type": declared.kind,
        "adhoc_filters": _filters(declared),
        "row_limit": declared.limit,
        "extra_form_data": {},
        "dashboards": [],
        **declared.controls,
    }
    return {
        "slice_name": declared.name,
        "description": declared.words,
        "certified_by": None,
        "certification_details": None,
        "viz_type": declared.kind,
        "params": params,
        "query_context": json.dumps(_query_context(declared), sort_keys=True),
        "cache_timeout": None,
        "uuid": identifier("chart", declared.name),
        "version": VERSION,
        "dataset_uuid": identifier("dataset", declared.dataset),
        "is_managed_externally": True,
    }


def _filters(declared: Chart) -> list[dict[str, Any]]:
    """What it keeps to, as the editor has it."""
    filters: list[dict[str, Any]] = [
        {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": text} for text in declared.where
    ]
    filters += [
        {"clause": "WHERE", "comparator": True, "expressionType": "SIMPLE", "operator": "==", "subject": name}
        for name in declared.only
    ]
    if declared.time:
        filters.append(
            {
                "clause": "WHERE",
                "comparator": EXPLORED,
                "expressionType": "SIMPLE",
                "operator": "TEMPORAL_RANGE",
                "subject": declared.time,
            }
        )
    return filters


def _query_context(declared: Chart) -> dict[str, Any]:
    filters: list[dict[str, Any]] = [{"col": name, "op": "==", "val": True} for name in declared.only]
    if declared.time:
        filters.append({"col": declared.time, "op": "TEMPORAL_RANGE", "val": EXPLORED})
    query = {
        "filters": filters,
        "extras": {"having": "", "where": " AND ".join(f"({text})" for text in declared.where)},
        "applied_time_extras": {},
        "columns": declared.grouped,
        "metrics": declared.asked or None,
        "orderby": [[what, ascends] for what, ascends in declared.ordered],
        "annotation_layers": [],
        "row_limit": declared.limit,
        "series_columns": [],
        "series_limit": 0,
        "order_desc": True,
        "url_params": {},
        "custom_params": {},
        "custom_form_data": {},
        "post_processing": declared.after,
    }
    if declared.grain:
        query["extras"] = {**query["extras"], "time_grain_sqla": declared.grain}  # type: ignore[dict-item]
    return {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": [query],
        "result_format": "json",
        "result_type": "full",
    }
