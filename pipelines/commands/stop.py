"""`stop`: ends what `pull` and `ui` left running, which are the UI and the private Postgres. Data stay."""

import os
from pathlib import Path

import click
import psutil

from pipelines.command_line import Command
from resources.local import postgres as local_postgres
from resources.settings import LOCAL

UI_STOP_SECONDS = 60


@click.command(cls=Command)
def command() -> None:
    """Stop what a checkout runs for itself: the UI and the private Postgres. Data stay."""
    if _stop_ui():
        click.echo("stopped Dagster's UI, daemon and code server")
    folder = local_postgres.default_folder()
    was_running = local_postgres.is_running(folder)
    local_postgres.stop(folder)
    click.echo("stopped the private Postgres; its data stay" if was_running else "the private Postgres was not running")


def _stop_ui() -> bool:
    """Whether there was a UI to stop: the pid in the file may be anyone's after a reboot."""
    file = Path(os.environ.get("DAGSTER_HOME") or LOCAL / "dagster") / "ui.pid"
    try:
        process = psutil.Process(int(file.read_text()))
        if not {"pipelines", "ui"} <= set(process.cmdline()):
            return False
        process.terminate()
        process.wait(UI_STOP_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return False
    return True
