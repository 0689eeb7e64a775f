"""The real parts that tests run on: one private Postgres for them all, a fresh database and a stand-in for each."""

import os

# Before anything of the project is imported: a developer's own settings must not reach the tests.
os.environ["PYTHON_DOTENV_DISABLED"] = "1"
for _name in [name for name in os.environ if name.startswith(("KALTURA_", "DAGSTER_", "PG"))]:
    del os.environ[_name]
for _name in (
    "DATABASE_URL",
    "START_DATE",
    "PARTITION_TIMEZONE",
    "SESSION_GRACE_HOURS",
    "LOOKBACK_DAYS",
    "DAYS_PER_RUN",
    "PII_MODE",
    "PII_KEY",
    "RETENTION_DAYS",
):
    os.environ.pop(_name, None)

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from resources.kaltura.client import Client
from resources.kaltura.session import Credentials
from resources.local import postgres as local_postgres
from resources.postgres.migrations import migrate
from resources.warehouse.warehouse import Warehouse
from simulator import Running

TEMPLATE = "template_kaltura"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """A server of the tests' own. Durability is off: what a crash does is tested where a server is crashed."""
    folder = Path(tempfile.mkdtemp(prefix="kaltura-tests-"))
    folder.chmod(0o755)
    local_postgres.start(folder)
    with psycopg.connect(local_postgres.url(folder), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    migrate(local_postgres.url(folder, TEMPLATE))
    yield folder
    local_postgres.remove(folder)


@pytest.fixture
def new_database(postgres_folder: Path) -> Iterator[Callable[[], str]]:
    """Makes a migrated, empty database and returns its libpq URL."""
    names = []

    def make() -> str:
        name = f"test_{next(_numbers)}"
        names.append(name)
        with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return local_postgres.url(postgres_folder, name)

    yield make
    with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


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
