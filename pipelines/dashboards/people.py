"""*Who was there*: people, their sessions and the rooms that they came to."""

from pipelines.dashboards.board import Board, Placed, Row, Select, Tab, whole
from pipelines.dashboards.charts import Bars, Number, Table
from pipelines.dashboards.known import ACCOUNT, KNOWN, MAIN, WEEK

_PERSON = ("is_identified", MAIN)
PEOPLE = Board(
    "Who was there",
    "kaltura-who-was-there",
    "People and their sessions: pseudonyms, but for those who may see who people are.",
    KNOWN,
    (
        Tab(
            "",
            "People are shown by name and id to those alone that the database lets see them (`kaltura_analyst_pii`); everybody"
            " else sees a pseudonym for each, the same one everywhere, and no names. A person is an id: who has two counts"
            " twice.",
            (
                Row(
                    18,
                    tuple(
                        Placed(Number(name, words, dataset, (metric,), time="session_date"), 3)
                        for name, words, dataset, metric in (
                            ("People", "Identified people in main sessions, each once.", "attendance", "people"),
                            ("Guests", "How many of them came as guests.", "attendance", "guests"),
                            (
                                "Hours of attendance",
                                "Time that all attendees spent in main sessions.",
                                "sessions",
                                "hours",
                            ),
                            (
                                "Unidentified share",
                                "Share of that time that is of people that Kaltura could not name.",
                                "sessions",
                                "unidentified_share",
                            ),
                        )
                    ),
                ),
                whole(
                    46,
                    Bars(
                        "People week by week",
                        "Identified people by week, each once; from sessions that may still gain some, apart.",
                        "attendance",
                        ("people",),
                        ("week_state",),
                        time="session_date",
                        where=_PERSON,
                        x="session_date",
                        every=WEEK,
                        filters_once=True,
                    ),
                ),
                Row(
                    62,
                    (
                        Placed(
                            Table(
                                "People and their time",
                                "The people with the most time in main sessions.",
                                "attendance",
                                ("hours", "sessions", "engagement", "last_seen"),
                                ("person_id", "person_name"),
                                time="session_date",
                                where=_PERSON,
                                order=(("hours", False),),
                                limit=500,
                            ),
                            7,
                        ),
                        Placed(
                            Table(
                                "Rooms and who was there",
                                "Each room with how many people came.",
                                "attendance",
                                ("people", "sessions", "hours"),
                                ("room_name",),
                                time="session_date",
                                where=_PERSON,
                                order=(("people", False),),
                                limit=500,
                            ),
                            5,
                        ),
                    ),
                ),
            ),
        ),
    ),
    (
        ACCOUNT,
        Select("Room", "sessions", "room_name"),
    ),
)
