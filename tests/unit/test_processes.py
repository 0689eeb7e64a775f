"""Which process executes a run: told by a tag that outlives it, and is inherited by the run's retry."""

import os
import subprocess
import sys

from resources.runtime.processes import ProcessState, execution_tag, process_state
from resources.settings import CHECKOUT


def of_another_process(run_id: str) -> dict[str, str]:
    code = f"from resources.runtime.processes import execution_tag; print(*execution_tag({run_id!r}).values())"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return {next(iter(execution_tag(run_id))): done.stdout.strip()}


def test_a_process_that_lives_executes_its_run() -> None:
    assert process_state("run", execution_tag("run")) is ProcessState.ALIVE


def test_a_process_that_has_ended_executes_nothing() -> None:
    assert process_state("run", of_another_process("run")) is ProcessState.GONE


def test_a_process_of_the_same_number_that_was_started_later_is_another() -> None:
    key, value = next(iter(of_another_process("run").items()))
    _, _, created, host = value.split()
    assert process_state("run", {key: f"run {os.getpid()} {created} {host}"}) is ProcessState.GONE


def test_of_a_process_on_another_host_it_is_known_that_it_is_there_and_no_more() -> None:
    for tag in (of_another_process("run"), execution_tag("run")):
        key, value = next(iter(tag.items()))
        assert process_state("run", {key: value.rpartition(" ")[0] + " elsewhere"}) is ProcessState.ELSEWHERE


def test_of_a_process_in_a_container_with_the_name_of_its_host_too() -> None:
    key, value = next(iter(of_another_process("run").items()))
    assert process_state("run", {key: f"{value}1"}) is ProcessState.ELSEWHERE


def test_a_tag_of_an_earlier_version_which_named_the_host_alone_is_read() -> None:
    [(key, value)] = execution_tag("run").items()
    assert process_state("run", {key: value.partition("/")[0]}) is ProcessState.ALIVE


def test_a_tag_inherited_from_the_run_that_is_retried_says_nothing() -> None:
    assert process_state("retry", execution_tag("run")) is ProcessState.UNKNOWN
    assert process_state("run", {}) is ProcessState.UNKNOWN
