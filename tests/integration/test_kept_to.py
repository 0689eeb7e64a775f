"""An installation that keeps to some ids, by its settings: its days are whole without the rest, for everybody who asks."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import new_history
import psycopg
import pytest
from in_process import installed
from psycopg.types.json import Jsonb

from assets.checks import missing_days
from assets.report import CUE_POINT_IDS, ENTRY_IDS, USER_IDS
from pipelines.status import MISSING, NOT_THERE, status
from resources.kaltura.windows import DAY, Days
from resources.postgres.migrations import FOLDER
from resources.warehouse.warehouse import Warehouse
from simulator import University, serving
from tests.integration.test_missed_days import tick

WEEK = Days(dt.date(2026, 3, 2), dt.date(2026, 3, 8))
SESSIONS = "SELECT count(*) FROM analytics.sessions WHERE "
VIEWS = (
    "SELECT count(*) FILTER (WHERE session_pulled_at IS NOT NULL), count(*) FILTER (WHERE attendance_pulled_at IS NOT NULL),"
    " count(*) FILTER (WHERE breakout_pulled_at IS NOT NULL) FROM analytics.loaded_days"
)


@pytest.fixture
def place(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Runs with settings, of a university whose rooms and people have ids that are there each week."""
    with (
        serving(University(seed=11, timezone="UTC", rooms=4)) as kaltura,
        new_history.instance() as instance,
        installed(kaltura, database, instance) as dagster,
    ):

        def pull(days: Days = WEEK, /, *, for_once: dict[str, list[str]] | None = None, **settings: list[str]) -> Any:
            """`settings` as they are from now on; the run's own config stands in for what it is without one."""
            for name in (ENTRY_IDS, CUE_POINT_IDS, USER_IDS):
                monkeypatch.setenv(f"KALTURA_{name.upper()}", ",".join(settings.get(name, [])))
            config = {name: ids for name, ids in {**settings, **(for_once or {})}.items() if name != USER_IDS}
            run = dagster.pull(days, run_config={"ops": {"kaltura_rooms": {"config": config}}})
            assert run.success
            return run

        def lacking() -> list[dt.date]:
            """Days that each lacks: the check and the catching up, `status`, and the views."""
            found = status(connection, instance, kaltura.partner_id)
            [[last]] = connection.execute("SELECT max(partition_date) FROM kaltura.loads").fetchall()
            days = [day for kind in (MISSING, NOT_THERE) for run in found.days[kind] for day in run if day <= last]
            views = connection.execute(
                "SELECT array_agg(DISTINCT day ORDER BY day) FROM analytics.data_freshness, unnest(missing_dates) AS day"
            ).fetchall()[0][0]
            checked = sorted(missing_days.missing(connection, kaltura.partner_id, last))
            assert checked == sorted(days) == (views or [])
            return checked

        with psycopg.connect(database, autocommit=True) as connection:
            yield SimpleNamespace(
                pull=pull, lacking=lacking, sql=dagster.sql, evaluations=dagster.evaluations, url=database,
                instance=instance, kaltura=kaltura,
            )  # fmt: skip


def one_room(place: SimpleNamespace) -> str:
    """The room of most sessions, which is no breakout room."""
    place.pull()
    [[room]] = place.sql(
        "SELECT room_id FROM analytics.sessions WHERE NOT is_breakout AND people_count > 0 GROUP BY 1 ORDER BY count(*) DESC"
        " LIMIT 1"
    ).fetchall()
    place.sql(
        "TRUNCATE kaltura.loads, kaltura.room_sessions, kaltura.attendees, kaltura.breakout_sessions, kaltura.changes"
    )
    return str(room)


def test_days_of_an_installation_that_keeps_to_a_room_are_whole_with_their_figures(place: SimpleNamespace) -> None:
    room = one_room(place)
    run = place.pull(entry_ids=[room])
    assert place.lacking() == []
    assert place.sql(VIEWS).fetchone() == (7, 7, 7)
    assert place.sql(f"{SESSIONS} people_count > 0 AND NOT is_provisional").fetchone()[0] > 1
    assert place.sql(f"{SESSIONS} people_count IS NULL OR is_provisional").fetchone() == (0,)
    assert place.sql("SELECT DISTINCT room_id FROM analytics.sessions").fetchall() == [(room,)]
    assert place.sql(
        "SELECT count(*) FROM analytics.attendance WHERE is_provisional OR is_breakout IS NULL"
    ).fetchone() == (0,)
    assert place.sql("SELECT DISTINCT report_id, filters FROM kaltura.loads ORDER BY 1").fetchall() == [
        (6000, {"entry_ids": [room]}),
        (6001, {"entry_ids": [room]}),
        (6002, None),
    ]
    assert "estimate_agrees" in {each.check_name for each in place.evaluations(run)}
    assert tick(place.instance, place.url, WEEK.last + DAY)[1:] == []


def test_other_settings_leave_the_days_unloaded_until_they_are_pulled_again_and_the_same_ones_do_not(
    place: SimpleNamespace,
) -> None:
    room = one_room(place)
    place.pull(entry_ids=[room, "1_second"])
    last = Days(WEEK.last, WEEK.last)
    rest = list(Days(WEEK.first, WEEK.last - DAY))
    place.pull(last, entry_ids=["1_second", room, room])  # in another order
    assert place.lacking() == []
    place.pull(last, entry_ids=[room])
    assert place.lacking() == rest
    assert place.sql(f"{SESSIONS} people_count IS NOT NULL AND session_date < %s", [WEEK.last]).fetchone() == (0,)
    place.pull(last, entry_ids=["1_second", room])
    assert place.lacking() == []
    place.pull(last)
    assert place.lacking() == rest
    place.pull()
    place.pull(last, entry_ids=[room])  # everything has it among it
    assert place.lacking() == []


def test_a_pull_that_keeps_to_other_ids_for_once_makes_no_day_whole(place: SimpleNamespace) -> None:
    room = one_room(place)
    first = Days(WEEK.first, WEEK.first)
    place.pull(first, for_once={ENTRY_IDS: [room]})
    assert place.lacking() == [WEEK.first]
    place.pull(first, entry_ids=[room])
    place.pull(Days(WEEK.first + DAY, WEEK.first + DAY), entry_ids=[room], for_once={ENTRY_IDS: ["1_other"]})
    assert place.lacking() == [WEEK.first + DAY]
    place.pull(Days(WEEK.first + DAY, WEEK.first + DAY), entry_ids=[room], for_once={ENTRY_IDS: []})
    assert place.lacking() == []


def test_a_mark_tells_the_rows_of_its_day_only_where_all_that_is_kept_was_pulled(place: SimpleNamespace) -> None:
    """Dagster takes the newest mark's `dagster/partition_row_count` for the number of rows in the partition."""
    room = one_room(place)
    first = Days(WEEK.first, WEEK.first)

    def told(**ids: Any) -> tuple[bool, bool]:
        [mark] = place.pull(first, **ids).asset_materializations_for_node("kaltura_rooms")[:1]
        return "dagster/partition_row_count" in mark.metadata, "rows of the ids asked for" in mark.metadata

    assert told() == (True, False)
    assert told(for_once={ENTRY_IDS: [room]}) == (False, True)
    assert told(entry_ids=[room]) == (True, False)
    assert told(entry_ids=[room], for_once={ENTRY_IDS: []}) == (True, False)
    assert told(entry_ids=[room], for_once={ENTRY_IDS: ["1_other"]}) == (False, True)


def test_of_an_installation_that_keeps_to_people_attendance_is_theirs_and_the_other_reports_are_everybodys(
    place: SimpleNamespace,
) -> None:
    one_room(place)
    place.pull()
    everybody = place.sql("SELECT DISTINCT user_id FROM kaltura.attendees ORDER BY 1").fetchall()
    sessions = place.sql("SELECT count(*) FROM kaltura.room_sessions").fetchone()
    chosen = [everybody[-1][0], everybody[-2][0]]
    place.sql(
        "TRUNCATE kaltura.loads, kaltura.room_sessions, kaltura.attendees, kaltura.breakout_sessions, kaltura.changes"
    )
    run = place.pull(user_ids=chosen)
    assert place.lacking() == []
    assert place.sql("SELECT DISTINCT user_id FROM kaltura.attendees").fetchall() == [
        (each,) for each in sorted(chosen)
    ]
    assert place.sql("SELECT count(*) FROM kaltura.room_sessions").fetchone() == sessions
    assert place.sql("SELECT DISTINCT report_id FROM kaltura.loads WHERE filters IS NULL ORDER BY 1").fetchall() == [
        (6000,),
        (6002,),
    ]
    assert place.sql(f"{SESSIONS} people_count IS NULL").fetchone() == (0,)
    assert "estimate_agrees" not in {each.check_name for each in place.evaluations(run)}
    place.pull(Days(WEEK.last, WEEK.last), user_ids=[each.upper() for each in chosen])  # as Kaltura takes them
    assert place.lacking() == []
    place.pull(Days(WEEK.last, WEEK.last), user_ids=chosen[:1])
    assert place.lacking() == list(Days(WEEK.first, WEEK.last - DAY))


def test_a_silence_is_found_though_the_settings_keep_to_a_room(place: SimpleNamespace) -> None:
    room = one_room(place)
    place.pull(entry_ids=[room])
    silent = Days(WEEK.last + DAY, WEEK.last + 12 * DAY)
    place.sql(
        "INSERT INTO kaltura.loads (partner_id, report_id, partition_date, window_start, window_end, pulled_at, filters,"
        " requests, rows_received, rows_merged, rows_rejected, rows_other_days, inserted, updated, unchanged, removed, is_whole)"
        " SELECT %s, 6000, day, now(), now(), now(), %s, 1, 0, 0, 0, 0, 0, 0, 0, 0, TRUE FROM unnest(%s::date[]) AS day",
        [place.kaltura.partner_id, Jsonb({"entry_ids": [room]}), list(silent)],
    )
    query = (FOLDER / "checks" / "recent_events.sql").read_bytes()
    given = {"partner_id": place.kaltura.partner_id, "report_id": 6000, "last": silent.last, "terms": None}
    [(first, _, count, _, is_error)] = place.sql(query, given).fetchall()
    assert first <= silent.first
    assert count >= len(silent)
    assert is_error


def test_loads_of_before_are_restricted_by_what_their_report_has(place: SimpleNamespace) -> None:
    """As the loads of an installation that kept to some rooms and to a person were recorded."""
    place.pull()
    found = place.sql("SELECT DISTINCT entry_id FROM kaltura.attendees WHERE partition_date = %s", [WEEK.last])
    rooms = sorted(room for (room,) in found)
    place.sql("ALTER TABLE kaltura.loads DROP COLUMN is_whole CASCADE")
    place.sql("UPDATE kaltura.loads SET filters = %s", [Jsonb({"entry_ids": rooms[::-1], "user_ids": ["ann"]})])
    place.sql((FOLDER / "migrations" / "0024_kept_to.sql").read_bytes())
    assert place.sql("SELECT DISTINCT report_id, filters, is_whole FROM kaltura.loads ORDER BY 1").fetchall() == [
        (6000, {"entry_ids": rooms}, False),
        (6001, {"entry_ids": rooms, "user_ids": ["ann"], "people": ""}, False),
        (6002, None, True),
    ]
    place.pull(Days(WEEK.last, WEEK.last), entry_ids=rooms[::-1])
    assert place.sql(
        "SELECT report_id, count(*) FROM kaltura.loads WHERE is_whole GROUP BY 1 ORDER BY 1"
    ).fetchall() == [
        (6000, 8),
        (6001, 1),  # of no list of people is it known that it is the one that is kept to now
        (6002, 8),
    ]


def test_records_of_old_pulls_go_also_where_the_settings_keep_to_a_room_unless_a_pull_of_the_day_kept_to_others(
    place: SimpleNamespace,
) -> None:
    """Of each report: the first pull and the newest stay. Where pulls of other ids are among them, all do."""
    first, second = (Days(day, day) for day in (WEEK.first, WEEK.first + DAY))
    for _ in range(3):
        place.pull(first, entry_ids=["1_a"])
    for for_once in ([], ["1_b"], []):
        place.pull(second, entry_ids=["1_a"], for_once={ENTRY_IDS: for_once or ["1_a"]})
    place.sql("UPDATE kaltura.loads SET loaded_at = loaded_at - interval '90 days'")
    with closing(Warehouse(place.url)) as warehouse:
        warehouse.forget_loads(place.kaltura.partner_id, 30)
    counts = "SELECT report_id, count(*) FROM kaltura.loads WHERE partition_date = %s AND report_id < 6002 GROUP BY 1 ORDER BY 1"
    assert place.sql(counts, [first.first]).fetchall() == [(6000, 2), (6001, 2)]
    assert place.sql(counts, [second.first]).fetchall() == [(6000, 3), (6001, 3)]
