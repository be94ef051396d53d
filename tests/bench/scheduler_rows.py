"""The rows that the scheduler is measured by: nodes that are only objects, pods that wait, and the time until all are bound."""

from __future__ import annotations

import json
import queue
import threading
import time
from http.client import HTTPSConnection
from typing import Any

from tests.bench.processes import CONTEXT, TOKEN, Server, cpu_seconds, resident_mb

NODES, PODS, ZONES = 1000, 3000, 10
BIG_NODES, BIG_PODS = 5000, 10000
CROWDED_NODES, CROWD, PREEMPTORS = 200, 800, 200
LIMIT = 170.0
CONNECTIONS = 8
PODS_PATH = "/api/v1/namespaces/{}/pods"
Call = tuple[str, str, dict[str, Any]]


def measure(server: Server) -> dict[str, float]:
    """Pods bound a second, of pods that spread over zones and hosts, on a fresh server; the scheduler starts with all of them waiting."""
    _prepare(server, NODES)
    rate, process = _drain(server, "bench", PODS)
    return {
        "scheduling": rate,
        "scheduling_cpu": cpu_seconds(process) / PODS * 1e6,
        "scheduling_memory": resident_mb(process),
    }


def measure_big(server: Server) -> dict[str, float]:
    """The same with five times the nodes."""
    _prepare(server, BIG_NODES)
    rate, process = _drain(server, "bench", BIG_PODS)
    return {"scheduling_big": rate, "scheduling_big_memory": resident_mb(process)}


def measure_preemption(server: Server) -> dict[str, float]:
    """Pods a second that take the place of less important ones, on nodes that are full."""
    _prepare(server, CROWDED_NODES)
    urgent = {"kind": "PriorityClass", "apiVersion": "scheduling.k8s.io/v1", "metadata": {"name": "urgent"}, "value": 1000}
    _run(server, [("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", urgent)])
    _drain(server, "bench", CROWD, cpu="900m", spread=False)
    for call in _namespace("urgent"):
        _run(server, [call])
    bound = _Bound(server, "urgent")
    start = time.perf_counter()
    pods = [_pod(f"pod-{i}", "3", spread=False, priorityClassName="urgent") for i in range(PREEMPTORS)]
    _run(server, [("POST", PODS_PATH.format("urgent"), p) for p in pods])
    return {"preemption": PREEMPTORS / (bound.wait(PREEMPTORS) - start)}


def _prepare(server: Server, nodes: int) -> None:
    for call in _namespace("bench"):
        _run(server, [call])
    for step in zip(*(_node(f"node-{i}", i) for i in range(nodes)), strict=True):
        _run(server, list(step))


def _drain(server: Server, namespace: str, pods: int, **options: Any) -> tuple[float, int]:
    _run(server, [("POST", PODS_PATH.format(namespace), _pod(f"pod-{i}", **options)) for i in range(pods)])
    bound = _Bound(server, namespace)
    process = server.start("scheduler", "scheduler", f"--kubeconfig={server.dir}/scheduler.kubeconfig")
    first = bound.wait(1)
    return (pods - 1) / (bound.wait(pods) - first), process.pid


class _Bound:
    """Counts the pods of a namespace that get a node: one watch, whose events are counted and not decoded."""

    def __init__(self, server: Server, namespace: str) -> None:
        status, data = server.request("GET", f"{PODS_PATH.format(namespace)}?limit=1")
        if status != 200:
            raise RuntimeError(f"{status}: {data[:300]!r}")
        version = json.loads(data)["metadata"]["resourceVersion"]
        self._connection = HTTPSConnection("127.0.0.1", server.port, context=CONTEXT, timeout=LIMIT)
        path = f"{PODS_PATH.format(namespace)}?watch=true&fieldSelector=spec.nodeName!%3D&resourceVersion={version}"
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        self._answer = self._connection.getresponse()
        self._seen = 0

    def wait(self, wanted: int) -> float:
        """The time at which so many pods have a node."""
        while self._seen < wanted:
            data = self._answer.read1(1 << 20)
            if not data:
                raise RuntimeError(f"{self._seen} of {wanted} pods were bound when the watch ended")
            # An event begins a line; each counts once, however the stream was cut.
            self._seen += data.count(b'"type":"ADDED"')
        return time.perf_counter()


def _namespace(name: str) -> list[Call]:
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
    return [
        ("POST", "/api/v1/namespaces", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}),
        ("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account),
    ]


def _node(name: str, number: int) -> list[Call]:
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"zone-{number % ZONES}"}
    room = {"cpu": "4", "memory": "32Gi", "pods": "110"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    status = {"capacity": room, "allocatable": room, "conditions": [ready]}
    return [
        ("POST", "/api/v1/nodes", {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}}),
        ("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}),
        ("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}}),
    ]


def _pod(name: str, cpu: str = "100m", spread: bool = True, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app:1", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}
    if spread:
        selector = {"matchLabels": {"app": "bench"}}
        spec["topologySpreadConstraints"] = [
            {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": action, "labelSelector": selector}
            for skew, key, action in (
                (5, "topology.kubernetes.io/zone", "DoNotSchedule"),
                (1, "kubernetes.io/hostname", "ScheduleAnyway"),
            )
        ]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": {"app": "bench"}}, "spec": spec}


def _run(server: Server, calls: list[Call]) -> None:
    """Send all requests over a few connections, in no particular order."""
    waiting: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
    for call in (*calls, *[None] * CONNECTIONS):
        waiting.put(call)
    failures: list[str] = []
    threads = [threading.Thread(target=_lane, args=(server, waiting, failures)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])


def _lane(server: Server, lane: queue.SimpleQueue[Call | None], failures: list[str]) -> None:
    connection = HTTPSConnection("127.0.0.1", server.port, context=CONTEXT, timeout=60)
    while (call := lane.get()) is not None and not failures:
        method, path, body = call
        kind = "application/json" if method == "POST" else "application/strategic-merge-patch+json"
        connection.request(method, path, json.dumps(body), {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            failures.append(f"{method} {path}: {answer.status}: {data[:300]!r}")
    connection.close()
