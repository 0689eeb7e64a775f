"""The front door: every command answers `--help`, and ends with one line over a setting that can't be used."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dagster_postgres.utils import DagsterPostgresException, wait_for_connection

from pipelines.command_line import COMMANDS, NAMES, front_door, said_of
from resources.postgres import session

CHECKOUT = Path(__file__).resolve().parents[2]
NOWHERE = "postgresql://nobody:hidden@127.0.0.1:1/none"  # no server listens there
WORDS = {
    "erase": ["--user-id", "ada", "--yes"],
    "forget-account": ["1234", "--yes"],
    "restore": ["none.dump"],
    "postgres": ["status"],
    "retention": ["--all"],
}

# What each setting's command says; the commands that don't read it go on, as far as a database that isn't there.
BAD = {
    "DATABASE_URL_FILE": ("/nope", NAMES),
    "START_DATE": ("1.1.2025", ["pull", "report", "ui", "standin", "erase", "retention", "load-lists"]),
    "PARTITION_TIMEZONE": ("x", ["pull", "report", "ui", "dashboards", "standin", "erase", "redate", "retention"]),
    "PORT": ("abc", ["ui"]),
    "DASHBOARDS_PORT": ("abc", ["dashboards"]),
    "PII_MODE": ("some", ["pull", "report", "ui", "erase", "retention", "load-lists"]),
    "KALTURA_PARTNER_ID": ("one", ["erase"]),
    "ALERT_WEBHOOK_URL": ("here", ["alert-test"]),
}
CASES = [(name, value, command) for name, (value, commands) in BAD.items() for command in commands]


def invoked(command: str, tmp_path: Path, **settings: str) -> Result:
    environment = {"DATABASE_URL": NOWHERE, "DAGSTER_HOME": str(tmp_path), "PII_KEY": "k" * 32}
    environment |= {"KALTURA_DEMO": "1", **settings}  # the stand-in's account in a database of one's own, on purpose
    environment["SUPERSET_DIR"] = str(tmp_path)
    if "DATABASE_URL_FILE" in settings:
        del environment["DATABASE_URL"]
    return CliRunner().invoke(front_door, [command, *WORDS.get(command, [])], env=environment)


def assert_one_line(result: Result) -> None:
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert "Traceback" not in result.output


def test_the_port_of_dagsters_ui_is_none_of_the_dashboards(tmp_path: Path) -> None:
    """Both stand in one `.env`, and one port has room for one of them."""
    assert "PORT=" not in invoked("dashboards", tmp_path, PORT="abc").output
    assert "PORT=" in invoked("ui", tmp_path, PORT="abc").output


@pytest.mark.parametrize("command", NAMES)
def test_every_command_answers_help_whatever_the_settings_hold(command: str, tmp_path: Path) -> None:
    bad = {name: value for name, (value, _) in BAD.items()}
    done = CliRunner().invoke(front_door, [command, "--help"], env=bad)
    assert done.exit_code == 0, done.output
    assert "Usage:" in done.output


@pytest.mark.parametrize("command", [*NAMES, ""])
def test_help_can_be_written_in_an_encoding_of_few_characters(command: str) -> None:
    assert CliRunner(charset="latin-1").invoke(front_door, [*filter(None, [command]), "--help"]).exit_code == 0


def test_help_lists_every_command_in_its_group_and_each_has_a_file() -> None:
    printed = CliRunner().invoke(front_door, ["--help"]).output
    assert all(f"{section}:" in printed for section in COMMANDS)
    listed = [line.split()[0] for line in printed.splitlines() if line.startswith("  ") and line.strip()]
    assert set(NAMES) <= set(listed)
    files = {file.stem.replace("_", "-") for file in (CHECKOUT / "pipelines" / "commands").glob("[a-z]*.py")}
    assert files == set(NAMES)


@pytest.mark.parametrize(("name", "value", "command"), CASES, ids=[f"{case[2]} {case[0]}" for case in CASES])
def test_a_setting_that_cannot_be_used_is_one_line_that_names_it(
    name: str, value: str, command: str, tmp_path: Path
) -> None:
    done = invoked(command, tmp_path, **{name: value})
    assert_one_line(done)
    assert name in done.stderr


@pytest.mark.parametrize(
    "command", ["pull", "report", "migrate", "roles", "backup", "erase", "forget-account", "redate", "retention"]
)
def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(command: str, tmp_path: Path) -> None:
    done = invoked(command, tmp_path)
    assert_one_line(done)
    assert "hidden" not in done.output


def test_dagsters_postgres_that_goes_away_while_it_is_used_is_a_sentence_with_its_reason() -> None:
    """Its storage wraps what the driver says into an exception that is none of Dagster's."""
    with pytest.raises(DagsterPostgresException) as raised:
        wait_for_connection("postgresql+psycopg2://u:hidden@127.0.0.1:1/d", retry_limit=0)
    said = said_of(raised.value)
    assert said is not None
    assert said.startswith("Dagster's history in ")
    assert "port 1 failed" in said
    assert "status --mend" in said
    assert "hidden" not in said


# Each that takes its account from the settings, and words with which it goes as far as that.
OF_THE_ACCOUNT: dict[str, list[str]] = {
    "pull": [],
    "status": ["--mend"],
    "erase": ["--user-id", "ada", "--yes"],
    "redate": [],
    "retention": [],
    "load-lists": ["."],
}


@pytest.mark.parametrize("command", OF_THE_ACCOUNT)
def test_without_an_account_nothing_is_done_in_a_database_of_ones_own(command: str, tmp_path: Path) -> None:
    (tmp_path / "courses.csv").write_text("course_id\nc\n")
    words = [str(tmp_path) if word == "." else word for word in OF_THE_ACCOUNT[command]]
    home = tmp_path / "home"
    environment = {"DATABASE_URL": NOWHERE, "DAGSTER_HOME": str(home), "PII_KEY": "k" * 32, "RETENTION_DAYS": "9"}
    done = CliRunner().invoke(front_door, [command, *words], env=environment)
    assert_one_line(done)
    assert "KALTURA_PARTNER_ID" in done.stderr
    assert not home.exists()


def test_every_command_that_takes_its_account_from_the_settings_is_tried_without_one() -> None:
    asks = {path for path in (CHECKOUT / "pipelines/commands").glob("*.py") if ".account()" in path.read_text()}
    names = {path.stem.replace("_", "-") for path in asks}
    assert names - {"report", "restore"} == OF_THE_ACCOUNT.keys()  # of those two it decides nothing that is done


def test_a_backup_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    assert_one_line(invoked("restore", tmp_path))


def test_a_folder_that_cannot_be_made_is_one_line_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = invoked("home", tmp_path, DAGSTER_HOME=str(tmp_path / "file" / "home"))
    assert_one_line(done)
    assert "file" in done.stderr


def test_a_day_that_is_none_and_a_command_that_is_none_are_the_words_fault(tmp_path: Path) -> None:
    for words in (["pull", "--from", "1.1.2025"], ["pull", "--days", "0"], ["ui", "--port", "abc"], ["fetch"]):
        done = CliRunner().invoke(front_door, words)
        assert done.exit_code == 2
        assert "Traceback" not in done.output


@pytest.mark.parametrize("more", [[], ["--to", "2026-01-05"]])
def test_a_first_day_and_a_number_of_days_are_alternatives(more: list[str]) -> None:
    done = CliRunner().invoke(front_door, ["pull", "--from", "2026-01-01", "--days", "3", *more])
    assert done.exit_code == 2, done.output
    assert "Write --from DAY --to DAY, or --days N" in done.output


@pytest.mark.parametrize("command", ["stop", "psql-url"])
def test_what_has_to_answer_at_once_imports_neither_dagster_nor_pandas(command: str, tmp_path: Path) -> None:
    show = (
        "import sys\nfrom pipelines.command_line import front_door\n"
        f"front_door(['{command}'], standalone_mode=False)\n"
        "print(sorted({'dagster', 'pandas', 'pydantic', 'httpx', 'rich.console', 'sqlalchemy'} & set(sys.modules)))"
    )
    environment = {"DATABASE_URL": NOWHERE, "SUPERSET_DIR": str(tmp_path)}
    environment |= {"DAGSTER_HOME": str(tmp_path), "LOCAL_POSTGRES_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", show],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("resources.postgres.migrations.migrate", interrupted)
    for command in ("migrate", "pull"):
        done = invoked(command, tmp_path)
        assert done.exit_code == 130
        assert done.stderr.strip().startswith("Stopped.")
        assert len(done.stderr.strip().splitlines()) == 1


def interrupted_while_a_class_is_made() -> None:
    """Python 3.11 makes a RuntimeError of it, 3.12 leaves it as it is."""

    class Interrupted:
        def __set_name__(self, *_: object) -> None:
            raise KeyboardInterrupt

    type("Made", (), {"attribute": Interrupted()})


def interrupted_while_it_closes() -> None:
    try:
        raise KeyboardInterrupt
    finally:
        raise OSError(5, "half closed")


@pytest.mark.parametrize("place", [interrupted_while_a_class_is_made, interrupted_while_it_closes])
@pytest.mark.parametrize(
    ("command", "stands"), [("migrate", "Each file is applied whole"), ("retention", "Nothing was changed.")]
)
def test_ctrl_c_of_which_another_error_was_made_is_that_sentence_too(
    place: Callable[[], None], command: str, stands: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    of_the_command = {"migrate": "resources.postgres.migrations.migrate", "retention": "pipelines.retention.counts_of"}
    monkeypatch.setattr(of_the_command[command], lambda *_, **__: place())
    monkeypatch.setattr(session, "_has_committed", threading.Event())  # other tests of this process commit
    done = invoked(command, tmp_path)
    assert done.exit_code == 130, done.output
    assert done.stderr.strip().startswith(f"Stopped. {stands}")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"KALTURA_PARTNER_ID": "1"}, "no credentials"),
        ({"KALTURA_PARTNER_ID": "one", "KALTURA_KS": "hidden"}, "KALTURA_PARTNER_ID='one' is not a number"),
        ({"KALTURA_PARTNER_ID": "1", "KALTURA_APP_TOKEN": "hidden"}, "belong together"),
    ],
)
def test_pull_says_what_is_wrong_with_the_account_before_anything_starts(
    settings: dict[str, str], said: str, tmp_path: Path
) -> None:
    result = invoked("pull", tmp_path, **settings)
    assert_one_line(result)
    assert said in result.stderr
    assert "Pulled" not in result.output


def test_ctrl_c_while_a_command_is_being_imported_says_that_nothing_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.command_line.import_module", interrupted)
    done = invoked("backup", tmp_path)
    assert done.exit_code == 130
    assert done.stderr.strip() == "Stopped. Nothing was begun."
