"""*Who was there*: people, their sessions and the rooms that they came to."""

from pipelines.dashboards.board import Board, Placed, Row, Tab, whole
from pipelines.dashboards.charts import DAY, Bars, Number, Table
from pipelines.dashboards.known import A_ROOM, ACCOUNT, KNOWN, LOADED, MAIN, ROOM, WEEK

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
            " twice, and with `PII_MODE=none` everybody is another one in each session.",
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
                        "Identified people, each once a week; days that are not loaded are left out. Provisional: a week of which"
                        " a day is missing, was never loaded or may still change.",
                        "attendance",
                        ("people",),
                        ("whole_week_state",),
                        time="session_date",
                        where=_PERSON,
                        only=LOADED,
                        x=DAY,
                        every=WEEK,
                        filters_once=True,
                    ),
                ),
                whole(
                    62,
                    Table(
                        "People and their time",
                        "The people with the most time in main sessions.",
                        "attendance",
                        ("newest_person_name", "hours", "sessions", "engagement", "last_seen"),
                        ("person_id", "account_id"),
                        time="session_date",
                        where=_PERSON,
                        order=(("hours", False),),
                        limit=500,
                    ),
                ),
                whole(
                    62,
                    Table(
                        "Rooms and who was there",
                        "Each room that somebody came to: identified people, its sessions that had attendees, and the time of all"
                        " attendees, also of those whom Kaltura could not name.",
                        "attendance",
                        ("newest_room_name", "people", "sessions", "hours"),
                        A_ROOM,
                        time="session_date",
                        where=(MAIN,),
                        order=(("people", False),),
                        limit=500,
                    ),
                ),
            ),
        ),
    ),
    (
        ACCOUNT,
        *ROOM,
    ),
)
