"""Which process executes a run: told by a tag that outlives it, and is inherited by the run's retry."""

import os
import subprocess
import sys

from resources.runtime.processes import execution_tag, is_executing
from resources.settings import CHECKOUT


def of_another_process(run_id: str) -> dict[str, str]:
    code = f"from resources.runtime.processes import execution_tag; print(*execution_tag({run_id!r}).values())"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return {next(iter(execution_tag(run_id))): done.stdout.strip()}


def test_a_process_that_lives_executes_its_run() -> None:
    assert is_executing("run", execution_tag("run")) is True


def test_a_process_that_has_ended_executes_nothing() -> None:
    assert is_executing("run", of_another_process("run")) is False


def test_a_process_of_the_same_number_that_was_started_later_is_another() -> None:
    key, value = next(iter(of_another_process("run").items()))
    _, _, created, host = value.split()
    assert is_executing("run", {key: f"run {os.getpid()} {created} {host}"}) is False


def test_on_another_host_it_counts_as_gone_since_the_container_was_replaced() -> None:
    key, value = next(iter(execution_tag("run").items()))
    assert is_executing("run", {key: value.rpartition(" ")[0] + " elsewhere"}) is False


def test_a_tag_inherited_from_the_run_that_is_retried_says_nothing() -> None:
    assert is_executing("retry", execution_tag("run")) is None
    assert is_executing("run", {}) is None
