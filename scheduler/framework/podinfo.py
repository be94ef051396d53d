"""What the scheduler needs to know of a pod, parsed once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


def _requests(container: Obj, nonzero: bool) -> dict[str, int]:
    out = amounts((container.get("resources") or {}).get("requests"))
    if nonzero:
        out.setdefault(CPU, NONZERO_CPU)
        out.setdefault(MEMORY, NONZERO_MEMORY)
    return out


def pod_requests(spec: Obj, *, nonzero: bool = False) -> dict[str, int]:
    """What a pod takes of a node: containers and sidecars summed, ordinary init containers as a maximum, pod-level
    resources over both, overhead on top (component-helpers resource.PodRequests)."""
    total: dict[str, int] = {}
    for container in spec.get("containers") or []:
        _add(total, _requests(container, nonzero))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or []:
        own = _requests(container, nonzero)
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


@dataclass(frozen=True, slots=True, eq=False)
class PodInfo:
    """A pod with its requirements; identity is the object itself."""

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
    return PodInfo(
        obj=pod,
        uid=meta.get("uid", ""),
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        labels=meta.get("labels") or {},
        priority=spec.get("priority") or 0,
        node=node if node is not None else spec.get("nodeName") or "",
        requests=pod_requests(spec),
        nonzero=pod_requests(spec, nonzero=True),
        ports=host_ports(spec),
        tallies=tuple(tallies(spec, meta.get("namespace", ""))),
    )
