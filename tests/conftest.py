"""The real parts that tests run on: one private Postgres for them all, a fresh database and a stand-in for each."""

import gc
import os
import signal
import sys

# What a shell begins in the background ignores SIGINT, and Dagster takes SIGTERM for SIGINT: processes that tests start, and
# end so, would go on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing looks for garbage among what is imported, nor among it while the tests run: a million objects that stay.
gc.disable()

# Python keeps what it has compiled: each of the many processes would compile all packages anew, which takes it seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Before anything else of the project is imported: a developer's own settings must not reach the tests.
os.environ["PYTHON_DOTENV_DISABLED"] = "1"
from resources.settings import NAMES  # which reads no setting when it is imported

for _name in [name for name in os.environ if name in NAMES or name.startswith(("KALTURA_", "DAGSTER_", "PG"))]:
    del os.environ[_name]

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest
import revisions
import run_folder

from resources.kaltura.client import Client
from resources.kaltura.session import Credentials
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.warehouse.warehouse import Warehouse
from simulator import Running

hypothesis.settings.register_profile("patient", deadline=None)  # nothing is asserted of time: machines differ
hypothesis.settings.load_profile("patient")
revisions.execute_once()

TEMPLATE = "template_kaltura"
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        run_folder.begin()
    _hand_no_ignored_hangup_on(config)


def _hand_no_ignored_hangup_on(config: pytest.Config) -> None:
    """Under `nohup` SIGHUP is ignored, and commands that tests start, and hang up on, would inherit that.

    A handler that does nothing ignores it as well, and is not inherited by what is started. Whoever starts workers
    stays as it was, so that they go on when the terminal goes.
    """
    runs_tests = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if runs_tests and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first: at the head of each worker's share, for xdist begins with a block of the list for each."""
    slow = [item for item in items if item.get_closest_marker("deep") or item.get_closest_marker("larger")]
    others = [item for item in items if item not in slow]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    total = len(items)
    items.clear()
    for number in range(workers):
        mine = slow[number::workers]
        share = (number + 1) * total // workers - len(items) - len(mine)
        items += mine + others[:share]
        del others[:share]
    items += others


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        run_folder.end()


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """A command that is called in the test's own process closes what it makes from then on to other users, for good."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def postgres_folder() -> Path:
    """The tests' own server, one for all workers. Durability is off: what a crash does is tested where one is crashed."""
    folder = run_folder.folder() / "postgres"
    with run_folder.alone("postgres"):
        if not (folder / "is ready").exists():
            local_postgres.start(folder)
            with psycopg.connect(local_postgres.url(folder), autocommit=True) as connection:
                for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                    connection.execute(f"ALTER SYSTEM SET {setting} = off")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute(f"CREATE DATABASE {TEMPLATE}")
            from assets.reports import TABLES  # which reads the settings

            migrate(local_postgres.url(folder, TEMPLATE), TABLES)
            (folder / "is ready").touch()
    return folder


class Databases:
    """Databases of one test or module on the server that all workers share: their names are nobody else's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def make(self, template: str = TEMPLATE) -> str:
        """A copy of the template (a name, or the URL of one made here), by default migrated and empty; its libpq URL."""
        template = psycopg.conninfo.conninfo_to_dict(template)["dbname"] if "/" in template else template
        name = f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}_{next(_numbers)}"
        with psycopg.connect(local_postgres.url(self.folder), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
        self.names.append(name)
        return local_postgres.url(self.folder, name)

    def drop(self) -> None:
        with psycopg.connect(local_postgres.url(self.folder), autocommit=True) as connection:
            for name in self.names:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def databases(postgres_folder: Path) -> Iterator[Databases]:
    """Databases that stay until the module's tests are done."""
    made = Databases(postgres_folder)
    yield made
    made.drop()


@pytest.fixture
def new_database(postgres_folder: Path) -> Iterator[Callable[[], str]]:
    """Makes a migrated, empty database and returns its libpq URL."""
    made = Databases(postgres_folder)
    yield made.make
    made.drop()


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """The libpq URL of a migrated, empty database."""
    return new_database()


@pytest.fixture
def warehouse(database: str) -> Iterator[Warehouse]:
    """The same database, as the pipeline opens it."""
    opened = Warehouse(database)
    yield opened
    opened.close()


@contextmanager
def client_of(running: Running, **settings: float) -> Iterator[Client]:
    """A client of a stand-in, by app token, whose pauses between tries are short."""
    credentials = Credentials(str(running.partner_id), app_token_id=running.app_token_id, app_token=running.app_token)
    client = Client(running.base_url, credentials, row_cap=running.row_cap, **{"pause_scale": 0.001, **settings})
    try:
        yield client
    finally:
        client.close()
