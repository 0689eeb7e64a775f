"""`.env` and names in the environment: a misspelled one is an error that names the one meant, never shown with its value."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv.parser import parse_stream
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.env_file import EnvFileError, expect_known_names, read_env_file
from resources.kaltura.errors import Refused
from resources.kaltura.resource import Kaltura
from resources.local.kaltura import expect_account_or_demo
from resources.settings import CHECKOUT, KNOWN_NAMES, NAMES

SECRET = "Zq9Xv7Kw3"  # pragma: allowlist secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_the_settings_are_those_of_the_example_each_once() -> None:
    listed = re.findall(r"^# ?([A-Z_]+)=", (CHECKOUT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(NAMES)


def test_the_example_itself_can_be_read_also_with_all_its_lines_in_effect(file: Path) -> None:
    text = (CHECKOUT / ".env.example").read_text()
    file.write_text(re.sub(r"^# ?([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))
    assert set(read_env_file(file, KNOWN_NAMES)) == set(NAMES)


def test_without_a_file_nothing_is_set(file: Path) -> None:
    assert read_env_file(file, KNOWN_NAMES) == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KALTURA_PARTNERID", "KALTURA_PARTNER_ID"),
        ("KALTURA_PARTNER_IDS", "KALTURA_PARTNER_ID"),
        ("kaltura_partner_id", "KALTURA_PARTNER_ID"),
        ("KALTURA-PARTNER-ID", "KALTURA_PARTNER_ID"),
        ("KALTURA_PARTENR_ID", "KALTURA_PARTNER_ID"),
        ("KALTURA_APPTOKEN", "KALTURA_APP_TOKEN"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("PARTITION_TIME_ZONE", "PARTITION_TIMEZONE"),
        ("LOOKBACK_DAY", "LOOKBACK_DAYS"),
        ("PIIKEY", "PII_KEY"),
        ("DATABASE_URL_FIL", "DATABASE_URL_FILE"),
    ],
)
def test_a_name_that_resembles_a_setting_is_an_error_that_names_the_one_meant_and_the_line(
    name: str, meant: str, file: Path
) -> None:
    file.write_text(f"# mine\n\nSTART_DATE=2026-01-01\n\n{name}={SECRET}\n")
    with pytest.raises(EnvFileError, match=rf"line 5 sets {name}.*Is {meant} meant") as refused:
        read_env_file(file, KNOWN_NAMES)
    assert SECRET not in str(refused.value)


def test_names_of_other_programs_are_none_of_our_business(file: Path) -> None:
    file.write_text("HTTPS_PROXY=x\nCOMPOSE_PROJECT_NAME=y\nexport TZ=UTC\n")
    assert read_env_file(file, KNOWN_NAMES) == {"HTTPS_PROXY": "x", "COMPOSE_PROJECT_NAME": "y", "TZ": "UTC"}


def test_export_with_no_blank_behind_it_belongs_to_the_name_on_python_3_11_2_too(file: Path) -> None:
    file.write_text("exportX=1\nexport Y=2\n")
    assert read_env_file(file, KNOWN_NAMES) == {"exportX": "1", "Y": "2"}


@pytest.mark.parametrize(
    "line", [f"PII_KEY='{SECRET}", f"PII_KEY {SECRET}", SECRET, f'PII_KEY="{SECRET}', f"PII_KEY='{SECRET}' {SECRET}"]
)
def test_a_line_that_can_not_be_parsed_is_an_error_with_its_number_and_not_shown(line: str, file: Path) -> None:
    file.write_text(f"START_DATE=2026-01-01\n{line}\n")
    with pytest.raises(EnvFileError, match="line 2 can't be read") as refused:
        read_env_file(file, KNOWN_NAMES)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_in_another_encoding_is_an_error(encoding: str, file: Path) -> None:
    file.write_bytes(f"PII_KEY=ä{SECRET}\n".encode(encoding))
    with pytest.raises(EnvFileError, match="not in UTF-8") as refused:
        read_env_file(file, KNOWN_NAMES)
    assert SECRET not in str(refused.value)


def test_a_mark_of_the_encoding_before_the_first_name_is_none_of_the_name(file: Path) -> None:
    file.write_bytes("PII_KEY=ä\n".encode("utf-8-sig"))
    assert read_env_file(file, KNOWN_NAMES) == {"PII_KEY": "ä"}


def test_a_kaltura_name_of_the_environment_that_resembles_a_setting_is_an_error_and_one_of_kubernetes_is_not() -> None:
    kubernetes = {"KALTURA_UI_SERVICE_HOST": "x", "KALTURA_PORT_80_TCP_ADDR": "x", "KALTURA_PORT": "tcp://x"}
    expect_known_names({**kubernetes, "KALTURA_PARTNER_ID": "1", "LOOKBACK_DAY": "x"}, KNOWN_NAMES)
    with pytest.raises(EnvFileError, match="KALTURA_PARTNER_ID meant"):
        expect_known_names({"KALTURA_PARTNERID": "1"}, KNOWN_NAMES)


def test_invented_data_gets_into_a_database_of_one_s_own_only_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:{SECRET}@h/d")
    for refuses in (expect_account_or_demo, lambda: Kaltura().credentials()):
        with pytest.raises(Refused, match=r"KALTURA_PARTNER_ID.*KALTURA_DEMO=1") as refused:
            refuses()
        assert SECRET not in str(refused.value)
    monkeypatch.setenv("KALTURA_DEMO", "1")
    assert Kaltura().credentials().partner_id
    monkeypatch.delenv("KALTURA_DEMO")
    monkeypatch.setenv("KALTURA_PARTNER_ID", "1")
    expect_account_or_demo()


# Lines that set the account, lines that don't, and lines that can't be read.
LINES = [
    "KALTURA_PARTNER_ID=1234",
    "export KALTURA_PARTNER_ID=1234",
    "export\tKALTURA_PARTNER_ID=1234",
    "  KALTURA_PARTNER_ID = 1234  ",
    "'KALTURA_PARTNER_ID'=1234",
    "KALTURA_PARTNER_ID='1234'",
    'KALTURA_PARTNER_ID="1234" # ours',
    "KALTURA_PARTNER_ID=1234 # ours",
    "KALTURA_PARTNER_ID=#1234",
    "PII_KEY='two\nlines'\nKALTURA_PARTNER_ID=1234",
    "KALTURA_PARTNER_ID=1234\rSTART_DATE=2026-01-01",
    "KALTURA_PARTNER_ID=1\r\nKALTURA_PARTNER_ID=1234\r\n",
    "\ufeffKALTURA_PARTNER_ID=1234",
    "",
    "# KALTURA_PARTNER_ID=1234",
    "KALTURA_PARTNER_ID=",
    "KALTURA_PARTNER_ID=''",
    "KALTURA_PARTNER_ID=' '",
    "KALTURA_PARTNER_ID= # 1234",
    "KALTURA_PARTNER_ID=1234\nKALTURA_PARTNER_ID=",
    "PII_KEY='x\nKALTURA_PARTNER_ID=1234\ny'",
    'PII_KEY="x\nKALTURA_PARTNER_ID=1234\ny"',
    "KALTURA_PARTNER_ID",
    "KALTURA_PARTNER_ID 1234",
    "export =1234",
    "KALTURA_PARTNER_ID='1234",
    "KALTURA_PARTNER_ID='1234' 5",
    "KALTURA_PARTNERID=1234",
    "KALTURA_PARTNER_ID=1234\nDATABASE_URI=x",
    "KALTURA_PARTNER_ID=1234\nPII_KEY",
    "=1234",
]


@pytest.mark.parametrize("text", LINES)
def test_what_is_prepared_for_containers_goes_by_the_same_rule_on_a_python_without_packages(
    text: str, file: Path, tmp_path: Path
) -> None:
    file.write_bytes(text.encode())
    try:
        wanted = 0 if read_env_file(file, KNOWN_NAMES).get("KALTURA_PARTNER_ID", "").strip() else 1
        said = "" if wanted == 0 else "does not set KALTURA_PARTNER_ID"
    except EnvFileError as error:
        wanted, said = 1, str(error)
    bare = [sys.executable, "-S", "-E", str(CHECKOUT / "deploy/prepare.py")]
    words = ["--env", str(file), "--folder", str(tmp_path / "secrets")]
    done = subprocess.run([*bare, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (wanted, True), done.stderr
    if wanted == 0:
        assert read_env_file(tmp_path / "secrets" / "settings", KNOWN_NAMES) == read_env_file(file, KNOWN_NAMES)


def read_by_dotenv(text: str) -> dict[str, str] | int:
    """What dotenv reads; the number of the first line that it can't read, or that has no value."""
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text, newline="")):
        if binding.error or (binding.key is not None and binding.value is None):
            whole = binding.original.string
            blank = re.findall(r"\r\n|\n|\r", whole[: len(whole) - len(whole.lstrip())])
            return binding.original.line + len(blank)
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


_pieces = st.sampled_from(
    [
        *"AB='\"#\\ \t\n\r",
        "export",
        "export ",
        "\r\n",
        "\\n",
        "\\'",
        '\\"',
        "\\\\",
        "''",
        " #",
        "X=",
        "\u2028",
        "\x0b",
        "é",
    ]
)


@settings(max_examples=500, deadline=None)
@given(text=st.lists(_pieces, max_size=14).map("".join))
def test_lines_are_read_as_dotenv_reads_them(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "drawn.env"
    file.write_bytes(text.encode())
    wanted = read_by_dotenv(text)
    if isinstance(wanted, int):
        with pytest.raises(EnvFileError, match=f"line {wanted} can't be read"):
            read_env_file(file, [])
    else:
        assert read_env_file(file, []) == wanted
