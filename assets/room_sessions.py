"""Room sessions (report 6000): one row for each time a room was open."""

from assets.report import ENTRY_IDS, VIRTUAL_EVENT_IDS, Report
from resources.kaltura.query import Filter
from resources.table import UNKNOWN_IN_WORDS, Column, Kind, Merge, Table

_ENTRY_IDS = Filter("entry_ids", "entry_id")

ROOM_SESSIONS = Report(
    title="Rooms: sessions",
    table=Table(
        name="room_sessions",
        report_id=6000,
        description=(
            "One row for each session of each room, breakout rooms included, on the local day on which it started. "
            "Figures are those of the whole session, however long it ran. A session that a later pull no longer lists "
            "stays."
        ),
        key=("entry_id", "cue_point_id"),
        session_key=("entry_id", "cue_point_id"),
        columns=(
            Column("entry_id", Kind.TEXT, "The room: the id of its Kaltura entry.", nullable=False),
            Column(
                "entry_name",
                Kind.TEXT,
                "The room's name when last pulled. A renamed room keeps its old name on sessions that are not pulled "
                "again.",
                stays_known=True,
            ),
            Column(
                "parent_entry_id",
                Kind.TEXT,
                "The main room, where this one is a breakout room; NULL for a main room.",
                stays_known=True,
            ),
            Column(
                "cue_point_id",
                Kind.TEXT,
                "The session: an id that Kaltura gives each opening of a room. Unique within a room. Rows of a session that "
                "Kaltura has lost name none, and are in rejects.",
                nullable=False,
            ),
            Column(
                "session_start_time",
                Kind.TIME,
                "When the session started. Its local day is partition_date.",
                nullable=False,
            ),
            Column(
                "session_end_time",
                Kind.TIME,
                "When the session ended; NULL while it runs or where the end is not known.",
                merge=Merge.LATEST,
                stays_known=True,
                known_with="session_start_time",
            ),
            Column(
                "session_host_user_id",
                Kind.TEXT,
                f"The user id of the host. May read {UNKNOWN_IN_WORDS}.",
                person=True,
                stays_known=True,
            ),
            Column(
                "meeting_view_period_unique_users",
                Kind.COUNT,
                "How many people attended: Kaltura's estimate, which need not equal the number of attendee rows. A "
                "HyperLogLog: does not add up over sessions.",
            ),
            Column(
                "meeting_engaged_play_time_ratio",
                Kind.RATIO,
                "Share of all viewing time with an engaged viewer, 0 to 1; 0 where nobody watched.",
                weighted_by="meeting_view_period_unique_users",
            ),
        ),
    ),
    split_by=_ENTRY_IDS,
    filters={ENTRY_IDS: _ENTRY_IDS, VIRTUAL_EVENT_IDS: Filter("virtual_event_ids", None)},
)
