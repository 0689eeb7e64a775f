"""What stands on every dashboard: how far the data are known, and the filter of accounts. And what its charts share."""

from pipelines.dashboards.board import Select
from pipelines.dashboards.charts import Table

WEEK = "P1W"
MAIN = "NOT is_breakout"  # who is in a breakout is in the main room as well
LOADED = ("is_day_loaded",)  # what a pull of certain ids brought of another day is no figure of it
KNOWN = Table(
    "How far the data are known",
    "Until when every day is loaded, with sessions and attendees, and until when every day is final: over when last pulled, and"
    " each of its sessions known to its end. A day that is missing in between ends both. And how many days are missing or"
    " provisional in all.",
    "calendar",
    ("loaded_until", "final_until", "missing", "provisional"),
    ("account_id",),
    order=(("account_id", True),),
    page=0,
)
ACCOUNT = Select("Account", "calendar", "account_id")
# A name is not one room's alone, nor the same for good; and an id is one within its account.
A_ROOM = ("room_id", "account_id")
ROOM = (
    Select("Room", "sessions", "room_name"),
    Select("Room id", "sessions", "room_id", "One of several rooms with the same name.", within=("Room",)),
)
