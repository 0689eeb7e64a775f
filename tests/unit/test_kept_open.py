"""While a run writes its history, its files are kept open: no event's close moves the log and waits for the disk."""

import gc
from pathlib import Path

import dagster as dg
import pytest

from resources.runtime import event_files, garbage


@dg.op
def steps() -> None: ...


@dg.job
def work() -> None:
    steps()


def logs(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("index.db-wal"))


def test_a_file_that_is_kept_open_keeps_its_log_until_the_block_ends(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with event_files.kept_open(instance):
            work.execute_in_process(instance=instance)
            assert logs(tmp_path) == ["index.db-wal"]
        assert logs(tmp_path) == []
        [run] = instance.get_runs()
        with event_files.kept_open(instance, run.run_id):
            assert instance.all_logs(run.run_id)
        assert run.is_success


@pytest.mark.parametrize("run_id", ["", "a run that has no file yet"])
def test_what_has_no_file_is_not_made(tmp_path: Path, run_id: str) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        before = sorted(tmp_path.rglob("*"))
        with event_files.kept_open(instance, run_id):
            assert [path for path in sorted(tmp_path.rglob("*.db")) if path not in before] == []


def test_a_history_in_memory_has_no_file_to_keep_open() -> None:
    with dg.DagsterInstance.ephemeral() as instance, event_files.kept_open(instance):
        assert work.execute_in_process(instance=instance).success


@pytest.mark.parametrize("was_on", [True, False])
def test_the_search_for_garbage_goes_on_as_it_was_and_leaves_what_was_imported_alone(
    was_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(gc.isenabled()))
    try:
        if not was_on:
            gc.disable()
        with garbage.none_among_imports():
            assert not gc.isenabled()
        assert (gc.isenabled(), frozen) == (was_on, [False])
    finally:
        gc.enable()
