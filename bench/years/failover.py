"""A failover to a real streaming standby that lacks what was committed last."""

import datetime as dt
import os
import signal
import subprocess
from pathlib import Path

import psycopg

from bench.years.installation import Installation, expect, installed, wait_until
from resources.kaltura.windows import DAY, Days
from resources.local import postgres
from resources.local.os_user import give, os_user_for, private_folder, run_as
from resources.local.postmaster import postmaster
from resources.local.programs import binary, runnable_programs

LAST = dt.datetime.now(dt.UTC).date() - DAY
START_SECONDS = 60


def lost_last_days() -> Installation:
    """The primary dies, and the standby that takes over lacks the last five days."""
    with installed() as place:
        place.pull(Days(LAST - 24 * DAY, LAST - 5 * DAY))
        standby = _Standby(place)
        try:
            standby.follow()
            place.pull(Days(LAST - 4 * DAY, LAST))
            _kill(place)
            place.hear("terminal", place.run("status", code=1), "status: the database can't be reached")
            place.url = standby.take_over()
            place.hear("status", place.run("status", code=1), "marked and not there: 5 days")
            place.run("status", "--mend", code=None)
            place.pull(Days(LAST - 4 * DAY, LAST))
            place.expect_well()
            place.expect_true(Days(LAST - 24 * DAY, LAST))
        finally:
            standby.stop()
    return place


class _Standby:
    """A copy of the installation's server that follows it."""

    def __init__(self, place: Installation) -> None:
        self.primary = postgres.find(place.folder / "postgres")
        self.url = place.url
        self.account = os_user_for(self.primary.data)
        self.programs = runnable_programs(self.primary.home, self.account)
        self.data = self.primary.home / "standby"
        self.sockets = place.folder / "standby"
        self.log = self.sockets / "log"

    def follow(self) -> None:
        """Until it has all that there is by now; then it is cut off."""
        copy = [binary("pg_basebackup"), "-d", self.url, "-D", self.data, "-R", "-X", "stream", "-c", "fast"]
        done = subprocess.run([str(word) for word in copy], capture_output=True, text=True, check=False)
        expect(not done.returncode, done.stderr)
        for path in (self.data, *self.data.rglob("*")):
            give(path, self.account)
        private_folder(self.sockets, self.account)
        self._start()
        caught_up = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
        with psycopg.connect(self.url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(caught_up).fetchone() == (1,), START_SECONDS, "the standby follows")
        self.stop()

    def take_over(self) -> str:
        """Its URL, once it is the primary."""
        self._start()
        self._ctl("promote", "-w", "-t", START_SECONDS)
        return self.url.replace(str(self.primary.sockets), str(self.sockets))

    def stop(self) -> None:
        self._ctl("stop", "-m", "fast", "-w")

    def _start(self) -> None:
        options = ["-l", self.log, "-o", f"-k {self.sockets}"]
        self._ctl("start", "-w", "-t", START_SECONDS, *options, expected=True)

    def _ctl(self, what: str, *words: object, expected: bool = False) -> None:
        command: list[str | Path] = [self.programs / "pg_ctl", what, "-D", self.data, *map(str, words)]
        done = run_as(command, self.account)
        log = self.log.read_text("utf-8") if self.log.exists() else ""
        expect(not (expected and done.returncode), f"{done.stdout} {log[-1000:]}")


def _kill(place: Installation) -> None:
    process = postmaster(postgres.find(place.folder / "postgres"))
    expect(process, "the primary runs")
    assert process
    children = process.children()
    os.kill(process.pid, signal.SIGKILL)
    for child in children:
        child.wait(30)
