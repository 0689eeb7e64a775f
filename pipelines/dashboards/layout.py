"""A dashboard in Superset's export format: where each chart stands, and which filter reaches which chart."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.dashboards.board import COLUMNS, DAYS, Board, Row, Select, Tab
from pipelines.dashboards.charts import Chart
from pipelines.dashboards.identity import VERSION, identifier, number

_ROOT, _GRID, _TABS = "ROOT_ID", "GRID_ID", "TABS-board"
_WORDS_HEIGHT, _KNOWN_HEIGHT = 10, 16
Columns = Mapping[str, Sequence[str]]  # of each dataset


def dashboard(board: Board, columns: Columns) -> dict[str, Any]:
    return {
        "dashboard_title": board.title,
        "description": board.words,
        "css": "",
        "slug": board.slug,
        "certified_by": "Kaltura room warehouse",
        "certification_details": "Part of the project: a copy of your own stays as you leave it.",
        "published": True,
        "uuid": identifier("dashboard", board.title),
        "position": _position(board),
        "metadata": {
            "native_filter_configuration": _filters(board, columns),
            "cross_filters_enabled": True,
            "chart_configuration": {},
            "global_chart_configuration": {"scope": {"rootPath": [_ROOT], "excluded": []}, "chartsInScope": []},
            "color_scheme": "supersetColors",
            "label_colors": {
                "final": "#0F5B6E",
                "running week": "#7FB2BE",
                "provisional": "#F0A35E",
                "missing": "#C8CDD3",
            },
            "shared_label_colors": [],
            "default_filters": "{}",
            "expanded_slices": {},
            "refresh_frequency": 0,
            "timed_refresh_immune_slices": [],
        },
        "is_managed_externally": True,
        "version": VERSION,
    }


def reached(board: Board, select: Select | None, columns: Columns) -> list[Chart]:
    """The charts that a filter restricts (None: that of days): all that have the column, but how far the data are known."""
    if select is None:
        return [chart for chart in board.charts if chart.time and chart is not board.known]
    return [chart for chart in board.charts if select.column in columns[chart.dataset]]


# ------------------------------------------------------------------------------------------------------------ filters


def _filters(board: Board, columns: Columns) -> list[dict[str, Any]]:
    found = [_days(board, reached(board, None, columns))]
    return found + [_select(board, select, reached(board, select, columns)) for select in board.filters]


def _days(board: Board, charts: Sequence[Chart]) -> dict[str, Any]:
    return {
        **_filter(board, DAYS, "Local days on which sessions started.", charts),
        "filterType": "filter_time",
        "targets": [{}],
        "controlValues": {"enableEmptyFilter": False},
        "defaultDataMask": {
            "extraFormData": {"time_range": board.days},
            "filterState": {"value": board.days},
            "ownState": {},
        },
    }


def _select(board: Board, select: Select, charts: Sequence[Chart]) -> dict[str, Any]:
    return {
        **_filter(board, select.name, select.words, charts),
        "filterType": "filter_select",
        "targets": [{"column": {"name": select.column}, "datasetUuid": identifier("dataset", select.dataset)}],
        "cascadeParentIds": [_filter_id(board, name) for name in select.within],
        "requiredFirst": select.is_one,  # charts wait for it: over all courses at once they would take long
        "controlValues": {
            "enableEmptyFilter": select.is_one,
            "defaultToFirstItem": select.is_one,
            "multiSelect": not select.is_one,
            "searchAllOptions": True,
            "inverseSelection": False,
            "sortAscending": True,
        },
        "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
    }


def _filter(board: Board, name: str, words: str, charts: Sequence[Chart]) -> dict[str, Any]:
    left_out = [chart for chart in board.charts if chart not in charts]
    return {
        "id": _filter_id(board, name),
        "name": name,
        "type": "NATIVE_FILTER",
        "description": words,
        "cascadeParentIds": [],
        "scope": {"rootPath": [_ROOT], "excluded": [number("chart", chart.name) for chart in left_out]},
    }


def _filter_id(board: Board, name: str) -> str:
    return f"NATIVE_FILTER-{identifier('filter', f'{board.slug}/{name}')[:13]}"


# ------------------------------------------------------------------------------------------------------------- places


def _position(board: Board) -> dict[str, Any]:
    named = bool(board.tabs[0].name)
    parts: dict[str, Any] = {"DASHBOARD_VERSION_KEY": "v2"}
    parts["HEADER_ID"] = {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": board.title}}
    top = [_row(parts, "known", _KNOWN_HEIGHT, [(board.known, COLUMNS)], [_ROOT, _GRID])]
    if named:
        tabs = [_tab(parts, n, tab) for n, tab in enumerate(board.tabs)]
        parts[_TABS] = {"id": _TABS, "type": "TABS", "meta": {}, "children": tabs, "parents": [_ROOT, _GRID]}
        top.append(_TABS)
    else:
        top += _rows(parts, "only", board.tabs[0], [_ROOT, _GRID])
    parts[_GRID] = {"id": _GRID, "type": "GRID", "children": top, "parents": [_ROOT]}
    parts[_ROOT] = {"id": _ROOT, "type": "ROOT", "children": [_GRID]}
    return parts


def _tab(parts: dict[str, Any], n: int, tab: Tab) -> str:
    name = f"TAB-{n}"
    parents = [_ROOT, _GRID, _TABS]
    rows = _rows(parts, str(n), tab, [*parents, name])
    parts[name] = {"id": name, "type": "TAB", "meta": {"text": tab.name}, "children": rows, "parents": parents}
    return name


def _rows(parts: dict[str, Any], prefix: str, tab: Tab, parents: list[str]) -> list[str]:
    words, text = f"ROW-{prefix}-words", f"MARKDOWN-{prefix}"
    meta = {"code": tab.words, "width": COLUMNS, "height": _WORDS_HEIGHT}
    parts[text] = {"id": text, "type": "MARKDOWN", "meta": meta, "children": [], "parents": [*parents, words]}
    parts[words] = _row_of(words, [text], parents)
    return [words, *(_charts(parts, f"{prefix}-{n}", row, parents) for n, row in enumerate(tab.rows))]


def _charts(parts: dict[str, Any], name: str, row: Row, parents: list[str]) -> str:
    return _row(parts, name, row.height, [(each.chart, each.width) for each in row.charts], parents)


def _row(parts: dict[str, Any], name: str, height: int, charts: Sequence[tuple[Chart, int]], parents: list[str]) -> str:
    row = f"ROW-{name}"
    children = []
    for chart, width in charts:
        child = f"CHART-{identifier('place', f'{name}/{chart.name}')[:13]}"
        parts[child] = {
            "id": child,
            "type": "CHART",
            "children": [],
            "parents": [*parents, row],
            "meta": {
                "chartId": number("chart", chart.name),
                "uuid": identifier("chart", chart.name),
                "sliceName": chart.name,
                "width": width,
                "height": height,
            },
        }
        children.append(child)
    parts[row] = _row_of(row, children, parents)
    return row


def _row_of(name: str, children: list[str], parents: list[str]) -> dict[str, Any]:
    meta = {"background": "BACKGROUND_TRANSPARENT"}
    return {"id": name, "type": "ROW", "meta": meta, "children": children, "parents": parents}
