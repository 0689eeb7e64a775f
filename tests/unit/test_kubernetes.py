"""deploy/k8s/: what Dagster, its chart and Kubernetes make of it.

The chart can't be had from a package registry, so its values schema is not at hand here. The names below were read in it
(helm/dagster/values.schema.json and its subschemas, Apache-2.0): the parts of it that forbid any other field.
"""

from typing import Any

import pytest
import yaml
from dagster._config import Shape, process_config
from dagster_k8s import K8sRunLauncher

from resources.settings import CHECKOUT

FOLDER = CHECKOUT / "deploy/k8s"
VALUES: dict[str, Any] = yaml.safe_load((FOLDER / "values.yaml").read_text())
OTHERS = [
    part
    for file in sorted(FOLDER.glob("*.yaml"))
    if file.name != "values.yaml"
    for part in yaml.safe_load_all(file.read_text())
]

WORKLOAD = {"image", "env", "resources", "podSecurityContext", "securityContext", "volumes", "volumeMounts"}
FIELDS: dict[str, set[str]] = {
    "": {
        "global", "generatePostgresqlPasswordSecret", "postgresql", "dagsterWebserver", "dagster-user-deployments",
        "runLauncher", "dagsterDaemon", "concurrency", "computeLogManager", "telemetry", "additionalInstanceConfig",
    },
    "global": {"postgresqlSecretName"},
    "postgresql": {
        "enabled", "postgresqlScheme", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "service",
    },
    "dagsterWebserver": WORKLOAD,
    "dagsterDaemon": WORKLOAD | {"enabled", "runMonitoring", "runRetries", "runCoordinator"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "deployments"},
    "runLauncher": {"type", "config"},
    "runLauncher.config": {"k8sRunLauncher"},
    "runLauncher.config.k8sRunLauncher": {
        "imagePullPolicy", "loadInclusterConfig", "envConfigMaps", "envSecrets", "envVars", "volumes", "volumeMounts",
        "failPodOnRunFailure", "resources", "securityContext", "runK8sConfig",
    },
    "runLauncher.config.k8sRunLauncher.runK8sConfig": {"podSpecConfig", "jobSpecConfig"},
    "concurrency": {"enabled", "runs", "pools"},
    "concurrency.runs": {"maxConcurrentRuns"},
    "concurrency.pools": {"granularity", "defaultLimit"},
    "computeLogManager": {"type", "config"},
}  # fmt: skip
DEPLOYMENT = WORKLOAD | {
    "name", "dagsterApiGrpcArgs", "port", "envConfigMaps", "envSecrets", "includeConfigInLaunchedRuns",
}  # fmt: skip


def value(path: str) -> Any:
    found: Any = VALUES
    for name in path.split(".") if path else []:
        found = found[name]
    return found


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_one_that_the_chart_has(path: str) -> None:
    assert set(value(path)) <= FIELDS[path]


def test_a_code_location_an_account_with_its_own_settings_and_secrets() -> None:
    deployments = VALUES["dagster-user-deployments"]["deployments"]
    maps = {part["metadata"]["name"]: part["data"] for part in OTHERS if part["kind"] == "ConfigMap"}
    secrets = {part["metadata"]["name"] for part in OTHERS if part["kind"] == "Secret"}
    for deployment in deployments:
        name = deployment["name"]
        assert set(deployment) <= DEPLOYMENT
        assert deployment["dagsterApiGrpcArgs"][-1] == name
        assert deployment["envConfigMaps"] == [{"name": name}]
        assert {secret["name"] for secret in deployment["envSecrets"]} == {name, "warehouse"}
        assert name in secrets
        assert name == f"kaltura-{maps[name]['KALTURA_PARTNER_ID']}"
    assert sorted(maps) == sorted(deployment["name"] for deployment in deployments)
    assert VALUES["global"]["postgresqlSecretName"] in secrets


def test_the_run_launcher_s_settings_are_those_that_dagster_takes() -> None:
    """The chart turns camelCase into the launcher's own names."""
    given = value("runLauncher.config.k8sRunLauncher")
    config = {
        "job_namespace": "kaltura",
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": "/opt/dagster/dagster_home",
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
        "image_pull_policy": given["imagePullPolicy"],
        "load_incluster_config": given["loadInclusterConfig"],
        "env_config_maps": given["envConfigMaps"],
        "env_secrets": given["envSecrets"],
        "env_vars": given["envVars"],
        "volumes": given["volumes"],
        "volume_mounts": given["volumeMounts"],
        "fail_pod_on_run_failure": given["failPodOnRunFailure"],
        "resources": given["resources"],
        "security_context": given["securityContext"],
        "run_k8s_config": {
            "pod_spec_config": given["runK8sConfig"]["podSpecConfig"],
            "job_spec_config": given["runK8sConfig"]["jobSpecConfig"],
        },
    }
    result = process_config(Shape(K8sRunLauncher.config_type()), config)
    assert result.success, result.errors


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


def test_pools_are_counted_as_in_dagster_yaml() -> None:
    ours = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())
    pools = VALUES["concurrency"]["pools"]
    assert (pools["granularity"], pools["defaultLimit"]) == tuple(
        ours["concurrency"]["pools"][name] for name in ("granularity", "default_limit")
    )
    assert VALUES["additionalInstanceConfig"]["run_queue"] == ours["run_queue"]
    daemon = VALUES["dagsterDaemon"]
    assert daemon["runRetries"]["maxRetries"] == ours["run_retries"]["max_retries"]
    assert daemon["runRetries"]["retryOnAssetOrOpFailure"] == ours["run_retries"]["retry_on_asset_or_op_failure"]
    assert (
        daemon["runMonitoring"]["freeSlotsAfterRunEndSeconds"]
        == (ours["run_monitoring"]["free_slots_after_run_end_seconds"])
    )
