"""A Deployment's status: counts, availability, progress and its deadline. Pure (progress.go, sync.go calculateStatus)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.common.pods import same
from controllers.deployment.plan import counted, max_unavailable, replicas, total
from kubepy.api import meta
from kubepy.runtime.clock import format_time, parse_time

Obj = dict[str, Any]

NO_DEADLINE = 2**31 - 1
COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def has_deadline(d: Obj) -> bool:
    """Whether progress is to be judged."""
    return d["spec"].get("progressDeadlineSeconds") not in (None, NO_DEADLINE)


def find(status: Obj, kind: str) -> Obj | None:
    """The condition of that type."""
    return next((c for c in status.get("conditions") or () if c["type"] == kind), None)


def new_condition(kind: str, value: str, reason: str, message: str, now: float) -> Obj:
    """A condition that changed just now."""
    stamp = format_time(now)
    return {"type": kind, "status": value, "lastUpdateTime": stamp, "lastTransitionTime": stamp, "reason": reason, "message": message}


def set_condition(status: Obj, condition: Obj) -> None:
    """Put a condition at the end of `status`, unless one of the same status and reason is there (SetDeploymentCondition)."""
    present = find(status, condition["type"])
    if present is not None and present["status"] == condition["status"]:
        if present.get("reason") == condition["reason"]:
            return
        condition = {**condition, "lastTransitionTime": present.get("lastTransitionTime", condition["lastTransitionTime"])}
    status["conditions"] = [c for c in status.get("conditions") or () if c["type"] != condition["type"]] + [condition]


def remove_condition(status: Obj, kind: str) -> None:
    """Drop a condition."""
    status["conditions"] = [c for c in status.get("conditions") or () if c["type"] != kind]


def calculate(d: Obj, new: Obj | None, old: Sequence[Obj], now: float) -> Obj:
    """The counts and the Available condition."""
    everything = [*old, new] if new is not None else list(old)
    available = counted(everything, "availableReplicas")
    status: Obj = {
        "observedGeneration": meta.generation(d),
        "replicas": counted(everything, "replicas"),
        "updatedReplicas": counted([new], "replicas") if new is not None else 0,
        "readyReplicas": counted(everything, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total(everything) - available),
        "conditions": list(d.get("status", {}).get("conditions") or ()),
    }
    if (collisions := d.get("status", {}).get("collisionCount")) is not None:
        status["collisionCount"] = collisions
    if all(rs.get("status", {}).get("terminatingReplicas") is not None for rs in everything):
        status["terminatingReplicas"] = counted(everything, "terminatingReplicas")
    if available >= replicas(d) - max_unavailable(d):
        reached = new_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    else:
        reached = new_condition("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now)
    set_condition(status, reached)
    return status


def differs(a: Obj, b: Obj) -> bool:
    """Whether two statuses differ; no terminating replicas are not the same as an unknown number."""
    return not same(a, b) or a.get("terminatingReplicas") != b.get("terminatingReplicas")


def is_complete(d: Obj, status: Obj) -> bool:
    """Whether the rollout is done: all replicas are updated and available, none is old (DeploymentComplete)."""
    wanted = replicas(d)
    return all(status.get(count, 0) == wanted for count in ("updatedReplicas", "replicas", "availableReplicas")) and status.get(
        "observedGeneration", 0
    ) >= meta.generation(d)


def has_progressed(d: Obj, status: Obj) -> bool:
    """Whether counts improved on those of `d` (DeploymentProgressing)."""
    old = {count: d.get("status", {}).get(count, 0) for count in COUNTS}
    return bool(
        status["updatedReplicas"] > old["updatedReplicas"]
        or status["replicas"] - status["updatedReplicas"] < old["replicas"] - old["updatedReplicas"]
        or status["readyReplicas"] > old["readyReplicas"]
        or status["availableReplicas"] > old["availableReplicas"]
    )


def has_timed_out(d: Obj, status: Obj, now: float) -> bool:
    """Whether the last progress is longer ago than progressDeadlineSeconds (DeploymentTimedOut)."""
    condition = find(status, "Progressing")
    if not has_deadline(d) or condition is None or condition.get("reason") == "NewReplicaSetAvailable":
        return False
    if condition.get("reason") == "ProgressDeadlineExceeded":
        return True
    return bool(parse_time(condition["lastUpdateTime"]) + d["spec"]["progressDeadlineSeconds"] < now)


def rollout(d: Obj, new: Obj | None, old: Sequence[Obj], now: float) -> Obj:
    """The whole status during a rollout: `calculate`, progress, and the failures of ReplicaSets (syncRolloutStatus)."""
    status = calculate(d, new, old, now)
    if not has_deadline(d):
        remove_condition(status, "Progressing")
    current = find(d.get("status", {}), "Progressing")
    done = status["replicas"] == status["updatedReplicas"] and current is not None and current.get("reason") == "NewReplicaSetAvailable"
    if has_deadline(d) and not done:
        subject = f'ReplicaSet "{meta.name(new)}"' if new is not None else f'Deployment "{meta.name(d)}"'
        if is_complete(d, status):
            text = f"{subject} has successfully progressed."
            set_condition(status, new_condition("Progressing", "True", "NewReplicaSetAvailable", text, now))
        elif has_progressed(d, status):
            condition = new_condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.", now)
            if current is not None:
                # The same reason again still moves lastUpdateTime: the deadline counts from the last progress.
                if current["status"] == "True":
                    condition["lastTransitionTime"] = current["lastTransitionTime"]
                remove_condition(status, "Progressing")
            set_condition(status, condition)
        elif has_timed_out(d, status, now):
            text = f"{subject} has timed out progressing."
            set_condition(status, new_condition("Progressing", "False", "ProgressDeadlineExceeded", text, now))
    failures = [c for rs in ([new] if new is not None else []) for c in _failures(rs)] or [c for rs in old for c in _failures(rs)]
    if failures:
        first = failures[0]
        stamp = first["lastTransitionTime"]
        set_condition(status, {**first, "lastUpdateTime": stamp, "lastTransitionTime": stamp})
    else:
        remove_condition(status, "ReplicaFailure")
    return status


def _failures(rs: Obj) -> list[Obj]:
    return [c for c in rs.get("status", {}).get("conditions") or () if c["type"] == "ReplicaFailure"]


def check_again(d: Obj, status: Obj, now: float) -> float | None:
    """Seconds until the deadline must be judged if nothing else happens (requeueStuckDeployment)."""
    current = find(status, "Progressing")
    if not has_deadline(d) or current is None or is_complete(d, status) or current.get("reason") == "ProgressDeadlineExceeded":
        return None
    left: float = parse_time(current["lastUpdateTime"]) + d["spec"]["progressDeadlineSeconds"] - now
    return max(0.0, left) + 1.0


def paused(d: Obj, now: float) -> Obj | None:
    """The status with the condition of a Deployment that was just paused or resumed; None when nothing changed."""
    if not has_deadline(d):
        return None
    current = find(d.get("status", {}), "Progressing")
    reason = current.get("reason") if current is not None else None
    if reason == "ProgressDeadlineExceeded":
        return None
    was, is_now = reason == "DeploymentPaused", bool(d["spec"].get("paused"))
    if was == is_now:
        return None
    status: Obj = {**d.get("status", {})}
    if is_now:
        set_condition(status, new_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now))
    else:
        set_condition(status, new_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", now))
    return status
