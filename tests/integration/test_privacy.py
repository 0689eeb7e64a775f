"""What is kept of people, shown by searching every store for them: the real pipeline, the real database, real files."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from conftest import Databases
from pipeline import Pipeline

from assets.pull.filters import Filters
from assets.report import USER_IDS
from assets.reports import REPORTS as IN_ORDER
from assets.reports import TABLES
from resources.privacy import people as retention
from resources.privacy.erasure import erase
from resources.privacy.people import PrivacyError
from resources.privacy.pseudonymise import pseudonymise
from resources.privacy.pseudonyms import FULL, Mode, Privacy, is_pseudonym
from resources.warehouse.provenance import Provenance
from resources.warehouse.warehouse import Warehouse
from simulator import Breakout, Fault, ListedWorld, Running, Session, University, User, View, serving
from tests.integration.test_whole_days import Place
from tests.integration.test_whole_days import kaltura as kaltura

KEY = "an invented key of the tests, long enough for them"
OTHER_KEY = "another invented key of the tests, as long as that"
PSEUDONYMOUS = Privacy(Mode.PSEUDONYMOUS, KEY)
NONE = Privacy(Mode.NONE, KEY)
WITH_KEY = Privacy(Mode.FULL, KEY)

DAYS = (dt.date(2026, 3, 2), dt.date(2026, 3, 3))
SHORTEST_NEEDLE = 6  # a shorter one is found in any heap of digits
UNKNOWN_COLUMN_HOLDS = "nickname.of.somebody@example.net"

ADA = User(1, "ada.inventedson", "Ada Inventedson", "ada.inventedson@example.edu", "User")
BOB = User(2, "bob.madeuppe", "Bob Madeuppe", "bob.madeuppe@example.edu", "User")
NOBODY = User(3, "", "", "", "")


# --- the three modes, in real processes ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standin() -> Iterator[Running]:
    with serving(University(seed=11, timezone="UTC", rooms=6)) as running:
        yield running


class Installation:
    """A day that lands and one that the database refuses with a message that quotes a row; and a restricted pull."""

    def __init__(self, standin: Running, database: str, home: Path, mode: str) -> None:
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        more = {"START_DATE": "2026-01-01", "PII_MODE": mode, "PII_KEY": KEY}
        self.pipeline = Pipeline(standin, database, home, more)
        with psycopg.connect(database) as connection:
            connection.execute(
                f"ALTER TABLE kaltura.attendees ADD CONSTRAINT no_such_day CHECK (partition_date <> '{DAYS[1]}')"
            )
        standin.faults.clear()
        standin.faults.add(
            Fault("extra_column", report_id=6001, times=None, column="nickname", value=UNKNOWN_COLUMN_HOLDS)
        )
        standin.requests.clear()
        self.printed = self.pipeline.materialize("--partition-range", f"{DAYS[0]}...{DAYS[1]}", succeeds=False)
        self.left_out = {request.excluded_fields for request in standin.requests if request.report_id == 6001}

    def restrict(self, person: str) -> None:
        restricted = replace(self.pipeline, more={**self.pipeline.more, "KALTURA_USER_IDS": person})
        self.printed += restricted.materialize("--partition", str(DAYS[0]))

    @property
    def database(self) -> bytes:
        """Every row of every table of every schema."""
        with psycopg.connect(self.pipeline.database) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            exported = []
            for (table,) in tables:
                with connection.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT".encode()) as copy:
                    exported += [table.encode(), *map(bytes, copy)]
        return b"\n".join(exported)

    @property
    def dagster(self) -> bytes:
        """Every file in Dagster's home: runs, events, logs of processes; and what the commands printed."""
        files = [path.read_bytes() for path in sorted(self.pipeline.home.rglob("*")) if path.is_file()]
        return b"\n".join([*files, self.printed.encode()])


def found(people: set[str], store: bytes) -> set[str]:
    """Those that occur anywhere, as they are or as JSON spells them."""
    return {each for each in people if each.encode() in store or json.dumps(each)[1:-1].encode() in store}


@pytest.fixture(scope="module")
def installations(
    standin: Running, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Installation]:
    homes = tmp_path_factory.mktemp("homes")
    return {mode.value: Installation(standin, databases.make(), homes / mode, mode) for mode in Mode}


@pytest.fixture(scope="module")
def people(installations: dict[str, Installation]) -> set[str]:
    """Every id, name and e-mail that Kaltura sent of those who took part."""
    rows = installations["full"].pipeline.query(
        "SELECT unnest(ARRAY[user_id, user_name, user_email]) FROM kaltura.attendees"
        " UNION SELECT session_host_user_id FROM kaltura.room_sessions"
        " UNION SELECT session_initiator FROM kaltura.breakout_sessions"
    )
    ids = {str(value) for (value,) in rows if value is not None}
    return {each for each in ids if len(each) >= SHORTEST_NEEDLE and each != "Unknown"} | {UNKNOWN_COLUMN_HOLDS}


def test_in_mode_full_everybody_is_in_the_database(installations: dict[str, Installation], people: set[str]) -> None:
    assert len(people) > 300
    assert found(people, installations["full"].database) == people


@pytest.mark.parametrize("mode", ["pseudonymous", "none"])
def test_in_the_other_modes_nobody_is_in_the_database(
    mode: str, installations: dict[str, Installation], people: set[str]
) -> None:
    assert installations[mode].pipeline.query("SELECT count(*) > 300 FROM kaltura.attendees") == [(True,)]
    assert installations[mode].pipeline.query("SELECT count(*) > 0 FROM kaltura.rejects") == [(True,)]
    assert found(people, installations[mode].database) == set()


@pytest.mark.parametrize("mode", list(Mode))
def test_nobody_is_in_what_dagster_stores_or_prints_though_the_database_quoted_a_row(
    mode: str, installations: dict[str, Installation], people: set[str]
) -> None:
    installation = installations[mode]
    assert "no_such_day" in installation.printed
    assert b"the database refused" in installation.dagster
    assert found(people, installation.dagster) == set()


@pytest.mark.parametrize("mode", list(Mode))
def test_the_key_is_nowhere(mode: str, installations: dict[str, Installation]) -> None:
    assert found({KEY}, installations[mode].dagster + installations[mode].database) == set()


@pytest.mark.parametrize("mode", ["pseudonymous", "none"])
def test_names_and_emails_are_not_even_asked_for(mode: str, installations: dict[str, Installation]) -> None:
    assert installations[mode].left_out == {("user_name", "user_email")}
    assert installations["full"].left_out == {()}


@pytest.mark.parametrize("mode", ["pseudonymous", "none"])
def test_a_pull_of_one_person_leaves_no_trace_of_whom_it_was_for(
    mode: str, installations: dict[str, Installation], people: set[str]
) -> None:
    installation = installations[mode]
    person = min(each for each in people if each.endswith("@example.edu")).removesuffix("@example.edu")
    installation.restrict(person)
    assert installation.pipeline.query("SELECT count(*) > 0 FROM kaltura.loads WHERE filters ? 'user_ids'") == [(True,)]
    assert found({person}, installation.database + installation.dagster) == set()


@pytest.mark.parametrize("mode", list(Mode))
def test_a_person_in_a_runs_config_is_refused_before_there_is_a_run(
    mode: str, installations: dict[str, Installation]
) -> None:
    config = json.dumps({"ops": {"kaltura_rooms": {"config": {"user_ids": ["somebody.in.particular"]}}}})
    printed = installations[mode].pipeline.materialize(
        "--partition", str(DAYS[0]), "--config-json", config, succeeds=False
    )
    assert "user_ids" in printed
    assert found({"somebody.in.particular"}, installations[mode].dagster) == set()


def test_a_person_has_one_pseudonym_in_mode_pseudonymous_and_one_a_session_in_mode_none(
    installations: dict[str, Installation],
) -> None:
    query = (
        "SELECT count(*), count(DISTINCT user_id) FROM kaltura.attendees WHERE user_id NOT IN ('', '0', 'Unknown')"
        " AND user_id ~ '^p_[0-9a-f]{32}$'"
    )
    [(rows, full)] = installations["full"].pipeline.query(
        "SELECT count(*), count(DISTINCT user_id) FROM kaltura.attendees WHERE user_id NOT IN ('', '0', 'Unknown')"
    )
    assert full < rows
    assert installations["pseudonymous"].pipeline.query(query) == [(rows, full)]
    assert installations["none"].pipeline.query(query) == [(rows, rows)]


def test_figures_are_the_same_in_every_mode(installations: dict[str, Installation]) -> None:
    query = (
        "SELECT session_id, people_count, guest_count, attendance_count, round(total_minutes::numeric, 6),"
        " round(weighted_engagement_ratio::numeric, 6) FROM analytics.sessions ORDER BY 1, 2"
    )
    full, pseudonymous, none = (installations[mode].pipeline.query(query) for mode in Mode)
    assert full
    assert full == pseudonymous == none


# --- another mode, another key ------------------------------------------------------------------------------------


@pytest.fixture
def place(kaltura: Running, warehouse: Warehouse) -> Place:
    """A day with two meetings of Ada and Bob, of which Ada is the host, and a breakout that she opens."""
    made = Place(kaltura, warehouse)
    for cue, start in (("1_a", 9), ("1_b", 14)):
        made.sessions.append(
            Session("1_room", "Room", "", cue, made.second(start), made.second(start + 1), ADA.user_id)
        )
        for user in (ADA, BOB, NOBODY):
            made.views.append(View("1_room", cue, user, made.second(start), made.second(start + 1)))
    made.sessions.append(Session("1_out", "Out", "1_room", "1_c", made.second(9.5), made.second(9.75), ADA.user_id))
    made.views.append(View("1_out", "1_c", BOB, made.second(9.5), made.second(9.75)))
    made.breakouts.append(
        Breakout("1_room", "Room", "1_out", "Out", "1_c", ADA.user_id, made.second(9.5), made.second(9.75))
    )
    return made


def pull(
    place: Place,
    privacy: Privacy,
    *days: int,
    filters: Filters = Filters({}),  # noqa: B008
    account: int = 1,
    keeps_to: bool = False,
) -> None:
    """Through an installation with these settings, as a run does. With `keeps_to` the filters are the installation's."""
    opened = Warehouse(place.warehouse.url, privacy)
    people = privacy.of_account(account)
    try:
        opened.require_privacy_mode()
        if keeps_to:
            opened.require_timezone(account, place.calendar.timezone)
            opened.keep_to(account, {each.report_id: people.kept_to(filters.names_of(each)) for each in IN_ORDER})
        for day in days or (0,):
            brought = bring_as(place, privacy, day, filters, account)
            opened.upsert(place.day(day), brought.by_day[place.day(day)], Provenance(account, brought.pull))
        opened.erase_who_came(account, TABLES)
    finally:
        opened.close()


def load_alone(place: Place, privacy: Privacy) -> None:
    opened = Warehouse(place.warehouse.url, privacy)
    try:
        brought = place.bring(0)
        opened.upsert(place.day(0), brought.by_day[place.day(0)], Provenance(1, brought.pull))
    finally:
        opened.close()


def bring_as(
    place: Place,
    privacy: Privacy,
    day: int,
    filters: Filters = Filters({}),  # noqa: B008
    account: int = 1,
) -> Any:
    from assets.pull.extract import extract
    from resources.kaltura.windows import Days
    from tests.conftest import client_of

    place.kaltura.world = ListedWorld(place.sessions, place.breakouts, place.views)
    place.at(60 * 24 + len(rows(place, "SELECT 1 FROM kaltura.loads")) / 10)
    with client_of(place.kaltura, pause_scale=0) as client:
        return extract(
            Days(place.day(day), place.day(day)),
            IN_ORDER,
            client,
            place.calendar,
            filters,
            number=place.warehouse.next_pull(),
            people=privacy.of_account(account),
            now=lambda: place.kaltura.clock,
        )


def rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    with place.warehouse.connection() as connection:
        return connection.execute(query.encode()).fetchall()


def everything(place: Place) -> str:
    """Every row of every table of ours, as text."""
    names = ("room_sessions", "attendees", "breakout_sessions", "loads", "changes", "rejects", "people", "suppressions")
    names = (*names, "listed_pseudonyms")
    held = [str(rows(place, f"SELECT t::text FROM kaltura.{name} AS t ORDER BY 1")) for name in names]
    return "\n".join([*held, str(rows(place, "SELECT t::text FROM university.enrolments AS t ORDER BY 1"))])


def versions(place: Place) -> list[Any]:
    names = ("room_sessions", "attendees", "breakout_sessions", "changes", "rejects", "people", "suppressions")
    return [rows(place, f"SELECT xmin::text, ctid::text FROM kaltura.{name} ORDER BY 1, 2") for name in names]


def test_an_empty_warehouse_takes_on_any_mode(place: Place) -> None:
    pull(place, NONE)
    assert rows(place, "SELECT mode FROM kaltura.privacy") == [("none",)]


@pytest.mark.parametrize("is_pooled", [True, False], ids=["the connection was kept", "a new one is made"])
def test_the_day_that_meets_a_failover_knows_nobody_by_what_the_lost_server_knew(is_pooled: bool, place: Place) -> None:
    """The server that is now asked lacks who came last, and nothing of it says so."""
    opened = Warehouse(place.warehouse.url, FULL)
    try:
        for lost in (False, False, True):
            if lost:
                with psycopg.connect(opened.url, autocommit=True) as admin:
                    admin.execute("DELETE FROM kaltura.people")
                    admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                if not is_pooled:
                    opened.engine.dispose()
            brought = place.bring(0)
            opened.upsert(place.day(0), brought.by_day[place.day(0)], Provenance(1, brought.pull))
        with opened.connection() as connection:
            nameless = connection.execute(
                "SELECT user_id FROM kaltura.attendees WHERE NOT analytics.is_nobody(user_id)"
                " EXCEPT SELECT user_id FROM kaltura.people"
            ).fetchall()
    finally:
        opened.close()
    assert nameless == []


def test_a_warehouse_that_was_emptied_takes_on_another_mode_and_forgets_who_was_in_it(place: Place) -> None:
    pull(place, FULL)
    with place.warehouse.connection() as connection:
        for name in ("room_sessions", "attendees", "breakout_sessions", "loads", "changes", "rejects"):
            connection.execute(f"TRUNCATE kaltura.{name}".encode())
    pull(place, PSEUDONYMOUS)
    assert rows(place, "SELECT count(*) FROM kaltura.people") == [(0,)]


@pytest.mark.parametrize(
    ("before", "after", "step"),
    [
        (FULL, PSEUDONYMOUS, "pipelines retention --all"),
        (FULL, NONE, "set PII_MODE=full again"),
        (PSEUDONYMOUS, WITH_KEY, "fresh database"),
        (NONE, PSEUDONYMOUS, "fresh database"),
        (PSEUDONYMOUS, replace(PSEUDONYMOUS, key=OTHER_KEY), "Set the old PII_KEY again"),
        (WITH_KEY, FULL, "PII_KEY is missing"),
    ],
    ids=lambda given: given if isinstance(given, str) else f"{given.mode}-{given.key[:3]}",
)
def test_a_filled_warehouse_refuses_other_settings_and_says_what_to_do(
    before: Privacy, after: Privacy, step: str, place: Place
) -> None:
    pull(place, before)
    there = everything(place)
    with pytest.raises(PrivacyError, match=step):
        pull(place, after)
    with pytest.raises(PrivacyError, match=step):  # nor at the load, should a run be under way meanwhile
        load_alone(place, after)
    assert everything(place) == there


def test_a_warehouse_with_no_row_left_refuses_another_key_as_long_as_somebody_is_erased(place: Place) -> None:
    pull(place, WITH_KEY)
    erased(place, WITH_KEY)
    with place.warehouse.connection() as connection:
        connection.execute(
            "TRUNCATE kaltura.attendees, kaltura.room_sessions, kaltura.breakout_sessions, kaltura.people,"
            " kaltura.rejects, kaltura.changes, kaltura.loads"
        )
    for other in (replace(WITH_KEY, key=OTHER_KEY), FULL):
        with pytest.raises(PrivacyError, match="those who were erased would come back"):
            pull(place, other)
    assert rows(place, "SELECT count(*) FROM kaltura.attendees") == [(0,)]
    pull(place, WITH_KEY)
    assert rows(place, f"SELECT count(*) FROM kaltura.attendees WHERE user_id = '{ADA.user_id}'") == [(0,)]


def test_whoever_is_erased_of_one_account_keeps_the_pseudonym_of_the_same_id_in_another(place: Place) -> None:
    pull(place, WITH_KEY)
    elsewhere = WITH_KEY.of_account(2).pseudonym(ADA.user_id)
    with place.warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO kaltura.people (partner_id, user_id, pseudonym) VALUES (2, %s, %s)", [ADA.user_id, elsewhere]
        )
    erased(place, WITH_KEY)
    assert rows(place, f"SELECT partner_id, pseudonym FROM kaltura.people WHERE user_id = '{ADA.user_id}'") == [
        (2, elsewhere)
    ]


def test_a_key_set_later_in_mode_full_is_taken_on_and_pseudonyms_are_made_with_it(place: Place) -> None:
    pull(place, FULL)
    drawn = rows(place, "SELECT user_id, pseudonym FROM kaltura.people ORDER BY 1")
    pull(place, WITH_KEY)
    made = rows(place, "SELECT user_id, pseudonym FROM kaltura.people ORDER BY 1")
    people = WITH_KEY.of_account(1)
    assert made == [(user_id, people.pseudonym(user_id)) for user_id, _ in drawn]
    assert all(is_pseudonym(pseudonym) for _, pseudonym in (*drawn, *made))


# --- erasing one person -------------------------------------------------------------------------------------------


def filled_with_traces(place: Place, privacy: Privacy, account: int = 1) -> None:
    """Ada in every table of the account: in a change, in a reject, in a filter, and as a host."""
    place.views.append(View("1_room", "1_gone", ADA, place.second(11), place.second(12)))  # of no known session
    pull(place, privacy, account=account)
    place.views[0] = replace(place.views[0], left_at=place.views[0].left_at + 60)
    place.sessions[0] = replace(place.sessions[0], entry_name=f"Another name of {account}")
    pull(place, privacy, account=account)
    pull(place, privacy, filters=Filters({USER_IDS: [ADA.user_id, BOB.user_id]}), account=account)


def erased(place: Place, privacy: Privacy, user_id: str = ADA.user_id) -> Any:
    with place.warehouse.connection() as connection:
        return erase(connection, privacy.of_account(1), TABLES, user_id)


def test_an_erased_person_is_nowhere_and_the_figures_stay(place: Place) -> None:
    filled_with_traces(place, WITH_KEY)
    figures = rows(place, "SELECT session_id, people_count, total_minutes FROM analytics.sessions ORDER BY 1")
    there = everything(place)
    assert all(found({trace}, there.encode()) for trace in (ADA.user_id, ADA.name, ADA.email))

    counts = erased(place, WITH_KEY)

    assert counts == {
        "room_sessions.session_host_user_id": 3,
        "attendees.user_id": 2,
        "breakout_sessions.session_initiator": 1,
        "changes": 2,
        "rejects": 1,
        "university.enrolments": 0,
        "loads.filters": 1,
        "people": 1,
    }
    assert found({ADA.user_id, ADA.name, ADA.email}, everything(place).encode()) == set()
    assert found({BOB.user_id, BOB.name, BOB.email}, everything(place).encode()) != set()
    assert rows(place, "SELECT session_id, people_count, total_minutes FROM analytics.sessions ORDER BY 1") == figures


@pytest.mark.parametrize("privacy", [WITH_KEY, PSEUDONYMOUS, NONE], ids=lambda privacy: str(privacy.mode))
def test_days_of_an_installation_that_keeps_to_people_stay_whole_when_their_ids_go(
    privacy: Privacy, place: Place
) -> None:
    """Loads are recorded with ids, with pseudonyms, or with nobody's: of the same people they are whole all the same."""
    partial = "SELECT count(*) FROM kaltura.loads WHERE NOT is_whole"
    people = Filters({USER_IDS: [ADA.user_id, BOB.user_id]})
    pull(place, privacy, filters=people, keeps_to=True)
    erased(place, privacy)
    pull(place, privacy, filters=people, keeps_to=True)
    aged = replace(privacy, retention_days=1)
    pull(place, aged, filters=people, keeps_to=True)
    lists = rows(place, "SELECT filters -> 'user_ids' FROM kaltura.loads WHERE filters IS NOT NULL ORDER BY id")
    assert rows(place, partial) == [(0,)]
    assert found({ADA.user_id}, str(lists).encode()) == set()
    pull(place, privacy, filters=Filters({USER_IDS: [ADA.user_id]}), keeps_to=True)
    assert rows(place, partial) == [(3,)]


def test_with_another_key_a_list_of_people_is_not_known_any_more_and_its_days_are_pulled_again(place: Place) -> None:
    people = Filters({USER_IDS: [ADA.user_id, BOB.user_id]})
    pull(place, FULL, filters=people, keeps_to=True)
    [(without_key,)] = rows(place, "SELECT filters ->> 'people' FROM kaltura.loads WHERE report_id = 6001")
    pull(place, WITH_KEY, filters=people, keeps_to=True)
    assert rows(place, "SELECT is_whole FROM kaltura.loads WHERE report_id = 6001 ORDER BY pull") == [(False,), (True,)]
    assert found({without_key}, everything(place).encode()) == set()
    assert found({without_key}, str(rows(place, "SELECT kept_to FROM kaltura.calendars")).encode()) == set()


def test_the_rows_of_an_erased_person_can_not_be_linked_with_each_other(place: Place) -> None:
    filled_with_traces(place, WITH_KEY)
    erased(place, WITH_KEY)
    ids = {user_id for (user_id,) in rows(place, "SELECT user_id FROM kaltura.attendees") if is_pseudonym(user_id)}
    assert len(ids) == 2
    assert WITH_KEY.of_account(1).pseudonym(ADA.user_id) not in everything(place)


@pytest.mark.parametrize("privacy", [WITH_KEY, PSEUDONYMOUS], ids=["full", "pseudonymous"])
def test_a_backfill_does_not_bring_an_erased_person_back_and_writes_nothing(privacy: Privacy, place: Place) -> None:
    filled_with_traces(place, privacy)
    erased(place, privacy)
    there = versions(place)
    pull(place, privacy)
    pull(place, privacy)
    assert versions(place) == there
    pull(place, privacy, filters=Filters({USER_IDS: [ADA.user_id, BOB.user_id]}))
    traces = {ADA.user_id, ADA.name, ADA.email, privacy.of_account(1).pseudonym(ADA.user_id)}
    assert found(traces, everything(place).encode()) == set()


def test_an_erased_person_who_comes_again_is_a_stranger_each_time(place: Place) -> None:
    pull(place, WITH_KEY)
    erased(place, WITH_KEY)
    for number in (24, 27):
        cue = f"1_day{number}"
        place.sessions.append(
            Session("1_room", "Room", "", cue, place.second(number), place.second(number + 1), ADA.user_id)
        )
        place.views.append(View("1_room", cue, ADA, place.second(number), place.second(number + 1)))
    place.views.append(View("1_room", "1_lost", ADA, place.second(30), place.second(31)))  # a reject
    pull(place, WITH_KEY, 1)
    assert rows(place, "SELECT count(DISTINCT user_id) FROM kaltura.attendees WHERE partition_date = '2026-05-05'") == [
        (2,)
    ]
    assert rows(place, "SELECT count(*) FROM kaltura.rejects WHERE partition_date = '2026-05-05'") == [(1,)]
    assert found({ADA.user_id, ADA.name, ADA.email}, everything(place).encode()) == set()


def test_somebody_unknown_is_not_erased_and_nothing_is_written(place: Place) -> None:
    pull(place, WITH_KEY)
    there = versions(place)
    assert erased(place, WITH_KEY, "nobody.at.all") is None
    assert versions(place) == there


# --- retention, and the way from full to pseudonymous --------------------------------------------------------------


def aged(place: Place) -> Privacy:
    """Settings by which the place's first day is too old, and its second is not."""
    kept_from = place.day(1)
    return replace(WITH_KEY, retention_days=(dt.datetime.now(dt.UTC).date() - kept_from).days)


@pytest.mark.parametrize("years", [-1, 0, 1])
def test_how_old_a_day_is_goes_by_the_databases_clock_and_not_by_this_machines(
    years: int, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) + dt.timedelta(days=365 * years)

    clock = {name: getattr(dt, name) for name in ("date", "timedelta", "UTC")}
    monkeypatch.setattr(retention, "dt", SimpleNamespace(**clock, datetime=Off))
    with place.warehouse.connection() as connection:
        [(today,)] = connection.execute("SELECT (now() AT TIME ZONE 'UTC')::date").fetchall()
        kept = retention.first_day_kept(connection, replace(WITH_KEY, retention_days=30))
    assert kept == today - dt.timedelta(days=30)


def test_names_of_old_days_go_and_those_of_later_days_stay(place: Place) -> None:
    filled_with_traces(place, WITH_KEY)
    place.sessions.append(Session("1_room", "Room", "", "1_later", place.second(30), place.second(31), BOB.user_id))
    place.views.append(View("1_room", "1_later", BOB, place.second(30), place.second(31)))
    pull(place, WITH_KEY, 1)
    with place.warehouse.connection() as connection:
        pseudonymise(connection, WITH_KEY, TABLES, 1, end=place.day(1))
    people = "SELECT user_id, user_name, user_email FROM kaltura.attendees WHERE user_id <> '' AND partition_date"
    old = rows(place, f"{people} = '{place.day(0)}'")
    assert len(old) == 5
    assert all(is_pseudonym(user_id) and name is None and email is None for user_id, name, email in old)
    assert rows(place, f"{people} = '{place.day(1)}'") == [(BOB.user_id, BOB.name, BOB.email)]
    assert found({ADA.name, ADA.email}, everything(place).encode()) == set()
    in_old = rows(place, "SELECT key::text, before::text, after::text FROM kaltura.changes")
    assert found({ADA.user_id, BOB.user_id}, str(in_old).encode()) == set()


def test_the_oldest_day_that_keeps_its_names_is_loaded_with_them_and_the_day_before_without(place: Place) -> None:
    place.sessions.append(Session("1_room", "Room", "", "1_later", place.second(30), place.second(31), BOB.user_id))
    place.views.append(View("1_room", "1_later", BOB, place.second(30), place.second(31)))
    pull(place, aged(place), 0, 1)
    people = "SELECT DISTINCT user_name FROM kaltura.attendees WHERE user_id <> '' AND partition_date"
    assert rows(place, f"{people} = '{place.day(1)}'") == [(BOB.name,)]
    assert rows(place, f"{people} = '{place.day(0)}'") == [(None,)]


def test_an_old_day_pulled_again_brings_no_name_back_and_writes_nothing(place: Place) -> None:
    filled_with_traces(place, WITH_KEY)
    privacy = aged(place)
    with place.warehouse.connection() as connection:
        pseudonymise(connection, privacy, TABLES, 1, end=place.day(1))
        connection.execute("DELETE FROM kaltura.people")
    there = versions(place)
    pull(place, privacy)
    assert versions(place) == there
    assert found({ADA.user_id, ADA.name, ADA.email, BOB.user_id}, everything(place).encode()) == set()


def test_an_old_day_pulled_before_the_nightly_job_is_cleaned_first_and_loses_nobody(place: Place) -> None:
    pull(place, WITH_KEY)
    pull(place, aged(place))
    assert rows(place, "SELECT count(*) FROM kaltura.changes") == [(0,)]
    assert rows(place, "SELECT count(*), count(user_name) FROM kaltura.attendees") == [(7, 0)]


def test_analysts_know_a_person_by_one_pseudonym_before_and_after_names_go(place: Place) -> None:
    pull(place, WITH_KEY)
    [(before,)] = rows(place, f"SELECT pseudonym FROM kaltura.people WHERE user_id = '{ADA.user_id}'")
    with place.warehouse.connection() as connection:
        pseudonymise(connection, WITH_KEY, TABLES, None)
    assert (before,) in rows(place, "SELECT user_id FROM kaltura.attendees")


# --- the commands -------------------------------------------------------------------------------------------------


@pytest.fixture
def installation(place: Place, tmp_path: Path) -> Pipeline:
    filled_with_traces(place, WITH_KEY)
    url = place.warehouse.url
    home = tmp_path / "home"
    home.mkdir()
    return Pipeline(place.kaltura, url, home, {"PII_KEY": KEY, "KALTURA_PARTNER_ID": "1"})


def command(installation: Pipeline, *words: str, succeeds: bool = True, **more: str) -> str:
    with_more = replace(installation, more={**installation.more, **more})
    return with_more.run("python", "-m", "pipelines", *words, succeeds=succeeds)


def test_erase_prints_what_it_would_do_then_does_it_and_says_so_the_next_time(
    installation: Pipeline, place: Place
) -> None:
    there = versions(place)
    planned = command(installation, "erase", "--user-id", ADA.user_id, "--dry-run")
    assert versions(place) == there
    done = command(installation, "erase", "--user-id", ADA.user_id, "--yes")
    table = [line for line in done.splitlines() if "│" in line]
    assert [line for line in planned.splitlines() if "│" in line] == table
    assert found({ADA.user_id, ADA.name, ADA.email}, everything(place).encode()) == set()
    assert "was erased on" in command(installation, "erase", "--user-id", ADA.user_id, "--yes")


def test_erase_of_somebody_unknown_says_so_and_fails(installation: Pipeline) -> None:
    printed = command(installation, "erase", "--user-id", "nobody.at.all", "--yes", succeeds=False)
    assert "Nobody by that id" in printed


@pytest.mark.parametrize(
    ("words", "more", "says"),
    [
        (["--user-id", ADA.user_id, "--yes"], {"PII_KEY": ""}, "secrets.token_hex"),
        (["--user-id", "", "--yes"], {}, "is nobody"),
        (["--user-id", ADA.user_id], {}, "--yes"),
    ],
    ids=["without a key", "of all that nobody knows", "with nobody to ask"],
)
def test_erase_without_a_key_a_person_or_a_confirmation_changes_nothing(
    words: list[str], more: dict[str, str], says: str, installation: Pipeline, place: Place
) -> None:
    there = versions(place)
    assert says in " ".join(command(installation, "erase", *words, succeeds=False, **more).split())
    assert versions(place) == there


def test_the_conversion_to_pseudonyms_leaves_nobody_and_the_warehouse_goes_on_in_that_mode(
    installation: Pipeline, place: Place
) -> None:
    there = versions(place)
    command(installation, "retention", "--all", "--dry-run", PII_MODE="pseudonymous")
    assert versions(place) == there
    command(installation, "retention", "--all", PII_MODE="pseudonymous")
    traces = {each for user in (ADA, BOB) for each in (user.user_id, user.name, user.email)}
    assert found(traces, everything(place).encode()) == set()
    there = versions(place)[:3]  # the tables; a withheld reject has another length where no names were sent
    pull(place, PSEUDONYMOUS)
    assert versions(place)[:3] == there
    assert rows(place, "SELECT DISTINCT raw ~ '^withheld ' FROM kaltura.rejects") == [(True,)]


def test_retention_without_the_setting_says_which_to_set(installation: Pipeline) -> None:
    assert "RETENTION_DAYS" in command(installation, "retention", succeeds=False)


def test_the_nightly_job_takes_names_out_of_old_days(installation: Pipeline, place: Place) -> None:
    privacy = aged(place)
    with_days = replace(installation, more={**installation.more, "RETENTION_DAYS": str(privacy.retention_days)})
    (with_days.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    printed = with_days.run("dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "retention")
    traces = {each for user in (ADA, BOB) for each in (user.user_id, user.name, user.email)}
    assert found(traces, everything(place).encode() + printed.encode()) == set()
