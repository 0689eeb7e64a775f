"""An installation to be tried: a server of its own, a stand-in, a home for Dagster, and real commands."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from assets.reports import REPORTS, TABLES
from resources.kaltura.windows import Days
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.settings import CHECKOUT, NAMES
from simulator import Credentials, Running, University, serving

BOOKKEEPING = "'{load_id,first_loaded_at,changed_at,window_start,window_end}'::text[]"
COMMAND_SECONDS = 1800.0

Disk = Callable[[Path], AbstractContextManager[object]]


class TrialError(Exception):
    """What was tried did not come out as promised."""


def expect(holds: object, what: str) -> None:
    """Raises `TrialError`."""
    if not holds:
        raise TrialError(what)


@dataclass
class Installation:
    """`told` is what somebody read, as (who, words); `ends` what holds at the end."""

    folder: Path
    kaltura: Running
    url: str
    more: Mapping[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)
    ends: str = "the tables equal the truth; `status` has nothing to mend"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        theirs = {name: value for name, value in os.environ.items() if name not in NAMES}
        return {
            **theirs,
            "PYTHON_DOTENV_DISABLED": "1",
            "KALTURA_BASE_URL": self.kaltura.base_url,
            "KALTURA_PARTNER_ID": str(self.kaltura.partner_id),
            "KALTURA_APP_TOKEN_ID": self.kaltura.app_token_id,
            "KALTURA_APP_TOKEN": self.kaltura.app_token,
            "DATABASE_URL": self.url,
            "DAGSTER_HOME": str(self.home),
            "START_DATE": "2026-01-01",
            "COLUMNS": "400",
            **self.more,
        }

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines", *words],
            cwd=CHECKOUT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, process: "subprocess.Popen[str]", code: int | None = 0) -> str:
        """What it printed. Raises `TrialError` where its exit code is another, or there is a traceback in it."""
        printed, _ = process.communicate(timeout=COMMAND_SECONDS)
        expect(code is None or process.returncode == code, f"exit code {process.returncode}: {printed[-2000:]}")
        expect("Traceback" not in printed, printed[-2000:])
        return printed

    def run(self, *words: str, code: int | None = 0) -> str:
        return self.end(self.start(*words), code)

    def pull(self, days: Days, code: int | None = 0) -> str:
        return self.run("pull", "--from", str(days.first), "--to", str(days.last), code=code)

    @contextmanager
    def beside(self, *, partner_id: int, rooms: int = 2, **more: str) -> Iterator["Installation"]:
        """Another account in the same warehouse, with the same DAGSTER_HOME."""
        university = University(seed=partner_id, timezone="UTC", rooms=rooms)
        with serving(university, credentials=Credentials(partner_id=partner_id)) as kaltura:
            yield Installation(self.folder, kaltura, self.url, more)

    def hear(self, who: str, text: str, *beginnings: str) -> None:
        """Note the lines of the text that begin so. Raises `TrialError` where one was not said."""
        for beginning in beginnings:
            lines = [line.strip() for line in text.splitlines() if beginning in line]
            expect(lines, f"not said to {who}: {beginning!r}. Said was: {text[-2000:]}")
            self.told.append((who, lines[-1]))

    def expect_well(self) -> None:
        expect("The warehouse and Dagster agree." in self.run("status"), "status has something to mend")

    def expect_true(self, days: Days) -> None:
        """The tables equal those of an installation that was never disturbed. Raises `TrialError`."""
        with undisturbed(self.kaltura, days) as truth:
            expected, found = tables(truth, self.kaltura), tables(self.url, self.kaltura)
        for name, rows in expected.items():
            expect(rows == found[name], f"{name}: {len(found[name])} rows, {len(rows)} of the truth, not the same")


def tables(url: str, kaltura: Running) -> dict[str, list[tuple[object, ...]]]:
    """The account's rows, without the bookkeeping."""
    with psycopg.connect(url) as connection:
        return {
            report.table.name: connection.execute(
                f"SELECT (to_jsonb(t) - {BOOKKEEPING})::text FROM kaltura.{report.table.name} AS t"
                " WHERE partner_id = %s ORDER BY 1".encode(),
                [kaltura.partner_id],
            ).fetchall()
            for report in REPORTS
        }


@contextmanager
def undisturbed(kaltura: Running, days: Days) -> Iterator[str]:
    """The URL of a warehouse with these days, pulled at once with nothing in the way."""
    kaltura.faults.clear()
    with _server() as (folder, url):
        Installation(folder, kaltura, url).pull(days)
        yield url


@contextmanager
def installed(*, rooms: int = 2, disk: Disk = nullcontext, **more: str) -> Iterator[Installation]:
    """`disk` is made where the server's data are to be."""
    with _server(disk) as (folder, url), serving(University(seed=11, timezone="UTC", rooms=rooms)) as kaltura:
        yield Installation(folder, kaltura, url, more)


@contextmanager
def _server(disk: Disk = nullcontext) -> Iterator[tuple[Path, str]]:
    folder = Path(tempfile.mkdtemp(prefix="years-"))
    folder.chmod(0o755)  # as root, the server is another account's
    try:
        with disk(folder / "postgres"):
            local_postgres.start(folder / "postgres")
            try:
                url = local_postgres.url(folder / "postgres")
                migrate(url, TABLES)
                yield folder, url
            finally:
                local_postgres.stop(folder / "postgres")
    finally:
        shutil.rmtree(folder)


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Raises `TrialError`."""
    gives_up_at = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < gives_up_at, f"did not happen within {seconds:.0f} s: {what}")
        time.sleep(0.2)
