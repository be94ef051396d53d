"""Choosing devices for resource claims (upstream dynamic-resource-allocation/structured). Pure.

Requests are met one after another, each with the first devices that serve; where a constraint or a later request then finds
nothing, the choice is taken back. Partitionable devices, shared capacity and binding conditions are not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kubepy.api import quantity
from kubepy.api.cel.env import dyn_environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.cel.lib import kubernetes
from kubepy.api.cel.values import CelError
from kubepy.api.taints import tolerates
from scheduler.framework import nodeselector
from scheduler.framework.cluster import DEVICE_CLASSES, RESOURCE_CLAIMS, RESOURCE_SLICES, Cluster
from scheduler.framework.podinfo import Obj
from scheduler.framework.snapshot import Bools, Snapshot

Id = tuple[str, str, str]
_CEL = dyn_environment("device")


@dataclass(frozen=True)
class Device:
    """One device of a slice: driver, pool and name; the nodes that reach it; what selectors see of it."""

    id: Id
    raw: Obj
    reach: Bools
    node: str
    selector: Obj | None
    view: Mapping[str, Any]

    def attribute(self, name: str) -> Any:
        """A fully qualified attribute's value, or None."""
        domain, _, short = name.rpartition("/")
        return self.view["attributes"].get(domain or self.id[0], {}).get(short)


@dataclass(frozen=True)
class Wanted:
    """One request: its name in results, how many devices (None: all that serve), which ones."""

    name: str
    count: int | None
    expressions: tuple[str, ...]
    tolerations: tuple[Obj, ...]
    admin: bool


def devices(s: Snapshot) -> list[Device]:
    """All devices of the newest generation of each pool."""
    slices = list(s.cluster.all(RESOURCE_SLICES))
    newest: dict[tuple[str, str], int] = {}
    for piece in slices:
        key = piece["spec"]["driver"], piece["spec"]["pool"]["name"]
        newest[key] = max(newest.get(key, 0), piece["spec"]["pool"].get("generation") or 0)
    out = []
    for piece in slices:
        spec = piece["spec"]
        driver, pool = spec["driver"], spec["pool"]["name"]
        if (spec["pool"].get("generation") or 0) < newest[driver, pool]:
            continue
        for raw in spec.get("devices") or []:
            where = raw if spec.get("perDeviceNodeSelection") else spec
            out.append(_device(s, driver, pool, raw, where))
    return out


def _device(s: Snapshot, driver: str, pool: str, raw: Obj, where: Obj) -> Device:
    node, selector = where.get("nodeName") or "", where.get("nodeSelector")
    if where.get("allNodes"):
        reach = s.alive
    elif selector:
        reach = nodeselector.selector(s, selector)
    else:
        reach = np.zeros(s.capacity, np.bool_)
        if node in s.nodes:
            reach[s.nodes[node].slot] = True
    view: Obj = {"driver": driver, "attributes": {driver: {}}, "capacity": {driver: {}}}
    for name, value in (raw.get("attributes") or {}).items():
        domain, _, short = name.rpartition("/")
        view["attributes"].setdefault(domain or driver, {})[short] = _value(value)
    for name, value in (raw.get("capacity") or {}).items():
        domain, _, short = name.rpartition("/")
        view["capacity"].setdefault(domain or driver, {})[short] = kubernetes.Quantity(quantity.parse(value["value"]))
    return Device((driver, pool, raw["name"]), raw, reach, node, selector, view)


def _value(attribute: Obj) -> Any:
    kind, value = next(iter(attribute.items()))
    return kubernetes._semver(value) if kind == "version" else value


def taken(cluster: Cluster) -> set[Id]:
    """The devices that claims hold already."""
    return {
        (r["driver"], r["pool"], r["device"])
        for known in cluster.all(RESOURCE_CLAIMS)
        for r in ((claim_status(cluster, known).get("allocation") or {}).get("devices") or {}).get("results") or []
        if not r.get("adminAccess")
    }


def claim_status(cluster: Cluster, claim: Obj) -> Obj:
    """A claim's status, as assumed if it is."""
    meta = claim["metadata"]
    present = cluster.get(RESOURCE_CLAIMS, f"{meta.get('namespace')}/{meta['name']}") or claim
    return present.get("status") or {}


def allocate(cluster: Cluster, claims: Sequence[Obj], available: Sequence[Device], node: str, slot: int) -> list[Obj] | None:
    """An AllocationResult for each claim on one node, or None."""
    here = [d for d in available if d.reach[slot]]
    used = taken(cluster)
    out = []
    for claim in claims:
        chosen = next(_choices(cluster, claim, here, used), None)
        if chosen is None:
            return None
        used |= {d.id for w, d in chosen if not w.admin}
        out.append(_result(cluster, claim, chosen, node))
    return out


Chosen = list[tuple[Wanted, Device]]


def _choices(cluster: Cluster, claim: Obj, here: Sequence[Device], used: set[Id]) -> Iterator[Chosen]:
    spec = (claim["spec"] or {}).get("devices") or {}
    constraints = spec.get("constraints") or []

    def extend(requests: Sequence[Obj], chosen: Chosen) -> Iterator[Chosen]:
        if not requests:
            yield chosen
            return
        for wanted in _alternatives(cluster, requests[0]):
            for more in _pick(wanted, here, used, chosen, constraints):
                yield from extend(requests[1:], more)

    return extend(spec.get("requests") or [], [])


def _alternatives(cluster: Cluster, request: Obj) -> Iterator[Wanted]:
    options = [(request["name"], request["exactly"])] if "exactly" in request else []
    options += [(f"{request['name']}/{sub['name']}", sub) for sub in request.get("firstAvailable") or []]
    for name, exact in options:
        kind = cluster.get(DEVICE_CLASSES, exact["deviceClassName"])
        if kind is None:
            continue
        selectors = [*((kind.get("spec") or {}).get("selectors") or []), *(exact.get("selectors") or [])]
        expressions = tuple(e["cel"]["expression"] for e in selectors if "cel" in e)
        count = None if exact.get("allocationMode") == "All" else exact.get("count") or 1
        yield Wanted(name, count, expressions, tuple(exact.get("tolerations") or ()), bool(exact.get("adminAccess")))


def _pick(wanted: Wanted, here: Sequence[Device], used: set[Id], chosen: Chosen, constraints: Sequence[Obj]) -> Iterator[Chosen]:
    serving = [d for d in here if _serves(wanted, d)]
    held = used | {d.id for w, d in chosen if not w.admin}
    free = [d for d in serving if wanted.admin or d.id not in held]
    if wanted.count is None:
        everything = [*chosen, *((wanted, d) for d in serving)]
        if serving and len(free) == len(serving) and _consistent(everything, constraints):
            yield everything
        return

    def grow(picked: Chosen, start: int, left: int) -> Iterator[Chosen]:
        if not left:
            yield picked
            return
        for i in range(start, len(free)):
            more = [*picked, (wanted, free[i])]
            if _consistent(more, constraints):
                yield from grow(more, i + 1, left - 1)

    yield from grow(chosen, 0, wanted.count)


def _serves(wanted: Wanted, device: Device) -> bool:
    taints = [t for t in device.raw.get("taints") or [] if t.get("effect") in ("NoSchedule", "NoExecute")]
    if any(not any(tolerates(x, t) for x in wanted.tolerations) for t in taints):
        return False
    try:
        return all(_CEL.compile(e).eval({"device": device.view}) is True for e in wanted.expressions)
    except (CelError, CompileError):
        return False


def _consistent(chosen: Chosen, constraints: Sequence[Obj]) -> bool:
    for c in constraints:
        names = c.get("requests")
        meant = [d for w, d in chosen if not names or w.name in names or w.name.partition("/")[0] in names]
        for field, same in (("matchAttribute", True), ("distinctAttribute", False)):
            if c.get(field):
                values = [d.attribute(c[field]) for d in meant]
                texts = {str(v) for v in values}
                if any(v is None for v in values) or len(texts) != (min(1, len(values)) if same else len(values)):
                    return False
    return True


def _result(cluster: Cluster, claim: Obj, chosen: Chosen, node: str) -> Obj:
    results = []
    for wanted, device in chosen:
        result: Obj = {"request": wanted.name, "driver": device.id[0], "pool": device.id[1], "device": device.id[2]}
        results.append(result | ({"adminAccess": True} if wanted.admin else {}))
    out: Obj = {"devices": {"results": results}}
    config = [{"source": "FromClaim", **c} for c in ((claim["spec"] or {}).get("devices") or {}).get("config") or []]
    if config:
        out["devices"]["config"] = config
    if any(d.node for _, d in chosen):
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        out["nodeSelector"] = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    else:
        selectors = [d.selector for _, d in chosen if d.selector]
        if selectors:
            every = [e for s in selectors for e in s["nodeSelectorTerms"][0].get("matchExpressions") or []]
            out["nodeSelector"] = {"nodeSelectorTerms": [{"matchExpressions": every}]}
    return out
