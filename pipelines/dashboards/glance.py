"""*At a glance*: the week against the one before, week by week, the week's hours, bands of engagement, busiest rooms."""

from pipelines.dashboards.board import Board, Placed, Row, Tab, whole
from pipelines.dashboards.charts import DAY, Bars, Heat, Table, Trend
from pipelines.dashboards.datasets import IS_OVER
from pipelines.dashboards.known import A_ROOM, ACCOUNT, KNOWN, LOADED, MAIN, WEEK

_OVER = (IS_OVER,)
_LEFT_OUT = "Days that are not loaded are left out: less than the week before may be that."
GLANCE = Board(
    "At a glance",
    "kaltura-at-a-glance",
    "The week that is over, against the one before. Breakouts are left out, and so is the running week.",
    KNOWN,
    (
        Tab(
            "",
            "**The newest week that is over, by its Monday, against the one before.** The four figures are of whole weeks,"
            " those that begin on one of the days chosen. A week of which days are not loaded shows less, as if it were a"
            " fall; where its figure is not known, the newest that is known is shown, and of when. Bars show what is"
            " *provisional*, and the running week, apart: those figures may still grow. Days that are not loaded are left out,"
            " and so are breakout rooms: who is in one is in the main room as well.",
            (
                Row(
                    30,
                    (
                        Placed(
                            Trend(
                                "Sessions of the week",
                                f"Main sessions by week, Monday to Sunday. {_LEFT_OUT}",
                                "weekly",
                                ("sessions",),
                                time="week_date",
                                where=_OVER,
                            ),
                            3,
                        ),
                        Placed(
                            Trend(
                                "People of the week",
                                f"Identified people, each once a week. {_LEFT_OUT}",
                                "weekly",
                                ("people",),
                                time="week_date",
                                where=_OVER,
                            ),
                            3,
                        ),
                        Placed(
                            Trend(
                                "Hours of the week",
                                f"Time that all attendees spent in main sessions. {_LEFT_OUT}",
                                "weekly",
                                ("hours",),
                                time="week_date",
                                where=_OVER,
                            ),
                            3,
                        ),
                        Placed(
                            Trend(
                                "Engagement of the week",
                                "Share of the time that was spent engaged, as Kaltura reckons it, weighed by minutes. Days that"
                                " are not loaded are left out.",
                                "weekly",
                                ("engagement",),
                                time="week_date",
                                where=_OVER,
                            ),
                            3,
                        ),
                    ),
                ),
                Row(
                    50,
                    (
                        Placed(
                            Bars(
                                "Sessions week by week",
                                "Main sessions by week; those whose figures may still grow apart.",
                                "sessions",
                                ("sessions",),
                                ("week_state",),
                                time="session_date",
                                where=(MAIN,),
                                only=LOADED,
                                x=DAY,
                                every=WEEK,
                            ),
                            6,
                        ),
                        Placed(
                            Bars(
                                "Hours week by week",
                                "Attendees' hours by week; those of sessions whose figures may still grow apart.",
                                "sessions",
                                ("hours",),
                                ("week_state",),
                                time="session_date",
                                where=(MAIN,),
                                only=LOADED,
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
                            Heat(
                                "The week's hours",
                                "How many hours main sessions were open in each hour of the week, in local time.",
                                "concurrency_hourly",
                                ("session_hours",),
                                ("weekday",),
                                time="hour_at",
                                only=LOADED,
                                x="hour_of_day",
                            ),
                            7,
                        ),
                        Placed(
                            Bars(
                                "Engagement bands",
                                "Attendances of identified people by the share of their time that they were engaged.",
                                "engagement_distribution",
                                ("attendances",),
                                time="session_date",
                                x="band",
                            ),
                            5,
                        ),
                    ),
                ),
                whole(
                    52,
                    Table(
                        "Busiest rooms",
                        "The ten rooms with the most time spent in them. Provisional: sessions that may still grow.",
                        "sessions",
                        ("newest_room_name", "hours", "sessions", "engagement", "provisional"),
                        A_ROOM,
                        time="session_date",
                        where=(MAIN,),
                        only=LOADED,
                        order=(("hours", False),),
                        limit=10,
                        page=0,
                    ),
                ),
            ),
        ),
    ),
    (ACCOUNT,),
)
