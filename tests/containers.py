"""docker-compose.yml without an engine: each service's very command, user, environment and secrets, as processes.

What an engine would do and this can't: name spaces, cgroup limits, a root file system that is really read-only. The
last is had nearly: as root, the processes run as the containers' user, who may write to their volume alone.
"""

import os
import signal
import socket
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import yaml
from dagster_ui import looking_often
from dotenv import dotenv_values
from pipeline import CHECKOUT, PROGRAMS, free_port, wait_until

from pipelines.instance.dagster_home import POSTGRES_STORAGE
from resources.local import postgres as local_postgres

COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
PYTHONPATH = f"{CHECKOUT}:{sysconfig.get_path('purelib')}"
PREPARE = [sys.executable, str(CHECKOUT / "deploy/prepare.py")]
STOP_SECONDS = 10  # then everything that is left in a container is killed


def demo_secrets(folder: Path) -> Path:
    """What deploy/prepare.py makes for the stand-in's account, in a folder of that one."""
    made = folder / "secrets"
    subprocess.run([*PREPARE, "--demo", "--folder", str(made)], check=True)
    made.chmod(0o755)  # here it is the containers that look into it, not the engine
    return made


class Database:
    """The service `postgres`: two databases with owners and passwords, over TCP."""

    def __init__(self, folder: Path, secrets: Path) -> None:
        self.folder = folder
        # An address of its own, since the port is always the same.
        number = os.getpid()
        self.host = f"127.83.{number // 250 % 250}.{number % 250 + 1}"
        local_postgres.start(folder)
        server = local_postgres.find(folder)
        with psycopg.connect(local_postgres.url(folder), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET listen_addresses = '{self.host}'")
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 127.0.0.0/8 scram-sha-256\n")
        subprocess.run(
            [str(CHECKOUT / "deploy/postgres/databases.sh")],
            env={
                "PATH": f"{local_postgres.binary('psql').parent}:/usr/bin:/bin",
                "SECRETS": str(secrets),
                "PGHOST": str(server.sockets),
                "PGPORT": "5432",
            },
            check=True,
        )
        url = (secrets / "database_url").read_text()
        (secrets / "database_url").write_text(url.replace("@postgres:", f"@{self.host}:"))
        self.stop()
        self.start()

    def start(self) -> None:
        local_postgres.start(self.folder)

    def stop(self) -> None:
        local_postgres.stop(self.folder)

    def kill(self) -> None:
        pid = int((local_postgres.find(self.folder).data / "postmaster.pid").read_text().split()[0])
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in processes:  # of which each may end by itself, once the first is gone
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def remove(self) -> None:
        local_postgres.remove(self.folder)


class Containers:
    """The other services, each started, stopped, killed and restarted as an engine would."""

    def __init__(self, folder: Path, database: Database, secrets: Path, more: dict[str, str]) -> None:
        self.folder = folder
        self.database = database
        self.secrets = secrets
        self.more = more
        self.ports = {port: free_port() for port in ("4000", "3000", "8999", "8088")}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts = 0
        self.volume, self.superset = folder / "volume", folder / "superset"
        self.volume.mkdir()
        self.superset.mkdir()
        self.user, python = self._user()
        self.programs = self._programs(python)
        if self.user is not None:
            os.chown(self.volume, self.user, self.user)
            os.chown(self.superset, self.user, self.user)
        self._look_often()
        workspace = (CHECKOUT / "deploy/workspace.yaml").read_text()
        self.workspace = folder / "workspace.yaml"
        self.workspace.write_text(self._told(workspace.replace("host: code", "host: 127.0.0.1")))

    def _user(self) -> tuple[int | None, str]:
        """The containers' user and a Python for it, if we may be anyone and it can read the checkout; else ourselves."""
        number = int(SERVICES["code"]["user"].split(":")[0])
        for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}") if os.geteuid() == 0 else ():
            try:
                subprocess.run(
                    [python, "-c", "import pipelines.instance.dagster_home, psycopg"], cwd=CHECKOUT,
                    env={"PYTHONPATH": PYTHONPATH},
                    user=number, group=number, extra_groups=[], capture_output=True, check=True,
                )  # fmt: skip
            except (OSError, subprocess.CalledProcessError):
                continue
            return number, python
        return None, sys.executable

    def _programs(self, python: str) -> Path:
        """The image's /opt/venv/bin: the installed commands, each with that Python."""
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "python").symlink_to(python)
        for name in ("dagster", "dagster-daemon", "dagster-webserver"):
            lines = (PROGRAMS / name).read_text().splitlines(keepends=True)
            (programs / name).write_text(f"#!{python}\n" + "".join(lines[1:]))
            (programs / name).chmod(0o755)
        return programs

    def _look_often(self) -> None:
        """Dagster's home as the image makes it, but that what is looked at by the half minute is looked at by the second."""
        instance = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text() + POSTGRES_STORAGE)
        instance["run_queue"] |= {
            "dequeue_interval_seconds": 1,
            "max_user_code_failure_retries": 300,
            "user_code_failure_retry_delay": 1,
        }
        instance["run_monitoring"] |= {"poll_interval_seconds": 1, "free_slots_after_run_end_seconds": 1}
        file = self.volume / "dagster.yaml"
        file.write_text("# With short intervals: a file that others wrote stays as it is.\n" + yaml.safe_dump(instance))
        file.chmod(0o644)
        self.more = {**self.more, **looking_often(PYTHONPATH)}

    def _told(self, text: str) -> str:
        """The same, with the ports and the address that things have here."""
        for there, here in self.ports.items():
            text = text.replace(there, str(here))
        return self._placed(text.replace("0.0.0.0", "127.0.0.1"))

    def _placed(self, text: str) -> str:
        mounted = {"/run/secrets": self.secrets, "/var/lib/dagster": self.volume, "/var/lib/superset": self.superset}
        for there, here in mounted.items():
            text = text.replace(there, str(here))
        return text

    def is_healthy(self, service: str) -> bool:
        """What the service's own health check says."""
        if not self._listens(service):  # a check of Dagster's costs a process, and says no all the same
            return False
        _, program, *words = SERVICES[service]["healthcheck"]["test"]
        command = [str(self.programs / program), *map(self._told, words)]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment(service), user=self.user, group=self.user,
            extra_groups=[] if self.user else None, capture_output=True, check=False,
        )  # fmt: skip
        return done.returncode == 0

    def _listens(self, service: str) -> bool:
        there = {"code": "4000", "webserver": "3000"}[service]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports[there])) == 0

    def command(self, service: str) -> list[str]:
        words = [*SERVICES[service].get("entrypoint", []), *SERVICES[service]["command"]]
        rooms = ["--rooms", "6"] if service == "simulator" else []
        told = [str(self.workspace) if word == "deploy/workspace.yaml" else self._told(word) for word in words]
        return [str(self.programs / told[0]), *told[1:], *rooms]

    def environment(self, service: str) -> dict[str, str]:
        """The image's, the service's, and what the mounted `.env` adds."""
        here = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "PYTHONPATH": PYTHONPATH,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHON_DOTENV_DISABLED": "1",  # a developer's own .env is not the container's
            "TMPDIR": str(self.volume),
        }
        given = {}
        for name, value in SERVICES[service].get("environment", {}).items():
            told = self._placed(value)
            given[name] = self.database.host if told == "postgres" else told
        settings = {name: self._told(value or "") for name, value in dotenv_values(self.secrets / "settings").items()}
        settings = {name: value.replace("simulator:", "127.0.0.1:") for name, value in settings.items()}
        return {**here, **self.more, **settings, **given}

    def start(self, *services: str) -> None:
        for service in services:
            with (self.folder / f"{service}.log").open("ab") as log:
                self.running[service] = subprocess.Popen(
                    self.command(service), cwd=CHECKOUT, env=self.environment(service), stdout=log, stderr=log,
                    start_new_session=True, user=self.user, group=self.user, extra_groups=[] if self.user else None,
                )  # fmt: skip

    def run(self, service: str) -> None:
        self.start(service)
        assert self.running.pop(service).wait(120) == 0, self.log(service)

    def command_in(self, service: str, *words: str) -> str:
        """What a command printed, given in the container by way of `home`, as the docs say."""
        done = subprocess.run(
            [str(self.programs / "python"), "-m", "pipelines", "home", str(self.programs / words[0]), *words[1:]],
            cwd=CHECKOUT, env=self.environment(service), user=self.user, group=self.user,
            extra_groups=[] if self.user else None, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self, service: str, number: signal.Signals) -> None:
        """`docker stop` (SIGTERM, and SIGKILL for what is left after a while) or `docker kill`."""
        main = self.running.pop(service)
        inside = psutil.Process(main.pid).children(recursive=True)
        main.send_signal(number)
        try:
            main.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            main.kill()
            main.wait()
        for process in inside:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def until(self, condition: Any, seconds: float = 300) -> None:
        """Wait, and meanwhile restart what ends by itself, as `restart: unless-stopped` does."""

        def holds() -> bool:
            for service, process in list(self.running.items()):
                if process.poll() is not None:
                    self.restarts += 1
                    self.start(service)
            return bool(condition())

        wait_until(holds, seconds)

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")[-4000:]

    def end_all(self) -> None:
        """Kill them all, and show what they said: pytest prints it where a test failed."""
        for service in SERVICES:
            if (self.folder / f"{service}.log").exists():
                print(f"--- {service}\n{self.log(service)}")
        for service in list(self.running):
            self.end(service, signal.SIGKILL)
