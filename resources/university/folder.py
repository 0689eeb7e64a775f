"""The folder of the university's lists: which of their files are in it."""

import os
from pathlib import Path

from resources.settings import SettingError
from resources.university.lists import LISTS, UniversityList


def lists_in(folder: Path) -> list[UniversityList]:
    """In the order in which they are loaded. Raises `SettingError` where the folder can't be looked into.

    One that is not there, or is closed to this user, tells nothing of its files: it is not one that has none.
    """
    try:
        names = set(os.listdir(folder))
    except OSError as error:
        raise SettingError(
            f"{folder} can't be looked into: {error.strerror}. It has to be a folder that this process finds under that "
            "name and may list; docs/lists.md says how containers have it."
        ) from None
    return [each for each in LISTS if each.file_name in names]


def has_none(folder: Path) -> str:
    """What is said of a folder in which nothing is found."""
    return f"{folder} has none of {', '.join(each.file_name for each in LISTS)}."
