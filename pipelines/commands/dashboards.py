"""`dashboards`: Superset with the project's dashboards over the warehouse, until Ctrl-C; or what another Superset needs for
that: the bundle as a zip, and the logins.
"""

import os
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NoReturn

import click

from pipelines.command_line import Command, Stopped, database_url_option
from resources.local.superset import Superset
from resources.settings import Settings, listening_port

PORT = 8088
STOP_SECONDS = 20


@click.command(cls=Command)
@click.option(
    "--zip", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the bundle there, start nothing."
)
@click.option(
    "--prepare",
    type=click.Path(path_type=Path, file_okay=False),
    help="Make the logins and FOLDER/bundle.zip, start nothing.",
    metavar="FOLDER",
)
@click.option("--port", type=click.IntRange(1, 65535), help=f"Default: DASHBOARDS_PORT, or {PORT}.")
@database_url_option
def command(file: Path | None, prepare: Path | None, port: int | None, database_url: str) -> None:
    """Serve the dashboards on http://localhost:8088 until Ctrl-C, or write them as a file for a Superset that you have.

    With --zip, --database-url is the warehouse as that Superset reaches it, with an analyst's login. A password in it is left
    out of the file: Superset asks for it when the file is imported.

    With --prepare, passwords come from the files in DASHBOARDS_SECRETS, as in docker-compose.yml.
    """
    timezone = str(Settings.from_environment().timezone)
    if file:
        _write(file, database_url, timezone)
    elif prepare:
        write_bundle(Superset(), prepare / "bundle.zip", database_url, timezone)
        click.echo(f"{prepare / 'bundle.zip'}: written. The logins are made.")
    else:
        _serve(Superset(), port or listening_port("DASHBOARDS_PORT", PORT), database_url, timezone)


def _write(file: Path, url: str, timezone: str) -> None:
    from pipelines.dashboards import bundle
    from pipelines.dashboards.addresses import left_out, without_password
    from resources.postgres.url import database_url

    warehouse = url or database_url()
    address = without_password(warehouse)
    bundle.write_zip(bundle.for_database(bundle.current(), address, timezone), file)
    click.echo(f"{file}: import it in Superset under Dashboards. It holds no password.")
    if names := left_out(warehouse):
        click.echo(f"Left out of the URL, as it is not how the server is reached: {', '.join(names)}.", err=True)


def _serve(superset: Superset, port: int, url: str, timezone: str) -> None:
    from pipelines.commands.ui import ignore_interrupts, is_free
    from pipelines.instance.ui_processes import heed_ends

    superset.require()
    if not is_free("127.0.0.1", port):
        raise Stopped(f"Port {port} is taken. Stop what listens there, or choose another: make dashboards PORT=8089")
    is_new = superset.make_secrets()
    heed_ends()
    process = None
    try:
        superset.pid_file.write_text(str(os.getpid()))
        click.echo("Bringing Superset up to date ...")
        bring_up_to_date(superset, url, timezone)
        process = superset.serve(port)
        _watch(superset, process, port, is_new)
    except KeyboardInterrupt:
        return
    finally:
        ignore_interrupts()
        if process:
            _stop(process)
        superset.pid_file.unlink(missing_ok=True)


def bring_up_to_date(superset: Superset, url: str, timezone: str) -> None:
    """The logins in the warehouse, and the bundle in Superset."""
    with tempfile.TemporaryDirectory(prefix="kaltura-dashboards-") as folder:
        file = Path(folder) / "bundle.zip"
        write_bundle(superset, file, url, timezone)
        superset.set_up(file)


def write_bundle(superset: Superset, file: Path, url: str, timezone: str) -> None:
    """The bundle over the warehouse, with a login there that is made by this, as the one that sees people is."""
    from assets.reports import TABLES
    from pipelines.dashboards import bundle
    from pipelines.dashboards.addresses import of_login
    from resources.postgres.logins import PEOPLE_LOGIN, make_login
    from resources.postgres.migrations import migrate
    from resources.postgres.roles import apply_roles
    from resources.postgres.url import database_url, is_private

    warehouse = url or database_url()
    if not url and is_private():
        migrate(warehouse, TABLES)
    apply_roles(warehouse, again=False)
    make_login(warehouse, bundle.LOGIN, "kaltura_analyst", superset.secret("analyst_password"))
    make_login(warehouse, PEOPLE_LOGIN, "kaltura_analyst_pii", superset.secret("people_password"))
    bundle.write_zip(bundle.for_database(bundle.current(), of_login(warehouse, bundle.LOGIN), timezone), file)


def _watch(superset: Superset, process: "subprocess.Popen[bytes]", port: int, is_new: bool) -> NoReturn:
    """Say when it answers. Raises `Stopped` when it ends."""
    told = False
    while True:
        if process.poll() is not None:
            raise Stopped(f"Superset ended. Its log: {superset.log}\n{superset.tail()}")
        if not told and answers(port):
            file = superset.secrets / "superset_admin_password"
            password = superset.secret("superset_admin_password") if is_new else f"in {file}"
            click.echo(f"Superset is on http://localhost:{port} (Ctrl-C stops it). User: admin. Password: {password}")
            told = True
        time.sleep(0.5)


def answers(port: int) -> bool:
    """Whether Superset does, on this machine."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
            return True
    except OSError:
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
