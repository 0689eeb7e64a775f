"""Settings: what they are without being set, and what is said of those that can't be used."""

import ast
import datetime as dt
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.instance.dagster_home import home_folder
from resources import settings
from resources.local.place import default_folder
from resources.local.superset import Superset
from resources.settings import CHECKOUT, KNOWN_NAMES, SettingError, Settings, report_folder, university_folder

# By what the code reads a name of the environment, and names that other programs gave their meaning.
READERS = ("get", "setdefault", "getenv", "EnvVar", "_value", "_count", "_date", "_timezone", "word_list", "folder_of")
NAME = re.compile(r"[A-Z][A-Z0-9_]{3,}")
OF_OTHERS = {"DISPLAY", "WAYLAND_DISPLAY", "PAGER", "PSQL_PAGER", "PYTHON_DOTENV_DISABLED", "PYTHONPATH", "KSID"}
OF_IMAGES = {"DASHBOARDS_SECRETS"}  # where docker-compose.yml mounts them: nobody sets that


class Recorded(dict[str, str]):
    """An environment in which nothing is set, and which knows what was looked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        self.names.append(name)
        return default


def names_in_settings() -> list[str]:
    """What `Settings` is made of."""
    read = Recorded()
    Settings.from_environment(read)
    return sorted(set(read.names))


def names_read() -> Iterator[str]:
    """Every name of the environment that the code reads by its own words."""
    for path in (path for room in ("pipelines", "assets", "resources") for path in (CHECKOUT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                how = ast.unparse(node.func).rpartition(".")[2]
                words = node.args if how in READERS else []
            else:
                is_environ = isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ")
                words = [node.slice] if is_environ else []  # type: ignore[attr-defined]
            for word in words:
                if isinstance(word, ast.Constant) and isinstance(word.value, str) and NAME.fullmatch(word.value):
                    yield word.value


@pytest.mark.parametrize("name", sorted({*names_read(), *names_in_settings()} - OF_OTHERS - OF_IMAGES))
def test_what_is_read_is_in_the_list_of_names(name: str) -> None:
    """By it misspelled names are told, and the example, the page and the tests are held against it."""
    assert name in KNOWN_NAMES, f"{name} is read, and neither NAMES nor _OTHER_NAMES of resources/settings.py has it"


@pytest.mark.parametrize("name", names_in_settings())
def test_each_setting_is_checked_and_named_where_it_cannot_be_used(name: str) -> None:
    with pytest.raises(SettingError, match=name):
        Settings.from_environment({name: "?"})


def test_nothing_has_to_be_set() -> None:
    unset = Settings.from_environment({})
    assert unset.start_date == dt.date(2025, 1, 1)
    assert str(unset.timezone) == "UTC"
    assert (unset.grace_hours, unset.lookback_days, unset.days_per_run, unset.max_concurrency) == (
        12,
        3,
        0,
        2,
    )


def test_an_empty_value_counts_as_not_set() -> None:
    assert Settings.from_environment({"START_DATE": "", "LOOKBACK_DAYS": " "}) == Settings.from_environment({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("START_DATE", "yesterday"),
        ("PARTITION_TIMEZONE", "Berlin"),
        ("PARTITION_TIMEZONE", "../etc/passwd"),
        ("SESSION_GRACE_HOURS", "12h"),
        ("SESSION_GRACE_HOURS", "-1"),
        ("LOOKBACK_DAYS", "3.5"),
        ("DAYS_PER_RUN", "all"),
        ("HISTORY_DAYS", "-1"),
        ("TERM_DATES", "2026-02-02"),
        ("TERM_DATES", "2026-02-02/2026-05-15,spring"),
        ("TERM_DATES", "2026-05-15/2026-02-02"),
        ("KALTURA_MAX_CONCURRENCY", "0"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_with_what_would_do(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        Settings.from_environment({name: value})


def test_a_secret_can_stand_in_a_file_of_its_own_and_the_setting_itself_wins(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("an invented token\n")
    (tmp_path / "url").write_text("postgresql://warehouse\n")
    environment = {
        "KALTURA_APP_TOKEN_FILE": str(tmp_path / "token"),
        "DATABASE_URL_FILE": str(tmp_path / "url"),
        "DATABASE_URL": "postgresql://elsewhere",
        "KALTURA_ADMIN_SECRET_FILE": " ",
    }

    settings._read_secret_files(environment)

    assert environment["KALTURA_APP_TOKEN"] == "an invented token"
    assert environment["DATABASE_URL"] == "postgresql://elsewhere"
    assert "KALTURA_ADMIN_SECRET" not in environment


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_secret_file_that_is_missing_empty_or_no_text_is_named_and_not_shown(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingError, match=f"KALTURA_KS_FILE='{file}'"):
        settings._read_secret_files({"KALTURA_KS_FILE": str(file)})


@pytest.mark.parametrize(
    ("value", "is_shown"),
    [
        ("/run/secrets/hidden", True),
        ("./hidden", True),
        ("../hidden", True),
        ("~/hidden", True),
        ("hidden", False),
        ("aG/hidden+w==", False),
        ("postgresql://warehouse:hidden@db/w", False),
        ("/postgresql://warehouse:hidden@db/w", False),
        ("smtps://a:hidden@mail/?from=a@example.org&to=b@example.org", False),
        ("hidden" * 100, False),
        ("/hidden" * 1000, True),
    ],
)
@pytest.mark.parametrize("name", settings.SECRETS)
def test_a_secret_in_the_place_of_the_path_of_its_file_is_not_shown(name: str, value: str, is_shown: bool) -> None:
    with pytest.raises(SettingError, match=f"^{name}_FILE") as failure:
        settings._read_secret_files({f"{name}_FILE": value})
    assert ("hidden" in str(failure.value)) is is_shown
    assert is_shown or f"itself as {name}" in str(failure.value)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("DAGSTER_HOME", home_folder),
        ("LOCAL_POSTGRES_DIR", default_folder),
        ("SUPERSET_DIR", lambda: Superset().folder),
        ("REPORT_DIR", report_folder),
        ("UNIVERSITY_DIR", university_folder),
    ],
)
def test_a_folder_is_meant_from_the_checkout_on_wherever_a_process_was_started(
    name: str, place: Callable[[], Path], tmp_path: Path, monkeypatch
) -> None:
    """Dagster's programs are started elsewhere, beside no `.env`: they have to find what the commands made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, "some/folder")
    assert place() == CHECKOUT / "some" / "folder"
    monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert place() == tmp_path / "elsewhere"
