"""The garbage collector: deletes objects whose owners are gone, orphans dependents, carries out foreground deletion.

pkg/controller/garbagecollector/garbagecollector.go. Every decision to delete is taken on a live read, never on the graph alone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from controllers.common.batch import first, in_parallel
from controllers.common.resources import shared
from controllers.context import Context
from controllers.garbage.graph import FOREGROUND, ORPHAN, Effects, Graph, Node, describe, without
from kubepy.api import meta
from kubepy.api.errors import Conflict, Forbidden, NotFound
from kubepy.api.kinds import Resource
from kubepy.client.discovery import Discovered
from kubepy.runtime import Informer, Result
from kubepy.runtime.informer import Transform

log = logging.getLogger(__name__)

Obj = dict[str, Any]
IGNORED = {("", "events"), ("events.k8s.io", "events")}
KEPT = ("name", "namespace", "uid", "resourceVersion", "ownerReferences", "finalizers", "deletionTimestamp")


def start(ctx: Context) -> None:
    """Register the garbage collector."""
    _Collector(ctx)


def slim(obj: Obj) -> Obj:
    """What the collector keeps of an object."""
    metadata = obj["metadata"]
    return {"metadata": {key: metadata[key] for key in KEPT if key in metadata}}


SLIM: Transform = slim


class Misplaced(Exception):
    """A cluster-scoped object names a namespaced owner, which says nothing of the namespace it is in."""


class UnknownKind(Exception):
    """An owner's kind is not served, or not yet."""


class _Collector:
    def __init__(self, ctx: Context) -> None:
        self._ctx, self._client = ctx, ctx.client
        self._recorder = ctx.recorder("garbage-collector-controller")
        self._graph = Graph()
        self._resources = shared(ctx)
        self._monitors: dict[tuple[str, str], Informer] = {}
        self._synced = asyncio.Event()
        self._deletions = ctx.controller("garbage-collector", self._attempt, workers=20)
        self._orphans = ctx.controller("garbage-collector-orphans", self._orphan, workers=5)
        self._resources.on_change(self._watch)

    def _watch(self, found: Discovered) -> None:
        """Follow every deletable resource that is served now, and no other."""
        wanted = {
            (r.group, r.plural): r
            for r in found.preferred()
            if {"delete", "list", "watch"} <= set(r.verbs) and (r.group, r.plural) not in IGNORED
        }
        stale = {group_version.rpartition("/")[0] for group_version in found.stale}
        for key in [k for k in self._monitors if k not in wanted and k[0] not in stale]:
            self._forget(key)
        for key, resource in wanted.items():
            if key not in self._monitors:
                self._monitors[key] = self._follow(resource)

    def _follow(self, resource: Resource) -> Informer:
        factory = self._ctx.manager.factory
        informer = factory.existing(resource) or factory.informer(resource, metadata_only=True, transform=SLIM)

        def handle(kind: str, old: Obj | None, new: Obj) -> None:
            if kind == "DELETED":
                self._apply(self._graph.remove(new["metadata"]["uid"]))
            else:
                self._apply(self._graph.upsert(new, resource.api_version, resource.kind))

        informer.on_event(handle)
        return informer

    def _forget(self, key: tuple[str, str]) -> None:
        informer = self._monitors.pop(key)
        for obj in informer.cache.list():
            self._apply(self._graph.remove(meta.uid(obj)))
        self._ctx.manager.factory.drop(informer)

    def _apply(self, effects: Effects) -> None:
        for uid in effects.delete:
            self._deletions.enqueue(uid)
        for uid in effects.orphan:
            self._orphans.enqueue(uid)
        for node, ref in effects.invalid:
            at = node.at
            subject = {"apiVersion": at.api_version, "kind": at.kind, "namespace": at.namespace, "name": at.name, "uid": node.uid}
            text = f'ownerRef {describe(ref, at.namespace)} does not exist in namespace "{at.namespace}"'
            self._recorder.event(subject, "Warning", "OwnerRefInvalidNamespace", text)

    async def _ready(self) -> None:
        """Judge nothing before every monitor has its first list."""
        if not self._synced.is_set():
            await self._resources.current()
            for informer in list(self._monitors.values()):
                await informer.synced()
            self._synced.set()

    async def _attempt(self, uid: str) -> Result | None:
        """Look at one node: delete it, free it of dead owners, or let it be (attemptToDeleteItem)."""
        await self._ready()
        node = self._graph.nodes.get(uid)
        if node is None or (node.being_deleted and not node.deleting_dependents):
            return None
        try:
            live = await self._read(node)
        except UnknownKind:
            return Result(requeue=True)
        if live is None or meta.uid(live) != uid:
            self._apply(self._graph.remove(uid))
            return None
        if node.virtual:
            # It exists after all: its monitor will tell.
            return Result(requeue=True)
        if node.deleting_dependents:
            return await self._foreground(node, live)
        refs = list(meta.owner_references(live))
        if not refs:
            return None
        try:
            solid, dangling, waiting = await self._classify(node, refs)
        except UnknownKind as e:
            log.debug("%s", e)
            return Result(requeue=True)
        except Misplaced as e:
            # No retry can tell whether there is such an owner: the object stays.
            log.info("%s", e)
            return None
        if solid:
            if dangling or waiting:
                await self._patch(node, live, ownerReferences=without(refs, dangling | waiting))
            return None
        if waiting and node.dependents:
            if any(d.deleting_dependents for d in node.dependents.values()):
                # A circle of foreground deletions: let go of the owners' block so that it can end.
                freed = [{**ref, "blockOwnerDeletion": False} for ref in refs]
                live = await self._patch(node, live, ownerReferences=freed)
            await self._delete(node, live, "Foreground")
            return None
        finalizers = meta.finalizers(live)
        policy = "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else "Background"
        await self._delete(node, live, policy)
        return None

    async def _classify(self, node: Node, refs: list[Obj]) -> tuple[set[str], set[str], set[str]]:
        """(solid, dangling, waiting) owner uids: those that exist, do not, and wait for their dependents to go."""
        solid, dangling, waiting = set[str](), set[str](), set[str]()
        for ref in refs:
            owner = await self._owner(node, ref)
            if owner is None:
                dangling.add(ref["uid"])
            elif meta.deleting(owner) and FOREGROUND in meta.finalizers(owner):
                waiting.add(ref["uid"])
            else:
                solid.add(ref["uid"])
        return solid, dangling, waiting

    async def _owner(self, node: Node, ref: Obj) -> Obj | None:
        """The live owner that a reference names, or None when there is none of that uid."""
        namespace = node.at.namespace
        if self._graph.is_absent(ref["uid"], namespace):
            return None
        resource = self._resources.by_kind(ref["apiVersion"], ref["kind"])
        if resource is None:
            self._resources.invalidate()
            raise UnknownKind(f"no matches for kind {ref['kind']!r} in version {ref['apiVersion']!r}")
        if resource.namespaced and not namespace:
            raise Misplaced(f"{node.at} is cluster-scoped, but refers to a namespaced owner")
        try:
            owner = await self._client.get(resource, ref["name"], namespace if resource.namespaced else None)
        except NotFound:
            self._graph.note_absent(ref["uid"], namespace)
            return None
        if meta.uid(owner) != ref["uid"]:
            self._graph.note_absent(ref["uid"], namespace)
            return None
        return owner

    async def _foreground(self, node: Node, live: Obj) -> Result | None:
        """Let an owner go once no dependent blocks it (processDeletingDependentsItem)."""
        blocking = [d for d in node.dependents.values() if d.blocks(node.uid)]
        if not blocking:
            if FOREGROUND in meta.finalizers(live):
                await self._patch(node, live, finalizers=[f for f in meta.finalizers(live) if f != FOREGROUND])
            return None
        for dependent in blocking:
            if not dependent.deleting_dependents:
                self._deletions.enqueue(dependent.uid)
        return None

    async def _orphan(self, uid: str) -> Result | None:
        """Free all dependents of an owner, then the owner of its orphan finalizer (attemptToOrphanWorker)."""
        await self._ready()
        node = self._graph.nodes.get(uid)
        if node is None or node.virtual:
            return None

        async def free(dependent: Node) -> None:
            try:
                live = await self._read(dependent)
                if live is not None and any(ref["uid"] == uid for ref in meta.owner_references(live)):
                    await self._patch(dependent, live, ownerReferences=without(meta.owner_references(live), {uid}))
            except (NotFound, UnknownKind):
                return

        first(await in_parallel(list(node.dependents.values()), free, limit=16))
        live = await self._read(node)
        if live is not None and meta.uid(live) == uid and ORPHAN in meta.finalizers(live):
            await self._patch(node, live, finalizers=[f for f in meta.finalizers(live) if f != ORPHAN])
        return None

    def _resource(self, node: Node) -> Resource:
        resource = self._resources.by_kind(node.at.api_version, node.at.kind)
        if resource is None:
            self._resources.invalidate()
            raise UnknownKind(f"no matches for kind {node.at.kind!r} in version {node.at.api_version!r}")
        return resource

    async def _read(self, node: Node) -> Obj | None:
        resource = self._resource(node)
        if resource.namespaced and not node.at.namespace:
            return None
        try:
            return await self._client.get(resource, node.at.name, node.at.namespace if resource.namespaced else None)
        except NotFound:
            return None

    async def _patch(self, node: Node, live: Obj, **fields: list[Any]) -> Obj:
        """Replace lists of an object's metadata if it is still as it was read; raises Conflict otherwise."""
        metadata = {"uid": node.uid, "resourceVersion": meta.resource_version(live), **{k: v or None for k, v in fields.items()}}
        namespace = node.at.namespace or None
        try:
            return await self._client.patch(self._resource(node), node.at.name, {"metadata": metadata}, namespace)
        except NotFound:
            return live

    async def _delete(self, node: Node, live: Obj, policy: str) -> None:
        conditions = {"uid": node.uid, "resourceVersion": meta.resource_version(live)}
        try:
            await self._client.delete(
                self._resource(node), node.at.name, node.at.namespace or None, propagation=policy, preconditions=conditions
            )
        except NotFound:
            return
        except Conflict:
            # Changed since it was read; its owners may have too.
            self._deletions.enqueue(node.uid, after=0.05)
        except Forbidden as e:
            log.warning("cannot collect %s: %s", node.at, e)
            raise
