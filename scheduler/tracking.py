"""From informers to the snapshot and the queue: what happened in the cluster, and whom it may concern. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubepy.runtime.informer import InformerFactory
from scheduler.framework import changes
from scheduler.framework.changes import Change
from scheduler.framework.cluster import (
    ATTACHMENTS,
    CAPACITIES,
    CLAIMS,
    CLASSES,
    CSI_DRIVERS,
    CSI_NODES,
    DEVICE_CLASSES,
    KINDS,
    OWNERS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    VOLUMES,
    key_of,
)
from scheduler.framework.podinfo import DEFAULT_SCHEDULER, Obj, PodInfo, parse
from scheduler.framework.snapshot import Snapshot
from scheduler.profile import Profile
from scheduler.queue import SchedulingQueue

NOT_TERMINAL = "status.phase!=Succeeded,status.phase!=Failed"
TOLD: Mapping[str, tuple[str, str, str]] = {
    CLAIMS: (changes.CLAIM_ADD, changes.CLAIM_UPDATE, changes.CLAIM_DELETE),
    VOLUMES: (changes.VOLUME_ADD, changes.VOLUME_UPDATE, ""),
    CLASSES: (changes.CLASS_ADD, changes.CLASS_UPDATE, ""),
    CSI_NODES: (changes.CSINODE_ADD, changes.CSINODE_UPDATE, ""),
    CSI_DRIVERS: ("", changes.DRIVER_UPDATE, ""),
    CAPACITIES: (changes.CAPACITY_ADD, changes.CAPACITY_UPDATE, ""),
    ATTACHMENTS: ("", "", changes.ATTACHMENT_DELETE),
    RESOURCE_CLAIMS: (changes.RESOURCE_CLAIM, changes.RESOURCE_CLAIM, changes.RESOURCE_CLAIM),
    RESOURCE_SLICES: (changes.RESOURCE_SLICE, changes.RESOURCE_SLICE, ""),
    DEVICE_CLASSES: (changes.DEVICE_CLASS, changes.DEVICE_CLASS, ""),
}
"""What the queue is told when an object of a collection is added, updated, deleted."""


class Tracker:
    """Keeps snapshot and queue current; knows which pods are placed, also those whose binding the API has not shown yet."""

    def __init__(self, factory: InformerFactory, queue: SchedulingQueue, profiles: Mapping[str, Profile]) -> None:
        self.snapshot, self.queue, self.profiles = Snapshot(), queue, profiles
        self.pods = factory.informer("pods", field_selector=NOT_TERMINAL)
        self.nodes = factory.informer("nodes")
        self.namespaces = factory.informer("namespaces", metadata_only=True)
        self.on_claim: Callable[[str], None] = lambda key: None
        """Called with a claim's key when it changed or went."""
        self._placed: dict[str, str] = {}
        self._orphans: dict[str, dict[str, PodInfo]] = {}
        """Pods on nodes that are not known (yet, or any more)."""
        self.namespaces.on_event(self._namespace)
        self.nodes.on_event(self._node)
        self._others = {kind: factory.informer(kind, transform=_selector_only if kind in OWNERS.values() else _plain) for kind in KINDS}
        for kind, informer in self._others.items():
            informer.on_event(self._handler(kind))
        self.pods.on_event(self._pod)

    async def synced(self) -> None:
        """Wait until everything has been listed: before that a placement would be made on half of the picture."""
        for informer in (self.namespaces, self.nodes, *self._others.values(), self.pods):
            await informer.synced()

    def _namespace(self, kind: str, _old: Obj | None, new: Obj) -> None:
        meta = new["metadata"]
        before = self.snapshot.namespace_generation
        self.snapshot.set_namespace(meta["name"], None if kind == "DELETED" else meta.get("labels") or {})
        if self.snapshot.namespace_generation != before:
            self.queue.move(Change((changes.NAMESPACE_UPDATE,), _old, new))

    def _node(self, kind: str, old: Obj | None, new: Obj) -> None:
        name = new["metadata"]["name"]
        if kind == "DELETED":
            slot = self.snapshot.nodes.get(name)
            if slot is not None and slot.pods:
                self._orphans[name] = dict(slot.pods)
            self.snapshot.remove_node(name)
            return
        self.snapshot.set_node(new)
        for pod in self._orphans.pop(name, {}).values():
            self.snapshot.add_pod(name, pod)
        change = changes.of_node(old, new)
        if change is not None:
            self.queue.move(change)

    def _handler(self, kind: str) -> Callable[[str, Obj | None, Obj], None]:
        told = TOLD.get(kind, ("", "", ""))

        def handle(event: str, old: Obj | None, new: Obj) -> None:
            if event == "DELETED":
                self.snapshot.cluster.remove(kind, new)
                what = told[2]
            else:
                self.snapshot.cluster.put(kind, new)
                what = told[0] if event == "ADDED" else told[1]
            if kind == CLAIMS:
                self.on_claim(key_of(new))
            if what:
                self.queue.move(Change((what,), old, new if event != "DELETED" else None))

        return handle

    # Pods

    def _pod(self, kind: str, old: Obj | None, new: Obj) -> None:
        uid, node = new["metadata"]["uid"], new["spec"].get("nodeName") or ""
        if kind == "DELETED":
            self._gone(uid, new)
        elif node:
            self._bound(uid, node, old, new)
        elif new["spec"].get("schedulerName", DEFAULT_SCHEDULER) in self.profiles:
            self._unbound(uid, old, new)

    def _gone(self, uid: str, pod: Obj) -> None:
        self.queue.remove(uid)
        nominated = self.snapshot.nominated.pop(uid, None)
        if self.forget(uid) or nominated is not None:
            self.queue.move(Change((changes.POD_DELETE,), pod, None))

    def _bound(self, uid: str, node: str, old: Obj | None, new: Obj) -> None:
        self.queue.remove(uid)
        self.snapshot.nominated.pop(uid, None)
        known = self._placed.get(uid)
        held = self.snapshot.pod(node, uid) if known == node else None
        if held is not None and _same_demands(held.obj, new):
            held.obj = new
            if old is None or not old["spec"].get("nodeName"):
                self.queue.move(Change((changes.POD_ADD,), None, new))
            return
        self.place(node, parse(new))
        if old is None or not old["spec"].get("nodeName"):
            self.queue.move(Change((changes.POD_ADD,), None, new))
            return
        change = changes.of_pod_update(old, new)
        if change is not None:
            self.queue.move(change)

    def _unbound(self, uid: str, old: Obj | None, new: Obj) -> None:
        if "deletionTimestamp" in new["metadata"]:
            self.queue.remove(uid)
            if self.snapshot.nominated.pop(uid, None) is not None:
                self.queue.move(Change((changes.POD_DELETE,), new, None))
            return
        if uid in self._placed:
            return
        gated = self.profiles[new["spec"].get("schedulerName", DEFAULT_SCHEDULER)].gates and bool(new["spec"].get("schedulingGates"))
        same = old is not None and _same_demands(old, new)
        pod = self.queue.refresh(uid, new) if same else None
        if pod is None:
            pod = parse(new)
            self.queue.update(pod, gated=gated, helps=not same)
        if old is None or pod.nominated != ((old.get("status") or {}).get("nominatedNodeName") or ""):
            self.nominate(pod, pod.nominated)

    def nominate(self, pod: PodInfo, node: str) -> None:
        """Count an unbound pod for a node from now on; an empty name ends that."""
        if node:
            self.snapshot.nominated[pod.uid] = (node, pod)
        else:
            self.snapshot.nominated.pop(pod.uid, None)

    def place(self, node: str, pod: PodInfo) -> None:
        """A pod is, or is assumed to be, on a node."""
        known = self._placed.get(pod.uid)
        if known is not None and known != node:
            self.forget(pod.uid)
        self._placed[pod.uid] = pod.node = node
        if node in self.snapshot.nodes:
            self.snapshot.add_pod(node, pod)
        else:
            self._orphans.setdefault(node, {})[pod.uid] = pod

    def unassume(self, uid: str, node: str) -> None:
        """An assumed pod did not get to its node; one that the API shows elsewhere meanwhile stays there."""
        if self._placed.get(uid) == node:
            self.forget(uid)

    def forget(self, uid: str) -> bool:
        """A pod is on no node any more; whether it was on one."""
        node = self._placed.pop(uid, None)
        if node is None:
            return False
        if node in self._orphans:
            self._orphans[node].pop(uid, None)
            if not self._orphans[node]:
                del self._orphans[node]
        self.snapshot.remove_pod(node, uid)
        return True


def _same_demands(old: Obj, new: Obj) -> bool:
    """Whether nothing changed of what a pod asks of nodes, or is to other pods (the binding itself changes nothing)."""
    a, b = old["metadata"], new["metadata"]
    return (
        a.get("generation") == b.get("generation")
        and a.get("labels") == b.get("labels")
        and ("deletionTimestamp" in a) == ("deletionTimestamp" in b)
        and _held(old) == _held(new)
        and (old["spec"].get("schedulingGates") == new["spec"].get("schedulingGates"))
        and (old.get("status") or {}).get("resourceClaimStatuses") == (new.get("status") or {}).get("resourceClaimStatuses")
    )


def _held(pod: Obj) -> list[Any]:
    status = pod.get("status") or {}
    out = [s for s in status.get("containerStatuses") or [] if "allocatedResources" in s or "resources" in s]
    return [(s["name"], s.get("allocatedResources"), s.get("resources")) for s in out]


def _plain(obj: Obj) -> Obj:
    obj["metadata"].pop("managedFields", None)
    return obj


def _selector_only(obj: Obj) -> Obj:
    """Owners are kept for their selectors; the templates would be most of the scheduler's memory."""
    meta = obj["metadata"]
    kept = {name: meta[name] for name in ("name", "namespace", "uid", "resourceVersion") if name in meta}
    return {"metadata": kept, "spec": {"selector": (obj.get("spec") or {}).get("selector")}}
