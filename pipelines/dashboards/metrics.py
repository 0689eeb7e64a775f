"""The figures of the dashboards, each declared once: what it is called, how it is shown, and its SQL over each view.

What a metric means is said by the database: `words` names a column of schema `analytics`, whose comment it takes. `meant` has
words of its own for the views over which it is something else than that column: of another time, in hours, a count.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

COUNT, SHORT, SHARE = ",d", ",.1f", ".1%"
MAIN = "FILTER (WHERE NOT is_breakout)"
MAIN_WITH_ESTIMATE = "FILTER (WHERE NOT is_breakout AND estimated_people_count IS NOT NULL)"
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
    meant: Mapping[str, str] = field(default_factory=dict)

    def description(self, view: str, comments: Mapping[str, str | None]) -> str:
        """What it is over the view; `comments` by relation and column."""
        return self.meant.get(view) or f"{self.of} {comments[self.words]}".strip()


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


def _added_up(count: str) -> str:
    """Of a row for each account and week: a bigint, as of one row."""
    return f"CAST(SUM({count}) AS bigint)"


_UNTIMED = "NULL where nothing is known, or people are listed and no time is given for any."
_PROVISIONAL_SESSION = (
    "The session or its attendees are not yet known to its end, or to seven days past its start where it has none, or"
    " attendees are not loaded. Kaltura may deliver events late even after that."
)

# A name is no one's for good: over days on which it was another, it is the newest.
_ROOM_NAME = "(ARRAY_AGG(room_name ORDER BY started_at DESC NULLS LAST))[1]"

METRICS = (
    Metric(
        "newest_room_name",
        "Room",
        "rooms.room_name",
        "",
        {"sessions": _ROOM_NAME, "attendance": _ROOM_NAME},
        meant={
            "sessions": "The room's name at the newest of the sessions that are asked for.",
            "attendance": "The room's name at the newest of the sessions that are asked for.",
        },
    ),
    Metric(
        "newest_person_name",
        "Name",
        "people.person_name",
        "",
        {
            "attendance": "(ARRAY_AGG(person_name ORDER BY started_at DESC NULLS LAST)"
            " FILTER (WHERE person_name IS NOT NULL))[1]"
        },
        meant={
            "attendance": "First and last name, or the user id again, at the newest of the sessions that are asked for; NULL"
            " where you may not see it or it is not kept. Personal data."
        },
    ),
    Metric(
        "people",
        "People",
        "weekly.people_count",
        COUNT,
        {"attendance": f"{PEOPLE} {PERSON}", "weekly": _added_up("people_count")},
        meant={
            "attendance": "Identified people in main sessions, each once over all that is asked for, be it a week or a year:"
            " does not add up over weeks or rooms. PII_MODE=none: once a session."
        },
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
            "weekly": _added_up("session_count"),
        },
        meant={
            "attendance": "Main sessions in which anybody is listed, identified or not.",
            "course_sessions": "Sessions of courses, those that a host's lost connection cut in two counted once; one of two"
            " courses counts for each.",
            "planned_sessions": "Sessions that were planned, held or not, and those that were held without a plan.",
            "course_attendance": "The most sessions that were held for one person of the list.",
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
            "weekly": "SUM(total_minutes) / 60",
        },
        meant={
            "sessions": f"Time that all attendees spent in main sessions, in hours; {_UNTIMED}",
            "attendance": f"Time that was spent in main sessions, in hours; {_UNTIMED}",
            "course_sessions": f"Time that everybody, enrolled or not, spent in the sessions, in hours; {_UNTIMED}",
            "course_attendance": "Time in all sessions that they came to, enrolled or not, in hours; NULL where none is known.",
            "weekly": f"Time that all attendees spent in main sessions, in hours; {_UNTIMED}",
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
            "weekly": "SUM(total_minutes * weighted_engagement_ratio)"
            " / NULLIF(SUM(total_minutes) FILTER (WHERE weighted_engagement_ratio IS NOT NULL), 0)",
        },
        meant={
            "weekly": "Engagement in main sessions weighted by minutes, 0 to 1; NULL where there are no minutes to weigh by. Over"
            " several weeks or accounts each counts by all its minutes, also those without an engagement."
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
        meant={
            "sessions": "Share of the time that attendees spent in main sessions that is of people whom Kaltura could not name."
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
        meant={
            "sessions": f"How many main sessions are provisional. {_PROVISIONAL_SESSION}",
            "course_sessions": f"How many of the sessions are provisional. {_PROVISIONAL_SESSION}",
            "calendar": "How many of the days that are loaded are provisional: a report was last pulled before noon UTC of the"
            " next day, when the day is over everywhere, or a session of it is not yet known to its end.",
        },
    ),
    Metric(
        "guests",
        "Guests",
        "weekly.guest_count",
        COUNT,
        {"attendance": f"{PEOPLE} FILTER (WHERE is_identified AND is_guest AND NOT is_breakout)"},
        meant={
            "attendance": "Identified people who came to main sessions as guests, each once over all that is asked for: does not"
            " add up over weeks or rooms. PII_MODE=none: once a session."
        },
    ),
    Metric(
        "last_seen",
        "Last seen",
        "people.last_seen_date",
        "",
        {"attendance": f"MAX(session_date) {MAIN}"},
        meant={"attendance": "The local day of the newest main session attended, of those that are asked for."},
    ),
    Metric(
        "estimated_people",
        "Kaltura's estimate",
        "reconciliation.estimated_people_count",
        COUNT,
        {"sessions": f"SUM(estimated_people_count) {MAIN}"},
    ),
    Metric(
        "listed_attendances",
        "Rows of attendees",
        "reconciliation.attendance_count",
        COUNT,
        {"sessions": f"SUM(attendance_count) {MAIN_WITH_ESTIMATE}"},
        meant={
            "sessions": "Attendees that report 6001 lists for the main sessions that have an estimate; unidentified people are"
            " one row together. Of sessions whose attendees are not loaded none is known."
        },
    ),
    Metric(
        "attendances",
        "Attendances",
        "reconciliation.attendance_count",
        COUNT,
        {"sessions": f"SUM(people_count) {MAIN}", "engagement_distribution": "SUM(attendance_count)"},
        meant={
            "sessions": "Attendances of main sessions: an identified person in a session. Of sessions whose attendees are not"
            " loaded none is known.",
            "engagement_distribution": "Attendances of main sessions, an identified person in a session, of which the engagement"
            " is known.",
        },
    ),
    Metric(
        "session_hours",
        "Session hours",
        "concurrency_hourly.session_minutes",
        SHORT,
        {"concurrency_hourly": "SUM(session_minutes) / 60"},
        meant={
            "concurrency_hourly": "How long main sessions were open, in hours: those of all sessions and all weeks that are asked"
            " for added up."
        },
    ),
    Metric(
        "attended",
        "Attended",
        "course_sessions.attended_count",
        COUNT,
        {"course_sessions": "SUM(attended_count)", "course_attendance": "SUM(attended_session_count)"},
        meant={
            "course_sessions": "Attendances of enrolled students, for the course's attendance_threshold at least: a student in a"
            " session. Sessions of which attendees are not loaded are left out.",
            "course_attendance": "Sessions that people of the list attended while they were enrolled, added up over people.",
        },
    ),
    Metric(
        "absent",
        "Absent",
        "course_sessions.absent_count",
        COUNT,
        {"course_sessions": "SUM(absent_count)", "course_attendance": "SUM(absence_count)"},
        meant={
            "course_sessions": "Absences of enrolled students: a student in a session. Where the session's length is not known,"
            " those who came are in neither count, and sessions of which attendees are not loaded are left out.",
            "course_attendance": "Sessions that people of the list missed while they were enrolled, added up over people.",
        },
    ),
    Metric(
        "not_enrolled",
        "Attendances without enrolment",
        "course_sessions.not_enrolled_count",
        COUNT,
        {"course_sessions": "SUM(not_enrolled_count)"},
        meant={
            "course_sessions": "Identified people who came and were not enrolled on that day: once for each session that they"
            " came to."
        },
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
        meant={
            "course_sessions": "Attendances of enrolled students as a share of them and of their absences, 0 to 1; NULL where"
            " nothing is known."
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
        meant={
            "calendar": "Days, from the first to the last that was loaded, of which sessions or attendees are not loaded whole."
        },
    ),
    Metric(
        "days",
        "Days",
        "calendar.session_date",
        COUNT,
        {"calendar": "COUNT(*)"},
        meant={"calendar": "Days, from the first to the last that was loaded."},
    ),
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


def known(name: str, view: str) -> str:
    """The metric's SQL, less than any figure where it is unknown: what comes last in an order that descends."""
    return f"COALESCE({metrics_of(view)[name].sql[view]}, -1)"


def unfiltered(name: str, view: str, where: Collection[str]) -> str:
    """The metric's SQL for rows that `where` holds for. Raises ValueError where it leaves out more than that."""
    expression = metrics_of(view)[name].sql[view]
    found = re.fullmatch(r"(?P<over>[^)]+\)) FILTER \(WHERE (?P<conditions>[^()]+)\)", expression)
    if not found or not set(found["conditions"].split(" AND ")) <= set(where):
        raise ValueError(f"{name} over {view} leaves out more than {list(where)}")
    return found["over"]
