"""What Dagster's official Helm chart makes of deploy/k8s/values.yaml: the instance's YAML and what a code server's runs get.

The chart can't be had from a package registry, so its rules are written down here as they were read in its templates
(helm/dagster/templates/configmap-instance.yaml and helpers/instance, of Dagster 1.10 to 1.13). Only what our values use.
"""

import json
from typing import Any

import yaml

from resources.settings import CHECKOUT

VALUES: dict[str, Any] = yaml.safe_load((CHECKOUT / "deploy/k8s/values.yaml").read_text())
RELEASE, NAMESPACE, HOME = "dagster", "kaltura", "/opt/dagster/dagster_home"


def instance_yaml(values: dict[str, Any]) -> dict[str, Any]:
    """The `dagster.yaml` that webserver, daemon and run pods are given."""
    daemon, concurrency = values["dagsterDaemon"], values.get("concurrency", {})
    made: dict[str, Any] = {
        "scheduler": {"module": "dagster.core.scheduler", "class": "DagsterDaemonScheduler"},
        "schedule_storage": _storage(values, "schedule_storage", "PostgresScheduleStorage"),
        "run_storage": _storage(values, "run_storage", "PostgresRunStorage"),
        "event_log_storage": _storage(values, "event_log", "PostgresEventLogStorage"),
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": _launcher(values)},
        "run_coordinator": _coordinator(daemon.get("runCoordinator", {})),
        "compute_logs": _compute_logs(values["computeLogManager"]),
        "telemetry": {"enabled": values["telemetry"]["enabled"]},
    }
    if "pythonLogs" in values:
        made["python_logs"] = _snaked(values["pythonLogs"])
    if daemon.get("runMonitoring", {}).get("enabled"):
        made["run_monitoring"] = _snaked(daemon["runMonitoring"])
    if daemon.get("runRetries", {}).get("enabled"):
        made["run_retries"] = _snaked(daemon["runRetries"])
    if concurrency.get("enabled"):
        made["concurrency"] = {name: _snaked(concurrency[name]) for name in ("runs", "pools") if name in concurrency}
    if values.get("retention", {}).get("enabled"):
        made["retention"] = {
            name: {"purge_after_days": values["retention"][name]["purgeAfterDays"]} for name in ("schedule", "sensor")
        }
    return {**made, **values.get("additionalInstanceConfig", {})}


def container_context(deployment: dict[str, Any]) -> dict[str, Any]:
    """What the runs of a code server get from it: the chart's own where that is on, else what its `env` spells out."""
    if deployment.get("includeConfigInLaunchedRuns", {"enabled": True})["enabled"]:
        copied = {
            "env_config_maps": [f"{RELEASE}-{deployment['name']}-user-env", *_names(deployment["envConfigMaps"])],
            "env_secrets": _names(deployment["envSecrets"]),
            "namespace": NAMESPACE,
            **{
                ours: deployment[theirs]
                for ours, theirs in (("volumes", "volumes"), ("volume_mounts", "volumeMounts"), ("env", "env"))
            },
            "resources": deployment["resources"],
        }
        return {"k8s": copied}
    spelled: dict[str, Any] = json.loads(environment(deployment)["DAGSTER_CLI_API_GRPC_CONTAINER_CONTEXT"])
    return spelled


def environment(workload: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in workload["env"]}


def _coordinator(values: dict[str, Any]) -> dict[str, Any]:
    if not values.get("enabled"):
        return {"module": "dagster.core.run_coordinator", "class": "SyncInMemoryRunCoordinator"}
    if values["type"] == "CustomRunCoordinator":
        return dict(values["config"]["customRunCoordinator"])
    queued = values["config"]["queuedRunCoordinator"]
    return {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator", "config": _snaked(queued)}


def _compute_logs(values: dict[str, Any]) -> dict[str, Any]:
    if values["type"] == "NoOpComputeLogManager":
        return {"module": "dagster.core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
    return dict(values["config"]["customComputeLogManager"])


def _launcher(values: dict[str, Any]) -> dict[str, Any]:
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    made: dict[str, Any] = {
        "load_incluster_config": given["loadInclusterConfig"],
        "job_namespace": given.get("jobNamespace", NAMESPACE),
        "image_pull_policy": given["imagePullPolicy"],
        "service_account_name": RELEASE,
        "dagster_home": HOME,
        "instance_config_map": f"{RELEASE}-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "run_k8s_config": _snaked(given["runK8sConfig"], deep=False),
    }
    if given.get("failPodOnRunFailure"):
        made["fail_pod_on_run_failure"] = True
    for ours, theirs in (("env_config_maps", "envConfigMaps"), ("env_secrets", "envSecrets")):
        if given.get(theirs):
            made[ours] = _names(given[theirs])
    for name in ("envVars", "volumes", "volumeMounts", "resources", "securityContext"):
        if given.get(name):
            made[_snake(name)] = given[name]
    return made


def _storage(values: dict[str, Any], module: str, class_: str) -> dict[str, Any]:
    given = values["postgresql"]
    database = {
        "username": given["postgresqlUsername"],
        "password": {"env": "DAGSTER_PG_PASSWORD"},
        "hostname": given["postgresqlHost"],
        "db_name": given["postgresqlDatabase"],
        "port": given["service"]["port"],
        "params": given.get("postgresqlParams", {}),
        "scheme": given["postgresqlScheme"],
    }
    return {"module": f"dagster_postgres.{module}", "class": class_, "config": {"postgres_db": database}}


def _names(given: list[dict[str, str]]) -> list[str]:
    return [each["name"] for each in given]


def _snaked(given: dict[str, Any], *, deep: bool = True) -> dict[str, Any]:
    return {
        _snake(name): _snaked(value) if deep and isinstance(value, dict) else value for name, value in given.items()
    }


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
