"""How many replicas each ReplicaSet of a Deployment should have: rolling, scaling, saturation. Pure.

pkg/controller/deployment/rolling.go, sync.go (scale) and util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.common.pods import same
from controllers.common.values import scaled
from kubepy.api import meta

Obj = dict[str, Any]
Sizes = list[tuple[Obj, int]]
"""ReplicaSets and the sizes to give them, in order."""

HASH_LABEL = "pod-template-hash"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


def replicas(obj: Obj) -> int:
    """spec.replicas of a Deployment or ReplicaSet."""
    return int(obj["spec"].get("replicas", 1))


def total(sets: Sequence[Obj]) -> int:
    """The sum of spec.replicas."""
    return sum(map(replicas, sets))


def counted(sets: Sequence[Obj], field: str) -> int:
    """The sum of one status field."""
    return sum(rs.get("status", {}).get(field, 0) for rs in sets)


def active(sets: Sequence[Obj]) -> list[Obj]:
    """Those with a size above zero."""
    return [rs for rs in sets if replicas(rs) > 0]


def age(rs: Obj) -> tuple[str, str]:
    """Sort key: oldest first, by name among equals."""
    return meta.metadata(rs).get("creationTimestamp") or "", meta.name(rs)


def is_rolling(d: Obj) -> bool:
    """Whether the strategy is RollingUpdate."""
    return bool(d["spec"].get("strategy", {}).get("type") == "RollingUpdate")


def fenceposts(d: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; if both come to zero, maxUnavailable is one (ResolveFenceposts)."""
    rolling = d["spec"].get("strategy", {}).get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", 0), replicas(d), True)
    unavailable = scaled(rolling.get("maxUnavailable", 0), replicas(d), False)
    return (surge, 1) if surge == 0 and unavailable == 0 else (surge, unavailable)


def max_surge(d: Obj) -> int:
    """Pods that a rolling update may have above spec.replicas."""
    return fenceposts(d)[0] if is_rolling(d) else 0


def max_unavailable(d: Obj) -> int:
    """Pods that may be unavailable during a rolling update."""
    if not is_rolling(d) or replicas(d) == 0:
        return 0
    return min(fenceposts(d)[1], replicas(d))


def same_template(a: Obj, b: Obj) -> bool:
    """Equality of pod templates that ignores the hash label (EqualIgnoreHash)."""
    return same(_without_hash(a), _without_hash(b))


def _without_hash(template: Obj) -> Obj:
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH_LABEL}
    return {**template, "metadata": metadata}


def split(d: Obj, sets: Sequence[Obj]) -> tuple[Obj | None, list[Obj]]:
    """(the ReplicaSet of the current template or None, all others); of several of one template the oldest is the current."""
    current = next((rs for rs in sorted(sets, key=age) if same_template(rs["spec"]["template"], d["spec"]["template"])), None)
    return current, [rs for rs in sets if current is None or meta.uid(rs) != meta.uid(current)]


def new_size(d: Obj, sets: Sequence[Obj], current: int) -> int:
    """The size of the new ReplicaSet, now of `current`, given all sets (NewRSNewReplicas)."""
    if not is_rolling(d):
        return replicas(d)
    surge = scaled((d["spec"]["strategy"].get("rollingUpdate") or {}).get("maxSurge", 0), replicas(d), True)
    room = replicas(d) + surge - total(sets)
    return current if room <= 0 else current + min(room, replicas(d) - current)


def shrink_old(d: Obj, new: Obj, old: Sequence[Obj]) -> Sizes:
    """The old sets to shrink in a rolling update: first their unhealthy pods, then as availability allows (reconcileOldReplicaSets).

    A set may come twice. One that counts more available pods than it should have has yet to catch up with its size: until then
    what it says of availability is worth nothing.
    """
    everything = [*old, new]
    if total(old) == 0:
        return []
    floor = replicas(d) - max_unavailable(d)
    new_unavailable = replicas(new) - new.get("status", {}).get("availableReplicas", 0)
    most = total(everything) - floor - new_unavailable
    if most <= 0:
        return []
    by_age = sorted(old, key=age)
    sizes = {meta.uid(rs): replicas(rs) for rs in by_age}
    out: Sizes = []
    cleaned = 0
    for rs in by_age:
        if cleaned >= most:
            break
        if replicas(rs) == 0:
            continue
        unhealthy = replicas(rs) - rs.get("status", {}).get("availableReplicas", 0)
        if unhealthy < 0:
            return out
        if count := min(most - cleaned, unhealthy):
            sizes[meta.uid(rs)] -= count
            out.append((rs, sizes[meta.uid(rs)]))
            cleaned += count
    spare = counted(everything, "availableReplicas") - floor
    for rs in by_age:
        count = min(sizes[meta.uid(rs)], spare)
        if count > 0:
            out.append((rs, sizes[meta.uid(rs)] - count))
            spare -= count
    return out


def is_scaling(d: Obj, sets: Sequence[Obj]) -> bool:
    """Whether spec.replicas changed since the active sets were sized (isScalingEvent)."""
    return any(DESIRED in (a := meta.annotations(rs)) and a[DESIRED] != str(replicas(d)) for rs in active(sets))


def is_saturated(d: Obj, new: Obj | None) -> bool:
    """Whether the new set alone serves all replicas."""
    return (
        new is not None
        and meta.annotations(new).get(DESIRED) == str(replicas(d)) == str(replicas(new))
        and new.get("status", {}).get("availableReplicas", 0) == replicas(d)
    )


def scale(d: Obj, new: Obj | None, old: Sequence[Obj]) -> Sizes:
    """The sizes after a scaling event or while paused: proportional over all active sets (sync.go scale)."""
    everything = [*old, new] if new is not None else list(old)
    if not everything:
        return []
    running = active(everything)
    if len(running) <= 1:
        target = running[0] if running else new if new is not None else max(old, key=age)
        return [(target, replicas(d))] if replicas(target) != replicas(d) else []
    if is_saturated(d, new):
        return [(rs, 0) for rs in active(old)]
    if not is_rolling(d):
        return []
    allowed = replicas(d) + max_surge(d) if replicas(d) > 0 else 0
    change = allowed - total(running)
    if change > 0:
        running.sort(key=age, reverse=True)
    else:
        running.sort(key=age)
    running.sort(key=replicas, reverse=True)
    sizes: Sizes = []
    added = 0
    for rs in running:
        share = _share(rs, d, change, added)
        added += share
        sizes.append((rs, replicas(rs) + share))
    if change:
        first, size = sizes[0]
        sizes[0] = (first, max(0, size + change - added))
    return sizes


def _share(rs: Obj, d: Obj, change: int, added: int) -> int:
    """A set's part of a change of the total, in proportion to its size (GetReplicaSetProportion)."""
    if change in (0, added):
        return 0
    fraction = _fraction(rs, d)
    return min(fraction, change - added) if change > 0 else max(fraction, change - added)


def _fraction(rs: Obj, d: Obj) -> int:
    if replicas(d) == 0:
        return -replicas(rs)
    text = meta.annotations(rs).get(MAXIMUM, "")
    before = int(text) if text.isdigit() else 0
    if not before:
        before = d.get("status", {}).get("replicas", 0)
        if not before:
            return 0
    size = replicas(rs) * (replicas(d) + max_surge(d)) / before
    return int(size + 0.5) - replicas(rs)


def to_clean(d: Obj, old: Sequence[Obj], revision: Any) -> list[Obj]:
    """Old sets beyond the revision history limit that are empty and settled, oldest revision first (cleanupDeployment)."""
    limit = d["spec"].get("revisionHistoryLimit")
    if limit is None or limit == 2**31 - 1:
        return []
    alive = [rs for rs in old if not meta.deleting(rs)]
    excess = len(alive) - limit
    if excess <= 0:
        return []
    alive.sort(key=lambda rs: (revision(rs), age(rs)))

    def settled(rs: Obj) -> bool:
        status = rs.get("status", {})
        return not (status.get("replicas") or replicas(rs) or meta.generation(rs) > status.get("observedGeneration", 0))

    return [rs for rs in alive[:excess] if settled(rs)]
