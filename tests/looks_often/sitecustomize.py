"""Dagster's daemon looks for backfills every second and not every half minute, where PYTHONPATH names this folder.

Python imports a module of this name as it starts. For tests that wait for a backfill to begin, and not for the interval.
"""

import sys

if any(word.endswith("dagster-daemon") for word in sys.orig_argv):
    from dagster._daemon import controller

    controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 1
