"""Settings: their names, `.env` and files of secrets read into the environment, and what days and people's data go by, checked.

Each error says how to mend it. Kaltura's own settings are read in `resources/kaltura/resource.py`, the database's in
`resources/postgres/url.py`, those of alerts in `pipelines/sensors/channels.py`, each where it is used.
"""

import datetime as dt
import os
import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from resources.env_file import expect_known_names, read_env_file
from resources.errors import ProjectError
from resources.privacy.settings import LEAST_KEY_CHARACTERS, Mode, Privacy

CHECKOUT = Path(__file__).resolve().parent.parent
LOCAL = CHECKOUT / ".local"


# Settings that may stand in a file of their own, which `<NAME>_FILE` names: what a secret store mounts.
SECRETS = (
    "KALTURA_APP_TOKEN",
    "KALTURA_ADMIN_SECRET",
    "KALTURA_KS",
    "DATABASE_URL",
    "DAGSTER_POSTGRES_PASSWORD",
    "PII_KEY",
    "ALERT_WEBHOOK_URL",
    "ALERT_SMTP_URL",
)
# Every setting there is, as `.env.example` lists them: of these is known what a name was meant to be.
NAMES = (
    *SECRETS,
    "KALTURA_PARTNER_ID",
    "KALTURA_BASE_URL",
    "KALTURA_APP_TOKEN_ID",
    "KALTURA_APP_TOKEN_HASH",
    "KALTURA_USER_ID",
    "KALTURA_MAX_CONCURRENCY",
    "KALTURA_ENTRY_IDS",
    "KALTURA_VIRTUAL_EVENT_IDS",
    "KALTURA_USER_IDS",
    "KALTURA_CUE_POINT_IDS",
    "KALTURA_PARENT_ENTRY_IDS",
    "KALTURA_DEMO",
    "ASSET_PREFIX",
    "PII_MODE",
    "RETENTION_DAYS",
    "START_DATE",
    "PARTITION_TIMEZONE",
    "SESSION_GRACE_HOURS",
    "LOOKBACK_DAYS",
    "CATCH_UP_DAYS",
    "TERM_DATES",
    "HISTORY_DAYS",
    "DAYS_PER_RUN",
    "ALERT_WEBHOOK_FORMAT",
    "DAGSTER_UI_URL",
    "REPORT_DIR",
    "REPORT_LANGUAGE",
    "UNIVERSITY_DIR",
    "UI_TRUSTED_HOSTS",
    "DAGSTER_POSTGRES_HOST",
    "DAGSTER_POSTGRES_PORT",
    "DAGSTER_POSTGRES_DB",
    "DAGSTER_POSTGRES_USER",
)
# What else the project reads, for developers and installations.
_OTHER_NAMES = ("DAGSTER_HOME", "LOCAL_POSTGRES_DIR", "PG_BIN", "PORT", "DASHBOARDS_PORT", "SUPERSET_DIR")
KNOWN_NAMES = frozenset((*NAMES, *_OTHER_NAMES, *(f"{name}_FILE" for name in SECRETS)))
_PATH = re.compile(r"(~|\.{1,2})?/")
Term = tuple[dt.date, dt.date]  # the first day and the last
REPORT_LANGUAGES = ("en", "de", "es")  # each a file of assets/room_report/languages; the first where none is set
MAKE_A_KEY = 'Make one, and keep it safe: python -c "import secrets; print(secrets.token_hex(32))"'


class SettingError(ProjectError, ValueError):
    """A setting holds something that can't be used; the message names it and says what would do."""


def load_env_file() -> None:
    """Read `.env` of the checkout, then the files that `<NAME>_FILE` settings name. What is already set wins.

    Raises `EnvFileError` where `.env` can't be read or sets what resembles a setting and is none, `SettingError` where
    a file that it names can't be read or is empty.
    """
    if os.environ.get("PYTHON_DOTENV_DISABLED", "").strip().lower() not in ("1", "true", "yes", "on", "t", "y"):
        for name, value in read_env_file(CHECKOUT / ".env", KNOWN_NAMES).items():
            os.environ.setdefault(name, value)
    expect_known_names(os.environ, KNOWN_NAMES)
    _read_secret_files(os.environ)


def _read_secret_files(environment: MutableMapping[str, str]) -> None:
    for name in SECRETS:
        file = environment.get(f"{name}_FILE", "").strip()
        if not file or environment.get(name, "").strip():
            continue
        try:
            value = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            if not _PATH.match(file) or "://" in file:  # it may be the secret that was meant to be in a file
                advice = f"Write a whole path, or the value itself as {name}."
                raise SettingError(f"{name}_FILE names no file that can be read: {reason}. {advice}") from None
            raise SettingError(f"{name}_FILE={file!r} can't be read: {reason}.") from None
        if not value:
            raise SettingError(f"{name}_FILE={file!r} is empty. Put the value of {name} into it, and nothing else.")
        environment[name] = value


@dataclass(frozen=True)
class Settings:
    """How days are cut, how far back is pulled and kept, how much at once, and what of people.

    `start_date` is the first partition, in `timezone`. `grace_hours` is how long past midnight a session may run
    before it has to be asked for by itself; `lookback_days` how many days before yesterday the daily schedule pulls again;
    `catch_up_days` is how many missing days the daily schedule asks for, beside
    the usual ones; `history_days` is how long Dagster's runs are kept, 0 for good; `days_per_run` 0 means a whole backfill
    is one run; `max_concurrency` is how many requests may be under way at once; `privacy` what is kept of people;
    `asset_prefix` stands before the keys of the assets. `terms` are when there are courses; none: always.
    """

    start_date: dt.date
    timezone: ZoneInfo
    grace_hours: int
    lookback_days: int
    catch_up_days: int
    history_days: int
    days_per_run: int
    max_concurrency: int
    privacy: Privacy
    asset_prefix: str = ""
    terms: tuple[Term, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Raises `SettingError`."""
        read = os.environ if environment is None else environment
        return cls(
            start_date=_date(read, "START_DATE", "2025-01-01"),
            timezone=_timezone(read, "PARTITION_TIMEZONE", "UTC"),
            grace_hours=_count(read, "SESSION_GRACE_HOURS", "12", least=0, most=168),
            lookback_days=_count(read, "LOOKBACK_DAYS", "3", least=0, most=90),
            catch_up_days=_count(read, "CATCH_UP_DAYS", "31", least=0, most=3660),
            history_days=_count(read, "HISTORY_DAYS", "400", least=0, most=36600),
            days_per_run=_count(read, "DAYS_PER_RUN", "0", least=0, most=3660),
            max_concurrency=_count(read, "KALTURA_MAX_CONCURRENCY", "2", least=1, most=16),
            privacy=privacy_settings(read),
            asset_prefix=_asset_prefix(read),
            terms=_terms(read),
        )


def privacy_settings(environment: Mapping[str, str] | None = None) -> Privacy:
    """`PII_MODE`, `PII_KEY` and `RETENTION_DAYS`. Raises `SettingError`, which never holds the key."""
    read = os.environ if environment is None else environment
    mode = _value(read, "PII_MODE", Mode.FULL).lower()
    if mode not in set(Mode):
        raise SettingError(f"PII_MODE={mode!r} is none of {', '.join(Mode)}.")
    retention_days = _count(read, "RETENTION_DAYS", "0", least=0, most=36600)
    key = read.get("PII_KEY", "").strip()
    if key and len(key) < LEAST_KEY_CHARACTERS:
        raise SettingError(f"PII_KEY is shorter than {LEAST_KEY_CHARACTERS} characters. {MAKE_A_KEY}")
    if not key and mode != Mode.FULL:
        raise SettingError(f"PII_MODE={mode} needs PII_KEY, which pseudonyms are made with. {MAKE_A_KEY}")
    if not key and retention_days:
        raise SettingError(f"RETENTION_DAYS={retention_days} needs PII_KEY, for pseudonyms. {MAKE_A_KEY}")
    return Privacy(Mode(mode), key, retention_days)


def _value(read: Mapping[str, str], name: str, default: str) -> str:
    return read.get(name, "").strip() or default


def _date(read: Mapping[str, str], name: str, default: str) -> dt.date:
    value = _value(read, name, default)
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise SettingError(f"{name}={value!r} is not a date. Write it as 2025-01-31.") from None


def _timezone(read: Mapping[str, str], name: str, default: str) -> ZoneInfo:
    value = _value(read, name, default)
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise SettingError(f"{name}={value!r} is not a time zone. Write it as Europe/Berlin or UTC.") from None


def _count(read: Mapping[str, str], name: str, default: str, *, least: int, most: int) -> int:
    value = _value(read, name, default)
    if not value.isdecimal() or not least <= int(value) <= most:
        raise SettingError(f"{name}={value!r} is not a whole number from {least} to {most}.")
    return int(value)


def _terms(read: Mapping[str, str]) -> tuple[Term, ...]:
    value = _value(read, "TERM_DATES", "")
    found = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        first, _, last = part.partition("/")
        try:
            term = (dt.date.fromisoformat(first.strip()), dt.date.fromisoformat(last.strip()))
        except ValueError:
            term = None
        if term is None or term[0] > term[1]:
            raise SettingError(
                f"TERM_DATES has {part!r}, which is no term. Write each as 2026-02-02/2026-05-15, with commas between."
            )
        found.append(term)
    return tuple(sorted(found))


def _asset_prefix(read: Mapping[str, str]) -> str:
    value = _value(read, "ASSET_PREFIX", "")
    if not re.fullmatch(r"[A-Za-z0-9_]*", value):
        raise SettingError(f"ASSET_PREFIX={value!r} may have letters, digits and _ alone. Write it as account_1001.")
    return value


def listening_port(name: str, default: int) -> int:
    """What `PORT`, for Dagster's UI, or `DASHBOARDS_PORT` says, so that both can stand in `.env`. Raises `SettingError`."""
    return _count(os.environ, name, str(default), least=1, most=65535)


def partner_id(otherwise: Callable[[], str]) -> int:
    """`KALTURA_PARTNER_ID` as a number. Raises `SettingError`."""
    name = "KALTURA_PARTNER_ID"
    default = "" if os.environ.get(name, "").strip() else otherwise()
    return _count(os.environ, name, default, least=0, most=2**31 - 1)


def word_list(name: str) -> list[str]:
    """What a setting lists, separated by commas: ids of `KALTURA_*_IDS`, host names."""
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]


def output_folder(name: str) -> Path:
    """Where a command writes that was given no place: in `.local` or, where the checkout can't be written to, as in a
    container, in `DAGSTER_HOME`.
    """
    home = folder_of("DAGSTER_HOME")
    is_writable = os.access(LOCAL if LOCAL.exists() else CHECKOUT, os.W_OK | os.X_OK)
    return (home if home and not is_writable else LOCAL) / name


def report_folder() -> Path:
    """Where reports are written: `REPORT_DIR`, from the checkout on, or the folder `reports` of what is written."""
    return folder_of("REPORT_DIR") or output_folder("reports")


def report_language() -> str:
    """In which language reports are written: `REPORT_LANGUAGE`. Raises `SettingError` for one that there is not."""
    language = os.environ.get("REPORT_LANGUAGE", "").strip().lower() or REPORT_LANGUAGES[0]
    if language not in REPORT_LANGUAGES:
        choices = f"{', '.join(REPORT_LANGUAGES[:-1])} or {REPORT_LANGUAGES[-1]}"
        raise SettingError(f"REPORT_LANGUAGE={language}: must be {choices}.")
    return language


def university_folder() -> Path | None:
    """Where the university's own lists are: `UNIVERSITY_DIR`, from the checkout on; None where it is not set."""
    return folder_of("UNIVERSITY_DIR")


def folder_of(name: str) -> Path | None:
    """What a setting names, from the checkout on, and `~` as in a shell. None where it is not set. Raises `SettingError`."""
    given = os.environ.get(name, "").strip()
    try:
        return CHECKOUT / Path(given).expanduser() if given else None
    except RuntimeError:
        raise SettingError(f"{name}={given!r}: where that home is, is not known. Write the whole path.") from None
