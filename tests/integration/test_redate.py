"""Days cut anew in another time zone: as if they had been pulled there, as far as what was pulled tells of them."""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest
from conftest import client_of
from depth import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pipeline import Pipeline
from psycopg import sql
from psycopg.types.json import Jsonb

from assets.attendees import ATTENDEES
from assets.checks import missing_days
from assets.reports import REPORTS, TABLES
from assets.room_report.figures import accounts
from pipelines.command_line import Stopped
from pipelines.commands.redate import command
from resources.kaltura.windows import DAY, Calendar
from resources.postgres import locks
from resources.privacy.people import lock_exclusively
from resources.settings import CHECKOUT
from resources.warehouse.calendars import CalendarError, record, recorded_timezone
from resources.warehouse.redate import Redated, redate
from resources.warehouse.warehouse import Warehouse
from simulator import Running
from tests.integration.test_calendars import FIRST, PARTNER, Account
from tests.integration.test_calendars import kaltura as kaltura
from tests.integration.test_wholeness import (
    _PATIENT,
    PARTNER_ID,
    Pull,
    Scene,
    Store,
    _pulls,
    _scenes,
    commit,
)
from tests.integration.test_wholeness import store as store
from tests.truth import KEYS, assert_equal, expected, landed

EARLIER, WIDE = 3, 9  # days that a scene is looked at from before its first, and in all
ZONES = [
    "UTC",
    "America/New_York",
    "Europe/London",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Auckland",
    "Pacific/Pago_Pago",
    "Pacific/Kiritimati",
]
ONCE = Pull(accepts_empty=True)
ALL = Pull(days=(0, WIDE - 1), accepts_empty=True)


@dataclass(frozen=True)
class Wide(Scene):
    """The same world, in another zone, over some days more on either side."""

    @property
    def days(self) -> list[dt.date]:
        return [self.place[1] + dt.timedelta(days=number - EARLIER) for number in range(WIDE)]


def elsewhere(scene: Scene, zone: str) -> Wide:
    return Wide((zone, scene.place[1]), scene.grace_hours, scene.sessions, scene.breakouts, scene.views)


def filled(store: Store, scene: Scene, pulls: Sequence[Pull]) -> None:
    store.empty()
    store.reader.execute("TRUNCATE kaltura.calendars")
    for number, pull in enumerate(sorted(pulls, key=lambda pull: pull.at_hour)):  # Kaltura's clock goes one way
        commit(store, store.brought(scene, pull, number), pull)
    record(store.reader, PARTNER_ID, scene.calendar.timezone)


def moved(warehouse: Warehouse, zone: str, partner_id: int = PARTNER_ID) -> Redated:
    with warehouse.connection() as connection:
        lock_exclusively(connection)
        done = redate(connection, partner_id, ZoneInfo(zone), TABLES)
    assert done is not None
    return done


def whole_days(connection: psycopg.Connection) -> set[tuple[int, dt.date]]:
    query = "SELECT DISTINCT report_id, partition_date FROM kaltura.loads WHERE filters IS NULL"
    return set(connection.execute(query).fetchall())


def expect_books_agree(connection: psycopg.Connection) -> None:
    """Each row, change and reject is of a load of its own day."""
    for table in (*KEYS, "rejects"):
        apart = f"SELECT t.* FROM kaltura.{table} AS t LEFT JOIN kaltura.loads ON loads.id = t.load_id"
        wrong = f"{apart} WHERE loads.partition_date IS DISTINCT FROM t.partition_date"
        assert connection.execute(wrong.encode()).fetchall() == [], table
    wrong = (
        "SELECT * FROM kaltura.changes LEFT JOIN kaltura.loads ON loads.id = changes.load_id"
        " WHERE (coalesce(after, before) ->> 'partition_date')::date IS DISTINCT FROM loads.partition_date"
    )
    assert connection.execute(wrong.encode()).fetchall() == []


def rejected(connection: psycopg.Connection) -> set[tuple[object, ...]]:
    query = "SELECT report_id, partition_date, raw, reason FROM kaltura.rejects WHERE window_start IS NULL"
    return set(connection.execute(query).fetchall())


_zones = st.sampled_from(ZONES)


def has_plain_ids(scene: Scene) -> bool:
    """Sessions that Kaltura has lost share one id, so that a window's edge decides which of them a viewer is tied to."""
    return all(each.cue_point_id.startswith("1_") for each in (*scene.sessions, *scene.views))


@pytest.mark.larger
@pytest.mark.timeout(3600)
@settings(_PATIENT, max_examples=examples(25))
@given(scene=_scenes().filter(has_plain_ids), zone=_zones)
def test_a_day_counts_as_loaded_where_all_of_it_was_pulled_and_a_pull_of_it_finds_everything_as_it_is(
    store: Store, scene: Scene, zone: str
) -> None:
    assume(zone != scene.place[0])
    filled(store, scene, [ONCE])
    done = moved(store.warehouse, zone)
    expect_books_agree(store.reader)

    there, here = replace(elsewhere(scene, zone), spoils=scene.spoils), Calendar(scene.calendar.timezone, 0)
    first, last = here.midnight(scene.days[0]), here.midnight(scene.days[-1] + DAY)
    bounds = {day: (there.calendar.midnight(day), there.calendar.midnight(day + DAY)) for day in there.days}
    whole = {day for day, (start, end) in bounds.items() if first <= start and end <= last}
    touched = {day for day, (start, end) in bounds.items() if start < last and end > first}
    assert whole_days(store.reader) == {(report.report_id, day) for report in REPORTS for day in whole}
    assert {day for days in done.not_whole for day in days} == touched - whole
    known = {
        name: {key: row for key, row in rows.items() if row["partition_date"] in whole}
        for name, rows in landed(store.reader).items()
    }
    assert_equal(known, there.truth(whole))
    calendar = dict(
        store.reader.execute("SELECT session_date, is_session_loaded AND NOT is_provisional FROM analytics.calendar")
    )
    assert {day for day, is_known in calendar.items() if is_known} == whole
    assert calendar.keys() == touched
    lines = {line for line in rejected(store.reader) if line[1] in whole}

    for extracted in store.brought(there, ALL, 1):
        days = [day for day in extracted.days for _ in REPORTS]
        for day, load in zip(days, store.load(extracted, ALL), strict=True):
            assert (load.updated, load.removed, load.superseded) == (0, 0, 0)
            assert load.inserted == 0 or day not in whole
    assert store.value("SELECT count(*) FROM kaltura.changes") == 0
    assert_equal(landed(store.reader), there.truth())
    assert {line for line in rejected(store.reader) if line[1] in whole} == lines


@pytest.mark.larger
@pytest.mark.timeout(3600)
@settings(_PATIENT, max_examples=examples(25))
@given(scene=_scenes(), zones=st.lists(_zones, min_size=1, max_size=2), pulls=st.lists(_pulls, min_size=1, max_size=3))
def test_back_in_its_own_zone_every_row_is_where_it_was_and_the_same_days_are_loaded(
    store: Store, scene: Scene, zones: list[str], pulls: list[Pull]
) -> None:
    """Whatever was pulled: parts, filtered, early, interrupted. Which sessions a pull added is not known of a moved day."""
    way = [scene.place[0], *zones, scene.place[0]]
    assume(all(here != there for here, there in pairwise(way)))
    filled(store, scene, pulls)
    assume(store.value("SELECT count(*) FROM kaltura.loads"))

    added = store.reader.execute(
        "SELECT room_id, session_id FROM analytics.restated_sessions WHERE is_addition"
    ).fetchall()

    def state() -> tuple[object, ...]:
        loaded = "SELECT *, NULL FROM analytics.loaded_days"
        of_others = (
            "SELECT room_id, session_id, to_jsonb(t) - ARRAY['session_load_id', 'attendance_load_id']"
            " FROM analytics.restated_sessions t"
        )
        restated = [row for *session, row in store.reader.execute(of_others) if tuple(session) not in added]
        return (
            landed(store.reader),
            rejected(store.reader),
            set(store.reader.execute(loaded).fetchall()),
            sorted(map(str, restated)),
            sorted(map(str, store.reader.execute("SELECT key, before, after FROM kaltura.changes").fetchall())),
        )

    before = state()
    for zone in way[1:]:
        moved(store.warehouse, zone)
        expect_books_agree(store.reader)
    assert state() == before


@pytest.mark.larger
@pytest.mark.timeout(3600)
@settings(_PATIENT, max_examples=examples(25))
@given(scene=_scenes(), zone=_zones, pulls=st.lists(_pulls, min_size=1, max_size=3))
def test_after_any_history_and_a_move_one_pull_more_brings_the_truth(
    store: Store, scene: Scene, zone: str, pulls: list[Pull]
) -> None:
    assume(zone != scene.place[0])
    filled(store, scene, pulls)
    assume(store.value("SELECT count(*) FROM kaltura.loads"))
    moved(store.warehouse, zone)
    there = elsewhere(scene, zone)
    commit(store, store.brought(there, ALL, 9), ALL)
    assert_equal(landed(store.reader), expected(there.world(), set(there.days), there.calendar.timezone))


# --- the views, and the command --------------------------------------------------------------------------------------

# When something was pulled, and with which window, which no move can know of the other zone's pull.
OWN_TIMES = ("_pulled_at", "known_until_at", "_load_at", "load_id", "newest_load_at")


def views(url: str, days: set[dt.date] | None = None) -> dict[str, list[str]]:
    """All rows of all views; of `days`, those of the views that have a day."""
    with psycopg.connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns"
            " WHERE table_schema = 'analytics' GROUP BY table_name"
        ).fetchall()
        found = {}
        for name, names in columns:
            if name == "rejected_rows":
                continue  # a line that belongs to no day is counted on one of those whose window it came with
            if days is not None and (name == "room_retention" or "session_date" not in names):
                continue  # room_retention counts a room's sessions from the first that is there, on whichever day
            own = [each for each in names if each.endswith(OWN_TIMES)]
            where = sql.SQL("WHERE session_date = ANY (%(days)s)") if days is not None else sql.SQL("")
            query = sql.SQL("SELECT (to_jsonb(t) - %(own)s::text[])::text FROM analytics.{} AS t {} ORDER BY 1").format(
                sql.Identifier(name), where
            )
            rows = connection.execute(query, {"own": own, "days": sorted(days or ())})
            found[name] = sorted(
                json.dumps(json.loads(text, parse_float=_rounded, parse_int=_rounded), sort_keys=True)
                for (text,) in rows
            )
    return found


def expect_equal(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> None:
    assert found.keys() == wanted.keys()
    for name, rows in wanted.items():
        assert set(found[name]) ^ set(rows) == set(), name
        assert len(found[name]) == len(rows), name


def _rounded(figure: str) -> float:
    """Sums differ in their last digits, by the order in which they are added up."""
    return float(f"{float(figure):.9g}")


@pytest.fixture
def two(kaltura: Running, new_database: Callable[[], str]) -> Iterator[tuple[Account, Account]]:
    with (
        client_of(kaltura) as client,
        closing(Warehouse(new_database())) as one,
        closing(Warehouse(new_database())) as other,
    ):
        yield Account(client, one), Account(client, other)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("America/New_York", "UTC"),
        ("America/New_York", "Asia/Kolkata"),
        ("UTC", "America/New_York"),
        ("Pacific/Kiritimati", "Pacific/Pago_Pago"),
    ],
)
def test_every_view_is_as_after_a_pull_in_the_other_zone(two: tuple[Account, Account], before: str, after: str) -> None:
    redated, fresh = two
    redated.pull(before, days=4)
    moved(redated.warehouse, after, PARTNER)
    with psycopg.connect(redated.warehouse.url) as connection:
        whole = {day for _, day in whole_days(connection)}
        touched = [day for (day,) in connection.execute("SELECT DISTINCT session_date FROM analytics.calendar")]
    assert whole
    fresh.pull(after, days=4)
    with psycopg.connect(fresh.warehouse.url) as connection:
        inside = whole & {day for _, day in whole_days(connection)}
    assert len(inside) >= 2
    expect_equal(views(redated.warehouse.url, inside), views(fresh.warehouse.url, inside))
    last = max(*touched, FIRST + 3 * DAY)
    for account in two:  # the days at the ends, as those that are missing
        account.pull(after, first=min(touched), days=(last - min(touched)).days + 1)
    expect_equal(views(redated.warehouse.url), views(fresh.warehouse.url))


@pytest.mark.parametrize(
    "kept_to", [{}, {6000: {"entry_ids": ["1_a"]}, 6001: {"entry_ids": ["1_a"]}}], ids=["all", "a room"]
)
def test_days_at_the_ends_are_missing_and_no_day_beyond_the_last_full_one_is(
    kept_to: dict[int, dict[str, list[str]]], account: Account, database: str
) -> None:
    account.pull("America/New_York", days=3)
    with psycopg.connect(database) as connection:  # as if it had been pulled so
        for report_id, filters in kept_to.items():
            connection.execute(
                "UPDATE kaltura.loads SET filters = %s WHERE report_id = %s", [Jsonb(filters), report_id]
            )
    account.warehouse.keep_to(PARTNER, kept_to)
    moved(account.warehouse, "Asia/Kolkata", PARTNER)
    with psycopg.connect(database) as connection:
        last = FIRST + 2 * DAY
        assert set(missing_days.missing(connection, PARTNER, last)) == {FIRST}
        assert set(missing_days.missing(connection, PARTNER, last + DAY)) == {FIRST, last + DAY}


@pytest.fixture
def account(kaltura: Running, warehouse: Warehouse) -> Iterator[Account]:
    with client_of(kaltura) as client:
        yield Account(client, warehouse)


@pytest.fixture
def configured(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("KALTURA_PARTNER_ID", str(PARTNER))
    monkeypatch.setenv("PARTITION_TIMEZONE", "Asia/Kolkata")
    return database


PLACES = ("UTC", "America/New_York", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago")


@pytest.mark.parametrize(("before", "after"), list(pairwise(PLACES)))
def test_people_who_came_as_nobody_are_told_of_on_every_day_that_they_may_be_on_and_back_in_its_zone_on_theirs(
    before: str, after: str, account: Account, database: str
) -> None:
    account.pull(before, days=3)
    cut, cut_anew = Calendar(ZoneInfo(before), 0), Calendar(ZoneInfo(after), 0)
    for number in range(3):
        day = FIRST + number * DAY
        with psycopg.connect(database) as connection:  # as if they had come so
            connection.execute("UPDATE kaltura.loads SET people_kept = 0 WHERE people_kept > 0")
            connection.execute(
                "UPDATE kaltura.loads SET people_kept = 7 WHERE report_id = %s AND partition_date = %s",
                [ATTENDEES.table.report_id, day],
            )
        moved(account.warehouse, after, PARTNER)
        moments = (cut.midnight(day), cut.midnight(day + DAY) - 1)
        days = set(map(cut_anew.day_of, moments)) - missing_of(database, FIRST + 2 * DAY)  # of those, that one is told
        assert unknown(database) == dict.fromkeys(days, 7)
        assert days
        moved(account.warehouse, before, PARTNER)
        assert unknown(database) == {day: 7}


def missing_of(url: str, last: dt.date) -> set[dt.date]:
    with psycopg.connect(url) as connection:
        return set(missing_days.missing(connection, PARTNER, last + DAY))


def unknown(url: str) -> dict[dt.date, int]:
    """What the check finds, on any day."""
    days = {"first": FIRST - 9 * DAY, "last": FIRST + 9 * DAY}
    query = (CHECKOUT / "sql" / "checks" / "people_stay_known.sql").read_bytes()
    with psycopg.connect(url) as connection:
        found = connection.execute(query, {"partner_id": PARTNER, "report_id": ATTENDEES.table.report_id, **days})
        return dict(found.fetchall())


def held(url: str) -> list[list[str]]:
    names = (*KEYS, "loads", "changes", "rejects", "calendars")
    with psycopg.connect(url) as connection:
        queries = [f"SELECT t::text FROM kaltura.{name} AS t ORDER BY 1" for name in names]
        return [[text for (text,) in connection.execute(query.encode())] for query in queries]


def test_the_refusal_of_another_zone_names_the_command_that_does_it_and_pulls_go_on(
    account: Account, configured: str, capsys: pytest.CaptureFixture[str]
) -> None:
    account.pull("America/New_York", days=3)
    account.pull("America/New_York", days=1, partner_id=2)
    with pytest.raises(CalendarError, match="python -m pipelines redate"):
        account.pull("Asia/Kolkata")
    before = held(configured)
    command.main(["--dry-run"], standalone_mode=False)
    assert "would be cut in Asia/Kolkata; before, in America/New_York" in capsys.readouterr().out
    assert held(configured) == before

    command.main([], standalone_mode=False)
    said = capsys.readouterr().out
    assert "Not loaded whole any more: 2026-03-07, 2026-03-10" in said
    assert "status --mend" in said
    account.pull("Asia/Kolkata")
    with psycopg.connect(configured) as connection:
        assert recorded_timezone(connection, PARTNER) == "Asia/Kolkata"
        recorded = connection.execute(
            "SELECT timezone, timezone_before FROM kaltura.calendars ORDER BY partner_id"
        ).fetchall()
        assert recorded == [("America/New_York", None), ("Asia/Kolkata", "America/New_York")]
    command.main([], standalone_mode=False)
    assert "already. Nothing was changed" in capsys.readouterr().out


@pytest.mark.parametrize("is_another", [False, True])
def test_of_another_account_than_that_of_the_settings_it_is_said_where_to_mend_its_marks(
    is_another: bool, account: Account, configured: str, capsys: pytest.CaptureFixture[str]
) -> None:
    redated = PARTNER + is_another
    account.pull("America/New_York", days=1, partner_id=redated)
    command.main(["--partner-id", str(redated)], standalone_mode=False)
    said = capsys.readouterr().out
    assert (f"in the environment of account {redated}" in said) is is_another


def test_a_run_that_is_under_way_is_waited_for_and_then_named(
    account: Account, configured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.pull("UTC", days=1)
    before = held(configured)
    monkeypatch.setattr(locks, "RESTORE_SECONDS", 0.1)
    with account.warehouse.loading("0123456789"), pytest.raises(Stopped, match="kaltura run 01234567"):
        command.main([], standalone_mode=False)
    assert held(configured) == before
    command.main([], standalone_mode=False)
    assert held(configured) != before


def test_the_account_of_number_0_is_one_like_any_other(account: Account, configured: str) -> None:
    account.pull("UTC", days=1)
    before = held(configured)
    with pytest.raises((CalendarError, Stopped), match="account 0 has no row in the warehouse"):
        command.main(["--partner-id", "0"], standalone_mode=False)
    assert held(configured) == before


def test_a_report_that_was_written_before_is_older_than_the_data(account: Account, database: str) -> None:
    account.pull("America/New_York", days=1)
    with psycopg.connect(database) as connection:
        [before] = accounts(connection)
    moved(account.warehouse, "Asia/Kolkata", PARTNER)
    with psycopg.connect(database) as connection:
        [after] = accounts(connection)
    assert after.data_version != before.data_version


def test_a_zone_that_was_never_recorded_or_an_account_without_rows_is_told(account: Account, configured: str) -> None:
    with pytest.raises((CalendarError, Stopped), match="has no row in the warehouse"):
        command.main([], standalone_mode=False)
    account.pull("UTC", is_held=False)
    before = held(configured)
    with pytest.raises((CalendarError, Stopped), match="was never recorded"):
        command.main([], standalone_mode=False)
    assert held(configured) == before


def test_attendees_whose_session_is_not_there_leave_the_days_that_they_may_be_on_unloaded(
    account: Account, database: str
) -> None:
    account.pull("America/New_York", days=3)
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM kaltura.room_sessions WHERE partition_date = %s", [FIRST + DAY])
    moved(account.warehouse, "UTC", PARTNER)
    with psycopg.connect(database) as connection:
        assert whole_days(connection) == {
            *((report_id, day) for report_id in (6000, 6002) for day in (FIRST + DAY, FIRST + 2 * DAY))
        }


@pytest.mark.deep
def test_an_installation_changes_its_zone_and_its_next_pull_brings_the_days_at_the_ends_and_nothing_else(
    kaltura: Running, new_database: Callable[[], str], tmp_path: Path
) -> None:
    before = Pipeline(
        kaltura, new_database(), tmp_path, {"START_DATE": "2026-03-01", "PARTITION_TIMEZONE": "America/New_York"}
    )
    after = replace(before, more={**before.more, "PARTITION_TIMEZONE": "Asia/Kolkata"})
    days, inner = (FIRST, FIRST + 3 * DAY), (FIRST + DAY, FIRST + 3 * DAY)
    before.run("python", "-m", "pipelines", "home")  # as `status` finds it
    before.materialize("--partition-range", "...".join(map(str, days)))
    refused = after.run("python", "-m", "pipelines", "status", succeeds=False)
    assert "python -m pipelines redate" in refused

    after.run("python", "-m", "pipelines", "redate")
    mended = after.run("python", "-m", "pipelines", "status", "--mend", succeeds=False)
    assert f"Marks taken away, as the warehouse does not hold them: {FIRST}" in mended
    known = after.tables()
    after.materialize("--partition-range", "...".join(map(str, inner)))
    assert after.tables() == known
    assert after.query("SELECT sum(inserted + updated + removed) FROM kaltura.loads WHERE run_id IN"
                       " (SELECT run_id FROM kaltura.loads ORDER BY id DESC LIMIT 1)") == [(0,)]  # fmt: skip
    after.materialize("--partition", str(FIRST))
    (tmp_path / "fresh").mkdir()
    fresh = Pipeline(kaltura, new_database(), tmp_path / "fresh", after.more)
    fresh.materialize("--partition-range", f"{FIRST}...{FIRST + 3 * DAY}")
    there = {
        table: [row for (row,) in rows if dt.date.fromisoformat(row["partition_date"]) <= FIRST + 3 * DAY]
        for table, rows in after.tables().items()
    }
    assert there == {table: [row for (row,) in rows] for table, rows in fresh.tables().items()}
