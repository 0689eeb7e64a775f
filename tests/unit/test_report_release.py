"""A report on disk is shown again only where this release would write the same."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from assets.room_report import asset as room_report_module
from assets.room_report.figures import Account
from resources.settings import CHECKOUT

DAY = dt.date(2026, 9, 20)


@pytest.fixture(scope="module")
def another_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that a report is made by."""
    folder = tmp_path_factory.mktemp("release")
    for place in room_report_module.MADE_BY:
        shutil.copytree(CHECKOUT / place, folder / place)
    return folder


MADE_BY = ["sql/report/weeks.sql", "sql/views/33_weekly.sql", "assets/room_report/sentences.py"]
MADE_BY += ["assets/room_report/templates/room_report.html", "assets/room_report/languages/de.toml"]


@pytest.mark.parametrize("name", MADE_BY)
def test_a_report_that_another_release_would_write_otherwise_is_not_current(
    name: str, another_release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(101, DAY, DAY, None, "the same data")
    path = tmp_path / "report.html"
    path.write_text(f"<html></html>\n{room_report_module._made_from(account, 'en')}")
    monkeypatch.setattr(room_report_module, "_RELEASE", room_report_module._release(another_release))
    assert room_report_module.is_current(path, account, "en")
    changed = another_release / name
    before = changed.read_bytes()
    changed.write_bytes(before + b" ")
    monkeypatch.setattr(room_report_module, "_RELEASE", room_report_module._release(another_release))
    changed.write_bytes(before)
    assert not room_report_module.is_current(path, account, "en")
