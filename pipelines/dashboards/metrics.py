"""The figures of the dashboards, each declared once: what it is called, how it is shown, and its SQL over each view.

What a metric means is said by the database: `words` names a column of schema `analytics`, whose comment it takes.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

COUNT, SHORT, SHARE = ",d", ",.1f", ".1%"
MAIN = "FILTER (WHERE NOT is_breakout)"
# An id is one person's, room's or session's within its account alone. NULL, a person who is not shown, is none of them.
# Joined to one text (no id of Kaltura's has a slash), they are sorted four times as fast as rows of several columns.
PEOPLE = "COUNT(DISTINCT person_id || '/' || account_id)"
SESSIONS = "COUNT(DISTINCT session_id || '/' || room_id || '/' || account_id)"
PERSON = "FILTER (WHERE is_identified AND NOT is_breakout)"


@dataclass(frozen=True)
class Metric:
    """A figure, with its SQL by the view that it is computed over. `of` is what it makes of the column of `words`."""

    name: str
    label: str
    words: str
    format: str
    sql: Mapping[str, str]
    of: str = ""


def _weighted(minutes: str, ratio: str, engaged: str) -> str:
    """A mean that weighs by minutes, over those of which the ratio is known."""
    return f"SUM({engaged}) {MAIN} / NULLIF(SUM({minutes}) FILTER (WHERE NOT is_breakout AND {ratio} IS NOT NULL), 0)"


def _hours(attended: str, main: str = "") -> str:
    """Of sessions, 0 where nothing is unknown: beside one whose people have no time, one without people makes it no 0."""
    added_up = f"SUM(total_minutes) {main}".strip()
    unknown = f"COUNT(*) FILTER (WHERE total_minutes IS NULL AND {attended})"
    return f"CASE WHEN {added_up} > 0 OR {unknown} = 0 THEN {added_up} / 60 END"


def _until(holds: str) -> str:
    """The day before the first for which that does not hold, and not the newest for which it does: no gap is passed over."""
    until = f"MIN(session_date) FILTER (WHERE NOT ({holds})) - 1"
    return f"NULLIF(COALESCE({until}, MAX(session_date)), MIN(session_date) - 1)"


METRICS = (
    Metric(
        "people",
        "People",
        "weekly.people_count",
        COUNT,
        {"attendance": f"{PEOPLE} {PERSON}"},
    ),
    Metric(
        "sessions",
        "Sessions",
        "weekly.session_count",
        COUNT,
        {
            "sessions": f"COUNT(*) {MAIN}",
            "attendance": f"{SESSIONS} {MAIN}",
            "course_sessions": "COUNT(*)",
            "planned_sessions": "COUNT(*)",
            "course_attendance": "MAX(session_count)",
        },
    ),
    Metric(
        "hours",
        "Hours",
        "weekly.total_minutes",
        COUNT,
        {
            "sessions": _hours("attendance_count > 0 AND NOT is_breakout", MAIN),
            "attendance": f"SUM(attended_minutes) {MAIN} / 60",
            "course_sessions": _hours("is_attendance_loaded"),
            "course_attendance": "SUM(attended_minutes) / 60",
        },
    ),
    Metric(
        "engagement",
        "Engagement",
        "weekly.weighted_engagement_ratio",
        SHARE,
        {
            "sessions": _weighted(
                "rated_minutes", "weighted_engagement_ratio", "rated_minutes * weighted_engagement_ratio"
            ),
            "attendance": _weighted("attended_minutes", "engagement_ratio", "engaged_minutes"),
        },
    ),
    Metric(
        "unidentified_share",
        "Unidentified share",
        "sessions.unidentified_minutes",
        SHARE,
        {
            "sessions": f"SUM(unidentified_minutes) {MAIN} / NULLIF(SUM(total_minutes) {MAIN}, 0)",
        },
    ),
    Metric(
        "provisional",
        "Provisional",
        "sessions.is_provisional",
        COUNT,
        {
            "sessions": "COUNT(*) FILTER (WHERE is_provisional AND NOT is_breakout)",
            "calendar": "COUNT(*) FILTER (WHERE is_provisional AND is_session_loaded AND is_attendance_loaded)",
            "course_sessions": "COUNT(*) FILTER (WHERE is_provisional)",
        },
    ),
    Metric(
        "guests",
        "Guests",
        "weekly.guest_count",
        COUNT,
        {"attendance": f"{PEOPLE} FILTER (WHERE is_identified AND is_guest AND NOT is_breakout)"},
    ),
    Metric(
        "last_seen",
        "Last seen",
        "people.last_seen_date",
        "",
        {"attendance": f"MAX(session_date) {MAIN}"},
    ),
    Metric(
        "estimated_people",
        "Kaltura's estimate",
        "reconciliation.estimated_people_count",
        COUNT,
        {"sessions": f"SUM(estimated_people_count) {MAIN}"},
    ),
    Metric(
        "attendances",
        "Attendances",
        "reconciliation.attendance_count",
        COUNT,
        {"sessions": f"SUM(people_count) {MAIN}", "engagement_distribution": "SUM(attendance_count)"},
    ),
    Metric(
        "session_hours",
        "Session hours",
        "concurrency_hourly.session_minutes",
        SHORT,
        {"concurrency_hourly": "SUM(session_minutes) / 60"},
    ),
    Metric(
        "attended",
        "Attended",
        "course_sessions.attended_count",
        COUNT,
        {"course_sessions": "SUM(attended_count)", "course_attendance": "SUM(attended_session_count)"},
    ),
    Metric(
        "absent",
        "Absent",
        "course_sessions.absent_count",
        COUNT,
        {"course_sessions": "SUM(absent_count)", "course_attendance": "SUM(absence_count)"},
    ),
    Metric(
        "not_enrolled",
        "Attendances without enrolment",
        "course_sessions.not_enrolled_count",
        COUNT,
        {"course_sessions": "SUM(not_enrolled_count)"},
    ),
    Metric(
        "attendance_share",
        "Attendance",
        "course_attendance.attendance_ratio",
        SHARE,
        {
            "course_sessions": "CAST(SUM(attended_count) AS double precision)"
            " / NULLIF(SUM(attended_count + absent_count), 0)",
            "course_attendance": "CAST(SUM(attended_session_count) AS double precision)"
            " / NULLIF(SUM(attended_session_count + absence_count), 0)",
        },
    ),
    Metric(
        "final_until",
        "Final until",
        "calendar.is_provisional",
        "",
        {"calendar": _until("NOT is_provisional")},
        "The day before the first one that is missing or may still change: up to it, every day is final.",
    ),
    Metric(
        "loaded_until",
        "Loaded until",
        "calendar.is_session_loaded",
        "",
        {"calendar": _until("is_session_loaded AND is_attendance_loaded")},
        "The day before the first one of which sessions or attendees are not loaded: up to it, no day is missing.",
    ),
    Metric(
        "missing",
        "Missing days",
        "data_freshness.missing_day_count",
        COUNT,
        {"calendar": "COUNT(*) FILTER (WHERE NOT (is_session_loaded AND is_attendance_loaded))"},
    ),
    Metric("days", "Days", "calendar.session_date", COUNT, {"calendar": "COUNT(*)"}),
    Metric(
        "sessions_pulled",
        "Sessions pulled",
        "loaded_days.session_pulled_at",
        "",
        {"loaded_days": "MAX(CAST(session_pulled_at AS timestamp))"},
    ),
    Metric(
        "attendance_pulled",
        "Attendees pulled",
        "loaded_days.attendance_pulled_at",
        "",
        {"loaded_days": "MAX(CAST(attendance_pulled_at AS timestamp))"},
    ),
    Metric(
        "breakouts_pulled",
        "Breakouts pulled",
        "loaded_days.breakout_pulled_at",
        "",
        {"loaded_days": "MAX(CAST(breakout_pulled_at AS timestamp))"},
    ),
    Metric("rejected", "Rows", "rejected_rows.row_count", COUNT, {"rejected_rows": "SUM(row_count)"}),
)


def metrics_of(view: str) -> dict[str, Metric]:
    """The metrics that can be computed over the view, by name."""
    return {metric.name: metric for metric in METRICS if view in metric.sql}


def unfiltered(name: str, view: str, where: Collection[str]) -> str:
    """The metric's SQL for rows that `where` holds for. Raises ValueError where it leaves out more than that."""
    expression = metrics_of(view)[name].sql[view]
    found = re.fullmatch(r"(?P<over>[^)]+\)) FILTER \(WHERE (?P<conditions>[^()]+)\)", expression)
    if not found or not set(found["conditions"].split(" AND ")) <= set(where):
        raise ValueError(f"{name} over {view} leaves out more than {list(where)}")
    return found["over"]
