"""What the scheduler writes into the status of pods: the PodScheduled condition, the nomination, why a victim ends."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def condition(pod: Obj, type: str, status: str, reason: str, message: str, now: str) -> Obj | None:
    """A condition as it is to be written, or None when the pod has it already."""
    known: Obj = next((c for c in (pod.get("status") or {}).get("conditions") or [] if c["type"] == type), {})
    if (known.get("status"), known.get("reason"), known.get("message")) == (status, reason, message):
        return None
    return {
        "type": type,
        "status": status,
        "reason": reason,
        "message": message,
        "lastProbeTime": None,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "lastTransitionTime": known["lastTransitionTime"] if known.get("status") == status else now,
    }


def patch(pod: Obj, new: Obj | None, nominated: str | None) -> Obj | None:
    """The strategic patch that sets a condition and the nomination ("": clears it, None: leaves it), or None for no change."""
    status: Obj = {}
    if new is not None:
        # A new condition comes behind the others, as in upstream's two-way patches.
        known = [c["type"] for c in (pod.get("status") or {}).get("conditions") or []]
        order = known if new["type"] in known else [*known, new["type"]]
        status["$setElementOrder/conditions"] = [{"type": type} for type in order]
        status["conditions"] = [new]
    if nominated is not None and nominated != ((pod.get("status") or {}).get("nominatedNodeName") or ""):
        status["nominatedNodeName"] = nominated or None
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status} if status else None
