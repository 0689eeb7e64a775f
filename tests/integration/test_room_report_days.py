"""The week's report over days of which a pull of certain ids brought something, and over people whom nobody can follow."""

import datetime as dt
import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

from assets.room_report.figures import figures
from assets.room_report.language import Language
from assets.room_report.page import page
from resources.settings import REPORT_LANGUAGES
from tests.integration.test_dashboard_days import ALL, LOAD
from tests.integration.test_room_report import ADD_LOADS, BERLIN, READ_AT, TUESDAY, WEEK, Reader
from tests.integration.test_room_report import seeded as seeded
from tests.integration.test_views_unknown import ACCOUNT, SESSION
from tests.integration.test_views_unknown import LOAD as LOAD_OF_DAY


def test_what_a_pull_of_certain_ids_brought_of_a_day_that_is_not_loaded_is_in_no_figure(
    seeded: psycopg.Connection,
) -> None:
    """In rooms that are there, with courses and breakouts, and in one that is not."""
    seeded.execute(ADD_LOADS, [TUESDAY, TUESDAY])
    before = figures(seeded, 101, WEEK, BERLIN)
    assert before.rooms
    assert before.breakouts
    assert before.departments
    seeded.execute(LOAD, [Jsonb({"entry_ids": ["r-alg"]}), dt.date(2026, 10, 9), dt.date(2026, 10, 10), ALL])
    times = "".join(f", '{time}', {time} + interval '4 days'" for time in ("session_start_time", "session_end_time"))
    for table in ("room_sessions", "attendees", "breakout_sessions"):
        later = "'partition_date', partition_date + 4, 'cue_point_id', 'later' || cue_point_id"
        later += "" if table == "attendees" else times
        seeded.execute(
            f"INSERT INTO kaltura.{table} SELECT (jsonb_populate_record({table}, jsonb_build_object({later}))).*"
            f" FROM kaltura.{table} WHERE partner_id = 101 AND partition_date BETWEEN '2026-10-05' AND '2026-10-06'".encode()
        )

    after = figures(seeded, 101, WEEK, BERLIN)

    assert replace(after, freshness=(), returns=()) == replace(before, freshness=(), returns=())


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
@pytest.mark.parametrize("loaded", ["the day", "another day", "no day"])
def test_a_day_whose_breakouts_are_said_to_be_left_out_is_left_out(
    loaded: str, language: str, seeded: psycopg.Connection
) -> None:
    """The week's breakouts are of Tuesday, of which some parents' alone were pulled: Kaltura may know more of them."""
    if loaded == "the day":
        seeded.execute(ADD_LOADS, [TUESDAY, TUESDAY])
    if loaded == "no day":
        restricted = (
            "UPDATE kaltura.loads SET filters = %s, is_whole = FALSE WHERE partner_id = 101 AND report_id = 6002"
        )
        seeded.execute(restricted, [Jsonb({"parent_entry_ids": ["r-bio"]})])
    say = Language(language)

    week = figures(seeded, 101, WEEK, BERLIN)
    said = Reader(page(week, READ_AT, language))

    row = said.tables[say("breakouts")][1]
    left_out = say("breakouts_missing", 1, dates=say.dates([TUESDAY]))
    assert (left_out in said.words) is (loaded == "another day")
    expected = {"the day": ["8", "1", "3"], "another day": ["8", "0", "0"], "no day": ["8", *2 * ["\N{EM DASH}"]]}
    assert row[1:] == expected[loaded]
    assert (say("breakouts_none_known") in said.words) is (loaded == "another day")
    assert (say("breakouts_unknown") in said.words) is (loaded == "no day")


MAIN = ["s1", "s2", "s4", "s5", "s6", "s8", "s9"]  # sessions of the week


@pytest.mark.parametrize("language", REPORT_LANGUAGES)
@pytest.mark.parametrize("mode", ["full", "pseudonymous", "none"])
def test_one_person_in_several_sessions_is_not_said_to_be_as_many_people(
    mode: str, language: str, seeded: psycopg.Connection
) -> None:
    """In mode none they are another in each: what is known is how many attendances there were."""
    times = 5
    known_as = {"full": "'ada'", "pseudonymous": "'p_' || md5('ada')", "none": "'p_' || md5(cue_point_id)"}[mode]
    seeded.execute("UPDATE kaltura.privacy SET mode = %s", [mode])
    seeded.execute("DELETE FROM kaltura.attendees WHERE partner_id = 101 AND partition_date >= %s", [WEEK])
    seeded.execute(
        "INSERT INTO kaltura.attendees (partner_id, entry_id, cue_point_id, user_id, meeting_view_time, partition_date,"
        f" window_start, window_end, load_id) SELECT partner_id, entry_id, cue_point_id, {known_as}, 10, partition_date,"
        " window_start, window_end, 2 FROM kaltura.room_sessions WHERE partner_id = 101 AND cue_point_id = ANY(%s)".encode(),
        [MAIN[:times]],
    )
    week = figures(seeded, 101, WEEK, BERLIN)
    assert week.week.attendance_count == times

    said = Reader(page(week, READ_AT, language))

    people, attendances = (Language(language, is_nobody_followed=each)("people", times) for each in (False, True))
    assert people not in said.words
    assert attendances in said.words or mode != "none"
    assert (Language(language)("people", 1) in said.words) is (mode != "none")
    assert (
        Language(language)("people_head") in {cell for row in said.tables[Language(language)("rooms")] for cell in row}
    ) is (mode != "none")
    assert re.search(rf"\b{times} ?{Language(language)('tile_people', times)}\b", said.words) is None


@pytest.mark.parametrize(
    ("timezone", "start", "end", "wanted"),
    [
        # From 2:00 to 3:00 comes twice, and the room is open in the second of the two.
        ("Europe/Berlin", "2026-10-25 01:00", "2026-10-25 02:00", {(6, 2): 0.5}),
        ("Europe/Berlin", "2026-10-24 23:00", "2026-10-25 01:00", {(6, 1): 1, (6, 2): 0.5}),
        ("Europe/Berlin", "2026-10-24 22:30", "2026-10-25 02:00", {(6, 0): 0.5, (6, 1): 1, (6, 2): 1}),
        # Over midnight: Sunday's first hour comes twice, and the week that Saturday ends has no part of it.
        ("Atlantic/Azores", "2026-10-25 00:00", "2026-10-25 02:00", {(6, 0): 1}),
        ("Atlantic/Azores", "2026-10-24 00:00", "2026-10-24 01:00", {(6, 0): 1}),
        ("America/Havana", "2026-11-01 04:00", "2026-11-01 07:00", {(6, 0): 1, (6, 1): 1}),
        # By half an hour: what is left of the day's last hour is all open.
        ("Australia/Lord_Howe", "2026-10-04 12:00", "2026-10-04 13:00", {(6, 22): 0.5, (6, 23): 1}),
        ("Australia/Lord_Howe", "2026-04-05 13:00", "2026-04-05 13:30", {(6, 23): 1}),
    ],
)
def test_an_hour_in_which_a_room_was_open_throughout_has_one_open_however_long_the_clock_made_it(
    timezone: str, start: str, end: str, wanted: dict[tuple[int, int], float], database: str
) -> None:
    zone = ZoneInfo(timezone)
    begins, ends = (dt.datetime.fromisoformat(f"{each}+00:00") for each in (start, end))
    sunday = begins.astimezone(zone).date()
    monday = sunday - dt.timedelta(days=6)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO kaltura.calendars (partner_id, timezone) VALUES (%s, %s)", [ACCOUNT, timezone])
        for day in range(7):
            known = [begins, ends, None, True, ends, ends]
            connection.execute(LOAD_OF_DAY, [ACCOUNT, 6000, monday + dt.timedelta(days=day), *known])
        connection.execute(SESSION, [ACCOUNT, "s", begins, ends, begins.astimezone(zone).date(), begins, ends, ends])
        hours = figures(connection, ACCOUNT, monday, zone).hours
    assert {(each.weekday, each.hour): each.open_session_count for each in hours} == pytest.approx(wanted)
