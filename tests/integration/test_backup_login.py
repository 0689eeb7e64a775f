"""`backup` logs in as all the other commands do: by the URL, and by what libpq takes from elsewhere where the URL is silent."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import warm
from psycopg.conninfo import conninfo_to_dict

from resources.local import postgres as local_postgres
from resources.postgres.backup import Manifest, environment
from resources.postgres.session import connect
from tests.integration.test_secrets import ROLE
from tests.integration.test_secrets import password_url as password_url

Way = Callable[[dict[str, str], Path], tuple[str, dict[str, str]]]
VARIABLES = {
    "host": "PGHOST",
    "user": "PGUSER",
    "dbname": "PGDATABASE",
    "port": "PGPORT",
    "password": "PGPASSWORD",  # pragma: allowlist secret
}


def in_the_url(parts: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    return url_of(parts, password=parts["password"]), {}


def in_pgpassword(parts: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    return url_of(parts), {"PGPASSWORD": parts["password"]}


def in_a_password_file(parts: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    file = folder / "passwords"
    file.write_text(f"*:*:*:{ROLE}:{parts['password']}\n")
    file.chmod(0o600)
    return url_of(parts), {"PGPASSFILE": str(file)}


def in_a_service(parts: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    file = folder / "services"
    file.write_text("[warehouse]\n" + "".join(f"{name}={value}\n" for name, value in parts.items()))
    return "postgresql:///?service=warehouse", {"PGSERVICEFILE": str(file)}


def over_a_service(parts: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    """What the URL says wins over the service that the environment names."""
    file = folder / "services"
    file.write_text("[other]\nport=9\nhost=/nowhere\nuser=nobody\n")
    around = {"PGSERVICEFILE": str(file), "PGSERVICE": "other"}
    return url_of(parts, password=parts["password"], port="5432"), around


def in_variables(parts: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    return "postgresql://", {VARIABLES[name]: value for name, value in parts.items()}


WAYS = [in_the_url, in_pgpassword, in_a_password_file, in_a_service, over_a_service, in_variables]


def url_of(parts: dict[str, str], **more: str) -> str:
    wanted = {name: parts[name] for name in ("host", "user", "dbname")} | more
    return "postgresql:///?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in wanted.items())


@pytest.fixture
def parts(password_url: tuple[str, str], database: str) -> Iterator[dict[str, str]]:
    """Of a server that asks for the password. What is restored there is the role's, which has to go."""
    url, password = password_url
    given = conninfo_to_dict(url)
    yield {"host": str(given["host"]), "user": ROLE, "dbname": str(given["dbname"]), "password": password}
    with psycopg.connect(database) as connection:
        connection.execute(f"REASSIGN OWNED BY {ROLE} TO postgres")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """For PG_BIN: the programs, of which `pg_dump` first writes down its words and what it was given to connect by."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("pg_dump", "pg_restore", "psql"):
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\nimport json, os, sys\n"
            "given = {name: value for name, value in os.environ.items() if name.startswith('PG')}\n"
            f"open({str(tmp_path / name)!r}, 'w').write(json.dumps([sys.argv[1:], given]))\n"
            f"os.execv({str(local_postgres.binary(name))!r}, [{name!r}, *sys.argv[1:]])\n"
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def run(url: str, around: dict[str, str], programs: Path, *words: str, succeeds: bool = True) -> str:
    environment = {**os.environ, "DATABASE_URL": url, "PG_BIN": str(programs), "COLUMNS": "200", **around}
    code, printed, errors = warm.run("python", "-m", "pipelines", *words, environment=environment)
    assert (code == 0) is succeeds, printed + errors
    return printed if succeeds else errors


@pytest.mark.parametrize("way", WAYS)
def test_a_backup_logs_in_by_whatever_the_other_commands_do(
    way: Way, parts: dict[str, str], programs: Path, tmp_path: Path
) -> None:
    url, around = way(parts, tmp_path)
    assert run(url, around, programs, "psql", "-Atc", "SELECT 1") == "1\n"
    run(url, around, programs, "backup", str(tmp_path / "a.dump"))
    assert Manifest.of(tmp_path / "a.dump").rows
    run(url, around, programs, "restore", str(tmp_path / "a.dump"), "--trust", "--replace")
    words, _ = json.loads((tmp_path / "pg_dump").read_text())
    assert "--no-password" in words  # a prompt would hold its snapshot open, and where cron calls nobody answers
    for name in ("pg_dump", "pg_restore", "psql"):
        words, _ = json.loads((tmp_path / name).read_text())
        assert parts["password"] not in " ".join(words)


def test_how_the_server_is_to_be_reached_counts_for_pg_dump_too(
    parts: dict[str, str], programs: Path, tmp_path: Path
) -> None:
    """Over a socket libpq asks for none of these; they have to arrive all the same."""
    around = {"PGPASSWORD": parts["password"], "PGSSLMODE": "allow", "PGSSLROOTCERT": "/of/the/university.crt"}
    around |= {"PGTARGETSESSIONATTRS": "read-write", "PGOPTIONS": "-c work_mem=8MB"}
    run(url_of(parts, sslmode="disable"), around, programs, "backup", str(tmp_path / "a.dump"))
    _, given = json.loads((tmp_path / "pg_dump").read_text())
    wanted = {**around, "PGSSLMODE": "disable", "PGUSER": ROLE, "PGCLIENTENCODING": "UTF8"}
    assert wanted.items() <= given.items()


def test_a_pg_dump_that_knows_no_tls_is_told_from_a_server_that_is_away(
    parts: dict[str, str], programs: Path, tmp_path: Path
) -> None:
    """That of the Python package is one. Without a word of TLS it had connected without, where the URL was silent."""
    around = {"PGPASSWORD": parts["password"], "PGSSLMODE": "require"}
    said = run(url_of(parts), around, programs, "backup", str(tmp_path / "a.dump"), succeeds=False)
    assert "SSL support is not compiled in" in said
    assert "docs/deployment.md" in said
    assert "PG_BIN" in said
    assert not (tmp_path / "a.dump").exists()


def test_pg_dump_is_sent_to_the_server_that_answered(database: str) -> None:
    """Of several hosts another might answer it, which knows nothing of the snapshot."""
    there = str(conninfo_to_dict(database)["host"])
    with psycopg.connect(database) as connection:
        name, user = connection.info.dbname, connection.info.user
    url = f"postgresql:///?host=/nowhere,{quote(there, safe='')}&dbname={name}&user={user}"
    with connect(url) as connection:
        given = environment(connection)
    assert given["PGHOST"] == there
    assert given["PGPORT"] == "5432"
