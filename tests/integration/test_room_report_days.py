"""The week's report over what is not whole: days of which a pull of certain ids brought something, and people whom nobody can follow."""

import datetime as dt
from dataclasses import replace

import psycopg
import pytest
from psycopg.types.json import Jsonb

from assets.room_report.figures import figures
from assets.room_report.language import Language
from assets.room_report.page import page
from resources.settings import REPORT_LANGUAGES
from tests.integration.test_dashboard_days import ALL, LOAD
from tests.integration.test_room_report import BERLIN, READ_AT, WEEK, Reader
from tests.integration.test_room_report import seeded as seeded


def test_what_a_pull_of_certain_ids_brought_of_a_day_that_is_not_loaded_is_in_no_figure(
    seeded: psycopg.Connection,
) -> None:
    """In rooms that are there, with courses and breakouts, and in one that is not."""
    before = figures(seeded, 101, WEEK, BERLIN)
    assert before.rooms
    assert before.breakouts
    assert before.departments
    seeded.execute(LOAD, [Jsonb({"entry_ids": ["r-alg"]}), dt.date(2026, 10, 9), dt.date(2026, 10, 10), ALL])
    times = ", 'session_start_time', session_start_time + interval '4 days', 'session_end_time', session_end_time + interval '4 days'"
    for table in ("room_sessions", "attendees", "breakout_sessions"):
        later = "'partition_date', partition_date + 4, 'cue_point_id', 'later' || cue_point_id"
        later += "" if table == "attendees" else times
        seeded.execute(
            f"INSERT INTO kaltura.{table} SELECT (jsonb_populate_record({table}, jsonb_build_object({later}))).*"
            f" FROM kaltura.{table} WHERE partner_id = 101 AND partition_date BETWEEN '2026-10-05' AND '2026-10-06'".encode()
        )

    after = figures(seeded, 101, WEEK, BERLIN)

    assert replace(after, freshness=(), returns=()) == replace(before, freshness=(), returns=())
