"""The loop: follows pods and nodes, tries one pod after another, binds in the background. All I/O of the scheduler is here."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

from kubepy.api.errors import Conflict, NotFound, StatusError
from kubepy.client.rest import Client, Unreachable
from kubepy.runtime.clock import Clock, RealClock, format_time
from kubepy.runtime.events import EventRecorder
from kubepy.runtime.informer import InformerFactory
from scheduler.cycle import Refusal, message, schedule
from scheduler.framework.podinfo import DEFAULT_SCHEDULER, PodInfo, parse
from scheduler.framework.snapshot import Snapshot
from scheduler.plugins import FILTERS, SCORES
from scheduler.queue import Queued, SchedulingQueue

log = logging.getLogger(__name__)

Obj = dict[str, Any]
MAX_BINDING = 64
NO_NODES = "no nodes available to schedule pods"
NOT_TERMINAL = "status.phase!=Succeeded,status.phase!=Failed"
YIELD_EVERY = 8


class Scheduler:
    """One scheduler: its queue, its picture of the nodes, and the pods it has placed but not yet seen bound (assumed)."""

    def __init__(
        self,
        client: Client,
        factory: InformerFactory,
        recorder: EventRecorder,
        *,
        name: str = DEFAULT_SCHEDULER,
        clock: Clock | None = None,
    ) -> None:
        self.client, self.recorder, self.name = client, recorder, name
        self.clock = clock or RealClock()
        self.snapshot = Snapshot()
        self.queue = SchedulingQueue(self.clock)
        self.rng = random.Random()
        self.pods = factory.informer("pods", field_selector=NOT_TERMINAL)
        self.nodes = factory.informer("nodes")
        self.namespaces = factory.informer("namespaces", metadata_only=True)
        self._placed: dict[str, str] = {}
        self._orphans: dict[str, dict[str, PodInfo]] = {}
        self._binding = asyncio.Semaphore(MAX_BINDING)
        self._tasks: set[asyncio.Task[None]] = set()
        self.namespaces.on_event(self._namespace_event)
        self.nodes.on_event(self._node_event)
        self.pods.on_event(self._pod_event)

    async def run(self) -> None:
        """Schedule for ever."""
        await self.namespaces.synced()
        await self.nodes.synced()
        await self.pods.synced()
        tried = 0
        while True:
            queued = await self.queue.pop()
            await self._binding.acquire()
            if not self._try(queued):
                self._binding.release()
            tried += 1
            if tried % YIELD_EVERY == 0:
                await asyncio.sleep(0)

    # Events

    def _node_event(self, kind: str, _old: Obj | None, new: Obj) -> None:
        name = new["metadata"]["name"]
        if kind == "DELETED":
            slot = self.snapshot.nodes.get(name)
            if slot is not None and slot.pods:
                self._orphans[name] = dict(slot.pods)
            self.snapshot.remove_node(name)
            return
        before = self.snapshot.generation
        self.snapshot.set_node(new)
        for pod in self._orphans.pop(name, {}).values():
            self.snapshot.add_pod(name, pod)
        if self.snapshot.generation != before:
            self.queue.move(lambda _q: True)

    def _namespace_event(self, kind: str, _old: Obj | None, new: Obj) -> None:
        meta = new["metadata"]
        self.snapshot.set_namespace(meta["name"], None if kind == "DELETED" else meta.get("labels") or {})

    def _pod_event(self, kind: str, _old: Obj | None, new: Obj) -> None:
        uid, node = new["metadata"]["uid"], new["spec"].get("nodeName") or ""
        if kind == "DELETED":
            self.queue.remove(uid)
            self._forget(uid)
            return
        if node:
            self.queue.remove(uid)
            self._charge(node, parse(new))
        elif new["spec"].get("schedulerName", DEFAULT_SCHEDULER) == self.name and uid not in self._placed:
            if "deletionTimestamp" in new["metadata"] or new["spec"].get("schedulingGates"):
                self.queue.remove(uid)
            elif (
                kind == "ADDED"
                or _old is None
                or _old["spec"] != new["spec"]
                or _old["metadata"].get("labels") != new["metadata"].get("labels")
            ):
                self.queue.add(parse(new))

    def _charge(self, node: str, pod: PodInfo) -> None:
        known = self._placed.get(pod.uid)
        if known is not None and known != node:
            self._forget(pod.uid)
        self._placed[pod.uid] = node
        if node in self.snapshot.nodes:
            self.snapshot.add_pod(node, pod)
        else:
            self._orphans.setdefault(node, {})[pod.uid] = pod

    def _forget(self, uid: str) -> None:
        node = self._placed.pop(uid, None)
        if node is None:
            return
        if node in self._orphans:
            self._orphans[node].pop(uid, None)
        self.snapshot.remove_pod(node, uid)
        self.queue.move(lambda _q: True)

    # One attempt

    def _try(self, queued: Queued) -> bool:
        """Place a pod; returns whether a binding was begun, which then owns the semaphore's place."""
        pod = queued.pod
        try:
            result = schedule(self.snapshot, pod, FILTERS, SCORES, self.rng)
        except Exception:
            log.exception("scheduling %s failed", pod.key)
            self.queue.retry(pod.uid)
            return False
        if isinstance(result, Refusal):
            self._refused(pod, result)
            return False
        assumed = parse(pod.obj, result.node)
        self._charge(result.node, assumed)
        self._spawn(self._bind(pod, result.node))
        return True

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bind(self, pod: PodInfo, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
            "target": {"kind": "Node", "name": node},
        }
        try:
            await self.client.raw("POST", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/binding", binding)
        except (NotFound, Conflict) as error:
            log.info("binding %s to %s: %s", pod.key, node, error)
            self._unassume(pod)
        except (StatusError, Unreachable, OSError) as error:
            log.warning("binding %s to %s failed, trying again: %s", pod.key, node, error)
            self._unassume(pod)
        else:
            self.queue.remove(pod.uid)
            self.recorder.event(pod.obj, "Normal", "Scheduled", f"Successfully assigned {pod.key} to {node}")
        finally:
            self._binding.release()

    def _unassume(self, pod: PodInfo) -> None:
        present = self.pods.cache.get(pod.key)
        if present is not None and present["metadata"]["uid"] == pod.uid and present["spec"].get("nodeName"):
            return  # bound after all: the event has told, or will tell, where
        self._forget(pod.uid)
        self.queue.retry(pod.uid)

    def _refused(self, pod: PodInfo, refusal: Refusal) -> None:
        text = NO_NODES if not refusal.total else message(refusal, _after(pod, refusal))
        self.queue.park(pod.uid, refusal.plugins)
        self.recorder.event(pod.obj, "Warning", "FailedScheduling", text)
        self._spawn(self._report(pod, text))

    async def _report(self, pod: PodInfo, text: str) -> None:
        present = self.pods.cache.get(pod.key) or pod.obj
        known: Obj = next((c for c in (present.get("status") or {}).get("conditions") or [] if c["type"] == "PodScheduled"), {})
        if (known.get("status"), known.get("reason"), known.get("message")) == ("False", "Unschedulable", text):
            return
        condition: Obj = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": text,
            "lastProbeTime": None,
            "observedGeneration": present["metadata"].get("generation", 1),
            "lastTransitionTime": known.get("lastTransitionTime") if known.get("status") == "False" else format_time(self.clock.time()),
        }
        patch = {"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}}
        try:
            await self.client.patch("pods", pod.name, patch, pod.namespace, type="strategic", subresource="status")
        except (StatusError, Unreachable, OSError) as error:
            log.info("the condition of %s could not be written: %s", pod.key, error)


def _after(pod: PodInfo, refusal: Refusal) -> str:
    """What upstream adds once the post-filter plugins have had their say."""
    if refusal.general:
        return "not found"
    helpful = int(refusal.resolvable.sum())
    parts = {"No preemption victims found for incoming pod": helpful, "Preemption is not helpful for scheduling": refusal.total - helpful}
    reasons = ", ".join(sorted(f"{n} {text}" for text, n in parts.items() if n))
    return f"no new claims to deallocate, preemption: 0/{refusal.total} nodes are available: {reasons}."
