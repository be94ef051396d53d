"""When to probe and what follows: one task per probe of a running container (prober/worker.go, prober_manager.go)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from kubelet.pods import spec
from kubelet.pods.plan import Verdict
from kubelet.probes.checks import Checker, Outcome
from kubelet.runtime.interface import PodView, State

Obj = dict[str, Any]
Emit = Callable[[Obj, str, str, str, str], None]
"""(pod, type, reason, message, container) → an event."""

KINDS = ("startup", "readiness", "liveness")
_TRIES = 3


class _Worker:
    __slots__ = ("container_id", "good", "task")

    def __init__(self, container_id: str, good: bool | None) -> None:
        self.container_id = container_id
        self.good = good
        self.task: asyncio.Task[None] | None = None


def _said(reported: Obj, container_id: str, kind: str) -> bool | None:
    field = {"startup": "started", "readiness": "ready"}.get(kind)
    for status in (*(reported.get("containerStatuses") or ()), *(reported.get("initContainerStatuses") or ())):
        if field and status.get("containerID", "").endswith(f"//{container_id}") and status.get(field):
            return True
    return None


class PodProbes:
    """The probes of one pod. `changed` is called when a verdict changes."""

    def __init__(self, checker: Checker, emit: Emit, changed: Callable[[], None]) -> None:
        self._checker, self._emit, self._changed = checker, emit, changed
        self._workers: dict[tuple[str, str], _Worker] = {}

    def sync(self, pod: Obj, view: PodView | None, pod_ip: str, reported: Obj, *, ending: bool = False) -> None:
        """Probe just the containers that run; a pod that is ending is probed for readiness alone.

        What was `reported` of a container that runs still (the kubelet was restarted) holds until its probes say otherwise.
        """
        wanted: dict[tuple[str, str], tuple[str, Obj, Obj]] = {}
        for container in (*spec.containers(pod), *(c for c in spec.init_containers(pod) if spec.is_sidecar(c, pod))):
            latest = view.latest(container["name"]) if view else None
            if latest is None or latest.state is not State.RUNNING:
                continue
            for kind in KINDS:
                if (probe := container.get(f"{kind}Probe")) and not (ending and kind != "readiness"):
                    wanted[container["name"], kind] = (latest.id, container, probe)
        for key, worker in list(self._workers.items()):
            if key not in wanted or wanted[key][0] != worker.container_id:
                self._stop(key)
        for key, (container_id, container, probe) in wanted.items():
            if key not in self._workers:
                worker = self._workers[key] = _Worker(container_id, _said(reported, container_id, key[1]))
                started = next(c.started_at for c in (view.containers if view else ()) if c.id == container_id)
                worker.task = asyncio.create_task(self._run(worker, key[1], pod, container, probe, pod_ip, started))

    def _stop(self, key: tuple[str, str]) -> None:
        worker = self._workers.pop(key)
        if worker.task is not None:
            worker.task.cancel()

    def stop(self) -> None:
        """End all."""
        for key in list(self._workers):
            self._stop(key)

    def _find(self, container_id: str, kind: str) -> _Worker | None:
        return next((w for (_, k), w in self._workers.items() if k == kind and w.container_id == container_id), None)

    def started(self, pod: Obj, name: str, container_id: str) -> bool:
        """Whether the startup probe, if any, has succeeded."""
        container = spec.find_container(pod, name) or {}
        if not container.get("startupProbe"):
            return True
        worker = self._find(container_id, "startup")
        return worker is not None and worker.good is True

    def ready(self, pod: Obj, name: str, container_id: str) -> bool:
        """Whether the readiness probe, if any, succeeds."""
        container = spec.find_container(pod, name) or {}
        if not container.get("readinessProbe"):
            return True
        worker = self._find(container_id, "readiness")
        return worker is not None and worker.good is True

    def verdict(self, container_id: str) -> Verdict:
        """What liveness and startup demand."""
        for kind, verdict in (("liveness", Verdict.LIVENESS), ("startup", Verdict.STARTUP)):
            worker = self._find(container_id, kind)
            if worker is not None and worker.good is False:
                return verdict
        return Verdict.NONE

    async def _run(self, worker: _Worker, kind: str, pod: Obj, container: Obj, probe: Obj, pod_ip: str, started_at: float) -> None:
        period = float(probe.get("periodSeconds") or 10)
        delay = float(probe.get("initialDelaySeconds") or 0) - (time.time() - started_at)
        if delay > 0:
            await asyncio.sleep(delay)
        elif time.time() - started_at > period:
            # An adopted container: not all probes of a restarted kubelet at the same moment.
            await asyncio.sleep(random.random() * min(period, 2.0))
        run, last = 0, None
        while True:
            if kind == "startup" or self.started(pod, container["name"], worker.container_id):
                good = await self._ask(kind, pod, container, probe, worker.container_id, pod_ip)
                if good is not None:
                    run = run + 1 if good == last else 1
                    last = good
                    threshold = int(probe.get("successThreshold" if good else "failureThreshold") or (1 if good else 3))
                    if run >= threshold and worker.good is not good:
                        worker.good = good
                        self._changed()
                    if kind == "startup" and worker.good is True:
                        return
                    if kind in ("liveness", "startup") and worker.good is False:
                        # The container is being killed: what is probed until then means nothing.
                        return
                elif worker.good is None and kind == "readiness":
                    worker.good = False
            elif kind == "readiness" and worker.good is None:
                # Asked again soon after startup, so that readiness does not wait for a whole period more.
                await asyncio.sleep(min(period, 0.5))
                continue
            await asyncio.sleep(period)

    async def _ask(self, kind: str, pod: Obj, container: Obj, probe: Obj, container_id: str, pod_ip: str) -> bool | None:
        outcome, text = Outcome.UNKNOWN, ""
        for _ in range(_TRIES):
            outcome, text = await self._checker.probe(probe, container, container_id, pod, pod_ip)
            if outcome is not Outcome.UNKNOWN:
                break
        title = kind.capitalize()
        if outcome is Outcome.UNKNOWN:
            self._emit(pod, "Warning", "Unhealthy", f"{title} probe errored: {text}", container["name"])
            return None
        if outcome is Outcome.WARNING:
            self._emit(pod, "Warning", "ProbeWarning", f"{title} probe warning: {text}", container["name"])
            return True
        if outcome is Outcome.FAILURE:
            self._emit(pod, "Warning", "Unhealthy", f"{title} probe failed: {text}", container["name"])
            return False
        return True
