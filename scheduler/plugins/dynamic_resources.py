"""DynamicResources: claims of devices hold a pod to nodes where they are, or can be, allocated (upstream plugins/dynamicresources)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from scheduler.framework import changes, nodeselector
from scheduler.framework.cluster import DEVICE_CLASSES, RESOURCE_CLAIMS, Cluster
from scheduler.framework.interface import Cycle, Hint, NotReady, Rejection, Unschedulable
from scheduler.framework.plan import Plan
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools

if TYPE_CHECKING:
    from scheduler.framework.devices import Device

    Allocate = Callable[[Cluster, Sequence[Obj], Sequence[Device], str, int], "Sequence[Obj] | None"]

NOT_HERE = "resourceclaim not available on the node"
CANNOT = "cannot allocate all claims"
MOST_USERS = 256


class DynamicResources:
    """Filter; and the plan of a placement."""

    name = "DynamicResources"

    def __init__(self) -> None:
        self.hints: Mapping[str, Hint] = {
            kind: (lambda pod, old, new: bool(pod.spec.get("resourceClaims")))
            for kind in (
                changes.RESOURCE_CLAIM, changes.RESOURCE_SLICE, changes.DEVICE_CLASS, changes.NODE_ADD, changes.NODE_LABEL,
                changes.POD_DELETE,
            )
        }  # fmt: skip

    def preenqueue(self, cluster: Cluster, pod: PodInfo) -> None:
        """Pods whose claims are missing or going are not tried."""
        for ref in pod.spec.get("resourceClaims") or ():
            _claim(cluster, pod, ref)

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """Look the pod's resource claims up; refuses those that are used by as many as may, or ask for classes that are missing."""
        pod, cluster = cycle.pod, cycle.snapshot.cluster
        if pod.spec.get("resourceClaims"):
            try:
                found = [_claim(cluster, pod, ref) for ref in pod.spec["resourceClaims"]]
            except NotReady as e:
                raise Unschedulable(str(e)) from None
            cycle.state[self.name] = claims = [c for c in found if c is not None]
            for claim in claims:
                _check(cluster, pod, claim)
        return None

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that an allocation leaves out, and nodes that lack devices for what is not allocated."""
        s = cycle.snapshot
        claims: list[Obj] = cycle.state.get(self.name) or []
        for claim in claims:
            selector = ((claim.get("status") or {}).get("allocation") or {}).get("nodeSelector")
            if selector:
                yield Rejection(NOT_HERE, ~nodeselector.selector(s, selector), False)
        waiting = [c for c in claims if not (c.get("status") or {}).get("allocation")]
        if not waiting:
            return
        found, allocate = self._devices(cycle)
        out = np.zeros(s.capacity, np.bool_)
        for slot in np.flatnonzero(cycle.feasible):
            node = s.by_slot[slot]
            out[slot] = node is None or allocate(s.cluster, waiting, found, node.name, int(slot)) is None
        yield Rejection(CANNOT, out, False)

    def _devices(self, cycle: Cycle) -> tuple[list[Device], Allocate]:
        """What there is, and how it is chosen from. Imported by the first claim: with it comes CEL, megabytes that few clusters need."""
        from scheduler.framework.devices import allocate, devices

        key = f"{self.name}/devices"
        if key not in cycle.state:
            cycle.state[key] = devices(cycle.snapshot)
        found: list[Device] = cycle.state[key]
        return found, allocate

    def plan(self, cycle: Cycle, slot: int) -> Plan:
        """The allocations to write, and the claims to reserve."""
        claims: list[Obj] = cycle.state.get(self.name) or []
        if not claims:
            return Plan()
        s, node = cycle.snapshot, cycle.snapshot.by_slot[slot]
        waiting = [c for c in claims if not (c.get("status") or {}).get("allocation")]
        made: Sequence[Obj] | None = None
        if waiting and node is not None:
            found, allocate = self._devices(cycle)
            made = allocate(s.cluster, waiting, found, node.name, slot)
        results = iter(made or [])
        return Plan(devices=tuple((c, None if (c.get("status") or {}).get("allocation") else next(results)) for c in claims))


def _claim(cluster: Cluster, pod: PodInfo, ref: Obj) -> Obj | None:
    name = ref.get("resourceClaimName")
    if name is None:
        made = {s["name"]: s.get("resourceClaimName") for s in (pod.obj.get("status") or {}).get("resourceClaimStatuses") or []}
        if ref["name"] not in made:
            raise NotReady(f'pod "{pod.key}": ResourceClaim not created yet')
        name = made[ref["name"]]
        if name is None:
            return None  # the template's controller found that none is needed
    claim = cluster.get(RESOURCE_CLAIMS, f"{pod.namespace}/{name}")
    if claim is None:
        raise NotReady(f'resourceclaim.resource.k8s.io "{name}" not found')
    if "deletionTimestamp" in claim["metadata"]:
        raise NotReady(f'resourceclaim "{name}" is being deleted')
    return claim


def _check(cluster: Cluster, pod: PodInfo, claim: Obj) -> None:
    status = claim.get("status") or {}
    users = status.get("reservedFor") or []
    if len(users) >= MOST_USERS and all(u["uid"] != pod.uid for u in users):
        raise Unschedulable("resourceclaim in use")
    if status.get("allocation"):
        return
    for request in (claim["spec"].get("devices") or {}).get("requests") or ():
        for name, wanted in _choices(request):
            if cluster.get(DEVICE_CLASSES, wanted["deviceClassName"]) is None:
                raise Unschedulable(f"request {name}: device class {wanted['deviceClassName']} does not exist")


def _choices(request: Obj) -> Iterable[tuple[str, Obj]]:
    """What a request would take, each under its full name."""
    if exactly := request.get("exactly"):
        yield request["name"], exactly
    for choice in request.get("firstAvailable") or ():
        yield f"{request['name']}/{choice['name']}", choice
