"""docs/add-to-your-dagster.md, done as it says: a Dagster with a home of its own, and what it lacks of this project's."""

import datetime as dt
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from cluster import Printed
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)
from dagster_ui import ASSETS, BACKFILL, Ui
from pipeline import CHECKOUT, Pipeline, free_port, wait_until

from pipelines.instance.dagster_doctor import EXPECTED, findings
from pipelines.run_days import PULLS
from resources.kaltura.doctor.probe import Finding
from resources.settings import output_folder
from simulator import Running, University, serving

PAGE = (CHECKOUT / "docs/add-to-your-dagster.md").read_text()
DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(3)]


@pytest.fixture
def home(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster's home as Dagster's own documentation begins it: an empty file."""
    made = tmp_path / "home"
    made.mkdir()
    (made / "dagster.yaml").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(made))
    monkeypatch.setenv("DATABASE_URL", database)
    return made


def by_verdict() -> dict[str, list[Finding]]:
    made: dict[str, list[Finding]] = {}
    for finding in findings():
        made.setdefault(finding.verdict, []).append(finding)
    return made


def test_a_dagster_of_defaults_is_told_what_each_missing_setting_costs_and_is_left_as_it_is(home: Path) -> None:
    found = by_verdict()

    told = {finding.check for finding in found["differs"]}
    assert told == {expected.name for expected in EXPECTED} - {"failures of steps"} | {"schedule"}
    assert "failed" not in found
    assert (home / "dagster.yaml").read_text() == ""


def test_with_the_lines_that_it_names_nothing_is_missing(home: Path) -> None:
    merged: dict[str, Any] = {}
    for expected in EXPECTED:
        merge(merged, yaml.safe_load(expected.lines))
    (home / "dagster.yaml").write_text(yaml.safe_dump(merged))

    assert [finding.check for finding in by_verdict()["differs"]] == ["schedule"]


def test_this_project_s_own_dagster_lacks_nothing(home: Path) -> None:
    (home / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())

    assert [finding.check for finding in by_verdict()["differs"]] == ["schedule"]


OURS, THEIRS = "kaltura_rooms", "their_rooms"


@pytest.mark.parametrize(
    ("stored", "ran_in", "verdict", "said"),
    [
        ({}, None, "differs", "is off"),
        ({OURS: InstigatorStatus.RUNNING}, None, "ok", f"{OURS}; no run tells yet"),
        ({OURS: InstigatorStatus.RUNNING}, OURS, "ok", f"is on in the code location {OURS}"),
        ({OURS: InstigatorStatus.STOPPED}, OURS, "differs", "is off"),
        ({OURS: InstigatorStatus.DECLARED_IN_CODE}, OURS, "differs", "is off"),
        ({OURS: InstigatorStatus.DECLARED_IN_CODE}, None, "differs", "is off"),
        ({THEIRS: InstigatorStatus.RUNNING}, OURS, "differs", f"{THEIRS}, and this account's runs come from {OURS}"),
        (
            {THEIRS: InstigatorStatus.RUNNING, OURS: InstigatorStatus.STOPPED},
            OURS,
            "differs",
            f"{THEIRS}, and this account's runs come from {OURS}",
        ),
        ({THEIRS: InstigatorStatus.RUNNING, OURS: InstigatorStatus.RUNNING}, OURS, "ok", f"code location {OURS}"),
    ],
)
def test_the_schedule_is_said_to_be_on_where_it_is_running_for_this_account(
    stored: dict[str, InstigatorStatus], ran_in: str | None, verdict: str, said: str, home: Path
) -> None:
    def repository(location: str) -> RemoteRepositoryOrigin:
        return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")

    (home / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for location, status in stored.items():
            origin = RemoteInstigatorOrigin(repository(location), "daily_pull")
            state = InstigatorState(origin, InstigatorType.SCHEDULE, status, ScheduleInstigatorData("30 4 * * *"))
            instance.add_instigator_state(state)
        for location, tags in ((ran_in, PULLS), (THEIRS, dict.fromkeys(PULLS, "their/room_sessions"))):
            if location:
                job = RemoteJobOrigin(repository(location), "daily_pull")
                instance.add_run(dg.DagsterRun("daily_pull", str(uuid.uuid4()), tags=tags, remote_job_origin=job))

    [schedule] = [finding for finding in findings() if finding.check == "schedule"]

    assert schedule.verdict == verdict
    assert said in schedule.found


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


@pytest.mark.parametrize(
    ("content", "said"), [(None, "has no dagster.yaml"), ("run_queue: {x: 1}", "unexpected config entry")]
)
def test_a_home_that_dagster_cannot_use_is_one_finding(home: Path, content: str | None, said: str) -> None:
    if content is None:
        (home / "dagster.yaml").unlink()
    else:
        (home / "dagster.yaml").write_text(content)

    [failed] = by_verdict()["failed"]

    assert said in failed.found


@pytest.mark.parametrize("given", ["~/dagster", "dagster"])
def test_a_home_is_meant_from_the_users_home_or_the_checkout_on_as_for_every_command(
    given: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster/dagster.yaml").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("resources.settings.CHECKOUT", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", given)
    monkeypatch.chdir("/")
    assert "failed" not in by_verdict()
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda *_: False)
        assert output_folder("backups") == tmp_path / "dagster/backups"


def test_each_setting_that_is_looked_at_stands_on_the_page() -> None:
    rows = re.findall(r"^\| `?(\w+)", PAGE.partition("| This project's")[2], re.MULTILINE)
    named = {name for expected in EXPECTED for name in yaml.safe_load(expected.lines)}
    assert named == set(rows)


@pytest.fixture
def kaltura() -> Iterator[Running]:
    with serving(University(rooms=6)) as running:
        yield running


def workspace(folder: Path) -> Path:
    """The page's own, for this checkout."""
    block = re.findall(r"```yaml\n(load_from:.*?)```", PAGE, re.DOTALL)[0]
    text = block.replace("/opt/kaltura-room-warehouse/.venv/bin/python", sys.executable)
    file = folder / "workspace.yaml"
    file.write_text(text.replace("/opt/kaltura-room-warehouse", str(CHECKOUT)))
    return file


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_its_webserver_and_its_daemon_backfill_three_days(
    home: Path, kaltura: Running, database: str, new_database: Callable[[], str], tmp_path: Path
) -> None:
    there = Pipeline(kaltura, database, home, {"START_DATE": "2026-01-01"})
    words, port = ["-w", str(workspace(tmp_path))], free_port()
    # A Dagster that somebody has is there before: processes that make its SQLite files at one moment spoil each other's.
    there.run("dagster", "instance", "info")
    started = [
        there.start("dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *words),
        there.start("dagster-daemon", "run", *words),
    ]
    printed = [Printed(process) for process in started]
    try:
        ui = Ui(port)
        wait_until(ui.answers, 120)
        made = ui.ask(BACKFILL, p={"assetSelection": ASSETS, "partitionNames": [str(day) for day in DAYS]})
        assert "backfillId" in made["launchPartitionBackfill"], made
        wait_until(
            lambda: all(ui.days(asset, "MATERIALIZED") == [(str(DAYS[0]), str(DAYS[-1]))] for asset in ASSETS), 240
        )
    finally:
        for process, told in zip(started, printed, strict=True):
            process.kill()
            print(told.text()[-3000:])

    alone = Pipeline(kaltura, new_database(), tmp_path / "alone", {"START_DATE": "2026-01-01"})
    alone.home.mkdir()
    alone.materialize("--partition-range", f"{DAYS[0]}...{DAYS[-1]}")
    assert there.tables() == alone.tables()
    assert all(alone.tables().values())
