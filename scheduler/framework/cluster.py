"""What the scheduler knows of the cluster beside nodes and pods: claims, volumes, classes, budgets, owners' selectors. Pure.

Objects are as the API gave them. Volumes and claims can be assumed to be as a placement that is being carried out will leave
them; an assumption ends when the API shows a newer object than the one it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kubepy.api.selectors import LabelSelector, from_label_selector, requirement

Obj = dict[str, Any]

CLAIMS, VOLUMES, CLASSES = "persistentvolumeclaims", "persistentvolumes", "storageclasses.storage.k8s.io"
CSI_NODES, CSI_DRIVERS = "csinodes.storage.k8s.io", "csidrivers.storage.k8s.io"
CAPACITIES, ATTACHMENTS = "csistoragecapacities.storage.k8s.io", "volumeattachments.storage.k8s.io"
BUDGETS, SERVICES = "poddisruptionbudgets.policy", "services"
RESOURCE_CLAIMS, RESOURCE_SLICES = "resourceclaims.resource.k8s.io", "resourceslices.resource.k8s.io"
DEVICE_CLASSES = "deviceclasses.resource.k8s.io"
OWNERS = {
    "ReplicationController": "replicationcontrollers", "ReplicaSet": "replicasets.apps", "StatefulSet": "statefulsets.apps",
}  # fmt: skip
KINDS = (
    CLAIMS, VOLUMES, CLASSES, CSI_NODES, CSI_DRIVERS, CAPACITIES, ATTACHMENTS, BUDGETS, SERVICES,
    RESOURCE_CLAIMS, RESOURCE_SLICES, DEVICE_CLASSES, *OWNERS.values(),
)  # fmt: skip
"""The collections that are kept."""


def key_of(obj: Obj) -> str:
    """`namespace/name`, or the name of a cluster-scoped object."""
    meta = obj["metadata"]
    namespace = meta.get("namespace")
    return f"{namespace}/{meta['name']}" if namespace else str(meta["name"])


class Cluster:
    """Every collection of KINDS by key, and what is assumed of volumes and claims."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Obj]] = {kind: {} for kind in KINDS}
        self._assumed: dict[tuple[str, str], Obj] = {}
        self._written: set[tuple[str, str]] = set()
        """Assumed objects whose last write is done."""
        self._services: dict[str, dict[str, LabelSelector]] = {}
        self._volumes_of_class: dict[str, dict[str, Obj]] = {}

    def put(self, kind: str, obj: Obj) -> None:
        """An object is there, or has changed."""
        key = key_of(obj)
        known = self.objects[kind].get(key)
        self.objects[kind][key] = obj
        assumed = self._assumed.get((kind, key))
        newer = assumed is not None and assumed["metadata"].get("resourceVersion") != obj["metadata"].get("resourceVersion")
        # A resource claim gets its finalizer first, and only then its allocation: until then it stays assumed.
        pending = kind == RESOURCE_CLAIMS and (kind, key) not in self._written and not (obj.get("status") or {}).get("allocation")
        if newer and not pending:
            self.unassume(kind, key)
        if kind == SERVICES:
            selector = (obj.get("spec") or {}).get("selector")
            held = self._services.setdefault(obj["metadata"].get("namespace", ""), {})
            if selector:
                held[key] = from_label_selector({"matchLabels": selector})
            else:
                held.pop(key, None)
        elif kind == VOLUMES:
            if known is not None:
                self._volumes_of_class.get(class_of(known), {}).pop(key, None)
            self._volumes_of_class.setdefault(class_of(obj), {})[key] = obj

    def remove(self, kind: str, obj: Obj) -> None:
        """An object is gone."""
        key = key_of(obj)
        known = self.objects[kind].pop(key, None)
        self.unassume(kind, key)
        if kind == SERVICES:
            self._services.get(obj["metadata"].get("namespace", ""), {}).pop(key, None)
        elif kind == VOLUMES and known is not None:
            self._volumes_of_class.get(class_of(known), {}).pop(key, None)

    def get(self, kind: str, key: str) -> Obj | None:
        """One object, as assumed if it is."""
        return self._assumed.get((kind, key)) or self.objects[kind].get(key)

    def all(self, kind: str) -> Iterable[Obj]:
        """All objects of a collection as the API has them."""
        return self.objects[kind].values()

    def volumes_of_class(self, name: str) -> Iterator[Obj]:
        """The PersistentVolumes of a class (empty: of none), as assumed if they are."""
        for key, volume in self._volumes_of_class.get(name, {}).items():
            yield self._assumed.get((VOLUMES, key)) or volume

    def assume(self, kind: str, obj: Obj) -> None:
        """Take an object to be like this until the API shows a change of it."""
        self._assumed[kind, key_of(obj)] = obj

    def wrote(self, kind: str, obj: Obj) -> None:
        """An assumed object has been written like this: it is assumed until the API has shown that much, whatever comes after."""
        key = key_of(obj)
        shown = self.objects[kind].get(key)
        if shown is not None and int(shown["metadata"]["resourceVersion"]) >= int(obj["metadata"]["resourceVersion"]):
            self.unassume(kind, key)
        else:
            self._assumed[kind, key] = obj
            self._written.add((kind, key))

    def unassume(self, kind: str, key: str) -> None:
        """End an assumption."""
        self._assumed.pop((kind, key), None)
        self._written.discard((kind, key))

    def default_selector(self, namespace: str, labels: Mapping[str, str], owner: Obj | None) -> LabelSelector | None:
        """What selects the kin of a pod: the services it belongs to and its controller (component helpers DefaultSelector)."""
        found = [s for s in self._services.get(namespace, {}).values() if s.matches(labels)]
        if owner is not None and owner["kind"] in OWNERS:
            controller = self.get(OWNERS[owner["kind"]], f"{namespace}/{owner['name']}")
            selector = (controller or {}).get("spec", {}).get("selector")
            if selector:
                found.append(from_label_selector(selector if owner["kind"] != "ReplicationController" else {"matchLabels": selector}))
        parts = {r for s in found for r in s.requirements}
        return LabelSelector(tuple(sorted(parts, key=str))) if parts else None


def class_of(obj: Obj) -> str:
    """The storage class that a claim or volume names; the annotation of old wins (component-helpers storage/volume)."""
    annotation = (obj["metadata"].get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    return str(annotation if annotation is not None else (obj.get("spec") or {}).get("storageClassName") or "")


def narrowed(selector: LabelSelector, labels: Mapping[str, str], keys: Iterable[str]) -> LabelSelector:
    """A selector that also wants a pod's own values of `keys` (matchLabelKeys)."""
    more = tuple(requirement(k, "in", [labels[k]]) for k in keys if k in labels)
    return LabelSelector((*selector.requirements, *more), selector.nothing) if more else selector
