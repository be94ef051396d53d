"""What the scheduler needs to know of a pod, parsed once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from kubepy.api import quantity
from scheduler.framework.affinity import Tally, tallies

Obj = dict[str, Any]

DEFAULT_SCHEDULER = "default-scheduler"
CPU, MEMORY, STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
NONZERO_CPU = 100
NONZERO_MEMORY = 200 * 1024 * 1024
"""What a container without a request counts for in scores (upstream pkg/scheduler/util/pod_resources.go)."""


@lru_cache(maxsize=65536)
def amount(resource: str, text: str | int | float) -> int:
    """A quantity in the scheduler's unit: milli-cores for cpu, whole units for the rest (rounded up)."""
    parsed = quantity.parse(text)
    return int(parsed.milli_value() if resource == CPU else parsed.value())


def amounts(quantities: Mapping[str, str | int | float] | None) -> dict[str, int]:
    """A resource list in the scheduler's units."""
    return {name: amount(name, text) for name, text in (quantities or {}).items()}


def _add(into: dict[str, int], more: Mapping[str, int]) -> None:
    for name, value in more.items():
        into[name] = into.get(name, 0) + value


def _most(into: dict[str, int], other: Mapping[str, int]) -> None:
    for name, value in other.items():
        if value > into.get(name, 0):
            into[name] = value


def _requests(container: Obj, nonzero: bool, held: Mapping[str, tuple[dict[str, int], bool]]) -> dict[str, int]:
    out = amounts((container.get("resources") or {}).get("requests"))
    known = held.get(container.get("name", ""))
    if known is not None:
        has, infeasible = known
        if infeasible:
            out = dict(has)
        else:
            _most(out, has)
    if nonzero:
        out.setdefault(CPU, NONZERO_CPU)
        out.setdefault(MEMORY, NONZERO_MEMORY)
    return out


def _held(status: Obj | None) -> dict[str, tuple[dict[str, int], bool]]:
    """By container: what its node has given it (the most of allocated and actual), and whether what is asked for beyond that
    is infeasible there. Only while a resize in place is under way does it differ from the spec."""
    if not status:
        return {}
    out: dict[str, tuple[dict[str, int], bool]] = {}
    infeasible = any(
        c.get("type") == "PodResizePending" and c.get("reason") == "Infeasible" and c.get("status") == "True"
        for c in status.get("conditions") or []
    )
    for container in (*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])):
        has = amounts(container.get("allocatedResources"))
        _most(has, amounts((container.get("resources") or {}).get("requests")))
        if has:
            out[container["name"]] = (has, infeasible)
    return out


def pod_requests(spec: Obj, status: Obj | None = None, *, nonzero: bool = False) -> dict[str, int]:
    """What a pod takes of a node: containers and sidecars summed, ordinary init containers as a maximum, pod-level
    resources over both, overhead on top (component-helpers resource.PodRequests). With `status` a bound pod that is being
    resized counts for the most of what it asks and what it has."""
    held = _held(status)
    total: dict[str, int] = {}
    for container in spec.get("containers") or []:
        _add(total, _requests(container, nonzero, held))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or []:
        own = _requests(container, nonzero, held)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, own)
            _add(total, own)
            _most(peak, sidecars)
        else:
            _add(own, sidecars)
            _most(peak, own)
    _most(total, peak)
    level = amounts((spec.get("resources") or {}).get("requests"))
    total.update(level)
    _add(total, amounts(spec.get("overhead")))
    return total


def host_ports(spec: Obj) -> tuple[tuple[str, str, int], ...]:
    """(hostIP, protocol, hostPort) of every container and sidecar that asks for one."""
    containers = [*(spec.get("containers") or []), *(c for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always")]
    return tuple(
        (p.get("hostIP") or "0.0.0.0", p.get("protocol") or "TCP", p["hostPort"])
        for c in containers
        for p in c.get("ports") or []
        if p.get("hostPort")
    )


def claim_names(pod: Obj) -> tuple[str, ...]:
    """The claims that a pod's volumes stand for."""
    out = []
    for volume in pod["spec"].get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            out.append(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            out.append(f"{pod['metadata']['name']}-{volume['name']}")
    return tuple(out)


@dataclass(slots=True, eq=False)
class PodInfo:
    """A pod with its requirements; identity is the object itself. `obj` and `node` follow the pod's life, the rest is fixed."""

    obj: Obj
    uid: str
    namespace: str
    name: str
    labels: Mapping[str, str]
    priority: int
    node: str
    requests: Mapping[str, int]
    nonzero: Mapping[str, int]
    ports: tuple[tuple[str, str, int], ...]
    tallies: tuple[Tally, ...] = ()
    claims: tuple[str, ...] = ()
    """Names of the PersistentVolumeClaims that it mounts, those of ephemeral volumes included."""
    named_claims: tuple[str, ...] = ()
    """Those that its volumes name."""
    memo: dict[Any, Any] = field(default_factory=dict)
    """What plugins parsed of the spec; an attempt after the first finds it here."""

    @property
    def nominated(self) -> str:
        """status.nominatedNodeName."""
        return (self.obj.get("status") or {}).get("nominatedNodeName") or ""

    @property
    def spec(self) -> Obj:
        """The pod's spec; shared, do not change."""
        spec: Obj = self.obj["spec"]
        return spec

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"

    @property
    def terminating(self) -> bool:
        """Whether its deletion has been asked for."""
        return "deletionTimestamp" in self.obj["metadata"]


def parse(pod: Obj, node: str | None = None) -> PodInfo:
    """Parse a pod; `node` overrides where it runs (an assumed binding)."""
    meta, spec = pod["metadata"], pod["spec"]
    status = pod.get("status") if spec.get("nodeName") else None
    return PodInfo(
        obj=pod,
        uid=meta.get("uid", ""),
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        labels=meta.get("labels") or {},
        priority=spec.get("priority") or 0,
        node=node if node is not None else spec.get("nodeName") or "",
        requests=pod_requests(spec, status),
        nonzero=pod_requests(spec, status, nonzero=True),
        ports=host_ports(spec),
        tallies=tuple(tallies(spec, meta.get("namespace", ""))),
        claims=claim_names(pod),
        named_claims=tuple(v["persistentVolumeClaim"]["claimName"] for v in spec.get("volumes") or () if "persistentVolumeClaim" in v),
    )
