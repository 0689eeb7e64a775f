"""A fresh Superset, as `make dashboards` makes it, over the stand-in's university; and its users of each kind."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import run_folder
import term
from conftest import Databases
from pipeline import free_port, wait_until
from superset_api import Api, Served

from pipelines.commands.dashboards import answers, bring_up_to_date
from resources.local.superset import Superset
from simulator import University, serving

TODAY = dt.datetime.now(dt.UTC).date()
DAYS = [TODAY - dt.timedelta(days=number) for number in range(20, -1, -1)]

# Some configure a cache of charts' data: what it must not show is tested with one.
_WITH_A_CACHE = """\
exec(open('{settings}').read())
DATA_CACHE_CONFIG = {{"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": '{folder}', "CACHE_DEFAULT_TIMEOUT": 3600}}
"""


@pytest.fixture(scope="session")
def postgres(postgres_folder: Path) -> Iterator[Databases]:
    made = Databases(postgres_folder)
    yield made
    made.drop()


@pytest.fixture(scope="session")
def warehouse(postgres: Databases, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three weeks of it up to today, the newest of them pulled twice, and its lists."""
    url = postgres.make()
    university = University(seed=11, timezone="UTC", rooms=12)
    with serving(university) as running:
        noon = dt.datetime.combine(DAYS[-3], dt.time(10), dt.UTC)
        running.now = noon.timestamp()
        term.pull(url, running, DAYS[-4:-2])
        running.now = None
        term.pull(url, running, DAYS)
    term.load_lists(url, tmp_path_factory.mktemp("lists"), university, DAYS[0], DAYS[-1])
    return url


@pytest.fixture(scope="session")
def served(warehouse: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("superset")
    (folder / "settings.py").write_text(_WITH_A_CACHE.format(settings=Superset.settings, folder=folder / "cache"))
    superset = Superset(folder, settings=folder / "settings.py")
    superset.require()
    superset.make_secrets()
    with run_folder.alone("roles"):
        bring_up_to_date(superset, warehouse, "UTC")
    port = free_port()
    process = superset.serve(port)
    try:
        wait_until(lambda: answers(port) or process.poll() is not None, 120)
        assert process.poll() is None, superset.tail()
        address = f"http://127.0.0.1:{port}"
        with closing(Api(address, "admin", superset.secret("superset_admin_password"))) as admin:
            yield Served(superset, address, warehouse, admin)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def analyst(served: Served) -> Iterator[Api]:
    with closing(served.user("ann", "kaltura_analyst")) as api:
        yield api


@pytest.fixture(scope="session")
def people_analyst(served: Served) -> Iterator[Api]:
    with closing(served.user("pia", "kaltura_analyst_pii")) as api:
        yield api
