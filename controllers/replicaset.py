"""ReplicaSets and ReplicationControllers: exactly so many pods that match (pkg/controller/replicaset, replication).

Both kinds are one controller with two descriptions; the decisions are in `plan_status` and common/ranking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controllers.common import batch, pods
from controllers.common.claims import Claimer
from controllers.common.expectations import Expectations
from controllers.common.podcontrol import PodControl, namespace_terminating, pod_from_template
from controllers.common.ranking import to_delete
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound
from kubepy.api.selectors import LabelSelector, SelectorError, from_label_selector, from_labels
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

BURST = 500
"""Most pods created or deleted in one pass."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """What differs between the two kinds."""

    name: str
    component: str
    resource: str
    kind: str
    group: str
    terminating_replicas: bool

    def selector(self, owner: Obj) -> LabelSelector:
        """The owner's pod selector."""
        found = owner["spec"].get("selector")
        return from_labels(found) if self.kind == "ReplicationController" and found else from_label_selector(found)


REPLICASET = Flavour("replicaset", "replicaset-controller", "replicasets.apps", "ReplicaSet", "apps", True)
REPLICATION = Flavour("replicationcontroller", "replication-controller", "replicationcontrollers", "ReplicationController", "", False)


def start_replicaset(ctx: Context) -> None:
    """Register the ReplicaSet controller."""
    _Replicas(ctx, REPLICASET)


def start_replication(ctx: Context) -> None:
    """Register the ReplicationController controller."""
    _Replicas(ctx, REPLICATION)


def plan_status(
    owner: Obj, active: Sequence[Obj], terminating: int | None, failure: Exception | None, now: float
) -> tuple[Obj, float | None]:
    """(the new status, seconds until the next pod becomes available or None); replica_set_utils.go calculateStatus."""
    status: Obj = {k: v for k, v in owner.get("status", {}).items() if k == "conditions"}
    spec = owner["spec"]
    template_labels = (spec.get("template", {}).get("metadata") or {}).get("labels") or {}
    min_ready = spec.get("minReadySeconds", 0)
    labelled = ready = available = 0
    soonest: float | None = None
    for pod in active:
        labels = meta.labels(pod)
        if all(labels.get(key) == value for key, value in template_labels.items()):
            labelled += 1
        wait = pods.available_in(pod, min_ready, now)
        if wait is None:
            if pods.is_ready(pod):
                ready += 1
            continue
        ready += 1
        if wait == 0:
            available += 1
        else:
            soonest = wait if soonest is None else min(soonest, wait)
    status.update(replicas=len(active), fullyLabeledReplicas=labelled, readyReplicas=ready, availableReplicas=available)
    if terminating is not None:
        status["terminatingReplicas"] = terminating
    status["conditions"] = _conditions(owner, len(active), failure, now)
    return {k: v for k, v in status.items() if v or k in ("replicas", "terminatingReplicas")}, soonest


def _conditions(owner: Obj, active: int, failure: Exception | None, now: float) -> list[Obj]:
    kept = list(owner.get("status", {}).get("conditions") or ())
    present = any(c["type"] == "ReplicaFailure" for c in kept)
    if failure is not None and not present:
        reason = "FailedCreate" if active < owner["spec"].get("replicas", 1) else "FailedDelete"
        kept.append(
            {"type": "ReplicaFailure", "status": "True", "reason": reason, "message": str(failure), "lastTransitionTime": format_time(now)}
        )
    elif failure is None and present:
        kept = [c for c in kept if c["type"] != "ReplicaFailure"]
    return kept


class _Replicas:
    def __init__(self, ctx: Context, flavour: Flavour) -> None:
        self._ctx, self._flavour, self._client, self._clock = ctx, flavour, ctx.client, ctx.clock
        self._control = PodControl(ctx.client, ctx.recorder(flavour.component))
        self._expected = Expectations(ctx.clock)
        self._owners = ctx.informer(flavour.resource)
        self._owners.cache.add_index("controller", pods.by_controller)
        self._pods = ctx.informer("pods")
        self._pods.cache.add_index("controller", pods.by_controller)
        self._pods.cache.add_index("orphan", pods.orphans)
        self._controller = ctx.controller(flavour.name, self._sync, workers=5)
        self._controller.depends(self._owners, self._pods)
        self._owners.on_event(self._owner_changed)
        self._pods.on_event(self._pod_changed)

    def _owner_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        key = key_of(new)
        if kind == "DELETED":
            self._expected.forget(key)
        self._controller.enqueue(key)

    def _owner_of(self, pod: Obj) -> Obj | None:
        """The cached owner that a pod's controller reference names, if it is of this kind and that very object."""
        ref = meta.controller_of(pod)
        if ref is None or meta.group_version(ref["apiVersion"])[0] != self._flavour.group:
            return None
        return pods.owner_in(self._owners.cache, pod, self._flavour.kind)

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        if kind == "DELETED" or (kind == "ADDED" and meta.deleting(new)):
            self._gone(new)
            return
        if kind == "ADDED":
            if (owner := self._owner_of(new)) is not None:
                self._expected.created(key_of(owner))
                self._controller.enqueue(key_of(owner))
            elif meta.controller_of(new) is None:
                self._offer(new)
            return
        assert old is not None
        if meta.deleting(new):
            self._gone(new)
            if meta.labels(old) != meta.labels(new):
                self._gone(old)
            return
        moved = meta.controller_of(old) != meta.controller_of(new)
        if moved and (previous := self._owner_of(old)) is not None:
            self._controller.enqueue(key_of(previous))
        if meta.controller_of(new) is not None:
            if (owner := self._owner_of(new)) is not None:
                self._controller.enqueue(key_of(owner))
        elif moved or meta.labels(old) != meta.labels(new):
            self._offer(new)

    def _gone(self, pod: Obj) -> None:
        if (owner := self._owner_of(pod)) is not None:
            self._expected.deleted(key_of(owner), key_of(pod))
            self._controller.enqueue(key_of(owner))

    def _offer(self, orphan: Obj) -> None:
        """Wake the owners that may want to adopt an orphan."""
        labels = meta.labels(orphan)
        if not labels:
            return
        for owner in self._owners.cache.list(meta.namespace(orphan)):
            try:
                selector = self._flavour.selector(owner)
            except SelectorError:
                continue
            if not selector.empty and selector.matches(labels):
                self._controller.enqueue(key_of(owner))

    async def _sync(self, key: str) -> Result | None:
        owner = self._owners.cache.get(key)
        if owner is None:
            self._expected.forget(key)
            return None
        may_act = self._expected.satisfied(key)
        selector = self._flavour.selector(owner)
        cache = self._pods.cache
        candidates = cache.by_index("controller", meta.uid(owner)) + cache.by_index("orphan", meta.namespace(owner))
        terminating = sum(pods.is_terminating(p) and meta.is_controlled_by(p, owner) for p in candidates)
        claimer = Claimer(self._client, self._flavour.resource, owner, "pods", selector.matches)
        active = await claimer.claim([p for p in candidates if pods.is_active(p)])
        failure: Exception | None = None
        if may_act and not meta.deleting(owner):
            failure = await self._scale(key, owner, active)
        now = self._clock.time()
        status, soonest = plan_status(owner, active, terminating if self._flavour.terminating_replicas else None, failure, now)
        await self._update_status(owner, status)
        if failure is not None:
            raise failure
        return Result(after=soonest) if soonest is not None else None

    async def _scale(self, key: str, owner: Obj, active: list[Obj]) -> Exception | None:
        """Create or delete pods until there are as many as wanted; the first error."""
        excess = len(active) - owner["spec"].get("replicas", 1)
        if excess < 0:
            count = min(-excess, BURST)
            self._expected.expect(key, creations=count)
            pod = pod_from_template(owner["spec"]["template"], owner)

            async def create(_: int) -> None:
                try:
                    await self._control.create(owner, pod)
                except Exception as e:
                    if not namespace_terminating(e):
                        raise

            made, failure = await batch.slow_start(count, create)
            # What was not made will not be seen.
            self._expected.created(key, count - made)
            return failure
        if excess > 0:
            doomed = to_delete(active, self._related(owner), min(excess, BURST), self._clock.time())
            self._expected.expect(key, deletions=map(key_of, doomed))

            async def delete(pod: Obj) -> None:
                try:
                    await self._control.delete(owner, pod)
                except Exception as e:
                    self._expected.deleted(key, key_of(pod))
                    if not isinstance(e, NotFound):
                        raise

            errors = await batch.in_parallel(doomed, delete)
            return errors[0] if errors else None
        return None

    def _related(self, owner: Obj) -> list[Obj]:
        """The pods of all owners that have the same controller as this one (of a Deployment's other ReplicaSets)."""
        ref = meta.controller_of(owner)
        owners = self._owners.cache.by_index("controller", ref["uid"]) if ref else [owner]
        return [pod for o in owners for pod in self._pods.cache.by_index("controller", meta.uid(o))]

    async def _update_status(self, owner: Obj, status: Obj) -> None:
        """Write the status if it changed; one conflict is answered with a fresh read, as upstream does."""
        for attempt in (0, 1):
            generation = meta.generation(owner)
            current = owner.get("status", {})
            if pods.same({**status, "observedGeneration": generation}, current):
                return
            try:
                await self._client.update_status(self._flavour.resource, {**owner, "status": {**status, "observedGeneration": generation}})
                return
            except Conflict:
                if attempt:
                    raise
                owner = await self._client.get(self._flavour.resource, meta.name(owner), meta.namespace(owner))
