"""Keeps the usage that ResourceQuotas report (pkg/controller/resourcequota): admission raises it, this puts it right.

A quota is counted from the caches of the kinds that it names, and from nothing else.
"""

from __future__ import annotations

from typing import Any

from controllers.common.pods import same
from controllers.common.resources import shared
from controllers.context import Context
from kubepy.api import meta, usage
from kubepy.api.errors import Conflict, NotFound
from kubepy.api.kinds import Resource
from kubepy.api.quantity import Quantity
from kubepy.client.discovery import Discovered
from kubepy.runtime import Informer, Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

QUOTAS = "resourcequotas"
MEASURED = frozenset((("", "pods"), ("", "services"), ("", "persistentvolumeclaims"), ("resource.k8s.io", "resourceclaims")))
"""Kinds whose content counts; of all others only the number does."""
BATCH_SECONDS = 0.05


def start(ctx: Context) -> None:
    """Register the resource quota controller."""
    _Quotas(ctx)


def count(quota: Obj, kinds: dict[tuple[str, str], list[Obj]], now: float) -> Obj:
    """The status of a quota for the objects of its namespace by kind."""
    hard = quota["spec"].get("hard") or {}
    used = {name: Quantity.of(0) for name in hard}
    for (group, plural), objects in kinds.items():
        names = usage.tracked(group, plural, hard)
        if not names:
            continue
        for obj in objects:
            if usage.in_scope(quota, group, plural, obj):
                for name, amount in usage.usage(group, plural, obj, now).items():
                    if name in names:
                        used[name] = used[name] + amount
    return {"hard": dict(hard), "used": {name: str(amount) for name, amount in used.items()}}


def _limits_changed(kind: str, old: Obj | None, new: Obj) -> bool:
    return kind != "MODIFIED" or old is None or old["spec"] != new["spec"]


class _Quotas:
    def __init__(self, ctx: Context) -> None:
        self._ctx, self._client, self._clock = ctx, ctx.client, ctx.clock
        self._period = ctx.options.resource_quota_sync_period
        self._resources = shared(ctx)
        self._quotas = ctx.informer(QUOTAS)
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._monitors: dict[tuple[str, str], Informer] = {}
        self._controller = ctx.controller("resource-quota", self._sync, workers=5)
        # A change of the status is admission's, and newer than our caches of what it counted: leave it alone.
        self._controller.watch(self._quotas, only=_limits_changed)
        self._resources.on_change(self._served)

    def _served(self, found: Discovered) -> None:
        self._kinds = {
            (r.group, r.plural): r for r in found.preferred() if r.namespaced and {"create", "list", "watch", "delete"} <= set(r.verbs)
        }
        for key in [k for k in self._monitors if k not in self._kinds]:
            del self._monitors[key]

    def _monitor(self, key: tuple[str, str]) -> Informer:
        """The informer of a kind that some quota counts; followed from the first such quota on."""
        known = self._monitors.get(key)
        if known is None:
            resource, factory = self._kinds[key], self._ctx.manager.factory
            known = factory.existing(resource) or factory.informer(resource, metadata_only=key not in MEASURED)
            self._monitors[key] = known
            known.on_event(lambda kind, old, new: self._changed(key, kind, old, new))
        return known

    def _changed(self, key: tuple[str, str], kind: str, old: Obj | None, new: Obj) -> None:
        group, plural = key
        if kind == "ADDED":
            # Admission has counted it; a count of our own, from caches of which one may lag behind, could take that back.
            return
        if kind == "MODIFIED" and old is not None:
            if key not in MEASURED:
                return
            now = self._clock.time()
            if usage.usage(group, plural, old, now) == usage.usage(group, plural, new, now) and meta.deleting(old) == meta.deleting(new):
                return
        for quota in self._quotas.cache.list(meta.namespace(new)):
            if usage.tracked(group, plural, quota["spec"].get("hard") or ()):
                self._controller.enqueue(key_of(quota), after=BATCH_SECONDS)

    async def _sync(self, key: str) -> Result | None:
        quota = self._quotas.cache.get(key)
        if quota is None:
            return None
        await self._resources.current()
        hard = quota["spec"].get("hard") or {}
        kinds: dict[tuple[str, str], list[Obj]] = {}
        for group, plural in [k for k in self._kinds if usage.tracked(*k, hard)]:
            informer = self._monitor((group, plural))
            await informer.synced()
            kinds[group, plural] = informer.cache.list(meta.namespace(quota))
        # Pods that should have gone by now stop counting without any event.
        now = self._clock.time()
        status = count(quota, kinds, now)
        if not same(status, quota.get("status") or {}):
            try:
                await self._client.update_status(QUOTAS, {**quota, "status": status})
            except NotFound:
                return None
            except Conflict:
                return Result(requeue=True)
        going = any(meta.deleting(p) for p in kinds.get(("", "pods"), ()))
        # What admission counted for a creation that failed afterwards is put right by the next full count.
        return Result(after=30.0 if going else self._period)
