"""The account that runs the private Postgres: programs that are run as it, folders that are its own.

Postgres refuses to run as root, so for root the server is another account's; for everybody else it is one's own. Root's
gets a number that no account has, as what `nobody` owns every other service of `nobody` can read. `initdb` alone wants an
account with a name: it is run as `nobody`, and what it made is handed over before there is anything in it.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from resources.local.errors import LocalPostgresError

# Between the numbers that machines give to people and those that systemd gives out (from 61184).
OWN_NUMBERS = range(52_000, 60_000)
NOBODY = "nobody"


def os_user_for(data: Path) -> pwd.struct_passwd | None:
    """Postgres refuses to run as root: for root, the account is the one that owns the data, or else `nobody`."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    if is_own_number(owner):
        return _without_a_name(owner)
    try:
        return pwd.getpwuid(owner) if owner else pwd.getpwnam(NOBODY)
    except KeyError as error:
        raise LocalPostgresError(
            f"Postgres refuses to run as root, and this machine has no account for {owner or NOBODY} to run it as. "
            f"Run as another user, or set DATABASE_URL to a Postgres of your own."
        ) from error


def os_user_of_its_own(folder: Path) -> pwd.struct_passwd | None:
    """A number that no account has, the same each time as long as that is so. None where this system lets none be used."""
    first = int.from_bytes(hashlib.sha256(os.fsencode(folder)).digest()[:4], "big")
    for step in range(len(OWN_NUMBERS)):
        number = OWN_NUMBERS[(first + step) % len(OWN_NUMBERS)]
        if is_own_number(number):
            os_user = _without_a_name(number)
            return os_user if _can_be_used(os_user) else None
    return None


def is_own_number(number: int) -> bool:
    if number not in OWN_NUMBERS:
        return False
    try:
        pwd.getpwuid(number)
    except KeyError:
        return True
    return False


def _without_a_name(number: int) -> pwd.struct_passwd:
    return pwd.struct_passwd(("kaltura-postgres", "x", number, number, "", "/", "/bin/false"))


def _can_be_used(os_user: pwd.struct_passwd) -> bool:
    """In a container whose numbers end before this one, nothing can be run as it."""
    try:
        return run_as(["/bin/sh", "-c", ":"], os_user).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def run_as(command: Sequence[str | Path], os_user: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
    """Run a program as the account, with next to nothing of our environment: it may hold passwords, and a server stays.

    From `/`, because the account may not be able to enter the directory we are in.
    """
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return subprocess.run(
        [str(part) for part in command],
        cwd="/",
        env={"LC_ALL": "C"} | {name: os.environ[name] for name in kept if name in os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
        user=os_user.pw_uid if os_user else None,
        group=os_user.pw_gid if os_user else None,
        extra_groups=[] if os_user else None,
    )


def reaches(os_user: pwd.struct_passwd | None, folder: Path) -> bool:
    """Tried, not worked out from the modes: access lists and mounts have their say too."""
    return os_user is None or run_as(["/bin/sh", "-c", 'cd "$0"', folder], os_user).returncode == 0


def private_folder(path: Path, os_user: pwd.struct_passwd | None) -> None:
    """Make a folder that the account alone may enter, or make sure that the one there is such a folder.

    Raises:
        LocalPostgresError: something else has that name, as anybody could have given it in a shared folder.
    """
    owner = os_user.pw_uid if os_user else os.geteuid()
    try:
        path.mkdir(mode=0o700)
        give(path, os_user)
    except FileExistsError:
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and os.geteuid() == 0 and is_own_number(found.st_uid):
            return  # a server of root's: nobody else can have that number
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise LocalPostgresError(f"{path} is taken by another user. Remove it, or set TMPDIR.") from None
        if found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
            give(path, os_user)


def give(path: Path, os_user: pwd.struct_passwd | None) -> None:
    if os_user:
        os.chown(path, os_user.pw_uid, os_user.pw_gid, follow_symlinks=False)


def hand_over(path: Path, os_user: pwd.struct_passwd) -> None:
    """Make a tree the account's; the folder itself last, so that its owner tells whether all of it is done."""
    if path.is_dir() and not path.is_symlink():
        for each in path.iterdir():
            hand_over(each, os_user)
    if path.exists():
        give(path, os_user)


@contextmanager
def atomic_folder(target: Path, os_user: pwd.struct_passwd | None) -> Iterator[Path]:
    """A folder to fill, which gets its name once it is full. The caller holds the lock, so any other is left over."""
    for left_over in target.parent.glob("*.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        give(new, os_user)
        yield new
        new.rename(target)
        parent = os.open(target.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
