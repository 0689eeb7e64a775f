"""deploy/k8s/ at work: the real queue, daemon, code servers and run launcher of Dagster, in front of a stand-in cluster.

The instance is what the chart makes of values.yaml, and the accounts' settings are those of accounts.yaml. Put in their
place is what is here and not there: addresses, secrets, folders, and how long the daemon waits before it looks again.
"""

import contextlib
import copy
import datetime as dt
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import warm
import yaml
from cluster import Cluster, Job, Printed
from dagster_ui import BACKFILL, Ui
from helm_chart import HOME, VALUES, environment, instance_yaml
from pipeline import CHECKOUT, Pipeline, free_port, wait_until

from resources.local import postgres as local_postgres
from simulator import Credentials, Running, University, serving

DAYS = [dt.date(2026, 3, 2) + dt.timedelta(days=n) for n in range(24)]
DAYS_PER_RUN = 12
DEPLOYMENTS: list[dict[str, Any]] = VALUES["dagster-user-deployments"]["deployments"]
MANIFESTS = [
    part
    for name in ("accounts.yaml", "secrets.example.yaml")
    for part in yaml.safe_load_all((CHECKOUT / "deploy/k8s" / name).read_text())
]
START_SECONDS = 30  # how long a pod may take to start; 300 in a cluster

CANCEL = """mutation($id: String!) { terminateRun(runId: $id) { __typename ... on PythonError { message } } }"""
PODS = "{ runsOrError { ... on Runs { results { runId status pipelineName tags { key value } } } } }"


@dataclass
class Installation:
    """Three accounts in one Dagster."""

    cluster: Cluster
    kaltura: dict[str, Running]
    ui: Ui
    warehouse: str

    def backfill(self, location: str, days: list[dt.date]) -> None:
        prefix = self.cluster.config_maps[location]["ASSET_PREFIX"]
        assets = [{"path": [prefix, "kaltura", name]} for name in ("room_sessions", "attendees", "breakout_sessions")]
        given = {"assetSelection": assets, "partitionNames": [str(day) for day in days]}
        made = self.ui.ask(BACKFILL, p=given)["launchPartitionBackfill"]
        assert "backfillId" in made, made

    def job(self, location: str) -> Job | None:
        """The account's pod that runs now, or waits to."""
        jobs = list(self.cluster.jobs.values())
        return next((job for job in jobs if job.location == location and job.exit_code() is None), None)

    def loaded(self, location: str) -> set[dt.date]:
        partner = int(self.cluster.config_maps[location]["KALTURA_PARTNER_ID"])
        with psycopg.connect(self.warehouse) as connection:
            found = connection.execute(
                "SELECT partition_date FROM kaltura.loads WHERE partner_id = %s GROUP BY 1 HAVING count(DISTINCT report_id) = 3",
                (partner,),
            )
            return {day for (day,) in found}

    def status(self, run_id: str) -> str:
        return next(run["status"] for run in self.ui.ask(PODS)["runsOrError"]["results"] if run["runId"] == run_id)

    def under_way(self) -> list[str]:
        return [run for status in ("QUEUED", "STARTING", "STARTED", "CANCELING") for run in self.ui.runs(status)]


@contextlib.contextmanager
def cluster_of(folder: Path, databases: dict[str, str], kaltura: dict[str, Running]) -> Iterator[Cluster]:
    """A cluster that the manifests of accounts and secrets were applied to, each filled in as its comments ask."""
    image = {name: value for name, value in os.environ.items() if not name.startswith(("KALTURA_", "DAGSTER_", "PG"))}
    mounts = {HOME: str(folder), "/files": str(folder / "files")}
    made = Cluster({**image, "PYTHON_DOTENV_DISABLED": "1"}, mounts)
    for manifest in copy.deepcopy(MANIFESTS):
        made.apply(manifest)
    made.secrets["warehouse"]["DATABASE_URL"] = databases["warehouse"]
    for name, running in kaltura.items():
        made.secrets[name]["KALTURA_APP_TOKEN"] = running.app_token
        made.config_maps[name] |= {
            "KALTURA_BASE_URL": running.base_url,
            "KALTURA_APP_TOKEN_ID": running.app_token_id,
            "PARTITION_TIMEZONE": "UTC",
            "DAYS_PER_RUN": str(DAYS_PER_RUN),
        }
    try:
        yield made
    finally:
        made.close()


def write_instance(cluster: Cluster, folder: Path, storage: str) -> None:
    """`dagster.yaml` as the chart writes it, for this cluster and this storage, with a daemon that looks often."""
    made = instance_yaml(VALUES)
    for name in ("run_storage", "event_log_storage", "schedule_storage"):
        made[name]["config"] = {"postgres_url": storage}
    launcher = made["run_launcher"]["config"]
    launcher |= {"load_incluster_config": False, "kubeconfig_file": str(cluster.kubeconfig(folder / "kubeconfig"))}
    made["run_monitoring"] |= {"poll_interval_seconds": 1, "start_timeout_seconds": START_SECONDS}
    made["compute_logs"]["config"]["base_dir"] = str(folder / "files/logs")
    (folder / "dagster.yaml").write_text(yaml.safe_dump(made))


@pytest.fixture
def kaltura() -> Iterator[dict[str, Running]]:
    with contextlib.ExitStack() as stack:
        yield {
            each["name"]: stack.enter_context(
                serving(
                    University(seed=number, rooms=6),
                    credentials=Credentials(
                        partner_id=int(each["name"].removeprefix("kaltura-")), app_token=f"invented token {number}"
                    ),
                )
            )
            for number, each in enumerate(DEPLOYMENTS)
        }


@pytest.fixture
def databases(postgres_folder: Path, new_database: Callable[[], str]) -> dict[str, str]:
    name = f"dagster_{psycopg.conninfo.conninfo_to_dict(new_database())['dbname']}"
    with psycopg.connect(local_postgres.url(postgres_folder), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    sockets = local_postgres.find(postgres_folder).sockets
    return {"warehouse": new_database(), "dagster": f"postgresql+psycopg2://postgres@:5432/{name}?host={sockets}"}


@pytest.fixture
def installation(databases: dict[str, str], kaltura: dict[str, Running], tmp_path: Path) -> Iterator[Installation]:
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(cluster_of(tmp_path, databases, kaltura))
        write_instance(cluster, tmp_path, databases["dagster"])
        ports = {each["name"]: free_port() for each in DEPLOYMENTS}
        for each in DEPLOYMENTS:
            start(stack, cluster, code_server(each, ports[each["name"]]), deployment=each)
            # The first makes Dagster's tables: of several that do so at once, one gives up now and then, and the cluster's
            # kubelet would start it again.
            wait_until(lambda port=ports[each["name"]]: listens(port), 120)  # type: ignore[misc]
        servers = [
            {"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": name}} for name, port in ports.items()
        ]
        workspace = tmp_path / "workspace.yaml"
        workspace.write_text(yaml.safe_dump({"load_from": servers}))
        port = free_port()
        start(stack, cluster, ["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)])
        start(stack, cluster, ["dagster-daemon", "run", "-w", str(workspace)])
        ui = Ui(port)
        wait_until(ui.answers, 120)
        yield Installation(cluster, kaltura, ui, databases["warehouse"])


def code_server(deployment: dict[str, Any], port: int) -> list[str]:
    """The command that the chart gives a code server's container."""
    return ["dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port), *deployment["dagsterApiGrpcArgs"]]


def start(
    stack: contextlib.ExitStack, cluster: Cluster, command: list[str], deployment: dict[str, Any] | None = None
) -> None:
    """A pod of the chart's: webserver, daemon, or an account's code server with its settings and its image's name."""
    container: dict[str, Any] = {"env": [{"name": "DAGSTER_HOME", "value": HOME}]}
    if deployment:
        image = deployment["image"]
        container["env"] += [
            {"name": "DAGSTER_CURRENT_IMAGE", "value": f"{image['repository']}:{image['tag']}"},
            *({"name": name, "value": value} for name, value in environment(deployment).items()),
        ]
        container["envFrom"] = [
            *({"configMapRef": each} for each in deployment["envConfigMaps"]),
            *({"secretRef": each} for each in deployment["envSecrets"]),
        ]
    process = warm.Process([str(warm.PROGRAMS / command[0]), *command[1:]], cluster.pod_environment(container))

    printed = Printed(process)

    def end() -> None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # a code server waits a minute for what it is at; the test is over
            process.kill()
        print(f"--- {' '.join(command)}\n{printed.text()[-3000:]}")

    stack.callback(end)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_a_pod_that_is_killed_one_that_is_cancelled_and_one_that_never_starts_lose_nothing(
    installation: Installation, new_database: Callable[[], str], tmp_path: Path
) -> None:
    killed, cancelled, never = (each["name"] for each in DEPLOYMENTS)
    cluster, ui = installation.cluster, installation.ui
    cluster.unschedulable.add(never)
    installation.kaltura[cancelled].delay_seconds = 5
    for location in cluster.config_maps:
        installation.backfill(location, DAYS)

    wait_until(lambda: installation.loaded(killed), 120)
    victim = installation.job(killed)
    assert victim
    cluster.kill(victim)
    assert len(installation.loaded(killed)) < len(DAYS)

    wait_until(
        lambda: (job := installation.job(cancelled)) is not None and installation.status(job.run_id) == "STARTED", 120
    )
    to_cancel = installation.job(cancelled)
    assert to_cancel
    assert ui.ask(CANCEL, id=to_cancel.run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_until(lambda: installation.status(to_cancel.run_id) == "CANCELED", 60)
    wait_until(lambda: to_cancel.exit_code() is not None, 60)
    assert to_cancel.name not in cluster.jobs
    installation.kaltura[cancelled].delay_seconds = 0

    wait_until(lambda: not installation.under_way() and installation.loaded(never) == {*DAYS}, 300)
    wait_until(lambda: not installation.under_way() and installation.loaded(killed) == {*DAYS}, 300)
    missing = [day for day in DAYS if day not in installation.loaded(cancelled)]
    assert missing, "what was cancelled is not loaded"
    installation.backfill(cancelled, missing)
    wait_until(lambda: installation.loaded(cancelled) == {*DAYS} and not installation.under_way(), 300)

    assert_one_pod_of_an_account_at_a_time(cluster)
    for name, running in installation.kaltura.items():
        undisturbed = Pipeline(running, new_database(), tmp_path / f"undisturbed-{name}", {"START_DATE": "2025-01-01"})
        undisturbed.home.mkdir()
        undisturbed.materialize("--partition-range", f"{DAYS[0]}...{DAYS[-1]}")
        together = Pipeline(running, installation.warehouse, tmp_path, {})
        for table, rows in undisturbed.tables().items():
            assert rows
            assert [row for row in together.tables()[table] if row[0]["partner_id"] == running.partner_id] == rows  # type: ignore[index]


def assert_one_pod_of_an_account_at_a_time(cluster: Cluster) -> None:
    """The pool's limit. Pods of different accounts ran side by side all the same."""
    ran = [(job.location, job.started, job.ended) for job in cluster.every_job if job.process and job.ended]
    overlaps = [
        (one[0], other[0])
        for at, one in enumerate(ran)
        for other in ran[at + 1 :]
        if one[1] < (other[2] or 0) and other[1] < (one[2] or 0)
    ]
    assert [pair for pair in overlaps if pair[0] == pair[1]] == []
    assert overlaps
