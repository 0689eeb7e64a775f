"""The dashboards of docker-compose.yml: the services' very commands, and the image's environment, as processes.

What can't be had here is an engine: the image itself is not built, and limits and namespaces are not tried.
"""

import datetime as dt
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import run_folder
import term
from containers import SERVICES, Containers, Database, demo_secrets
from pipeline import CHECKOUT, wait_until
from superset_api import Api

from pipelines.commands.dashboards import answers
from resources.local.superset import Superset
from simulator import University, serving

DAYS = [dt.datetime.now(dt.UTC).date() - dt.timedelta(days=number) for number in (3, 2, 1)]


@pytest.fixture
def containers() -> Iterator[Containers]:
    Superset().require()
    with tempfile.TemporaryDirectory(prefix="kaltura-containers-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the containers' user can reach it
        secrets = demo_secrets(folder)
        database = Database(folder / "postgres", secrets)
        try:
            yield Containers(folder, database, secrets, {})
        finally:
            database.remove()


def image_environment() -> dict[str, str]:
    text = (CHECKOUT / "deploy/dashboards.Dockerfile").read_text().replace("\\\n", " ")
    [line] = re.findall(r"^ENV (.+)$", text, re.MULTILINE)
    return {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}


@contextmanager
def superset(containers: Containers) -> Iterator[str]:
    """The service `dashboards`, with what its image copies in a folder of its own; its address."""
    app = containers.folder / "app"
    shutil.rmtree(app, ignore_errors=True)
    app.mkdir()
    for name in ("dashboards/set_up.py", "dashboards/superset_config.py", "deploy/dashboards.sh"):
        shutil.copy(CHECKOUT / name, app)
    script = app / "dashboards.sh"
    port = containers.ports["8088"]
    script.write_text(script.read_text().replace("0.0.0.0:8088", f"127.0.0.1:{port}"))
    environment = {
        name: containers._placed(value).replace("/app", str(app)) for name, value in image_environment().items()
    }
    environment["PATH"] = f"{Superset().python.parent}:{os.environ['PATH']}"
    with (containers.folder / "dashboards.log").open("ab") as log:
        process = subprocess.Popen(
            SERVICES["dashboards"]["command"], cwd=app, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: answers(port) or process.poll() is not None, 180)
        assert process.poll() is None, containers.log("dashboards")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_the_profile_brings_superset_up_over_the_warehouse_and_again_after_a_restart(containers: Containers) -> None:
    containers.run("migrate")
    with serving(University(seed=11, timezone="UTC", rooms=4)) as kaltura:
        term.pull((containers.secrets / "database_url").read_text(), kaltura, DAYS)
    for _ in range(2):
        with run_folder.alone("roles"):
            containers.run("dashboards-bundle")
        with superset(containers) as address:
            password = (containers.secrets / "superset_admin_password").read_text().strip()
            with closing(Api(address, "admin", password)) as admin:
                charts = admin.charts()
                [figure] = admin.data(charts["Sessions pulled"])["data"]
                assert None not in figure.values()
                assert len(charts) == 50
    for secret in ("analyst_password", "people_password", "superset_secret_key"):
        said = (containers.folder / "dashboards.log").read_text() + (
            containers.folder / "dashboards-bundle.log"
        ).read_text()
        assert (containers.secrets / secret).read_text().strip() not in said
