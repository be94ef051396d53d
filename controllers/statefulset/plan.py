"""The next step towards the pods that a StatefulSet wants: which to create, mend, delete now, in its order. Pure.

stateful_set_control.go updateStatefulSet. An ordered set takes one step at a time and waits where upstream waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.common.pods import is_available
from controllers.statefulset import identity
from kubepy.api import meta

Obj = dict[str, Any]


@dataclass
class Revisions:
    """The current and the update revision: their names and templates."""

    current: str
    current_template: Obj
    update: str
    update_template: Obj


@dataclass
class Plan:
    """Steps to carry out in this order; the pods as they stand, by part."""

    replicas: list[Obj] = field(default_factory=list)
    condemned: list[Obj] = field(default_factory=list)
    create: list[Obj] = field(default_factory=list)
    claims: list[Obj] = field(default_factory=list)
    """Existing pods whose missing claims are to be made."""
    check: list[Obj] = field(default_factory=list)
    """Existing pods whose identity, storage and owners of claims are to be checked."""
    delete: list[Obj] = field(default_factory=list)
    update: Obj | None = None
    """A pod to delete because it is of an old revision."""
    retain: list[Obj] = field(default_factory=list)
    """Condemned pods whose claims must follow the retention policy before they go."""


def is_ordered(statefulset: Obj) -> bool:
    """Whether pods come and go one by one."""
    return bool(statefulset["spec"].get("podManagementPolicy") != "Parallel")


def make(statefulset: Obj, pods: Sequence[Obj], revisions: Revisions, now: float) -> Plan:
    """The steps for the pods that exist now."""
    plan = Plan()
    begin, count = identity.first_ordinal(statefulset), identity.replicas(statefulset)
    slots: dict[int, Obj] = {}
    for pod in pods:
        if identity.in_range(statefulset, pod):
            slots[identity.ordinal(pod)] = pod
        elif identity.ordinal(pod) >= 0:
            plan.condemned.append(pod)
    plan.condemned.sort(key=identity.ordinal, reverse=True)
    plan.replicas = [slots.get(n) or _new(statefulset, revisions, n) for n in range(begin, begin + count)]
    if meta.deleting(statefulset):
        return plan
    ordered = is_ordered(statefulset)
    min_ready = statefulset["spec"].get("minReadySeconds", 0)
    bad = [p for p in (*plan.replicas, *reversed(plan.condemned)) if not healthy(p, min_ready, now)]
    for pod in plan.replicas:
        if _replica(statefulset, plan, pod, ordered, min_ready, now) and ordered:
            return plan
    plan.retain = list(plan.condemned)
    for pod in plan.condemned:
        if _condemned(plan, pod, ordered, bad[0] if bad else None, min_ready, now) and ordered:
            return plan
    if statefulset["spec"].get("updateStrategy", {}).get("type") != "OnDelete":
        _update(statefulset, plan, revisions, min_ready, now)
    return plan


def serves(pod: Obj, min_ready: float, now: float) -> bool:
    """Running, and Ready for long enough."""
    return identity.is_running_and_ready(pod) and is_available(pod, min_ready, now)


def healthy(pod: Obj, min_ready: float, now: float) -> bool:
    """Available and not going."""
    return is_available(pod, min_ready, now) and not meta.deleting(pod)


def _new(statefulset: Obj, revisions: Revisions, number: int) -> Obj:
    strategy = statefulset["spec"].get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate")
    begin = identity.first_ordinal(statefulset)
    keep = False
    if strategy.get("type") != "OnDelete":
        below = rolling.get("partition", 0) if rolling is not None else statefulset.get("status", {}).get("currentReplicas", 0)
        keep = number < begin + below
    if keep:
        return identity.new_pod(statefulset, revisions.current_template, number, revisions.current)
    return identity.new_pod(statefulset, revisions.update_template, number, revisions.update)


def _replica(statefulset: Obj, plan: Plan, pod: Obj, ordered: bool, min_ready: float, now: float) -> bool:
    """Plan for one wanted pod; True when an ordered set must wait here (processReplica)."""
    phase = pod.get("status", {}).get("phase")
    if phase in ("Failed", "Succeeded"):
        if not meta.deleting(pod):
            plan.delete.append(pod)
        return True
    if not identity.is_created(pod):
        plan.create.append(pod)
        return True
    if phase == "Pending":
        plan.claims.append(pod)
    if ordered and (meta.deleting(pod) or not serves(pod, min_ready, now)):
        return True
    plan.check.append(pod)
    return False


def _condemned(plan: Plan, pod: Obj, ordered: bool, first_bad: Obj | None, min_ready: float, now: float) -> bool:
    """Plan for one unwanted pod; True when an ordered set must wait here (processCondemned)."""
    if meta.deleting(pod):
        return ordered
    if ordered and pod is not first_bad and not serves(pod, min_ready, now):
        return True
    plan.delete.append(pod)
    return True


def _update(statefulset: Obj, plan: Plan, revisions: Revisions, min_ready: float, now: float) -> None:
    """Replace the outdated pod of the highest ordinal, down to the partition; wait at the first pod that does not serve.

    rollingUpdate.maxUnavailable has no effect: upstream's feature is off by default.
    """
    rolling = statefulset["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
    for pod in reversed(plan.replicas[rolling.get("partition", 0) :]):
        if identity.revision_of(pod) != revisions.update and not meta.deleting(pod):
            plan.update = pod
            return
        if not healthy(pod, min_ready, now):
            return


def status(statefulset: Obj, plan: Plan, revisions: Revisions, collisions: int, now: float) -> Obj:
    """The status for the pods as they were before the steps."""
    min_ready = statefulset["spec"].get("minReadySeconds", 0)
    made = [p for p in (*plan.replicas, *plan.condemned) if identity.is_created(p)]
    ready = [p for p in made if identity.is_running_and_ready(p)]
    staying = [identity.revision_of(p) for p in made if not meta.deleting(p)]
    out: Obj = {
        "observedGeneration": meta.generation(statefulset),
        "replicas": len(made),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(p, min_ready, now) for p in ready),
        "currentReplicas": staying.count(revisions.current) - (plan.update is not None),
        "updatedReplicas": staying.count(revisions.update),
        "currentRevision": revisions.current,
        "updateRevision": revisions.update,
        "collisionCount": collisions,
    }
    rolling = statefulset["spec"].get("updateStrategy", {}).get("type") != "OnDelete"
    if rolling and out["updatedReplicas"] == out["replicas"] == out["readyReplicas"] == identity.replicas(statefulset):
        # The update is complete; not so while a pod is between its deletion and its return.
        out["currentReplicas"], out["currentRevision"] = out["updatedReplicas"], out["updateRevision"]
    return {k: v for k, v in out.items() if v or k in ("replicas", "availableReplicas", "collisionCount")}


def is_news(present: Obj, status: Obj) -> bool:
    """Whether a status is worth writing (inconsistentStatus): a mere collision or a foreign condition is not."""
    fields = ("replicas", "currentReplicas", "readyReplicas", "updatedReplicas", "availableReplicas", "currentRevision", "updateRevision")
    newer: bool = status.get("observedGeneration", 0) > present.get("observedGeneration", 0)
    return newer or any((status.get(f) or None) != (present.get(f) or None) for f in fields)
