"""Breakout sessions (report 6002): one row for each time a breakout room was open."""

from assets.report import PARENT_ENTRY_IDS, VIRTUAL_EVENT_IDS, Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.query import Filter
from resources.table import Column, Kind, Merge, Table

_PARENT_ENTRY_IDS = Filter("parentEntryIds", "parent_entry_id")

BREAKOUT_SESSIONS = Report(
    title="Rooms: breakout sessions",
    table=Table(
        name="breakout_sessions",
        report_id=6002,
        description=(
            "One row for each session of each breakout room, on the local day on which it started. A session that a "
            "later pull no longer lists stays."
        ),
        key=("breakout_entry_id", "cue_point_id"),
        session_key=("breakout_entry_id", "cue_point_id"),
        columns=(
            Column("parent_entry_id", Kind.TEXT, "The main room that the breakout room belongs to.", stays_known=True),
            Column(
                "parent_entry_name",
                Kind.TEXT,
                "The main room's name when last pulled.",
                stays_known=True,
                known_with="parent_entry_id",
            ),
            Column("breakout_entry_id", Kind.TEXT, "The breakout room: the id of its Kaltura entry.", nullable=False),
            Column("breakout_entry_name", Kind.TEXT, "The breakout room's name when last pulled.", stays_known=True),
            Column(
                "cue_point_id",
                Kind.TEXT,
                "The breakout session. Its own id or that of the main session: analytics.breakouts tells which.",
                nullable=False,
            ),
            Column(
                "session_initiator",
                Kind.TEXT,
                "Who opened the breakout session: first and last name where Kaltura knows one, else the user id.",
                personal=True,
            ),
            Column("session_start_time", Kind.TIME, "When the breakout session started.", nullable=False),
            Column(
                "session_end_time",
                Kind.TIME,
                "When it ended; NULL while it runs or where the end is not known.",
                merge=Merge.LATEST,
                stays_known=True,
                known_with="session_start_time",
            ),
            Column(
                "duration",
                Kind.SECONDS,
                "From start to end; NULL where the end is. An interval, from seconds.",
                stays_known=True,
                known_with="session_start_time",
            ),
            Column(
                "participant_count",
                Kind.COUNT,
                "How many people took part: Kaltura's estimate. Does not add up over sessions.",
            ),
            Column(
                "engagement_rate",
                Kind.RATIO,
                "Share of all viewing time with an engaged viewer, 0 to 1. 0 where nobody watched.",
                weighted_by="participant_count",
            ),
        ),
    ),
    split_by=_PARENT_ENTRY_IDS,
    filters={PARENT_ENTRY_IDS: _PARENT_ENTRY_IDS, VIRTUAL_EVENT_IDS: Filter("virtual_event_ids", None)},
    lineage=("room_sessions",),
    drawn_from=ROOM_SESSIONS,
)
