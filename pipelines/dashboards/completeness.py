"""*Is it complete?*: what is loaded, missing, provisional, restated, and what could not be used."""

from pipelines.dashboards.board import Board, Placed, Row, Tab, whole
from pipelines.dashboards.charts import DAY, Bars, Number, Table
from pipelines.dashboards.known import ACCOUNT, KNOWN, MAIN, WEEK

COMPLETE = Board(
    "Is it complete?",
    "kaltura-is-it-complete",
    "What is loaded, what is missing, what may still change and what could not be used.",
    KNOWN,
    (
        Tab(
            "",
            "A figure of a day that is *missing* is unknown, and not 0. *Provisional* days were last pulled before they were"
            " over everywhere, or have a session that is not yet known to its end: their figures may still grow.",
            (
                Row(
                    18,
                    tuple(
                        Placed(Number(name, words, "loaded_days", (metric,), time="session_date"), 4)
                        for name, words, metric in (
                            ("Sessions pulled", "When report 6000 was last pulled whole.", "sessions_pulled"),
                            ("Attendees pulled", "When report 6001 was last pulled whole.", "attendance_pulled"),
                            ("Breakouts pulled", "When report 6002 was last pulled whole.", "breakouts_pulled"),
                        )
                    ),
                ),
                Row(
                    18,
                    tuple(
                        Placed(Number(name, words, "calendar", (metric,), time="session_date"), 6)
                        for name, words, metric in (
                            ("Missing days", "Days of which sessions or attendees are not loaded.", "missing"),
                            ("Provisional days", "Days whose figures may still grow.", "provisional"),
                        )
                    ),
                ),
                Row(
                    46,
                    (
                        Placed(
                            Bars(
                                "Days by what is known",
                                "Days of each week: final, provisional or missing.",
                                "calendar",
                                ("days",),
                                ("state",),
                                time="session_date",
                                x=DAY,
                                every=WEEK,
                            ),
                            6,
                        ),
                        Placed(
                            Bars(
                                "Kaltura's estimate against the rows",
                                "Kaltura's own estimate of people, and the rows of attendees of the same main sessions.",
                                "sessions",
                                ("estimated_people", "listed_attendances"),
                                is_stacked=False,
                                time="session_date",
                                where=(MAIN, "NOT is_provisional"),
                                x=DAY,
                                every=WEEK,
                            ),
                            6,
                        ),
                    ),
                ),
                Row(
                    56,
                    (
                        Placed(
                            Table(
                                "Rows that could not be used",
                                "By report and reason: set aside, or used without a figure.",
                                "rejected_rows",
                                ("rejected",),
                                ("report_id", "is_repaired", "reason"),
                                time="session_date",
                                order=(("rejected", False),),
                                limit=200,
                            ),
                            6,
                        ),
                        Placed(
                            Table(
                                "Days that are not final",
                                "Each day that is missing or provisional.",
                                "calendar",
                                (),
                                (
                                    "session_date",
                                    "state",
                                    "is_session_loaded",
                                    "is_attendance_loaded",
                                    "is_breakout_loaded",
                                ),
                                time="session_date",
                                where=("is_provisional",),
                                order=(("session_date", False),),
                            ),
                            6,
                        ),
                    ),
                ),
                whole(
                    60,
                    Table(
                        "Restated sessions",
                        "Sessions that a later pull changed or added, the newest first.",
                        "restated_sessions",
                        (),
                        (
                            "session_date",
                            "room_name",
                            "pulled_local",
                            "is_completion",
                            "is_addition",
                            "added_attendance_count",
                            "changed_attendance_count",
                            "removed_attendance_count",
                        ),
                        time="session_date",
                        order=(("pulled_local", False),),
                        limit=200,
                    ),
                ),
            ),
        ),
    ),
    (ACCOUNT,),
)
