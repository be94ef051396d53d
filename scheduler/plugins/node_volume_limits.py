"""NodeVolumeLimits: how many volumes of a CSI driver a node can hold, as its CSINode says (upstream plugins/nodevolumelimits)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes
from scheduler.framework.cluster import CLAIMS, CLASSES, CSI_NODES, VOLUMES, Cluster, class_of
from scheduler.framework.interface import Cycle, Hint, Rejection
from scheduler.framework.podinfo import PodInfo

EXCEEDED = "node(s) exceed max volume count"


class NodeVolumeLimits:
    """Filter."""

    name = "NodeVolumeLimits"

    def __init__(self) -> None:
        self.hints: Mapping[str, Hint] = {
            kind: (lambda pod, old, new: True)
            for kind in (changes.CSINODE_ADD, changes.CSINODE_UPDATE, changes.POD_DELETE, changes.CLAIM_ADD, changes.ATTACHMENT_DELETE)
        }

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes whose driver would have to hold more volumes than it can."""
        s, cluster = cycle.snapshot, cycle.snapshot.cluster
        wanted = _volumes(cluster, cycle.pod)
        if not wanted:
            return
        over = np.zeros(s.capacity, np.bool_)
        for slot in np.flatnonzero(cycle.feasible):
            node = s.by_slot[slot]
            limits = _limits(cluster, node.name) if node is not None else {}
            if node is None or not limits:
                continue
            held = {v for p in node.pods.values() if p.claims for v in _volumes(cluster, p)}
            over[slot] = any(
                len({v for v in held | wanted if v[0] == driver}) > limit
                for driver, limit in limits.items()
                if any(v[0] == driver for v in wanted - held)
            )
        yield Rejection(EXCEEDED, over, True)


def _limits(cluster: Cluster, node: str) -> dict[str, int]:
    """The limits of a node by driver."""
    found = cluster.get(CSI_NODES, node)
    drivers = ((found or {}).get("spec") or {}).get("drivers") or []
    return {d["name"]: int(d["allocatable"]["count"]) for d in drivers if (d.get("allocatable") or {}).get("count") is not None}


def _volumes(cluster: Cluster, pod: PodInfo) -> set[tuple[str, str]]:
    """(driver, volume) of each claim of a pod that a CSI driver serves or will serve."""
    out = set()
    for name in pod.claims:
        key = f"{pod.namespace}/{name}"
        claim = cluster.get(CLAIMS, key)
        if claim is None:
            continue
        volume = cluster.get(VOLUMES, claim["spec"].get("volumeName") or "")
        if volume is not None:
            source = volume["spec"].get("csi")
            if source:
                out.add((source["driver"], source["volumeHandle"]))
        else:
            found = cluster.get(CLASSES, class_of(claim))
            if found is not None:
                out.add((found.get("provisioner", ""), key))
    return out
