"""A file is there whole or not at all, whoever else writes into its folder, and what was killed there leaves nothing for good."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from resources.runtime.atomic_file import atomic_file
from resources.runtime.drafts import UNLOCKED_SECONDS, draft_folder

LONG_AGO = time.time() - UNLOCKED_SECONDS - 60


@pytest.mark.parametrize("writers", [1, 2, 5])
def test_several_who_write_one_file_at_once_do_not_meet(writers: int, tmp_path: Path) -> None:
    """All in one process, as those of several containers may have one id."""
    with ExitStack() as all_end:
        drafts = [all_end.enter_context(atomic_file(tmp_path / "report.html")) for _ in range(writers)]
        for number, draft in enumerate(drafts):
            draft.write_text(str(number))
        assert not (tmp_path / "report.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == "0", "the last one to end"
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o600


@pytest.mark.parametrize("has_one_before", [False, True])
def test_of_one_that_fails_nothing_is_left_and_the_file_is_as_it_was(has_one_before: bool, tmp_path: Path) -> None:
    if has_one_before:
        (tmp_path / "report.html").write_text("before")

    def fail() -> None:
        with atomic_file(tmp_path / "report.html") as draft:
            draft.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"] * has_one_before


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.ENOENT, errno.EIO])
def test_no_file_fails_over_a_draft_of_another_that_can_not_be_looked_at(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that another machine has just removed from a folder that both have mounted."""
    (tmp_path / ".people.csv.abcd_123.draft").mkdir()
    look = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path != tmp_path:
            raise OSError(number, os.strerror(number))
        return look(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with atomic_file(tmp_path / "report.html") as draft:
        draft.write_text("x")
    assert (tmp_path / "report.html").read_text() == "x"


@pytest.mark.parametrize("is_old", [False, True])
def test_where_there_are_no_locks_a_draft_goes_once_nobody_has_written_to_it_for_long(
    is_old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", refused)
    with draft_folder(tmp_path / "people.csv") as (folder, _):
        (folder / "people.csv").write_text("Ada")
        for path in (folder / "people.csv", folder):
            os.utime(path, (LONG_AGO, LONG_AGO) if is_old else None)
        with atomic_file(tmp_path / "other.csv"):
            pass
        assert folder.exists() is not is_old
