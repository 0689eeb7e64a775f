"""Attendees (report 6001): one row for each person in each session."""

from assets.report import CUE_POINT_IDS, ENTRY_IDS, USER_IDS, VIRTUAL_EVENT_IDS, Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.query import Filter
from resources.table import UNKNOWN_IN_WORDS, Column, Kind, Table

_CUE_POINT_IDS = Filter("cue_point_ids", "cue_point_id")

ATTENDEES = Report(
    title="Rooms: attendees",
    table=Table(
        name="attendees",
        report_id=6001,
        description=(
            "One row for each person in each session, on the day of the session. The report has no time of its own: "
            "a row is tied to its day by its session. Rows that Kaltura sends several times for one person are merged. "
            "A person that a later pull of the session no longer lists is removed, and kept in changes; one whose minutes it "
            "gives to nobody, as Kaltura could not look the person up any more, stays as known."
        ),
        key=("entry_id", "cue_point_id", "user_id"),
        session_key=("entry_id", "cue_point_id"),
        columns=(
            Column("entry_id", Kind.TEXT, "The room: the id of its Kaltura entry.", nullable=False),
            Column("cue_point_id", Kind.TEXT, "The session, as in room_sessions.", nullable=False),
            Column(
                "user_id",
                Kind.TEXT,
                "The person; empty for all that Kaltura could not resolve, together. May also read "
                f"{UNKNOWN_IN_WORDS}, each for such people, too.",
                nullable=False,
                person=True,
                empty_is_a_value=True,
            ),
            Column(
                "user_name",
                Kind.TEXT,
                "First and last name, or the user id again, when last pulled; NULL where it is not pulled.",
                personal=True,
            ),
            Column(
                "user_email",
                Kind.TEXT,
                "E-mail address when last pulled; NULL where it is not pulled.",
                personal=True,
            ),
            Column("user_type", Kind.TEXT, "User (known to Kaltura) or Guest."),
            Column(
                "meeting_view_time", Kind.MINUTES, "Time in the session, in minutes. Two devices at once count twice."
            ),
            Column(
                "meeting_engaged_play_time_ratio",
                Kind.RATIO,
                "Share of that time spent engaged, 0 to 1. 0 also where there are no minutes.",
                weighted_by="meeting_view_time",
            ),
        ),
    ),
    split_by=_CUE_POINT_IDS,
    filters={
        ENTRY_IDS: Filter("entry_ids", "entry_id"),
        VIRTUAL_EVENT_IDS: Filter("virtual_event_ids", None),
        USER_IDS: Filter("user_ids", "user_id", names_people=True),
        CUE_POINT_IDS: _CUE_POINT_IDS,
    },
    lineage=("room_sessions",),
    dated_by=ROOM_SESSIONS,
)
