"""In-place resize of CPU and memory (KEP-1287): applies what a pod was given to its running containers, and says how that stands."""

from __future__ import annotations

import time
from typing import Any

from kubelet.host import Host
from kubelet.pods import container as making
from kubelet.pods import spec
from kubelet.pods.allocation import summary
from kubelet.pods.killer import Deadline, kill_container
from kubelet.runtime.interface import PodView, Resources, RuntimeFailure, State

Obj = dict[str, Any]


def _differs(a: Resources, b: Resources) -> bool:
    return (a.cpu_shares, a.cpu_quota, a.memory_limit) != (b.cpu_shares, b.cpu_quota, b.memory_limit)


def _needs_restart(container: Obj, actual: Resources, wanted: Resources) -> bool:
    changed = {"memory"} if actual.memory_limit != wanted.memory_limit else set()
    if (actual.cpu_shares, actual.cpu_quota) != (wanted.cpu_shares, wanted.cpu_quota):
        changed.add("cpu")
    return any(
        p.get("restartPolicy") == "RestartContainer" and p.get("resourceName") in changed for p in container.get("resizePolicy") or ()
    )


class Resizer:
    """Resizes one pod's containers to what the pod was given; `conditions` tell of a resize under way."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._problem = ""
        self._under_way = False

    @property
    def conditions(self) -> tuple[Obj, ...]:
        """The condition of a resize that has begun and is not done."""
        if not self._under_way:
            return ()
        why = {"reason": "Error", "message": self._problem} if self._problem else {}
        return ({"type": "PodResizeInProgress", "status": "True", **why},)

    async def sync(self, pod: Obj, view: PodView | None) -> None:
        """Bring running containers to their spec's limits."""
        if view is None:
            return
        problem, left = "", False
        for container in (*spec.containers(pod), *(c for c in spec.init_containers(pod) if spec.is_sidecar(c, pod))):
            latest = view.latest(container["name"])
            if latest is None or latest.state is not State.RUNNING:
                left = left or self._under_way
                continue
            wanted = making.resources(pod, container, self._host.memory_capacity)
            if not _differs(latest.resources, wanted):
                continue
            self._under_way = True
            if _needs_restart(container, latest.resources, wanted):
                left = True
                text = f"Container {container['name']} resize requires restart"
                await kill_container(self._host, pod, latest, text, Deadline(time.time() + spec.grace_period(pod)), "")
                continue
            try:
                await self._host.runtime.update_resources(latest.id, wanted)
            except RuntimeFailure as e:
                problem = f"resizing container {container['name']}: {e}"
        if problem and problem != self._problem:
            self._host.event(pod, "Warning", "ResizeError", f"Pod resize error: {summary(pod, problem)}")
        self._problem = problem
        if self._under_way and not problem and not left:
            self._under_way = False
            self._host.event(pod, "Normal", "ResizeCompleted", f"Pod resize completed: {summary(pod)}")

    def show(self, pod: Obj, view: PodView | None, status: Obj) -> None:
        """While a resize is under way, the status shows the resources that hold, not those that are wished for."""
        if view is None:
            return
        for entry in status.get("containerStatuses") or ():
            latest = view.latest(entry["name"])
            wanted = spec.find_container(pod, entry["name"])
            if latest is None or wanted is None or latest.state is not State.RUNNING or "resources" not in entry:
                continue
            limits = entry["resources"].get("limits")
            actual = latest.resources
            if limits and "memory" in limits and actual.memory_limit != spec.amount(wanted, "limits", "memory").value():
                entry["resources"] = {**entry["resources"], "limits": {**limits, "memory": str(actual.memory_limit)}}
