"""Who owns whom: every object by uid, its owners and dependents; says which objects to look at after a change. Pure.

pkg/controller/garbagecollector/graph_builder.go. A node is virtual until its object was seen: an owner that is only named.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
ABSENT_KEPT = 500


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where an object is."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(slots=True, eq=False)
class Node:
    """One object of the graph."""

    uid: str
    at: Coordinates
    virtual: bool
    owners: list[Obj] = field(default_factory=list)
    dependents: dict[str, Node] = field(default_factory=dict)
    being_deleted: bool = False
    deleting_dependents: bool = False

    def blocks(self, owner: str) -> bool:
        """Whether this object's reference to `owner` has blockOwnerDeletion."""
        return any(ref["uid"] == owner and ref.get("blockOwnerDeletion") for ref in self.owners)


@dataclass(slots=True)
class Effects:
    """What a change asks for: nodes to try to delete, owners to orphan, references into the wrong namespace to report."""

    delete: list[str] = field(default_factory=list)
    orphan: list[str] = field(default_factory=list)
    invalid: list[tuple[Node, Obj]] = field(default_factory=list)


class Graph:
    """All nodes by uid, and the uids lately known to be absent."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._absent: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_absent(self, uid: str, namespace: str) -> bool:
        """Whether an owner of that uid was lately found not to exist in that namespace."""
        return (uid, namespace) in self._absent

    def note_absent(self, uid: str, namespace: str) -> None:
        """An owner does not exist in that namespace."""
        self._absent[(uid, namespace)] = None
        self._absent.move_to_end((uid, namespace))
        if len(self._absent) > ABSENT_KEPT:
            self._absent.popitem(last=False)

    def upsert(self, obj: Obj, api_version: str, kind: str) -> Effects:
        """An object was added or changed."""
        effects = Effects()
        metadata = obj["metadata"]
        uid = metadata["uid"]
        at = Coordinates(api_version, kind, metadata.get("namespace", ""), metadata["name"])
        node = self.nodes.get(uid)
        fresh = node is None or node.virtual
        if node is None:
            node = self.nodes[uid] = Node(uid, at, False)
        elif node.virtual:
            self._observed(node, at, effects)
        self._set_owners(node, metadata.get("ownerReferences") or [], effects, fresh)
        self._deletion(node, metadata, effects)
        return effects

    def remove(self, uid: str) -> Effects:
        """An object is gone: its dependents must be looked at, and owners that wait for it."""
        effects = Effects()
        node = self.nodes.pop(uid, None)
        if node is None:
            return effects
        self.note_absent(uid, node.at.namespace)
        if not node.virtual:
            for namespace in {d.at.namespace for d in node.dependents.values()}:
                self.note_absent(uid, namespace)
        for ref in node.owners:
            owner = self.nodes.get(ref["uid"])
            if owner is None:
                continue
            owner.dependents.pop(uid, None)
            if owner.virtual and not owner.dependents:
                del self.nodes[owner.uid]
            elif owner.deleting_dependents:
                effects.delete.append(owner.uid)
        effects.delete += node.dependents
        return effects

    def _observed(self, node: Node, at: Coordinates, effects: Effects) -> None:
        """A named owner was seen; dependents that named it wrongly must be looked at."""
        node.virtual, node.at = False, at
        for dependent in node.dependents.values():
            for ref in dependent.owners:
                if ref["uid"] == node.uid and not self._fits(dependent, ref, node, effects):
                    effects.delete.append(dependent.uid)

    def _fits(self, dependent: Node, ref: Obj, owner: Node, effects: Effects) -> bool:
        """Whether a reference names its owner rightly: same coordinates, and not across namespaces."""
        if owner.at.namespace and owner.at.namespace != dependent.at.namespace:
            if not owner.virtual:
                effects.invalid.append((dependent, ref))
            return False
        return (ref["apiVersion"], ref["kind"], ref["name"]) == (owner.at.api_version, owner.at.kind, owner.at.name)

    def _set_owners(self, node: Node, refs: list[Obj], effects: Effects, fresh: bool) -> None:
        before = {ref["uid"]: ref for ref in node.owners}
        after = {ref["uid"]: ref for ref in refs}
        node.owners = refs
        suspicious = False
        for uid, ref in after.items():
            owner = self.nodes.get(uid)
            if owner is None:
                # Named but never seen: make it virtual and find out whether it exists.
                at = Coordinates(ref["apiVersion"], ref["kind"], node.at.namespace, ref["name"])
                owner = self.nodes[uid] = Node(uid, at, True)
                effects.delete.append(uid)
            owner.dependents[node.uid] = node
            if (uid not in before or fresh) and not self._fits(node, ref, owner, effects):
                suspicious = True
            old = before.get(uid)
            if old is not None and old.get("blockOwnerDeletion") and not ref.get("blockOwnerDeletion") and owner.deleting_dependents:
                effects.delete.append(uid)
        if suspicious:
            effects.delete.append(node.uid)
        for uid in before.keys() - after.keys():
            owner = self.nodes.get(uid)
            if owner is not None:
                owner.dependents.pop(node.uid, None)
                if owner.virtual and not owner.dependents:
                    del self.nodes[uid]
                elif owner.deleting_dependents:
                    effects.delete.append(uid)
        if before and before.keys() - after.keys() and not fresh:
            effects.delete.append(node.uid)

    def _deletion(self, node: Node, metadata: Obj, effects: Effects) -> None:
        if not metadata.get("deletionTimestamp"):
            return
        finalizers = metadata.get("finalizers") or ()
        newly = not node.being_deleted
        node.being_deleted = True
        if ORPHAN in finalizers:
            effects.orphan.append(node.uid)
        if FOREGROUND in finalizers and not node.deleting_dependents:
            node.deleting_dependents = True
            effects.delete += node.dependents
            effects.delete.append(node.uid)
        elif newly:
            # Owners that wait for this object may have nothing else to wait for once its own references change.
            effects.delete += [ref["uid"] for ref in node.owners if (o := self.nodes.get(ref["uid"])) and o.deleting_dependents]


def describe(ref: Obj, namespace: str) -> str:
    """`[v1/ConfigMap, namespace: ns, name: x, uid: u]`."""
    return f"[{ref['apiVersion']}/{ref['kind']}, namespace: {namespace}, name: {ref['name']}, uid: {ref['uid']}]"


def without(refs: Iterable[Obj], uids: set[str]) -> list[Obj]:
    """Owner references that are not to those uids."""
    return [ref for ref in refs if ref["uid"] not in uids]
