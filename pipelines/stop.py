"""Stops what `make run` and `make ui` started: the UI, the stand-in Kaltura, the private Postgres. Data stay.

python -m pipelines.stop
"""

import os
import sys
from pathlib import Path

import psutil

from resources.errors import ConfigurationError
from resources.local import kaltura as standin
from resources.local import postgres as local_postgres
from resources.settings import LOCAL, load_env_file

UI_STOP_SECONDS = 60


def main() -> int:
    load_env_file()
    say = sys.stdout.write
    if _stop_ui():
        say("stopped Dagster's UI, daemon and code server\n")
    say("stopped the stand-in Kaltura\n" if standin.stop() else "the stand-in Kaltura was not running\n")
    folder = local_postgres.default_folder()
    try:
        was_running = local_postgres.is_running(folder)
        local_postgres.stop(folder)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    say("stopped the private Postgres; its data stay\n" if was_running else "the private Postgres was not running\n")
    return 0


def _stop_ui() -> bool:
    """Whether there was a UI to stop: the pid in the file may be anyone's after a reboot."""
    file = Path(os.environ.get("DAGSTER_HOME") or LOCAL / "dagster") / "ui.pid"
    try:
        process = psutil.Process(int(file.read_text()))
        if "pipelines.ui" not in process.cmdline():
            return False
        process.terminate()
        process.wait(UI_STOP_SECONDS)
    except (OSError, ValueError, psutil.Error):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
