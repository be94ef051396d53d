"""Which daemon pods to delete and on which nodes to create some: upkeep, rolling update with or without surge. Pure.

daemon_controller.go podsShouldBeOnNode, update.go rollingUpdate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controllers.common import pods
from controllers.common.values import scaled
from controllers.daemonset.placement import GENERATION, HASH, TEMPLATE_GENERATION, should_run
from kubepy.api import meta

Obj = dict[str, Any]
ByNode = Mapping[str, Sequence[Obj]]


@dataclass
class Steps:
    """Nodes that need a pod, pods to delete, and pods that failed or succeeded (to delete, with backoff and an event)."""

    create: list[str] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    ended: list[Obj] = field(default_factory=list)


def is_current(ds: Obj, pod: Obj, revision: str) -> bool:
    """Whether the pod was made from the present template."""
    labels = meta.labels(pod)
    generation = meta.annotations(ds).get(TEMPLATE_GENERATION)
    return (generation is not None and labels.get(GENERATION) == generation) or (bool(revision) and labels.get(HASH) == revision)


def limits(ds: Obj, desired: int) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in nodes."""
    rolling = ds["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
    if ds["spec"].get("updateStrategy", {}).get("type") != "RollingUpdate":
        return 0, 0
    surge = scaled(rolling.get("maxSurge", 0), desired, True)
    unavailable = scaled(rolling.get("maxUnavailable", 1), desired, True)
    return surge, (1 if desired > 0 and surge == 0 and unavailable == 0 else unavailable)


def allows_surge(ds: Obj) -> bool:
    """Whether a node may have the old and the new pod at once."""
    return limits(ds, 1)[0] > 0


def upkeep(ds: Obj, nodes: Sequence[Obj], by_node: ByNode, revision: str, now: float) -> Steps:
    """Pods where there should be some, none where not, and no doubles."""
    steps = Steps()
    known = set()
    for node in nodes:
        name = meta.name(node)
        known.add(name)
        mine = by_node.get(name, ())
        start, keep = should_run(ds, node)
        if start and not mine:
            steps.create.append(name)
        elif keep:
            _prune(ds, steps, name, mine, revision, now)
        else:
            steps.delete += [p for p in mine if not meta.deleting(p)]
    for name, mine in by_node.items():
        # Meant for a node that is gone, and never bound: the scheduler will not place them.
        if name not in known:
            steps.delete += [p for p in mine if not p["spec"].get("nodeName") and not meta.deleting(p)]
    return steps


def _prune(ds: Obj, steps: Steps, node: str, mine: Sequence[Obj], revision: str, now: float) -> None:
    running = []
    for pod in mine:
        if meta.deleting(pod):
            continue
        if pods.is_terminal(pod):
            steps.ended.append(pod)
        else:
            running.append(pod)
    if len(running) <= 1:
        return
    running.sort(key=lambda p: (not p["spec"].get("nodeName"), meta.metadata(p).get("creationTimestamp", ""), meta.name(p)))
    if not allows_surge(ds):
        steps.delete += running[1:]
        return
    new = [p for p in running if is_current(ds, p, revision)]
    old = [p for p in running if not is_current(ds, p, revision)]
    min_ready = ds["spec"].get("minReadySeconds", 0)
    keep_old = bool(new) and bool(old) and pods.is_ready(old[0]) and not pods.is_available(new[0], min_ready, now)
    steps.delete += new[1:] if new else []
    steps.delete += old[1:] if keep_old or not new else old


def updated_on(ds: Obj, mine: Sequence[Obj], revision: str) -> tuple[Obj | None, Obj | None, bool]:
    """(the new pod, the old pod, whether there is at most one of each)."""
    new = old = None
    for pod in mine:
        if meta.deleting(pod):
            continue
        if is_current(ds, pod, revision):
            if new is not None:
                return None, None, False
            new = pod
        else:
            if old is not None:
                return None, None, False
            old = pod
    return new, old, True


def roll(ds: Obj, nodes: Sequence[Obj], by_node: ByNode, revision: str, now: float) -> Steps:
    """The next steps of a rolling update."""
    wanted = [meta.name(node) for node in nodes if should_run(ds, node)[0]]
    surge, unavailable = limits(ds, len(wanted))
    if surge == 0:
        # Where a pod has just gone, none is available either.
        unavailable -= sum(name not in by_node for name in wanted)
        return _replace(ds, by_node, revision, unavailable, now)
    return _surge(ds, nodes, by_node, revision, surge, unavailable, now)


def _replace(ds: Obj, by_node: ByNode, revision: str, most: int, now: float) -> Steps:
    min_ready = ds["spec"].get("minReadySeconds", 0)
    missing = 0
    broken: list[Obj] = []
    candidates: list[Obj] = []
    for mine in by_node.values():
        new, old, single = updated_on(ds, mine, revision)
        if not single or (new is None) == (old is None):
            missing += 1
        elif new is not None:
            missing += not pods.is_available(new, min_ready, now)
        elif old is not None:
            if not pods.is_available(old, min_ready, now):
                missing += 1
                broken.append(old)
            else:
                candidates.append(old)
    return Steps(delete=broken + candidates[: max(0, most - missing)])


def _surge(ds: Obj, nodes: Sequence[Obj], by_node: ByNode, revision: str, surge: int, most: int, now: float) -> Steps:
    min_ready = ds["spec"].get("minReadySeconds", 0)
    doubled = 0
    missing = 0
    replaceable: list[Obj] = []
    broken_nodes: list[str] = []
    candidates: list[str] = []
    del nodes
    for name, mine in by_node.items():
        new, old, single = updated_on(ds, mine, revision)
        if not single:
            doubled += 1
        elif old is None:
            if new is None:
                missing += 1
        elif new is None:
            if pods.is_available(old, min_ready, now):
                candidates.append(name)
            else:
                # The old pod does not serve anyway: its successor need not wait for room.
                broken_nodes.append(name)
        elif not pods.is_available(old, min_ready, now) or pods.is_available(new, min_ready, now):
            replaceable.append(old)
        else:
            doubled += 1
    del missing, most
    return Steps(create=broken_nodes + candidates[: max(0, surge - doubled)], delete=replaceable)


def status(ds: Obj, nodes: Sequence[Obj], by_node: ByNode, revision: str, now: float) -> Obj:
    """The counts over all nodes (updateDaemonSetStatus)."""
    min_ready = ds["spec"].get("minReadySeconds", 0)
    desired = current = misplaced = ready = updated = available = 0
    for node in nodes:
        mine = by_node.get(meta.name(node), ())
        start, _ = should_run(ds, node)
        if not start:
            misplaced += bool(mine)
            continue
        desired += 1
        if not mine:
            continue
        current += 1
        first = min(mine, key=lambda p: (not pods.is_ready(p), meta.metadata(p).get("creationTimestamp", ""), meta.name(p)))
        if pods.is_ready(first):
            ready += 1
            available += pods.is_available(first, min_ready, now)
        updated += is_current(ds, first, revision)
    out: Obj = {
        "currentNumberScheduled": current, "numberMisscheduled": misplaced, "desiredNumberScheduled": desired, "numberReady": ready,
        "observedGeneration": meta.generation(ds), "updatedNumberScheduled": updated, "numberAvailable": available,
        "numberUnavailable": desired - available,
    }  # fmt: skip
    old = ds.get("status", {})
    for key in ("collisionCount", "conditions"):
        if old.get(key) is not None:
            out[key] = old[key]
    required = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "collisionCount")
    return {k: v for k, v in out.items() if v or k in required}
