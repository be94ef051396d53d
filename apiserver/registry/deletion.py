"""Deletion of any kind: graceful periods, finalizers of the garbage collector, preconditions, whole collections.

Upstream: apiserver pkg/registry/rest/delete.go and the Delete* parts of pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.context import Context, Obj
from apiserver.registry import objectmeta
from apiserver.registry.catalog import Served
from apiserver.registry.store import Registry, Stale, encode
from apiserver.registry.strategy import Strategy
from apiserver.storage import interface
from apiserver.storage.cacher import Entry
from kubepy.api import errors

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"

RETURN_DELETED = frozenset(
    (
        ("", "pods"),
        ("", "services"),
        ("", "serviceaccounts"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "persistentvolumes"),
        ("", "persistentvolumeclaims"),
        ("storage.k8s.io", "storageclasses"),
        ("storage.k8s.io", "volumeattachments"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "volumeattributesclasses"),
        ("resource.k8s.io", "deviceclasses"),
        ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourceclaimtemplates"),
        ("resource.k8s.io", "resourceslices"),
    )
)
"""Kinds whose deletion answers with the object; that of the others answers with a Status."""

_ORPHANS_BY_DEFAULT = frozenset((("", "replicationcontrollers"), ("batch", "jobs")))
_NEVER_COLLECTED = frozenset((("", "events"), ("events.k8s.io", "events")))
COLLECTION_WORKERS = 16


@dataclass(slots=True)
class Deleted:
    """`obj` is the object as it was or now is; `gone` whether it left the store; `status` whether to answer with a Status."""

    obj: Obj
    gone: bool
    as_status: bool
    entry: Entry | None = None


@dataclass(slots=True)
class _Options:
    grace: int | None
    policy: str | None
    orphan: bool | None
    uid: str | None
    resource_version: str | None

    @classmethod
    def of(cls, raw: Obj) -> _Options:
        conditions = raw.get("preconditions") or {}
        grace = raw.get("gracePeriodSeconds")
        return cls(
            1 if grace is not None and grace < 0 else grace,
            raw.get("propagationPolicy"),
            raw.get("orphanDependents"),
            conditions.get("uid"),
            conditions.get("resourceVersion"),
        )


async def delete(
    registry: Registry,
    ctx: Context,
    served: Served,
    namespace: str,
    name: str,
    options: Obj,
    *,
    strategy: Strategy | None = None,
    subresource: str = "",
) -> Deleted:
    """Delete one object, or begin to. `options` is a metav1.DeleteOptions. Raises NotFound, Conflict, Forbidden, …"""
    served = served.work
    r = served.resource
    strategy = strategy or served.strategy
    key = r.key(namespace, name)
    entry = registry.cacher.get(r.storage_prefix, key)
    certain = False
    while True:
        if entry is None and not certain:
            kv = await registry.storage.get(key)
            entry, certain = (registry.cacher.entry(kv) if kv is not None else None), True
        if entry is None:
            raise errors.NotFound.of(r.group, r.plural, name)
        try:
            return await _delete_once(registry, ctx, served, namespace, name, key, entry, dict(options), strategy, subresource)
        except Stale as stale:
            entry, certain = stale.entry, True
        except errors.Conflict:
            if certain:
                raise
            kv = await registry.storage.get(key)
            current = registry.cacher.entry(kv) if kv is not None else None
            if current is not None and current.revision == entry.revision:
                raise
            entry, certain = current, True


async def _delete_once(
    registry: Registry, ctx: Context, served: Served, namespace: str, name: str, key: str, entry: Entry, raw: Obj,
    strategy: Strategy, subresource: str,
) -> Deleted:  # fmt: skip
    r = served.resource
    options = _Options.of(raw)
    old = await registry.load(served, entry)
    meta = old["metadata"]
    _check_preconditions(served, meta, options)
    space = name if r.plural == "namespaces" and not r.group else namespace
    returns = (r.group, r.plural) in RETURN_DELETED

    now = time.time()
    updated, graceful, pending = _begin_grace(old, strategy, options, raw, now)
    if pending:
        return Deleted(old, False, not returns, entry)
    # Of a whole collection, admission is told no names.
    told = "" if ctx.info.verb == "deletecollection" else name
    await registry.admit(ctx, "DELETE", served, subresource, space, told, None, old, raw)
    await registry.validate(ctx, "DELETE", served, subresource, space, told, None, old, raw)
    if r.plural == "namespaces" and not r.group:
        return await _terminate_namespace(registry, ctx, served, key, entry, old, options, strategy, now)

    if strategy.terminate is not None and "deletionTimestamp" not in meta:
        begun = strategy.terminate(old, objectmeta.timestamp(now))
        return Deleted(begun, False, False, await _store(registry, ctx, served, key, entry, begun, strategy))

    finalizers = collector_finalizers(r.group, r.plural, meta.get("finalizers") or [], options.policy, options.orphan)
    changed = set(finalizers) != set(meta.get("finalizers") or [])
    if graceful or finalizers or changed:
        new = updated or _copied(old)
        new_meta = new["metadata"]
        if changed:
            _set(new_meta, "finalizers", finalizers)
        if not graceful and finalizers:
            mark_deleting(new_meta, now)
        if graceful or finalizers:
            stored = await _store(registry, ctx, served, key, entry, new, strategy)
            if finalizers or (options.grace or 0) > 0:
                return Deleted(new, False, False, stored)
            if ctx.dry_run:
                return Deleted(new, True, not returns)
            if stored is not None:
                entry = stored
            old = new
    if not ctx.dry_run:
        try:
            await registry.remove(ctx, served, key, entry, strategy)
        except Stale as stale:
            if not graceful or stale.entry is not None:
                raise
            # It was seen going, and whoever runs it was quicker to remove it: that is what was asked for (issue 19403 upstream).
    return Deleted(old, True, not returns)


async def _store(registry: Registry, ctx: Context, served: Served, key: str, entry: Entry, new: Obj, strategy: Strategy) -> Entry | None:
    """Write unless it is a dry run or nothing changed; returns what is stored then. Raises Stale."""
    if ctx.dry_run:
        return None
    if encode(new) == entry.value:
        return entry
    try:
        return await registry.put(served, key, new, entry.revision, strategy)
    except interface.RevisionConflict as conflict:
        raise Stale(registry.cacher.entry(conflict.current)) from None
    except interface.KeyMissing:
        raise Stale(None) from None


def _check_preconditions(served: Served, meta: Obj, options: _Options) -> None:
    r = served.resource
    name = meta["name"]
    if options.uid is not None and options.uid != meta["uid"]:
        raise errors.Conflict.of(
            r.group,
            r.kind,
            name,
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated",
        )
    if options.resource_version is not None and options.resource_version != meta["resourceVersion"]:
        raise errors.Conflict.of(
            r.group,
            r.kind,
            name,
            f"the ResourceVersion in the precondition ({options.resource_version}) does not match the ResourceVersion in record "
            f"({meta['resourceVersion']}). The object might have been modified",
        )


def _copied(obj: Obj) -> Obj:
    return {**obj, "metadata": dict(obj["metadata"])}


def _set(meta: Obj, key: str, value: Sequence[Any]) -> None:
    if value:
        meta[key] = list(value)
    else:
        meta.pop(key, None)


def _begin_grace(old: Obj, strategy: Strategy, options: _Options, raw: Obj, now: float) -> tuple[Obj | None, bool, bool]:
    """(the object with its deletion begun, graceful, already pending): rest.BeforeDelete. Sets options.grace."""
    if strategy.graceful is None:
        return None, False, False
    meta = old["metadata"]
    if "deletionTimestamp" in meta:
        remaining = meta.get("deletionGracePeriodSeconds")
        if not remaining:
            return None, False, False
        if options.grace is None:
            options.grace = remaining
            return None, False, True
        period = options.grace
        if period >= remaining:
            return None, False, True
        at = objectmeta.unix(meta["deletionTimestamp"]) - remaining + period
        if at < now:
            at = now
            period = 1 if period else 0
        new = _copied(old)
        new["metadata"]["deletionTimestamp"] = objectmeta.timestamp(at)
        new["metadata"]["deletionGracePeriodSeconds"] = period
        return new, True, False
    given = {**raw}
    if options.grace is not None:
        given["gracePeriodSeconds"] = options.grace
    period_or_none = strategy.graceful(old, given)
    if period_or_none is None:
        return None, False, False
    options.grace = int(period_or_none)
    new = _copied(old)
    new_meta = new["metadata"]
    new_meta["deletionTimestamp"] = objectmeta.timestamp(now + options.grace)
    new_meta["deletionGracePeriodSeconds"] = options.grace
    if new_meta.get("generation", 0) > 0:
        new_meta["generation"] += 1
    return new, True, False


def mark_deleting(meta: Obj, now: float) -> None:
    """Deletion without grace of an object that has finalizers left."""
    if "deletionTimestamp" not in meta:
        if meta.get("generation", 0) > 0:
            meta["generation"] += 1
        meta["deletionTimestamp"] = objectmeta.timestamp(now)
    elif objectmeta.unix(meta["deletionTimestamp"]) > now:
        meta["deletionTimestamp"] = objectmeta.timestamp(now)
    meta["deletionGracePeriodSeconds"] = 0


def collector_finalizers(group: str, plural: str, present: Sequence[str], policy: str | None, orphan: bool | None) -> list[str]:
    """The finalizers after the garbage collector's two have been set or removed as the options, the object, or the kind say."""
    kept = [f for f in present if f not in (ORPHAN, FOREGROUND)]
    if (group, plural) in _NEVER_COLLECTED:
        return kept
    if orphan is not None:
        return [*kept, ORPHAN] if orphan else kept
    if policy is not None:
        return [*kept, *{"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])]
    for f in present:
        if f in (ORPHAN, FOREGROUND):
            return [*kept, f]
    return [*kept, ORPHAN] if (group, plural) in _ORPHANS_BY_DEFAULT else kept


async def _terminate_namespace(
    registry: Registry, ctx: Context, served: Served, key: str, entry: Entry, old: Obj, options: _Options, strategy: Strategy, now: float
) -> Deleted:
    """Namespaces wait in phase Terminating until their spec.finalizers are empty (pkg/registry/core/namespace/storage)."""
    meta = old["metadata"]
    if "deletionTimestamp" not in meta:
        new = _copied(old)
        new_meta = new["metadata"]
        new_meta["deletionTimestamp"] = objectmeta.timestamp(now)
        if new_meta.get("generation", 0) > 0:
            new_meta["generation"] += 1
        new["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
        finalizers = [f for f in meta.get("finalizers") or [] if f not in (ORPHAN, FOREGROUND)]
        if options.orphan or (options.orphan is None and options.policy == "Orphan"):
            finalizers.append(ORPHAN)
        elif options.orphan is None and options.policy == "Foreground":
            finalizers.append(FOREGROUND)
        _set(new_meta, "finalizers", finalizers)
        stored = await _store(registry, ctx, served, key, entry, new, strategy)
        if finalizers or (new.get("spec") or {}).get("finalizers") or ctx.dry_run:
            return Deleted(new, False, False, stored)
        entry, old = stored or entry, new
    elif (old.get("spec") or {}).get("finalizers") or meta.get("finalizers"):
        return Deleted(old, False, False, entry)
    if not ctx.dry_run:
        await registry.remove(ctx, served, key, entry, strategy)
    return Deleted(old, True, True)


async def delete_many(registry: Registry, ctx: Context, served: Served, targets: Sequence[tuple[str, str]], options: Obj) -> None:
    """Delete (namespace, name) pairs, several at a time; what is already gone is fine. Raises the first error."""
    queue = iter(targets)

    async def worker() -> None:
        for namespace, name in queue:
            try:
                await delete(registry, ctx, served, namespace, name, dict(options))
            except errors.NotFound:
                continue

    workers = [asyncio.create_task(worker()) for _ in range(min(COLLECTION_WORKERS, len(targets)))]
    try:
        for task in workers:
            await task
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


__all__ = ["Deleted", "collector_finalizers", "delete", "delete_many", "mark_deleting"]
