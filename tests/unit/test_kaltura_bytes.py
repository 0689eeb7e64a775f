"""Bytes that the report server's own code emitted, parsed and normalized: the right value of every cell, by hand."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.merge import merged
from assets.pull.normalize import normalize
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.csv import Rows, parse
from resources.kaltura.errors import ColumnMissing

REPLIES = json.loads((Path(__file__).parents[1] / "data" / "kaltura-bytes.json").read_text("utf-8"))
AUGUST = pd.Timestamp("2024-08-01 00:00", tz="UTC")
LATER = pd.Timestamp("2024-08-01 01:00", tz="UTC")
FIGURES_OF_6002 = (
    b"meeting_view_period_unique_users,meeting_engaged_play_time_ratio",
    b"participant_count,engagement_rate",
)

NO_CUE_POINT = "cue_point_id is empty or unknown"
NO_ROOM = "entry_id is empty or unknown"
NO_BREAKOUT = "breakout_entry_id is empty or unknown"
NO_START = "session_start_time is empty or unknown"

# Of each cell what it has to be, None for NULL; last why the row can't be used, None where it can.
# fmt: off
SESSIONS = [
    ("1_room", "Room", "1_par", "1_cp", AUGUST, None, "h", 3, 0.5, None),
    ("1_room", "Room", "1_par", "1_cz", AUGUST, None, None, 3, 0.5, None),
    ("1_room", "Room", "1_par", "1_cneg", AUGUST, None, None, 3, 0.5, None),
    ("1_room", "Room", "1_par", None, None, None, "Unknown", 3, 0.5, NO_CUE_POINT),
    ("1_room", "Room", "1_par", None, None, None, "Error", 3, 0.5, NO_CUE_POINT),
    ("1_room", "Room", "1_par", None, None, None, None, 3, 0.5, NO_CUE_POINT),
    (None, None, "Unknown", "1_cp", AUGUST, None, "h", 3, 0.5, NO_ROOM),
    (None, None, None, "1_cp", AUGUST, None, "h", 3, 0.5, NO_ROOM),
    ("1_null", None, None, "1_gone", None, None, None, 3, 0.5, NO_START),
    ("1_gone", None, None, None, None, None, None, 3, 0.5, NO_CUE_POINT),
    ("1_ROOM", None, None, "1_CP", None, None, None, 3, 0.5, NO_START),
    (None, None, None, None, None, None, None, 3, 0.5, NO_CUE_POINT),
    ("1_room", "Room", "1_par", "1_cp", AUGUST, None, "h", 3, 0.5, None),
]
ATTENDED = [
    ("1_room", "1_cp", "h", "h", None, "User", 12.5, 0.5, None),
    ("1_room", "1_cz", "h8", None, None, "User", 12.5, 0.5, None),
    ("1_room", "1_cneg", "", None, None, None, 12.5, 0.5, None),
    ("1_room", None, "Unknown", None, None, "User", 12.5, 0.5, NO_CUE_POINT),
    ("1_room", None, "Error", None, None, "User", 12.5, 0.5, NO_CUE_POINT),
    ("1_room", None, "", None, None, None, 12.5, 0.5, NO_CUE_POINT),
    (None, "1_cp", "g0", "0", None, "User", 12.5, 0.5, NO_ROOM),
    (None, "1_cp", "gt", "\tTab NL\n", None, "Guest", 12.5, 0.5, NO_ROOM),
    ("1_null", "1_gone", "h8", "Dup Two", None, "User", 12.5, 0.5, None),
    ("1_gone", None, "", None, None, None, 12.5, 0.5, NO_CUE_POINT),
    ("1_ROOM", "1_CP", "-1", None, None, "User", 12.5, 0.5, None),
    (None, None, "", None, None, None, 12.5, 0.5, NO_CUE_POINT),
    ("1_room", "1_cp", "h", "h", None, "User", 12.5, 0.5, None),
]
HASHED = [
    ("1_room", "1_cp", "77DAC246E66202866CE6080644C0C8E2", None, None, "User", 12.5, 0.5, None),  # pragma: allowlist secret
    ("1_room", "1_cz", "2A6B6E2C200C024860EC86CA886AC282", None, None, "User", 12.5, 0.5, None),
    ("1_room", "1_cneg", "", None, None, None, 12.5, 0.5, None),
    ("1_room", None, "Unknown", None, None, "User", 12.5, 0.5, NO_CUE_POINT),
    ("1_room", None, "Error", None, None, "User", 12.5, 0.5, NO_CUE_POINT),
    ("1_room", None, "", None, None, None, 12.5, 0.5, NO_CUE_POINT),
    (None, "1_cp", "49A32C40AE008E06C460626040EE0ACE", None, None, "User", 12.5, 0.5, NO_ROOM),  # pragma: allowlist secret
    (None, "1_cp", "1FC1C0CC6E4A288C848E846C62A00C8E", None, None, "User", 12.5, 0.5, NO_ROOM),  # pragma: allowlist secret
    ("1_null", "1_gone", "2A7B6E2C200C024860EC86CA886AC282", None, None, "User", 12.5, 0.5, None),  # pragma: allowlist secret
    ("1_gone", None, "", None, None, None, 12.5, 0.5, NO_CUE_POINT),
    ("1_ROOM", "1_CP", "-1", None, None, "User", 12.5, 0.5, None),
    (None, None, "", None, None, None, 12.5, 0.5, NO_CUE_POINT),
    ("1_room", "1_cp", "77DAC246E66202866CE6080644C0C8E2", None, None, "User", 12.5, 0.5, None),  # pragma: allowlist secret
]
BREAKOUTS = [
    ("1_par", None, "1_room", "Room", "1_cp", "h", AUGUST, None, None, 3, 0.5, None),
    ("1_par", None, "1_room", "Room", "1_cz", None, AUGUST, None, None, 3, 0.5, None),
    ("1_par", None, "1_room", "Room", "1_cneg", "h8", AUGUST, None, None, 3, 0.5, None),
    ("1_par", None, "1_room", "Room", None, "Unknown", None, None, None, 3, 0.5, NO_CUE_POINT),
    ("1_par", None, "1_room", "Room", None, "Error", None, None, None, 3, 0.5, NO_CUE_POINT),
    ("1_par", None, "1_room", "Room", None, None, None, None, None, 3, 0.5, NO_CUE_POINT),
    ("Unknown", None, None, None, "1_cp", "h", AUGUST, None, None, 3, 0.5, NO_BREAKOUT),
    (None, None, None, None, "1_cp", "h", AUGUST, None, None, 3, 0.5, NO_BREAKOUT),
    (None, None, "1_null", None, "1_gone", None, None, None, None, 3, 0.5, NO_START),
    (None, None, "1_gone", None, None, None, None, None, None, 3, 0.5, NO_CUE_POINT),
    (None, None, "1_ROOM", None, "1_CP", None, None, None, None, 3, 0.5, NO_START),
    (None, None, None, None, None, None, None, None, None, 3, 0.5, NO_BREAKOUT),
    ("1_par", None, "1_room", "Room", "1_cp", "h", AUGUST, None, None, 3, 0.5, None),
]
WRAPPED_ONE = [
    ("1_r", 'He said "hi"\nand  left\r', None, "c", AUGUST, LATER, "h", 3, 0.5, None),
    ("1_q", "plain", None, "c", AUGUST, LATER, "h", 3, 0.5, None),
    ("1_w", '"Quill"', None, "c", AUGUST, LATER, "h", 3, 0.5, None),
    ("1_e", None, None, "c", AUGUST, LATER, "h", 3, 0.5, None),
    ("1_x", None, None, "c", AUGUST, LATER, "h", 3, 0.5, None),
]
WRAPPED_BOTH = [
    ("1_r", 'He said "hi" and  left', None, "c", AUGUST, LATER, "h", 3, 0.5, None),
    *WRAPPED_ONE[1:],
]
# fmt: on
CASES = [
    ("unknown", ROOM_SESSIONS, SESSIONS),
    ("unknown", ATTENDEES, ATTENDED),
    ("unknown", BREAKOUT_SESSIONS, BREAKOUTS),
    ("hashed", ATTENDEES, HASHED),
    ("wrapped_one", ROOM_SESSIONS, WRAPPED_ONE),
    ("wrapped_both", ROOM_SESSIONS, WRAPPED_BOTH),
]


def reply(account: str, report: Report) -> bytes:
    return "\n".join(REPLIES[account][str(report.report_id)]).encode()


def rows(account: str, report: Report) -> Rows:
    body = reply(account, report)
    if report is BREAKOUT_SESSIONS:
        body = body.replace(*FIGURES_OF_6002, 1)
    return parse(body, report.source, "a report")


def cells(frame: pd.DataFrame, report: Report) -> list[tuple[Any, ...]]:
    shown = frame[[*report.table.required_columns, "reason"]].astype(object)
    return list(shown.where(shown.notna(), None).itertuples(index=False, name=None))


@pytest.mark.parametrize(("account", "report", "expected"), CASES, ids=[f"{a}-{r.report_id}" for a, r, _ in CASES])
def test_every_cell_of_the_servers_own_bytes_becomes_the_right_value(
    account: str, report: Report, expected: list[tuple[Any, ...]]
) -> None:
    assert cells(normalize(rows(account, report), report), report) == expected


@pytest.mark.parametrize(("account", "report"), [(account, report) for account, report, _ in CASES])
def test_no_line_of_the_servers_own_bytes_is_lost_and_each_row_is_kept_as_it_came(account: str, report: Report) -> None:
    came = rows(account, report)
    lines = b"\n".join(came.as_came(at).encode() for at in range(came.received))
    assert lines == reply(account, report).split(b"\n", 1)[1].rstrip(b"\n")
    assert came.rejects == []


def test_rows_of_one_key_are_one_row_and_minutes_add_up() -> None:
    frame = normalize(rows("unknown", ATTENDEES), ATTENDEES)
    once = merged(frame[frame["reason"].isna()], ATTENDEES)
    of_h = once[(once["cue_point_id"] == "1_cp") & (once["user_id"] == "h")]
    assert of_h[["meeting_view_time", "meeting_engaged_play_time_ratio"]].to_numpy().tolist() == [[25.0, 0.5]]


def test_figures_under_other_names_are_missing_columns_and_no_row_is_read_from_them() -> None:
    with pytest.raises(ColumnMissing, match="participant_count, engagement_rate"):
        parse(reply("unknown", BREAKOUT_SESSIONS), BREAKOUT_SESSIONS.source, "a report")
