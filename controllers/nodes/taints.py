"""Taints: which ones a node's conditions ask for, which ones a pod tolerates, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kubepy.api.taints import tolerates

Obj = dict[str, Any]

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"

BY_CONDITION: dict[str, dict[str, str]] = {
    "Ready": {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
MANAGED = {key for by_status in BY_CONDITION.values() for key in by_status.values()} | {UNSCHEDULABLE}


def matches(a: Obj, b: Obj) -> bool:
    """Whether two taints are the same one: key and effect (MatchTaint)."""
    return bool(a["key"] == b["key"] and a["effect"] == b["effect"])


def find(taints: Iterable[Obj], key: str, effect: str) -> Obj | None:
    """The taint of that key and effect."""
    return next((t for t in taints if t["key"] == key and t["effect"] == effect), None)


def no_schedule(node: Obj) -> tuple[list[str], list[str]]:
    """(keys of NoSchedule taints to add, to remove) so that they follow conditions and spec.unschedulable."""
    wanted = []
    for condition in node.get("status", {}).get("conditions") or ():
        key = BY_CONDITION.get(condition["type"], {}).get(condition["status"])
        if key:
            wanted.append(key)
    if node.get("spec", {}).get("unschedulable"):
        wanted.append(UNSCHEDULABLE)
    present = [t["key"] for t in node.get("spec", {}).get("taints") or () if t["effect"] == "NoSchedule" and t["key"] in MANAGED]
    return [k for k in wanted if k not in present], [k for k in present if k not in wanted]


def swapped(taints: Sequence[Obj], add: Sequence[Obj], remove: Sequence[Obj]) -> list[Obj]:
    """A node's taints with some added or replaced and some removed."""
    out = [t for t in taints if not any(matches(t, r) for r in (*remove, *add))]
    return out + list(add)


def tolerated_for(taints: Iterable[Obj], tolerations: Sequence[Obj]) -> float | None:
    """Seconds for which all NoExecute taints are tolerated: 0 when one is not, None for ever (GetMinTolerationTime)."""
    used = []
    for taint in taints:
        covering = [t for t in tolerations if tolerates(t, taint)]
        if not covering:
            return 0.0
        used += covering
    limits = [max(0.0, float(t["tolerationSeconds"])) for t in used if t.get("tolerationSeconds") is not None]
    return min(limits) if limits else None
