"""The installation in containers: what docker-compose.yml promises, and what happens when parts of it are stopped."""

import datetime as dt
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from containers import COMPOSE, PREPARE, SERVICES, Containers, Database, demo_secrets
from dagster_ui import ASSETS, BACKFILL, Ui, with_short_pauses
from dotenv import dotenv_values
from in_process import installed
from pipeline import CHECKOUT, TABLES

from deploy.prepare import SET_BY_COMPOSE
from resources.kaltura.windows import Days
from resources.local import postgres as local_postgres
from resources.settings import KNOWN_NAMES, SECRETS
from simulator import DEMO, Running, University

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(24)]
DAYS_PER_RUN = 8
DATABASES = str(CHECKOUT / "deploy/postgres/databases.sh")

# ---------------------------------------------------------------------------------------------- what the files say


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_and_take_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert re.fullmatch(r"\$\{\w+:-[a-z-]+:\d[\w.-]*\}", service["image"]), "a tag that says which version"


def test_all_but_postgres_run_as_the_user_of_the_image() -> None:
    files = [CHECKOUT / "deploy" / name for name in ("Dockerfile", "dashboards.Dockerfile")]
    users = {re.findall(r"^USER (.+)$", file.read_text(), re.MULTILINE)[-1] for file in files}
    assert {service["user"] for name, service in SERVICES.items() if name != "postgres"} == users


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "build" in service])
def test_what_a_dockerfile_lets_be_chosen_can_be_given_to_compose_and_its_default_stands_there_alone(name: str) -> None:
    build = SERVICES[name]["build"]
    declared = re.findall(r"^ARG (\w+)=\S+$", (CHECKOUT / build["dockerfile"]).read_text(), re.MULTILINE)
    assert declared
    assert (
        build.get("args") == declared
    )  # without a value it is that of the environment, or of .env, or the Dockerfile's


def test_no_secret_stands_in_an_environment() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET|DATABASE_URL", name):
                assert name.endswith(("_FILE", "_SECRETS"))
                assert value.startswith("/run/secrets")


def test_every_volume_and_secret_that_is_used_is_declared() -> None:
    for service in SERVICES.values():
        for secret in service.get("secrets", []):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (CHECKOUT / source).exists()


def test_the_images_hold_every_folder_of_the_pipeline_and_nothing_private() -> None:
    files = "".join((CHECKOUT / "deploy" / name).read_text() for name in ("Dockerfile", "dashboards.Dockerfile"))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", files, re.MULTILINE)
    let_in = [line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(" ".join(copied).split()) == sorted(let_in)
    assert {"pipelines", "assets", "resources", "simulator", "sql"} <= set(let_in)
    assert all((CHECKOUT / name).exists() for name in let_in)
    assert not any("secret" in name or ".env" in name for name in let_in)


def test_the_demo_settings_are_those_of_the_stand_in() -> None:
    assert dotenv_values(CHECKOUT / "deploy/demo.env") == {
        "KALTURA_BASE_URL": "http://simulator:8999",
        "KALTURA_PARTNER_ID": str(DEMO.partner_id),
        "KALTURA_APP_TOKEN_ID": DEMO.app_token_id,
        "KALTURA_APP_TOKEN": DEMO.app_token,
    }


# ------------------------------------------------------------------------------------------------- deploy/secrets/


def prepared(tmp_path: Path, env: str | None, *words: str) -> "subprocess.CompletedProcess[str]":
    if env is not None:
        (tmp_path / "env").write_text(env)
    where = ["--env", str(tmp_path / "env"), "--folder", str(tmp_path / "secrets")]
    return subprocess.run([*PREPARE, *where, *words], capture_output=True, text=True, check=False)


def test_passwords_are_made_up_once_and_only_the_folder_keeps_others_out(tmp_path: Path) -> None:
    settings = "KALTURA_PARTNER_ID=1\n"
    assert prepared(tmp_path, settings).returncode == 0
    before = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert prepared(tmp_path, settings + "LOOKBACK_DAYS=5\n").returncode == 0
    after = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}

    assert set(before) == {*COMPOSE["secrets"], "generation.env", "generation_key"}
    assert {name for name in after if after[name] != before[name]} == {"settings", "generation.env"}
    assert len({before[f"{name}_password"] for name in ("postgres", "warehouse", "dagster")}) == 3
    assert before["warehouse_password"] in before["database_url"]
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def reads_settings(service: dict[str, Any]) -> bool:
    return "settings" in [each["source"] for each in service.get("secrets", []) if not isinstance(each, str)]


GENERATION = [{"path": "deploy/secrets/generation.env", "required": False}]


def generation(tmp_path: Path) -> str:
    return (tmp_path / "secrets" / "generation.env").read_text()


def waits_for(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The services that have to have ended well before it."""
    ended = {"condition": "service_completed_successfully"}
    return {name: each for name, each in service.get("depends_on", {}).items() if each.items() >= ended.items()}


def volumes(service: dict[str, Any]) -> set[str]:
    return {volume.partition(":")[0] for volume in service.get("volumes", [])} & set(COMPOSE["volumes"])


def shows_settings(service: dict[str, Any]) -> bool:
    """Whether it reads them, or what another made of them and left in a volume of both."""
    made_for_it = (SERVICES[name] for name in waits_for(service))
    return reads_settings(service) or any(
        shows_settings(each) and volumes(each) & volumes(service) for each in made_for_it
    )


def is_renewed(service: dict[str, Any]) -> bool:
    """Whether `up` begins it anew after a change of the settings: by its own environment, or with one that it waits for."""
    renewed = (SERVICES[name] for name, each in waits_for(service).items() if each.get("restart"))
    return "env_file" in service or any(map(is_renewed, renewed))


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_shows_what_the_settings_say_begins_anew_when_they_change(name: str) -> None:
    """Compose compares a container's environment, and so the content of `env_file`; not that of a secret's file."""
    service = SERVICES[name]
    assert is_renewed(service) is shows_settings(service)
    assert service.get("env_file", GENERATION) == GENERATION


@pytest.mark.parametrize("name", SERVICES)
def test_what_another_image_made_for_a_service_is_read_anew_when_that_image_is_another(name: str) -> None:
    """A newer version has other dashboards and views, and perhaps the same settings. Of one image, all are made anew."""
    service = SERVICES[name]
    for other, how in waits_for(service).items():
        if volumes(SERVICES[other]) & volumes(service) and SERVICES[other]["image"] != service["image"]:
            assert how.get("restart"), other


def test_the_number_is_another_when_the_settings_or_a_password_are_and_only_then(tmp_path: Path) -> None:
    settings = "KALTURA_PARTNER_ID=1\n"
    seen = []
    for given in (settings, settings, settings + "RETENTION_DAYS=30\n"):
        assert prepared(tmp_path, given).returncode == 0
        seen.append(generation(tmp_path))
    (tmp_path / "secrets" / "dagster_password").write_text("another")
    assert prepared(tmp_path, given).returncode == 0
    seen.append(generation(tmp_path))
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def test_the_number_in_the_environment_tells_nothing_of_the_settings(tmp_path: Path) -> None:
    """Nobody can try settings until they give that number: each installation has a key of its own."""
    seen = []
    for name in ("one", "another"):
        (tmp_path / name).mkdir()
        assert prepared(tmp_path / name, "KALTURA_PARTNER_ID=1\n").returncode == 0
        (tmp_path / name / "secrets" / "dagster_password").write_text("the same")
        (tmp_path / name / "secrets" / "warehouse_password").write_text("the same")
        assert prepared(tmp_path / name, "KALTURA_PARTNER_ID=1\n").returncode == 0
        seen.append(generation(tmp_path / name))
    assert seen[0] != seen[1]
    assert all(re.fullmatch(r"SETTINGS_GENERATION=[0-9a-f]{64}\n", each) for each in seen)


@pytest.mark.parametrize("env", [None, "", "# KALTURA_PARTNER_ID=1\n", "KALTURA_PARTNER_ID=\n"])
def test_without_an_account_nothing_is_made_and_the_way_to_a_demo_is_named(env: str | None, tmp_path: Path) -> None:
    done = prepared(tmp_path, env)
    assert done.returncode == 1
    assert "DEMO=1" in done.stderr
    assert not (tmp_path / "secrets").exists()
    assert prepared(tmp_path, env, "--demo").returncode == 0


def prepared_where_no_file_grows_beyond_1_kb(tmp_path: Path, env: str) -> "subprocess.CompletedProcess[str]":
    """As on a disk that is full: of what is longer, the beginning is written."""
    (tmp_path / "env").write_text(env)
    where = ["--env", str(tmp_path / "env"), "--folder", str(tmp_path / "secrets")]
    limited = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash", PREPARE[0], "-B", *PREPARE[1:]]
    return subprocess.run([*limited, *where], capture_output=True, text=True, check=False)


def held_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {file.name: (file.stat().st_ino, file.read_bytes()) for file in folder.iterdir()}


@pytest.mark.parametrize("length", [10, 900])
def test_settings_for_which_there_is_no_room_leave_those_that_are_mounted_as_they_are(
    length: int, tmp_path: Path
) -> None:
    assert prepared(tmp_path, f"KALTURA_PARTNER_ID=1\n# {'x' * length}\n").returncode == 0
    before = held_of(tmp_path / "secrets")
    done = prepared_where_no_file_grows_beyond_1_kb(tmp_path, f"KALTURA_PARTNER_ID=2\n# {'y' * 3000}\n")
    assert done.returncode == 1
    assert f"{tmp_path / 'secrets' / 'settings'}: File too large." in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert held_of(tmp_path / "secrets") == before


def test_the_first_settings_are_there_whole_or_not_at_all(tmp_path: Path) -> None:
    done = prepared_where_no_file_grows_beyond_1_kb(tmp_path, f"KALTURA_PARTNER_ID=2\n# {'y' * 3000}\n")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert held_of(tmp_path / "secrets") == {}


def test_settings_are_written_into_the_file_that_is_mounted_whether_longer_or_shorter(tmp_path: Path) -> None:
    mounted = set()
    for length in (10, 2000, 100, 0):
        assert prepared(tmp_path, f"KALTURA_PARTNER_ID=1\n# {'x' * length}\n").returncode == 0
        mounted.add((tmp_path / "secrets" / "settings").stat().st_ino)
        assert (tmp_path / "secrets" / "settings").read_text() == (tmp_path / "env").read_text()
    assert len(mounted) == 1


@pytest.mark.parametrize("in_the_way", ["secrets", "secrets/settings/x", "secrets/warehouse_password/x"])
def test_what_cannot_be_read_or_written_is_one_line_with_its_name(in_the_way: str, tmp_path: Path) -> None:
    (tmp_path / in_the_way).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / in_the_way).touch()
    done = prepared(tmp_path, "KALTURA_PARTNER_ID=1\n")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(str(tmp_path / in_the_way.removesuffix("/x")) + ": ")


@pytest.mark.parametrize("left", ["", "\n", " \t\n"])
def test_an_empty_password_is_made_anew_and_any_other_stays(left: str, tmp_path: Path) -> None:
    prepared(tmp_path, "KALTURA_PARTNER_ID=1\n")
    folder = tmp_path / "secrets"
    before = held_of(folder)
    made_up = set(before) - {"settings", "database_url", "generation.env"}
    for name in made_up - {"postgres_password"}:
        (folder / name).write_text(left)
    assert prepared(tmp_path, "KALTURA_PARTNER_ID=1\n").returncode == 0
    after = held_of(folder)
    assert {name for name in after if after[name] == before[name]} == {"settings", "postgres_password"}
    assert all(len(after[name][1]) == 43 for name in made_up)


def test_a_password_that_is_no_text_is_one_line_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "warehouse_password").write_bytes(b"\xff\xfe")
    done = prepared(tmp_path, "KALTURA_PARTNER_ID=1\n")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"{tmp_path / 'secrets' / 'warehouse_password'}: ")


ACCOUNT = "KALTURA_PARTNER_ID=1\n"


@pytest.mark.parametrize("name", SECRETS)
def test_a_setting_in_a_file_of_its_own_is_refused_as_no_container_has_that_file(name: str, tmp_path: Path) -> None:
    """Of DATABASE_URL_FILE nothing was to be seen: Compose sets it too, so the container's own Postgres was filled."""
    file = f"{name}_FILE={tmp_path / 'secret'}\n"
    (tmp_path / "secret").write_text("hidden")
    done = prepared(tmp_path, ACCOUNT + file)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert name in line
    assert "hidden" not in line
    assert not (tmp_path / "secrets").exists()
    # Beside the value the file does not count; Dagster's storage is Compose's own business.
    beside = prepared(tmp_path, f"{ACCOUNT}{file}{name}=hidden\n")
    assert beside.returncode == (1 if name == "DAGSTER_POSTGRES_PASSWORD" else 0)
    assert prepared(tmp_path, f"{ACCOUNT}{name}_FILE=\n{name}=\n").returncode == 0


# A value that Compose would expand, as it reads `.env` for itself, or not; `@` stands for what would be shown then.
DOLLARS = [
    ("DATABASE_URL=postgresql://u:@$word@h/db", True),
    ("DATABASE_URL=postgresql://u:@$1word@h/db", True),
    ('DATABASE_URL="postgresql://u:@${word}@h/db"', True),
    ("PII_KEY=@$", True),
    ("PII_KEY=@$$x", True),
    ('PII_KEY="@\\$x"', True),
    ("export PII_KEY = @$x # ours", True),
    ("'PII_KEY'=\"@\n$x\"", True),
    ("POSTGRES_IMAGE=${REGISTRY}/@", False),  # which Compose alone reads
    ("PII_KEY='@$x'", False),
    ("'PII_KEY' = '@\n${x}\\'$' # $x", False),
    ("PII_KEY=@ # costs $5", False),
    ("# PII_KEY=@$x", False),
]


@pytest.mark.parametrize("words", [(), ("--demo",)])
@pytest.mark.parametrize(("text", "is_refused"), DOLLARS)
def test_a_value_that_compose_would_expand_and_print_is_refused_by_line_and_name(
    text: str, is_refused: bool, words: tuple[str, ...], tmp_path: Path
) -> None:
    done = prepared(tmp_path, f"{ACCOUNT}\n{text.replace('@', 'hidden')}\n", *words)
    if not is_refused:
        assert (done.returncode, done.stderr) == (0, "")
        return
    [line] = done.stderr.splitlines()
    name = "PII_KEY" if "PII_KEY" in text else "DATABASE_URL"
    assert done.returncode == 1
    assert f"line 3 sets {name} to a value with a $" in line
    assert f"{name}='...'" in line
    assert not any(part in line for part in ("hidden", "word", "x#"))
    assert not (tmp_path / "secrets").exists()


def test_what_compose_sets_itself_is_told_where_the_settings_set_it_too(tmp_path: Path) -> None:
    set_there = {name for service in SERVICES.values() if reads_settings(service) for name in service["environment"]}
    assert set(SET_BY_COMPOSE) == {name for name in set_there if name in KNOWN_NAMES and not name.endswith("_FILE")}
    assert {name.removesuffix("_FILE") for name in set_there if name.endswith("_FILE")} <= set(SECRETS)
    settings = "".join(f"{name}=other\n" for name in SET_BY_COMPOSE)
    done = prepared(tmp_path, ACCOUNT + settings)
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert all(name in line for name in SET_BY_COMPOSE)
    assert prepared(tmp_path, ACCOUNT).stderr == ""


LISTS = [
    # named in .env, mounted by another file of Compose, whether a container has it
    ("/srv/lists", "[]", False),
    ("~/lists", "[]", False),
    (".local/university", "[]", False),
    ("/srv/lists", '["/srv/lists:/lists:ro"]', False),
    ("/lists", '["/srv/lists:/lists:ro"]', True),
    ("/lists/", "\n      - /srv/lists:/lists", True),
    ("/lists", "[{type: bind, source: /srv/lists, target: /lists}]", True),
    ("/data/university/lists", '["/srv:/data"]', True),
    ("/data", '["/srv:/data/lists"]', False),
    ("/list", '["/srv:/lists"]', False),
    ("/var/lib/dagster/lists", "[]", True),
]


def checkout_to_prepare(folder: Path) -> Path:
    """As much of the checkout as `deploy/prepare.py` reads, without anybody's settings."""
    checkout = folder / "checkout"
    for name in ("deploy/prepare.py", "docker-compose.yml", "resources"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, checkout / name)
    return checkout


@pytest.mark.parametrize(("named", "mounted", "is_there"), LISTS)
@pytest.mark.parametrize("file", ["docker-compose.override.yml", "elsewhere.yaml"])
def test_a_folder_of_lists_that_no_container_has_is_told(
    named: str, mounted: str, is_there: bool, file: str, tmp_path: Path
) -> None:
    checkout = checkout_to_prepare(tmp_path)
    (checkout / file).write_text(f"services:\n  code:\n    volumes: {mounted}\n")
    (checkout / ".env").write_text(f"{ACCOUNT}UNIVERSITY_DIR={named}\n")
    added = {} if "override" in file else {"COMPOSE_FILE": f"docker-compose.yml:{file}"}
    done = subprocess.run(
        [sys.executable, str(checkout / "deploy/prepare.py")],
        env={**os.environ, **added}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert (done.stderr == "") is is_there
    if not is_there:
        [line] = done.stderr.splitlines()
        assert f"UNIVERSITY_DIR={named}" in line


@pytest.mark.parametrize(
    ("query", "mounted", "lacking"),
    [
        ("sslmode=require", "", []),
        ("sslmode=verify-full&sslrootcert=system", "", ["sslrootcert=system"]),  # of which the driver finds none
        ("sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt", "", []),
        ("sslmode=verify-full&sslrootcert=/etc/postgres-ca/ca.crt", "./ca.crt:/etc/postgres-ca/ca.crt:ro", []),
        ("sslmode=verify-full&sslrootcert=/etc/postgres-ca/ca.crt", "./ca:/etc/postgres-ca", []),
        ("sslmode=verify-full&sslrootcert=%2Fetc%2Fpostgres-ca%2Fca.crt", "", ["sslrootcert=/etc/postgres-ca/ca.crt"]),
        ("sslrootcert=ca.crt&sslkey=/keys/a.key&sslcert=/keys/a.crt", "./keys:/keys", ["sslrootcert=ca.crt"]),
    ],
)
@pytest.mark.parametrize("word", ["invented-word", "in[vent]ed", "in[vented", "in#vented?word"])
def test_a_certificate_that_no_container_has_is_told(
    query: str, mounted: str, lacking: list[str], word: str, tmp_path: Path
) -> None:
    checkout = checkout_to_prepare(tmp_path)
    (checkout / "compose.tls.yaml").write_text(f'services:\n  code:\n    volumes: ["{mounted}"]\n' if mounted else "")
    (checkout / ".env").write_text(f"{ACCOUNT}DATABASE_URL='postgresql://w:{word}@db.example.edu/warehouse?{query}'\n")
    done = subprocess.run(
        [sys.executable, str(checkout / "deploy/prepare.py")], capture_output=True, text=True, check=False,
        env={**os.environ, "COMPOSE_FILE": "docker-compose.yml:compose.tls.yaml"},
    )  # fmt: skip
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert [named for line, named in zip(lines, lacking, strict=True) if f"names {named}," in line] == lacking
    assert "vent" not in done.stderr


# ------------------------------------------------------------------------------------- a server of somebody's own


@pytest.fixture
def owned(folder: Path) -> Iterator[dict[str, str]]:
    """A server whose one superuser is `the owner`, and for programs the environment that leads to it.

    `psql` there writes down its command line first.
    """
    place, programs = folder / "postgres", folder / "programs"
    local_postgres.start(place)
    programs.mkdir()
    psql = local_postgres.binary("psql")
    (programs / "psql").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {folder}/said\nexec {psql} "$@"\n')
    (programs / "psql").chmod(0o755)
    with psycopg.connect(local_postgres.url(place), autocommit=True) as connection:
        connection.execute('CREATE ROLE "the owner" SUPERUSER LOGIN')
        connection.execute("ALTER ROLE postgres NOLOGIN")
    yield {
        "PATH": f"{programs}:/usr/bin:/bin",
        "PGHOST": str(local_postgres.find(place).sockets),
        "PGPORT": "5432",
        "PGUSER": "the owner",
    }
    local_postgres.remove(place)


@pytest.mark.parametrize("by_the_image", [False, True])
def test_the_two_databases_are_made_as_the_superuser_who_is_named(
    by_the_image: bool, owned: dict[str, str], folder: Path, secrets: Path
) -> None:
    """As the docs say of a server of one's own, whose superuser may have any name. The image names it by POSTGRES_USER."""
    named = {"POSTGRES_USER": owned["PGUSER"], "PGUSER": "somebody else"} if by_the_image else {}
    around = {**owned, **named, "SECRETS": str(secrets)}
    done = subprocess.run([DATABASES], env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(host=owned["PGHOST"], user=owned["PGUSER"], dbname="postgres") as connection:
        names = connection.execute(
            "SELECT datname, rolname, rolpassword IS NOT NULL FROM pg_database JOIN pg_authid AS role ON role.oid = datdba"
            " WHERE rolname <> 'postgres' ORDER BY 1"
        ).fetchall()
    assert names == [("dagster", "dagster", True), ("warehouse", "warehouse", True)]
    said = (folder / "said").read_text()
    assert "--set=name=warehouse" in said
    assert not [name for name in ("warehouse", "dagster") if (secrets / f"{name}_password").read_text() in said]


@pytest.mark.parametrize("content", [None, ""])
def test_without_a_password_none_of_the_two_databases_is_made(
    content: str | None, owned: dict[str, str], folder: Path, secrets: Path
) -> None:
    (secrets / "warehouse_password").unlink() if content is None else (secrets / "warehouse_password").write_text("")
    around = {**owned, "SECRETS": str(secrets)}
    done = subprocess.run([DATABASES], env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"{secrets}/warehouse_password is not there, or is empty."]
    assert not (folder / "said").exists()


# ------------------------------------------------------------------------------- stopped in the middle of a backfill


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the containers' user can reach."""
    with tempfile.TemporaryDirectory(prefix="kaltura-containers-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def secrets(folder: Path) -> Path:
    return demo_secrets(folder)


@pytest.fixture
def database(folder: Path, secrets: Path) -> Iterator[Database]:
    server = Database(folder / "postgres", secrets)
    yield server
    server.remove()


@pytest.fixture
def containers(folder: Path, database: Database, secrets: Path) -> Iterator[Containers]:
    settings = {"START_DATE": "2026-01-01", "DAYS_PER_RUN": str(DAYS_PER_RUN)}
    made = Containers(folder, database, secrets, settings)
    yield made
    made.end_all()


def test_a_backup_and_an_export_that_are_told_no_place_go_into_the_volume(containers: Containers) -> None:
    if containers.user is None:
        pytest.skip("only as root can a process be another user, who may not write to the checkout")
    containers.run("migrate")
    said = containers.command_in("code", "python", "-m", "pipelines", "backup", "--keep", "30")
    [dump] = (containers.volume / "backups").glob("kaltura-*.dump")
    assert str(dump) in said
    said = containers.command_in("code", "python", "-m", "pipelines", "export", "sessions")
    assert str(containers.volume / "exports" / "sessions.parquet") in said
    assert dump.parent.stat().st_mode & 0o077 == 0


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    with psycopg.connect(url) as connection:
        return {
            table: connection.execute(
                "SELECT to_jsonb(t) - ARRAY['load_id', 'first_loaded_at', 'changed_at', 'window_start', 'window_end']"
                f" FROM kaltura.{table} AS t ORDER BY {key}"
            ).fetchall()
            for table, key in TABLES.items()
        }


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_parts_stopped_and_killed_in_the_middle_of_a_backfill_lose_nothing(
    containers: Containers, database: Database, secrets: Path, folder: Path, new_database
) -> None:
    url = (secrets / "database_url").read_text()

    def loaded() -> int:
        try:
            with psycopg.connect(url) as connection:
                row = connection.execute("SELECT count(DISTINCT partition_date) FROM kaltura.loads").fetchone()
                return int(row[0]) if row else 0
        except psycopg.OperationalError:
            return -1

    containers.run("migrate")
    containers.start("simulator", "code")
    containers.until(lambda: containers.is_healthy("code"))
    containers.start("webserver")
    containers.until(lambda: containers.is_healthy("webserver"))
    ui = Ui(containers.ports["3000"])
    kaltura = Running(University(), base_url=f"http://127.0.0.1:{containers.ports['8999']}")

    backfill = {
        "assetSelection": ASSETS,
        "partitionNames": [str(day) for day in DAYS],
        "runConfigData": with_short_pauses(kaltura),  # of the retries' minute, among others
    }
    ui.ask(BACKFILL, p=backfill)
    containers.start("daemon")
    containers.until(lambda: loaded() >= 1)
    containers.end("code", signal.SIGKILL)
    containers.end("daemon", signal.SIGTERM)
    containers.start("code", "daemon")

    containers.until(lambda: loaded() > DAYS_PER_RUN)
    database.kill()
    time.sleep(2)
    database.start()

    containers.until(lambda: loaded() > 2 * DAYS_PER_RUN)
    database.stop()
    time.sleep(2)
    database.start()
    containers.end("daemon", signal.SIGKILL)
    containers.end("code", signal.SIGTERM)
    containers.start("code", "daemon")

    whole = [(str(DAYS[0]), str(DAYS[-1]))]

    def is_over() -> bool:
        """Between a run that failed and the one that retries it, none is under way: so the days' marks are asked, too."""
        try:
            under_way = [run for status in ("QUEUED", "STARTING", "STARTED") for run in ui.runs(status)]
            marked = [ui.days(asset, "MATERIALIZED") for asset in ASSETS]
        except (AssertionError, KeyError, httpx.HTTPError):
            # The webserver's connections are those of a server that is gone: it makes new ones. And while the code server is
            # away it knows no assets.
            return False
        return loaded() == len(DAYS) and not under_way and marked == [whole] * len(ASSETS)

    containers.until(is_over, 600)

    for asset in ASSETS:
        assert ui.days(asset, "FAILED") == []
    undisturbed = new_database()
    with installed(kaltura, undisturbed) as dagster:
        assert dagster.pull(Days(DAYS[0], DAYS[-1])).success
    assert rows(url) == rows(undisturbed)
