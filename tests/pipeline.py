"""The pipeline as its users run it: real commands in real processes, against a stand-in and a database of the test's own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import new_history
import psycopg
import warm
from warm import CHECKOUT as CHECKOUT
from warm import PROGRAMS as PROGRAMS

from simulator import Running

ASSETS = "kaltura/room_sessions,kaltura/attendees,kaltura/breakout_sessions"

# Every column of the three tables but the bookkeeping, which differs between any two loads.
TABLES = {
    "room_sessions": "partner_id, entry_id, cue_point_id",
    "attendees": "partner_id, entry_id, cue_point_id, user_id",
    "breakout_sessions": "partner_id, breakout_entry_id, cue_point_id",
}


@dataclass(frozen=True)
class Pipeline:
    """The environment of one installation: an account (the stand-in), a warehouse, a home for Dagster."""

    kaltura: Running
    database: str
    home: Path
    more: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.home.is_dir():
            new_history.put_into(self.home / "storage")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "KALTURA_BASE_URL": self.kaltura.base_url,
            "KALTURA_PARTNER_ID": str(self.kaltura.partner_id),
            "KALTURA_APP_TOKEN_ID": self.kaltura.app_token_id,
            "KALTURA_APP_TOKEN": self.kaltura.app_token,
            "DATABASE_URL": self.database,
            "DAGSTER_HOME": str(self.home),
            **self.more,
        }

    def start(self, *command: str) -> warm.Process:
        """In a process of its own, which need not import other people's packages first."""
        return warm.Process([str(PROGRAMS / command[0]), *command[1:]], self.environment)

    def run(self, *command: str, succeeds: bool = True, seconds: float = 240) -> str:
        """What the command printed. Its exit code has to be as expected."""
        process = self.start(*command)
        printed, _ = process.communicate(timeout=PATIENCE * seconds)
        assert (process.returncode == 0) is succeeds, printed[-4000:]
        return printed

    def materialize(self, *partitions: str, select: str = ASSETS, succeeds: bool = True) -> str:
        """Plain Dagster's command, as in the README: `--partition DAY` or `--partition-range FIRST...LAST`."""
        words = ["asset", "materialize", "-m", "pipelines.definitions", "--select", select, *partitions]
        return self.run("dagster", *words, succeeds=succeeds)

    def tables(self) -> dict[str, Sequence[tuple[object, ...]]]:
        """Every row of the three tables, without what tells one load from another."""
        bookkeeping = "ARRAY['load_id', 'first_loaded_at', 'changed_at', 'window_start', 'window_end']"
        with psycopg.connect(self.database) as connection:
            return {
                table: connection.execute(
                    f"SELECT to_jsonb(t) - {bookkeeping} FROM kaltura.{table} AS t ORDER BY {key}"
                ).fetchall()
                for table, key in TABLES.items()
            }

    def query(self, text: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(text).fetchall()


def kill(process: "subprocess.Popen[str] | warm.Process") -> None:
    """`kill -9` for the process and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)


def free_port() -> int:
    """One that nobody listened at a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PATIENCE = 5  # times what it takes on a machine that has nothing else to do


def wait_until(condition: object, seconds: float = 60) -> None:
    """Until `condition()` holds; the test fails where it does not in time."""
    gives_up_at = time.monotonic() + PATIENCE * seconds
    began = time.monotonic()
    while not condition():  # type: ignore[operator]
        now = time.monotonic()
        assert now < gives_up_at, "what the test waits for did not happen"
        # What is dear to ask is asked seldom: a question in a loop takes the machine from what it waits for.
        time.sleep(min(1, max(0.02, 4 * (now - began))))
        began = time.monotonic()
