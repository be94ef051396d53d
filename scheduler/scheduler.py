"""The loop: tries one pod after another, carries placements and preemptions out in the background."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping
from typing import Any

from kubepy.api.errors import NotFound, StatusError
from kubepy.client.rest import Client
from kubepy.runtime.clock import Clock, RealClock, format_time
from kubepy.runtime.informer import InformerFactory
from scheduler import podstatus
from scheduler.binder import Binder, BindingFailed, BoundElsewhere
from scheduler.config import Configuration
from scheduler.cycle import DYNAMIC_RESOURCES, Placement, Refusal, choose, find_nodes, message
from scheduler.events import Recorder
from scheduler.extender import ExtenderError, consult, prioritise
from scheduler.framework.changes import POD_DELETE, Change
from scheduler.framework.interface import Cycle, NotReady
from scheduler.framework.plan import Plan
from scheduler.framework.podinfo import DEFAULT_SCHEDULER, Obj, PodInfo
from scheduler.metrics import Metrics
from scheduler.plugins.dynamic_resources import DynamicResources
from scheduler.plugins.volume_binding import VolumeBinding
from scheduler.preemption import BY_SCHEDULER, Candidate, preempt
from scheduler.profile import Profile
from scheduler.queue import FLUSH_AFTER, Queued, SchedulingQueue
from scheduler.tracking import Tracker

log = logging.getLogger(__name__)

MAX_BINDING = 64
MAX_PATCHING = 8
YIELD_EVERY = 8
NO_CLAIMS, STILL_CLAIMED = "no new claims to deallocate", "still not schedulable"


class Scheduler:
    """One scheduler for the pods of all its profiles."""

    def __init__(
        self,
        client: Client,
        factory: InformerFactory,
        configuration: Configuration | None = None,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        flush_after: float = FLUSH_AFTER,
    ) -> None:
        self.client, self.clock, self.rng = client, clock or RealClock(), rng or random.Random()
        configuration = configuration or Configuration()
        self.profiles: Mapping[str, Profile] = configuration.profiles
        self.queue = SchedulingQueue(
            self.clock, self._concerns, initial=configuration.initial_backoff, most=configuration.max_backoff, flush_after=flush_after
        )
        self.metrics = Metrics(self.queue.counts)
        self.tracker = Tracker(factory, self.queue, self.profiles)
        self.snapshot = self.tracker.snapshot
        self.binder = Binder(client, self.snapshot.cluster, self.clock)
        self.tracker.on_claim = self.binder.claim_changed
        self.recorder = Recorder(client, self.clock, lambda: self.queue.busy or bool(self._in_binding))
        self._binding = asyncio.Semaphore(MAX_BINDING)
        self._patching = asyncio.Semaphore(MAX_PATCHING)
        self._in_binding = 0
        self._preempting: dict[str, bool] = {}
        """Pods whose victims are being removed; the value tells whether a change came meanwhile."""
        self._tasks: set[asyncio.Task[None]] = set()

    def _concerns(self, pod: PodInfo, rejected_by: frozenset[str], change: Change) -> bool:
        return self._profile(pod).concerns(change, pod, rejected_by)

    def _profile(self, pod: PodInfo) -> Profile:
        return self.profiles[pod.spec.get("schedulerName", DEFAULT_SCHEDULER)]

    async def run(self) -> None:
        """Schedule for ever."""
        await self.tracker.synced()
        self._spawn(self.recorder.run())
        tried = 0
        try:
            while True:
                queued = await self.queue.pop()
                await self._binding.acquire()
                if not await self._try(queued):
                    self._binding.release()
                tried += 1
                if tried % YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        finally:
            # Whoever leads next must not meet writes of ours.
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # One attempt

    async def _try(self, queued: Queued) -> bool:
        """Place a pod; returns whether a binding was begun, which then owns the semaphore's place."""
        pod, profile = queued.pod, self._profile(queued.pod)
        if pod.uid in self._preempting:
            self._preempting[pod.uid] = True
            self.queue.park(pod.uid, queued.rejected_by)
            return False
        for plugin in profile.preenqueues:
            try:
                plugin.preenqueue(self.snapshot.cluster, pod)
            except NotReady as e:
                log.debug("%s is not tried yet: %s", pod.key, e)
                self.queue.park(pod.uid, frozenset([plugin.name]))
                return False
        began = self.clock.monotonic()
        try:
            result = self._decide(pod, profile) if not profile.extenders else await self._decide_with_extenders(pod, profile)
        except ExtenderError as e:
            self.metrics.attempt("error", profile.name, self.clock.monotonic() - began)
            self._failed(pod, profile, str(e), None, reason="SchedulerError")
            self.queue.retry(pod.uid)
            return False
        except Exception:
            log.exception("scheduling %s failed", pod.key)
            self.metrics.attempt("error", profile.name, self.clock.monotonic() - began)
            self.queue.retry(pod.uid)
            return False
        if pod.uid not in self.queue:
            return False  # deleted, or bound by somebody else, while extenders were asked
        fits = isinstance(result, Placement)
        self.metrics.attempt("scheduled" if fits else "unschedulable", profile.name, self.clock.monotonic() - began)
        if isinstance(result, Refusal):
            self._refused(pod, profile, result)
            return False
        plan = self._plan(result, profile)
        if plan is not None:
            self.binder.assume(pod, plan, result.node)
        self.queue.done(pod.uid)
        self.tracker.place(result.node, pod)
        self._in_binding += 1
        self._spawn(self._bind(pod, profile, result.node, plan))
        return True

    def _decide(self, pod: PodInfo, profile: Profile) -> Placement | Refusal:
        cycle = Cycle(pod, self.snapshot, self.snapshot.alive.copy())
        return find_nodes(cycle, profile) or choose(cycle, profile, self.rng)

    async def _decide_with_extenders(self, pod: PodInfo, profile: Profile) -> Placement | Refusal:
        cycle = Cycle(pod, self.snapshot, self.snapshot.alive.copy())
        refusal = find_nodes(cycle, profile) or await consult(profile.extenders, cycle)
        if refusal is not None:
            return refusal
        extra = await prioritise(profile.extenders, cycle)
        cycle.feasible &= self.snapshot.alive
        if not cycle.feasible.any():
            raise ExtenderError("nodes went while extenders were asked")
        return choose(cycle, profile, self.rng, extra=extra)

    @staticmethod
    def _plan(placement: Placement, profile: Profile) -> Plan | None:
        pod = placement.cycle.pod
        if not pod.claims and not pod.spec.get("resourceClaims"):
            return None
        slot = placement.cycle.snapshot.nodes[placement.node].slot
        plan = Plan()
        for plugin in profile.filters:
            if isinstance(plugin, VolumeBinding | DynamicResources):
                plan += plugin.plan(placement.cycle, slot)
        return plan or None

    # Binding

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bind(self, pod: PodInfo, profile: Profile, node: str, plan: Plan | None) -> None:
        held = True
        try:
            if plan is not None:
                # Volumes may take minutes: others are bound meanwhile, and whoever looks at the pod sees where it will go.
                self._binding.release()
                held = False
                await self._patch(pod, None, node)
                await self.binder.devices(pod, plan)
                await self.binder.volumes(pod, plan, node)
                await self._binding.acquire()
                held = True
            extender = next((e for e in profile.extenders if e.binds and e.interested(pod)), None)
            if extender is not None:
                await extender.bind(pod, node)
            else:
                await self.binder.bind(pod, node)
        except BoundElsewhere as error:
            log.info("binding %s to %s: %s", pod.key, node, error)
            self.tracker.unassume(pod.uid, node)
            self.queue.remove(pod.uid)
        except (BindingFailed, ExtenderError) as error:
            log.info("binding %s to %s: %s", pod.key, node, error)
            self._unbind(pod, profile, node, plan, str(error))
        else:
            self.queue.remove(pod.uid)
            self.snapshot.nominated.pop(pod.uid, None)
            self.recorder.event(pod.obj, profile.name, "Normal", "Scheduled", "Binding", f"Successfully assigned {pod.key} to {node}")
        finally:
            self._in_binding -= 1
            if held:
                self._binding.release()

    def _unbind(self, pod: PodInfo, profile: Profile, node: str, plan: Plan | None, error: str) -> None:
        if plan is not None:
            self.binder.forget(plan)
        present = self.tracker.pods.cache.get(pod.key)
        if present is not None and present["metadata"]["uid"] == pod.uid and present["spec"].get("nodeName"):
            return  # bound by somebody else: the event has told, or will tell, where
        self.tracker.unassume(pod.uid, node)
        pod.node = ""
        self.queue.move(Change((POD_DELETE,), pod.obj, None))
        if present is None or present["metadata"]["uid"] != pod.uid:
            self.queue.remove(pod.uid)
            return
        self._failed(pod, profile, error, "", reason="SchedulerError")
        self.queue.retry(pod.uid)

    # Failure

    def _refused(self, pod: PodInfo, profile: Profile, refusal: Refusal) -> None:
        nominated: str | None = "" if not refusal.total else None
        after = ""
        if refusal.total:
            after, nominated = self._post_filter(pod, profile, refusal)
        self.queue.park(pod.uid, refusal.plugins)
        self._failed(pod, profile, message(refusal, after), nominated)

    def _post_filter(self, pod: PodInfo, profile: Profile, refusal: Refusal) -> tuple[str, str | None]:
        """Try preemption: what upstream adds to the message, and the nomination (None: as it was)."""
        if refusal.general and profile.claims_first and DYNAMIC_RESOURCES not in refusal.plugins:
            return "not found", None  # that plugin's state, which a refusal before it leaves unmade
        claimed = not refusal.general and bool(pod.spec.get("resourceClaims"))
        said = [STILL_CLAIMED if claimed else NO_CLAIMS] if profile.claims_first else []
        if profile.preemption is None:
            return ", ".join(said), "" if not said else None
        self.metrics.preemptions += 1
        outcome = preempt(self.snapshot, pod, profile, refusal, self.rng)
        if outcome.candidate is not None:
            self.tracker.nominate(pod, outcome.candidate.node)
            self._begin_preemption(pod, profile, outcome.candidate)
            return "", outcome.candidate.node
        if outcome.clear:
            self.tracker.nominate(pod, "")
        said.append(f"preemption: {outcome.text}")
        return ", ".join(said), "" if outcome.clear else None

    def _failed(self, pod: PodInfo, profile: Profile, text: str, nominated: str | None, *, reason: str = "Unschedulable") -> None:
        self.recorder.event(pod.obj, profile.name, "Warning", "FailedScheduling", "Scheduling", text)
        present = self._present(pod)
        new = podstatus.condition(present, "PodScheduled", "False", reason, text, format_time(self.clock.time()))
        self._spawn(self._patch(pod, new, nominated))

    def _present(self, pod: PodInfo) -> Obj:
        present = self.tracker.pods.cache.get(pod.key)
        return present if present is not None and present["metadata"]["uid"] == pod.uid else pod.obj

    async def _patch(self, pod: PodInfo, condition: Obj | None, nominated: str | None) -> None:
        change = podstatus.patch(self._present(pod), condition, nominated)
        if change is None:
            return
        try:
            async with self._patching:
                await self.client.patch("pods", pod.name, change, pod.namespace, type="strategic", subresource="status")
        except (StatusError, OSError) as error:
            log.info("the status of %s could not be written: %s", pod.key, error)

    # Preemption

    def _begin_preemption(self, pod: PodInfo, profile: Profile, candidate: Candidate) -> None:
        rivals = [p for node, p in self.snapshot.nominated.values() if node == candidate.node and p.priority < pod.priority]
        for rival in rivals:
            self.tracker.nominate(rival, "")
            self._spawn(self._patch(rival, None, ""))
            self.queue.activate(rival.uid)
        victims = [v for v in candidate.victims if not v.terminating]
        if victims:
            self.metrics.victims += len(victims)
            self._preempting[pod.uid] = False
            self._spawn(self._evict(pod, profile, candidate.node, victims))

    async def _evict(self, pod: PodInfo, profile: Profile, node: str, victims: list[PodInfo]) -> None:
        try:
            results = await asyncio.gather(*(self._evict_one(pod, profile, node, v) for v in victims), return_exceptions=True)
        finally:
            missed = self._preempting.pop(pod.uid, False)
        failures = [r for r in results if isinstance(r, BaseException)]
        for failure in failures:
            log.warning("preempting on %s for %s: %s", node, pod.key, failure)
        if missed or failures:
            self.queue.activate(pod.uid)

    async def _evict_one(self, pod: PodInfo, profile: Profile, node: str, victim: PodInfo) -> None:
        text = f"{profile.name}: preempting to accommodate a higher priority pod"
        new = podstatus.condition(victim.obj, "DisruptionTarget", "True", BY_SCHEDULER, text, format_time(self.clock.time()))
        change = podstatus.patch(victim.obj, new, None)
        try:
            if change is not None:
                await self.client.patch("pods", victim.name, change, victim.namespace, type="strategic", subresource="status")
            await self.client.delete("pods", victim.name, victim.namespace, preconditions={"uid": victim.uid})
        except NotFound:
            return
        note = f"Preempted by pod {pod.uid} on node {node}"
        self.recorder.event(victim.obj, profile.name, "Normal", "Preempted", "Preempting", note)
