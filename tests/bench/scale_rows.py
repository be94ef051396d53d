"""The rows of scale: many Deployments at once, and the end of a large one and of a full namespace, on simulated nodes."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.plane_rows import start_plane, until
from tests.bench.processes import Server, cpu_seconds

MANY = 500
LARGE = 1000
CONNECTIONS = 8
LIMIT = 150
IDLE_SECONDS = 10.0
Obj = dict[str, Any]


def measure(server: Server) -> dict[str, float]:
    """All figures of scale; each begins when the former is cleaned up."""
    start_plane(server)
    out = {"deployments": _many(server), **_delete_large(server), "namespace_deletion": _delete_namespace(server)}
    out |= _idle(server)
    return out


def _many(server: Server) -> float:
    """Seconds from the first of 500 Deployments of one pod until all are available."""
    _namespace(server, "many")
    begun = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda i: _create(server, "many", f"d-{i}", 1), range(MANY)))
    path = "/apis/apps/v1/namespaces/many/deployments"
    until(lambda: sum(_available(d) for d in _items(server, path)) == MANY, LIMIT, "available Deployments")
    return time.perf_counter() - begun


def _delete_large(server: Server) -> dict[str, float]:
    """Seconds from the deletion of a Deployment of 1,000 until its last pod is gone, in the background and in the foreground."""
    out = {}
    for policy, key in (("Background", "deletion"), ("Foreground", "deletion_foreground")):
        name = policy.lower()
        _namespace(server, name)
        _create(server, name, "large", LARGE)
        path = f"/apis/apps/v1/namespaces/{name}/deployments"
        until(lambda path=path: _items(server, path)[0].get("status", {}).get("availableReplicas") == LARGE, LIMIT, "available pods")
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
        begun = time.perf_counter()
        _expect(server.request("DELETE", f"{path}/large", json.dumps(options).encode()), 200)
        pods = f"/api/v1/namespaces/{name}/pods"
        until(lambda path=path, pods=pods: not _items(server, pods) and not _items(server, path), LIMIT, "an empty namespace")
        out[key] = time.perf_counter() - begun
    return out


def _delete_namespace(server: Server) -> float:
    """Seconds until the namespace of the 500 Deployments is gone."""
    begun = time.perf_counter()
    _expect(server.request("DELETE", "/api/v1/namespaces/many"), 200)
    until(lambda: server.request("GET", "/api/v1/namespaces/many")[0] == 404, LIMIT, "the end of the namespace")
    return time.perf_counter() - begun


def _idle(server: Server) -> dict[str, float]:
    """Share of a core, in percent, that controllers and scheduler use at rest."""
    time.sleep(5)  # what is measured is rest
    names = ("controllers", "scheduler")
    used = {name: cpu_seconds(server.others[name].pid) for name in names}
    time.sleep(IDLE_SECONDS)
    return {f"{name}_idle": (cpu_seconds(server.others[name].pid) - used[name]) / IDLE_SECONDS * 100 for name in names}


def _namespace(server: Server, name: str) -> None:
    body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
    _expect(server.request("POST", "/api/v1/namespaces", json.dumps(body).encode()), 201)
    until(lambda: bool(_items(server, f"/api/v1/namespaces/{name}/serviceaccounts")), 20, "the service account")


def _create(server: Server, namespace: str, name: str, replicas: int) -> None:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "registry.example/app:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": pod}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    _expect(server.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", json.dumps(body).encode()), 201)


def _items(server: Server, path: str) -> list[Obj]:
    out: list[Obj] = json.loads(server.request("GET", path)[1]).get("items") or []
    return out


def _available(deployment: Obj) -> bool:
    status = deployment.get("status") or {}
    return bool(status.get("availableReplicas") == deployment["spec"]["replicas"])


def _expect(answer: tuple[int, bytes], status: int) -> None:
    if answer[0] != status:
        raise RuntimeError(f"{answer[0]}: {answer[1][:500]!r}")
