"""The last status of a pod that has ended: every container that may have run is terminated, and the phase is final. Pure.

Upstream: pkg/kubelet/status/status_manager.go (TerminatePod).
"""

from __future__ import annotations

from typing import Any

from kubelet.pods import spec

Obj = dict[str, Any]

_UNKNOWN: Obj = {
    "terminated": {
        "exitCode": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located when the pod was terminated",
        "startedAt": None, "finishedAt": None,
    }
}  # fmt: skip


def ended(pod: Obj, status: Obj) -> Obj:
    """`status` as it is to be reported once the containers are gone; whether those without a word did well is not known: they failed."""
    out = {**status}
    init = status.get("initContainerStatuses") or []
    if _initialized(pod, status) and status.get("containerStatuses"):
        out["containerStatuses"] = [_terminated(s) for s in status["containerStatuses"]]
    if init:
        begun = 1 + max((i for i, s in enumerate(init) if _has_left_waiting(s)), default=0)
        out["initContainerStatuses"] = [*map(_terminated, init[:begun]), *init[begun:]]
    if not spec.is_static(pod) and not spec.terminal(status):
        out["phase"] = "Failed"
    return out


def _terminated(status: Obj) -> Obj:
    return status if "terminated" in status["state"] else {**status, "state": _UNKNOWN}


def _has_left_waiting(status: Obj) -> bool:
    return "waiting" not in status["state"] or "terminated" in (status.get("lastState") or {})


def _initialized(pod: Obj, status: Obj) -> bool:
    """Whether a regular container may have run (hasPodInitialized)."""
    wanted = spec.init_containers(pod)
    if not wanted or any(_has_left_waiting(s) for s in status.get("containerStatuses") or ()):
        return True
    last = next((s for s in status.get("initContainerStatuses") or () if s["name"] == wanted[-1]["name"]), None)
    if last is None:
        return False
    if spec.is_sidecar(wanted[-1], pod):
        return "running" in last["state"] and bool(last.get("started"))
    ends = (last["state"].get("terminated"), (last.get("lastState") or {}).get("terminated"))
    return any(end is not None and end["exitCode"] == 0 for end in ends)
