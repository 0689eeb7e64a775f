"""The reports that are pulled, in the order in which their tables are filled. Whatever goes over all of them goes over this."""

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.room_sessions import ROOM_SESSIONS

REPORTS = (ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS)
TABLES = tuple(report.table for report in REPORTS)
