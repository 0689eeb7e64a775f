"""What stands on every dashboard: how far the data are known, and the filter of accounts. And what its charts share."""

from pipelines.dashboards.board import Select
from pipelines.dashboards.charts import Table

WEEK = "P1W"
MAIN = "NOT is_breakout"  # who is in a breakout is in the main room as well
KNOWN = Table(
    "How far the data are known",
    "The last day of which sessions and attendees are loaded, the last whose figures will not change any more as its day"
    " is over everywhere, and how many days are missing or provisional in all.",
    "calendar",
    ("loaded_until", "final_until", "missing", "provisional"),
    ("account_id",),
    order=(("account_id", True),),
    page=0,
)
ACCOUNT = Select("Account", "calendar", "account_id")
