"""`stop`: ends what `pull`, `ui` and `dashboards` left running: the UI, Superset and the private Postgres. Data stay."""

from functools import partial
from pathlib import Path

import click
import psutil

from pipelines.command_line import Command
from pipelines.instance.dagster_home import home_folder
from pipelines.instance.ui_processes import end, of_home
from resources.local import postgres as local_postgres
from resources.local.superset import MARK as SUPERSET_MARK
from resources.local.superset import Superset

STOP_SECONDS = 90  # the UI gives each of its three processes 20


@click.command(cls=Command)
def command() -> None:
    """Stop what a checkout runs for itself: the UI, Superset and the private Postgres. Data stay."""
    home = home_folder()
    was_up = _stopped(home / "ui.pid", "ui")
    left = of_home(home)  # by a `ui` that was killed
    end(partial(of_home, home))
    if was_up or left:
        click.echo("stopped Dagster's UI, daemon and code server")
    superset = Superset()
    was_up = _stopped(superset.pid_file, "dashboards")
    left = of_home(superset.folder, SUPERSET_MARK)  # by a `dashboards` that was killed
    end(partial(of_home, superset.folder, SUPERSET_MARK))
    if was_up or left:
        click.echo("stopped Superset")
    folder = local_postgres.default_folder()
    was_running = local_postgres.is_running(folder)
    local_postgres.stop(folder)
    click.echo("stopped the private Postgres; its data stay" if was_running else "the private Postgres was not running")


def _stopped(file: Path, name: str) -> bool:
    """Whether there was such a command to stop: the pid in the file may be anyone's after a reboot."""
    try:
        process = psutil.Process(int(file.read_text()))
        if not {"pipelines", name} <= set(process.cmdline()):
            return False
        process.terminate()
        process.wait(STOP_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return False
    return True
