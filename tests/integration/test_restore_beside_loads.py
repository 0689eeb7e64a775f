"""A restore keeps apart from loads and from readers; a run whose days were taken away beneath it does not end well."""

import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from click.testing import CliRunner
from in_process import installed
from pipeline import wait_until
from rich.console import Console
from seed import fill

from assets.checks import query
from assets.reports import REPORTS, TABLES
from pipelines.command_line import front_door
from resources.export.export import Asked, export
from resources.kaltura.windows import DAY, Days
from resources.postgres import locks
from resources.postgres.backup import back_up
from resources.postgres.locks import LockedByAnother
from resources.postgres.restore import restore
from resources.postgres.session import DatabaseError, opened
from resources.privacy.pseudonyms import FULL
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.warehouse.warehouse import Warehouse
from simulator import University, serving

FIRST = dt.date(2026, 3, 2)
WEEK = Days(FIRST, FIRST + 3 * DAY)
QUIET = Console(quiet=True)


@pytest.fixture
def dagster(database: str) -> Iterator[SimpleNamespace]:
    with serving(University(seed=11, timezone="UTC", rooms=1)) as kaltura, installed(kaltura, database) as inside:
        yield inside


def put_back(url: str, file: Path) -> None:
    kept = ReapplyErasures(FULL, TABLES)
    restore(url, file, QUIET, keeper=kept, tables=TABLES, replace=True, trust=True)


def loads(sql) -> int:  # type: ignore[no-untyped-def]
    return int(sql("SELECT count(*) FROM kaltura.loads").fetchone()[0])


def test_a_restore_is_refused_while_a_run_is_between_two_days_and_says_which_run(
    dagster: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RESTORE_SECONDS", 0.5)
    back_up(dagster.database, tmp_path / "empty.dump", QUIET)
    assert dagster.pull(WEEK).success
    before = loads(dagster.sql)
    warehouse = Warehouse(dagster.database)
    with warehouse.loading("0123456789ab"):
        with pytest.raises(
            LockedByAnother, match=r"kaltura run 01234567.*Wait for that run or stop it.*pg_terminate_b"
        ):
            put_back(dagster.database, tmp_path / "empty.dump")
        assert loads(dagster.sql) == before
    put_back(dagster.database, tmp_path / "empty.dump")  # the run has ended
    assert loads(dagster.sql) == 0
    warehouse.close()


def test_a_restore_that_meets_another_is_told_so_and_how_to_end_one_that_nobody_is_left_of(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RESTORE_SECONDS", 0.5)
    back_up(database, tmp_path / "empty.dump", QUIET)
    with psycopg.connect(database, application_name="of a node that is gone") as another:
        locks.keep_loads_off(another, "would be lost")
        with pytest.raises(LockedByAnother) as refused:
            put_back(database, tmp_path / "empty.dump")
    said = str(refused.value)
    assert re.search(r"program of a node that is gone.*SELECT pg_terminate_backend\(its number\)", said)
    assert "a restore, redate, forget-account or retention --all is under way" in said
    assert "loaded" not in said
    assert "Dagster" not in said


def test_a_run_that_begins_during_a_restore_waits_for_its_end_and_loads_into_what_was_put_back(
    dagster: SimpleNamespace,
) -> None:
    ended = []
    run = threading.Thread(target=lambda: ended.append(dagster.pull(WEEK)))
    with psycopg.connect(dagster.database) as restoring:
        locks.keep_loads_off(restoring, "would be lost")
        run.start()
        run.join(4)
        assert run.is_alive()
        assert loads(dagster.sql) == 0
    run.join(60)
    [result] = ended
    assert result.success
    assert loads(dagster.sql) == len(WEEK) * len(REPORTS)


def test_two_runs_load_at_once(dagster: SimpleNamespace) -> None:
    warehouse = Warehouse(dagster.database)
    with warehouse.loading("another"):
        assert dagster.pull(WEEK).success
    warehouse.close()


def test_a_lock_that_a_failover_took_is_had_again_before_the_next_day(dagster: SimpleNamespace) -> None:
    """A trigger ends every connection but the one that loads the second day; what is lost with them is taken anew."""
    dagster.sql(
        "CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.partition_date = '2026-03-03' AND NEW.report_id = 6002 AND nextval('public.cuts') = 1 THEN"
        " PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'kaltura%'; END IF; RETURN NEW; END $$"
    )
    dagster.sql("CREATE SEQUENCE public.cuts")
    dagster.sql("CREATE TABLE public.held AS SELECT now() AS at, 0 AS count")
    dagster.sql(
        "CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO public.held SELECT now(), count(*) FROM pg_locks WHERE locktype = 'advisory'"
        f" AND classid = {locks.LOCK_CLASS} AND objid = {locks.LOADS_LOCK} AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()); RETURN NEW; END $$"
    )
    for name in ("cut", "look"):
        dagster.sql(
            f"CREATE TRIGGER {name} BEFORE INSERT ON kaltura.loads FOR EACH ROW EXECUTE FUNCTION public.{name}()"
        )
    assert dagster.pull(WEEK).success
    held = [count for (count,) in dagster.sql("SELECT count FROM public.held WHERE count >= 0 ORDER BY at OFFSET 1")]
    assert len(held) == len(WEEK) * len(REPORTS)
    assert set(held) == {1}


def test_a_day_that_was_marked_and_taken_away_again_fails_the_run_by_name(dagster: SimpleNamespace) -> None:
    """As by a failover that lost the last second: the first day is gone once the last is in."""
    dagster.sql(
        "CREATE FUNCTION public.lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.partition_date = '2026-03-05' AND NEW.report_id = 6002"
        " THEN DELETE FROM kaltura.loads WHERE partition_date = '2026-03-02'; END IF; RETURN NEW; END $$"
    )
    dagster.sql("CREATE TRIGGER lose AFTER INSERT ON kaltura.loads FOR EACH ROW EXECUTE FUNCTION public.lose()")
    result = dagster.pull(WEEK)
    assert not result.success
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = failure.user_failure_data.description
    assert said.startswith("1 of the run's days could not be loaded")
    assert "2026-03-02: this run had loaded and marked it, and the warehouse does not hold it any more" in said
    assert "This may pass" in said


class SlowToEnd(ReapplyErasures):
    """Of a restore that has put all back and has not committed, until it is let."""

    def __init__(self) -> None:
        super().__init__(FULL, TABLES)
        self.is_there, self.may_end = threading.Event(), threading.Event()

    def after(self, connection: psycopg.Connection) -> None:
        super().after(connection)
        self.is_there.set()
        self.may_end.wait(60)


def sessions_exported(url: str, folder: Path) -> object:
    export(url, Asked(["rooms", "sessions"], "csv"), folder, lambda view, rows: None)
    files = json.loads((folder / "export.json").read_text("utf-8"))["files"]
    assert len((folder / "sessions.csv").read_text("utf-8-sig").splitlines()) == 1 + files[1]["rows"]
    return files[1]["rows"]


def sessions_of_one_moment(url: str, folder: Path) -> object:
    with closing(Warehouse(url)) as warehouse, warehouse.reading() as connection:
        return connection.execute("SELECT count(*) FROM analytics.sessions").fetchone()[0]  # type: ignore[index]


@pytest.mark.parametrize("read", [sessions_exported, sessions_of_one_moment])
def test_what_is_read_while_a_restore_is_under_way_is_what_was_there_or_what_is_put_back(
    read: Callable[[str, Path], object], database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        fill(connection)
    expected = read(database, tmp_path / "before")
    assert expected
    back_up(database, tmp_path / "whole.dump", QUIET)
    keeper, failed, found = SlowToEnd(), [], []

    def restored() -> None:
        try:
            restore(database, tmp_path / "whole.dump", QUIET, keeper=keeper, tables=TABLES, replace=True, trust=True)
        except Exception as error:
            failed.append(error)
            keeper.is_there.set()

    restoring = threading.Thread(target=restored)
    reading = threading.Thread(target=lambda: found.append(read(database, tmp_path / "beside")))
    restoring.start()
    assert keeper.is_there.wait(60)
    reading.start()
    reading.join(2)  # it has begun, and waits
    keeper.may_end.set()
    restoring.join(60)
    reading.join(60)
    assert failed == []
    assert found == [expected]


def test_a_restore_that_would_take_the_views_from_whoever_reads_them_is_refused_by_name(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RESTORE_SECONDS", 0.5)
    back_up(database, tmp_path / "empty.dump", QUIET)
    said = r"is being read.*kaltura-room-warehouse.*pg_terminate_backend"
    with (
        closing(Warehouse(database)) as warehouse,
        warehouse.reading(),
        pytest.raises(LockedByAnother, match=said),
    ):
        put_back(database, tmp_path / "empty.dump")
    put_back(database, tmp_path / "empty.dump")


@pytest.mark.parametrize("own", ["0", "300ms"])
def test_a_query_that_waits_for_a_restore_is_not_told_to_raise_a_limit(own: str, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute(f"ALTER DATABASE {sql.info.dbname} SET statement_timeout = '{own}'".encode())
    with psycopg.connect(database, application_name="the restore") as restoring:
        locks.keep_readers_off(restoring)
        with pytest.raises(DatabaseError) as refused, opened(database) as connection, query.reading(connection, 1):
            pass
    said = str(refused.value)
    assert re.search(r"waiting for a restore to end \(process \d+, role postgres, program the restore", said)
    assert "Wait for whoever holds it" in said
    assert "ALTER ROLE" not in said


def test_the_time_limit_of_a_query_holds_once_it_has_not_to_wait(database: str) -> None:
    with opened(database) as connection, query.reading(connection, 7):
        assert connection.execute("SHOW statement_timeout").fetchone() == ("7s",)
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)


KEY = "an invented key of the tests, long enough for them"  # pragma: allowlist secret
OF_COMMANDS = {
    "erase": ["--user-id", "ann@example.org", "--yes"],
    "forget-account": ["1", "--yes"],
    "load-lists": ["FOLDER"],
    "migrate": [],
    "redate": [],
    "retention": [],
}


@pytest.mark.parametrize("name", OF_COMMANDS)
def test_what_waits_for_a_restore_holds_none_of_the_tables_that_it_replaces(
    name: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each waited for the other, and Postgres ended one of them: the restore, perhaps after an hour of it."""
    settings = {"DATABASE_URL": database, "KALTURA_PARTNER_ID": "1", "KALTURA_KS": "invented", "PII_KEY": KEY}
    for setting, value in {**settings, "RETENTION_DAYS": "30"}.items():
        monkeypatch.setenv(setting, value)
    (tmp_path / "courses.csv").write_text("course_id\nc1\n")
    words = [str(tmp_path) if word == "FOLDER" else word for word in OF_COMMANDS[name]]
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute("INSERT INTO university.enrolments (account_id, course_id, person_id) VALUES (1, 'c1', 'ann')")
        done = []
        waiting = threading.Thread(target=lambda: done.append(CliRunner().invoke(front_door, [name, *words])))
        with psycopg.connect(database) as restoring:
            for number in (locks.LOADS_LOCK, locks.PEOPLE_LOCK):
                restoring.execute("SELECT pg_advisory_xact_lock(%s, %s)", [locks.LOCK_CLASS, number])
            waiting.start()
            wait_until(lambda: bool(sql.execute(WAITS_FOR_A_LOCK).fetchall()), 60)
            assert sql.execute(TABLES_HELD).fetchall() == []
    waiting.join(60)
    assert isinstance(done[0].exception, SystemExit | None), done[0].output
    assert "deadlock" not in done[0].output


WAITS_FOR_A_LOCK = """
SELECT FROM pg_stat_activity
WHERE
    datname = current_database() AND application_name = 'kaltura-room-warehouse' AND query LIKE '%advisory_xact_lock%'
    AND state IN ('active', 'idle in transaction')
    AND query ~ 'advisory_xact_lock(_shared)?\\((\\$1, \\$2|[0-9]+, [0-9]+)\\)'
"""
TABLES_HELD = """
SELECT DISTINCT relname FROM pg_locks
INNER JOIN pg_class ON relation = pg_class.oid INNER JOIN pg_namespace ON relnamespace = pg_namespace.oid
WHERE nspname IN ('kaltura', 'university') AND pid <> pg_backend_pid()
AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
