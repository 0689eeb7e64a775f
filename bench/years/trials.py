"""What happens to a warehouse over the years, each tried alone: what is told to whom, and what stands at the end.

A trial is a function; its docstring is what happens. It ends with tables that equal the truth and a `status` that has
nothing to mend, and raises `TrialError` otherwise.
"""

import datetime as dt
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psycopg

from bench.years import failover, webhook
from bench.years.installation import Installation, expect, installed, tables, wait_until
from resources.kaltura.windows import DAY, Days
from resources.local import postgres as local_postgres
from simulator import Fault

LAST = dt.datetime.now(dt.UTC).date() - DAY
Trial = Callable[[], Installation]


def _last(count: int, until: dt.date = LAST) -> Days:
    return Days(until - (count - 1) * DAY, until)


def three_at_once() -> Installation:
    """Three terminals pull overlapping days at once, on SQLite."""
    with installed(rooms=3) as place:
        runs = [
            place.start("pull", "--from", str(days.first), "--to", str(days.last))
            for days in (_last(30), _last(20), _last(30, LAST - 5 * DAY))
        ]
        for run in runs:
            expect("locked" not in place.end(run), "a lock error")
        place.told.append(("nobody", "nothing: all three end well"))
        place.expect_well()
        place.expect_true(_last(35))
    return place


def summer_off() -> Installation:
    """The server is off for 100 days."""
    with installed() as place:
        place.pull(_last(7, LAST - 110 * DAY))
        place.pull(_last(10))
        said = place.run("status", code=1)
        place.hear("status", said, "missing: 100 days")
        place.pull(_last(107, LAST - 10 * DAY))
        place.expect_well()
        place.expect_true(_last(117))
    return place


def restored_under_a_run() -> Installation:
    """A restore of an old backup in the middle of a run, and again after it."""
    with installed(rooms=3) as place:
        place.pull(_last(5, LAST - 30 * DAY))
        backup = str(place.folder / "old.dump")
        place.run("backup", backup)
        place.kaltura.delay_seconds, asked = 20.0, len(place.kaltura.requests)
        run = place.start("pull", "--from", str(LAST - 34 * DAY), "--to", str(LAST))
        wait_until(lambda: len(place.kaltura.requests) > asked, 300, "the run asks for its first days")
        refused = place.run("restore", backup, "--replace", "--trust", code=1)
        place.hear("terminal", refused, "restore: days are being loaded")
        place.kaltura.delay_seconds = 0.0
        place.end(run)
        said = place.run("restore", backup, "--replace", "--trust")
        place.hear("terminal", said, "marked and not there")
        place.run("status", "--mend", code=None)
        place.pull(_last(35))
        place.expect_well()
        place.expect_true(_last(35))
    return place


def _loaded(place: Installation) -> int:
    with psycopg.connect(place.url) as connection:
        row = connection.execute("SELECT count(DISTINCT partition_date) FROM kaltura.loads").fetchone()
    return int(row[0]) if row else 0


def permission_withdrawn() -> Installation:
    """Kaltura withdraws the permission for reports in the middle, and grants it again."""
    with installed() as place:
        place.pull(_last(20, LAST - 20 * DAY))
        place.kaltura.faults.add(Fault("service_forbidden", times=None))
        refused = place.pull(_last(20), code=1)
        place.hear("terminal", refused, "The run failed.", "not retried by itself")
        place.kaltura.faults.clear()
        place.pull(_last(20))
        place.expect_well()
        place.expect_true(_last(40))
    return place


def clock_off() -> Installation:
    """The clock of the machine goes a day ahead of Kaltura's, and then a day behind."""
    with installed() as place:
        place.pull(_last(10))
        before = tables(place.url, place.kaltura)
        for ahead, words in ((-86_400.0, "ahead of"), (86_400.0, "behind")):
            place.kaltura.clock_ahead_seconds = ahead
            said = place.pull(_last(10), code=1)
            expect(words in said, said[-1000:])
            place.hear("terminal", said, "clock of this machine")
            expect(tables(place.url, place.kaltura) == before, "a run with a clock that is off wrote rows")
        place.kaltura.clock_ahead_seconds = 0.0
        place.pull(_last(10))
        place.expect_well()
        place.expect_true(_last(10))
    return place


@contextmanager
def _small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size, with a file on it to be taken away again. Takes root."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path, leave: int) -> Path:
    ballast, stat = disk / "ballast", os.statvfs(disk)
    ballast.write_bytes(b"0" * max(0, stat.f_bavail * stat.f_frsize - leave))
    return ballast


def home_on_a_full_disk() -> Installation:
    """The disk of DAGSTER_HOME fills in the middle of a run, and is freed."""
    with installed() as place, _small_disk(place.folder / "disk", 12) as disk:
        place.more = {**place.more, "DAGSTER_HOME": str(disk / "home")}
        place.pull(_last(1))
        ballast = _fill(disk, 700_000)
        place.hear("terminal", place.pull(_last(30), code=1), "pull: Dagster's history in DAGSTER_HOME")
        ballast.unlink()
        place.run("status", "--mend", code=None)
        place.pull(_last(30))
        place.expect_well()
        place.expect_true(_last(30))
    return place


def warehouse_on_a_full_disk() -> Installation:
    """The disk of the warehouse fills in the middle of a run, and is freed; a server that stopped over it is started again."""
    with installed(rooms=3, disk=partial(_small_disk, megabytes=400)) as place:
        place.pull(_last(3, LAST - 60 * DAY))
        disk = place.folder / "postgres"
        ballast = _fill(disk, 3_000_000)
        run = place.start("pull", "--from", str(LAST - 59 * DAY), "--to", str(LAST))
        wait_until(lambda: not local_postgres.is_running(disk) or run.poll() is not None, 600, "the server stops")
        ballast.unlink()
        local_postgres.start(disk)
        said = place.end(run, None)
        words = ("No space left on device", "DatabaseUnreachable; tried again in")
        place.hear("terminal", said, next((each for each in words if each in said), words[0]))
        place.pull(_last(63))
        place.expect_well()
        place.expect_true(_last(63))
    return place


def columns_change() -> Installation:
    """Kaltura leaves a column out for a week, and then sends one more for good."""
    with installed() as place:
        place.pull(_last(10, LAST - 20 * DAY))
        place.kaltura.faults.add(Fault("missing_column", times=None, report_id=6001, column="user_email"))
        refused = place.pull(_last(10, LAST - 10 * DAY), code=1)
        place.hear("terminal", refused, "user_email")
        place.kaltura.faults.clear()
        place.kaltura.faults.add(
            Fault("extra_column", times=None, report_id=6001, column="seat", value="12")  # kept in the column extra
        )
        said = place.pull(_last(20))
        place.hear("terminal", said, "known_columns")
        place.kaltura.faults.clear()
        place.pull(_last(30))
        place.expect_well()
        place.expect_true(_last(30))
    return place


def three_accounts() -> Installation:
    """Three accounts in one warehouse, each with marks of its own, pull at once; one of them is refused for a day."""
    with installed(ASSET_PREFIX="one") as place, ExitStack() as stack:
        others = [
            stack.enter_context(place.beside(partner_id=4712 + number, ASSET_PREFIX=name))
            for number, name in enumerate(("two", "three"))
        ]
        others[0].kaltura.faults.add(Fault("service_forbidden", times=None))
        words = ["pull", "--from", str(LAST - 29 * DAY), "--to", str(LAST)]
        runs = [each.start(*words) for each in (place, *others)]
        for each, run, code in zip((place, *others), runs, (0, 1, 0), strict=True):
            said = each.end(run, code)
            if code:
                place.hear("terminal", said, "The run failed.")
        others[0].kaltura.faults.clear()
        others[0].run(*words)
        for each in (place, *others):
            each.expect_well()
            each.expect_true(_last(30))
    return place


def killed() -> Installation:
    """A pull is killed with its days half in, twice, and once ended by Ctrl-C."""
    with installed(rooms=3) as place:
        words = ["pull", "--from", str(LAST - 29 * DAY), "--to", str(LAST)]
        place.kaltura.delay_seconds = 0.3
        for number, number_of_days in ((signal.SIGKILL, 3), (signal.SIGKILL, 9), (signal.SIGINT, 15)):
            run = place.start(*words)
            wait_until(lambda days=number_of_days: _loaded(place) >= days or run.poll() is not None, 300, "days land")  # type: ignore[misc] # noqa: B023
            run.send_signal(number)
            printed = place.end(run, None)
        place.hear("terminal", printed, "Stopped. The days that had landed stay")
        place.kaltura.delay_seconds = 0.0
        place.run(*words)
        place.expect_well()
        place.expect_true(_last(30))
    return place


TRIALS: dict[str, Trial] = {
    trial.__name__.replace("_", "-"): trial
    for trial in (
        three_at_once,
        summer_off,
        killed,
        permission_withdrawn,
        clock_off,
        restored_under_a_run,
        home_on_a_full_disk,
        warehouse_on_a_full_disk,
        columns_change,
        three_accounts,
        failover.lost_last_days,
        webhook.webhook_down,
    )
}
