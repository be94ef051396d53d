"""VolumeRestrictions: volumes that one pod, or one node, may use at a time (upstream plugins/volumerestrictions)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes
from scheduler.framework.cluster import CLAIMS
from scheduler.framework.interface import Cycle, Hint, Rejection, Unschedulable
from scheduler.framework.podinfo import Obj, PodInfo
from scheduler.framework.snapshot import Bools

IN_USE = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
DISK_CONFLICT = "node(s) had no available disk"
DISKS: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "gcePersistentDisk": (("pdName",), True),
    "awsElasticBlockStore": (("volumeID",), False),
    "iscsi": (("iqn",), True),
    "rbd": (("image", "pool"), True),
}
"""Volume sources that must not be mounted twice on a node: the fields that identify one, and whether two read-only mounts may."""


class VolumeRestrictions:
    """Filter."""

    name = "VolumeRestrictions"

    def __init__(self) -> None:
        self.hints: Mapping[str, Hint] = {
            changes.POD_DELETE: lambda pod, old, new: True,
            changes.NODE_ADD: lambda pod, old, new: True,
            changes.CLAIM_ADD: lambda pod, old, new: new is not None and new["metadata"]["name"] in pod.claims,
        }

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """Find the pod's claims that are for one pod alone."""
        pod, cluster = cycle.pod, cycle.snapshot.cluster
        alone = []
        for name in pod.named_claims:
            claim = cluster.get(CLAIMS, f"{pod.namespace}/{name}")
            if claim is None:
                raise Unschedulable(f'persistentvolumeclaim "{name}" not found')
            if "ReadWriteOncePod" in (claim["spec"].get("accessModes") or []):
                alone.append(f"{pod.namespace}/{name}")
        cycle.state[self.name] = alone
        return None

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes that mount the same disk, and every node while another pod holds a claim for one pod alone."""
        s = cycle.snapshot
        disks = _disks(cycle.pod)
        if disks:
            clash = np.zeros(s.capacity, np.bool_)
            for node in s.nodes.values():
                clash[node.slot] = any(_conflict(a, b) for p in node.pods.values() for b in _disks(p) for a in disks)
            yield Rejection(DISK_CONFLICT, clash, True)
        if any(s.claim_users.get(key) for key in cycle.state.get(self.name) or ()):
            yield Rejection(IN_USE, s.alive.copy(), True)


Disk = tuple[str, tuple[str, ...], tuple[str, ...], bool]


def _disks(pod: PodInfo) -> list[Disk]:
    known: list[Disk] | None = pod.memo.get("disks")
    if known is None:
        known = pod.memo["disks"] = [
            (kind, tuple(str(source.get(f, "")) for f in fields), tuple(source.get("monitors") or ()), shared and _read_only(source))
            for v in pod.spec.get("volumes") or []
            for kind, (fields, shared) in DISKS.items()
            if (source := v.get(kind)) is not None
        ]
    return known


def _read_only(source: Obj) -> bool:
    return bool(source.get("readOnly"))


def _conflict(a: Disk, b: Disk) -> bool:
    if a[:2] != b[:2] or (a[3] and b[3]):
        return False
    return a[0] != "rbd" or bool(set(a[2]) & set(b[2]))
