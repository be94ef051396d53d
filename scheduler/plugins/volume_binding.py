"""VolumeBinding: volumes decide where a pod may run, and where it runs decides which volumes its claims get (plugins/volumebinding).

Bound claims hold the pod to where their volume can be reached. Claims of a class that waits for its first consumer are matched
with free volumes, the smallest that fits first, or left to a provisioner where the class's topology allows the node.
`plan` says what to write once a node is chosen; who writes it is not this module's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from kubepy.api import quantity
from kubepy.api.selectors import from_label_selector
from scheduler.framework import changes, nodeselector
from scheduler.framework.cluster import CAPACITIES, CLAIMS, CLASSES, CSI_DRIVERS, VOLUMES, Cluster, class_of, key_of
from scheduler.framework.interface import Cycle, Hint, Rejection, Unschedulable
from scheduler.framework.plan import Plan
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools, Snapshot

NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind"
NO_SPACE = "node(s) did not have enough free storage"
NO_VOLUME = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BIND_COMPLETED, BY_CONTROLLER = "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller"
NO_PROVISIONER = "kubernetes.io/no-provisioner"


Static = list[tuple[Obj, list[tuple[Obj, Bools | None]]]]
"""Each waiting claim with the volumes that would serve it, and the nodes that reach each (None: all)."""
Dynamic = dict[str, tuple[Bools | None, Bools]]
"""By claim: where it could be provisioned (None: nowhere), and where there is space."""


@dataclass
class _State:
    bound: list[tuple[Obj, Obj | None]] = field(default_factory=list)
    waiting: list[Obj] = field(default_factory=list)


class VolumeBinding:
    """Filter; and the plan of a placement."""

    name = "VolumeBinding"

    def __init__(self) -> None:
        self.hints: Mapping[str, Hint] = {
            changes.CLASS_ADD: lambda p, a, b: True,
            changes.CLASS_UPDATE: lambda p, a, b: (a or {}).get("allowedTopologies") != (b or {}).get("allowedTopologies"),
            changes.CLAIM_ADD: _own_claim,
            changes.CLAIM_UPDATE: _own_claim,
            changes.VOLUME_ADD: lambda p, a, b: True,
            changes.VOLUME_UPDATE: lambda p, a, b: True,
            changes.NODE_ADD: lambda p, a, b: True,
            changes.NODE_LABEL: lambda p, a, b: True,
            changes.CSINODE_ADD: lambda p, a, b: True,
            changes.DRIVER_UPDATE: lambda p, a, b: True,
            changes.CAPACITY_ADD: lambda p, a, b: True,
            changes.CAPACITY_UPDATE: lambda p, a, b: (a or {}).get("capacity") != (b or {}).get("capacity"),
        }

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """Look the pod's claims up; refuses claims that are missing, going, lost, or that will be bound without us."""
        pod, cluster = cycle.pod, cycle.snapshot.cluster
        if not pod.claims:
            return None
        state = _State()
        claims = [self._claim(cluster, pod, name) for name in pod.claims]
        for claim in claims:
            if _fully_bound(claim):
                state.bound.append((claim, cluster.get(VOLUMES, claim["spec"]["volumeName"])))
            elif self._delayed(cluster, claim) and not claim["spec"].get("volumeName"):
                state.waiting.append(claim)
            else:
                raise Unschedulable(UNBOUND)
        state.waiting.sort(key=lambda c: _storage(c["spec"].get("resources", {}).get("requests")))
        cycle.state[self.name] = state
        return None

    @staticmethod
    def _claim(cluster: Cluster, pod: PodInfo, name: str) -> Obj:
        claim = cluster.get(CLAIMS, f"{pod.namespace}/{name}")
        ephemeral = any("ephemeral" in v and f"{pod.name}-{v['name']}" == name for v in pod.spec.get("volumes") or [])
        if claim is None:
            if ephemeral:
                raise Unschedulable(f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"')
            raise Unschedulable(f'persistentvolumeclaim "{name}" not found')
        if (claim.get("status") or {}).get("phase") == "Lost":
            volume = claim["spec"].get("volumeName", "")
            raise Unschedulable(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"')
        if "deletionTimestamp" in claim["metadata"]:
            raise Unschedulable(f'persistentvolumeclaim "{name}" is being deleted')
        if ephemeral and not any(o.get("controller") and o["uid"] == pod.uid for o in claim["metadata"].get("ownerReferences") or []):
            raise Unschedulable(f"PVC {pod.namespace}/{name} was not created for pod {pod.key} (pod is not owner)")
        return claim

    @staticmethod
    def _delayed(cluster: Cluster, claim: Obj) -> bool:
        found = cluster.get(CLASSES, class_of(claim)) if class_of(claim) else None
        return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that a bound volume cannot be reached from, and nodes where a waiting claim finds no volume."""
        state: _State | None = cycle.state.get(self.name)
        if state is None:
            return
        s = cycle.snapshot
        for _, volume in state.bound:
            if volume is None:
                yield Rejection(NO_VOLUME, np.ones(s.capacity, np.bool_), False)
            else:
                reach = _reach(s, volume)
                if reach is not None:
                    yield Rejection(NODE_CONFLICT, ~reach, False)
        if not state.waiting:
            return
        nothing, full = np.zeros(s.capacity, np.bool_), np.zeros(s.capacity, np.bool_)
        static, dynamic = self._choices(s, state.waiting)
        for slot in np.flatnonzero(cycle.feasible):
            why = self._match(static, dynamic, int(slot))[1]
            if why == BIND_CONFLICT:
                nothing[slot] = True
            elif why == NO_SPACE:
                full[slot] = True
        yield Rejection(BIND_CONFLICT, nothing, False)
        yield Rejection(NO_SPACE, full, False)

    def plan(self, cycle: Cycle, slot: int) -> Plan:
        """What the placement on a node asks for. Empty when all claims are bound."""
        state: _State | None = cycle.state.get(self.name)
        if state is None or not state.waiting:
            return Plan()
        static, dynamic = self._choices(cycle.snapshot, state.waiting)
        return self._match(static, dynamic, slot)[0]

    @staticmethod
    def _choices(s: Snapshot, waiting: list[Obj]) -> tuple[Static, Dynamic]:
        """For each claim the free volumes that would serve it with the nodes that reach them; and where it could be provisioned."""
        static = []
        dynamic: Dynamic = {}
        for claim in waiting:
            found = [v for v in s.cluster.volumes_of_class(class_of(claim)) if _serves(v, claim)]
            found.sort(key=lambda v: (not _prebound(v, claim), _storage(v["spec"].get("capacity"))))
            static.append((claim, [(v, _reach(s, v)) for v in found]))
            dynamic[key_of(claim)] = _provisionable(s, claim)
        return static, dynamic

    @staticmethod
    def _match(static: Static, dynamic: Dynamic, slot: int) -> tuple[Plan, str]:
        bind: list[tuple[Obj, Obj]] = []
        provision: list[Obj] = []
        taken: set[str] = set()
        for claim, volumes in static:
            chosen = (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE)
            for volume, reach in volumes if not chosen else ():
                if volume["metadata"]["name"] not in taken and (reach is None or reach[slot]):
                    taken.add(volume["metadata"]["name"])
                    bind.append((volume, claim))
                    break
            else:
                allowed, space = dynamic[key_of(claim)]
                if allowed is None or not allowed[slot]:
                    return Plan(), BIND_CONFLICT
                if not space[slot]:
                    return Plan(), NO_SPACE
                provision.append(claim)
        return Plan(tuple(bind), tuple(provision)), ""


def _own_claim(pod: PodInfo, _old: Obj | None, new: Obj | None) -> bool:
    return new is not None and new["metadata"].get("namespace") == pod.namespace and new["metadata"]["name"] in pod.claims


def _fully_bound(claim: Obj) -> bool:
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in (claim["metadata"].get("annotations") or {})


def _storage(amounts: Mapping[str, str] | None) -> int:
    return int(quantity.parse((amounts or {}).get("storage", "0")).value())


def _reach(s: Snapshot, volume: Obj) -> Bools | None:
    """The nodes that a volume's node affinity allows; None: all."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    return nodeselector.selector(s, required) if required else None


def _prebound(volume: Obj, claim: Obj) -> bool:
    ref = volume["spec"].get("claimRef")
    return ref is not None and ref.get("name") == claim["metadata"]["name"] and ref.get("namespace") == claim["metadata"].get("namespace")


def _serves(volume: Obj, claim: Obj) -> bool:
    """Whether a volume may be bound to a claim (component-helpers storage/volume FindMatchingVolume)."""
    spec, wanted = volume["spec"], claim["spec"]
    ref = spec.get("claimRef")
    if ref is not None:
        return _prebound(volume, claim) and ref.get("uid") in (None, "", claim["metadata"].get("uid"))
    if (volume.get("status") or {}).get("phase") != "Available" or "deletionTimestamp" in volume["metadata"]:
        return False
    if (spec.get("volumeMode") or "Filesystem") != (wanted.get("volumeMode") or "Filesystem"):
        return False
    if (spec.get("volumeAttributesClassName") or "") != (wanted.get("volumeAttributesClassName") or ""):
        return False
    selector = wanted.get("selector")
    if selector is not None and not from_label_selector(selector).matches(volume["metadata"].get("labels") or {}):
        return False
    if not set(wanted.get("accessModes") or []) <= set(spec.get("accessModes") or []):
        return False
    return _storage(spec.get("capacity")) >= _storage(wanted.get("resources", {}).get("requests"))


def _provisionable(s: Snapshot, claim: Obj) -> tuple[Bools | None, Bools]:
    """Where a claim could be provisioned (None: nowhere), and where there is space for it."""
    space = np.ones(s.capacity, np.bool_)
    found = s.cluster.get(CLASSES, class_of(claim))
    if found is None or found.get("provisioner", "") in ("", NO_PROVISIONER):
        return None, space
    allowed = np.ones(s.capacity, np.bool_)
    terms = found.get("allowedTopologies") or []
    if terms:
        expressions = [[{**e, "operator": "In"} for e in t.get("matchLabelExpressions") or []] for t in terms]
        allowed = nodeselector.selector(s, {"nodeSelectorTerms": [{"matchExpressions": e} for e in expressions]})
    chosen = (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE)
    if chosen:
        only = np.zeros(s.capacity, np.bool_)
        if chosen in s.nodes:
            only[s.nodes[chosen].slot] = True
        allowed = allowed & only
    driver = s.cluster.get(CSI_DRIVERS, found["provisioner"])
    if driver is not None and (driver.get("spec") or {}).get("storageCapacity"):
        wanted = _storage(claim["spec"].get("resources", {}).get("requests"))
        space = np.zeros(s.capacity, np.bool_)
        for capacity in s.cluster.all(CAPACITIES):
            limit = capacity.get("maximumVolumeSize") or capacity.get("capacity")
            if capacity.get("storageClassName") == found["metadata"]["name"] and limit and quantity.parse(limit).value() >= wanted:
                topology = capacity.get("nodeTopology")
                if topology is not None:
                    space |= _topology(s, topology)
    return allowed, space


def _topology(s: Snapshot, selector: Obj) -> Bools:
    out = s.alive.copy()
    for key, value in (selector.get("matchLabels") or {}).items():
        out &= nodeselector.expression(s, {"key": key, "operator": "In", "values": [value]})
    for expression in selector.get("matchExpressions") or []:
        out &= nodeselector.expression(s, expression)
    return out
