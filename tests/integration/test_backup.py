"""Backup and restore: everything comes back, and nothing is lost by accident."""

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest
import warm
import yaml
from click.testing import CliRunner
from conftest import client_of
from pipeline import CHECKOUT, wait_until
from rich.console import Console

from pipelines.command_line import front_door
from resources.kaltura.client import Client
from resources.local import postgres as local_postgres
from resources.postgres import restore as restoring
from resources.postgres.backup import BackupError, Manifest, back_up, checksum
from resources.privacy.pseudonyms import FULL
from resources.privacy.reapply_erasures import ReapplyErasures
from resources.runtime.drafts import remove_left_drafts
from resources.warehouse.warehouse import Warehouse
from simulator import University, serving

FIRST = dt.date(2026, 3, 2)
KEY = "an invented key of the tests, long enough for them"  # pragma: allowlist secret


def command(*words: str | Path, succeeds: bool = True) -> str:
    code, printed, errors = warm.run(
        "python", "-m", "pipelines", *map(str, words), environment={**os.environ, "COLUMNS": "200"}
    )
    assert (code == 0) is succeeds, printed + errors
    return printed + errors


def backup(url: str, file: Path, succeeds: bool = True) -> str:
    return command("backup", file, "--database-url", url, succeeds=succeeds)


def restore(url: str, file: Path, *words: str, succeeds: bool = True) -> str:
    return command("restore", file, "--database-url", url, "--trust", *words, succeeds=succeeds)


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table of schema kaltura, but what belongs to the server that it stands on."""
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'kaltura' ORDER BY 1").fetchall()
        return {
            name: connection.execute(
                f"SELECT to_jsonb(t) - ARRAY['row_versions', 'applied_at'] AS row FROM kaltura.{name} AS t ORDER BY row"
            ).fetchall()
            for (name,) in names
        }


@pytest.fixture(scope="module")
def kaltura() -> Iterator[Client]:
    with serving(University(seed=11, timezone="UTC", rooms=12)) as running, client_of(running) as client:
        yield client


@pytest.fixture
def load(kaltura: Client) -> Callable[[str, int], list[int]]:
    """Loads some days into a database; returns how many rows each load inserted."""
    from assets.pull.asset import CALENDAR, PullConfig
    from assets.pull.extract import extract
    from assets.reports import REPORTS
    from resources.kaltura.windows import Days
    from resources.warehouse.provenance import Provenance

    def loaded(url: str, days: int) -> list[int]:
        dates = [FIRST + dt.timedelta(days=n) for n in range(days)]
        warehouse = Warehouse(url)
        number = warehouse.next_pull()
        extracted = extract(
            Days(dates[0], dates[-1]), REPORTS, kaltura, CALENDAR, PullConfig().filters(), number=number
        )
        provenance = Provenance(9999, extracted.pull)
        inserted = [load.inserted for day in dates for load in warehouse.upsert(day, extracted.by_day[day], provenance)]
        warehouse.close()
        return inserted

    return loaded


def test_what_was_backed_up_comes_back_whole_and_the_next_load_goes_on(
    new_database: Callable[[], str], load: Callable[[str, int], list[int]], tmp_path: Path
) -> None:
    url, other = new_database(), new_database()
    load(url, 3)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE kaltura.attendees SET user_name = E'a\\tb\\n\\\\. 😀' WHERE ctid = '(0,1)'")
    said = backup(url, tmp_path / "a.dump")
    restored = restore(other, tmp_path / "a.dump")

    assert everything(other) == everything(url)
    rows = sum(Manifest.of(tmp_path / "a.dump").rows.values())
    assert f"{rows:,} rows" in said
    assert f"{rows:,} rows" in restored
    with psycopg.connect(other) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM analytics.sessions").fetchone() == (True,)
    # The sequence goes on, a changed row is seen, and a day that is not there yet lands.
    inserted = load(other, 4)
    assert inserted[:9] == [0] * 9
    assert all(inserted[9:])
    with psycopg.connect(other) as connection:
        assert connection.execute("SELECT count(*) FROM kaltura.changes").fetchone() == (1,)


def test_no_version_of_a_row_is_believed_that_another_server_gave_it(
    load: Callable[[str, int], list[int]], database: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The sum of what a day's rows had there might by chance be that of other rows here."""
    load(database, 1)
    backup(database, tmp_path / "one.dump")
    there = new_database()
    restore(there, tmp_path / "one.dump")
    for url, known in ((database, True), (there, False)):
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT count(row_versions) > 0 FROM kaltura.loads").fetchone()
        assert found == (known,)


def test_a_warehouse_with_rows_is_only_replaced_when_told_to(
    new_database: Callable[[], str], load: Callable[[str, int], list[int]], tmp_path: Path
) -> None:
    url = new_database()
    load(url, 1)
    backup(url, tmp_path / "a.dump")
    kept = everything(url)
    load(url, 2)

    assert "--replace" in restore(url, tmp_path / "a.dump", succeeds=False)
    assert everything(url) != kept
    restore(url, tmp_path / "a.dump", "--replace")
    assert everything(url) == kept


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def one_bit_turned(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def without_manifest(file: Path) -> None:
    Manifest.beside(file).unlink()


def of_a_newer_version(file: Path) -> None:
    manifest = json.loads(Manifest.beside(file).read_text())
    manifest["migrations"].append("migrations/9999_from_the_future.sql")
    Manifest.beside(file).write_text(json.dumps(manifest))


def lacking_rows(file: Path) -> None:
    """As if pg_dump had left some out."""
    manifest = json.loads(Manifest.beside(file).read_text())
    manifest["rows"]["attendees"] += 1
    Manifest.beside(file).write_text(json.dumps(manifest))


def with_a_table_that_nobody_counted(file: Path) -> None:
    """As if the dump were another than the one that its manifest was written for."""
    manifest = json.loads(Manifest.beside(file).read_text())
    del manifest["rows"]["attendees"]
    Manifest.beside(file).write_text(json.dumps(manifest))


def no_dump_at_all(file: Path) -> None:
    """Its checksum holds, and pg_restore can't read it."""
    from resources.postgres.backup import checksum

    file.write_bytes(b"PGDMP nonsense")
    manifest = json.loads(Manifest.beside(file).read_text())
    manifest["sha256"] = checksum(file)
    Manifest.beside(file).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut_off, "damaged"),
        (one_bit_turned, "damaged"),
        (Path.unlink, "not there"),
        (without_manifest, "both files"),
        (of_a_newer_version, "9999_from_the_future"),
        (lacking_rows, "rows of attendees are missing"),
        (with_a_table_that_nobody_counted, "rows of attendees are missing"),
        (no_dump_at_all, "nothing was restored"),
    ],
)
def test_a_backup_that_is_not_whole_changes_nothing(
    damage: Callable[[Path], None],
    says: str,
    new_database: Callable[[], str],
    load: Callable[[str, int], list[int]],
    tmp_path: Path,
) -> None:
    url = new_database()
    load(url, 1)
    backup(url, tmp_path / "a.dump")
    before = everything(url)
    damage(tmp_path / "a.dump")

    assert says in restore(url, tmp_path / "a.dump", "--replace", succeeds=False)

    assert everything(url) == before


@pytest.mark.parametrize("key", ["", KEY])
def test_a_signature_makes_no_backup_whole_that_is_not(key: str, database: str, tmp_path: Path) -> None:
    """Who may be believed is not what can be restored: a newer schema and a torn file are refused signed and trusted alike."""
    back_up(database, tmp_path / "a.dump", Console(quiet=True), key)
    whole = Manifest.of(tmp_path / "a.dump")
    for spoilt, says in (
        (replace(whole, migrations=[*whole.migrations, "migrations/9999_from_the_future.sql"]), "9999_from_the_future"),
        (replace(whole, sha256="0" * 64), "damaged"),
    ):
        Manifest.beside(tmp_path / "a.dump").write_text(json.dumps(asdict(spoilt.signed(key))))
        with pytest.raises(BackupError, match=says):
            restoring.restore(
                database,
                tmp_path / "a.dump",
                Console(quiet=True),
                keeper=ReapplyErasures(FULL, []),
                tables=[],
                key=key,
                trust=not key,
            )


def test_what_others_built_on_the_tables_is_not_dropped_along(new_database: Callable[[], str], tmp_path: Path) -> None:
    url = new_database()
    backup(url, tmp_path / "a.dump")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA faculty")
        connection.execute("CREATE VIEW faculty.ours AS SELECT entry_id FROM kaltura.room_sessions")

    assert "faculty.ours" in restore(url, tmp_path / "a.dump", "--replace", succeeds=False)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM faculty.ours").fetchone() == (0,)


def test_what_analysts_built_on_the_views_stands_after_a_restore_as_it_did_and_may_be_read_by_the_same(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    url, reader = new_database(), "reader_of_backups"
    backup(url, tmp_path / "a.dump")
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE ROLE {reader}")
        connection.execute("CREATE SCHEMA faculty")
        connection.execute("CREATE VIEW analytics.of_an_analyst AS SELECT room_id FROM analytics.sessions")
        connection.execute("CREATE VIEW analytics.of_nothing AS SELECT 1 AS one")
        connection.execute("CREATE MATERIALIZED VIEW faculty.kept AS SELECT room_id FROM analytics.of_an_analyst")
        for name in ("analytics.of_an_analyst", "analytics.of_nothing", "analytics.sessions", "faculty.kept"):
            connection.execute(f"GRANT SELECT ON {name} TO {reader}".encode())
    try:
        restore(url, tmp_path / "a.dump", "--replace")
        with psycopg.connect(url) as connection:
            for name in ("analytics.of_an_analyst", "analytics.of_nothing", "analytics.sessions", "faculty.kept"):
                may = connection.execute("SELECT has_table_privilege(%s, %s, 'SELECT')", [reader, name]).fetchone()
                assert may == (True,), name
    finally:
        with psycopg.connect(url) as connection:
            connection.execute(f"DROP OWNED BY {reader}")
            connection.execute(f"DROP ROLE {reader}")


def test_a_view_of_somebody_in_analytics_that_reads_the_tables_themselves_is_named_and_not_dropped(
    new_database: Callable[[], str], tmp_path: Path
) -> None:
    url = new_database()
    backup(url, tmp_path / "a.dump")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE VIEW analytics.of_the_tables AS SELECT entry_id FROM kaltura.room_sessions")

    assert "analytics.of_the_tables" in restore(url, tmp_path / "a.dump", "--replace", succeeds=False)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM analytics.of_the_tables").fetchone() == (0,)


def test_a_backup_is_written_over_none_and_only_its_owner_reads_it(database: str, tmp_path: Path) -> None:
    backup(database, tmp_path / "a.dump")
    first = (tmp_path / "a.dump").read_bytes()
    backup(database, tmp_path / "new" / "a.dump")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    shutil.rmtree(tmp_path / "new")

    assert "another name" in backup(database, tmp_path / "a.dump", succeeds=False)
    assert (tmp_path / "a.dump").read_bytes() == first
    assert (tmp_path / "a.dump").stat().st_mode & 0o077 == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.dump", "a.dump.json"]


OLD = "kaltura-2020-02-03T040506Z.dump"


def test_old_backups_go_once_a_new_one_is_there_and_nothing_else_does(database: str, tmp_path: Path) -> None:
    yesterday = f"kaltura-{dt.datetime.now(dt.UTC) - dt.timedelta(days=1):%Y-%m-%dT%H%M%SZ}.dump"
    others = {"monday.dump", "monday.dump.json", "kaltura-2020-13-03T040506Z.dump", f"{OLD}.copy", yesterday}
    for name in (OLD, f"{OLD}.json", "kaltura-2019-02-03T040506Z.dump.json", *others):
        (tmp_path / name).touch()
    (tmp_path / "kaltura-2018-02-03T040506Z.dump").mkdir()

    before = {*tmp_path.iterdir()}
    command("backup", tmp_path, "--database-url", database)
    assert (tmp_path / OLD).exists(), "without --keep all stay"
    made = {path.name for path in {*tmp_path.iterdir()} - before}
    assert len(made) == 2
    command("backup", tmp_path, "--keep", "30", "--database-url", "postgresql://127.0.0.1:9/nowhere", succeeds=False)
    assert (tmp_path / OLD).exists(), "no new one was written"

    said = command("backup", tmp_path / "last.dump", "--keep", "30", "--database-url", database)
    assert "removed 1 backup from before" in said
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, *made, "last.dump", "last.dump.json", "kaltura-2018-02-03T040506Z.dump"}


@pytest.mark.parametrize("days_off", [-40, 0, 40])
def test_as_many_backups_are_kept_whatever_the_clock_of_this_machine_says(
    days_off: int, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) + dt.timedelta(days=days_off)

    clock = SimpleNamespace(datetime=Off, timedelta=dt.timedelta, UTC=dt.UTC)
    monkeypatch.setattr("resources.postgres.backup_folder.dt", clock)
    for _ in range(4):
        for path in sorted(tmp_path.glob("kaltura-*")):  # a night goes by, of 25 hours, for seconds are not to count
            made = dt.datetime.strptime(path.name[8:25], "%Y-%m-%dT%H%M%S")
            path.rename(tmp_path / f"kaltura-{made - dt.timedelta(hours=25):%Y-%m-%dT%H%M%S}{path.name[25:]}")
        words = ["backup", str(tmp_path), "--keep", "2", "--database-url", database]
        done = CliRunner().invoke(front_door, words)
        assert done.exit_code == 0, done.output
    assert len([*tmp_path.glob("*.dump")]) == len([*tmp_path.glob("*.dump.json")]) == 2


@contextmanager
def dumping(url: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A backup whose pg_dump waits for a sequence that somebody is about to drop, and so is in the middle; and pg_dump."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SEQUENCE kaltura.of_a_test")
        connection.commit()
        connection.execute("DROP SEQUENCE kaltura.of_a_test")
        words = [sys.executable, "-m", "pipelines", "backup", str(folder), "--database-url", url]
        process = subprocess.Popen(words, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: list(folder.glob(".kaltura-*.draft/*.dump")), 60)
            [child] = psutil.Process(process.pid).children()
            yield process, child
        finally:
            process.kill()
            process.wait()
            with suppress(psutil.NoSuchProcess):
                child.kill()
                psutil.wait_procs([child], 10)
        connection.rollback()


def test_what_a_killed_backup_left_is_removed_by_the_next_one_and_not_while_anybody_writes_it(
    database: str, tmp_path: Path
) -> None:
    with dumping(database, tmp_path) as (process, pg_dump):
        [draft] = tmp_path.iterdir()
        remove_left_drafts(tmp_path)
        assert draft.exists()
        process.kill()
        process.wait()
        remove_left_drafts(tmp_path)
        assert draft.exists(), "pg_dump outlives it, and writes"
        assert pg_dump.is_running()
    assert draft.exists()
    backup(database, tmp_path / "a.dump")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dump", "a.dump.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_stopped_as_pods_are_or_whose_terminal_is_closed_leaves_nothing(
    number: signal.Signals, database: str, tmp_path: Path
) -> None:
    with dumping(database, tmp_path) as (process, pg_dump):
        process.send_signal(number)
        assert process.wait(30) == 130
        assert not pg_dump.is_running()
        assert list(tmp_path.iterdir()) == []


def test_a_draft_of_an_earlier_version_goes_after_a_day_and_what_only_looks_like_one_stays(
    database: str, tmp_path: Path
) -> None:
    two_days_ago = time.time() - 2 * 24 * 3600
    left_by_others = {
        f".{OLD}.abcd_123": OLD,  # of a backup
        ".attendance.abcd_123": "tmpabcd_123",  # of a sheet
        ".attendance.csv.4711": "",  # of an export
        ".export.json.1": "",
    }
    others = {
        f".{OLD}.young_12": OLD,
        ".people.young_12": "tmpabcd_123",
        ".notes.personal.draft": "notes.txt",
        ".other.dump.abcd1234": "other.dump",
        ".config.settings": "tmpfiles",
        ".empty.settings": "",
        ".people.csv.before": "",
    }
    for name, content in {**left_by_others, **others}.items():
        is_folder = not re.search(r"\.(csv|json)\.", name)
        if is_folder:
            (tmp_path / name).mkdir()
        if content or not is_folder:
            (tmp_path / name / content).touch()
        for path in (tmp_path / name / content, tmp_path / name):
            if "young" not in name:
                os.utime(path, (two_days_ago, two_days_ago))
    backup(database, tmp_path / "a.dump")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*others, "a.dump", "a.dump.json"}


@pytest.mark.parametrize("key", ["", KEY], ids=["without a key", "with a key"])
def test_the_nightly_backup_of_kubernetes_runs_as_it_stands_there_and_lets_old_ones_go(
    key: str, database: str, tmp_path: Path
) -> None:
    [job] = [
        part
        for part in yaml.safe_load_all((CHECKOUT / "deploy/k8s/backup.yaml").read_text())
        if part["kind"] == "CronJob"
    ]
    [container] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    [mount] = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "backups"]
    (tmp_path / OLD).touch()
    words = [str(tmp_path) if word == mount else word for word in container["command"]]
    values = {"DATABASE_URL": database, "PII_KEY": key}
    given = {name: values[name] for source in container["envFrom"] for name in secret(source["secretRef"]["name"])}
    code, printed, errors = warm.run(*words, environment={**os.environ, **given})
    assert code == 0, printed + errors
    [made] = tmp_path.glob("kaltura-*.dump")
    assert not (tmp_path / OLD).exists()
    assert Manifest.of(made).is_signed_with(KEY) is bool(key)


def secret(name: str) -> dict[str, str]:
    """What stands in it in the example, with what may stand in it."""
    text = re.sub(r"# (?=[A-Z_]+: )", "", (CHECKOUT / "deploy/k8s/secrets.example.yaml").read_text())
    [found] = [part["stringData"] for part in yaml.safe_load_all(text) if part["metadata"]["name"] == name]
    return dict(found)


def test_a_database_without_a_warehouse_has_nothing_to_back_up(postgres_folder: Path, tmp_path: Path) -> None:
    from resources.local import postgres as local_postgres

    assert "no schema" in backup(local_postgres.url(postgres_folder, "template1"), tmp_path / "a.dump", succeeds=False)
    assert list(tmp_path.iterdir()) == []


def test_of_two_backups_into_one_file_at_once_one_is_refused_and_the_other_is_whole(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked whether it is there before either has written it."""
    programs, go = tmp_path / "programs", tmp_path / "go"
    programs.mkdir()
    dump = programs / "pg_dump"
    words = (
        f"touch {programs}/begun.$$; while [ ! -e {go} ]; do sleep 0.05; done; exec {local_postgres.binary('pg_dump')}"
    )
    dump.write_text(f'#!/bin/sh\n{words} "$@"\n')
    dump.chmod(0o755)
    monkeypatch.setenv("PG_BIN", str(programs))
    file, said = tmp_path / "backups" / "both.dump", []

    def back_up_there() -> None:
        try:
            said.append(back_up(database, file, Console(quiet=True)).sha256)
        except BackupError as error:
            said.append(str(error))

    at_once = [threading.Thread(target=back_up_there) for _ in range(2)]
    for each in at_once:
        each.start()
    wait_until(lambda: len([*programs.glob("begun.*")]) == 2, 60)
    go.touch()
    for each in at_once:
        each.join(60)
    assert sorted("is there already" in each for each in said) == [False, True]
    assert Manifest.of(file).sha256 == checksum(file)
    assert Manifest.of(file).sha256 in said
    assert {path.name for path in file.parent.iterdir()} == {"both.dump", "both.dump.json"}
