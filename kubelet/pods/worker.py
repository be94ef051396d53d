"""One pod's worker: looks, plans, acts, reports; ends the pod when that is asked. One task, so nothing of a pod happens twice.

A pod's life here (upstream pod_workers.go): it is synced until it is to end; then its containers are killed; then what it used is
given back; and if it was deleted, its object is removed from the API with grace period 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from kubelet.env import ConfigError
from kubelet.host import Host
from kubelet.pods import admit, cgroups, files, imagevolumes, plan, spec
from kubelet.pods import container as making
from kubelet.pods import status as standing
from kubelet.pods.conditions import OWNED
from kubelet.pods.ending import ended
from kubelet.pods.images import NotStarted
from kubelet.pods.killer import Deadline, kill_all, kill_container
from kubelet.pods.messages import Messages
from kubelet.pods.resize import Resizer
from kubelet.pods.starter import Starter
from kubelet.probes.prober import PodProbes
from kubelet.runtime.interface import PodView, RuntimeFailure
from kubelet.volumes.manager import Volume
from kubelet.volumes.payload import VolumeError, references
from kubepy.api.errors import NotFound, StatusError
from kubepy.client import Unreachable

log = logging.getLogger(__name__)

Obj = dict[str, Any]
T = TypeVar("T")

RESYNC = 60.0
RETRY_MIN, RETRY_MAX = 0.5, 30.0
_FORCED_GRACE = 1.0
BLOCKED_RETRY = 10.0
"""Seconds until a container that could not be made is tried again, unless something changes before."""
_RAN = ("RunContainerError", "PostStartHookError")
"""These count as a crash: the next attempt is for the crash back-off to time."""


class _Ending(Exception):
    """The pod is to end: what was waited for no longer matters."""


def _concerns(pod: Obj) -> tuple[Any, ...]:
    """What of a pod's object the kubelet acts upon: not its own status."""
    meta = {k: v for k, v in pod["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    status = pod.get("status") or {}
    conditions = [c for c in status.get("conditions") or () if c["type"] not in OWNED]
    return meta, pod["spec"], conditions, status.get("phase") in ("Failed", "Succeeded")


class PodWorker:
    """Runs one pod. Create it, call `start`; tell it of changes with `update`, `removed` and `wake`."""

    def __init__(self, host: Host, pod: Obj, finished: Callable[[PodWorker], None]) -> None:
        self._host = host
        self.pod = pod
        """As it is to be run: a resize that does not fit yet is not in it."""
        self._desired = pod
        """As the API has it."""
        self.uid: str = pod["metadata"]["uid"]
        self._finished = finished
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._held = False
        self._deleted = False
        """The object is gone from the API (or never was there): nothing to report or to remove."""
        self._ended = False
        self._verdict: tuple[str, str] | None = None
        self._deadline: Deadline | None = None
        self._reasons: dict[str, tuple[str, str]] = {}
        self._retry_at: list[float] = []
        self._failures = 0
        self._volumes: dict[str, Volume] | None = None
        self._volumes_key: Any = None
        self._renew_at = 0.0
        self._starter = Starter(host, self._unless_ending)
        self._messages = Messages(host)
        self._resizer = Resizer(host)
        self._probes = PodProbes(host.checker, host.event, self.wake)
        self._start_time = (pod.get("status") or {}).get("startTime") or standing.rfc3339(time.time())
        self.task: asyncio.Task[None] | None = None
        host.statuses.track(self.uid, pod["metadata"]["namespace"], pod["metadata"]["name"], pod.get("status") or {})

    # -- what others tell -------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self.task = asyncio.create_task(self._run(), name=f"pod {spec.identity(self.pod)}")

    def wake(self) -> None:
        """Something about the pod changed: look again."""
        self._wake.set()

    def update(self, pod: Obj) -> None:
        """A newer object."""
        before, self._desired = self._desired, pod
        self.pod = self._host.allocations.update(pod)
        if pod["metadata"].get("deletionTimestamp"):
            self._end()
        self._host.statuses.seen(pod)
        # Most changes are our own reports coming back: there is nothing to do about them.
        if _concerns(before) != _concerns(pod):
            self.wake()

    def removed(self, pod: Obj) -> None:
        """The object is gone from the API."""
        self._deleted = True
        # There is nobody left to report to: nothing may wait for that.
        self._host.statuses.forget(self.uid)
        # The scheduler counts it no longer, though its containers may take a while.
        self._host.allocations.release(self.uid)
        grace = pod["metadata"].get("deletionGracePeriodSeconds")
        self._end(_FORCED_GRACE if grace == 0 else None)
        self.wake()

    def evict(self, reason: str, message: str, grace: float) -> None:
        """End the pod as Failed."""
        self._verdict = self._verdict or (reason, message)
        self._end(grace)
        self.wake()

    def _end(self, grace: float | None = None) -> None:
        at = time.time() + (spec.grace_period(self.pod) if grace is None else grace)
        if self._deadline is None:
            self._deadline = Deadline(at)
        else:
            self._deadline.nearer(at)
        self._ending.set()

    # -- the loop ---------------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        if self.pod["metadata"].get("deletionTimestamp"):
            self._end()
        try:
            while not self._ended:
                self._wake.clear()
                delay = await self._round()
                if not self._ended:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), delay)
        finally:
            self._probes.stop()
            if self._ended:
                self._finished(self)

    async def _round(self) -> float:
        try:
            if self._ending.is_set():
                await self._terminate()
                return RETRY_MAX
            delay = await self._sync()
            self._failures = 0
            return delay
        except _Ending:
            self._wake.set()
            return 0
        except (RuntimeFailure, StatusError, Unreachable, VolumeError, ConfigError, OSError) as e:
            log.warning("pod %s: %s", spec.identity(self.pod), e)
        except Exception:
            log.exception("pod %s", spec.identity(self.pod))
        self._failures += 1
        return min(RETRY_MAX, RETRY_MIN * 2.0 ** min(self._failures, 10))

    async def _unless_ending(self, work: Awaitable[T]) -> T:
        """Wait for something long, but no longer than until the pod is to end."""
        task = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise _Ending
        finally:
            ending.cancel()
            if not task.done():
                task.cancel()

    def _view(self) -> PodView | None:
        return self._host.runtime.view(self.uid)

    def _pod_ip(self, view: PodView | None) -> str:
        if spec.host_network(self.pod):
            return self._host.node_ips[0]
        return view.sandbox.ip if view is not None and view.sandbox is not None else ""

    # -- reporting --------------------------------------------------------------------------------------------------------------

    def _waiting(self) -> tuple[Obj, ...]:
        condition = self._host.allocations.pending(self.uid)
        return (condition,) if condition else ()

    async def _report(self, *, terminal: bool = False) -> Obj:
        """Compute the status and have it reported."""
        view, pod = self._view(), self.pod
        await self._messages.read(pod, view)
        old = self._host.statuses.get(self.uid) or pod.get("status") or {}
        self._probes.sync(pod, view, self._pod_ip(view), old, ending=terminal or self._ending.is_set())
        known = standing.Known(
            node_ips=self._host.node_ips, reasons=self._reasons, messages=self._messages.texts,
            ready=lambda name, container_id: self._probes.ready(pod, name, container_id),
            started=lambda name, container_id: self._probes.started(pod, name, container_id),
            terminal=terminal, start_time=self._start_time, resize=(*self._waiting(), *self._resizer.conditions(pod, view)),
        )  # fmt: skip
        status = standing.generate(pod, view, old, known, time.time())
        self._resizer.show(pod, view, status)
        if self._verdict is not None and not spec.terminal(pod.get("status")):
            status["phase"], (status["reason"], status["message"]) = "Failed", self._verdict
            for condition in status["conditions"]:
                if condition["type"] in ("Ready", "ContainersReady"):
                    condition |= {"status": "False", "reason": "PodFailed"}
                    condition.pop("message", None)
        if terminal:
            status = ended(pod, status)
        if not self._deleted:
            self._host.statuses.set(self.uid, status)
        return status

    # -- syncing ----------------------------------------------------------------------------------------------------------------

    async def _sync(self) -> float:
        pod, now = self.pod, time.time()
        self._retry_at = [now + RESYNC]
        host = self._host
        status = pod.get("status") or {}
        if host.runtime.materialises or self._view() is not None or status.get("phase") != "Running":
            status = await self._report()
        # Else a process that pretended was restarted: what it pretended goes on, and nothing was lost that is worth telling.
        if spec.terminal(status) or spec.terminal(pod.get("status")):
            self._end()
            raise _Ending
        self._check_deadline(now)
        self._check_admission()
        pod = self.pod = host.allocations.update(self._desired)
        if not spec.host_network(pod) and not host.network_ready.is_set():
            text = "network is not ready: container runtime network not ready: the node has no pod CIDR yet"
            host.event(pod, "Warning", "NetworkNotReady", text)
            await self._unless_ending(host.network_ready.wait())
        await self._unless_ending(host.services_synced.wait())
        try:
            await self._prepare_volumes()
        except NotStarted as e:
            # The image of a volume: its reason shows as that of the containers that wait for it.
            self._reasons |= {c["name"]: (e.reason, e.message) for c in spec.containers(pod)}
            await self._report()
            return max(0.01, (e.retry_at or now + BLOCKED_RETRY) - time.time())
        seen = plan.Observed(self._view(), self._probes.verdict, self._was_started)
        todo = plan.compute(pod, seen)
        await self._act(todo)
        await self._resizer.sync(pod, self._view())
        status = await self._report()
        if spec.terminal(status):
            self._end()
            raise _Ending
        if self._renew_at:
            self._retry_at.append(self._renew_at)
        return max(0.01, min(self._retry_at) - time.time())

    def _was_started(self, container_id: str) -> bool:
        view = self._view()
        found = next((c for c in view.containers if c.id == container_id), None) if view else None
        return found is not None and self._probes.started(self.pod, found.name, container_id)

    def _check_deadline(self, now: float) -> None:
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        if limit is None:
            return
        began = dt.datetime.fromisoformat(self._start_time.replace("Z", "+00:00")).timestamp()
        if began + limit <= now:
            text = "Pod was active on the node longer than the specified deadline"
            self._host.event(self.pod, "Normal", "DeadlineExceeded", text)
            self.evict("DeadlineExceeded", text, float(spec.grace_period(self.pod)))
            raise _Ending
        self._retry_at.append(began + limit)

    def _check_admission(self) -> None:
        holders = self._host.port_holders
        if self._view() is None and self.uid not in holders:
            others = [p for uid, p in holders.items() if not spec.terminal(self._host.statuses.get(uid))]
            refused = admit.refusal(self.pod, self._host.config.allowed_unsafe_sysctls, others)
            if refused is None and not self._held:
                refused = self._host.allocations.refusal(self.pod)
        else:
            refused = None
        if refused is None:
            if self.uid not in holders and admit.host_ports(self.pod):
                holders[self.uid] = self.pod
            if not self._held:
                self._held = True
                self._host.allocations.hold(self.pod, self.wake)
        else:
            reason, message = refused
            self._host.event(self.pod, "Warning", reason, message)
            self.evict(reason, f"Pod was rejected: {message}", 0)
            raise _Ending

    async def _prepare_volumes(self) -> None:
        host, pod = self._host, self.pod
        if not host.runtime.materialises:
            self._volumes = {}
            return
        namespace = pod["metadata"]["namespace"]
        refs = references(pod)
        try:
            await self._unless_ending(host.objects.use(self.uid, namespace, refs))
            found = {r: host.objects.get(r[0], namespace, r[1]) for r in refs}
            versions = tuple(sorted((r, o["metadata"]["resourceVersion"] if o else "") for r, o in found.items()))
            meta = pod["metadata"]
            key = (versions, meta.get("labels"), meta.get("annotations"), pod["spec"].get("containers"))
            if self._volumes is not None and key == self._volumes_key and not 0 < self._renew_at <= time.time():
                return
            await imagevolumes.prepare(host, self._starter.images, pod, self._unless_ending)
            self._volumes, self._renew_at = await host.volumes.setup(pod, {})
            self._volumes_key = key
        except TimeoutError as e:
            raise VolumeError("timed out reading the pod's ConfigMaps and Secrets") from e
        except VolumeError as e:
            if self._volumes is None:
                host.event(pod, "Warning", "FailedMount", str(e))
                raise
            # A running pod keeps the content that it has.
            log.warning("pod %s: %s", spec.identity(pod), e)

    async def _act(self, todo: plan.Plan) -> None:
        host, pod, view = self._host, self.pod, self._view()
        if todo.create_sandbox and todo.attempt and view is not None and view.sandboxes:
            host.event(pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
        if todo.kill_pod:
            await self._kill_pod(todo)
            if not todo.create_sandbox:
                return
        elif todo.kill:
            await asyncio.gather(*(self._kill_one(k) for k in todo.kill))
        parent = cgroups.parent(pod, host.config.cluster_id) if getattr(host.runtime, "cgroup_driver", "") == "cgroupfs" else ""
        if todo.create_sandbox:
            try:
                wanted = making.sandbox_spec(pod, todo.attempt, files.kernel_hostname(pod, host.config.cluster_domain), parent)
            except ConfigError as e:
                host.event(pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {e}")
                raise
            if not host.runtime.materialises and view is None and not wanted.host_network:
                wanted = replace(wanted, ip=(pod.get("status") or {}).get("podIP", ""))
            try:
                await host.runtime.create_sandbox(wanted)
            except RuntimeFailure as e:
                host.event(pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {e}")
                raise
            if host.runtime.materialises:
                # The address is worth telling before the containers are there.
                await self._report()
        for name in todo.ephemeral:
            await self._start(name, parent, ephemeral=True)
        for name in todo.init:
            if not await self._start(name, parent):
                return
            # A sidecar that has started lets the next container start: look again.
            self.wake()
        for name in todo.start:
            await self._start(name, parent)

    async def _kill_pod(self, todo: plan.Plan) -> None:
        host, view = self._host, self._view()
        if view is None:
            return
        deadline = self._deadline or Deadline(time.time() + spec.grace_period(self.pod))
        await kill_all(host, self.pod, deadline, self._pod_ip(view))
        if todo.create_sandbox:
            for sandbox in list(view.sandboxes):
                await host.runtime.remove_sandbox(sandbox.id)

    async def _kill_one(self, kill: plan.Kill) -> None:
        view = self._view()
        found = next((c for c in view.containers if c.id == kill.id), None) if view else None
        if found is None:
            return
        grace = float(spec.grace_period(self.pod))
        wanted = spec.find_container(self.pod, kill.name) or {}
        for probe in ("livenessProbe", "startupProbe"):
            override = (wanted.get(probe) or {}).get("terminationGracePeriodSeconds")
            if override is not None and "probe" in kill.why:
                grace = float(override)
        await kill_container(self._host, self.pod, found, kill.why, Deadline(time.time() + grace), self._pod_ip(view))

    async def _start(self, name: str, parent: str, *, ephemeral: bool = False) -> bool:
        """Start one container; False when it could not be, with the reason noted."""
        if self._ending.is_set():
            raise _Ending
        pod, view = self.pod, self._view()
        container = spec.find_container(pod, name)
        sandbox = view.sandbox if view else None
        if container is None or sandbox is None or self._volumes is None:
            return False
        try:
            await self._starter.start(pod, container, sandbox, self._volumes, cgroup_parent=parent, ephemeral=ephemeral)
        except NotStarted as e:
            self._reasons[name] = (e.reason, e.message)
            self._retry_at.append(e.retry_at or time.time() + (1.0 if e.reason in _RAN else BLOCKED_RETRY))
            return False
        self._reasons.pop(name, None)
        await self._drop_old(name)
        return True

    async def _drop_old(self, name: str) -> None:
        """Keep one dead container of each name: the last, for `kubectl logs --previous`."""
        view = self._view()
        for old in [c for c in view.containers if c.name == name][2:] if view else ():
            self._messages.forget(old.id)
            await self._host.runtime.remove_container(old.id)

    # -- ending -----------------------------------------------------------------------------------------------------------------

    async def _terminate(self) -> None:
        host, pod = self._host, self.pod
        assert self._deadline is not None
        await self._report(terminal=False)
        view = self._view()
        ip = self._pod_ip(view)
        if host.drain is not None and ip and not spec.host_network(pod) and pod["metadata"].get("deletionTimestamp"):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(host.drain(ip), 2.0)
        await kill_all(host, pod, self._deadline, ip)
        host.allocations.release(self.uid)
        if host.undrain is not None and ip:
            host.undrain(ip)
        self._probes.stop()
        await self._report(terminal=True)
        gone = self._deleted or bool(self.pod["metadata"].get("deletionTimestamp"))
        await self._release(gone)
        if not gone:
            # It has run to its end: its containers stay for their logs until it is deleted.
            await self._wait_for_deletion()
            await self._release(True)
        if not self._deleted:
            await host.statuses.flushed(self.uid)
            await self._delete_object()
        host.statuses.forget(self.uid)
        self._ended = True

    async def _wait_for_deletion(self) -> None:
        while not (self._deleted or self.pod["metadata"].get("deletionTimestamp")):
            self._wake.clear()
            await self._wake.wait()

    async def _release(self, everything: bool) -> None:
        """Give back network and volumes; with `everything` also the containers with their logs."""
        host, view = self._host, self._view()
        containers = list(view.containers) if view else []
        sandboxes = list(view.sandboxes) if view else []
        if everything:
            await asyncio.gather(*(host.runtime.remove_container(c.id) for c in containers))
        await asyncio.gather(*(host.runtime.remove_sandbox(s.id) for s in sandboxes))
        if not host.runtime.materialises:
            return
        await (host.volumes.teardown(self.uid) if everything else host.volumes.unmount(self.uid))
        if everything and getattr(host.runtime, "cgroup_driver", "") == "cgroupfs":
            await asyncio.to_thread(cgroups.remove, cgroups.parent(self.pod, host.config.cluster_id))

    async def _delete_object(self) -> None:
        meta = self.pod["metadata"]
        while not self._deleted:
            try:
                await self._host.client.delete("pods", meta["name"], meta["namespace"], grace=0, preconditions={"uid": self.uid})
                return
            except NotFound:
                return
            except StatusError as e:
                if e.status_code == 409:
                    return
                log.warning("failed to delete pod %s: %s", spec.identity(self.pod), e)
            except Unreachable as e:
                log.warning("failed to delete pod %s: %s", spec.identity(self.pod), e)
            await asyncio.sleep(1.0)
