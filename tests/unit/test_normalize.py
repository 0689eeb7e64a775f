"""What each value means, which rows can't be used, and how rows of one key become one (docs/kaltura-api.md, 4)."""

import math
import random

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.attendees import ATTENDEES
from assets.breakout_sessions import BREAKOUT_SESSIONS
from assets.pull.merge import merged
from assets.pull.normalize import normalize
from assets.report import Report
from assets.room_sessions import ROOM_SESSIONS
from resources.kaltura.csv import BOM, parse
from resources.table import Kind

START = 1_780_000_000
SESSION = {
    "entry_id": "1_room", "entry_name": "Room", "parent_entry_id": "", "cue_point_id": "1_cue",
    "session_start_time": str(START), "session_end_time": str(START + 3600), "session_host_user_id": "host",
    "meeting_view_period_unique_users": "12", "meeting_engaged_play_time_ratio": "0.83333333333333",
}  # fmt: skip
ATTENDEE = {
    "entry_id": "1_room", "cue_point_id": "1_cue", "user_id": "ada", "user_name": "Ada",
    "user_email": "ada@example.edu", "user_type": "User", "meeting_view_time": "12.166666666667",
    "meeting_engaged_play_time_ratio": "0.5",
}  # fmt: skip
BREAKOUT = {
    "parent_entry_id": "1_room", "parent_entry_name": "Room", "breakout_entry_id": "1_group",
    "breakout_entry_name": "Group", "cue_point_id": "1_cue", "session_initiator": "host",
    "session_start_time": str(START), "session_end_time": str(START + 3600), "duration": "3600",
    "participant_count": "3", "engagement_rate": "0.5",
}  # fmt: skip
PLAIN = {ROOM_SESSIONS.report_id: SESSION, ATTENDEES.report_id: ATTENDEE, BREAKOUT_SESSIONS.report_id: BREAKOUT}


def frame_of(report: Report, *changes: dict[str, str]) -> pd.DataFrame:
    """Rows that are plain but for the changes."""
    rows = [PLAIN[report.report_id] | change for change in changes]
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    return normalize(parse(BOM + "\n".join(lines).encode() + b"\n", report.source, "a report"), report)


def lost_figure(report: Report, **change: str) -> object:
    """Why the one figure is left out of a row that can be used."""
    frame = frame_of(report, change)
    column = next(iter(change))
    assert frame["reason"].isna().all()
    assert frame["column_name"][0] == column
    assert pd.isna(frame[column][0])
    return frame["repair"][0]


def value(report: Report, column: str, sent: str) -> object:
    frame = frame_of(report, {column: sent})
    assert frame["reason"].isna().all(), frame["reason"].tolist()
    return None if pd.isna(frame[column][0]) else frame[column][0]


def reason(report: Report, **change: str) -> object:
    return frame_of(report, change)["reason"][0]


@pytest.mark.parametrize("report", [ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS])
def test_a_plain_row_can_be_used_and_an_empty_report_has_the_same_types(report: Report) -> None:
    frame = frame_of(report, {})
    assert frame["reason"].isna().all()
    nothing = normalize(parse(BOM + b"\n", report.source, "a report"), report)
    assert nothing.empty
    assert nothing.dtypes.to_dict() == frame.dtypes.to_dict()


@pytest.mark.parametrize(
    ("sent", "number"), [("12", 12.0), ("12.166666666667", 12.166666666667), ("1.0E-5", 1e-5), ("0", 0.0)]
)
def test_php_floats_are_numbers(sent: str, number: float) -> None:
    assert value(ATTENDEES, "meeting_view_time", sent) == pytest.approx(number, rel=1e-14)


FIGURES = [
    (report, column.name)
    for report in (ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS)
    for column in report.table.columns
    if column.kind in (Kind.COUNT, Kind.MINUTES, Kind.RATIO)
]


@pytest.mark.parametrize(("report", "column"), FIGURES, ids=[column for _, column in FIGURES])
def test_a_figure_that_kaltura_always_sends_and_that_comes_empty_is_lost(report: Report, column: str) -> None:
    assert lost_figure(report, **{column: ""}) == f"{column} is empty"


@pytest.mark.parametrize("sent", ["", "0", "Unknown", "Error"])
@pytest.mark.parametrize("report", [ROOM_SESSIONS, BREAKOUT_SESSIONS])
def test_an_end_that_is_not_known_is_null(report: Report, sent: str) -> None:
    assert value(report, "session_end_time", sent) is None


@pytest.mark.parametrize("report", [ROOM_SESSIONS, BREAKOUT_SESSIONS])
def test_a_session_that_ends_when_it_starts_is_running(report: Report) -> None:
    assert value(report, "session_end_time", str(START)) is None


@pytest.mark.parametrize(
    ("end", "duration", "seconds"),
    [(str(START + 3600), "3600", 3600), (str(START + 3600), "0", 3600), (str(START + 3600), "", 3600),
     (str(START), "0", None), ("", str(-START), None), ("0", str(-START), None)],
)  # fmt: skip
def test_a_duration_is_null_where_the_end_is_and_else_what_was_sent_or_the_difference(
    end: str, duration: str, seconds: int | None
) -> None:
    frame = frame_of(BREAKOUT_SESSIONS, {"session_end_time": end, "duration": duration})
    assert frame["reason"].isna().all()
    found = frame["duration"][0]
    assert math.isnan(found) if seconds is None else found == seconds


def test_text_is_what_was_sent_and_empty_optional_text_is_null() -> None:
    for text in ("NA", "null", "nan", "None", "00123", "0", "Unknown", " x "):
        assert value(ATTENDEES, "user_name", text) == text
    assert value(ATTENDEES, "user_name", "") is None


def test_an_unresolved_user_has_an_empty_id_and_leading_zeros_stay() -> None:
    assert value(ATTENDEES, "user_id", "") == ""
    assert value(ATTENDEES, "user_id", "00123") == "00123"


@pytest.mark.parametrize("sent", ["", "0", "Unknown", "Error"])
@pytest.mark.parametrize("report", [ROOM_SESSIONS, ATTENDEES, BREAKOUT_SESSIONS])
def test_a_row_of_a_session_that_kaltura_does_not_know_can_not_be_used(report: Report, sent: str) -> None:
    assert reason(report, cue_point_id=sent) == "cue_point_id is empty or unknown"


@pytest.mark.parametrize("sent", ["", "0", "Unknown", "Error"])
def test_a_session_without_a_start_can_not_be_used(sent: str) -> None:
    assert reason(ROOM_SESSIONS, session_start_time=sent) == "session_start_time is empty or unknown"


@pytest.mark.parametrize("sent", ["1780000000000", "-1", "12", "yesterday", "inf", "nan", "1e400"])
def test_a_time_that_is_none_or_in_milliseconds_can_not_be_used(sent: str) -> None:
    assert reason(ROOM_SESSIONS, session_start_time=sent) == "session_start_time is not a time in Unix seconds"


@pytest.mark.parametrize(
    ("report", "change", "why"),
    [
        (ATTENDEES, {"meeting_engaged_play_time_ratio": "1.5"}, "is not a ratio from 0 to 1"),
        (ATTENDEES, {"meeting_engaged_play_time_ratio": "-0.1"}, "is not a ratio from 0 to 1"),
        (ATTENDEES, {"meeting_engaged_play_time_ratio": "NaN"}, "is not a number"),
        (ATTENDEES, {"meeting_view_time": "-1"}, "is below 0"),
        (ATTENDEES, {"meeting_view_time": "INF"}, "is not a number"),
        (ATTENDEES, {"meeting_view_time": "ten"}, "is not a number"),
        (ATTENDEES, {"meeting_view_time": "9" * 400}, "is not a number"),
        (ROOM_SESSIONS, {"meeting_view_period_unique_users": "-1"}, "is below 0"),
        (ROOM_SESSIONS, {"meeting_view_period_unique_users": "1.5"}, "is not a whole number"),
        (ROOM_SESSIONS, {"meeting_view_period_unique_users": "2147483648"}, "is not a whole number"),
        (ATTENDEES, {"meeting_engaged_play_time_ratio": "1.0000001"}, "is not a ratio from 0 to 1"),
        (ATTENDEES, {"meeting_view_time": "1.0E+300"}, "is more than can be"),
        (BREAKOUT_SESSIONS, {"duration": "1.7E+308"}, "is more than can be"),
        (BREAKOUT_SESSIONS, {"duration": "an hour"}, "is not a number"),
        (BREAKOUT_SESSIONS, {"participant_count": "many"}, "is not a whole number"),
        (BREAKOUT_SESSIONS, {"engagement_rate": "83.3"}, "is not a ratio from 0 to 1"),
    ],
)
def test_a_bad_figure_costs_the_figure_and_not_the_row_and_the_reason_names_it(
    report: Report, change: dict[str, str], why: str
) -> None:
    assert lost_figure(report, **change) == f"{next(iter(change))} {why}"


def test_all_bad_figures_of_a_row_are_told() -> None:
    frame = frame_of(ATTENDEES, {"meeting_view_time": "ten", "meeting_engaged_play_time_ratio": "50"})
    assert frame["column_name"][0] == "meeting_view_time, meeting_engaged_play_time_ratio"
    assert frame["repair"][0] == (
        "meeting_view_time is not a number; meeting_engaged_play_time_ratio is not a ratio from 0 to 1"
    )


def test_a_row_with_a_bad_figure_and_no_session_is_refused_for_the_session() -> None:
    frame = frame_of(ATTENDEES, {"meeting_view_time": "ten", "cue_point_id": "Unknown"})
    assert (frame["reason"][0], frame["column_name"][0]) == ("cue_point_id is empty or unknown", "cue_point_id")
    assert pd.isna(frame["repair"][0])


@pytest.mark.parametrize("sent", ["1.0000000000001", "1.0000000009"])
def test_a_ratio_above_1_by_a_rounding_is_1(sent: str) -> None:
    assert value(ATTENDEES, "meeting_engaged_play_time_ratio", sent) == 1.0


def test_nobody_has_more_minutes_than_a_thousand_devices_at_once_have_in_the_window() -> None:
    lines = ",".join(ATTENDEE) + "\n" + ",".join((ATTENDEE | {"meeting_view_time": "60001"}).values()) + "\n"
    rows = parse(BOM + lines.encode(), ATTENDEES.source, "a report")
    assert normalize(rows, ATTENDEES, most_minutes=60_001)["meeting_view_time"][0] == 60_001
    assert normalize(rows, ATTENDEES, most_minutes=60_000)["repair"][0] == "meeting_view_time is more than can be"


def test_a_room_without_an_id_can_not_be_used() -> None:
    assert reason(ROOM_SESSIONS, entry_id="") == "entry_id is empty or unknown"


@pytest.mark.parametrize("report", [ROOM_SESSIONS, BREAKOUT_SESSIONS])
def test_a_session_that_ends_before_it_starts_loses_its_end_alone(report: Report) -> None:
    frame = frame_of(report, {"session_end_time": str(START - 60), "duration": "-60"})
    assert frame.loc[0, ["reason", "session_end_time"]].isna().all()
    assert frame["repair"][0] == "session_end_time is before session_start_time"
    assert report is ROOM_SESSIONS or frame["duration"].isna().all()


@pytest.mark.parametrize("sent", ["3600000", "60", "3660", "1"])
def test_a_duration_in_another_unit_is_not_the_one_from_start_to_end(sent: str) -> None:
    frame = frame_of(BREAKOUT_SESSIONS, {"duration": sent})
    assert frame["duration"][0] == 3600
    assert frame["repair"][0] == "duration is not from session_start_time to session_end_time"


@pytest.mark.parametrize("sent", ["3600", "3601", "3596", "3600.4"])
def test_a_duration_that_is_off_by_a_few_seconds_is_no_fault(sent: str) -> None:
    frame = frame_of(BREAKOUT_SESSIONS, {"duration": sent})
    assert (frame["duration"][0], frame["repair"].isna().all()) == (3600, True)


def test_the_neighbours_of_an_unusable_row_are_good() -> None:
    frame = frame_of(ATTENDEES, {"user_id": "a"}, {"user_id": "b", "cue_point_id": "0"}, {"user_id": "c"})
    assert frame["reason"].notna().tolist() == [False, True, False]
    assert frame["line"].tolist() == [0, 1, 2]


def test_lines_that_are_no_rows_come_last_with_their_reason() -> None:
    body = f"{','.join(ATTENDEE)}\njunk,line\n{','.join(ATTENDEE.values())}\n"
    rows = parse(BOM + body.encode(), ATTENDEES.source, "a report")
    frame = normalize(rows, ATTENDEES)
    assert [rows.as_came(line) for line in frame["line"].tolist()[1:]] == ["junk,line"]
    assert frame["reason"].tolist()[1:] == ["the line has 2 of 8 fields"]


def test_columns_that_the_table_lacks_are_kept_as_json() -> None:
    frame = frame_of(ATTENDEES, {"new": 'a "b" \\ \u2028', "other": ""})
    assert frame["extra"].map(pd.io.json.ujson_loads).tolist() == [{"new": 'a "b" \\ \u2028', "other": ""}]
    assert frame_of(ATTENDEES, {})["extra"].isna().all()


def merged_rows(report: Report, *changes: dict[str, str]) -> list[dict[str, object]]:
    found = merged(frame_of(report, *changes), report).drop(columns="line")
    return [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in found.to_dict("records")]


def test_rows_of_one_user_id_add_up_their_minutes_and_weight_the_ratio_by_them() -> None:
    [row] = merged_rows(
        ATTENDEES,
        {"meeting_view_time": "30", "meeting_engaged_play_time_ratio": "1", "user_email": "old@example.edu"},
        {"meeting_view_time": "10", "meeting_engaged_play_time_ratio": "0", "user_email": ""},
    )
    assert (row["meeting_view_time"], row["meeting_engaged_play_time_ratio"]) == (40.0, 0.75)
    assert row["user_email"] == "old@example.edu"


def test_rows_without_minutes_merge_to_the_plain_mean_and_rows_without_figures_to_none() -> None:
    zero = {"meeting_view_time": "0"}
    [row] = merged_rows(
        ATTENDEES, zero | {"meeting_engaged_play_time_ratio": "1"}, zero | {"meeting_engaged_play_time_ratio": "0"}
    )
    assert (row["meeting_view_time"], row["meeting_engaged_play_time_ratio"]) == (0.0, 0.5)
    lost = {"meeting_view_time": "", "meeting_engaged_play_time_ratio": ""}
    [row] = merged_rows(ATTENDEES, lost, lost)
    assert (row["meeting_view_time"], row["meeting_engaged_play_time_ratio"]) == (None, None)


def test_several_people_without_an_id_have_no_name_that_is_not_the_name_of_all() -> None:
    ann = {"user_id": "", "user_name": "Ann", "user_email": "ann@example.edu"}
    for other in ({"user_name": "Bob"}, {"user_name": "", "user_email": ""}):
        for order in ((ann, ann | other), (ann | other, ann)):
            [row] = merged_rows(ATTENDEES, *order)
            assert row["user_name"] is None
            assert row["user_email"] == (None if "user_email" in other else "ann@example.edu")
    assert merged_rows(ATTENDEES, ann, ann)[0]["user_name"] == "Ann"


@pytest.mark.parametrize("column", ["meeting_view_time", "meeting_engaged_play_time_ratio"])
def test_a_figure_that_one_of_the_rows_of_a_user_has_lost_is_lost_for_all(column: str) -> None:
    for order in (({}, {column: "bad"}), ({column: "bad"}, {})):
        [row] = merged_rows(ATTENDEES, *order)
        assert row[column] is None
        assert row["meeting_engaged_play_time_ratio"] is None  # without all minutes nobody can weight it


def test_rows_of_other_keys_are_left_as_they_are() -> None:
    rows = merged_rows(ATTENDEES, {"user_id": ""}, {"user_id": "a"}, {"user_id": ""})
    assert sorted((str(row["user_id"]), row["meeting_view_time"]) for row in rows) == [
        ("", pytest.approx(24.333333333334)),
        ("a", pytest.approx(12.166666666667)),
    ]


def test_a_session_that_comes_twice_starts_first_ends_last_and_counts_the_larger_estimate() -> None:
    [row] = merged_rows(
        BREAKOUT_SESSIONS,
        {"participant_count": "3", "engagement_rate": "1"},
        {"session_start_time": str(START - 60), "session_end_time": str(START + 60), "participant_count": "1",
         "engagement_rate": "0", "duration": "120"},
    )  # fmt: skip
    assert row["session_start_time"] == pd.Timestamp(START - 60, unit="s", tz="UTC")
    assert row["session_end_time"] == pd.Timestamp(START + 3600, unit="s", tz="UTC")
    assert (row["duration"], row["participant_count"], row["engagement_rate"]) == (3660.0, 3, 0.75)


def test_a_session_that_comes_twice_is_running_if_one_of_them_is() -> None:
    [row] = merged_rows(ROOM_SESSIONS, {}, {"session_end_time": ""})
    assert row["session_end_time"] is None


_figures = st.floats(0, 1, allow_subnormal=False).map(lambda value: f"{value:.14g}")
_rows = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["", "a", "b"]),
            "user_name": st.sampled_from(["", "Ann", "Änn", "\U0001f389", "0"]),
            "meeting_view_time": st.sampled_from(["", "0", "1.5", "60"]) | _figures,
            "meeting_engaged_play_time_ratio": st.sampled_from(["", "0", "0.25", "1"]) | _figures,
        }
    ),
    min_size=1,
    max_size=8,
)


_PLACED_AMONG_OTHERS = [
    {"user_id": person, "user_name": "", "meeting_view_time": minutes, "meeting_engaged_play_time_ratio": ratio}
    for person, minutes, ratio in [
        ("", "0", ""),
        ("b", "", ""),
        ("b", "60", "1"),
        ("", "0.93649232684962", "0.25"),
        ("b", "", ""),
        ("b", "60", "0.25"),
        ("b", "0.93649232684962", "0.25"),
    ]
]


@settings(max_examples=15, deadline=None)
@example(_PLACED_AMONG_OTHERS, random.Random(1))
@given(_rows, st.randoms(use_true_random=False))
def test_merging_keeps_the_minutes_and_no_last_digit_depends_on_the_order_of_the_rows(
    rows: list[dict[str, str]], chance: random.Random
) -> None:
    def by_user(order: list[dict[str, str]]) -> dict[str, dict[str, object]]:
        return {str(row["user_id"]): row for row in merged_rows(ATTENDEES, *order)}

    found = by_user(rows)
    assert found.keys() == {row["user_id"] for row in rows}
    for person, row in found.items():
        sent = [each["meeting_view_time"] for each in rows if each["user_id"] == person]
        assert row["meeting_view_time"] == (pytest.approx(sum(map(float, sent))) if all(sent) else None)
    for _ in range(3):
        assert by_user(chance.sample(rows, len(rows))) == found


@pytest.mark.parametrize("sent", ["", "Unknown", "Error"])
def test_a_duration_that_kaltura_does_not_know_is_left_out_and_no_repair(sent: str) -> None:
    frame = frame_of(BREAKOUT_SESSIONS, {"duration": sent, "session_end_time": ""})
    assert frame[["duration", "reason", "repair"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("column", "most"), [("user_id", 512), ("entry_id", 512), ("cue_point_id", 512), ("user_name", 16_384)]
)
@pytest.mark.parametrize("letter", ["x", "é"], ids=["of one byte", "of two bytes"])
def test_a_value_longer_than_its_limit_is_refused_with_the_limit_and_one_as_long_is_not(
    column: str, most: int, letter: str
) -> None:
    size = len(letter.encode())
    values = {"entry_id": "1_r", "cue_point_id": "1_c", "user_id": "ada", "user_name": "Ada"}
    lines = [",".join({**dict.fromkeys(ATTENDEES.table.column_names, ""), **values, column: letter * count}.values())
             for count in (most // size, most // size + 1)]  # fmt: skip
    body = BOM + "\n".join([",".join(ATTENDEES.table.column_names), *lines, ""]).encode()
    frame = normalize(parse(body, ATTENDEES.source, "a reply"), ATTENDEES)
    assert frame["reason"].fillna("").tolist() == ["", f"{column} is longer than {most:,} bytes"]
