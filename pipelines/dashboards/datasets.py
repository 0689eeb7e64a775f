"""A dataset for each view that a chart uses: its columns and their words from the database's catalog, metrics added.

Columns that the database does not have (local times, a mark for what is provisional) are declared here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.dashboards.identity import DATABASE, VERSION, identifier
from pipelines.dashboards.metrics import metrics_of
from pipelines.pages.data_dictionary import Column

CERTIFIED = {
    "certified_by": "Kaltura room warehouse",
    "details": "Made from the database's own comments by `make docs`.",
}
PERSONAL = "Personal data."  # how the catalog's comments mark a column
NOT_CACHED = -1  # what one person may see is kept for nobody else, and not for them once they may not any more

_MARK = "CASE WHEN is_provisional THEN 'provisional' ELSE 'final' END"


@dataclass(frozen=True)
class Calculated:
    """A column that the dataset adds to the view's."""

    name: str
    type: str
    sql: str
    words: str


def _local(column: str, of: str) -> Calculated:
    words = f"{of}, as clocks show it in the time zone of the connection."
    return Calculated(f"{column}_local", "TIMESTAMP", f"CAST({column}_at AS timestamp)", words)


# Superset shows a time as UTC has it: of a date, which Postgres cuts to a midnight of the connection's zone, a Sunday in Berlin.
_DAY = Calculated(
    "session_day",
    "TIMESTAMP",
    "CAST(session_date AS timestamp)",
    "session_date, as a time without a zone: weeks of it begin with a Monday wherever they are shown.",
)
_STATE = Calculated("state", "TEXT", _MARK, "Whether the figures may still grow: provisional, or final.")
# A chart's WHERE knows the view's own columns alone, so this stands there as it is.
_THIS_WEEK = "CAST(date_trunc('week', now()) AS date)"
IS_WEEK_OVER = f"session_date < {_THIS_WEEK}"
IS_OVER = f"week_date < {_THIS_WEEK}"  # of a row a week
_WEEK_OVER = Calculated(
    "is_week_over",
    "BOOLEAN",
    IS_WEEK_OVER,
    "Whether the week of the day is over: the running one is no week to compare with.",
)
# A bar of the running week is no lesser week: it is not at its end, however final its sessions are.
_WEEK_STATE = Calculated(
    "week_state",
    "TEXT",
    f"CASE WHEN is_provisional THEN 'provisional' WHEN {IS_WEEK_OVER} THEN 'final' ELSE 'running week' END",
    "Whether a week's figures may still grow: provisional, where its sessions may; running week, where it is not over; or"
    " final.",
)
# Who came to two sessions, one final and one provisional, is one person of the week: the state is the week's, and not theirs.
_MONDAY = "CAST(date_trunc('week', session_date) AS date)"
_WHOLE_WEEK_STATE = Calculated(
    "whole_week_state",
    "TEXT",
    f"CASE WHEN NOT {IS_WEEK_OVER} THEN 'running week'"
    # As weekly has it, from the days alone: those before the first that was loaded, and after the last, are not in calendar.
    f" WHEN (account_id, {_MONDAY}) IN (SELECT account_id, {_MONDAY} FROM analytics.calendar GROUP BY account_id, {_MONDAY}"
    " HAVING bool_or(is_provisional) OR COUNT(*) < 7)"
    " THEN 'provisional' ELSE 'final' END",
    "Of the whole week, so that nobody counts twice in it: running week, where it is not over; provisional, where one of its"
    " days is missing, was never loaded or may still change; or final.",
)


def _loaded(day: str, *reports: str) -> Calculated:
    """In a COALESCE, so that Postgres looks days up in a hash, and does not join them."""
    pulled = " AND ".join(f"{report}_pulled_at IS NOT NULL" for report in reports)
    told = " and ".join({"session": "sessions", "attendance": "attendees"}[report] for report in reports)
    return Calculated(
        "is_day_loaded",
        "BOOLEAN",
        f"COALESCE((account_id, {day}) IN (SELECT account_id, session_date FROM analytics.loaded_days WHERE {pulled}), FALSE)",
        f"Whether {told} of the day are loaded whole: of another day only what some pull of certain ids brought is here.",
    )


CALCULATED: Mapping[str, Sequence[Calculated]] = {
    "sessions": (
        _local("started", "When the session started"),
        _DAY,
        _STATE,
        _WEEK_OVER,
        _WEEK_STATE,
        _loaded("session_date", "session"),
    ),
    "attendance": (
        _local("started", "When the session started"),
        _DAY,
        _STATE,
        _WEEK_OVER,
        _WEEK_STATE,
        _WHOLE_WEEK_STATE,
        _loaded("session_date", "session", "attendance"),
    ),
    "weekly": (
        Calculated(
            "week_day",
            "TIMESTAMP",
            "CAST(week_date AS timestamp)",
            "week_date, as a time without a zone: it is that Monday wherever it is shown.",
        ),
    ),
    "course_sessions": (_local("started", "When the session started"), _DAY, _STATE),
    "absences": (_local("started", "When the session started"), _STATE),
    "course_attendance": (_STATE,),
    "planned_sessions": (
        _local("planned_start", "When it was to start"),
        _DAY,
        _STATE,
        Calculated(
            "result", "TEXT", "COALESCE(outcome, 'not known yet')", "outcome, and `not known yet` where that is NULL."
        ),
    ),
    "calendar": (
        _DAY,
        Calculated(
            "state",
            "TEXT",
            "CASE WHEN NOT (is_session_loaded AND is_attendance_loaded) THEN 'missing'"
            " WHEN is_provisional THEN 'provisional' ELSE 'final' END",
            "missing where sessions or attendees are not loaded; provisional where the day may still change; else final.",
        ),
    ),
    "concurrency_hourly": (
        Calculated(
            "weekday",
            "TEXT",
            "to_char(hour_at, 'ID Dy')",
            "The day of the week, with its number (1 is Monday), in the time zone of the connection.",
        ),
        Calculated("hour_of_day", "TEXT", "to_char(hour_at, 'HH24')", "The hour of the day, in that time zone."),
        _loaded("CAST(hour_at AS date)", "session"),
    ),
    "engagement_distribution": (
        Calculated(
            "band",
            "TEXT",
            "to_char(band_from_ratio, 'FM0.0') || ' to ' || to_char(band_to_ratio, 'FM0.0')",
            "The band, from its least engagement to where the next begins.",
        ),
    ),
    "restated_sessions": (_local("pulled", "When the pull began that changed it"),),
}
TIME_COLUMNS = ("session_date", "week_date", "hour_at")
_SCHEMAS = {"courses": "university"}
_OFFERED = {"text", "date", "boolean", "bigint", "integer"}  # what charts group by


def schema_of(view: str) -> str:
    return _SCHEMAS.get(view, "analytics")


def columns_of(view: str, described: Sequence[Column]) -> list[Column]:
    return [each for each in described if (each.schema, each.relation) == (schema_of(view), view)]


def time_column(names: Sequence[str]) -> str | None:
    """The column by which the days filter finds the rows; None where rows are of no day."""
    return next((name for name in TIME_COLUMNS if name in names), None)


def dataset(view: str, described: Sequence[Column]) -> dict[str, Any]:
    """The dataset of a view, in Superset's export format."""
    columns = columns_of(view, described)
    is_personal = any(PERSONAL in (each.comment or "") for each in columns)
    return {
        "table_name": view,
        "schema": schema_of(view),
        "catalog": None,
        "main_dttm_col": time_column([each.name for each in columns]),
        "description": columns[0].relation_comment,
        "default_endpoint": None,
        "offset": 0,
        "cache_timeout": NOT_CACHED if is_personal else None,
        "sql": None,
        "params": None,
        "template_params": None,
        "filter_select_enabled": True,
        "fetch_values_predicate": None,
        "extra": {"certification": CERTIFIED},
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "uuid": identifier("dataset", view),
        "metrics": _metrics(view, described),
        "columns": [_column(each) for each in columns] + [_calculated(each) for each in CALCULATED.get(view, ())],
        "is_managed_externally": True,
        "version": VERSION,
        "database_uuid": identifier("database", DATABASE),
    }


def _metrics(view: str, described: Sequence[Column]) -> list[dict[str, Any]]:
    comments = {f"{each.relation}.{each.name}": each.comment for each in described if each.schema == "analytics"}
    return [
        {
            "metric_name": each.name,
            "verbose_name": each.label,
            "metric_type": None,
            "expression": each.sql[view],
            "description": each.description(view, comments),
            "d3format": each.format or None,
            "extra": {"certification": CERTIFIED},
            "warning_text": None,
        }
        for each in metrics_of(view).values()
    ]


def _shown(name: str) -> str:
    """A column's name as a heading: `is_at_risk` is At risk, `weighted_engagement_ratio` Weighted engagement."""
    words = name.removeprefix("is_").removesuffix("_ratio").removesuffix("_local").replace("_", " ")
    return words[0].upper() + words[1:]


def _column(column: Column) -> dict[str, Any]:
    is_time = column.type == "date" or column.type.startswith("timestamp")
    return {
        "column_name": column.name,
        "verbose_name": _shown(column.name),
        "is_dttm": is_time,
        "is_active": True,
        "type": column.type.upper(),
        "groupby": column.type in _OFFERED or is_time,
        "filterable": True,
        "expression": None,
        "description": column.comment,
        "python_date_format": None,
        "extra": {},
    }


def _calculated(column: Calculated) -> dict[str, Any]:
    return {
        "column_name": column.name,
        "verbose_name": _shown(column.name),
        "is_dttm": column.type == "TIMESTAMP",
        "is_active": True,
        "type": column.type,
        "groupby": True,
        "filterable": True,
        "expression": column.sql,
        "description": column.words,
        "python_date_format": None,
        "extra": {},
    }
