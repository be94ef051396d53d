"""Ends containers: preStop hook, stop signal, patience, kill; a pod's sidecars after its other containers.

Upstream: kuberuntime killContainer, killContainersWithSyncResult, termination order of sidecars (KEP-753).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from kubelet.host import Host
from kubelet.pods import spec
from kubelet.runtime.interface import Container, RuntimeFailure, State

Obj = dict[str, Any]

MIN_GRACE = 2.0
"""Seconds a container has after its hook has used its grace up."""


class Deadline:
    """The moment (epoch) by which a pod must have ended; only ever moved nearer."""

    def __init__(self, at: float) -> None:
        self.at = at
        self._moved = asyncio.Event()

    def nearer(self, at: float) -> None:
        """End earlier."""
        if at < self.at:
            self.at = at
            self._moved.set()

    async def passed(self) -> None:
        """Wait until then."""
        while (left := self.at - time.time()) > 0:
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)


async def kill_container(host: Host, pod: Obj, container: Container, why: str, deadline: Deadline, pod_ip: str) -> None:
    """End one container; returns when it has exited. Raises RuntimeFailure."""
    wanted = spec.find_container(pod, container.name)
    host.event(pod, "Normal", "Killing", why or f"Stopping container {container.name}", container.name)
    began = deadline.at - time.time()
    hook = ((wanted or {}).get("lifecycle") or {}).get("preStop")
    if hook and wanted is not None and began > 0 and host.runtime.materialises:
        await _pre_stop(host, pod, wanted, container, hook, deadline, pod_ip, began)
    if deadline.at - time.time() < MIN_GRACE and began > 0:
        grace = MIN_GRACE
    else:
        grace = max(0.0, deadline.at - time.time())
    stopping = asyncio.ensure_future(host.runtime.stop_container(container.id, grace))
    if grace <= MIN_GRACE:
        await stopping
        return
    # The grace may be cut short meanwhile (kubectl delete --force): then kill at once.
    passed = asyncio.ensure_future(deadline.passed())
    await asyncio.wait({stopping, passed}, return_when=asyncio.FIRST_COMPLETED)
    passed.cancel()
    if not stopping.done():
        await host.runtime.stop_container(container.id, 0)
    await stopping


async def _pre_stop(
    host: Host, pod: Obj, wanted: Obj, container: Container, hook: Obj, deadline: Deadline, pod_ip: str, grace: float
) -> None:
    running = asyncio.ensure_future(host.checker.hook(hook, wanted, container.id, pod, pod_ip))
    passed = asyncio.ensure_future(deadline.passed())
    exited = asyncio.ensure_future(_exited(host, container))
    await asyncio.wait({running, passed, exited}, return_when=asyncio.FIRST_COMPLETED)
    passed.cancel()
    exited.cancel()
    if running.done():
        problem = running.result()
        if problem:
            host.event(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", container.name)
        return
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if container.state is State.RUNNING:
        text = f"PreStop hook did not complete in grace period: {int(grace)}s"
        host.event(pod, "Warning", "FailedPreStopHook", text, container.name)


async def _exited(host: Host, container: Container) -> None:
    while container.state is State.RUNNING:
        view = host.runtime.view(container.pod.uid)
        now = next((c for c in view.containers if c.id == container.id), None) if view else None
        if now is None or now.state is not State.RUNNING:
            return
        await asyncio.sleep(0.2)


def _present(host: Host, uid: str) -> list[Container]:
    view = host.runtime.view(uid)
    return [c for c in view.containers if c.state is not State.EXITED] if view else []


async def kill_all(host: Host, pod: Obj, deadline: Deadline, pod_ip: str, why: Callable[[Container], str] = lambda c: "") -> None:
    """End all containers of a pod: the regular ones together, then the sidecars from the last to the first."""
    uid = pod["metadata"]["uid"]
    order = [c["name"] for c in spec.init_containers(pod) if spec.is_sidecar(c, pod)]
    problems: list[BaseException] = []

    async def end(containers: list[Container]) -> None:
        for made in [c for c in containers if c.state is State.CREATED]:
            await host.runtime.remove_container(made.id)
        running = [c for c in containers if c.state is State.RUNNING]
        results = await asyncio.gather(*(kill_container(host, pod, c, why(c), deadline, pod_ip) for c in running), return_exceptions=True)
        problems.extend(r for r in results if isinstance(r, BaseException))

    await end([c for c in _present(host, uid) if c.name not in order])
    for name in reversed(order):
        await end([c for c in _present(host, uid) if c.name == name])
    for problem in problems:
        if not isinstance(problem, RuntimeFailure):
            raise problem
    if problems:
        raise RuntimeFailure("; ".join(str(p) for p in problems))
