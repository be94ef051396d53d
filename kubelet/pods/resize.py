"""In-place resize of CPU and memory (KEP-1287): applies what a pod was given to its running containers, and says how that stands."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from kubelet.host import Host
from kubelet.pods import container as making
from kubelet.pods import plan, spec
from kubelet.pods.allocation import summary
from kubelet.pods.killer import Deadline, kill_container
from kubelet.runtime.interface import Container, PodView, Resources, RuntimeFailure, State
from kubepy.api.quantity import parse

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


def _resizable(pod: Obj) -> Iterable[Obj]:
    return (*spec.containers(pod), *spec.init_containers(pod))


def _to_come(pod: Obj, container: Obj, view: PodView) -> bool:
    """Whether a container that has run and does not now is to run again, and will have its new limits then."""
    once = container in spec.init_containers(pod) and not spec.is_sidecar(container, pod)
    return not once and view.latest(container["name"]) is not None and plan.should_be_restarted(container, pod, view)


def _actual(actual: Resources, wanted: Resources, kind: str, name: str) -> str:
    """The amount that holds, where it is not the wanted one."""
    match kind, name:
        case "limits", "memory" if actual.memory_limit and actual.memory_limit != wanted.memory_limit:
            return str(actual.memory_limit)
        case "limits", "cpu" if actual.cpu_quota and actual.cpu_quota != wanted.cpu_quota:
            return str(parse(f"{actual.cpu_quota * 1000 // actual.cpu_period}m"))
        case "requests", "cpu" if actual.cpu_shares and actual.cpu_shares != wanted.cpu_shares:
            return str(parse(f"{-(-actual.cpu_shares * 1000 // 1024)}m"))
    return ""


class Resizer:
    """Resizes one pod's containers to what the pod was given; `conditions` tell of a resize under way."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._problem = ""
        self._under_way = False

    def conditions(self, pod: Obj, view: PodView | None) -> tuple[Obj, ...]:
        """The condition of a resize that has been granted and is not done."""
        # Without a change of its spec there is nothing to resize: most pods are never looked at.
        if view is not None and not self._under_way and pod["metadata"].get("generation", 1) > 1:
            self._under_way = any(self._change(pod, container, view) for container in _resizable(pod))
        if not self._under_way:
            return ()
        why = {"reason": "Error", "message": self._problem} if self._problem else {}
        return ({"type": "PodResizeInProgress", "status": "True", **why},)

    def _change(self, pod: Obj, container: Obj, view: PodView) -> tuple[Container, Resources] | None:
        """The running container and the limits that it is to have and has not."""
        latest = view.latest(container["name"])
        if latest is None or latest.state is not State.RUNNING:
            return None
        wanted = making.resources(pod, container, self._host.memory_capacity)
        return (latest, wanted) if _differs(latest.resources, wanted) else None

    async def sync(self, pod: Obj, view: PodView | None) -> None:
        """Bring running containers to their spec's limits."""
        if view is None:
            return
        problem, left = "", False
        for container in _resizable(pod):
            change = self._change(pod, container, view)
            if change is None:
                left = left or (self._under_way and _to_come(pod, container, view))
                continue
            latest, wanted = change
            self._under_way = True
            if _needs_restart(container, latest.resources, wanted):
                left = True
                text = f"Container {container['name']} resize requires restart"
                await kill_container(self._host, pod, latest, text, Deadline(time.time() + spec.grace_period(pod)), "")
                continue
            try:
                problem = await self._too_low(latest, wanted) or problem
                if not problem:
                    await self._host.runtime.update_resources(latest.id, wanted)
            except RuntimeFailure as e:
                problem = f"resizing container {container['name']}: {e}"
        if problem and problem != self._problem:
            self._host.event(pod, "Warning", "ResizeError", f"Pod resize error: {summary(pod, problem)}")
        self._problem = problem
        if self._under_way and not problem and not left:
            self._under_way = False
            self._host.event(pod, "Normal", "ResizeCompleted", f"Pod resize completed: {summary(pod)}")

    async def _too_low(self, latest: Container, wanted: Resources) -> str:
        """Why a memory limit must not be lowered so far: the container would be killed."""
        limit = wanted.memory_limit
        if not limit or 0 < latest.resources.memory_limit <= limit:
            return ""
        usage = (await self._host.runtime.usage()).get(latest.id)
        if usage is None or usage.memory_bytes < limit:
            return ""
        text = 'cannot decrease memory limits: attempting to set container "{}" memory limit ({}) below current usage ({})'
        return text.format(latest.name, limit, usage.memory_bytes)

    def show(self, pod: Obj, view: PodView | None, status: Obj) -> None:
        """While a resize is under way, the status shows the resources that hold, not those that are wished for."""
        if view is None:
            return
        for entry in status.get("containerStatuses") or ():
            latest = view.latest(entry["name"])
            container = spec.find_container(pod, entry["name"])
            if latest is None or container is None or latest.state is not State.RUNNING or "resources" not in entry:
                continue
            wanted = making.resources(pod, container, self._host.memory_capacity)
            if _differs(latest.resources, wanted):
                entry["resources"] = {
                    kind: {name: _actual(latest.resources, wanted, kind, name) or text for name, text in amounts.items()}
                    for kind, amounts in entry["resources"].items()
                }
