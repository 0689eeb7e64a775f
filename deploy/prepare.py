"""Makes deploy/secrets/: what the containers of docker-compose.yml get to read, as files.

    python3 deploy/prepare.py [--demo]

`settings` is a copy of `.env`, or of `demo.env`. The passwords of the two databases, and what the dashboards need, are made
up once and stay. The folder is closed to other users of this machine; the files in it are not, for the containers run as
users of their own. `generation.env` is another whenever something changes that the pipeline reads: it is a part of its
containers' environment, so Compose makes them anew, which it does for no change of a file.
It needs Python alone, and reads `.env` by the rule that the containers read it by.
"""

import argparse
import errno
import hmac
import os
import re
import secrets
import sys
from collections.abc import Set
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, quote

DEPLOY = Path(__file__).resolve().parent
sys.path.insert(0, str(DEPLOY.parent))

from resources.env_file import EnvFileError, expect_no_dollars, read_env_file  # noqa: E402 (found by the path above)
from resources.runtime.atomic_file import atomic_file  # noqa: E402
from resources.settings import KNOWN_NAMES, SECRETS  # noqa: E402

# As resources/local/superset.py has them, which is not imported here: it needs packages.
DASHBOARDS = ("superset_secret_key", "superset_admin_password", "analyst_password", "people_password")
READ_BY_PIPELINE = ("settings", "database_url", "dagster_password")
# What docker-compose.yml sets for the containers: their environment wins over what stands in `settings`.
SET_BY_COMPOSE = (
    "DAGSTER_HOME",
    "DAGSTER_POSTGRES_DB",
    "DAGSTER_POSTGRES_HOST",
    "DAGSTER_POSTGRES_PORT",
    "DAGSTER_POSTGRES_USER",
    "REPORT_DIR",
)
CERTIFICATES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")  # of a DATABASE_URL
IN_THE_IMAGE = "/etc/ssl/"
WAREHOUSE = "postgresql://warehouse:{password}@postgres:5432/warehouse"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 deploy/prepare.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--demo", action="store_true", help="the stand-in's account in place of the one in .env")
    parser.add_argument("--env", type=Path, default=DEPLOY.parent / ".env", help="the settings (default: .env)")
    parser.add_argument("--folder", type=Path, default=DEPLOY / "secrets", help="where (default: deploy/secrets)")
    given = parser.parse_args()
    settings = DEPLOY / "demo.env" if given.demo else given.env
    try:
        problem = _told_by_compose(given.env) or (None if given.demo else _problem(settings))
        if not problem:
            _make(given.folder, settings)
    except OSError as error:
        problem = f"{error.filename or given.folder}: {error.strerror}. Mend that, and run it again."
    if problem:
        sys.stderr.write(f"{problem}\n")
    elif not given.demo:
        sys.stderr.write(_without_effect(settings) + _without_lists(settings) + _without_certificates(settings))
    return 1 if problem else 0


def _make(folder: Path, settings: Path) -> None:
    """Raises `OSError`, with the file's name, where something can't be read or written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    _write(folder / "settings", settings.read_text("utf-8"))
    for name in DASHBOARDS:
        _password(folder / name)
    passwords = {name: _password(folder / f"{name}_password") for name in ("postgres", "warehouse", "dagster")}
    _write(folder / "database_url", WAREHOUSE.format(password=quote(passwords["warehouse"], safe="")))
    _write(folder / "generation.env", f"SETTINGS_GENERATION={_generation(folder)}\n")


def _told_by_compose(settings: Path) -> str | None:
    """What Compose would print of `.env`, which it reads for itself, also for a demo, and by rules of its own."""
    try:
        expect_no_dollars(settings, KNOWN_NAMES)
    except EnvFileError as error:
        return str(error)
    return None


def _problem(settings: Path) -> str | None:
    """Why these settings would pull nothing, if so."""
    if not settings.exists():
        return (
            f"{settings} is not there: copy .env.example and fill in KALTURA_*. To try it without an account: DEMO=1."
        )
    try:
        values = read_env_file(settings, KNOWN_NAMES)
    except EnvFileError as error:
        return str(error)
    if not values.get("KALTURA_PARTNER_ID", "").strip():
        return f"{settings} does not set KALTURA_PARTNER_ID. To try it without an account: DEMO=1."
    return _not_for_containers(settings, {name for name, value in values.items() if value.strip()})


def _not_for_containers(settings: Path, names: Set[str]) -> str | None:
    """What the containers would stop at, or read from elsewhere than is meant, if so."""
    if {"DAGSTER_POSTGRES_PASSWORD", "DAGSTER_POSTGRES_PASSWORD_FILE"} & names:
        return (
            f"{settings} sets a DAGSTER_POSTGRES_PASSWORD. The containers keep Dagster's history in a Postgres of their own, "
            "with a password of its own: take that line out."
        )
    for name in SECRETS:
        if f"{name}_FILE" in names and name not in names:
            return (
                f"{settings} sets {name}_FILE, and the containers do not have that file. Write {name}=... in its "
                "place, with the value itself: they get it as a file."
            )
    return None


def _without_effect(settings: Path) -> str:
    """A line that says which of the settings do not count in the containers; nothing where all do."""
    values = read_env_file(settings, KNOWN_NAMES)
    names = [name for name in SET_BY_COMPOSE if values.get(name, "").strip()]
    return f"{settings} sets {', '.join(names)}: docker-compose.yml has its own, which count.\n" if names else ""


def _without_lists(settings: Path) -> str:
    """A line that says so where the containers do not have the folder of the university's lists; nothing where they may."""
    folder = read_env_file(settings, KNOWN_NAMES).get("UNIVERSITY_DIR", "").strip()
    if not folder or _may_be_mounted(folder):
        return ""
    return (
        f"{settings} sets UNIVERSITY_DIR={folder}, and no container has that folder: mount it into `code` and name it as it "
        "is called there (docs/lists.md). Until then no list is loaded, and the sensor changed_lists fails.\n"
    )


def _without_certificates(settings: Path) -> str:
    """A line for each file of certificates that the warehouse's URL names and the containers do not have."""
    url = read_env_file(settings, KNOWN_NAMES).get("DATABASE_URL", "").strip()
    query = url.rpartition("@")[2].partition("?")[2]  # not by urlsplit: a password may hold what it trips over
    named = [(name, value) for name, value in parse_qsl(query) if name in CERTIFICATES]
    lacking = [(name, file) for name, file in named if not file.startswith(IN_THE_IMAGE) and not _may_be_mounted(file)]
    return "".join(
        f"DATABASE_URL in {settings} names {name}={file}, and no container has that file: mount it, as docs/deployment.md "
        "has it (With Docker Compose). Until then nothing reaches the warehouse.\n"
        for name, file in lacking
    )


def _may_be_mounted(path: str) -> bool:
    """Whether a file of Compose mounts something there, or above, be it one that `COMPOSE_FILE` adds."""
    added = os.environ.get("COMPOSE_FILE", "").split(os.environ.get("COMPOSE_PATH_SEPARATOR", os.pathsep))
    files = [*DEPLOY.parent.glob("*compose*.y*ml"), *(DEPLOY.parent / each for each in added if each)]
    places = [re.escape(str(place)) for place in (PurePosixPath(path), *PurePosixPath(path).parents) if place.name]
    mounts = re.compile(rf"""(:|target:\s*["']?)({"|".join(places)})/?([:\s"',}}]|$)""")
    return any(mounts.search(file.read_text("utf-8", "replace")) for file in files if file.is_file())


def _generation(folder: Path) -> str:
    """Of what the pipeline reads. `docker inspect` shows it: without the key, which nothing else has, it tells nothing."""
    digest = hmac.new(_password(folder / "generation_key").encode(), digestmod="sha256")
    for name in READ_BY_PIPELINE:
        content = (folder / name).read_bytes()
        digest.update(f"{name} {len(content)}\0".encode() + content)
    return digest.hexdigest()


def _password(file: Path) -> str:
    """Made up where it is not there, or empty, as earlier versions left it where there was no room."""
    try:
        there = file.read_text("utf-8").strip() if file.exists() else ""
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "It is not text", str(file)) from None
    if there:
        return there
    made = secrets.token_urlsafe(32)
    _write(file, made)
    return made


def _write(file: Path, text: str) -> None:
    """The file with that text or, where that can't be written, as it was before."""
    try:
        if file.exists():
            _write_over(file, text.encode())
        else:
            with atomic_file(file) as draft:
                draft.write_text(text, "utf-8")
                draft.chmod(0o644)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None  # of a write that fails it has no name


def _write_over(file: Path, content: bytes) -> None:
    """Into the same file, for a container has that one mounted. It is not emptied first: what has to be put back where
    there is no room for the new text finds its own room still there."""
    with file.open("r+b") as opened:
        before = opened.read()
        if before == content:
            return
        try:
            _put(opened.fileno(), content)
        except OSError:
            _put(opened.fileno(), before)
            raise


def _put(handle: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(handle, content[written:], written)
    os.ftruncate(handle, len(content))
    os.fsync(handle)  # some file systems only then say that they are full


if __name__ == "__main__":
    sys.exit(main())
