"""`notebook`: the views, with filters, in a browser."""

import os
import sys
from importlib.util import find_spec

import click

from pipelines.command_line import Command, Stopped
from resources.settings import CHECKOUT


@click.command(cls=Command)
def command() -> None:
    """Explore the views with filters, in a marimo notebook."""
    if find_spec("marimo") is None:
        raise Stopped("notebook: marimo is not installed. `make notebook` installs it.")
    os.execv(  # noqa: S606
        sys.executable, [sys.executable, "-m", "marimo", "run", str(CHECKOUT / "notebooks" / "explore.py")]
    )
