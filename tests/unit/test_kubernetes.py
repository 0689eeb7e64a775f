"""deploy/k8s/: what Dagster, its chart and Kubernetes make of it. What the chart writes is loaded by Dagster itself."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import write_kubeconfig
from dagster import DagsterRun
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.errors import DagsterInvalidConfigError
from dagster._core.instance.ref import InstanceRef
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._serdes import ConfigurableClassData
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from helm_chart import VALUES, container_context, instance_yaml

from resources.settings import CHECKOUT

FOLDER = CHECKOUT / "deploy/k8s"
DEPLOYMENTS: list[dict[str, Any]] = VALUES["dagster-user-deployments"]["deployments"]
OTHERS = [
    part
    for file in sorted(FOLDER.glob("*.yaml"))
    if file.name != "values.yaml"
    for part in yaml.safe_load_all(file.read_text())
]


def value(path: str) -> Any:
    found: Any = VALUES
    for name in path.split(".") if path else []:
        found = found[name]
    return found


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstanceRef:
    return load(VALUES, tmp_path, monkeypatch)


def load(values: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> InstanceRef:
    """The instance as each of its processes reads it, by Dagster's own loader."""
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "hidden")
    (folder / "dagster.yaml").write_text(yaml.safe_dump(instance_yaml(values)))
    return InstanceRef.from_dir(str(folder))


@pytest.fixture
def ours(tmp_path_factory: pytest.TempPathFactory) -> InstanceRef:
    """The instance of a checkout: what dagster.yaml says."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "dagster.yaml").write_text((CHECKOUT / "dagster.yaml").read_text())
    return InstanceRef.from_dir(str(folder))


def config(data: ConfigurableClassData | None) -> Any:
    assert data is not None
    return yaml.safe_load(data.config_yaml)


def test_runs_wait_in_the_same_queue_as_in_a_checkout(loaded: InstanceRef, ours: InstanceRef) -> None:
    assert isinstance(loaded.run_coordinator, QueuedRunCoordinator)
    assert config(loaded.run_coordinator_data) == config(ours.run_coordinator_data)
    assert loaded.settings["concurrency"]["pools"] == ours.settings["concurrency"]["pools"]


@pytest.mark.parametrize("name", ["run_retries", "run_monitoring", "python_logs", "retention", "telemetry", "nux"])
def test_every_setting_of_the_instance_is_the_checkout_s(name: str, loaded: InstanceRef, ours: InstanceRef) -> None:
    assert without_defaults(loaded.settings[name]) == without_defaults(ours.settings[name])


def without_defaults(settings: Any) -> Any:
    """A sensor's ticks that started are kept for good, said or not."""
    if isinstance(settings, dict):
        return {name: without_defaults(value) for name, value in settings.items() if value != -1}
    return settings


def test_a_chart_without_a_coordinator_and_dagster_s_queue_is_what_dagster_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the values once said. The chart's queue is off then, and `run_queue` beside it stops every process."""
    values = copy.deepcopy(VALUES)
    values["dagsterDaemon"]["runCoordinator"] = {"enabled": False}
    values["additionalInstanceConfig"]["run_queue"] = {"max_user_code_failure_retries": 20}
    with pytest.raises(DagsterInvalidConfigError, match="incompatible"):
        load(values, tmp_path, monkeypatch)


def test_what_a_run_prints_is_written_where_the_webserver_reads_it(loaded: InstanceRef) -> None:
    assert loaded.compute_logs_data.class_name == "LocalComputeLogManager"
    folder = config(loaded.compute_logs_data)["base_dir"]
    launcher = config(loaded.run_launcher_data)
    assert is_on_the_claim(folder, launcher["volumes"], launcher["volume_mounts"])
    webserver = VALUES["dagsterWebserver"]
    assert is_on_the_claim(folder, webserver["volumes"], webserver["volumeMounts"])


def is_on_the_claim(folder: str, volumes: list[dict[str, Any]], mounts: list[dict[str, str]]) -> bool:
    claims = {part["metadata"]["name"] for part in OTHERS if part["kind"] == "PersistentVolumeClaim"}
    lasting = {each["name"] for each in volumes if each.get("persistentVolumeClaim", {}).get("claimName") in claims}
    return any(each["name"] in lasting and folder.startswith(each["mountPath"]) for each in mounts)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A cluster that nobody asks anything of: the launcher wants to know of one."""
    return write_kubeconfig(tmp_path / "kubeconfig", 9)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each["name"])
def test_a_run_s_pod_has_the_launcher_s_resources_and_its_account_s_settings(
    deployment: dict[str, Any], loaded: InstanceRef, kubeconfig: Path
) -> None:
    """As the launcher itself puts them together for a run of that code server."""
    settings = config(loaded.run_launcher_data)
    launcher = K8sRunLauncher(**{**settings, "load_incluster_config": False, "kubeconfig_file": str(kubeconfig)})
    location = RepositoryPythonOrigin(
        executable_path="python",
        code_pointer=ModuleCodePointer("pipelines.definitions", "defs", None),
        container_image="registry.example.internal/image",
        container_context=container_context(deployment),
    )
    run = DagsterRun(job_name="kaltura", job_code_origin=JobPythonOrigin("kaltura", location))
    context = K8sContainerContext.create_for_run(run, launcher, include_run_tags=True)
    pod = context.run_k8s_config.container_config
    assert pod["resources"] == VALUES["runLauncher"]["config"]["k8sRunLauncher"]["resources"]
    name = deployment["name"]
    assert {each["config_map_ref"]["name"] for each in pod["env_from"] if each.get("config_map_ref")} == {name}
    assert {each["secret_ref"]["name"] for each in pod["env_from"] if each.get("secret_ref")} == {name, "warehouse"}
    given = {each["name"]: each.get("value") for each in pod["env"]}
    assert given.items() >= {"HOME": "/tmp", "REPORT_DIR": "/files/reports"}.items()
    assert is_on_the_claim(given["REPORT_DIR"], settings["volumes"], settings["volume_mounts"])


def test_a_code_location_an_account_with_its_own_settings_and_secrets() -> None:
    deployments = VALUES["dagster-user-deployments"]["deployments"]
    maps = {part["metadata"]["name"]: part["data"] for part in OTHERS if part["kind"] == "ConfigMap"}
    secrets = {part["metadata"]["name"] for part in OTHERS if part["kind"] == "Secret"}
    for deployment in deployments:
        name = deployment["name"]
        assert deployment["dagsterApiGrpcArgs"][-1] == name
        assert deployment["envConfigMaps"] == [{"name": name}]
        assert {secret["name"] for secret in deployment["envSecrets"]} == {name, "warehouse"}
        assert name in secrets
        assert name == f"kaltura-{maps[name]['KALTURA_PARTNER_ID']}"
    assert sorted(maps) == sorted(deployment["name"] for deployment in deployments)
    assert VALUES["global"]["postgresqlSecretName"] in secrets


def containers() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, pod's and container's security context of everything that runs."""
    found = [
        (name, VALUES[name]["podSecurityContext"], VALUES[name]["securityContext"])
        for name in ("dagsterWebserver", "dagsterDaemon")
    ]
    for deployment in VALUES["dagster-user-deployments"]["deployments"]:
        found.append((deployment["name"], deployment["podSecurityContext"], deployment["securityContext"]))
    launcher = value("runLauncher.config.k8sRunLauncher")
    found.append(("a run", launcher["runK8sConfig"]["podSpecConfig"]["securityContext"], launcher["securityContext"]))
    for part in OTHERS:
        job = part["spec"]["jobTemplate"] if part["kind"] == "CronJob" else part
        if job.get("kind", part["kind"]) in ("Job", "CronJob"):
            pod = job["spec"]["template"]["spec"]
            found += [
                (part["metadata"]["name"], pod["securityContext"], each["securityContext"])
                for each in pod["containers"]
            ]
    return found


@pytest.mark.parametrize(("name", "pod", "container"), containers())
def test_no_pod_is_root_or_writes_to_its_own_file_system(
    name: str, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    assert pod["runAsNonRoot"] is True
    assert pod["runAsUser"] == 10001
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}


def test_the_same_image_everywhere() -> None:
    image = VALUES["dagsterWebserver"]["image"]
    name = f"{image['repository']}:{image['tag']}"
    assert VALUES["dagsterDaemon"]["image"] == image
    assert all(each["image"] == image for each in VALUES["dagster-user-deployments"]["deployments"])
    for part in OTHERS:
        job = part["spec"]["jobTemplate"] if part["kind"] == "CronJob" else part
        if part["kind"] in ("Job", "CronJob"):
            assert [each["image"] for each in job["spec"]["template"]["spec"]["containers"]] == [name]
