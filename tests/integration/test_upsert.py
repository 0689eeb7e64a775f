"""Making a day equal to its report: write only what differs, lose nothing, and let no older pull win."""

import datetime as dt
import itertools
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import stamina

from assets import reports as declared
from assets.attendees import ATTENDEES
from assets.pull.extract import Extract
from assets.pull.filters import Filters
from assets.report import CUE_POINT_IDS, ENTRY_IDS, USER_IDS
from assets.room_sessions import ROOM_SESSIONS
from resources.arrivals import Arrivals
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.privacy.erasure import erase
from resources.privacy.pseudonyms import Mode, Privacy
from resources.table import Column, Kind
from resources.warehouse.load import Load, TableLoad
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, Fault, ListedWorld, Running, Session, User, View, serving
from tests.integration.test_whole_days import PEOPLE, REPORTS, Place
from tests.truth import assert_equal

TABLES = ("room_sessions", "attendees", "breakout_sessions")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
KEY = "an invented key of the tests, long enough for them"
WITH_KEY, PSEUDONYMOUS, NONE = Privacy(Mode.FULL, KEY), Privacy(Mode.PSEUDONYMOUS, KEY), Privacy(Mode.NONE, KEY)
AGED = replace(WITH_KEY, retention_days=30)
NAMES_THAT_BREAK_READERS = [
    "x\n\\.\ny", "\n\\.\n", "\\.", "\\N", "\\", '"', '""', 'a"b\n', "\r", "a\rb", "\u2028", "\x0b", "\x85", "N\0ul", "NULL",
    "null", "NA", "\U0001f389", "\ufeff", " ", "\t",
]  # fmt: skip


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Running]:
    stamina.set_testing(True, attempts=6, cap=True)  # retries without pauses
    with serving(ListedWorld()) as running:
        yield running
    stamina.set_testing(False)


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    """A day with a meeting of three."""
    made = Place(kaltura, warehouse)
    made.meets("1_a", 9, 10, [(9, 10), (9, 9.5), (9.25, 10)])
    return made


def load(place: Place, brought: Extract, **provenance: Any) -> list[Load]:
    return [
        each
        for day in brought.days
        for each in place.warehouse.upsert(
            day, brought.by_day[day], Provenance(1, **{"pull": brought.pull, **provenance})
        )
    ]


def rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    with place.warehouse.connection() as connection:
        return connection.execute(query.encode()).fetchall()


def versions(place: Place) -> Mapping[str, list[tuple[Any, ...]]]:
    """Every row's own version, by table: a row that was touched at all has another."""
    names = (*TABLES, "changes", "rejects")
    return {name: rows(place, f"SELECT xmin::text, ctid::text FROM kaltura.{name} ORDER BY 1, 2") for name in names}


def user_ids(place: Place) -> list[str]:
    return sorted(key[2] for key in place.tables["attendees"])


# --- writing only what differs -----------------------------------------------------------------------------------


def test_a_table_that_was_empty_when_its_plans_were_made_is_not_read_whole_once_it_is_full(
    place: Place, database: str
) -> None:
    """A plan kept from then read the whole table once for each session: minutes for a day."""
    numbers = itertools.count()

    def pulled_with_one_more(times: int) -> None:
        for number in itertools.islice(numbers, times):
            place.meets(f"1_{number:02}", 9, 10)
            place.at(48 + number)
            load(place, place.bring(0))

    def rows_read_in_a_row() -> int:
        rows(place, "SELECT pg_stat_force_next_flush()")
        return int(rows(place, "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'attendees'")[0][0])

    pulled_with_one_more(12)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("TRUNCATE kaltura.attendees, kaltura.room_sessions, kaltura.loads")
        connection.execute("VACUUM (ANALYZE) kaltura.attendees")
    pulled_with_one_more(1)
    rows(
        place,
        "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, partition_date, window_start,"
        " window_end, load_id) SELECT 2, 'room' || n, 'cue', 'user', '2026-01-01', now(), now(), 1"
        " FROM generate_series(1, 5000) AS n RETURNING 1",
    )
    before = rows_read_in_a_row()
    pulled_with_one_more(2)
    assert rows_read_in_a_row() - before < 5000


def test_an_unchanged_day_pulled_again_touches_no_row_and_writes_one_load_for_each_table(place: Place) -> None:
    place.views.append(View("1_room", "1_gone", PEOPLE[5], place.second(9), place.second(10)))  # a reject, too
    load(place, place.bring(0))
    before = versions(place)
    place.at(60 * 24 + 1)
    again = load(place, place.bring(0))
    assert versions(place) == before
    assert [(each.table, each.inserted, each.updated, each.unchanged) for each in again] == [
        ("attendees", 0, 0, 3),
        ("breakout_sessions", 0, 0, 0),
        ("room_sessions", 0, 0, 1),
    ]
    assert rows(place, "SELECT count(*) FROM kaltura.loads") == [(6,)]


@pytest.mark.parametrize(
    "written",
    [
        "UPDATE kaltura.attendees SET meeting_view_time = 1",
        "UPDATE kaltura.attendees SET user_name = 'Another' WHERE user_id = 'user1'",
        "DELETE FROM kaltura.attendees WHERE user_id = 'user1'",
        "DELETE FROM kaltura.attendees",
        "UPDATE kaltura.room_sessions SET session_host_user_id = 'nobody'",
        "DELETE FROM kaltura.room_sessions",
    ],
)
def test_what_somebody_wrote_to_a_day_is_mended_by_its_next_pull_though_kaltura_tells_nothing_new(
    place: Place, written: str
) -> None:
    load(place, place.bring(0))
    rows(place, f"{written} RETURNING 1")
    assert place.tables != place.truth(0)
    place.at(60 * 24 + 1)
    load(place, place.bring(0))
    assert_equal(place.tables, place.truth(0))


def test_rows_that_are_the_same_follow_their_session_to_another_day(place: Place) -> None:
    place.meets("1_late", 23.9, 25, [(24.6, 25), (24.7, 25)])
    load(place, place.bring(0, 1))
    assert_equal(place.tables, place.truth(0, 1))
    place.sessions[-1] = replace(place.sessions[-1], started_at=place.second(24.5))
    place.at(60 * 24 + 1)
    load(place, place.bring(0, 1))
    assert_equal(place.tables, place.truth(0, 1))


def test_a_wider_pull_of_an_unchanged_day_touches_no_row_either(place: Place) -> None:
    load(place, place.bring(0))
    before = versions(place)
    place.at(60 * 24 + 1)
    load(place, place.bring(-2, 3))
    assert versions(place) == before


def test_of_a_changed_day_only_the_rows_that_differ_are_written_and_leave_their_old_values_in_changes(
    place: Place,
) -> None:
    load(place, place.bring(0))
    place.views.append(View("1_room", "1_a", PEOPLE[0], place.second(10), place.second(10) + 60))
    place.at(60 * 24 + 1)
    by_table = {each.table: each for each in load(place, place.bring(0))}
    assert (by_table["attendees"].updated, by_table["attendees"].unchanged) == (1, 2)
    assert_equal(place.tables, place.truth(0))
    [change] = rows(place, "SELECT change, key, before, after FROM kaltura.changes WHERE table_name = 'attendees'")
    assert change[:2] == (
        "update",
        {"partner_id": 1, "entry_id": "1_room", "cue_point_id": "1_a", "user_id": "user0"},
    )
    assert change[2]["meeting_view_time"] == pytest.approx(60)
    assert change[3]["meeting_view_time"] == pytest.approx(61)


def test_the_books_of_a_load_add_up_and_say_where_each_row_went(place: Place) -> None:
    place.meets("1_next", 24, 25)
    twin = User(99, "user0", "Person 0", "", "User")
    place.views.append(View("1_room", "1_a", twin, place.second(9), place.second(9.5)))
    place.views.append(View("1_room", "0", PEOPLE[7], place.second(9), place.second(9.5)))
    load(place, place.bring(0))
    assert rows(
        place,
        "SELECT rows_received, rows_merged, rows_rejected, rows_other_days, inserted FROM kaltura.loads"
        " WHERE report_id = 6001",
    ) == [(6, 1, 1, 1, 3)]


# --- what vanishes, and what does not ----------------------------------------------------------------------------


WHOLE_SESSIONS = {
    "everything": Filters({}),
    "rooms": Filters({ENTRY_IDS: ["1_room"]}),
    "sessions": Filters({CUE_POINT_IDS: ["1_a"]}),
}


@pytest.mark.parametrize("filters", WHOLE_SESSIONS.values(), ids=WHOLE_SESSIONS)
def test_an_attendee_that_a_listed_session_no_longer_has_is_removed_and_kept_in_changes(
    place: Place, filters: Filters
) -> None:
    unresolved = User(50, "", "", "", "")
    place.views.append(View("1_room", "1_a", unresolved, place.second(9), place.second(10)))
    load(place, place.bring(0, filters=filters))
    assert user_ids(place) == ["", "user0", "user1", "user2"]
    resolved = User(50, "late", "Late Comer", "", "User")
    place.views[-1] = View("1_room", "1_a", resolved, place.second(9), place.second(10))
    place.at(60 * 24 + 1)
    load(place, place.bring(0, filters=Filters({USER_IDS: ["late"]})))
    assert user_ids(place) == ["", "late", "user0", "user1", "user2"]
    place.at(60 * 24 + 2)
    load(place, place.bring(0, filters=filters))
    assert_equal(place.tables, place.truth(0))
    removed = rows(place, "SELECT key ->> 'user_id', before ->> 'meeting_view_time' FROM kaltura.changes")
    assert removed == [("", "60")]


def test_a_session_that_kaltura_forgets_stays_with_its_attendees(place: Place) -> None:
    place.meets("1_b", 12, 13)
    load(place, place.bring(0))
    before = place.tables
    place.sessions, place.views = place.sessions[1:], [view for view in place.views if view.cue_point_id == "1_b"]
    place.at(60 * 24 + 1)
    load(place, place.bring(0))
    assert place.tables == before


def test_with_a_filter_nothing_outside_it_is_touched_and_nothing_is_removed(place: Place) -> None:
    place.meets("1_b", 12, 13, entry="1_other", name="Before")
    place.views.append(View("1_room", "1_gone", PEOPLE[5], place.second(9), place.second(10)))
    load(place, place.bring(0))
    before, rejects = place.tables, rows(place, "SELECT raw FROM kaltura.rejects")
    asked = [(REPORTS, Filters({ENTRY_IDS: ["1_room"]})), ([ATTENDEES], Filters({USER_IDS: ["user1", "nobody"]}))]
    for reports, filters in asked:
        place.sessions[1] = Session("1_other", "After", "", "1_b", *_span(place.sessions[1]), "host")
        place.at(60 * 24 + len(rows(place, "SELECT 1 FROM kaltura.loads")))
        brought = place.bring(0, filters=filters, reports=reports)
        load(place, brought)
        assert place.tables == before
        assert rows(place, "SELECT raw FROM kaltura.rejects") == rejects
        assert rows(place, "SELECT count(*) FROM kaltura.changes") == [(0,)]


def _span(session: Session) -> tuple[int, int | None]:
    return session.started_at, session.ended_at


# --- rows that can not be used -----------------------------------------------------------------------------------


def test_a_row_with_a_bad_ratio_and_one_with_a_comma_in_its_name_take_nobody_away(place: Place) -> None:
    load(place, place.bring(0))
    before = place.tables
    place.at(60 * 24 + 1)
    changes = {"user0": ("Person 0", "Person, 0"), "user1": ("0.333", "1.")}

    def changed(line: str) -> str:
        return line.replace(*changes.get(line.split(",")[2], ("", "")))

    brought = place.bring_changed(0, ATTENDEES, changed)
    by_table = {each.table: each for each in load(place, brought)}
    assert (by_table["attendees"].removed, by_table["attendees"].rejected, by_table["attendees"].repaired) == (0, 1, 1)
    after = place.tables
    lost = before["attendees"]["1_room", "1_a", "user1"] | {"meeting_engaged_play_time_ratio": None}
    assert after["attendees"] == before["attendees"] | {("1_room", "1_a", "user1"): lost}
    assert sorted(rows(place, "SELECT reason, column_name, is_repaired FROM kaltura.rejects")) == [
        ("meeting_engaged_play_time_ratio is not a ratio from 0 to 1", "meeting_engaged_play_time_ratio", True),
        ("the line has 9 of 8 fields", None, False),
    ]
    assert rows(
        place,
        "SELECT rows_received, rows_rejected, rows_repaired, inserted + updated + unchanged FROM kaltura.loads"
        " WHERE report_id = 6001 ORDER BY id DESC LIMIT 1",
    ) == [(3, 1, 1, 2)]


@pytest.mark.parametrize(
    ("line", "stay"),
    [
        ("1_room,1_a,user1,Ann, B,,User,30,0.5", {"user0", "user1", "user2"}),  # anybody of the session
        ("1_room,1_other,user1,Ann, B,,User,30,0.5", {"user0"}),  # of another session
        ("some, thing", {"user0", "user1", "user2"}),  # anybody at all
        ("", {"user0"}),  # nobody
        ("1_room,Unknown,user1,Ann,,User,30,0.5", {"user0", "user1"}),  # their session is not known
        ("1_room,Unknown,,,,,30,0.5", {"user0"}),  # nobody's of no session: a matter of course
        ("1_room,1_a,user1,Ann,,User,thirty,half", {"user0", "user1"}),  # used, without its figures
    ],
)
def test_what_a_line_that_can_not_be_used_may_stand_for_is_not_removed(place: Place, line: str, stay: set[str]) -> None:
    place.meets("1_other", 12, 13, entry="1_room")
    load(place, place.bring(0))
    place.at(60 * 24 + 1)
    load_with_line_of_user1(place, line)
    assert {key[2] for key in place.tables["attendees"] if key[1] == "1_a"} == stay
    if stay != {"user0"}:
        return
    place.at(60 * 24 + 2)
    load(place, place.bring(0))
    assert user_ids(place) == ["user0", "user0", "user1", "user2"]


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["there alone", "there and elsewhere"])
@pytest.mark.parametrize(
    ("line", "stay_if_known", "stay_if_not"),
    [
        ("1_room,Unknown,user1,User,30,0.5", {"user0", "user1"}, {"user0", "user1", "user2"}),
        ("1_room,1_a,user1,User,thirty,half", {"user0", "user1"}, {"user0", "user1"}),
    ],
)
@pytest.mark.parametrize(
    ("privacy", "is_erased"),
    [(PSEUDONYMOUS, False), (NONE, False), (WITH_KEY, True), (PSEUDONYMOUS, True), (AGED, True)],
    ids=["pseudonymous", "none", "full, erased", "pseudonymous, erased", "past retention, erased"],
)
def test_an_unusable_line_removes_nobody_where_ids_are_pseudonyms_of_a_session(
    place: Place,
    privacy: Privacy,
    is_erased: bool,
    line: str,
    stay_if_known: set[str],
    stay_if_not: set[str],
    is_elsewhere: bool,
) -> None:
    """Where no session is known, a pseudonym that each session has its own of can't be made: it may be anybody."""
    place.warehouse.privacy = privacy
    place.meets("1_other", 12, 13, [(12, 13)] * (1 + is_elsewhere), entry="1_room")
    load(place, place.bring(0))
    if is_erased:
        with place.warehouse.connection() as connection:
            assert erase(connection, privacy.of_account(1), declared.TABLES, "user1")
    there = "SELECT user_id, meeting_view_time::integer FROM kaltura.attendees WHERE cue_point_id = '1_a'"
    known_as = {user_id: {60: "user0", 30: "user1", 45: "user2"}[minutes] for user_id, minutes in rows(place, there)}
    place.at(60 * 24 + 1)
    load_with_line_of_user1(place, line.replace(",User", ",Ann,,User") if privacy.is_full else line)
    stay = stay_if_not if is_erased or privacy is NONE else stay_if_known
    assert {known_as[user_id] for user_id, _ in rows(place, there)} == stay


def load_with_line_of_user1(place: Place, line: str) -> None:
    """In the session, from which user2 is left out."""

    def changed(sent: str) -> str | None:
        if sent.startswith("1_room,1_a,user2,"):
            return None
        return line if sent.startswith("1_room,1_a,user1,") else sent

    load(place, place.bring_changed(0, ATTENDEES, changed))


# --- rejects -----------------------------------------------------------------------------------------------------


def test_rejects_are_kept_with_their_reason_and_cleared_by_a_later_good_pull(place: Place) -> None:
    place.views.append(View("1_room", "1_late", PEOPLE[5], place.second(11), place.second(12)))
    load(place, place.bring(0))
    [(raw, reason)] = rows(place, "SELECT raw, reason FROM kaltura.rejects")
    assert (raw[:25], reason) == ("1_room,1_late,user5,Perso", "report 6000 lists no session with this cue_point_id")
    place.sessions.append(Session("1_room", "Room", "", "1_late", place.second(11), place.second(12), "host"))
    place.at(60 * 24 + 1)
    load(place, place.bring(0))
    assert rows(place, "SELECT count(*) FROM kaltura.rejects") == [(0,)]
    assert_equal(place.tables, place.truth(0))


def test_an_older_pull_does_not_bring_its_rejects_back(place: Place) -> None:
    place.views.append(View("1_room", "1_late", PEOPLE[5], place.second(11), place.second(12)))
    older = place.bring(0)
    place.views.pop()
    place.at(60 * 24 + 1)
    load(place, place.bring(0))
    load(place, older)
    assert rows(place, "SELECT count(*) FROM kaltura.rejects") == [(0,)]


def test_a_line_of_a_pull_of_some_ids_goes_with_the_next_pull_of_the_same_ids_and_with_no_other(place: Place) -> None:
    room = Filters({ENTRY_IDS: ["1_room"]})
    reasons = "SELECT count(*) FROM kaltura.rejects"
    load(place, place.bring_changed(0, ATTENDEES, lambda line: line.replace("0.333", "1."), filters=room))
    [(there,)] = rows(place, reasons)
    assert there
    place.at(60 * 24 + 1)
    load(place, place.bring(0, filters=Filters({ENTRY_IDS: ["1_room", "1_other"]})))
    assert rows(place, reasons) == [(there,)]
    place.at(60 * 24 + 2)
    load(place, place.bring_changed(0, ATTENDEES, lambda line: line.replace("0.333", "1."), filters=room))
    assert rows(place, reasons) == [(there,)]
    place.at(60 * 24 + 3)
    load(place, place.bring(0, filters=room))
    assert rows(place, reasons) == [(0,)]


# --- older and newer, wider and narrower -------------------------------------------------------------------------


def test_an_older_pull_never_overwrites_a_newer_one_though_it_commits_after_it(place: Place) -> None:
    older = place.bring(0)
    place.sessions[0] = Session("1_room", "New name", "", "1_a", *_span(place.sessions[0]), "host")
    place.views = place.views[1:]
    place.at(60 * 24 + 1)
    load(place, place.bring(0))
    before = versions(place)
    loads = load(place, older)
    assert versions(place) == before
    assert [each.superseded for each in loads] == [3, 0, 1]
    assert_equal(place.tables, place.truth(0))


@pytest.mark.parametrize(
    "filters", [*WHOLE_SESSIONS.values(), Filters({USER_IDS: ["user2", "user0", "user1"]})], ids=str
)
def test_a_pull_that_comes_late_bows_to_a_newer_one_of_the_same_ids_that_had_nothing_new(
    place: Place, filters: Filters
) -> None:
    load(place, place.bring(0, filters=filters))
    before = versions(place)
    place.views.append(View("1_room", "1_a", PEOPLE[0], place.second(10), place.second(10) + 60))
    place.at(60 * 24 + 1)
    late = place.bring(0, filters=filters)
    place.views.pop()
    place.at(60 * 24 + 2)
    load(place, place.bring(0, filters=Filters({name: ids[::-1] for name, ids in filters.ids.items()})))
    load(place, late)
    assert versions(place) == before


@pytest.mark.parametrize("as_range", [True, False])
def test_figures_of_a_running_session_do_not_replace_those_known_further(place: Place, as_range: bool) -> None:
    place.meets("1_long", 20, 50)
    place.at(30)
    narrow = place.bring(0, 2) if as_range else place.bring(0)
    place.at(60 * 24)
    wide = place.bring(0) if as_range else place.bring(0, 2)
    for brought in (narrow, wide, narrow):
        load(place, brought)
    assert_equal(place.tables, place.truth(0))


@pytest.mark.parametrize("pulls", [[(0, 12), (0, 0)], [(0, 0), (0, 12)], [(0, 12)], [(0, 0)]])
def test_what_comes_a_week_after_the_start_of_a_session_without_an_end_counts_in_no_window(
    place: Place, pulls: list[tuple[int, int]]
) -> None:
    stays = [(10, 11), (24 * 7 + 9, 24 * 7 + 9.5), (24 * 7 + 10.5, 24 * 9), (24 * 9, 24 * 9 + 1)]
    place.meets("1_forever", 10, None, stays)
    for number, (first, last) in enumerate(pulls):
        place.at(60 * 24 + number)
        load(place, place.bring(first, last))
        assert_equal(place.tables, place.truth(0))
    assert len([key for key in place.tables["attendees"] if key[1] == "1_forever"]) == 2


def test_a_session_without_an_end_that_came_in_a_wide_range_takes_what_a_later_pull_of_its_day_brings(
    place: Place,
) -> None:
    unresolved = User(50, "", "", "", "")
    place.meets("1_forever", 10, None, [(10, 11)])
    place.views.append(View("1_room", "1_forever", unresolved, place.second(10), place.second(11)))
    load(place, place.bring(0, 20))
    place.sessions[1] = replace(place.sessions[1], entry_name="Renamed")
    place.views[-1] = replace(place.views[-1], user=User(50, "late", "Late Comer", "", "User"))
    place.views.append(View("1_room", "1_forever", PEOPLE[5], place.second(12), place.second(13)))
    place.at(60 * 24 + 1)
    load(place, place.bring(0))
    assert_equal(place.tables, place.truth(0))


def test_a_wide_pull_of_one_person_does_not_keep_anybody_else_out(place: Place) -> None:
    """Neither those who are pulled later from a narrower window, nor those of a pull that was begun before."""
    for number, wide_is_loaded in enumerate(("first", "last")):
        cue = f"1_long{number}"
        place.meets(cue, 10, None, [(10, 11), (10, 12)])
        place.at(100 + number)
        ann = [ATTENDEES], Filters({USER_IDS: ["user0"]})
        whole = place.bring(0)
        place.at(110 + number)
        filtered = place.bring(0, 3, reports=ann[0], filters=ann[1])
        in_order = [filtered, whole]
        for brought in in_order if wide_is_loaded == "first" else reversed(in_order):
            load(place, brought)
        assert_equal(place.tables, place.truth(0))
    place.at(120)
    load(place, place.bring(0))
    assert_equal(place.tables, place.truth(0))


def test_a_pull_of_one_person_knows_of_their_row_what_a_narrower_pull_of_everybody_does_not(place: Place) -> None:
    place.meets("1_long", 20, 50, [(20, 50), (20, 49)])
    place.at(30)
    narrow = place.bring(0)
    place.at(60 * 24)
    ann = Filters({USER_IDS: ["user0"]})
    load(place, place.bring(0, 2, reports=[ATTENDEES], filters=ann))
    load(place, narrow)
    minutes = {key[2]: row["meeting_view_time"] for key, row in place.tables["attendees"].items() if key[1] == "1_long"}
    assert minutes == {"user0": pytest.approx(1800), "user1": pytest.approx(600)}


def test_two_loads_of_a_day_at_the_same_time_wait_for_each_other_and_the_later_pull_stands(place: Place) -> None:
    first = place.bring(0)
    place.views.append(View("1_room", "1_a", PEOPLE[0], place.second(10), place.second(10) + 60))
    place.at(60 * 24 + 1)
    second = place.bring(0)
    failures: list[Exception] = []

    def run(brought: Extract) -> None:
        try:
            for _ in range(5):
                load(place, brought)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=[brought]) for brought in (first, second, first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert_equal(place.tables, place.truth(0))
    assert rows(place, "SELECT count(*) FROM kaltura.loads") == [(60,)]


def test_a_day_of_which_one_table_fails_is_not_loaded_at_all(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_run = TableLoad.run

    def run(self: TableLoad, arrivals: Arrivals) -> Load:
        if self.table.name == "room_sessions":
            raise RuntimeError("the last of the three")
        return whole_run(self, arrivals)

    with monkeypatch.context() as patch:
        patch.setattr(TableLoad, "run", run)
        with pytest.raises(RuntimeError):
            load(place, place.bring(0))
    assert not any(place.tables.values())
    assert rows(place, "SELECT count(*) FROM kaltura.loads") == [(0,)]
    load(place, place.bring(0))
    assert_equal(place.tables, place.truth(0))


def test_a_load_whose_connection_the_server_kills_is_done_again_and_counted_once(
    place: Place, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_run, killed = TableLoad.run, []

    def run(self: TableLoad, arrivals: Arrivals) -> Load:
        if self.table.name == "breakout_sessions" and not killed:
            killed.append(self.connection.info.backend_pid)
            with psycopg.connect(database) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", killed)
        return whole_run(self, arrivals)

    monkeypatch.setattr(TableLoad, "run", run)
    load(place, place.bring(0))
    assert killed
    assert_equal(place.tables, place.truth(0))
    assert rows(place, "SELECT report_id FROM kaltura.loads ORDER BY 1") == [(6000,), (6001,), (6002,)]


# --- what COPY has to carry --------------------------------------------------------------------------------------


def with_names_that_break_readers(place: Place) -> None:
    for number, name in enumerate(NAMES_THAT_BREAK_READERS):
        user = User(100 + number, f"dirty{number}", name, "", "User")
        place.views.append(View("1_room", "1_a", user, place.second(9), place.second(9.5)))


def test_every_name_that_breaks_readers_lands_as_it_was_sent_straight_in_and_through_the_stage(place: Place) -> None:
    with_names_that_break_readers(place)
    load(place, place.bring(0))
    assert_equal(place.tables, place.truth(0))
    place.views = [
        View(v.entry_id, v.cue_point_id, v.user, v.joined_at, v.left_at + 60, v.engaged) for v in place.views
    ]
    place.at(60 * 24 + 1)
    assert {each.table: each.updated for each in load(place, place.bring(0))}["attendees"] == len(place.views)
    assert_equal(place.tables, place.truth(0))


@pytest.mark.skipif(not POSTGRES_15.exists(), reason="no Postgres 15 on this machine")
def test_every_name_that_breaks_readers_lands_on_postgres_15_too(
    kaltura: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_BIN", str(POSTGRES_15))
    folder = Path(tempfile.mkdtemp(prefix="kaltura-15-"))
    folder.chmod(0o755)
    local_postgres.start(folder)
    try:
        migrate(local_postgres.url(folder), declared.TABLES)
        store = Warehouse(local_postgres.url(folder))
        place = Place(kaltura, store)
        place.meets("1_a", 9, 10)
        with_names_that_break_readers(place)
        load(place, place.bring(0))
        assert rows(place, "SHOW server_version_num")[0][0].startswith("15")
        assert_equal(place.tables, place.truth(0))
        store.close()
    finally:
        local_postgres.remove(folder)


def test_two_rows_of_one_user_beside_no_other_row_are_one_row(place: Place) -> None:
    place.sessions.clear()
    place.views.clear()
    place.meets("1_only", 9, 10, [(9, 10)])
    twin = User(99, "user0", "Person 0", "", "User")
    place.views.append(View("1_room", "1_only", twin, place.second(9), place.second(9.5)))
    load(place, place.bring(0))
    assert_equal(place.tables, place.truth(0))


@pytest.mark.parametrize("days", [3, 30, 300])
def test_a_breakout_of_days_has_a_duration_of_days(place: Place, days: int) -> None:
    start, end = place.second(9), place.second(9 + 24 * days)
    place.at(24 * 400)
    place.breakouts.append(Breakout("1_main", "Main", "1_room", "Group", "1_a", "host", start, end))
    load(place, place.bring(0))
    [(duration,)] = rows(place, "SELECT duration FROM kaltura.breakout_sessions")
    assert duration == dt.timedelta(days=days)


def test_a_null_figure_prints_0_and_is_not_told_from_one(place: Place) -> None:
    place.kaltura.faults.add(Fault("null_figures", report_id=6001, column="meeting_view_time"))
    load(place, place.bring(0))
    assert {row["meeting_view_time"] for row in place.tables["attendees"].values()} == {0}


def test_a_thousand_and_more_rows_are_staged_and_compared_as_few_are(kaltura: Running, warehouse: Warehouse) -> None:
    place = Place(kaltura, warehouse)
    people = [User(number, f"user{number:05}", "Person", "", "User") for number in range(3_000)]
    place.sessions.append(Session("1_room", "Room", "", "1_a", place.second(9), place.second(10), "host"))
    place.views = [View("1_room", "1_a", user, place.second(9), place.second(9.1)) for user in people]
    load(place, place.bring(0))
    place.views = [View("1_room", "1_a", user, place.second(9), place.second(9.2)) for user in people[10:2_500]]
    place.at(60 * 24 + 1)
    by_table = {each.table: each for each in load(place, place.bring(0))}
    assert (by_table["attendees"].updated, by_table["attendees"].removed) == (2_490, 510)
    assert_equal(place.tables, place.truth(0))


def test_a_connection_that_has_loaded_before_a_column_was_added_loads_after_it(place: Place) -> None:
    """As a pooler in transaction mode keeps it, whatever process comes and goes."""
    place.meets("1_a", 9, 10)
    place.pull(0)
    place.sessions[0] = replace(place.sessions[0], entry_name="Renamed")
    place.pull(0)
    [backend] = rows(place, "SELECT pg_backend_pid()")
    added = Column("mood", Kind.TEXT, "Of a later version.", optional=True)
    table = replace(ROOM_SESSIONS.table, columns=(*ROOM_SESSIONS.table.columns, added))
    with place.warehouse.connection() as connection:
        connection.execute("ALTER TABLE kaltura.room_sessions ADD COLUMN mood text")
    place.sessions[0] = replace(place.sessions[0], entry_name="Renamed again")
    brought = place.bring(0)
    came = next(each for each in brought.by_day[place.day(0)] if each.table is ROOM_SESSIONS.table)
    came = replace(came, table=table, frame=came.frame.assign(mood="calm"))
    place.warehouse.upsert(place.day(0), [came], Provenance(1, brought.pull))
    assert rows(place, "SELECT entry_name, mood FROM kaltura.room_sessions") == [("Renamed again", "calm")]
    assert rows(place, "SELECT pg_backend_pid()") == [backend]
