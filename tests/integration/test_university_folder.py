"""UNIVERSITY_DIR that is not what it says: whoever looks there is told, and does not take it for lists that stay the same."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from pipelines.command_line import front_door
from pipelines.sensors.changed_lists import changed_lists
from resources import settings as settings_module
from resources.settings import SettingError, report_folder, university_folder
from resources.university.lists import LISTS
from resources.warehouse.resource import WarehouseResource
from tests.integration.test_university import settings as settings
from tests.integration.test_university import written


def look() -> dg.SensorResult | dg.SkipReason:
    resources = {"warehouse": WarehouseResource.from_environment()}
    with dg.DagsterInstance.ephemeral() as instance:
        result = changed_lists(dg.build_sensor_context(instance, resources=resources))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def missing(folder: Path) -> None:
    folder.rmdir()


def a_file(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("course_id\n")


def in_a_file(folder: Path) -> None:
    """As a folder on a share is that is not mounted."""
    a_file(folder)
    os.environ["UNIVERSITY_DIR"] = str(folder / "lists")  # which the fixture of the settings puts back


def a_link_to_nothing(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder.parent / "unmounted")


def closed(folder: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is closed to root")
    folder.chmod(0)


UNUSABLE = [missing, a_file, in_a_file, a_link_to_nothing, closed]


@pytest.fixture
def spoilt(settings: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    spoil: Callable[[Path], None] = request.param
    spoil(settings)
    yield settings
    if settings.is_dir():
        settings.chmod(0o700)


@pytest.mark.parametrize("spoilt", UNUSABLE, indirect=True, ids=lambda spoil: spoil.__name__)
def test_a_folder_that_can_not_be_looked_into_fails_the_tick_and_the_command(spoilt: Path) -> None:
    with pytest.raises(SettingError, match=f"UNIVERSITY_DIR: {spoilt}.* can't be looked into: "):
        look()
    done = CliRunner().invoke(front_door, ["load-lists"])
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    assert f"{spoilt}" in line
    assert "can't be looked into" in line


def test_of_a_folder_without_lists_the_tick_says_so(settings: Path) -> None:
    (settings / "students.csv").write_text("course_id\n")
    skipped = look()
    assert isinstance(skipped, dg.SkipReason)
    assert f"UNIVERSITY_DIR: {settings} has none of courses.csv, course_rooms.csv" in str(skipped.skip_message)


@pytest.mark.parametrize("name", [each.file_name for each in LISTS])
def test_one_list_in_the_folder_is_enough(name: str, settings: Path) -> None:
    written(settings)
    for file in settings.iterdir():
        if file.name != name:
            file.unlink()
        else:
            os.utime(file, (0, 1))
    found = look()
    assert isinstance(found, dg.SensorResult)
    [request] = found.run_requests or []
    assert [key.path[-1] for key in request.asset_selection or []] == [name.removesuffix(".csv")]


FOLDERS = {"UNIVERSITY_DIR": university_folder, "REPORT_DIR": report_folder}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_is_named_from_the_checkout_on_from_the_home_or_whole(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for said, meant in {
        "lists/autumn": settings_module.CHECKOUT / "lists/autumn",
        "~/lists": tmp_path / "lists",
        "~": tmp_path,
        str(tmp_path / "a ~ in it"): tmp_path / "a ~ in it",
    }.items():
        monkeypatch.setenv(name, said)
        assert FOLDERS[name]() == meant
    monkeypatch.setenv(name, "~nobody-of-that-name/lists")
    with pytest.raises(SettingError, match=name):
        FOLDERS[name]()
