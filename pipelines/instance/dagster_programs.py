"""How Dagster's own programs are started: not beside a `.env`, so that what the environment holds wins, as everywhere here.

Each of them puts the `.env` of its working directory over its environment, and expands `${NAME}` in it. What starts one
has read the settings already, so they begin in a folder without that file, with the checkout on the path of modules.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.settings import CHECKOUT

STARTED_IN = Path("/")
# Dagster's options that name files and folders, in both spellings.
PATH_OPTIONS = frozenset({"-d", "--working-directory", "-w", "--workspace", "-f", "--python-file", "-c", "--config"})


def is_dagsters(words: Sequence[str]) -> bool:
    """Whether a command is one of Dagster's programs: `dagster-daemon run`, `python -m dagster job list`."""
    program = words[2] if len(words) > 2 and words[1] == "-m" else words[0]
    return Path(program).name.startswith("dagster")


def with_checkout(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment in which the checkout's modules are found from any folder."""
    there = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path and path != str(CHECKOUT)]
    return {**environment, "PYTHONPATH": os.pathsep.join([str(CHECKOUT), *there])}


def beside_no_env_file(words: Sequence[str]) -> tuple[str, ...]:
    """Leave a folder that has a `.env`. Returns the command's words, of which those that name files there do so still.

    The checkout is on the path either way: Dagster has it there while the definitions are loaded, and not when a run
    imports what it needs only then.
    """
    os.environ.update(with_checkout(os.environ))
    if not Path(".env").exists():
        return tuple(words)
    here = Path.cwd()
    named = tuple(_from_anywhere(word, before, here) for before, word in zip(("", *words), words, strict=False))
    os.chdir(STARTED_IN)
    return named


def _from_anywhere(word: str, before: str, here: Path) -> str:
    """The word, whose path is made absolute: of a file, also behind `--option=`, and what an option for paths is given."""
    option, equals, given = word.partition("=") if word.startswith("--") else ("", "", word)
    is_path = os.path.isfile(given) or (given and (option or before) in PATH_OPTIONS and os.path.exists(given))
    return f"{option}{equals}{here / given}" if is_path else word
