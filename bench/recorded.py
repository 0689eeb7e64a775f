"""Dagster's history of two years, recorded run by run as the schedules launch them: `python -m bench.recorded`.

Every day the pull of four days, the check of missing days and the nightly job of the history, every Sunday the sweep of 30
days, every Monday the reports of two weeks; each run dated to its day. Then what is older than `HISTORY_DAYS` is taken out
as the nightly job does it. Writes bench/recorded.json and its table of docs/scale.md. It takes half an hour.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from bench import pages
from bench.years.installation import Installation, installed
from pipelines.range_tags import range_tags
from resources.settings import CHECKOUT

MEASURED = Path(__file__).parent / "recorded.json"
PAGE = CHECKOUT / "docs" / "scale.md"
COMMAND = "python -m bench.recorded"
HEAD = ("", "Dagster's history", "runs in it", "`status`")

START = dt.date(2024, 11, 4)  # a Monday
DAYS = 730
KEPT_DAYS = (400, 90)  # HISTORY_DAYS: the default, and little more than half a year's term
DAY = dt.timedelta(days=1)
MONDAY, SUNDAY = 1, 7
PULL_DAYS, SWEEP_DAYS, WEEKS_REPORTED = 4, 30, 2
LOCATION = "pipelines"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Measured = Mapping[str, list[float]]
"""Of each state its bytes, its runs and the seconds of `status`."""


def measure(days: int) -> dict[str, list[float]]:
    found = {}
    with installed(rooms=1, START_DATE=str(START), HISTORY_DAYS="0") as place:
        place.home.mkdir()
        (place.home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", "utf-8")
        done = 0
        for last in (days // 2, days):
            _inside(place, "--record", done, last)
            found[f"{last} days, all kept"] = _figures(place)
            done = last
        for kept in KEPT_DAYS:
            _inside(place, "--forget", days, kept)
            found[f"{days} days, with `HISTORY_DAYS={kept}`"] = _figures(place)
    return found


def _inside(place: Installation, *words: object) -> None:
    """In a process of its own, for the settings are read once in each."""
    command = [sys.executable, "-m", "bench.recorded", *map(str, words)]
    subprocess.run(command, cwd=CHECKOUT, env=place.environment, check=True)


def _figures(place: Installation) -> list[float]:
    files = [path for path in place.home.rglob("*") if path.is_file()]
    with _instance(place) as instance:
        runs = instance.get_runs_count()
    started = time.perf_counter()
    place.run("status", code=None)  # long ago is what it has to say of the newest day
    return [sum(path.stat().st_size for path in files), runs, round(time.perf_counter() - started, 1)]


def _instance(place: Installation) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(place.home))


def record(first: int, last: int) -> None:
    """The runs of the days from the `first` to before the `last`, counted from `START`."""
    from pipelines.definitions import defs

    repository = defs.get_repository_def()
    jobs = {schedule.name: repository.get_job(schedule.job_name) for schedule in repository.schedule_defs}
    with dg.DagsterInstance.get() as instance:

        def run(name: str, on: dt.date, tags: Mapping[str, str] | None = None, key: str | None = None) -> None:
            """Raises what it failed of: the report of a week, for one, may not."""
            done = jobs[name].execute_in_process(instance=instance, tags=tags, partition_key=key, run_config=QUIET)
            _as_of(instance, done.dagster_run, on, jobs[name].name)

        for number in range(first, last):
            today = START + (number + 1) * DAY
            run("nightly_history", today)
            run("daily_pull", today, _range(today, PULL_DAYS))
            run("nightly_check", today)
            if today.isoweekday() == SUNDAY:
                run("weekly_sweep", today, _range(today, SWEEP_DAYS))
            if today.isoweekday() == MONDAY:
                for week in range(1, WEEKS_REPORTED + 1):
                    monday = today - 7 * week * DAY
                    if monday >= START:
                        run("weekly_report", today, key=str(monday))
            if number % 50 == 0:
                print(f"{number} days", flush=True)


def _range(today: dt.date, days: int) -> dict[str, str]:
    return range_tags(max(START, today - days * DAY), today - DAY)


def _as_of(instance: dg.DagsterInstance, run: dg.DagsterRun, on: dt.date, job: str) -> None:
    """As if it had been launched on that day by the code location, by which the nightly job knows this project's runs."""
    storage = instance.run_storage
    assert isinstance(storage, SqliteRunStorage)
    storage.replace_job_origin(run, _origin(job))
    with storage.connect() as connection:
        at = {"at": f"{on} 04:30:00", "id": run.run_id}
        connection.execute(sa.text("UPDATE runs SET create_timestamp = :at WHERE run_id = :id"), at)


def _origin(job: str) -> RemoteJobOrigin:
    target = LoadableTargetOrigin(module_name="pipelines.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=LOCATION)
    return RemoteRepositoryOrigin(location, "__repository__").get_job_origin(job)


def forget(days: int, kept: int) -> None:
    """What the nightly job takes out on the last day."""
    from pipelines.instance import history

    before = dt.datetime.combine(START + (days - kept) * DAY, dt.time(), dt.UTC)
    with dg.DagsterInstance.get() as instance:
        print(f"{history.forget(instance, before, LOCATION):,} runs go")
        history.vacuum(instance, print)


def table(measured: Measured) -> str:
    rows = [
        (name, f"{size / 1e6:,.0f} MB", f"{runs:,.0f}", f"{seconds:.1f} s")
        for name, (size, runs, seconds) in measured.items()
    ]
    return pages.table(HEAD, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=DAYS, help=f"default: {DAYS}, with which the page is written")
    parser.add_argument("--record", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--forget", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.record:
        record(*given.record)
    elif given.forget:
        forget(*given.forget)
    else:
        measured = measure(given.days)
        print(table(measured))
        if given.days == DAYS:
            MEASURED.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
            PAGE.write_text(pages.with_section(PAGE.read_text("utf-8"), COMMAND, table(measured)), "utf-8")


if __name__ == "__main__":
    main()
