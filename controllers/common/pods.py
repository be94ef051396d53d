"""What controllers ask of a pod: readiness, availability, activity; and the index functions of pod caches. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubepy.api import meta
from kubepy.runtime.cache import Cache
from kubepy.runtime.clock import parse_time

Obj = dict[str, Any]


def phase(pod: Obj) -> str:
    """status.phase, or an empty string."""
    return str(pod.get("status", {}).get("phase", ""))


def condition(obj: Obj, kind: str) -> Obj | None:
    """The status condition of that type, or None."""
    for entry in obj.get("status", {}).get("conditions") or ():
        if entry.get("type") == kind:
            found: Obj = entry
            return found
    return None


def is_ready(pod: Obj) -> bool:
    """Whether the Ready condition is True."""
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def ready_since(pod: Obj) -> float | None:
    """Unix seconds since when the pod is ready; None when it is not, or no time is given."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True" or not found.get("lastTransitionTime"):
        return None
    return parse_time(found["lastTransitionTime"])


def is_available(pod: Obj, min_ready: float, now: float) -> bool:
    """Whether the pod has been ready for `min_ready` seconds (podutil.IsPodAvailable)."""
    return available_in(pod, min_ready, now) == 0.0


def available_in(pod: Obj, min_ready: float, now: float) -> float | None:
    """Seconds until the pod is available: 0 when it is, None when it is not ready."""
    if not is_ready(pod):
        return None
    if min_ready == 0:
        return 0.0
    since = ready_since(pod)
    if since is None:
        return None
    return max(0.0, since + min_ready - now)


def is_terminal(pod: Obj) -> bool:
    """Whether the pod succeeded or failed."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Neither terminal nor being deleted (controller.IsPodActive)."""
    return not is_terminal(pod) and not meta.deleting(pod)


def is_terminating(pod: Obj) -> bool:
    """Being deleted and not terminal (controller.IsPodTerminating)."""
    return not is_terminal(pod) and meta.deleting(pod)


def owner_in(owners: Cache, obj: Obj, kind: str) -> Obj | None:
    """The owner of that kind which controls `obj`, when it is among `owners` as that very object (the same uid), else None."""
    ref = meta.controller_of(obj)
    if ref is None or ref["kind"] != kind:
        return None
    owner = owners.get(f"{meta.namespace(obj)}/{ref['name']}")
    return owner if owner is not None and meta.uid(owner) == ref["uid"] else None


def by_controller(obj: Obj) -> tuple[str, ...]:
    """Index function: the uid of the controlling owner, or nothing."""
    ref = meta.controller_of(obj)
    return (str(ref["uid"]),) if ref else ()


def orphans(obj: Obj) -> tuple[str, ...]:
    """Index function: the namespace of an object without a controlling owner."""
    return () if meta.controller_of(obj) else (meta.namespace(obj),)


def by_node(pod: Obj) -> tuple[str, ...]:
    """Index function: the node a pod is bound to."""
    node = pod.get("spec", {}).get("nodeName")
    return (node,) if node else ()


def by_label(obj: Obj) -> list[str]:
    """Index function: `namespace/key=value` for every label."""
    namespace = meta.namespace(obj)
    return [f"{namespace}/{key}={value}" for key, value in meta.labels(obj).items()]


def same(a: Any, b: Any) -> bool:
    """Equality that takes an absent field and an empty one for the same, as Go's omitempty does."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return all(same(a.get(key), b.get(key)) for key in a.keys() | b.keys())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if a in (None, "", 0, False) and not isinstance(b, (Mapping, list)):
        return b in (None, "", 0, False)
    return bool(a == b) or (not a and not b)
