"""Which pods a controller deletes first when it has too many (controller_utils.go ActivePodsWithRanks). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

from controllers.common.pods import is_active, is_ready, phase, ready_since
from kubepy.api import meta
from kubepy.runtime.clock import parse_time

Obj = dict[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def deletion_cost(pod: Obj) -> int:
    """The pod-deletion-cost annotation; 0 when absent or invalid."""
    try:
        return int(meta.annotations(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def max_restarts(pod: Obj) -> tuple[int, int]:
    """(regular, sidecar): the most restarts of one container of either sort."""
    status = pod.get("status", {})
    sidecars = {c["name"] for c in pod.get("spec", {}).get("initContainers", ()) if c.get("restartPolicy") == "Always"}
    regular = max((c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0)
    sidecar = max((c.get("restartCount", 0) for c in status.get("initContainerStatuses") or () if c["name"] in sidecars), default=0)
    return regular, sidecar


def _by_age(a: float | None, b: float | None, now: float, a_uid: str, b_uid: str) -> int:
    """Younger first; ages within a power of two are alike and ordered by uid; no time at all is the youngest."""
    if a == b:
        return 0
    if a is None or b is None:
        return -1 if a is None else 1
    difference = _magnitude(now - a) - _magnitude(now - b)
    return difference or (-1 if a_uid < b_uid else 1)


def _magnitude(age: float) -> int:
    nanos = int(age * 1e9)
    return nanos.bit_length() - 1 if nanos > 0 else -1


def to_delete(pods: Sequence[Obj], related: Sequence[Obj], count: int, now: float) -> list[Obj]:
    """The `count` pods to delete first; a pod's rank is the number of related active pods on its node.

    The order: unassigned; pending, unknown, running; not ready; cheaper; more related pods on the node; ready for a shorter
    time; more restarts; newer.
    """
    if count >= len(pods):
        return list(pods)
    on_node: dict[str, int] = {}
    for pod in related:
        if is_active(pod):
            node = pod.get("spec", {}).get("nodeName", "")
            on_node[node] = on_node.get(node, 0) + 1
    facts = {meta.uid(pod): _facts(pod, on_node) for pod in pods}

    def compare(x: Obj, y: Obj) -> int:
        (head_x, ready_x, restarts_x, made_x), (head_y, ready_y, restarts_y, made_y) = facts[meta.uid(x)], facts[meta.uid(y)]
        if head_x != head_y:
            return -1 if head_x < head_y else 1
        if head_x[2] and (order := _by_age(ready_x, ready_y, now, meta.uid(x), meta.uid(y))):
            return order
        if restarts_x != restarts_y:
            return -1 if restarts_x > restarts_y else 1
        return _by_age(made_x, made_y, now, meta.uid(x), meta.uid(y))

    return sorted(pods, key=cmp_to_key(compare))[:count]


_Facts = tuple[tuple[bool, int, bool, int, int], float | None, tuple[int, int], float | None]


def _facts(pod: Obj, on_node: dict[str, int]) -> _Facts:
    node = pod.get("spec", {}).get("nodeName", "")
    created = meta.metadata(pod).get("creationTimestamp")
    head = (bool(node), _PHASE_ORDER.get(phase(pod), 0), is_ready(pod), deletion_cost(pod), -on_node.get(node, 0))
    return head, ready_since(pod), max_restarts(pod), parse_time(created) if created else None
