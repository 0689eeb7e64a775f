"""The stand-in behaves as Kaltura's report API does, over real HTTP. All people, rooms and sessions are invented."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import DEMO, Breakout, Fault, ListedWorld, Running, Session, University, User, View, events, serving

REPORT = "/api_v3/service/report/action/getCsvFromStringParams"
NOON = 1_780_000_000 - 1_780_000_000 % 86_400 + 43_200
HOUR = 3600
LATER = NOON + 30 * 86_400

ADA = User(1, "ada.example", "Ada Example", "ada@example.edu", "User")
BO = User(2, "00123", "Bo Sample", "", "Guest")
LECTURE = Session("1_lecture", "Imaginary Numbers", "", "1_cue", NOON, NOON + HOUR, "host.example")


class Caller:
    """A client of one stand-in that asks as plainly as can be."""

    def __init__(self, kaltura: Running) -> None:
        self.kaltura = kaltura
        self.http = httpx.Client(base_url=kaltura.base_url, timeout=20)
        self.ks = self.start_session()

    def start_session(self, **fields: object) -> str:
        asked = {"secret": self.kaltura.admin_secret, "partnerId": self.kaltura.partner_id, "type": 2, "format": 1}
        return str(self.post("session", "start", **(asked | fields)).json())

    def post(self, service: str, action: str, **fields: object) -> httpx.Response:
        return self.http.post(f"/api_v3/service/{service}/action/{action}", data=fields)

    def ask(self, report_id: int, params: str, **fields: object) -> httpx.Response:
        return self.http.post(REPORT, data={"ks": self.ks, "format": 1, "id": report_id, "params": params} | fields)

    def rows(self, report_id: int, start: int, end: int, more: str = "", **fields: object) -> list[dict[str, str]]:
        text = self.ask(report_id, f"from_date={start};to_date={end};{more}", **fields).content.decode("utf-8-sig")
        header, *lines = text.split("\n")[:-1]
        return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def stay(user: User, joined: int, left: int, *, of: Session = LECTURE, engaged: float = 1.0, late: int = 0) -> View:
    interval = (joined, joined + int((left - joined) * engaged))
    return View(of.entry_id, of.cue_point_id, user, joined, left, (interval,), late)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(ListedWorld()) as running:
        yield running


@pytest.fixture(scope="module")
def shared_caller(server: Running) -> Caller:
    return Caller(server)


@pytest.fixture
def caller(server: Running, shared_caller: Caller) -> Caller:
    """One hour's lecture with two viewers, asked about a month later."""
    server.world = ListedWorld([LECTURE], (), [stay(ADA, NOON, NOON + HOUR, engaged=0.5), stay(BO, NOON, NOON + 600)])
    server.now, server.row_cap = LATER, 100_000
    server.empty_report, server.quote_names, server.breakout_dates = "newline", False, "both"
    server.faults.clear()
    server.requests.clear()
    return shared_caller


# --- figures -----------------------------------------------------------------------------------------------------


def test_a_window_that_covers_a_session_returns_its_final_figures(caller: Caller) -> None:
    expected = {
        "entry_id": "1_lecture",
        "entry_name": "Imaginary Numbers",
        "parent_entry_id": "",
        "cue_point_id": "1_cue",
        "session_start_time": str(NOON),
        "session_end_time": str(NOON + HOUR),
        "session_host_user_id": "host.example",
        "meeting_view_period_unique_users": "2",
        "meeting_engaged_play_time_ratio": "0.57142857142857",
    }
    assert caller.rows(6000, NOON, NOON + HOUR) == [expected]
    assert caller.rows(6000, NOON - 9 * HOUR, NOON + 9 * HOUR) == [expected]


def test_a_window_that_ends_inside_a_session_returns_partial_figures_under_the_same_key(caller: Caller) -> None:
    whole = caller.rows(6001, NOON, NOON + HOUR, "user_ids=ada.example")
    part = caller.rows(6001, NOON, NOON + HOUR // 4, "user_ids=ada.example")
    rest = caller.rows(6001, NOON + HOUR // 4, NOON + HOUR, "user_ids=ada.example")
    key = {"entry_id": "1_lecture", "cue_point_id": "1_cue", "user_id": "ada.example"}
    assert all(key.items() <= row.items() for row in whole + part + rest)
    assert [row["meeting_view_time"] for row in whole + part + rest] == ["60", "15", "45"]


def test_minutes_come_with_fourteen_digits_and_the_longest_view_first(caller: Caller) -> None:
    caller.kaltura.world = ListedWorld([LECTURE], (), [stay(ADA, NOON, NOON + 730), stay(BO, NOON, NOON + 900)])
    assert [row["meeting_view_time"] for row in caller.rows(6001, NOON, NOON + HOUR)] == ["15", "12.166666666667"]


def test_two_internal_users_with_one_id_make_two_rows_with_equal_keys(caller: Caller) -> None:
    again = User(3, ADA.user_id, ADA.name, ADA.email, ADA.user_type)
    caller.kaltura.world = ListedWorld([LECTURE], (), [stay(ADA, NOON, NOON + 60), stay(again, NOON, NOON + 120)])
    assert [(row["user_id"], row["meeting_view_time"]) for row in caller.rows(6001, NOON, NOON + HOUR)] == [
        ("ada.example", "2"),
        ("ada.example", "1"),
    ]
    assert caller.rows(6000, NOON, NOON + HOUR)[0]["meeting_view_period_unique_users"] == "2"


def test_events_show_only_once_they_have_arrived(caller: Caller) -> None:
    caller.kaltura.world = ListedWorld([LECTURE], (), [stay(ADA, NOON, NOON + 600, late=1800)])
    for now, minutes in ((NOON + 1800, None), (NOON + 1860, "1"), (NOON + 2400, "10")):
        caller.kaltura.now = now
        rows = caller.rows(6001, NOON, NOON + HOUR)
        assert [row["meeting_view_time"] for row in rows] == ([minutes] if minutes else [])


@pytest.mark.parametrize("cue_point_id", ["1_cue", "1_cuf", "1_cug", "1_cuh"])
def test_a_running_session_has_no_end_or_ends_when_it_starts(caller: Caller, cue_point_id: str) -> None:
    running = Session("1_lecture", "Still on", "", cue_point_id, NOON, NOON + HOUR, "host.example")
    caller.kaltura.world = ListedWorld([running], (), [stay(ADA, NOON, NOON + HOUR, of=running)])
    caller.kaltura.now = NOON + 1800
    assert caller.rows(6000, NOON, NOON + HOUR)[0]["session_end_time"] in ("", str(NOON))
    caller.kaltura.now = NOON + HOUR
    assert caller.rows(6000, NOON, NOON + HOUR)[0]["session_end_time"] == str(NOON + HOUR)


def test_a_breakout_is_in_all_three_reports_under_one_cue_point(caller: Caller) -> None:
    room = Session("1_group", "Group 1", "1_lecture", "1_groupcue", NOON, NOON + 1200, "host.example")
    breakout = Breakout("1_lecture", "Imaginary Numbers", "1_group", "Group 1", "1_groupcue", "host", NOON, NOON + 1200)
    caller.kaltura.world = ListedWorld(
        [LECTURE, room], [breakout], [stay(ADA, NOON, NOON + 1200, of=room, engaged=0.25)]
    )
    assert [row["parent_entry_id"] for row in caller.rows(6000, NOON, NOON + HOUR)] == ["1_lecture"]
    assert [row["cue_point_id"] for row in caller.rows(6001, NOON, NOON + HOUR)] == ["1_groupcue"]
    assert caller.rows(6002, NOON, NOON + HOUR) == [
        {
            "parent_entry_id": "1_lecture",
            "parent_entry_name": "Imaginary Numbers",
            "breakout_entry_id": "1_group",
            "breakout_entry_name": "Group 1",
            "cue_point_id": "1_groupcue",
            "session_initiator": "host",
            "session_start_time": str(NOON),
            "session_end_time": str(NOON + 1200),
            "duration": "1200",
            "participant_count": "1",
            "engagement_rate": "0.25",
        }
    ]


def test_a_session_that_kaltura_cannot_resolve_reads_unknown(caller: Caller) -> None:
    unknown = Session("1_lecture", "Imaginary Numbers", "", "Unknown", NOON, NOON + HOUR, "host.example")
    caller.kaltura.world = ListedWorld([unknown], (), [stay(ADA, NOON, NOON + 60, of=unknown)])
    row = caller.rows(6000, NOON, NOON + HOUR)[0]
    assert {row[name] for name in ("cue_point_id", "session_start_time", "session_end_time")} == {"Unknown"}
    assert row["session_host_user_id"] == "Unknown"


_moments = st.integers(NOON - 400, NOON + 400)
_views = st.builds(
    View,
    entry_id=st.sampled_from(["1_a", "1_b"]),
    cue_point_id=st.sampled_from(["1_x", "1_y", "Unknown", "0"]),
    user=st.sampled_from([ADA, BO, User(3, "", "", "", "")]),
    joined_at=_moments,
    left_at=_moments,
    engaged=st.lists(st.tuples(_moments, _moments), max_size=3).map(tuple),
    arrives_after=st.integers(0, 300),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(_views, max_size=12), _moments, _moments, st.integers(NOON - 400, NOON + 900))
def test_figures_equal_a_count_of_the_events_one_by_one(
    server: Running, shared_caller: Caller, views: list[View], start: int, end: int, now: int
) -> None:
    ticks: Counter[tuple[str, str, int]] = Counter()
    engaged: Counter[tuple[str, str, int]] = Counter()
    for view in views:
        for event in events(view):
            if start <= event.at < end and event.visible_from <= now:
                ticks[view.entry_id, view.cue_point_id, view.user.number] += 1
                engaged[view.entry_id, view.cue_point_id, view.user.number] += event.engaged
    rooms = {key[:2] for key in ticks}
    server.world = ListedWorld(
        [Session(view.entry_id, "Room", "", view.cue_point_id, NOON, NOON + 60, "host") for view in views], (), views
    )
    server.now, server.row_cap = now, 100_000
    server.faults.clear()

    attendees = shared_caller.rows(6001, start, end)
    numbers = {"ada.example": 1, "00123": 2, "": 3}
    keys = [(row["entry_id"], row["cue_point_id"], numbers[row["user_id"]]) for row in attendees]
    assert sorted(keys) == sorted(ticks)
    for key, row in zip(keys, attendees, strict=True):
        assert float(row["meeting_view_time"]) == pytest.approx(ticks[key] / 6)
        assert float(row["meeting_engaged_play_time_ratio"]) == pytest.approx(engaged[key] / ticks[key])
    sessions = shared_caller.rows(6000, start, end)
    assert {(row["entry_id"], row["cue_point_id"]) for row in sessions} == rooms
    for row in sessions:
        mine = [key for key in ticks if key[:2] == (row["entry_id"], row["cue_point_id"])]
        assert int(row["meeting_view_period_unique_users"]) == len(mine)
        ratio = sum(engaged[key] for key in mine) / sum(ticks[key] for key in mine)
        assert float(row["meeting_engaged_play_time_ratio"]) == pytest.approx(ratio)


# --- the request -------------------------------------------------------------------------------------------------


def test_filters_narrow_a_report_and_a_misspelt_one_is_ignored_in_silence(caller: Caller) -> None:
    assert [row["user_id"] for row in caller.rows(6001, NOON, NOON + HOUR, "user_ids=00123,nobody")] == ["00123"]
    assert caller.rows(6001, NOON, NOON + HOUR, "cue_point_ids=1_other") == []
    assert caller.rows(6001, NOON, NOON + HOUR, "entry_ids=1_other") == []
    assert caller.rows(6000, NOON, NOON + HOUR, "virtual_event_ids=12") == []
    assert len(caller.rows(6001, NOON, NOON + HOUR, "user_id=00123")) == 2


def test_the_last_of_two_equal_keys_wins_and_pieces_are_trimmed(caller: Caller) -> None:
    reply = caller.ask(6001, f" from_date={NOON} ; to_date=1;to_date={NOON + HOUR}; user_ids=x ;user_ids=00123")
    assert len(reply.text.splitlines()) == 2


def test_breakouts_take_both_spellings_of_their_dates_unless_told_otherwise(caller: Caller) -> None:
    for spelling in (f"fromDate={NOON};toDate={NOON + 1}", f"from_date={NOON};to_date={NOON + 1}"):
        assert caller.ask(6002, spelling).content == b"\xef\xbb\xbf\n"
    caller.kaltura.breakout_dates = "fromDate"
    assert caller.ask(6002, f"from_date={NOON};to_date={NOON + 1}").json()["code"] == "INTERNAL_SERVERL_ERROR"


def test_rows_beyond_the_cap_or_the_limit_are_cut_in_silence(caller: Caller) -> None:
    assert [row["user_id"] for row in caller.rows(6001, NOON, NOON + HOUR, "limit=1")] == ["ada.example"]
    caller.kaltura.row_cap = 1
    assert [row["user_id"] for row in caller.rows(6001, NOON, NOON + HOUR, "limit=5")] == ["ada.example"]


def test_excluded_fields_are_never_sent(caller: Caller) -> None:
    rows = caller.rows(6001, NOON, NOON + HOUR, excludedFields="user_name,user_email")
    assert "user_type" in rows[0]
    assert not {"user_name", "user_email"} & rows[0].keys()


def test_a_get_carries_everything_in_its_path_and_may_be_cached_for_a_hundred_days(caller: Caller) -> None:
    path = f"/id/6001/params/from_date={NOON};to_date={NOON + HOUR};user_ids=a%2Fb,00123/ks/{caller.ks}"
    reply = caller.http.get(REPORT + path)
    assert len(reply.text.splitlines()) == 2
    assert reply.headers["cache-control"] == "public, max-age=8640000"
    assert "user_ids=a_b,00123" in reply.headers["content-disposition"]
    body = {"id": 6000, "ks": "not one", "params": ""}
    assert caller.http.post(REPORT + path, data=body).content == reply.content


def test_requests_are_recorded_without_their_ks(caller: Caller) -> None:
    caller.rows(6001, NOON, NOON + HOUR, "user_ids=00123")
    [request] = caller.kaltura.requests
    assert (request.report_id, request.rows, request.method, request.outcome) == (6001, 1, "POST", "ok")
    assert request.params == {"from_date": str(NOON), "to_date": str(NOON + HOUR), "user_ids": "00123"}
    assert caller.ks not in repr(request)


# --- the csv -----------------------------------------------------------------------------------------------------


def test_nothing_is_quoted_but_commas_become_blanks(caller: Caller) -> None:
    names = ['"Lone, quote', "Line\nbreak", "Line\u2028separator", "=cmd", "NA"]
    views = [
        stay(User(at, f"u{at}", name, "", "User"), NOON, NOON + 600 - at * 60, of=LECTURE)
        for at, name in enumerate(names)
    ]
    caller.kaltura.world = ListedWorld([LECTURE], (), views)
    content = caller.ask(6001, f"from_date={NOON};to_date={NOON + HOUR}").content
    assert content.startswith(b"\xef\xbb\xbfentry_id,cue_point_id,user_id,user_name,")
    assert content.endswith(b",1\n")
    for name in names:
        assert f",{name.replace(',', ' ')},,User".encode() in content


def test_some_accounts_see_names_in_quotes_with_inner_ones_doubled(caller: Caller) -> None:
    caller.kaltura.quote_names = True
    caller.kaltura.world = ListedWorld([LECTURE], (), [stay(User(1, "u", 'A "B" C', "", "User"), NOON, NOON + 60)])
    assert b',u,"A ""B"" C",,User,1,1\n' in caller.ask(6001, f"from_date={NOON};to_date={LATER}").content


def test_an_empty_report_is_a_mark_alone_or_a_header(caller: Caller) -> None:
    params = f"from_date={NOON - 60};to_date={NOON}"
    assert caller.ask(6002, params).content == b"\xef\xbb\xbf\n"
    caller.kaltura.empty_report = "header"
    assert caller.ask(6002, params).content.startswith(b"\xef\xbb\xbfparent_entry_id,")


# --- sessions and permissions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hash_type", ["SHA1", "MD5", "SHA256", "SHA512"])
def test_an_app_token_starts_a_session_by_a_hash_of_the_widgets(hash_type: str) -> None:
    credentials = DEMO.__class__(app_token_hash=hash_type)
    with serving(ListedWorld(), credentials=credentials) as running:
        caller = Caller(running)
        widget = caller.post("session", "startWidgetSession", widgetId=f"_{running.partner_id}", format=1).json()["ks"]
        proof = hashlib.new(hash_type, (widget + running.app_token).encode()).hexdigest()
        asked = {"ks": widget, "id": running.app_token_id, "format": 1}
        a_users = caller.post("apptoken", "startSession", tokenHash=proof, **asked).json()
        assert a_users["sessionType"] == 0
        assert caller.ask(6000, "", ks=a_users["ks"]).json()["code"] == "SERVICE_FORBIDDEN"
        started = caller.post("apptoken", "startSession", tokenHash=proof, type=2, expiry=99 * 86_400, **asked).json()
        assert started["sessionType"] == 2
        assert started["expiry"] <= time.time() + 86_400
        caller.ks = started["ks"]
        assert caller.ask(6000, f"from_date={NOON};to_date={LATER}").content == b"\xef\xbb\xbf\n"

        wrong = caller.post("appToken", "startSession", tokenHash="0" * 40, **asked).json()
        assert wrong["code"] == "INVALID_APP_TOKEN_HASH"
        nobody = caller.post("appToken", "startSession", tokenHash=proof, **asked | {"id": "1_none"}).json()
        assert nobody["code"] == "APP_TOKEN_ID_NOT_FOUND"

        caller.post("session", "end", ks=caller.ks, format=1)
        again = caller.post("appToken", "startSession", tokenHash=proof, **asked).json()["ks"]
        assert caller.ask(6000, "", ks=again).json()["args"]["KSID"] == "LOGOUT"


def test_a_wrong_secret_starts_no_session(caller: Caller) -> None:
    reply = caller.post("session", "start", secret="wrong", partnerId=caller.kaltura.partner_id, type=2, format=1)
    assert reply.status_code == 200
    assert reply.json()["code"] == "START_SESSION_ERROR"
    assert reply.json()["objectType"] == "KalturaAPIException"


def test_a_report_needs_a_live_ks_that_may_report(caller: Caller) -> None:
    params = f"from_date={NOON};to_date={LATER}"
    assert caller.ask(6000, params, ks="").json()["code"] == "MISSING_KS"
    echoed = caller.ask(6000, params, ks="an-invented-ks").json()
    assert (echoed["code"], echoed["args"]["KSID"]) == ("INVALID_KS", "an-invented-ks")
    assert "an-invented-ks" in echoed["message"]
    assert (echoed["args"]["ERR_CODE"], echoed["args"]["ERR_DESC"]) == ("-1", "INVALID_STR")
    assert caller.ask(6000, params, ks=caller.start_session(type=0)).json()["code"] == "SERVICE_FORBIDDEN"
    assert caller.ask(6000, params, ks=caller.start_session(expiry=0)).json()["args"]["KSID"] == "EXPIRED"


def test_errors_are_xml_without_format_one(caller: Caller) -> None:
    reply = caller.http.post(REPORT, data={"id": 6000, "params": ""})
    assert reply.headers["content-type"].startswith("text/xml")
    assert "<error><code>MISSING_KS</code>" in reply.text


# --- faults ------------------------------------------------------------------------------------------------------

WHOLE = f"from_date={NOON};to_date={NOON + HOUR}"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("rate_limit", "ACTION_BLOCKED"),
        ("timeout", "DRUID_QUERY_TIMED_OUT"),
        ("internal_error", "INTERNAL_SERVERL_ERROR"),
        ("database_error", "INTERNAL_DATABASE_ERROR"),
    ],
)
def test_failures_are_documents_with_status_200(caller: Caller, kind: str, code: str) -> None:
    caller.kaltura.faults.add(Fault(kind))  # type: ignore[arg-type]
    reply = caller.ask(6000, WHOLE)
    assert (reply.status_code, reply.json()["code"]) == (200, code)
    assert "1_lecture" in caller.ask(6000, WHOLE).text
    assert [request.outcome for request in caller.kaltura.requests] == [kind, "ok"]


def test_an_unknown_report_is_an_empty_body_with_a_header(caller: Caller) -> None:
    caller.kaltura.faults.add(Fault("report_not_found"))
    for reply in (caller.ask(6999, WHOLE), caller.ask(6000, WHOLE)):
        assert (reply.status_code, reply.content) == (200, b"")
        assert reply.headers["x-kaltura"] == "error- REPORT_NOT_FOUND"
        assert {"x-kaltura-app", "x-kaltura-session", "x-me"} <= reply.headers.keys()


def test_gateways_answer_with_html(caller: Caller) -> None:
    caller.kaltura.faults.add(Fault("bad_gateway"), Fault("html"), Fault("zero_bytes"))
    replies = [caller.ask(6000, WHOLE) for _ in range(3)]
    assert [(reply.status_code, reply.text[:6]) for reply in replies] == [(502, "<html>"), (200, "<html>"), (200, "")]
    assert replies[2].headers["content-length"] == "0"


def test_connections_break_before_and_within_a_reply(caller: Caller) -> None:
    caller.kaltura.faults.add(Fault("reset"), Fault("short_body", after=1))
    with pytest.raises(httpx.ReadError):
        caller.ask(6000, WHOLE)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.ask(6000, WHOLE)
    assert "1_lecture" in caller.ask(6000, WHOLE).text


def test_an_expired_ks_stays_dead(caller: Caller) -> None:
    caller.kaltura.faults.add(Fault("expired_ks"))
    ks = caller.start_session()
    for _ in range(2):
        assert caller.ask(6000, WHOLE, ks=ks).json()["args"]["KSID"] == "EXPIRED"
    caller.kaltura.faults.add(Fault("echoed_ks"))
    assert caller.ks in caller.ask(6000, WHOLE).json()["message"]


def test_wide_windows_and_long_replies_can_time_out_for_ever(caller: Caller) -> None:
    caller.kaltura.faults.add(
        Fault("timeout", times=None, min_span_seconds=7200), Fault("timeout_rows", times=None, min_rows=2)
    )
    for _ in range(2):
        assert caller.ask(6000, f"from_date={NOON};to_date={NOON + 7200}").json()["code"] == "DRUID_QUERY_TIMED_OUT"
        assert caller.ask(6001, WHOLE).json()["code"] == "DRUID_QUERY_TIMED_OUT"
        assert len(caller.rows(6000, NOON, NOON + HOUR)) == 1


def test_columns_and_rows_can_be_other_than_expected(caller: Caller) -> None:
    caller.kaltura.faults.add(
        Fault("missing_column", column="user_email"),
        Fault("extra_column", column="mood", value="fine"),
        Fault("truncate", rows=1),
        Fault("ignore_filters"),
    )
    [row] = caller.rows(6001, NOON, NOON + HOUR, "user_ids=nobody")
    assert "user_email" not in row
    assert row["mood"] == "fine"


def test_faults_wait_for_the_report_they_are_for(caller: Caller) -> None:
    caller.kaltura.faults.add(Fault("slow", report_id=6002, seconds=0.2), Fault("html", on="session"))
    caller.ask(6000, WHOLE)
    assert len(caller.kaltura.faults.planned) == 2
    began = time.monotonic()
    caller.ask(6002, WHOLE)
    assert time.monotonic() - began > 0.2
    assert caller.post("session", "start").text.startswith("<html>")


# --- the invented university -------------------------------------------------------------------------------------


def test_the_university_is_the_same_each_time_and_counts_as_its_own_events_do(caller: Caller) -> None:
    start, end = NOON + 4 * HOUR, NOON + 5 * HOUR
    expected: Counter[tuple[str, str, int]] = Counter()
    for view in University(seed=3, rooms=12).between(start, end).viewing.views():
        for event in events(view):
            if start <= event.at < end:
                expected[view.entry_id, view.cue_point_id, view.user.number] += 1
    caller.kaltura.world = University(seed=3, rooms=12)
    rows = caller.rows(6001, start, end)
    assert len(rows) > 20
    assert sorted(round(float(row["meeting_view_time"]) * 6) for row in rows) == sorted(expected.values())


def test_every_breakout_of_the_university_is_a_session_with_viewers_too(caller: Caller) -> None:
    caller.kaltura.world = University()
    week = (NOON - 7 * 86_400, NOON)
    breakouts = {(row["breakout_entry_id"], row["cue_point_id"]): row for row in caller.rows(6002, *week)}
    sessions = {(row["entry_id"], row["cue_point_id"]): row for row in caller.rows(6000, *week)}
    assert len(breakouts) > 50
    assert breakouts.keys() <= sessions.keys()
    for key, row in breakouts.items():
        assert sessions[key]["parent_entry_id"] == row["parent_entry_id"]
        assert sessions[key]["meeting_view_period_unique_users"] == row["participant_count"]


def test_a_session_of_the_university_is_found_whole_whatever_the_window_begins_with() -> None:
    world = University(rooms=8)
    views = list(world.between(NOON - 60 * 86_400, NOON).viewing.views())
    longest = max(views, key=lambda view: view.left_at - view.joined_at)
    assert longest.left_at - longest.joined_at > 12 * HOUR
    for view in (longest, *views[:: len(views) // 20]):
        assert view in list(world.between(view.left_at - 5, view.left_at).viewing.views())
        assert view in list(world.between(view.joined_at, view.joined_at + 5).viewing.views())


def test_the_university_holds_equal_keys_and_names_that_break_readers(caller: Caller) -> None:
    caller.kaltura.world = University()
    content = caller.ask(6001, f"from_date={NOON - 7 * 86_400};to_date={NOON}").content.decode("utf-8-sig")
    for name in ('"Quill Dummond', "Newline\nTesterly", "Line\u2028Separator Untrue", "=cmd('not a formula')", ",NA,"):
        assert name in content
    rows = [line.split(",") for line in content.split("\n")[1:]]
    keys = Counter(tuple(row[:3]) for row in rows if len(row) == 8)
    assert max(times for key, times in keys.items() if key[2] == "twice.samplewood") == 2
    assert max(times for key, times in keys.items() if key[2] == "") > 1


def test_rooms_that_are_in_use_now_have_no_end_yet(caller: Caller) -> None:
    caller.kaltura.world = University(rooms=20)
    caller.kaltura.now = NOON + 4 * HOUR
    rows = caller.rows(6000, NOON - 4 * HOUR, NOON + 4 * HOUR)
    running = [row for row in rows if row["session_end_time"] in ("", row["session_start_time"])]
    assert 0 < len(running) < len(rows)


def test_a_window_of_many_years_times_out_on_the_university(caller: Caller) -> None:
    caller.kaltura.world = University(rooms=2)
    assert caller.ask(6000, f"from_date=1;to_date={LATER}").json()["code"] == "DRUID_QUERY_TIMED_OUT"


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_says_where_it_listens_and_stops_when_told(tmp_path: Path) -> None:
    port_file = tmp_path / "kaltura.url"
    command = [sys.executable, "-m", "pipelines", "standin", "--port", "0", "--port-file", str(port_file)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
        try:
            deadline = time.monotonic() + 15
            while not port_file.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            base_url = port_file.read_text().strip()
            assert "stand-in" in httpx.get(base_url).text
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=10)
            assert time.monotonic() - started < 2
        finally:
            process.kill()
    assert process.returncode == 0
    assert base_url in output
    assert DEMO.app_token_id in output
