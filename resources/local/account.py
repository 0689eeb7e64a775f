"""The account that runs the private Postgres: programs that are run as it, folders that are its own.

Postgres refuses to run as root, so for root the server is another account's; for everybody else it is one's own.
"""

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


def account_for(data: Path) -> pwd.struct_passwd | None:
    """Postgres refuses to run as root: for root, the account is the one that owns the data, or else `nobody`."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    try:
        return pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    except KeyError as error:
        raise LocalPostgresError(
            f"Postgres refuses to run as root, and this machine has no account for {owner or 'nobody'} to run it as. "
            f"Run as another user, or set DATABASE_URL to a Postgres of your own."
        ) from error


def run_as(command: Sequence[str | Path], account: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
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
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )


def reaches(account: pwd.struct_passwd | None, folder: Path) -> bool:
    """Tried, not worked out from the modes: access lists and mounts have their say too."""
    return account is None or run_as(["/bin/sh", "-c", 'cd "$0"', folder], account).returncode == 0


def private_folder(path: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder that the account alone may enter, or make sure that the one there is such a folder.

    Raises:
        LocalPostgresError: something else has that name, as anybody could have given it in a shared folder.
    """
    owner = account.pw_uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
        give(path, account)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise LocalPostgresError(f"{path} is taken by another user. Remove it, or set TMPDIR.") from None
        if found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
            give(path, account)


def give(path: Path, account: pwd.struct_passwd | None) -> None:
    if account:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


@contextmanager
def whole_folder(target: Path, account: pwd.struct_passwd | None) -> Iterator[Path]:
    """A folder to fill, which gets its name once it is full. The caller holds the lock, so any other is left over."""
    for left_over in target.parent.glob("*.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        give(new, account)
        yield new
        new.rename(target)
        parent = os.open(target.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)
