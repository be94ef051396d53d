"""The rows that a whole control plane is measured by: idle cost, and a Deployment that grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.bench.processes import Server, cpu_seconds, free_port, resident_mb

NODES = 20
REPLICAS = 1000
IDLE_SECONDS = 20.0


def start_plane(server: Server) -> None:
    """Start controllers, scheduler and simulated nodes beside an API server, and wait until the nodes are ready."""
    admin = f"--kubeconfig={server.dir}/admin.kubeconfig"
    pki = server.dir / "pki"
    flags = (f"--root-ca-file={pki}/ca.crt", f"--service-account-private-key-file={pki}/sa.key", "--cluster-cidr=10.128.0.0/12")
    server.start("controllers", "controllers", f"--kubeconfig={server.dir}/controller-manager.kubeconfig", *flags)
    server.start("scheduler", "scheduler", f"--kubeconfig={server.dir}/scheduler.kubeconfig")
    own = ("--runtime=simulated", f"--simulated-nodes={NODES}", f"--port={free_port()}", f"--root-dir={server.dir}/nodes")
    certificates = (f"--client-ca-file={pki}/ca.crt", f"--tls-cert-ca-file={pki}/ca.crt", f"--tls-cert-ca-key-file={pki}/ca.key")
    server.start("kubelet", "kubelet", admin, *own, *certificates)
    try:
        until(lambda: _ready_nodes(server) == NODES, 60, "nodes")
    except RuntimeError as error:
        logs = [f"{name}: {(server.dir / f'{name}.log').read_text()[-1500:]}" for name in server.others]
        raise RuntimeError("\n".join([str(error), *logs])) from None


def measure(server: Server) -> dict[str, float]:
    """All figures of a control plane with simulated nodes."""
    start_plane(server)
    time.sleep(5)  # what is measured is the plane at rest, not its start
    processes = [server.process, *server.others.values()]
    used = sum(cpu_seconds(p.pid) for p in processes)
    time.sleep(IDLE_SECONDS)
    out = {
        "plane_cpu": (sum(cpu_seconds(p.pid) for p in processes) - used) / IDLE_SECONDS * 100,
        "plane_memory": sum(resident_mb(p.pid) for p in processes),
    }
    out["deployment"], out["deployment_running"] = _deployment(server)
    return out


def _deployment(server: Server) -> tuple[float, float]:
    template = {"metadata": {"labels": {"app": "big"}}, "spec": {"containers": [{"name": "c", "image": "registry.example/app:1"}]}}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": {"app": "big"}}, "template": template}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "big"}, "spec": spec}
    start = time.perf_counter()
    status, data = server.request("POST", "/apis/apps/v1/namespaces/default/deployments", json.dumps(body).encode())
    if status != 201:
        raise RuntimeError(f"{status}: {data[:500]!r}")
    until(lambda: _pods(server, b'"nodeName":') == REPLICAS, 120, "bound pods")
    bound = time.perf_counter() - start
    until(lambda: _pods(server, b'"phase":"Running"') == REPLICAS, 120, "running pods")
    return bound, time.perf_counter() - start


def _pods(server: Server, what: bytes) -> int:
    return server.request("GET", "/api/v1/namespaces/default/pods?labelSelector=app%3Dbig")[1].count(what)


def _ready_nodes(server: Server) -> int:
    items = json.loads(server.request("GET", "/api/v1/nodes")[1]).get("items") or []
    return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in n.get("status", {}).get("conditions", [])) for n in items)


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition. Raises RuntimeError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come in {seconds:.0f} s")
        time.sleep(0.1)
