"""VolumeZone: a volume that is labelled with a zone or region is reached only from there (upstream plugins/volumezone)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scheduler.framework import changes
from scheduler.framework.cluster import CLAIMS, CLASSES, VOLUMES, class_of
from scheduler.framework.interface import Cycle, Hint, Rejection, Unschedulable
from scheduler.framework.snapshot import Bools

CONFLICT = "node(s) had no available volume zone"
TOPOLOGY = {
    "topology.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
"""The labels of volumes that count, each with its name of today."""


class VolumeZone:
    """Filter."""

    name = "VolumeZone"

    def __init__(self) -> None:
        self.hints: Mapping[str, Hint] = {
            kind: (lambda pod, old, new: True)
            for kind in (
                changes.CLASS_ADD, changes.NODE_ADD, changes.NODE_LABEL, changes.CLAIM_ADD, changes.CLAIM_UPDATE,
                changes.VOLUME_ADD, changes.VOLUME_UPDATE,
            )
        }  # fmt: skip

    def prefilter(self, cycle: Cycle) -> Bools | None:
        """Collect where the pod's bound volumes are."""
        pod, cluster = cycle.pod, cycle.snapshot.cluster
        wanted: list[tuple[str, frozenset[str]]] = []
        for name in pod.named_claims:
            claim = cluster.get(CLAIMS, f"{pod.namespace}/{name}")
            if claim is None:
                raise Unschedulable(f'persistentvolumeclaim "{name}" not found')
            volume_name = claim["spec"].get("volumeName")
            if not volume_name:
                self._check_class(cycle, class_of(claim))
                continue
            volume = cluster.get(VOLUMES, volume_name)
            if volume is None:
                raise Unschedulable(f'persistentvolume "{volume_name}" not found')
            labels = volume["metadata"].get("labels") or {}
            wanted += [(key, frozenset(labels[key].split("__"))) for key in TOPOLOGY if key in labels]
        cycle.state[self.name] = wanted
        return None

    @staticmethod
    def _check_class(cycle: Cycle, name: str) -> None:
        found = cycle.snapshot.cluster.get(CLASSES, name) if name else None
        if not name:
            raise Unschedulable("PersistentVolumeClaim had no pv name and storageClass name")
        if found is None:
            raise Unschedulable(f'storageclass.storage.k8s.io "{name}" not found')
        if found.get("volumeBindingMode") != "WaitForFirstConsumer":
            raise Unschedulable("PersistentVolume had no name")

    def filter(self, cycle: Cycle) -> Iterable[Rejection]:
        """Refuse nodes elsewhere; nodes without any zone or region label are taken as they are."""
        s = cycle.snapshot
        wanted = cycle.state.get(self.name)
        if not wanted:
            return
        located = np.zeros(s.capacity, np.bool_)
        for key in TOPOLOGY:
            located |= s.column(key).present
        bad = np.zeros(s.capacity, np.bool_)
        for key, values in wanted:
            here = np.zeros(s.capacity, np.bool_)
            for name in {key, TOPOLOGY[key]}:
                column = s.column(name)
                here |= np.isin(column.ids, [i for v in values if (i := column.id_of(v))])
            bad |= ~here
        yield Rejection(CONFLICT, bad & located, False)
