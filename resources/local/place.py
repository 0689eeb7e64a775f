"""Where a folder's private Postgres keeps its data, its log and its socket.

Everything is in the folder, unless the account that runs the server can't reach it there.
"""

import hashlib
import json
import os
import pwd
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from resources.local.errors import LocalPostgresError
from resources.local.os_user import os_user_for, private_folder, reaches
from resources.runtime.atomic_file import atomic_file
from resources.settings import LOCAL, folder_of

PORT = 5432  # names the socket's file; the folder it stands in is what tells two servers apart
SOCKET = f".s.PGSQL.{PORT}"
_NAME = "kaltura-postgres"
_SOCKET_PATH_BYTES = 100  # the kernel's limit is 104 on macOS, 108 on Linux
# Commas and blanks in a socket's path would have to be quoted three ways: for the server, for libpq, for the shell.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._-]+")


@dataclass(frozen=True)
class Server:
    """Where a folder's server lives: `home` and `sockets` are in it, unless its user can't reach them there."""

    folder: Path
    home: Path
    sockets: Path

    @property
    def data(self) -> Path:
        """Postgres' data folder."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the server prints."""
        return self.home / "server.log"


def default_folder() -> Path:
    """`LOCAL_POSTGRES_DIR`, or `.local/postgres` in the checkout."""
    return folder_of("LOCAL_POSTGRES_DIR") or LOCAL / "postgres"


def located(folder: Path) -> Server | None:
    """What the last start wrote down, or None. Paths below the folder are relative, so the folder may be moved."""
    try:
        location = json.loads((folder / "location.json").read_text(encoding="utf-8"))
        return Server(folder, folder / location["home"], folder / location["sockets"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LocalPostgresError(f"{folder / 'location.json'} is damaged ({error!r}). Delete it and start.") from error


def remember(server: Server) -> None:
    def said(path: Path) -> str:
        return str(path.relative_to(server.folder) if path.is_relative_to(server.folder) else path)

    with atomic_file(server.folder / "location.json") as draft:
        draft.write_text(json.dumps({"home": said(server.home), "sockets": said(server.sockets)}) + "\n", "utf-8")
        draft.chmod(0o644)  # for the folder's owner, where root has started the server


def planned(folder: Path) -> tuple[Server, pwd.struct_passwd | None]:
    """Where the server is to be, and the account to run it as (None: one's own)."""
    known = located(folder)
    home = known.home if known else folder
    os_user = os_user_for(home / "data")
    if known is None:
        home = _home(folder, os_user)
        os_user = os_user_for(home / "data")
    elif home != folder and not (home / "data").exists():
        raise LocalPostgresError(
            f"The data of the Postgres in {folder} were in {home}, which is gone. Bring it back, or delete "
            f"{folder / 'location.json'} to begin with an empty database."
        )
    return Server(folder, home, _sockets(folder, home, os_user)), os_user


def _home(folder: Path, os_user: pwd.struct_passwd | None) -> Path:
    """The folder itself, or for an account that can't enter it, a place that outlives a reboot.

    The place's name depends on the folder alone: a checkout made anew at the same path finds its data again.
    """
    if reaches(os_user, folder):
        return folder
    for parent in (Path("/var/lib"), Path("/var/tmp")):  # noqa: S108 (in the second, some systems delete what is a month old)
        if os.access(parent, os.W_OK) and reaches(os_user, parent):
            home = parent / _name_for(folder)
            private_folder(home, os_user)
            return home
    raise LocalPostgresError(
        f"The account that runs Postgres for root can reach neither {folder} nor /var/lib nor /var/tmp. "
        f"Set LOCAL_POSTGRES_DIR to a folder that every account can enter."
    )


def _sockets(folder: Path, home: Path, os_user: pwd.struct_passwd | None) -> Path:
    """A folder for the socket whose path is short and plain enough for everybody who has to say it."""
    name = _name_for(folder)
    for sockets in (home / "sockets", Path(tempfile.gettempdir()) / name, Path("/tmp") / name):  # noqa: S108
        short = len(os.fsencode(sockets / SOCKET)) <= _SOCKET_PATH_BYTES
        if short and _PLAIN_PATH.fullmatch(str(sockets)) and reaches(os_user, sockets.parent):
            return sockets
    raise LocalPostgresError(f"No folder for a socket: {folder} is too long a path. Set TMPDIR to a short one.")


def _name_for(folder: Path) -> str:
    return f"{_NAME}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def own_log(server: Server, os_user: pwd.struct_passwd | None) -> None:
    """The account can't make a file in a folder of root's, so the log is there before it starts."""
    handle = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        if os_user:
            os.fchown(handle, os_user.pw_uid, os_user.pw_gid)
    finally:
        os.close(handle)
