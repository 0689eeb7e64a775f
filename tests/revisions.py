"""Dagster's tables are described by forty files, which alembic executes anew for each instance that is opened: 70 ms.

They do not change while the tests run. Here each is executed once a process, and once for all forks of `warm`.
"""

from functools import cache

from alembic import util


def execute_once() -> None:
    anew = util.load_python_file
    once = cache(anew)
    # env.py is no description: what it does, making the tables, is to be done each time.
    util.load_python_file = lambda folder, name: anew(folder, name) if name == "env.py" else once(folder, name)


def execute_now() -> None:
    """For forks to come."""
    from alembic.script import ScriptDirectory
    from dagster._core.storage import event_log, runs, schedules
    from dagster._core.storage.sql import get_alembic_config

    execute_once()
    for storage in (event_log, runs, schedules):
        ScriptDirectory.from_config(get_alembic_config(f"{storage.__path__[0]}/sqlite/__init__.py")).get_heads()
