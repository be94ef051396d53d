"""At rest, controllers and scheduler use no measurable processor time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from kubepy.client import Client
from tests.integration.conftest import ApiServer
from tests.integration.controllers.conftest import stop_manager, until

REST_SECONDS = 10.0
SHARE = 0.001
"""Of one core; a tick of the kernel's clock more is allowed, as nothing finer is measured."""


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_scheduler(server: ApiServer) -> subprocess.Popen[bytes]:
    """`python -m scheduler` for a server."""
    argv = [sys.executable, "-m", "scheduler", f"--kubeconfig={server.data_dir / 'scheduler.kubeconfig'}"]
    with (server.data_dir / "scheduler.log").open("ab") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log)


async def test_rest_costs_nothing(apiserver: ApiServer, manager: subprocess.Popen[bytes], client: Client, namespace: str) -> None:
    """Measured in windows of 10 s until one is quiet: what the start has left to do comes first."""
    scheduler = start_scheduler(apiserver)
    try:
        await client.create("replicasets.apps", replicaset(), namespace)
        await until(client, "replicasets.apps", "idle", namespace, lambda r: r.get("status", {}).get("replicas") == 3)
        allowed = REST_SECONDS * SHARE + 1 / os.sysconf("SC_CLK_TCK")
        used: dict[str, float] = {}
        ends = time.monotonic() + 5 * REST_SECONDS
        while time.monotonic() < ends:
            before = {p.pid: cpu_seconds(p.pid) for p in (manager, scheduler)}
            await asyncio.sleep(REST_SECONDS)  # the window that is measured
            used = {name: cpu_seconds(p.pid) - before[p.pid] for name, p in (("controllers", manager), ("scheduler", scheduler))}
            if max(used.values()) <= allowed:
                return
        raise AssertionError(f"processor seconds in {REST_SECONDS:.0f} s of rest: {used}")
    finally:
        stop_manager(scheduler)


def replicaset() -> dict[str, object]:
    """Three pods that nobody schedules."""
    spec = {"containers": [{"name": "c", "image": "registry.example/app:1"}], "schedulerName": "by-hand"}
    template = {"metadata": {"labels": {"app": "idle"}}, "spec": spec}
    body = {"replicas": 3, "selector": {"matchLabels": {"app": "idle"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "idle"}, "spec": body}
