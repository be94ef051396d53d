"""Registers one node, reports its status, renews its lease, and tells its podCIDR once it has one.

Upstream: kubelet_node_status.go, nodestatus/setters.go, component-helpers apimachinery/lease.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Callable
from typing import Any

from kubelet.config import KubeletConfig
from kubelet.node import machine
from kubelet.runtime.interface import Runtime, RuntimeFailure
from kubepy.api.errors import AlreadyExists, NotFound, StatusError
from kubepy.client import Client, Unreachable
from kubepy.runtime.clock import format_micro_time, format_time

log = logging.getLogger(__name__)

Obj = dict[str, Any]

LEASES = "kube-node-lease"
MAX_IMAGES = 50
REPORT_EVERY = 300.0
"""Seconds after which an unchanged status is reported all the same (nodeStatusReportFrequency)."""
_ANNOTATIONS = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
_HEALTHY = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


class NodeReporter:
    """Keeps one Node object and its Lease."""

    def __init__(
        self, client: Client, runtime: Runtime, config: KubeletConfig, name: str, *, node_ips: tuple[str, ...], port: int,
        capacity: dict[str, str], allocatable: dict[str, str], ready: Callable[[], str], has_cidr: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._client, self._runtime, self._config, self._name = client, runtime, config, name
        self._node_ips, self._port = node_ips, port
        self._capacity, self._allocatable = capacity, allocatable
        self._ready, self._has_cidr = ready, has_cidr
        self._info: dict[str, str] = {}
        self._node: Obj = {}
        self._reported_at = 0.0
        self._lease: Obj | None = None
        self._poke = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Register, then keep reporting in the background; the runtime must have been started."""
        version = self._runtime.version()
        self._info = machine.system_info(f"{version.name}://{version.version}")
        await self._retry(self._register)
        self._tasks = [
            asyncio.create_task(self._every(self._config.node_status_frequency, self._report, self._poke), name="node status"),
            asyncio.create_task(self._every(self._config.lease_seconds / 4, self._renew, None), name="node lease"),
        ]

    async def stop(self) -> None:
        """End; the Node stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def poke(self) -> None:
        """Report now: readiness changed."""
        self._poke.set()

    @property
    def node(self) -> Obj:
        """The Node as last seen."""
        return self._node

    def seen(self, node: Obj) -> None:
        """The Node changed in the API."""
        self._node = node
        if cidr := node["spec"].get("podCIDR"):
            self._has_cidr(cidr)

    async def _retry(self, call: Callable[[], Any]) -> None:
        delay = 0.2
        while True:
            try:
                await call()
                return
            except (StatusError, Unreachable, RuntimeFailure) as e:
                log.warning("node %s: %s", self._name, e)
            await asyncio.sleep(delay)
            delay = min(7.0, delay * 2)

    async def _every(self, seconds: float, call: Callable[[], Any], poke: asyncio.Event | None) -> None:
        while True:
            try:
                await call()
            except (StatusError, Unreachable, RuntimeFailure) as e:
                log.warning("node %s: %s", self._name, e)
            except Exception:
                log.exception("node %s", self._name)
            if poke is None:
                await asyncio.sleep(seconds)
                continue
            try:
                await asyncio.wait_for(poke.wait(), seconds)
                poke.clear()
            except TimeoutError:
                pass

    # -- the Node ---------------------------------------------------------------------------------------------------------------

    def _labels(self) -> dict[str, str]:
        arch = machine.architecture()
        return {
            "beta.kubernetes.io/arch": arch, "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": arch, "kubernetes.io/os": "linux",
            "kubernetes.io/hostname": self._config.hostname_override or self._name, **self._config.node_labels,
        }  # fmt: skip

    async def _register(self) -> None:
        labels = self._labels()
        node: Obj = {
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self._name, "labels": labels, "annotations": _ANNOTATIONS}, "spec": {}, "status": await self._status({}),
        }  # fmt: skip
        if self._config.register_with_taints:
            node["spec"]["taints"] = list(self._config.register_with_taints)
        try:
            self.seen(await self._client.create("nodes", node))
            return
        except AlreadyExists:
            found = await self._client.get("nodes", self._name)
        missing = {k: v for k, v in labels.items() if (found["metadata"].get("labels") or {}).get(k) != v}
        if missing:
            found = await self._client.patch("nodes", self._name, {"metadata": {"labels": missing}}, type="merge")
        self.seen(found)

    async def _status(self, old: Obj) -> Obj:
        now = format_time(time.time())
        addresses = [{"type": "InternalIP", "address": ip} for ip in self._node_ips]
        addresses.append({"type": "Hostname", "address": self._config.hostname_override or self._name})
        before = {c["type"]: c for c in old.get("conditions") or ()}
        problem = self._ready()
        ready = ("Ready", "True", "KubeletReady", "kubelet is posting ready status")
        if problem:
            ready = ("Ready", "False", "KubeletNotReady", problem)
        conditions = []
        for kind, value, reason, message in (*_HEALTHY, ready):
            past = before.pop(kind, None)
            changed = past is None or past["status"] != value
            conditions.append(
                {
                    "type": kind, "status": value, "reason": reason, "message": message, "lastHeartbeatTime": now,
                    "lastTransitionTime": now if changed or past is None else past["lastTransitionTime"],
                }
            )  # fmt: skip
        status: Obj = {
            "addresses": addresses, "capacity": self._capacity, "allocatable": self._allocatable,
            "conditions": [*conditions, *before.values()], "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": self._info,
        }  # fmt: skip
        images = await self._images()
        if images:
            status["images"] = images
        return status

    async def _images(self) -> list[Obj]:
        found = sorted(await self._runtime.images(), key=lambda i: -i.size)[:MAX_IMAGES]
        return [{"names": list(i.names)[:5], "sizeBytes": i.size} for i in found if i.names]

    async def _report(self) -> None:
        old = self._node.get("status") or {}
        new = {**old, **await self._status(old)}
        if _without_times(new) == _without_times(old) and time.time() - self._reported_at < REPORT_EVERY:
            return
        patch: Obj = {k: v for k, v in new.items() if old.get(k) != v}
        if "addresses" in patch:
            patch["addresses"] = [*patch["addresses"], {"$patch": "replace"}]
        try:
            node = await self._client.patch("nodes", self._name, {"status": patch}, type="strategic", subresource="status")
        except NotFound:
            await self._register()
            return
        self._reported_at = time.time()
        self.seen(node)

    # -- the Lease --------------------------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        now = format_micro_time(time.time())
        if self._lease is not None:
            lease = copy.deepcopy(self._lease)
            lease["spec"]["renewTime"] = now
            try:
                self._lease = await self._client.update("leases.coordination.k8s.io", lease)
                return
            except StatusError as e:
                self._lease = None
                if e.status_code not in (404, 409):
                    raise
        try:
            found = await self._client.get("leases.coordination.k8s.io", self._name, LEASES)
            found["spec"] = {**(found.get("spec") or {}), **self._lease_spec(now)}
            self._lease = await self._client.update("leases.coordination.k8s.io", found)
        except NotFound:
            meta: Obj = {"name": self._name, "namespace": LEASES}
            if uid := (self._node.get("metadata") or {}).get("uid"):
                meta["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": self._name, "uid": uid}]
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": self._lease_spec(now)}
            self._lease = await self._client.create("leases.coordination.k8s.io", lease)

    def _lease_spec(self, now: str) -> Obj:
        return {"holderIdentity": self._name, "leaseDurationSeconds": self._config.lease_seconds, "renewTime": now}


def _without_times(status: Obj) -> Obj:
    out = dict(status)
    out["conditions"] = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status.get("conditions") or ()]
    return out
