"""The advisory locks of loads, by name: two integers each, so that they stay apart from those of other programs.

The second integer of a report's lock is the report's number.
"""

LOCK_CLASS = 0x6B616C74  # "kalt"
PEOPLE_LOCK = 0  # loads take it shared; erasure, retention and conversion take it exclusively
ROLL_LOCK = 1
