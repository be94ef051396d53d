"""Follows the definitions in the watch cache: accepts their names, serves what they define, and cleans up after them.

Every API server runs one; where two write the same status the store's revisions decide. Upstream: apiextensions-apiserver
pkg/controller/{status,establish,finalizer,apiapproval}, pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from apiserver.context import Context, Obj
from apiserver.extensions.conversion import Converter, Poster
from apiserver.extensions.definitions import (
    FINALIZER,
    GROUP,
    PLURAL,
    approval_state,
    ca_bundle,
    condition,
    is_protected,
    is_true,
    set_condition,
    spec_of,
)
from apiserver.extensions.resources import Custom, build
from apiserver.registry import deletion, objectmeta
from apiserver.registry.catalog import Catalog, Served
from apiserver.registry.store import Registry
from apiserver.registry.webhookclient import bundle_problem
from apiserver.storage.cacher import EventType
from kubepy.api import errors
from kubepy.api.patch.managed import ManagedFields

RETRY = 0.2
"""Seconds between looks at objects that wait for their own finalizers."""
TERMINATING = "create not allowed while custom resource definition is terminating"
_NAMES = ("plural", "singular", "shortNames", "kind", "listKind", "categories")
log = logging.getLogger(__name__)


class CustomResources:
    """One per API server."""

    def __init__(
        self, registry: Registry, catalog: Catalog, ownership: Callable[[Served, str], ManagedFields], poster: Poster | None
    ) -> None:
        self._registry = registry
        self._catalog = catalog
        self._ownership = ownership
        self._poster = poster
        self._crds: dict[str, Obj] = {}
        self._versions: dict[str, dict[str, Custom]] = {}
        self._shown: dict[str, list[Custom]] = {}
        self._work: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._follower: asyncio.Task[None] | None = None

    @property
    def _served(self) -> Served:
        return self._registry.of(GROUP, PLURAL)

    def start(self) -> None:
        """Serve everything that is established, then follow changes."""
        cacher = self._registry.cacher
        prefix = self._served.resource.storage_prefix
        since = cacher.revision
        for entry in cacher.list(prefix):
            self._changed(entry.name, entry.obj)
        self._follower = asyncio.get_running_loop().create_task(self._follow(since), name="custom-resources")

    async def stop(self) -> None:
        """End all work."""
        tasks = [*self._work.values(), *([self._follower] if self._follower is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, since: int) -> None:
        cacher = self._registry.cacher
        prefix = self._served.resource.storage_prefix
        start: int | None = since
        while True:
            try:
                watcher = cacher.watch(prefix, start)
            except errors.Gone:
                start = None
                continue
            try:
                async for batch in watcher:
                    for event in batch.events:
                        if event.type is EventType.BOOKMARK or event.entry is None:
                            continue
                        start = event.revision
                        if event.type is EventType.DELETED:
                            self._gone(event.entry.name)
                        else:
                            self._changed(event.entry.name, event.entry.obj)
            except Exception:
                log.exception("following definitions failed")
            finally:
                watcher.close()
            # The watch ended: what was deleted meanwhile shows in the list only.
            present = {e.name: e for e in cacher.list(prefix)}
            for name in [n for n in self._crds if n not in present]:
                self._gone(name)
            for entry in present.values():
                self._changed(entry.name, entry.obj)
            start = cacher.revision
            await asyncio.sleep(0.1)

    # Serving.

    def _changed(self, name: str, crd: Obj) -> None:
        before = self._crds.get(name)
        if before is not None and before["metadata"]["resourceVersion"] == crd["metadata"]["resourceVersion"]:
            return
        self._crds[name] = crd
        if is_true(crd, "Established"):
            if before is None or name not in self._versions or _differs(before, crd):
                self._serve(name, crd)
            if "deletionTimestamp" in crd["metadata"]:
                for served in self._shown.get(name, ()):
                    served.frozen = TERMINATING
        else:
            self._hide(name)
        if self._wants_status(crd) or "deletionTimestamp" in crd["metadata"]:
            self._spawn(name)

    def _serve(self, name: str, crd: Obj) -> None:
        try:
            versions = build(crd, Converter(crd, self._poster))
        except Exception:
            log.exception("the definition %s cannot be served", name)
            self._hide(name)
            return
        wanted = {v["name"] for v in spec_of(crd).get("versions") or () if v.get("served")}
        shown = [versions[v] for v in versions if v in wanted]
        gone = [
            s.resource
            for s in self._shown.get(name, ())
            if s.resource.version not in wanted or s.resource.plural != shown[0].resource.plural
        ]
        self._versions[name] = versions
        self._shown[name] = shown
        if gone:
            self._catalog.remove(*gone)
        # Upstream makes the storage of a definition anew: watches end, and none resumes from what was before.
        for prefix in {r.storage_prefix for r in (*gone, *(s.resource for s in shown))}:
            self._registry.cacher.end_watches(prefix)
        self._catalog.add(*shown)

    def _hide(self, name: str) -> None:
        shown = self._shown.pop(name, [])
        self._versions.pop(name, None)
        if shown:
            self._catalog.remove(*(s.resource for s in shown))
            self._registry.cacher.end_watches(shown[0].resource.storage_prefix)

    def _gone(self, name: str) -> None:
        crd = self._crds.pop(name, None)
        self._hide(name)
        task = self._work.pop(name, None)
        if task is not None:
            task.cancel()
        if crd is None:
            return
        # Names may have become free.
        for other, o in self._crds.items():
            if spec_of(o).get("group") == spec_of(crd).get("group") and self._wants_status(o):
                self._spawn(other)

    # Status.

    def _spawn(self, name: str) -> None:
        if name in self._work:
            self._again.add(name)
            return
        task = asyncio.get_running_loop().create_task(self._reconcile(name), name=f"definition-{name}")
        self._work[name] = task
        task.add_done_callback(lambda t: self._done(name, t))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        if self._work.get(name) is task:
            del self._work[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("definition %s: %s", name, error, exc_info=error)
        if name in self._again and name in self._crds and not task.cancelled():
            self._again.discard(name)
            self._spawn(name)

    async def _reconcile(self, name: str) -> None:
        crd = self._crds.get(name)
        if crd is None:
            return
        if self._wants_status(crd):
            await self._update(name, self._accept)
        crd = self._crds.get(name) or crd
        if "deletionTimestamp" in crd["metadata"] and FINALIZER in (crd["metadata"].get("finalizers") or ()):
            await self._clean(name, crd)

    def _wants_status(self, crd: Obj) -> bool:
        status = crd.get("status") or {}
        accepted, wanted = status.get("acceptedNames") or {}, spec_of(crd).get("names") or {}
        if any((accepted.get(n) or None) != (wanted.get(n) or None) for n in _NAMES):
            new = {**crd, "status": dict(status)}
            self._accept(new)
            return bool(new["status"] != status)
        return condition(crd, "Established") is None or not is_true(crd, "Established")

    def _accept(self, crd: Obj) -> None:
        """Work out names and conditions, in place."""
        spec, status = spec_of(crd), crd["status"]
        wanted, accepted = spec.get("names") or {}, dict(status.get("acceptedNames") or {})
        resources, kinds = self._taken(spec.get("group", ""), crd["metadata"]["name"])
        reason, message = "NoConflicts", "no conflicts found"
        for field, used in (
            ("plural", resources),
            ("singular", resources),
            ("shortNames", resources),
            ("kind", kinds),
            ("listKind", kinds),
        ):
            asked = wanted.get(field)
            had = accepted.get(field)
            fresh = [n for n in asked or () if n not in (had or ())] if field == "shortNames" else [asked] if asked != had else []
            clashes = [n for n in fresh if n in used]
            if clashes:
                reason = f"{field[0].upper()}{field[1:]}Conflict"
                texts = [f'"{n}" is already in use' for n in clashes]
                message = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            elif asked:
                accepted[field] = asked
            else:
                accepted.pop(field, None)
        if wanted.get("categories"):
            accepted["categories"] = wanted["categories"]
        else:
            accepted.pop("categories", None)
        status["acceptedNames"] = {"plural": accepted.pop("plural", ""), **accepted, "kind": accepted.get("kind", "")}
        holds = reason == "NoConflicts"
        set_condition(status, "NamesAccepted", "True" if holds else "False", reason, message)
        if not is_true(crd, "Established"):
            if holds and bundle_problem(ca_bundle(crd)):
                set_condition(status, "Established", "False", "InvalidCABundle", "The conversion webhook CABundle is invalid")
            elif holds:
                set_condition(status, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
            else:
                set_condition(status, "Established", "False", "NotAccepted", "not all names are accepted")
        if is_protected(spec.get("group", "")):
            state, why = approval_state(crd)
            value = {"approved": ("True", "ApprovedAnnotation"), "bypassed": ("False", "UnapprovedAnnotation")}
            flag, because = value.get(state, ("False", f"{state.capitalize()}Annotation"))
            set_condition(status, "KubernetesAPIApprovalPolicyConformant", flag, because, why)

    def _taken(self, group: str, but: str) -> tuple[set[str], set[str]]:
        """Names of resources and kinds that the group's other definitions have."""
        resources: set[str] = set()
        kinds: set[str] = set()
        for name, crd in self._crds.items():
            if name == but or spec_of(crd).get("group") != group:
                continue
            accepted = (crd.get("status") or {}).get("acceptedNames") or {}
            resources |= {accepted.get("plural", ""), accepted.get("singular", ""), *(accepted.get("shortNames") or ())}
            kinds |= {accepted.get("kind", ""), accepted.get("listKind", "")}
        return resources - {""}, kinds - {""}

    def _context(self, name: str, subresource: str = "") -> Context:
        return self._registry.context("update", self._served, "", name, subresource)

    async def _update(self, name: str, change: Callable[[Obj], None]) -> None:
        """Change the status of a definition; one that is gone, or was changed by another server meanwhile, is left alone."""
        served = self._served
        own = self._ownership(served, "status")

        def transform(old: Obj | None) -> Obj:
            assert old is not None
            new = {**old, "metadata": dict(old["metadata"]), "status": dict(old.get("status") or {})}
            change(new)
            entries = own.on_update(old, new, "kube-apiserver", objectmeta.timestamp())
            if entries:
                new["metadata"]["managedFields"] = entries
            return new

        try:
            await self._registry.update(self._context(name, "status"), served, "", name, transform, subresource="status", admission=False)
        except (errors.NotFound, errors.Conflict):
            return

    # Deletion.

    async def _clean(self, name: str, crd: Obj) -> None:
        """Delete the objects of a definition that is being deleted, then let it go (controller/finalizer/crd_finalizer.go)."""
        versions = self._versions.get(name)
        if versions:
            served = next(iter(versions.values()))
            while True:
                await self._registry.cacher.fresh()
                entries = self._registry.cacher.list(served.resource.storage_prefix)
                if not entries:
                    break
                ctx = self._registry.context("deletecollection", served)
                await deletion.delete_many(self._registry, ctx, served, [(e.namespace, e.name) for e in entries], {})
                await self._registry.cacher.fresh()
                left = self._registry.cacher.list(served.resource.storage_prefix)
                if left:
                    await self._update(name, _in_progress)
                    await asyncio.sleep(RETRY)

        def finished(old: Obj | None) -> Obj:
            assert old is not None
            meta = dict(old["metadata"])
            kept = [f for f in meta.get("finalizers") or () if f != FINALIZER]
            if kept:
                meta["finalizers"] = kept
            else:
                meta.pop("finalizers", None)
            status = dict(old.get("status") or {})
            set_condition(status, "Terminating", "False", "InstanceDeletionCompleted", "removed all instances")
            return {**old, "metadata": meta, "status": status}

        try:
            await self._registry.update(self._context(name), self._served, "", name, finished, admission=False)
        except (errors.NotFound, errors.Conflict):
            return


def _in_progress(crd: Obj) -> None:
    set_condition(crd["status"], "Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")


def _differs(a: Obj, b: Obj) -> bool:
    """Whether two states of a definition serve differently."""
    return bool(
        a.get("spec") != b.get("spec") or (a.get("status") or {}).get("acceptedNames") != (b.get("status") or {}).get("acceptedNames")
    )
