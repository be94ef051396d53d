"""A real scheduler process beside the real API server."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import ApiServer

Obj = dict[str, Any]
SECONDS = 30.0


class Api:
    """The API in short, for one namespace."""

    def __init__(self, http: httpx.Client, namespace: str) -> None:
        self.http, self.namespace = http, namespace

    def path(self, plural: str, name: str = "", *, group: str = "", namespaced: bool = True) -> str:
        """A resource's path."""
        root = f"/apis/{group}" if group else "/api/v1"
        return f"{root}{f'/namespaces/{self.namespace}' if namespaced else ''}/{plural}{f'/{name}' if name else ''}"

    def create(self, path: str, obj: Obj) -> Obj:
        """POST."""
        answer = self.http.post(path, json=obj)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def merge(self, path: str, patch: Obj) -> Obj:
        """A merge PATCH."""
        answer = self.http.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def node(self, name: str, cpu: str = "4", labels: dict[str, str] | None = None) -> str:
        """A node that is ready to take pods."""
        meta = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
        self.create("/api/v1/nodes", {"kind": "Node", "apiVersion": "v1", "metadata": meta})
        room = {"cpu": cpu, "memory": "8Gi", "pods": "110"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        self.merge(f"/api/v1/nodes/{name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [ready]}})
        self.merge(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
        return name

    def pod(self, name: str, cpu: str = "100m", **spec: Any) -> Obj:
        """A new pod."""
        container = {"name": "c", "image": "registry.example/app:1", "resources": {"requests": {"cpu": cpu}}}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}
        return self.create(self.path("pods"), {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec})

    def get(self, path: str) -> Obj:
        """GET; an empty object when there is none."""
        answer = self.http.get(path)
        return dict(answer.json()) if answer.status_code == 200 else {}

    def until(self, path: str, condition: Callable[[Obj], Any], seconds: float = SECONDS) -> Obj:
        """Ask until the condition holds of the answer."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(path)
            if condition(found):
                return found
            assert time.monotonic() < deadline, f"{path} stayed {found}"
            time.sleep(0.05)

    def bound(self, name: str) -> str:
        """The node that a pod gets."""
        return str(self.until(self.path("pods", name), lambda p: p.get("spec", {}).get("nodeName"))["spec"]["nodeName"])

    def unschedulable(self, name: str) -> str:
        """Why a pod gets none."""

        def reported(p: Obj) -> bool:
            return any(c.get("reason") == "Unschedulable" for c in p.get("status", {}).get("conditions") or [])

        found = self.until(self.path("pods", name), reported)
        return str(next(c for c in found["status"]["conditions"] if c["type"] == "PodScheduled")["message"])


class Schedulers:
    """Starts scheduler processes, and ends them all."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self._server, self._folder = server, folder
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, *flags: str) -> subprocess.Popen[bytes]:
        """A scheduler against the server."""
        argv = [sys.executable, "-m", "scheduler", f"--kubeconfig={self._server.data_dir}/scheduler.kubeconfig", *flags]
        with (self._folder / f"scheduler-{len(self.processes)}.log").open("wb") as log:
            self.processes.append(subprocess.Popen(argv, stdout=log, stderr=log))
        return self.processes[-1]

    def stop(self) -> None:
        """End them."""
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(20)


@pytest.fixture
def schedulers(apiserver: ApiServer, tmp_path: Path) -> Iterator[Schedulers]:
    """Scheduler processes for one test."""
    made = Schedulers(apiserver, tmp_path)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def api(apiserver: ApiServer, namespace: str) -> Iterator[Api]:
    """The API for one test; its nodes are removed afterwards."""
    with apiserver.http() as http:
        yield Api(http, namespace)
        http.delete(f"/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0")
        http.delete("/api/v1/nodes")
