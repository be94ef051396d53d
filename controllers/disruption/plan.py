"""The numbers of a PodDisruptionBudget's status. Pure (pkg/controller/disruption/disruption.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controllers.common import pods
from controllers.common.values import scaled
from kubepy.api import meta
from kubepy.runtime.clock import format_time, parse_time

Obj = dict[str, Any]

DELETION_TIMEOUT = 120.0
"""Seconds within which an evicted pod must have begun to go; after that it counts as healthy again."""


def needs_scale(pdb: Obj) -> bool:
    """Whether the budget is relative to the owners' sizes."""
    spec = pdb["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def desired(pdb: Obj, members: int, scale: int) -> tuple[int, int]:
    """(expected pods, pods that must be healthy); `scale` is the sum of the owners' sizes."""
    spec = pdb["spec"]
    if (most := spec.get("maxUnavailable")) is not None:
        return scale, max(0, scale - scaled(most, scale, True))
    least = spec.get("minAvailable", 1)
    if isinstance(least, int):
        return members, least
    return scale, scaled(least, scale, True)


def still_disrupted(pdb: Obj, members: Sequence[Obj], now: float) -> tuple[dict[str, str], list[Obj], float | None]:
    """(evicted pods that are not gone yet, pods that should have gone, when to look again in Unix seconds)."""
    known = pdb.get("status", {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    late: list[Obj] = []
    again: float | None = None
    for pod in members:
        since = known.get(meta.name(pod))
        if since is None or meta.deleting(pod):
            continue
        ends = parse_time(since) + DELETION_TIMEOUT
        if ends < now:
            late.append(pod)
            continue
        kept[meta.name(pod)] = since
        again = ends if again is None else min(again, ends)
    return kept, late, again


def healthy(members: Iterable[Obj], disrupted: Mapping[str, str]) -> int:
    """Pods that are ready and not going."""
    return sum(pods.is_ready(p) and not meta.deleting(p) and meta.name(p) not in disrupted for p in members)


def status(pdb: Obj, expected: int, wanted: int, current: int, disrupted: dict[str, str], now: float) -> Obj:
    """The whole status."""
    allowed = current - wanted
    if expected <= 0 or allowed <= 0:
        allowed = 0
    out: Obj = {
        "observedGeneration": meta.generation(pdb), "disruptionsAllowed": allowed, "currentHealthy": current, "desiredHealthy": wanted,
        "expectedPods": expected,
    }  # fmt: skip
    if disrupted:
        out["disruptedPods"] = disrupted
    state, reason = ("True", "SufficientPods") if allowed > 0 else ("False", "InsufficientPods")
    out["conditions"] = conditions(pdb, meta.generation(pdb), state, reason, "", now)
    return out


def conditions(pdb: Obj, generation: int, state: str, reason: str, message: str, now: float) -> list[Obj]:
    """The conditions with DisruptionAllowed set."""
    present = list(pdb.get("status", {}).get("conditions") or ())
    entry: Obj = {
        "type": "DisruptionAllowed", "status": state, "observedGeneration": generation, "reason": reason, "message": message,
        "lastTransitionTime": format_time(now),
    }  # fmt: skip
    if not generation:
        del entry["observedGeneration"]
    for i, old in enumerate(present):
        if old["type"] == "DisruptionAllowed":
            if old["status"] == state:
                entry["lastTransitionTime"] = old["lastTransitionTime"]
            present[i] = entry
            return present
    return [*present, entry]
