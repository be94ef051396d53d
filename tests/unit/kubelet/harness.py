"""A node over the simulated runtime and an API client that only takes notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from kubelet.config import KubeletConfig
from kubelet.host import Host
from kubelet.objects import ObjectSource
from kubelet.pods.statuses import StatusManager
from kubelet.pods.worker import PodWorker
from kubelet.probes.checks import Checker
from kubelet.runtime.simulated.runtime import SimulatedRuntime
from kubelet.tokens import Tokens
from kubelet.volumes.manager import NodeFacts, VolumeManager
from kubepy.client import Client
from kubepy.runtime import EventRecorder, RealClock

Obj = dict[str, Any]


class NotedClient:
    """Keeps patches and deletions; applies status patches as far as these tests need it."""

    def __init__(self) -> None:
        self.statuses: dict[str, Obj] = {}
        self.deleted: list[tuple[str, int | None, Any]] = []

    async def patch(self, resource: str, name: str, patch: Obj, namespace: str, **_: Any) -> Obj:
        status = self.statuses.setdefault(name, {})
        for key, value in patch["status"].items():
            if key == "conditions":
                merged = {c["type"]: c for c in status.get("conditions", [])} | {c["type"]: c for c in value}
                status[key] = list(merged.values())
            else:
                status[key] = value
        return {}

    async def delete(self, resource: str, name: str, namespace: str, *, grace: int | None = None, preconditions: Any = None) -> Obj:
        self.deleted.append((name, grace, preconditions))
        return {}


class NotedEvents:
    """Keeps events as (reason, message)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def event(self, obj: Obj, type: str, reason: str, message: str, **_: Any) -> None:
        self.seen.append((reason, message))

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.seen]


class Node:
    """One simulated node; `run` begins a pod as the agent does."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.client, self.events, self.runtime = NotedClient(), NotedEvents(), SimulatedRuntime()
        client = cast(Client, self.client)
        clock = RealClock()
        config = KubeletConfig(root, node_ips=("192.0.2.9",), **settings)
        objects = ObjectSource(client, clock, lambda uid: None)
        self.workers: dict[str, PodWorker] = {}
        self.finished: list[str] = []
        self.host = Host(
            "node", config, client, clock, self.runtime, objects, VolumeManager(root, objects, Tokens(client), NodeFacts("node", {})),
            StatusManager(client), cast(EventRecorder, self.events), Checker(self.runtime), lambda namespace: (), ("192.0.2.9",),
            memory_capacity=1 << 30,
        )  # fmt: skip

    async def __aenter__(self) -> Node:
        await self.runtime.start(lambda uid: self.workers[uid].wake() if uid in self.workers else None)
        await self.runtime.set_pod_cidr("10.0.0.0/24")
        await self.host.statuses.start()
        self.host.network_ready.set()
        self.host.services_synced.set()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [w.task for w in self.workers.values() if w.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.host.statuses.stop()

    def run(self, pod: Obj) -> PodWorker:
        worker = PodWorker(self.host, pod, lambda w: self.finished.append(w.uid))
        self.workers[worker.uid] = worker
        worker.start()
        return worker

    def status(self, name: str = "p") -> Obj:
        return self.client.statuses.get(name, {})

    def phase(self, name: str = "p") -> str:
        return str(self.status(name).get("phase", ""))

    def exit(self, uid: str, name: str, code: int) -> None:
        """End the newest container of that name."""
        view = self.runtime.view(uid)
        assert view is not None
        latest = view.latest(name)
        assert latest is not None
        self.runtime.exit(latest.id, code)


def pod(name: str = "p", **spec: Any) -> Obj:
    """A bound pod."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1},
        "spec": {"nodeName": "node", "restartPolicy": "Always", "containers": [{"name": "a", "image": "i:1"}], **spec}, "status": {},
    }  # fmt: skip


def deleting(obj: Obj, grace: int = 5) -> Obj:
    """The same pod, being deleted."""
    meta = {**obj["metadata"], "deletionTimestamp": "2030-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace, "resourceVersion": "2"}
    return {**obj, "metadata": meta}


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
