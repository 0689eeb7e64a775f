"""Dagster's home: whose `dagster.yaml` it is, and commands that start with it."""

import os
import string
import subprocess
import sys
import tempfile
from pathlib import Path

import dagster as dg
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.instance import dagster_home as home
from resources.runtime.atomic_file import atomic_file
from resources.settings import CHECKOUT, SettingError

# With which dagster.yaml of any version has begun. Who changes its first line leaves the old ones here.
FIRST_LINES = [
    f"# Dagster's instance. `python -m pipelines{name}` puts it into DAGSTER_HOME (.local/dagster by default) and adds"
    " the storage:"
    for name in (".home", ".dagster_home", " home")
]


def test_the_instance_is_written_anew_when_the_storage_changes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    home.prepare()
    before = (tmp_path / "dagster.yaml").read_text()
    for name, value in (("HOST", "db"), ("PORT", "5432"), ("DB", "d"), ("USER", "u"), ("PASSWORD", "hidden away")):
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", value)
    home.prepare()
    after = (tmp_path / "dagster.yaml").read_text()

    assert "sqlite" in before
    assert "postgresql+psycopg2" in after
    assert "hidden away" not in after


def test_an_instance_that_somebody_else_wrote_stays_as_it_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("# our own\ntelemetry: {enabled: false}\n")

    home.prepare()

    assert (tmp_path / "dagster.yaml").read_text() == "# our own\ntelemetry: {enabled: false}\n"


@pytest.mark.parametrize("content", [None, "", "\n", (CHECKOUT / "dagster.yaml").read_text()])
def test_a_dagster_that_keeps_its_history_where_dagster_does_by_default_still_shows_it(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's documentation begins a home with an empty file, or with none; and whose home it is may copy ours."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    if content is not None:
        (tmp_path / "dagster.yaml").write_text(content)
    with dg.DagsterInstance.get() as instance:
        instance.add_run(dg.DagsterRun("theirs", run_id="00000000-0000-0000-0000-000000000001"))

    home.prepare()

    with dg.DagsterInstance.get() as instance:
        assert [run.job_name for run in instance.get_runs()] == ["theirs"]
    there = (tmp_path / "dagster.yaml").read_text() if (tmp_path / "dagster.yaml").exists() else None
    assert there == content


def with_history(folder: Path, content: str | bytes) -> Path:
    """A home of ours: its history is where our settings have it. `prepare` takes the files to be good."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in home.SQLITE_FILES:
        (folder / "storage" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "storage" / name).touch()
    (folder / "dagster.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / "dagster.yaml"


def test_the_file_begins_as_the_list_of_first_lines_says() -> None:
    assert (CHECKOUT / "dagster.yaml").read_text().partition("\n")[0] in FIRST_LINES


@pytest.mark.parametrize("postgres", ["", "db"])
@pytest.mark.parametrize(
    "content",
    [*(f"{line}\nold: 1\n\nstorage:\n  sqlite: {{base_dir: x}}\n" for line in FIRST_LINES), "", "\0" * 99],
    ids=[*range(len(FIRST_LINES)), "empty", "zeros"],
)
def test_a_file_that_any_version_wrote_or_a_power_cut_left_empty_is_brought_up_to_date(
    content: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_POSTGRES_HOST", postgres)
    for name in ("PORT", "DB", "USER", "PASSWORD"):
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", "of another test")
    file = with_history(tmp_path, content)
    home.prepare()
    text = file.read_text()
    assert text.startswith((CHECKOUT / "dagster.yaml").read_text())
    assert ("postgresql+psycopg2" in text) is bool(postgres)


@pytest.mark.parametrize("begins", ["# Dagster's instance.\n", " ", "---\n", "telemetry: {enabled: false}\n"])
def test_a_strangers_file_stays_as_it_is_also_beside_a_history_like_ours(
    begins: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    theirs = f"{begins}# {FIRST_LINES[-1]}\nstorage: {{sqlite: {{base_dir: x}}}}\n"
    file = with_history(tmp_path, theirs)
    home.prepare()
    assert file.read_text() == theirs


def test_an_empty_file_beside_both_histories_is_whoever_put_it_there(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    file = with_history(tmp_path, "")
    (tmp_path / home.DEFAULT_HISTORY).mkdir()
    home.prepare()
    assert file.read_text() == ""


printable = st.one_of(st.sampled_from(string.punctuation + "  "), st.characters(categories=("L", "N", "P", "S", "Zs")))
names = st.text(printable.filter(lambda each: each != "/"), min_size=1, max_size=40).filter(
    lambda name: name.strip(".") != ""
)


@settings(max_examples=60)
@given(names)
def test_dagsters_history_is_in_its_home_whatever_folders_are_called(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as made:
        folder = Path(made) / name / "dagster"
        patch.setenv("DAGSTER_HOME", str(folder))
        file = with_history(folder, FIRST_LINES[0])
        home.prepare()
        assert yaml.safe_load(file.read_text())["storage"]["sqlite"]["base_dir"] == str(folder / "storage")


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut may leave it empty."""
    file, flush = tmp_path / "file", os.fsync
    flushed: list[tuple[bytes, bool]] = []

    def fsync(handle: int) -> None:
        flush(handle)
        flushed.append((os.pread(handle, 99, 0), file.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with atomic_file(file) as draft:
        draft.write_text("all of it")
    assert flushed == [(b"all of it", False)]


def test_an_empty_file_in_a_home_that_was_never_used_stays_as_it_is(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").touch()
    home.prepare()
    assert (tmp_path / "dagster.yaml").read_text() == ""


def test_a_home_of_this_project_stays_one_also_where_another_dagster_was_there_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier version left it, which took such a home for its own: its runs are in the new place since then."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    home.prepare()
    (tmp_path / "home" / "history").mkdir()
    for name in ("HOST", "PORT", "DB", "USER", "PASSWORD"):
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", "of another test")
    home.prepare()
    assert "postgresql+psycopg2" in (tmp_path / "home" / "dagster.yaml").read_text()


def test_a_home_for_which_there_is_no_room_is_left_without_half_a_file(tmp_path: Path) -> None:
    words = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", sys.executable, "-B", "-m", "pipelines", "home"]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home")}
    done = subprocess.run(words, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert list((tmp_path / "home").iterdir()) == []


def test_a_command_starts_with_the_home_and_with_secrets_out_of_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("invented\n")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(tmp_path / "home"),
        "DAGSTER_POSTGRES_PASSWORD_FILE": str(tmp_path / "password"),
    }
    show = "import os; print(os.environ['DAGSTER_HOME'], os.environ['DAGSTER_POSTGRES_PASSWORD'])"

    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "home", "python", "-c", show],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == [str(tmp_path / "home"), "invented"]


def test_a_secret_file_that_is_missing_stops_the_command_with_its_name(tmp_path: Path) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "KALTURA_KS_FILE": str(tmp_path / "none")}

    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "home", "python", "-c", "print('started')"],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "KALTURA_KS_FILE" in done.stderr
    assert "started" not in done.stdout


def test_what_dagster_and_its_runs_write_is_for_their_user_alone(tmp_path: Path) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home")}
    write = "import os, pathlib as p; h = p.Path(os.environ['DAGSTER_HOME']); (h / 'a').mkdir(); (h / 'a/b').touch()"
    subprocess.run(
        [sys.executable, "-m", "pipelines", "home", "python", "-c", write], cwd=CHECKOUT, env=environment, check=True
    )
    paths = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert len(paths) >= 4
    assert {oct(path.stat().st_mode & 0o777) for path in paths} == {"0o700", "0o600"}


def test_a_home_that_an_earlier_version_left_open_is_closed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr(home, "LOCAL", tmp_path)
    (tmp_path / "dagster").mkdir(mode=0o755)
    monkeypatch.setenv("DAGSTER_HOME", "")
    home.prepare()
    assert (tmp_path / "dagster").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("db.example.org", True),
        ("::1", True),
        ("/run/postgresql", True),
        ("@abstract", True),
        ("postgresql://dagster:hidden@db.example.org/dagster", False),
        ("dagster:hidden@db.example.org", False),
    ],
)
def test_an_address_with_a_password_in_the_place_of_the_hosts_name_is_refused_and_not_shown(
    host: str, is_one: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_POSTGRES_HOST", host)
    if is_one:
        home.prepare()
        return
    with pytest.raises(SettingError, match="^DAGSTER_POSTGRES_HOST") as failure:
        home.prepare()
    assert "hidden" not in str(failure.value)
    assert not (tmp_path / "dagster.yaml").exists()


FIRST_STARTS = """
import os, sys
import dagster as dg
from pipelines.instance import dagster_home

def start():
    dagster_home.prepare()
    with dg.DagsterInstance.get() as instance:
        instance.get_run_ids(limit=1)
        instance.all_instigator_state()
        instance.get_latest_materialization_event(dg.AssetKey("room_sessions"))

children = []
for _ in range(4):
    child = os.fork()
    if not child:
        start()
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


def test_commands_that_are_the_first_at_once_do_not_fail_on_each_others_tables(tmp_path: Path) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STARTS], env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
