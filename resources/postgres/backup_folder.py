"""The folder of backups: what they are called, and which are old enough to go."""

import datetime as dt
import re
from pathlib import Path

from resources.settings import output_folder

_TIME = "%Y-%m-%dT%H%M%SZ"
_NAME = re.compile(r"kaltura-(?P<time>\d{4}-\d\d-\d\dT\d{6}Z)\.dump")


def new_file(now: dt.datetime, folder: Path | None = None) -> Path:
    """A backup's default name, in that folder or the one where backups go by default.

    `now` is the database's: by that its age is told, whatever the clocks of the machines that make backups say.
    """
    return (folder or output_folder("backups")) / f"kaltura-{now.astimezone(dt.UTC):{_TIME}}.dump"


def manifest_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def remove_older(newest: Path, before: dt.datetime) -> list[Path]:
    """Remove the backups beside the newest that have the default name and were made before then, both files of each.

    Returns the dumps among them.
    """
    beside = {path for path in newest.parent.iterdir() if path.is_file()} - {newest, manifest_of(newest)}
    found = [path for path in sorted(beside) if (made := _made_at(path.name.removesuffix(".json"))) and made < before]
    for path in found:  # a dump before its manifest: one that is left alone goes the next time
        path.unlink(missing_ok=True)
    return [path for path in found if path.suffix == ".dump"]


def _made_at(name: str) -> dt.datetime | None:
    """When a backup was made, by its name; None of another's file."""
    found = _NAME.fullmatch(name)
    try:
        return dt.datetime.strptime(found["time"], _TIME).replace(tzinfo=dt.UTC) if found else None
    except ValueError:
        return None
