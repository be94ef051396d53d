"""What a pod's spec says, read the way the kubelet reads it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from kubelet.runtime.interface import PodIdentity
from kubepy.api import quantity

Obj = dict[str, Any]

DEFAULT_GRACE = 30
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
SOURCE_ANNOTATION = "kubernetes.io/config.source"
HASH_ANNOTATION = "kubernetes.io/config.hash"


def identity(pod: Obj) -> PodIdentity:
    """Who the pod is; for a static pod's mirror, the static pod."""
    meta = pod["metadata"]
    return PodIdentity(meta.get("namespace", "default"), meta["name"], meta["uid"])


def init_containers(pod: Obj) -> list[Obj]:
    """In their order."""
    return pod["spec"].get("initContainers") or []


def containers(pod: Obj) -> list[Obj]:
    """The regular ones."""
    return pod["spec"].get("containers") or []


def ephemeral_containers(pod: Obj) -> list[Obj]:
    """Those added by `kubectl debug`."""
    return pod["spec"].get("ephemeralContainers") or []


def all_containers(pod: Obj) -> Iterator[Obj]:
    """Init, regular, ephemeral."""
    yield from init_containers(pod)
    yield from containers(pod)
    yield from ephemeral_containers(pod)


def find_container(pod: Obj, name: str) -> Obj | None:
    """The container of that name, of whatever sort."""
    return next((c for c in all_containers(pod) if c["name"] == name), None)


def is_sidecar(container: Obj, pod: Obj) -> bool:
    """A restartable init container (KEP-753)."""
    return container.get("restartPolicy") == "Always" and any(c["name"] == container["name"] for c in init_containers(pod))


def host_network(pod: Obj) -> bool:
    """Whether it uses the node's network."""
    return bool(pod["spec"].get("hostNetwork"))


def is_static(pod: Obj) -> bool:
    """Whether it came from a file rather than from the API."""
    return bool((pod["metadata"].get("annotations") or {}).get(SOURCE_ANNOTATION, "api") != "api")


def is_mirror(pod: Obj) -> bool:
    """Whether it is the API's image of a static pod."""
    return MIRROR_ANNOTATION in (pod["metadata"].get("annotations") or {})


def should_restart(container: Obj, pod: Obj, exit_code: int) -> bool:
    """Whether a container that ended so is started again (podutil.ContainerShouldRestart; KEP-5307 rules first)."""
    policy = container.get("restartPolicy")
    if policy:
        for rule in container.get("restartPolicyRules") or ():
            codes = rule.get("exitCodes") or {}
            listed = exit_code in (codes.get("values") or ())
            if rule.get("action") == "Restart" and listed == (codes.get("operator") == "In"):
                return True
    else:
        policy = pod["spec"].get("restartPolicy", "Always")
    return bool(policy == "Always" or (policy == "OnFailure" and exit_code != 0))


def container_hash(container: Obj) -> str:
    """Changes when the container must be made anew (since 1.31 upstream hashes name and image alone)."""
    return hashlib.sha256(orjson.dumps([container["name"], container.get("image", "")])).hexdigest()[:8]


def grace_period(pod: Obj) -> int:
    """Seconds the pod has to end: of its deletion, else of its spec."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp") and meta.get("deletionGracePeriodSeconds") is not None:
        return int(meta["deletionGracePeriodSeconds"])
    value = pod["spec"].get("terminationGracePeriodSeconds")
    return DEFAULT_GRACE if value is None else int(value)


def terminal(status: Mapping[str, Any] | None) -> bool:
    """Whether the phase is one that is never left."""
    return (status or {}).get("phase") in ("Failed", "Succeeded")


def qos(pod: Obj) -> str:
    """BestEffort, Burstable or Guaranteed (pkg/apis/core/v1/helper/qos)."""
    level = (pod["spec"].get("resources") or {}) if pod["spec"].get("resources") else None
    groups = [level] if level else [c.get("resources") or {} for c in (*containers(pod), *init_containers(pod))]
    any_set, guaranteed = False, True
    for resources in groups:
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            asked, limit = quantity.parse(requests.get(name, "0")), quantity.parse(limits.get(name, "0"))
            if asked.milli_value() or limit.milli_value():
                any_set = True
            if not limit.milli_value() or (name in requests and asked != limit):
                guaranteed = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def amount(container: Obj, kind: str, name: str) -> quantity.Quantity:
    """The container's request or limit of a resource, zero where unset."""
    return quantity.parse(((container.get("resources") or {}).get(kind) or {}).get(name, "0"))
