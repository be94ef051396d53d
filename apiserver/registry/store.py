"""Generic create, read and update of any kind: strategy, admission, hooks, storage, in upstream's order.

Works on parsed objects in the version of `served.work`. Knows nothing of HTTP. (apiserver pkg/registry/generic/registry/store.go,
pkg/registry/rest/create.go and update.go.) Deletion is in deletion.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.admission.interface import Attributes
from apiserver.context import SYSTEM_USER, Context, Obj, RequestInfo
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Catalog, Served
from apiserver.registry.storagekeys import upstream_key
from apiserver.registry.strategy import Strategy
from apiserver.storage import interface as storage_errors
from apiserver.storage.cacher import Cacher, Entry
from apiserver.storage.interface import Storage
from kubepy.api import errors, names

MAX_OBJECT = int(1.5 * 1024 * 1024)
"""etcd's limit on one request, and so on one object, in bytes."""
GENERATE_ATTEMPTS = 8

Transform = Callable[[Obj | None], "Obj | Awaitable[Obj]"]
"""The present object (shared: do not change; None when there is none) → the object wanted instead."""


@dataclass(slots=True)
class Written:
    """What a write came to. `entry` is what is stored now; None for dry runs and for objects that are gone."""

    obj: Obj
    entry: Entry | None
    created: bool = False
    deleted: bool = False


class Registry:
    """CRUD over everything the catalog serves. One per process."""

    def __init__(self, storage: Storage, cacher: Cacher, catalog: Catalog) -> None:
        self.storage = storage
        self.cacher = cacher
        self.catalog = catalog
        self.admission: Any = None
        """apiserver.admission.chain.Chain, or None: everything is admitted (while the server bootstraps)."""

    # -- reading

    def context(self, verb: str, served: Served, namespace: str = "", name: str = "", subresource: str = "") -> Context:
        """The context of what the server does of its own accord."""
        r = served.resource
        info = RequestInfo(True, "", verb, r.group, r.version, r.plural, subresource, namespace, name)
        return Context(SYSTEM_USER, info, field_manager="kube-apiserver", field_validation="Ignore")

    def of(self, group: str, plural: str) -> Served:
        """The served resource, in its hub version; KeyError."""
        served = self.catalog.of(group, plural)
        if served is None:
            raise KeyError(f"{plural}.{group}")
        return served

    async def get_entry(self, served: Served, namespace: str, name: str) -> Entry:
        """The newest state of one object. Raises NotFound."""
        await self.cacher.fresh()
        r = served.resource
        entry = self.cacher.get(r.storage_prefix, r.key(namespace, name))
        if entry is None:
            raise errors.NotFound.of(r.group, r.plural, name)
        return entry

    async def get(self, served: Served, namespace: str, name: str) -> Obj:
        """The newest state of one object, in the working version: shared, do not change. Raises NotFound."""
        return await self.load(served, await self.get_entry(served, namespace, name))

    async def load(self, served: Served, entry: Entry) -> Obj:
        """An entry's object in the working version: shared, do not change."""
        served = served.work
        if served.from_storage is None or (served.reads_raw is not None and served.reads_raw(entry.raw)):
            return entry.obj
        return (await served.from_storage([entry.fresh()]))[0]

    async def list(self, served: Served, namespace: str | None = None) -> Sequence[Obj]:
        """All objects (of a namespace), newest state, in the working version: shared, do not change."""
        await self.cacher.fresh()
        served = served.work
        entries = self.cacher.list(served.resource.storage_prefix, namespace)
        if served.from_storage is None:
            return [e.obj for e in entries]
        return await served.from_storage([e.fresh() for e in entries])

    # -- creating

    async def create_object(self, group: str, plural: str, obj: Obj, namespace: str = "", ctx: Context | None = None) -> Obj:
        """Create from an object as a client would send it: decoded and defaulted here. Raises StatusError."""
        served = self.of(group, plural)
        ctx = ctx or self.context("create", served, namespace)
        decoded = self.decode(served, obj)
        return (await self.create(ctx, served, namespace, decoded)).obj

    async def update_object(
        self, group: str, plural: str, namespace: str, name: str, transform: Transform, *, subresource: str = "", ctx: Context | None = None
    ) -> Obj:
        """Read, change, write, until it succeeds. Raises StatusError."""
        served = self.of(group, plural)
        ctx = ctx or self.context("update", served, namespace, name, subresource)

        async def decoded(old: Obj | None) -> Obj:
            new = transform(old)
            return self.decode(served, await new if inspect.isawaitable(new) else new)

        return (await self.update(ctx, served, namespace, name, decoded, subresource=subresource)).obj

    def decode(self, served: Served, obj: Obj) -> Obj:
        """Decode an object of the served version and apply its defaults; unknown fields vanish. Raises DecodeError."""
        out = served.decoder.decode(obj).obj
        served.strategy.default(out)
        return out

    async def create(
        self, ctx: Context, served: Served, namespace: str, obj: Obj, *, options: Obj | None = None, strategy: Strategy | None = None
    ) -> Written:
        """Store a new object, given decoded, defaulted and without system metadata. Raises StatusError."""
        strategy = strategy or served.strategy
        served = served.work
        meta = obj.setdefault("metadata", {})
        generated = not meta.get("name") and bool(meta.get("generateName"))
        ctx_namespace = _namespace_for(served, namespace, obj)
        await self.admit(ctx, "CREATE", served, "", ctx_namespace, meta.get("name", ""), obj, None, options)
        if not generated:
            return await self._create_once(ctx, served, namespace, obj, options, strategy)
        pristine = orjson.dumps(obj)
        for attempt in range(GENERATE_ATTEMPTS):
            try:
                return await self._create_once(ctx, served, namespace, obj, options, strategy)
            except errors.AlreadyExists:
                if attempt == GENERATE_ATTEMPTS - 1:
                    raise
            obj = orjson.loads(pristine)
        raise AssertionError("unreachable")

    async def _create_once(
        self, ctx: Context, served: Served, namespace: str, obj: Obj, options: Obj | None, strategy: Strategy
    ) -> Written:
        r = served.resource
        meta = obj["metadata"]
        version = meta.pop("resourceVersion", None)
        objectmeta.dedup_owner_references(ctx, meta, after_admission=True)
        objectmeta.fill_system_fields(meta)
        undo = await self._prepared_for_create(ctx, served, namespace, obj, strategy)
        try:
            meta = obj["metadata"]
            name = meta["name"]
            await self.validate(ctx, "CREATE", served, "", _namespace_for(served, namespace, obj), name, obj, None, options)
            if version and not ctx.dry_run:
                raise errors.StatusError("resourceVersion should not be set on objects to be created", reason="")
            key = r.key(meta.get("namespace"), name)
            if ctx.dry_run:
                if self.cacher.get(r.storage_prefix, key) is not None or await self.storage.get(key) is not None:
                    raise await self._exists(served, key, name)
                if undo is not None:
                    undo()
                if version:
                    meta["resourceVersion"] = version  # Only a real write refuses it.
                return Written(obj, None, created=True)
            try:
                entry = await self.put(served, key, obj, 0, strategy)
            except storage_errors.KeyExists:
                raise await self._exists(served, key, name, generated=bool(meta.get("generateName"))) from None
        except BaseException:
            if undo is not None:
                undo()
            raise
        return Written(obj, entry, created=True)

    async def _prepared_for_create(
        self, ctx: Context, served: Served, namespace: str, obj: Obj, strategy: Strategy
    ) -> Callable[[], None] | None:
        r = served.resource
        objectmeta.match_namespace(obj, namespace if r.namespaced else "")
        strategy.prepare(obj)
        meta = obj["metadata"]
        if strategy.has_generation:
            meta["generation"] = 1
        undo = None
        if strategy.hooks is not None and (meta.get("name") or ctx.dry_run):
            # Hooks reserve what the object asks for under its name; without one, validation refuses it below.
            undo = await strategy.hooks.before_create(ctx, obj)
        try:
            check = strategy.name_check or names.name_is_subdomain
            found = objectmeta.validate_create(meta, r.namespaced, check) if strategy.own_metadata else []
            found += strategy.validate(obj)
            if not found:
                content = not strategy.own_metadata
                found = objectmeta.validate_create(meta, r.namespaced, names.path_segment, content=content)
            if found:
                raise errors.Invalid.of(r.group, obj.get("kind") or r.kind, meta.get("name", ""), found)
            for text in strategy.warnings(obj, None):
                ctx.warn(text)
            strategy.canonicalize(obj)
        except BaseException:
            if undo is not None:
                undo()
            raise
        return undo

    async def _exists(self, served: Served, key: str, name: str, *, generated: bool = False) -> errors.StatusError:
        r = served.resource
        error = errors.AlreadyExists.of(r.group, r.plural, name)
        if generated:
            text = f"{error.message}, the server was not able to generate a unique name for the object"
            details = {**(error.details or {}), "retryAfterSeconds": 1}
            error = errors.AlreadyExists(text, details=details, headers=(("Retry-After", "1"),))
        kv = await self.storage.get(key)
        if kv is not None and b'"deletionTimestamp":"' in kv.value and "deletionTimestamp" in orjson.loads(kv.value)["metadata"]:
            return errors.AlreadyExists(f"object is being deleted: {error.message}", details=error.details, headers=error.headers)
        return error

    # -- updating

    async def update(
        self,
        ctx: Context,
        served: Served,
        namespace: str,
        name: str,
        transform: Transform,
        *,
        subresource: str = "",
        options: Obj | None = None,
        strategy: Strategy | None = None,
        uid: str = "",
        resource_version: str = "",
        allow_create: bool = False,
        admission: bool = True,
    ) -> Written:
        """Read, transform, check and store, again after conflicts, unless the object that `transform` returns carries a
        resourceVersion, which must be the stored one. Writes nothing when nothing changed. `uid` and `resource_version` are preconditions.

        `allow_create` creates where nothing is (server-side apply). Raises StatusError.
        """
        strategy = strategy or served.strategy
        served = served.work
        r = served.resource
        key = r.key(namespace, name)
        entry = self.cacher.get(r.storage_prefix, key)
        certain = False
        may_create = allow_create or strategy.allow_create_on_update
        while True:
            if entry is None and not certain:
                entry, certain = await self._current(key), True
            try:
                return await self._update_once(
                    ctx, served, namespace, name, key, entry, transform, subresource, options, strategy, uid, resource_version,
                    may_create, admission, certain,
                )  # fmt: skip
            except Stale as stale:
                entry, certain = stale.entry, True
            except errors.StatusError:
                if certain:
                    raise
                # The cache may lag: an error counts only against the store's own state.
                current = await self._current(key)
                if current is not None and entry is not None and current.revision == entry.revision:
                    raise
                entry, certain = current, True

    async def _current(self, key: str) -> Entry | None:
        kv = await self.storage.get(key)
        return None if kv is None else self.cacher.entry(kv)

    async def _update_once(
        self, ctx: Context, served: Served, namespace: str, name: str, key: str, entry: Entry | None, transform: Transform,
        subresource: str, options: Obj | None, strategy: Strategy, uid: str, precondition: str, may_create: bool, admission: bool,
        certain: bool,
    ) -> Written:  # fmt: skip
        r = served.resource
        old = await self.load(served, entry) if entry is not None else None
        old_meta: Obj = old["metadata"] if old is not None else {}
        if uid and (old is not None or may_create) and uid != old_meta.get("uid", ""):
            raise precondition_failed(served, namespace, name, "UID", uid, old_meta.get("uid", ""))
        if precondition and precondition != old_meta.get("resourceVersion", ""):
            raise precondition_failed(served, namespace, name, "ResourceVersion", precondition, old_meta.get("resourceVersion", ""))
        if old is None and not may_create:
            raise errors.NotFound.of(r.group, r.plural, name)
        result = transform(old)
        new: Obj = await result if inspect.isawaitable(result) else result
        meta = new.setdefault("metadata", {})
        operation = "UPDATE" if old is not None else "CREATE"
        space = _namespace_for(served, namespace, new)
        if admission:
            await self.admit(ctx, operation, served, subresource, space, name, new, old, options)
            objectmeta.dedup_owner_references(ctx, new["metadata"], after_admission=True)
            meta = new["metadata"]
        if old is None:
            objectmeta.wipe_system_fields(meta)
            meta.pop("resourceVersion", None)
            return await self._create_once(ctx, served, namespace, new, options, strategy)
        assert entry is not None

        version = meta.get("resourceVersion") or ""
        if version in ("", "0"):
            if not strategy.allow_unconditional_update:
                error = errors.invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise errors.Invalid.of(r.group, r.plural, name, [error])
            meta["resourceVersion"] = old_meta["resourceVersion"]
        elif version != old_meta["resourceVersion"]:
            if not (version.isascii() and version.isdigit()):
                raise errors.StatusError(f"strconv.ParseUint: parsing {errors.go_value(version)}: invalid syntax", reason="")
            raise errors.Conflict.modified(r.group, r.plural, name)

        undo = await self._prepared_for_update(ctx, served, namespace, new, old, strategy, subresource)
        try:
            if admission:
                await self.validate(ctx, "UPDATE", served, subresource, space, name, new, old, options)
            if _finished(new["metadata"], old_meta) and not (r.plural == "namespaces" and not r.group and new["spec"].get("finalizers")):
                # A namespace has finalizers of its own besides (ShouldDeleteNamespaceDuringUpdate).
                if not ctx.dry_run:
                    await self.remove(ctx, served, key, entry, strategy)
                return Written(new, None, deleted=True)
            if not ctx.dry_run:
                new["metadata"].pop("selfLink", None)  # Storing drops it (PrepareObjectForStorage); a dry run stores nothing.
            if _same(new, old):
                if not certain:
                    current = await self._current(key)
                    if current is None or current.revision != entry.revision:
                        raise Stale(current)
                if undo is not None:
                    undo()
                return Written(new, entry)
            if ctx.dry_run:
                if undo is not None:
                    undo()
                return Written(new, None)
            try:
                stored = await self.put(served, key, new, entry.revision, strategy)
                entry.forget()
            except storage_errors.RevisionConflict as conflict:
                raise Stale(self.cacher.entry(conflict.current)) from None
            except storage_errors.KeyMissing:
                raise Stale(None) from None
        except BaseException:
            if undo is not None:
                undo()
            raise
        if (done := getattr(strategy.hooks, "after_update", None)) is not None:
            await done(ctx, new, old)
        return Written(new, stored)

    async def _prepared_for_update(
        self, ctx: Context, served: Served, namespace: str, new: Obj, old: Obj, strategy: Strategy, subresource: str
    ) -> Callable[[], None] | None:
        r = served.resource
        objectmeta.match_namespace(new, namespace if r.namespaced else "")
        meta, old_meta = new["metadata"], old["metadata"]
        _copy_or_drop(meta, old_meta, "generation")
        meta.pop("selfLink", None)
        if subresource == "status":
            (strategy.status_prepare_update or keep_all_but_status)(new, old)
            meta = new["metadata"]
        else:
            strategy.prepare_update(new, old)
            meta = new["metadata"]
            if strategy.has_generation and _differs_outside_status(new, old):
                meta["generation"] = old_meta.get("generation", 0) + 1
        if not meta.get("uid"):
            meta["uid"] = old_meta["uid"]
        meta["creationTimestamp"] = old_meta["creationTimestamp"]
        if "deletionTimestamp" in old_meta:
            meta["deletionTimestamp"] = old_meta["deletionTimestamp"]
        if "deletionGracePeriodSeconds" in old_meta and meta.get("deletionGracePeriodSeconds") is None:
            meta["deletionGracePeriodSeconds"] = old_meta["deletionGracePeriodSeconds"]
        undo = await strategy.hooks.before_update(ctx, new, old) if strategy.hooks is not None else None
        try:
            found = objectmeta.validate_create(meta, r.namespaced, names.path_segment)
            wrong = bool(found)
            common = objectmeta.validate_update(meta, old_meta, content=wrong)
            found += common
            whole, changed = strategy.status_checks if subresource == "status" else strategy.metadata_checks
            for _ in range(whole):
                found += objectmeta.validate_create(meta, r.namespaced, strategy.name_check or names.name_is_subdomain, content=wrong)
            found += common * changed
            check = strategy.status_validate_update if subresource == "status" and strategy.status_validate_update else None
            own = (check or strategy.validate_update)(new, old)
            for text in getattr(own, "warnings", ()):
                ctx.warn(text)
            found += own
            if found:
                raise errors.Invalid.of(r.group, new.get("kind") or r.kind, meta.get("name", ""), found)
            if subresource != "status":
                for text in strategy.warnings(new, old):
                    ctx.warn(text)
            strategy.canonicalize(new)
        except BaseException:
            if undo is not None:
                undo()
            raise
        return undo

    # -- the store

    async def put(self, served: Served, key: str, obj: Obj, expected: int, strategy: Strategy) -> Entry:
        """Create (`expected` 0) or replace; fills in metadata.resourceVersion. A replacement MUST NOT be changed any more.

        Raises the storage's errors.
        """
        stored = obj if served.to_storage is None else await served.to_storage(obj)
        value = encode(stored)
        if len(value) > MAX_OBJECT and stored["metadata"].get("managedFields"):
            # Ownership is worth less than the object: without it, it may fit.
            stored = {**stored, "metadata": {k: v for k, v in stored["metadata"].items() if k != "managedFields"}}
            value = encode(stored)
        if len(value) > MAX_OBJECT:
            raise errors.RequestEntityTooLarge(f"Request entity too large: limit is {MAX_OBJECT}")
        ttl = strategy.ttl(obj) if strategy.ttl is not None else 0
        try:
            if expected:
                revision = await self.storage.update(key, value, expected, ttl=ttl)
            else:
                revision = await self.storage.create(key, value, ttl=ttl)
        except storage_errors.TooLarge:
            raise errors.RequestEntityTooLarge(f"Request entity too large: limit is {MAX_OBJECT}") from None
        obj["metadata"]["resourceVersion"] = str(revision)
        entry = self.cacher.written(key, revision, value)
        if expected and stored is obj:
            # What was just changed is often changed again: then it need not be parsed.
            entry.adopt(obj)
        return entry

    async def remove(self, ctx: Context, served: Served, key: str, entry: Entry, strategy: Strategy) -> None:
        """Delete at the entry's revision, then run the kind's hook. Raises Stale when the object changed meanwhile."""
        try:
            await self.storage.delete(key, entry.revision)
        except storage_errors.RevisionConflict as conflict:
            raise Stale(self.cacher.entry(conflict.current)) from None
        except storage_errors.KeyMissing:
            raise Stale(None) from None
        if strategy.hooks is not None:
            await strategy.hooks.after_delete(ctx, entry.obj)

    # -- admission

    async def admit(
        self, ctx: Context, operation: str, served: Served, subresource: str, namespace: str, name: str,
        obj: Obj | None, old: Obj | None, options: Obj | None,
    ) -> None:  # fmt: skip
        """Mutating admission, on `obj` in place. Raises StatusError."""
        chain = self.admission
        if chain is not None and chain.wants(operation, served.resource, subresource):
            await chain.admit(Attributes(ctx, operation, served.resource, subresource, namespace, name, obj, old, options or {}))

    async def validate(
        self, ctx: Context, operation: str, served: Served, subresource: str, namespace: str, name: str,
        obj: Obj | None, old: Obj | None, options: Obj | None,
    ) -> None:  # fmt: skip
        """Validating admission. Raises StatusError."""
        chain = self.admission
        if chain is not None and chain.wants(operation, served.resource, subresource):
            await chain.validate(Attributes(ctx, operation, served.resource, subresource, namespace, name, obj, old, options or {}))


class Stale(Exception):
    """The store holds `entry` now, not what was worked on."""

    def __init__(self, entry: Entry | None) -> None:
        super().__init__("stale")
        self.entry = entry


def encode(obj: Obj) -> bytes:
    """An object as it is stored: JSON that starts with kind, apiVersion and metadata, without resourceVersion."""
    meta = obj["metadata"]
    if "resourceVersion" in meta:
        meta = {k: v for k, v in meta.items() if k != "resourceVersion"}
    out: Obj = {"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": meta}
    for key, value in obj.items():
        if key not in out:
            out[key] = value
    return orjson.dumps(out)


def _namespace_for(served: Served, namespace: str, obj: Obj) -> str:
    """The namespace that admission is told: that of a Namespace object is its own name."""
    r = served.resource
    if r.plural == "namespaces" and not r.group:
        return str(obj.get("metadata", {}).get("name") or "")
    return namespace


def precondition_failed(served: Served, namespace: str, name: str, what: str, wanted: str, found: str) -> errors.Conflict:
    """The storage layer's conflict when a precondition does not hold."""
    r = served.resource
    return errors.Conflict.of(
        r.group,
        r.plural,
        name,
        f"StorageError: invalid object, Code: 4, Key: {upstream_key(r, namespace, name)}, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}",
    )


def keep_all_but_status(new: Obj, old: Obj) -> None:
    """The default PrepareForUpdate of a status endpoint: status and managedFields come from the request, the rest stays."""
    status = new.get("status")
    meta = dict(old["metadata"])
    request = new["metadata"]
    meta["resourceVersion"] = request.get("resourceVersion", meta["resourceVersion"])
    _copy_or_drop(meta, request, "managedFields")
    new.clear()
    new.update(old)
    new["metadata"] = meta
    if status is None:
        new.pop("status", None)
    else:
        new["status"] = status


def _copy_or_drop(target: Obj, source: Obj, key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)


def _finished(new_meta: Obj, old_meta: Obj) -> bool:
    """Whether this update removed the last finalizer of an object that waits for its deletion (ShouldDeleteDuringUpdate)."""
    return not new_meta.get("finalizers") and "deletionTimestamp" in old_meta and not old_meta.get("deletionGracePeriodSeconds")


_RBAC = "rbac.authorization.k8s.io"


_IDENTITY = frozenset(("metadata", "status"))


def _differs_outside_status(new: Obj, old: Obj) -> bool:
    """Whether anything but metadata and status differs, or a deletion begins."""
    for key, value in new.items():
        if key not in _IDENTITY and old.get(key) != value:
            return True
    return any(key not in new for key in old if key not in _IDENTITY)


def _same(new: Obj, old: Obj) -> bool:
    """Equality, but for the times of managedFields; where only these differ, the old ones are kept."""
    if new.keys() != old.keys():
        return False
    for key, value in new.items():
        if key != "metadata" and value != old[key]:
            return False
    meta, old_meta = new["metadata"], old["metadata"]
    if meta == old_meta:
        return True
    managed, old_managed = meta.get("managedFields") or [], old_meta.get("managedFields") or []
    if len(managed) != len(old_managed):
        return False
    strip = ("managedFields",)
    if {k: v for k, v in meta.items() if k not in strip} != {k: v for k, v in old_meta.items() if k not in strip}:
        return False

    def untimed(entries: Sequence[Obj]) -> Sequence[Obj]:
        return [{k: v for k, v in e.items() if k != "time"} for e in entries]

    if untimed(managed) != untimed(old_managed):
        return False
    if managed:
        meta["managedFields"] = old_managed
    return True
