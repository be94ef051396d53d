"""All nodes as arrays: one slot a node, one row a resource, one column a label key. Changed in place by events, read by plugins.

Work per event is constant (per counter that a pod touches); nothing is rebuilt per pod. Arrays are sized to the capacity;
`alive` tells which slots hold a node. Slots of removed nodes are used again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.framework.affinity import Term
from scheduler.framework.cluster import Cluster
from scheduler.framework.podinfo import CPU, MEMORY, PODS, STORAGE, Obj, PodInfo, amounts

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Ids = NDArray[np.int32]

_FIRST_CAPACITY = 64
_MOST_COUNTERS = 512


class LabelColumn:
    """The values that one label key has on the nodes, as small integers; 0 means the node lacks the key."""

    def __init__(self, capacity: int) -> None:
        self.ids: Ids = np.zeros(capacity, np.int32)
        self.values: list[str] = [""]
        self._known: dict[str, int] = {}

    @property
    def present(self) -> Bools:
        """The nodes that have the key."""
        out: Bools = self.ids != 0
        return out

    def everywhere(self, alive: Bools) -> bool:
        """Whether all of these nodes have the key."""
        return bool(np.count_nonzero(self.ids) == np.count_nonzero(alive))

    def id_of(self, value: str) -> int:
        """The integer that stands for `value`; 0 when no node has had it."""
        return self._known.get(value, 0)

    def set(self, slot: int, value: str | None) -> None:
        """Record a node's value; None: it lacks the key."""
        if value is None:
            self.ids[slot] = 0
            return
        known = self._known.get(value)
        if known is None:
            known = self._known[value] = len(self.values)
            self.values.append(value)
        self.ids[slot] = known


class PodCounter:
    """How many pods that satisfy `matches` run on each node; kept up to date by the snapshot."""

    def __init__(self, matches: Callable[[PodInfo], int], capacity: int) -> None:
        self.matches = matches
        self.counts: Ints = np.zeros(capacity, np.int64)
        self.used = 0


class NodeSlot:
    """What is kept of one node outside the arrays."""

    __slots__ = ("images", "info", "labels", "name", "obj", "pods", "slot")

    def __init__(self, slot: int, obj: Obj) -> None:
        self.slot = slot
        self.obj = obj
        self.name: str = obj["metadata"]["name"]
        self.labels: Mapping[str, str] = {}
        self.pods: dict[str, PodInfo] = {}
        self.images: dict[str, int] = {}


class Snapshot:
    """The nodes and the pods bound (or assumed) to them."""

    def __init__(self) -> None:
        self.capacity = _FIRST_CAPACITY
        self.alive: Bools = np.zeros(self.capacity, np.bool_)
        self.unschedulable: Bools = np.zeros(self.capacity, np.bool_)
        self.taint_set: Ids = np.zeros(self.capacity, np.int32)
        self.taint_sets: list[tuple[Obj, ...]] = [()]
        self._taint_ids: dict[tuple[tuple[str, str, str], ...], int] = {(): 0}
        self.allocatable: dict[str, Ints] = {}
        self.requested: dict[str, Ints] = {}
        self.nonzero: dict[str, Ints] = {}
        for name in (CPU, MEMORY, STORAGE, PODS):
            self._row(name)
        for name in (CPU, MEMORY):
            self.nonzero[name] = np.zeros(self.capacity, np.int64)
        self.nodes: dict[str, NodeSlot] = {}
        self.by_slot: list[NodeSlot | None] = [None] * self.capacity
        self.port_users: dict[int, int] = {}
        self.image_nodes: dict[str, dict[int, int]] = {}
        self.tallies: dict[tuple[str, Term], Ints] = {}
        """Per node, the weights of the affinity terms that its pods carry (`PodInfo.tallies`)."""
        self._tally_users: dict[tuple[str, Term], int] = {}
        self.claim_users: dict[str, int] = {}
        """How many bound pods mount a claim, by `namespace/name`."""
        self.nominated: dict[str, tuple[str, PodInfo]] = {}
        """Pods that wait for room on a node, by uid: the node, and the pod. They count for pods of no higher priority."""
        self.cluster = Cluster()
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self.namespace_generation = 0
        self.generation = 0
        """Grows when anything but pods changed: the key of what depends on nodes alone."""
        self._columns: dict[str, LabelColumn] = {}
        self._counters: dict[Any, PodCounter] = {}
        self._counters_in: dict[str | None, list[PodCounter]] = {}
        self._asked = 0
        self._free = list(range(self.capacity - 1, -1, -1))

    # Nodes

    def set_node(self, obj: Obj) -> None:
        """Add a node or take over its new state; its pods stay."""
        name = obj["metadata"]["name"]
        node = self.nodes.get(name)
        if node is None:
            if not self._free:
                self._grow()
            node = NodeSlot(self._free.pop(), obj)
            self.nodes[name] = node
            self.by_slot[node.slot] = node
            self.alive[node.slot] = True
        elif _same_for_scheduling(node.obj, obj):
            node.obj = obj
            return
        node.obj = obj
        self.generation += 1
        self._load(node)

    def remove_node(self, name: str) -> None:
        """Forget a node; the pods on it are forgotten with it."""
        node = self.nodes.get(name)
        if node is None:
            return
        for uid in list(node.pods):
            self.remove_pod(name, uid)
        del self.nodes[name]
        slot = node.slot
        self._set_images(node, {})
        self.by_slot[slot] = None
        self.alive[slot] = False
        self.unschedulable[slot] = False
        self.taint_set[slot] = 0
        for rows in (self.allocatable, self.requested, self.nonzero):
            for row in rows.values():
                row[slot] = 0
        for column in self._columns.values():
            column.set(slot, None)
        self._free.append(slot)
        self.generation += 1

    def _load(self, node: NodeSlot) -> None:
        slot, obj = node.slot, node.obj
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        node.labels = obj["metadata"].get("labels") or {}
        self.unschedulable[slot] = bool(spec.get("unschedulable"))
        self.taint_set[slot] = self._taints(spec.get("taints") or [])
        allocatable = amounts(status.get("allocatable"))
        for name in allocatable:
            self._row(name)
        for name, row in self.allocatable.items():
            row[slot] = allocatable.get(name, 0)
        for key, column in self._columns.items():
            column.set(slot, node.labels.get(key))
        images = {name: i.get("sizeBytes") or 0 for i in status.get("images") or [] for name in i.get("names") or []}
        if images != node.images:
            self._set_images(node, images)

    def _set_images(self, node: NodeSlot, images: dict[str, int]) -> None:
        for name in node.images:
            holders = self.image_nodes[name]
            holders.pop(node.slot, None)
            if not holders:
                del self.image_nodes[name]
        node.images = images
        for name, size in images.items():
            self.image_nodes.setdefault(name, {})[node.slot] = size

    def _taints(self, taints: list[Obj]) -> int:
        key = tuple((t["key"], t.get("value") or "", t["effect"]) for t in taints)
        known = self._taint_ids.get(key)
        if known is None:
            known = self._taint_ids[key] = len(self.taint_sets)
            self.taint_sets.append(tuple(taints))
        return known

    # Pods

    def add_pod(self, node_name: str, pod: PodInfo) -> None:
        """Charge a pod to its node; nothing happens when the node is unknown. A pod already there is replaced."""
        node = self.nodes.get(node_name)
        if node is None:
            return
        if pod.uid in node.pods:
            self.remove_pod(node_name, pod.uid)
        node.pods[pod.uid] = pod
        self._charge(node.slot, pod, 1)

    def remove_pod(self, node_name: str, uid: str) -> None:
        """Give back what the pod took."""
        node = self.nodes.get(node_name)
        pod = node.pods.pop(uid, None) if node is not None else None
        if node is not None and pod is not None:
            self._charge(node.slot, pod, -1)

    def _charge(self, slot: int, pod: PodInfo, sign: int) -> None:
        for name, value in pod.requests.items():
            self._row(name)
            self.requested[name][slot] += sign * value
        self.requested[PODS][slot] += sign
        for name in (CPU, MEMORY):
            self.nonzero[name][slot] += sign * pod.nonzero.get(name, 0)
        if pod.ports:
            users = self.port_users.get(slot, 0) + sign
            if users:
                self.port_users[slot] = users
            else:
                self.port_users.pop(slot, None)
        for claim in pod.claims:
            key_of_claim = f"{pod.namespace}/{claim}"
            used = self.claim_users.get(key_of_claim, 0) + sign
            if used:
                self.claim_users[key_of_claim] = used
            else:
                self.claim_users.pop(key_of_claim, None)
        for key, weight in pod.tallies:
            self._tally(key, slot, sign * weight, sign)
        for scope in (pod.namespace, None):
            for counter in self._counters_in.get(scope, ()):
                weight = counter.matches(pod)
                if weight:
                    counter.counts[slot] += sign * weight

    def _tally(self, key: tuple[str, Term], slot: int, weight: int, sign: int) -> None:
        row = self.tallies.get(key)
        if row is None:
            row = self.tallies[key] = np.zeros(self.capacity, np.int64)
        row[slot] += weight
        users = self._tally_users.get(key, 0) + sign
        if users:
            self._tally_users[key] = users
        else:
            del self._tally_users[key], self.tallies[key]

    def pod(self, node_name: str, uid: str) -> PodInfo | None:
        """A pod on a node, or None."""
        node = self.nodes.get(node_name)
        return node.pods.get(uid) if node is not None else None

    @contextmanager
    def supposing(self, *, without: Iterable[tuple[str, PodInfo]] = (), plus: Iterable[tuple[str, PodInfo]] = ()) -> Iterator[None]:
        """The cluster as it would be with some pods gone and others there; as it was again afterwards."""
        gone, come = list(without), list(plus)
        for node, pod in gone:
            self.remove_pod(node, pod.uid)
        for node, pod in come:
            self.add_pod(node, pod)
        try:
            yield
        finally:
            for node, pod in come:
                self.remove_pod(node, pod.uid)
            for node, pod in gone:
                self.add_pod(node, pod)

    # Namespaces

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace's labels changed; None: it is gone."""
        if self.namespaces.get(name) == labels:
            return
        if labels is None:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = labels
        self.namespace_generation += 1

    # Columns and counters

    def column(self, key: str) -> LabelColumn:
        """The column of one label key; made at first use, then kept up to date."""
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = LabelColumn(self.capacity)
            for node in self.nodes.values():
                column.set(node.slot, node.labels.get(key))
        return column

    def counter(self, key: Any, matches: Callable[[PodInfo], int], namespace: str | None = None) -> PodCounter:
        """The counter called `key`; made at first use from all bound pods, then kept up to date.

        `namespace` tells that only pods of that namespace can match, which spares the others the question.
        """
        self._asked += 1
        counter = self._counters.get(key)
        if counter is None:
            if len(self._counters) >= _MOST_COUNTERS:
                self._forget_counters()
            counter = PodCounter(matches, self.capacity)
            for node in self.nodes.values():
                counter.counts[node.slot] = sum(
                    matches(pod) for pod in node.pods.values() if namespace is None or pod.namespace == namespace
                )
            self._counters[key] = counter
            self._counters_in.setdefault(namespace, []).append(counter)
        counter.used = self._asked
        return counter

    def _forget_counters(self) -> None:
        """Keep the half of the counters that was asked for last: each costs a question per pod that comes or goes."""
        keep = sorted(self._counters.items(), key=lambda item: item[1].used)[_MOST_COUNTERS // 2 :]
        self._counters = dict(keep)
        kept = {id(counter) for _, counter in keep}
        self._counters_in = {
            namespace: left for namespace, held in self._counters_in.items() if (left := [c for c in held if id(c) in kept])
        }

    def names(self, mask: Bools) -> list[str]:
        """The names of the nodes whose slots are set."""
        return [node.name for slot in np.flatnonzero(mask) if (node := self.by_slot[slot]) is not None]

    def _row(self, name: str) -> None:
        if name not in self.allocatable:
            self.allocatable[name] = np.zeros(self.capacity, np.int64)
            self.requested[name] = np.zeros(self.capacity, np.int64)

    def _grow(self) -> None:
        old, self.capacity = self.capacity, self.capacity * 2

        def wider(array: Any) -> Any:
            out = np.zeros(self.capacity, array.dtype)
            out[:old] = array
            return out

        self.alive, self.unschedulable, self.taint_set = wider(self.alive), wider(self.unschedulable), wider(self.taint_set)
        for rows in (self.allocatable, self.requested, self.nonzero):
            for name in rows:
                rows[name] = wider(rows[name])
        for key in self.tallies:
            self.tallies[key] = wider(self.tallies[key])
        for column in self._columns.values():
            column.ids = wider(column.ids)
        for counter in self._counters.values():
            counter.counts = wider(counter.counts)
        self.by_slot.extend([None] * old)
        self._free.extend(range(self.capacity - 1, old - 1, -1))


def _same_for_scheduling(old: Obj, new: Obj) -> bool:
    """Heartbeats change nothing that a placement depends on."""
    a, b = old.get("status") or {}, new.get("status") or {}
    return (
        old["metadata"].get("labels") == new["metadata"].get("labels")
        and old.get("spec") == new.get("spec")
        and a.get("allocatable") == b.get("allocatable")
        and a.get("images") == b.get("images")
    )
