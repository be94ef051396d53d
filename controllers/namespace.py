"""Emptying and finalizing namespaces that are being deleted (pkg/controller/namespace/deletion).

Pods go first; then everything else that can be deleted; the namespace's own finalizer goes when nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.common.batch import in_parallel
from controllers.common.pods import same
from controllers.common.resources import shared
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import Conflict, MethodNotAllowed, NotFound, StatusError
from kubepy.api.kinds import Resource
from kubepy.runtime import Result
from kubepy.runtime.clock import format_time

Obj = dict[str, Any]

FINALIZER = "kubernetes"
DISCOVERY, PARSING, CONTENT, REMAINING, FINALIZERS = (
    "NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure", "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining", "NamespaceFinalizersRemaining",
)  # fmt: skip
GOOD = {
    DISCOVERY: ("ResourcesDiscovered", "All resources successfully discovered"),
    PARSING: ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    CONTENT: ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
    REMAINING: ("ContentRemoved", "All content successfully removed"),
    FINALIZERS: ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}
POD_GRACE = 15
"""Seconds estimated for resources whose deletion takes time but tells no grace period."""


def start(ctx: Context) -> None:
    """Register the namespace controller."""
    _Namespaces(ctx)


def conditions(present: Iterable[Obj], bad: dict[str, tuple[str, str]], now: float) -> list[Obj]:
    """The five deletion conditions, True with (reason, message) where `bad`; a transition time moves only with the status."""
    out = list(present)
    for kind, good in GOOD.items():
        status, (reason, message) = ("True", bad[kind]) if kind in bad else ("False", good)
        entry = {"type": kind, "status": status, "lastTransitionTime": format_time(now), "reason": reason, "message": message}
        at = next((i for i, c in enumerate(out) if c["type"] == kind), None)
        if at is None:
            out.append(entry)
        elif out[at]["status"] != status or out[at].get("reason") != reason or out[at].get("message") != message:
            if out[at]["status"] == status:
                entry["lastTransitionTime"] = out[at]["lastTransitionTime"]
            out[at] = entry
    return out


def summary(left: dict[str, int], finalizers: dict[str, int]) -> dict[str, tuple[str, str]]:
    """The bad conditions for what remains: counts by `resource.group` and by finalizer."""
    out = {}
    if left:
        parts = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(left.items()))
        out[REMAINING] = ("SomeResourcesRemain", f"Some resources are remaining: {parts}")
    if finalizers:
        parts = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(finalizers.items()))
        out[FINALIZERS] = ("SomeFinalizersRemain", f"Some content in the namespace has finalizers remaining: {parts}")
    return out


class _Remains:
    """What one pass found and could not remove."""

    def __init__(self) -> None:
        self.left: dict[str, int] = {}
        self.finalizers: dict[str, int] = {}
        self.errors: list[str] = []
        self.wait = 0

    def note(self, resource: Resource, items: list[Obj]) -> None:
        if not items:
            return
        name = f"{resource.plural}.{resource.group}"
        self.left[name] = len(items)
        for item in items:
            for finalizer in meta.finalizers(item):
                self.finalizers[finalizer] = self.finalizers.get(finalizer, 0) + 1
            grace = meta.metadata(item).get("deletionGracePeriodSeconds")
            self.wait = max(self.wait, POD_GRACE if grace is None else int(grace))


class _Namespaces:
    def __init__(self, ctx: Context) -> None:
        self._client, self._clock = ctx.client, ctx.clock
        self._resources = shared(ctx)
        self._namespaces = ctx.informer("namespaces")
        self._pods = ctx.informer("pods")
        self._controller = ctx.controller("namespace", self._sync, workers=10)
        self._controller.watch(self._namespaces, only=lambda kind, old, new: kind != "DELETED" and meta.deleting(new))
        self._controller.depends(self._pods)
        self._pods.on_event(self._pod_changed)

    def _pod_changed(self, kind: str, _old: Obj | None, pod: Obj) -> None:
        """With its last pod gone, a namespace need not wait for half of the pods' grace, as it does upstream."""
        namespace = self._namespaces.cache.get(meta.namespace(pod)) if kind == "DELETED" else None
        if namespace is not None and meta.deleting(namespace) and not self._pods.cache.list(meta.name(namespace)):
            self._controller.enqueue(meta.name(namespace))

    async def _sync(self, name: str) -> Result | None:
        cached = self._namespaces.cache.get(name)
        if cached is None or not meta.deleting(cached):
            return None
        try:
            namespace = await self._client.get("namespaces", name)
        except NotFound:
            return None
        if meta.uid(namespace) != meta.uid(cached) or FINALIZER not in (namespace.get("spec", {}).get("finalizers") or ()):
            return None
        if namespace.get("status", {}).get("phase") != "Terminating":
            namespace = await self._client.update_status(
                "namespaces", {**namespace, "status": {**namespace["status"], "phase": "Terminating"}}
            )
        bad, remains = await self._empty(name)
        await self._report(namespace, bad)
        if remains.errors:
            return Result(requeue=True)
        if remains.left:
            return Result(after=remains.wait / 2 + 1 if remains.wait else 0.2)
        await self._finalize(name)
        return None

    async def _empty(self, name: str) -> tuple[dict[str, tuple[str, str]], _Remains]:
        """Delete what is in the namespace; the bad conditions, and what remains."""
        bad: dict[str, tuple[str, str]] = {}
        remains = _Remains()
        found = await self._resources.current()
        if found.stale:
            text = f"Discovery failed for some groups, {len(found.stale)} failing: unable to retrieve the complete list of server APIs: "
            bad[DISCOVERY] = ("DiscoveryFailed", text + ", ".join(f"{gv}: stale GroupVersion discovery: {gv}" for gv in found.stale))
            remains.errors.append(bad[DISCOVERY][1])
        targets = [r for r in found.preferred() if r.namespaced and "delete" in r.verbs and "list" in r.verbs]
        pods = [r for r in targets if (r.group, r.plural) == ("", "pods")]
        for group in (pods, [r for r in targets if r not in pods]):

            async def clear(resource: Resource) -> None:
                await self._clear(resource, name, remains)

            errors = await in_parallel(group, clear, limit=16)
            remains.errors += [str(e) for e in errors]
            if group is pods and remains.left:
                # Pods first: until they are gone nothing is said of what remains.
                return bad, remains
        if remains.errors and CONTENT not in bad and DISCOVERY not in bad:
            text = f"Failed to delete all resource types, {len(remains.errors)} remaining: {', '.join(remains.errors)}"
            bad[CONTENT] = ("ContentDeletionFailed", text)
        bad.update(summary(remains.left, remains.finalizers))
        return bad, remains

    async def _clear(self, resource: Resource, namespace: str, remains: _Remains) -> None:
        items = await self._items(resource, namespace)
        if not items:
            return
        if "deletecollection" in resource.verbs:
            try:
                await self._client.delete_collection(resource, namespace, propagation="Background")
            except (NotFound, MethodNotAllowed):
                return
        else:
            for item in items:
                try:
                    await self._client.delete(resource, meta.name(item), namespace, propagation="Background")
                except NotFound:
                    continue
        remains.note(resource, await self._items(resource, namespace))

    async def _items(self, resource: Resource, namespace: str) -> list[Obj]:
        try:
            return (await self._client.list(resource, namespace, metadata_only=True)).get("items") or []
        except (NotFound, MethodNotAllowed):
            return []

    async def _report(self, namespace: Obj, bad: dict[str, tuple[str, str]]) -> None:
        """Write the conditions."""
        present = namespace.get("status", {}).get("conditions") or []
        wanted = conditions(present, bad, self._clock.time())
        if same(wanted, present):
            return
        try:
            await self._client.update_status("namespaces", {**namespace, "status": {**namespace["status"], "conditions": wanted}})
        except Conflict:
            fresh = await self._client.get("namespaces", meta.name(namespace))
            await self._client.update_status("namespaces", {**fresh, "status": {**fresh["status"], "conditions": wanted}})

    async def _finalize(self, name: str) -> None:
        for attempt in range(3):
            try:
                namespace = await self._client.get("namespaces", name)
                left = [f for f in namespace["spec"].get("finalizers") or () if f != FINALIZER]
                body = {**namespace, "spec": {**namespace["spec"], "finalizers": left}}
                await self._client.update("namespaces", body, subresource="finalize")
            except NotFound:
                return
            except Conflict as e:
                if attempt == 2:
                    raise StatusError(str(e)) from e
                continue
            return
