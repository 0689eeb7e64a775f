"""A stand-in of Kubernetes' API, as far as Dagster's run launcher asks it: each Job's container is a local process.

Jobs are made, asked for and deleted; a pod has the environment that config maps and secrets give it, is stopped by
SIGTERM, and by SIGKILL where that does not end it. What a cluster has and this has not: images, volumes, limits, nodes.
A pod's process sees the folders of this machine, so mounted places are told to it by `mounts`.
"""

import collections
import json
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import warm
import yaml

GRACE_SECONDS = 30


class Printed:
    """The last lines that a process printed. Somebody has to read them, or the process waits for that with its pipe full."""

    def __init__(self, process: warm.Process) -> None:
        self._lines: collections.deque[str] = collections.deque(maxlen=200)
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def _read(self, process: warm.Process) -> None:
        with process.stdout as printed:
            self._lines.extend(printed)

    def text(self) -> str:
        self._reader.join(GRACE_SECONDS)
        return "".join(self._lines)


@dataclass
class Job:
    """One that was made: its manifest, the process of its pod, and from when to when that ran."""

    manifest: dict[str, Any]
    process: warm.Process | None
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def location(self) -> str:
        return str(self.manifest["metadata"]["labels"]["dagster/code-location"])

    @property
    def run_id(self) -> str:
        return str(self.manifest["metadata"]["labels"]["dagster/run-id"])

    def exit_code(self) -> int | None:
        """None while the pod runs, or waits to."""
        code = self.process.poll() if self.process else None
        if code is not None and self.ended is None:
            self.ended = time.monotonic()
        return code

    def status(self) -> dict[str, int]:
        code = self.exit_code()
        if code is None:
            return {"active": 1}
        return {"succeeded": 1} if code == 0 else {"failed": 1}

    def pod(self) -> dict[str, Any]:
        phase = "Pending" if self.process is None else "Running" if self.exit_code() is None else "Failed"
        labels = {"job-name": self.name}
        return {"metadata": {"name": f"{self.name}-0", "labels": labels}, "status": {"phase": phase}}


def write_kubeconfig(file: Path, port: int) -> Path:
    """How a launcher finds a cluster on loopback."""
    named = {
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "here", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
    }
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "here", **named}))
    return file


class Cluster:
    """The API on a port of loopback, and what runs in the cluster."""

    def __init__(self, environment: Mapping[str, str], mounts: Mapping[str, str]) -> None:
        """`environment` is what the image has; `mounts` says where on this machine a mounted place is."""
        self.environment = dict(environment)
        self.mounts = dict(mounts)
        self.config_maps: dict[str, dict[str, str]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.jobs: dict[str, Job] = {}
        self.deleted: list[Job] = []
        self.unschedulable: set[str] = set()  # code locations whose next pod never starts
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (_Api,), {"cluster": self}))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def every_job(self) -> list[Job]:
        return [*self.deleted, *self.jobs.values()]

    def apply(self, manifest: dict[str, Any]) -> None:
        """A config map or a secret."""
        name = manifest["metadata"]["name"]
        if manifest["kind"] == "ConfigMap":
            self.config_maps[name] = dict(manifest["data"])
        elif manifest["kind"] == "Secret":
            self.secrets[name] = dict(manifest["stringData"])

    def kubeconfig(self, file: Path) -> Path:
        return write_kubeconfig(file, self._server.server_port)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            job = Job(manifest, None)
            if job.location in self.unschedulable:
                self.unschedulable.remove(job.location)
            else:
                container = manifest["spec"]["template"]["spec"]["containers"][0]
                words = [*container.get("command", []), *container.get("args", [])]
                job.process = warm.Process([str(warm.PROGRAMS / words[0]), *words[1:]], self.pod_environment(container))
                Printed(job.process)
            self.jobs[job.name] = job
        return manifest

    def pod_environment(self, container: dict[str, Any]) -> dict[str, str]:
        """What Kubernetes would give the container. Raises `KeyError` for a config map or secret that is not there."""
        given = dict(self.environment)
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                given |= self.config_maps[source["configMapRef"]["name"]]
            if "secretRef" in source:
                given |= self.secrets[source["secretRef"]["name"]]
        for each in container.get("env", []):
            if "value" in each:
                given[each["name"]] = each["value"]
            elif "secretKeyRef" in each.get("valueFrom", {}):
                reference = each["valueFrom"]["secretKeyRef"]
                given[each["name"]] = self.secrets[reference["name"]][reference["key"]]
        return {name: self._mounted(value) for name, value in given.items()}

    def _mounted(self, value: str) -> str:
        for there, here in self.mounts.items():
            if value == there or value.startswith(f"{there}/"):
                return here + value.removeprefix(there)
        return value

    def delete(self, name: str) -> dict[str, Any] | None:
        with self._lock:
            job = self.jobs.pop(name, None)
            if job is None:
                return None
            self.deleted.append(job)
        if job.process and job.exit_code() is None:
            job.process.terminate()
            threading.Thread(target=_end, args=(job,), daemon=True).start()
        return {"kind": "Status", "status": "Success"}

    def kill(self, job: Job) -> None:
        """The node is gone, or the pod met its memory limit."""
        assert job.process
        assert job.exit_code() is None, "it ended before it could be killed"
        job.process.send_signal(signal.SIGKILL)
        job.process.wait(GRACE_SECONDS)

    def close(self) -> None:
        self._server.shutdown()
        for job in self.every_job:
            if job.process and job.exit_code() is None:
                job.process.kill()


def _end(job: Job) -> None:
    assert job.process
    gives_up_at = time.monotonic() + GRACE_SECONDS
    while job.exit_code() is None and time.monotonic() < gives_up_at:
        time.sleep(0.05)
    job.process.kill()


class _Api(BaseHTTPRequestHandler):
    """The requests that the launcher makes, under /apis/batch/v1 for jobs and /api/v1 for pods and events."""

    cluster: Cluster

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(self.cluster.create(body) if self._kind() == "jobs" else None, created=True)

    def do_GET(self) -> None:
        jobs, name = self.cluster.jobs, self._name()
        if self._kind() == "jobs" and name:
            job = jobs.get(name)
            self._answer({**job.manifest, "status": job.status()} if job else None)
        elif self._kind() == "jobs":
            self._answer({"items": [{**job.manifest, "status": job.status()} for job in jobs.values()]})
        elif self._kind() == "pods" and not name:
            selected = parse_qs(urlsplit(self.path).query).get("labelSelector", [""])[0].removeprefix("job-name=")
            self._answer({"items": [jobs[selected].pod()] if selected in jobs else []})
        elif self._kind() == "events":
            self._answer({"items": []})
        else:
            self._answer(None)

    def do_DELETE(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        assert body is not None
        self._answer(self.cluster.delete(self._name()) if self._kind() == "jobs" else {})

    def _words(self) -> list[str]:
        return urlsplit(self.path).path.partition("/namespaces/")[2].split("/")[1:]

    def _kind(self) -> str:
        return self._words()[0]

    def _name(self) -> str:
        return self._words()[1] if len(self._words()) > 1 else ""

    def _answer(self, content: dict[str, Any] | None, *, created: bool = False) -> None:
        body = json.dumps(content if content is not None else {"kind": "Status", "code": 404}).encode()
        self.send_response(404 if content is None else 201 if created else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests look at what happened."""
