"""Who may come in to the private Postgres, and what its log tells: brought up to date at each start.

Over the socket the kernel says who is there: root and the account that runs the server come in, and no other, also where
they reach the socket. An owner's own lines stay as they are: only what an earlier version wrote is replaced.
"""

import os
import pwd
import re
from pathlib import Path

from resources.local.os_user import give, is_own_number

ROLE = "postgres"
_MAP = "kaltura"
_TRUST = re.compile(r"^(local\s+(?:all|replication)\s+all\s+)trust\s*$", re.MULTILINE)
ANY_ROLE_SINCE = 16  # before, a map names each role

# A row that the server refuses, and the statement that it came with, would stand in the log for good.
_TELLS_NO_ROWS = {"log_error_verbosity": "terse", "log_min_error_statement": "panic"}


def close(data: Path, os_user: pwd.struct_passwd | None, version: int) -> None:
    """Let in those that the kernel names, and keep people's data out of the log. The server does not run meanwhile."""
    people = _people(os_user)
    if people:
        hba = (data / "pg_hba.conf").read_text("utf-8")
        _write(data / "pg_hba.conf", _TRUST.sub(rf"\1peer map={_MAP}", hba), os_user)
        ident = (data / "pg_ident.conf").read_text("utf-8")
        role = "all" if version >= ANY_ROLE_SINCE else ROLE
        lacking = [line for name in people if (line := f'{_MAP} "{name}" {role}') not in ident]
        _write(data / "pg_ident.conf", "\n".join([ident.rstrip("\n"), *lacking, ""]), os_user)
    conf = (data / "postgresql.conf").read_text("utf-8")
    unsaid = [
        f"{name} = {value}" for name, value in _TELLS_NO_ROWS.items() if not re.search(rf"^\s*{name}\b", conf, re.M)
    ]
    if unsaid:
        _write(data / "postgresql.conf", "\n".join([conf.rstrip("\n"), *unsaid, ""]), os_user)


def _people(os_user: pwd.struct_passwd | None) -> list[str]:
    """The names by which the kernel's numbers are known. None where one's own number has no name: then all stays."""
    try:
        me = pwd.getpwuid(os.geteuid()).pw_name
        root = pwd.getpwuid(0).pw_name
    except KeyError:
        return []
    has_a_name = os_user is not None and not is_own_number(os_user.pw_uid) and os_user.pw_name != "nobody"
    return list(dict.fromkeys([root, me, *([os_user.pw_name] if os_user and has_a_name else [])]))


def _write(path: Path, text: str, os_user: pwd.struct_passwd | None) -> None:
    """Whole or not at all: without these files no server starts."""
    if path.read_text("utf-8") == text:
        return
    draft = path.with_name(f"{path.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    give(draft, os_user)
    draft.replace(path)
