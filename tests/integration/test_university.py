"""The university's own lists in the database: loaded whole or not at all, and people on them treated as everywhere."""

import datetime as dt
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg
import pytest
from click.testing import CliRunner
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from pipeline import free_port
from rich.console import Console

from assets.university import UNIVERSITY, list_key
from pipelines import retention
from pipelines.command_line import front_door
from pipelines.sensors import changed_lists as changed_lists_module
from pipelines.sensors.changed_lists import changed_lists
from pipelines.sensors.incidents import collect
from resources.postgres.backup import back_up
from resources.postgres.restore import restore
from resources.postgres.session import opened
from resources.privacy.people import PrivacyError
from resources.privacy.pseudonyms import FULL, Privacy
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.university.lists import COURSES, ENROLMENTS, LISTS, UniversityList
from resources.university.load import Loaded, load, read_list
from resources.university.read import ListRefused
from resources.warehouse.accounts import forget_account
from resources.warehouse.resource import WarehouseResource
from tests.integration.test_privacy import (
    ADA,
    BOB,
    KEY,
    NONE,
    PSEUDONYMOUS,
    TABLES,
    WITH_KEY,
    Place,
    erased,
    everything,
    pull,
)
from tests.integration.test_privacy import place as place
from tests.integration.test_whole_days import kaltura as kaltura

CONTENT = {
    "courses": "course_id,course_name,department,ends_on\nc1,Algebra,Mathematics,\nc2,Biology,Science,2026-12-31\n",
    "course_rooms": "course_id,room_id\nc1,1_room\nc2,1_bio\n",
    "enrolments": f"course_id,person_id\nc1,{ADA.user_id}\nc1,{BOB.user_id}\nc1,never.came\n",
    "timetable": "course_id,room_id,planned_start_at,planned_end_at\nc1,1_room,2026-10-14 08:15,2026-10-14 09:45\n",
}
BY_EMAIL = f"course_id,person_id,person_email\nc1,,{ADA.email.upper()}\nc1,{BOB.user_id},\n"
TRACES = {ADA.user_id, ADA.name, ADA.email}


def written(folder: Path, **content: str) -> Path:
    for name, text in {**CONTENT, **content}.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def loaded(url: str, folder: Path, wanted: UniversityList, privacy: Privacy = FULL, **options: bool) -> Loaded:
    with opened(url) as connection:
        return load(connection, read_list(folder / wanted.file_name, wanted, 1, privacy, ZoneInfo("UTC")), **options)


def all_loaded(url: str, folder: Path, privacy: Privacy = FULL) -> list[Loaded]:
    return [loaded(url, folder, each, privacy) for each in LISTS]


def held(url: str, name: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT xmin::text, t::text FROM university.{name} AS t ORDER BY 2").fetchall()


def enrolled(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT person_id, person_email FROM university.enrolments ORDER BY 1, 2").fetchall()


# --- whole, or not at all -----------------------------------------------------------------------------------------


def test_the_same_file_again_writes_nothing_and_another_what_differs(database: str, tmp_path: Path) -> None:
    assert [each.inserted for each in all_loaded(database, written(tmp_path))] == [2, 2, 3, 1]
    before = {each.name: held(database, each.name) for each in LISTS}
    assert {(each.inserted, each.removed) for each in all_loaded(database, tmp_path)} == {(0, 0)}
    assert {each.name: held(database, each.name) for each in LISTS} == before
    written(tmp_path, courses=CONTENT["courses"].replace("Science", "Life Sciences"))
    assert loaded(database, tmp_path, COURSES) == Loaded("courses", 2, 1, 1, 0, 0, 0)


def test_a_bad_line_refuses_the_file_and_what_was_there_stays(database: str, tmp_path: Path) -> None:
    all_loaded(database, written(tmp_path))
    before = held(database, "enrolments")
    written(tmp_path, enrolments=f"{CONTENT['enrolments']}c1,{ADA.user_id}\n")
    with pytest.raises(ListRefused, match="line 5"):
        loaded(database, tmp_path, ENROLMENTS)
    assert held(database, "enrolments") == before


def test_a_list_without_rows_is_believed_only_where_it_is_told_or_nothing_was_there(
    database: str, tmp_path: Path
) -> None:
    written(tmp_path, courses="course_id\n")
    assert loaded(database, tmp_path, COURSES).rows == 0
    all_loaded(database, written(tmp_path))
    written(tmp_path, courses="course_id\n")
    with pytest.raises(ListRefused, match="--accept-empty"):
        loaded(database, tmp_path, COURSES)
    assert len(held(database, "courses")) == 2
    assert loaded(database, tmp_path, COURSES, accept_empty=True).removed == 2


def test_another_accounts_rows_stay(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO university.courses (account_id, course_id) VALUES (2, 'c1')")
    loaded(database, written(tmp_path), COURSES)
    loaded(database, written(tmp_path, courses="course_id\nc9\n"), COURSES)
    assert [text.split(",")[:2] for _, text in held(database, "courses")] == [["(1", "c9"], ["(2", "c1"]]


def test_courses_that_are_not_in_the_list_of_courses_are_counted(database: str, tmp_path: Path) -> None:
    all_loaded(database, written(tmp_path))
    written(tmp_path, enrolments=f"{CONTENT['enrolments']}c7,bob\nc8,bob\nc8,ann\n")
    assert loaded(database, tmp_path, ENROLMENTS).unknown_courses == 2


def test_rooms_that_are_planned_for_a_course_and_not_among_its_rooms_are_counted(settings: Path) -> None:
    header = CONTENT["timetable"].splitlines()[0]
    planned = "".join(
        f"{course},{room},2026-10-{day} 08:15,2026-10-{day} 09:45\n"
        for course, room in [("c1", "1_room"), ("c1", "1_bio"), ("c2", "elsewhere"), ("c9", "elsewhere")]
        for day in (14, 21)
    )
    written(settings, timetable=f"{header}\n{planned}")
    said = CliRunner().invoke(front_door, ["load-lists"]).stdout
    assert said.startswith(f"The lists of {settings} for account 1:\n")
    assert "1 of its courses are not in the list of courses" in said
    assert "2 rooms that it plans for a course are not in course_rooms for that course" in said
    written(settings)
    assert "rooms that it plans" not in CliRunner().invoke(front_door, ["load-lists"]).stdout


# --- people -------------------------------------------------------------------------------------------------------


def test_in_mode_full_everybody_on_a_list_gets_the_pseudonym_that_they_have_in_the_reports(
    place: Place, tmp_path: Path
) -> None:
    url = place.warehouse.url
    all_loaded(url, written(tmp_path), WITH_KEY)
    pull(place, WITH_KEY)
    people = WITH_KEY.of_account(1)
    with psycopg.connect(url) as connection:
        known = dict(connection.execute("SELECT user_id, pseudonym FROM kaltura.people").fetchall())
    assert known == {each: people.pseudonym(each) for each in (ADA.user_id, BOB.user_id, "never.came")}


def test_in_mode_pseudonymous_ids_become_the_pseudonyms_that_the_reports_have(place: Place, tmp_path: Path) -> None:
    pull(place, PSEUDONYMOUS)
    all_loaded(place.warehouse.url, written(tmp_path), PSEUDONYMOUS)
    text = everything(place)
    assert [each for each in (*TRACES, BOB.user_id, "never.came") if each in text] == []
    with psycopg.connect(place.warehouse.url) as connection:
        assert connection.execute(
            "SELECT count(*) FROM university.enrolments AS listed WHERE EXISTS"
            " (SELECT FROM kaltura.attendees WHERE attendees.user_id = listed.person_id)"
        ).fetchone() == (2,)


def test_mode_none_refuses_enrolments_and_takes_the_rest(database: str, tmp_path: Path) -> None:
    written(tmp_path)
    for each in LISTS:
        if each is ENROLMENTS:
            with pytest.raises(ListRefused, match="PII_MODE=none"):
                loaded(database, tmp_path, each, NONE)
        else:
            assert loaded(database, tmp_path, each, NONE).rows > 0


def test_a_warehouse_that_holds_enrolments_alone_refuses_another_mode(database: str, tmp_path: Path) -> None:
    all_loaded(database, written(tmp_path), WITH_KEY)
    with pytest.raises(PrivacyError, match="PII_MODE=pseudonymous, but the warehouse was filled with PII_MODE=full"):
        all_loaded(database, tmp_path, PSEUDONYMOUS)


@pytest.mark.parametrize("privacy", [WITH_KEY, PSEUDONYMOUS], ids=["full", "pseudonymous"])
@pytest.mark.parametrize("lists_first", [True, False])
def test_an_erased_person_is_on_no_list_and_no_later_one_brings_them_back(
    privacy: Privacy, lists_first: bool, place: Place, tmp_path: Path
) -> None:
    url = place.warehouse.url
    written(tmp_path)
    if lists_first:
        all_loaded(url, tmp_path, privacy)
    pull(place, privacy)
    counts = erased(place, privacy)
    assert counts["university.enrolments"] == int(lists_first)
    again = loaded(url, tmp_path, ENROLMENTS, privacy)
    assert (again.rows, again.erased) == (2, 1)
    theirs = {*TRACES, privacy.of_account(1).pseudonym(ADA.user_id)}
    assert [each for each in theirs if each in everything(place)] == []


def test_a_person_who_is_listed_by_email_alone_is_erased_by_it(place: Place, tmp_path: Path) -> None:
    pull(place, WITH_KEY)
    written(tmp_path, enrolments=BY_EMAIL)
    all_loaded(place.warehouse.url, tmp_path, WITH_KEY)
    assert erased(place, WITH_KEY)["university.enrolments"] == 1
    assert loaded(place.warehouse.url, tmp_path, ENROLMENTS, WITH_KEY).erased == 1
    assert [each for each in TRACES if each in everything(place)] == []


def test_a_person_who_never_came_can_be_erased(place: Place, tmp_path: Path) -> None:
    all_loaded(place.warehouse.url, written(tmp_path), WITH_KEY)
    assert erased(place, WITH_KEY, "Never.Came")["university.enrolments"] == 1
    assert "never.came" not in everything(place)
    assert loaded(place.warehouse.url, tmp_path, ENROLMENTS, WITH_KEY).erased == 1


def test_an_older_backup_with_lists_brings_nobody_back(place: Place, tmp_path: Path) -> None:
    url = place.warehouse.url
    all_loaded(url, written(tmp_path), WITH_KEY)
    pull(place, WITH_KEY)
    there = held(url, "courses"), len(held(url, "enrolments"))
    back_up(url, tmp_path / "a.dump", Console(quiet=True), KEY)
    erased(place, WITH_KEY)
    restore(
        url,
        tmp_path / "a.dump",
        Console(quiet=True),
        keeper=ReapplyErasures(WITH_KEY, TABLES),
        tables=TABLES,
        replace=True,
        key=KEY,
    )
    assert ([row[1] for row in held(url, "courses")], len(held(url, "enrolments"))) == (
        [row[1] for row in there[0]],
        there[1] - 1,
    )
    assert [each for each in TRACES if each in everything(place)] == []


def test_enrolments_that_ended_before_retention_become_pseudonyms_and_no_later_list_brings_the_ids_back(
    place: Place, tmp_path: Path
) -> None:
    url = place.warehouse.url
    aged = replace(WITH_KEY, retention_days=30)
    people = WITH_KEY.of_account(1)
    long_ago, today = dt.date(2020, 1, 1), dt.date.today()
    courses = f"course_id,ends_on\nc1,{long_ago}\nc2,{today}\nc3,\n"
    enrolments = (
        f"course_id,person_id,person_email,to_date\nc1,{BOB.user_id},,\nc1,,{ADA.email},\nc1,nobody.knows,n@example.edu,\n"
        f"c2,still.here,,\nc2,left.early,,{long_ago}\nc3,no.end,,\n"
    )
    pull(place, WITH_KEY)
    all_loaded(url, written(tmp_path, courses=courses, enrolments=enrolments), WITH_KEY)
    with psycopg.connect(url) as connection:
        assert retention.without_old_names(connection, aged, 1)["university.enrolments"] == 4
    gone = {people.pseudonym(each) for each in (ADA.user_id, BOB.user_id, "nobody.knows", "left.early")}
    kept = {"still.here", "no.end"}
    assert enrolled(url) == sorted((each, None) for each in gone | kept)
    with psycopg.connect(url) as connection:
        assert retention.without_old_names(connection, aged, 1)["university.enrolments"] == 0
    again = loaded(url, tmp_path, ENROLMENTS, aged)
    assert (again.inserted, again.removed, again.aged) == (0, 0, 1)
    assert enrolled(url) == sorted((each, None) for each in gone | kept)


def test_who_is_listed_by_email_stays_present_in_an_old_course_however_often_the_list_is_loaded(
    place: Place, tmp_path: Path
) -> None:
    """The first load may be late, too: as long as any attendee has the e-mail, it tells the id."""
    url, long_ago = place.warehouse.url, dt.date(2020, 1, 1)
    aged = replace(WITH_KEY, retention_days=30)
    theirs = WITH_KEY.of_account(1).pseudonym(ADA.user_id)
    pull(place, WITH_KEY)
    all_loaded(url, written(tmp_path, courses=f"course_id,ends_on\nc1,{long_ago}\n", enrolments=BY_EMAIL), aged)
    assert (theirs, None) in enrolled(url)
    before = enrolled(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE kaltura.attendees SET user_email = NULL")  # as retention leaves days that are old
    for _ in range(2):
        loaded(url, tmp_path, ENROLMENTS, aged)
        assert enrolled(url) == before


def test_who_is_listed_by_email_stays_present_while_the_names_of_the_course_go_day_by_day(
    place: Place, tmp_path: Path
) -> None:
    """The list of a course that goes on has its e-mails; the attendance of its first day has none any more."""
    url = place.warehouse.url
    aged = replace(WITH_KEY, retention_days=30)
    pull(place, WITH_KEY)
    courses = "course_id\nc1\n"
    all_loaded(url, written(tmp_path, courses=courses, enrolments=BY_EMAIL), WITH_KEY)

    def came() -> list[Any]:
        with psycopg.connect(url) as connection:
            query = "SELECT count(*) FROM analytics.course_presence WHERE is_enrolled AND attended_minutes > 0"
            guests = "SELECT count(*) FROM analytics.course_presence WHERE NOT is_enrolled"
            return [connection.execute(each.encode()).fetchall() for each in (query, guests)]

    before = came()
    for _ in range(2):
        with psycopg.connect(url) as connection:
            retention.without_old_names(connection, aged, 1)
        assert came() == before
        assert ADA.email.lower() in {email for _, email in enrolled(url)}
        loaded(url, tmp_path, ENROLMENTS, aged)
        assert came() == before


def test_the_conversion_to_pseudonyms_reaches_the_lists(place: Place, tmp_path: Path) -> None:
    pull(place, WITH_KEY)
    all_loaded(place.warehouse.url, written(tmp_path, enrolments=BY_EMAIL), WITH_KEY)
    with psycopg.connect(place.warehouse.url) as connection:
        assert retention.converted(connection, PSEUDONYMOUS)["university.enrolments"] == 2
    people = PSEUDONYMOUS.of_account(1)
    assert enrolled(place.warehouse.url) == sorted(
        (people.pseudonym(each), None) for each in (ADA.user_id, BOB.user_id)
    )
    assert [each for each in TRACES if each in everything(place)] == []


# --- the command, the assets, the sensor --------------------------------------------------------------------------


@pytest.fixture
def settings(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1")
    folder = tmp_path / "lists"
    folder.mkdir()
    monkeypatch.setenv("UNIVERSITY_DIR", str(folder))
    return folder


def test_the_command_loads_what_is_there_and_fails_for_what_it_refuses(settings: Path, database: str) -> None:
    written(settings, enrolments=f"course_id,person_id\nc1,{ADA.user_id}\nc1,\n")
    (settings / "timetable.csv").unlink()
    done = CliRunner().invoke(front_door, ["load-lists"])
    assert done.exit_code == 1
    assert "courses: 2 rows, 2 new, 0 gone" in done.stdout
    assert "enrolments.csv was refused" in done.stderr
    assert "line 3" in done.stderr
    assert ADA.user_id not in done.output
    assert [len(held(database, each.name)) for each in LISTS] == [2, 2, 0, 0]
    written(settings)
    assert CliRunner().invoke(front_door, ["load-lists", str(settings)]).exit_code == 0
    assert [len(held(database, each.name)) for each in LISTS] == [2, 2, 3, 1]


@pytest.mark.parametrize("case", ["no folder is named", "the folder is not there", "nothing is in it"])
def test_the_command_says_where_it_looks_for_lists(
    case: str, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["load-lists"]
    if case == "no folder is named":
        monkeypatch.delenv("UNIVERSITY_DIR")
    elif case == "the folder is not there":
        words.append(str(tmp_path / "nowhere"))
    done = CliRunner().invoke(front_door, words)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert ("UNIVERSITY_DIR" in done.stderr) is (case == "no folder is named")


def materialized(*, succeeds: bool) -> dg.ExecuteInProcessResult:
    result = dg.materialize(
        UNIVERSITY, resources={"warehouse": WarehouseResource.from_environment()}, raise_on_error=False
    )
    assert result.success is succeeds
    return result


def test_the_assets_load_the_lists_and_say_how_much(settings: Path, database: str) -> None:
    written(settings)
    result = materialized(succeeds=True)
    told = {
        event.asset_key.path[-1]: event.materialization.metadata["dagster/row_count"].value
        for event in result.all_events
        if event.is_step_materialization and event.asset_key
    }
    assert told == {"courses": 2, "course_rooms": 2, "enrolments": 3, "timetable": 1}
    assert [len(held(database, each.name)) for each in LISTS] == [2, 2, 3, 1]


def test_a_refused_list_fails_its_asset_with_the_line_and_holds_up_no_other(settings: Path, database: str) -> None:
    written(settings, enrolments=f"course_id,person_id\nc1,{ADA.user_id}\nc1,\n")
    result = materialized(succeeds=False)
    said = str([event.step_failure_data for event in result.all_events if event.is_step_failure])
    assert "line 3: names nobody" in said
    assert ADA.user_id not in said
    assert [len(held(database, each.name)) for each in LISTS] == [2, 2, 0, 1]


def test_a_refused_list_is_told_by_an_alert(settings: Path) -> None:
    written(settings, enrolments=f"course_id,person_id\nc1,{ADA.user_id}\nc1,\n")
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(UNIVERSITY, resources={"warehouse": WarehouseResource.from_environment()})
        run = job.resolve_implicit_global_asset_job_def()
        run.execute_in_process(instance=instance, raise_on_error=False, asset_selection=[list_key(ENROLMENTS)])
        [(subject, incident)] = collect(instance, None, 0, time.time()).once
    assert subject == "a run failed"
    assert incident.reason.startswith("enrolments.csv was refused")
    assert "line 3" in incident.reason


class Sensor:
    """The sensor and the runs that it asks for, carried out at once; a minute passes between two looks."""

    def __init__(self, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.instance = instance
        self.cursor: str | None = None
        self.tags: dict[str, str] = {}  # of the run that was asked for last
        self.now = time.time() + 3600  # every file is settled
        monkeypatch.setattr(changed_lists_module, "_now", lambda: self.now)

    def look(self, *, carry_out: bool = True) -> set[str]:
        """The lists that were asked for."""
        self.now += 60
        warehouse = {"warehouse": WarehouseResource.from_environment()}
        result = changed_lists(dg.build_sensor_context(self.instance, cursor=self.cursor, resources=warehouse))
        if isinstance(result, dg.SkipReason):
            return set()
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        [request] = result.run_requests or []
        assert request.run_key is None  # or a file that is put back would be one that was loaded
        self.tags = dict(request.tags)
        keys = list(request.asset_selection or [])
        if carry_out:
            dg.materialize(
                UNIVERSITY,
                selection=keys,
                resources={"warehouse": WarehouseResource.from_environment()},
                instance=self.instance,
                raise_on_error=False,
                tags=self.tags,
            )
        return {key.path[-1] for key in keys}

    def look_until_nothing_is_asked_for(self) -> list[set[str]]:
        asked = []
        while names := self.look():
            asked.append(names)
            assert len(asked) < 10
        return asked


@pytest.fixture
def sensor(settings: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sensor]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Sensor(instance, monkeypatch)


OTHERS = {"course_rooms", "enrolments", "timetable"}


def test_the_sensor_asks_for_a_list_that_has_changed_and_for_no_other(settings: Path, sensor: Sensor) -> None:
    written(settings)
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
    os.utime(settings / "timetable.csv", (0, 1))
    assert sensor.look_until_nothing_is_asked_for() == [{"timetable"}]
    os.utime(settings / "courses.csv", (sensor.now + 60, sensor.now + 60))  # just now: it may still be written
    assert sensor.look() == set()


def test_a_file_that_is_put_back_as_it_was_is_loaded_again(settings: Path, sensor: Sensor, database: str) -> None:
    written(settings)
    file = settings / "timetable.csv"
    written_at = file.stat().st_mtime_ns
    sensor.look_until_nothing_is_asked_for()
    there = held(database, "timetable")
    file.write_text(f"{CONTENT['timetable'].splitlines()[0]}\nc1,r1,2026-10-05 08:00,2026-10-05 09:00\n")
    assert sensor.look_until_nothing_is_asked_for() == [{"timetable"}]
    assert held(database, "timetable") != there
    file.write_text(CONTENT["timetable"])
    os.utime(file, ns=(0, written_at))
    assert sensor.look_until_nothing_is_asked_for() == [{"timetable"}]
    assert [row[1:] for row in held(database, "timetable")] == [row[1:] for row in there]


def test_a_refused_list_of_courses_holds_up_no_other_and_is_not_asked_for_again_and_again(
    settings: Path, sensor: Sensor, database: str
) -> None:
    written(settings, courses="course_id,starts_on\nc1,the first of May\n")
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
    assert [len(held(database, each.name)) for each in LISTS] == [0, 2, 3, 1]
    sensor.now += 24 * 3600
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}]
    (settings / "courses.csv").write_text(CONTENT["courses"])
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}]
    assert len(held(database, "courses")) == 2


def test_a_run_that_never_ended_is_asked_for_again_after_what_was_not_asked_for_and_not_while_it_is_under_way(
    settings: Path, sensor: Sensor
) -> None:
    written(settings)
    assert sensor.look(carry_out=False) == {"courses"}
    tags = {"dagster/sensor_name": "changed_lists"}
    run = dg.DagsterRun("__ASSET_JOB", str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED, tags=tags)
    sensor.instance.add_run(run)
    assert sensor.look() == set()
    sensor.instance.report_run_failed(run, "the process is gone")
    assert sensor.look_until_nothing_is_asked_for() == [OTHERS, {"courses"}]


def test_lists_that_another_account_loads_hold_up_none_of_this_one(settings: Path, sensor: Sensor) -> None:
    """Each account's code location has a sensor of this name."""
    written(settings)
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("another account's"), "__repository__")
    run = dg.DagsterRun(
        "__ASSET_JOB",
        str(uuid.uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/sensor_name": "changed_lists"},
        remote_job_origin=RemoteJobOrigin(repository, "__ASSET_JOB"),
    )
    sensor.instance.add_run(run)
    assert sensor.look() == {"courses"}


def rows_held(url: str) -> dict[int, list[int]]:
    """Of each account that has any, how many rows each list has."""
    with psycopg.connect(url) as connection:
        counted = {
            each.name: dict(
                connection.execute(f"SELECT account_id, count(*) FROM university.{each.name} GROUP BY 1").fetchall()
            )
            for each in LISTS
        }
    accounts = {account for counts in counted.values() for account in counts}
    return {account: [counted[each.name].get(account, 0) for each in LISTS] for account in sorted(accounts)}


WHOLE = [2, 2, 3, 1]


def test_lists_of_a_mistyped_account_are_loaded_again_for_the_right_one(
    settings: Path, sensor: Sensor, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(settings)
    monkeypatch.setenv("KALTURA_PARTNER_ID", "12")
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
    with psycopg.connect(database) as connection:
        forget_account(connection, 12)
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1")
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
    assert rows_held(database) == {1: WHOLE}
    sensor.now += 24 * 3600
    assert sensor.look() == set()


def emptied_by_hand(url: str, new_database: Callable[[], str], folder: Path) -> str:
    with psycopg.connect(url) as connection:
        connection.execute(
            "TRUNCATE university.courses, university.course_rooms, university.enrolments, university.timetable"
        )
    return url


def forgotten(url: str, new_database: Callable[[], str], folder: Path) -> str:
    with psycopg.connect(url) as connection:
        forget_account(connection, 1)
    return url


def begun_anew(url: str, new_database: Callable[[], str], folder: Path) -> str:
    return new_database()


def restored(url: str, new_database: Callable[[], str], folder: Path) -> str:
    """To what it was before the lists were loaded."""
    back_up(new_database(), folder / "before.dump", Console(quiet=True))
    keeper = ReapplyErasures(FULL, TABLES)
    restore(url, folder / "before.dump", Console(quiet=True), keeper=keeper, tables=TABLES, replace=True, trust=True)
    return url


@pytest.mark.parametrize("lost", [emptied_by_hand, forgotten, begun_anew, restored])
def test_lists_that_the_warehouse_has_lost_are_loaded_again(
    lost: Callable[[str, Callable[[], str], Path], str],
    settings: Path,
    sensor: Sensor,
    database: str,
    new_database: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written(settings, timetable=CONTENT["timetable"].splitlines()[0] + "\n")
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
    monkeypatch.setenv("DATABASE_URL", lost(database, new_database, tmp_path))
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS - {"timetable"}]  # which had no rows
    assert rows_held(os.environ["DATABASE_URL"]) == {1: [2, 2, 3, 0]}


def test_a_lost_list_that_is_refused_now_is_not_asked_for_again_and_again(
    settings: Path, sensor: Sensor, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(settings)
    sensor.look_until_nothing_is_asked_for()
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE university.enrolments")
    monkeypatch.setenv("PII_MODE", "none")
    monkeypatch.setenv("PII_KEY", KEY)
    assert sensor.look_until_nothing_is_asked_for() == [{"enrolments"}]
    sensor.now += 24 * 3600
    assert sensor.look_until_nothing_is_asked_for() == [{"enrolments"}]
    monkeypatch.delenv("PII_MODE")
    sensor.now += 24 * 3600
    assert sensor.look_until_nothing_is_asked_for() == [{"enrolments"}]
    assert rows_held(database) == {1: WHOLE}


def test_a_file_of_another_account_is_refused_once_and_not_asked_for_again_and_again(
    settings: Path, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(settings, courses="account_id,course_id\n12,c1\n")
    monkeypatch.setenv("KALTURA_PARTNER_ID", "12")
    sensor.look_until_nothing_is_asked_for()
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1")
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
    assert sensor.look() == set()


def test_where_the_warehouse_is_away_what_has_changed_is_asked_for_all_the_same(
    settings: Path, sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run says why it failed, and so an alert does."""
    written(settings)
    sensor.look_until_nothing_is_asked_for()
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert sensor.look() == set()
    os.utime(settings / "timetable.csv", (0, 1))
    assert sensor.look(carry_out=False) == {"timetable"}


def test_a_list_whose_run_met_a_database_that_was_away_is_asked_for_again_once_that_is_back(
    settings: Path, sensor: Sensor, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not before, or a run would fail each minute for as long as it is away."""
    written(settings)
    sensor.look_until_nothing_is_asked_for()
    os.utime(settings / "enrolments.csv", (0, 1))
    monkeypatch.setenv("DATABASE_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert sensor.look() == {"enrolments"}
    assert sensor.look() == set()
    monkeypatch.setenv("DATABASE_URL", database)
    assert sensor.look_until_nothing_is_asked_for() == [{"enrolments"}]


def test_what_a_version_before_has_asked_for_is_asked_for_again_after_a_day(settings: Path, sensor: Sensor) -> None:
    """It did not write down what was known of the list then."""
    written(settings)
    sensor.look(carry_out=False)
    sensor.look(carry_out=False)
    sensor.cursor = json.dumps({name: asked[:2] for name, asked in json.loads(sensor.cursor or "").items()})
    assert sensor.look() == set()
    sensor.now += 24 * 3600
    assert sensor.look_until_nothing_is_asked_for() == [{"courses"}, OTHERS]
