"""Finalizers that keep claims while pods use them and volumes while claims do (pkg/controller/volume/pvcprotection, pvprotection)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from controllers.volumes.binder import CLAIMS, VOLUMES, pod_claims
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.runtime import Informer

Obj = dict[str, Any]

CLAIM_FINALIZER, VOLUME_FINALIZER = "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"


async def _set(ctx: Context, resource: str, obj: Obj, finalizers: list[str]) -> None:
    try:
        await ctx.client.update(resource, {**obj, "metadata": {**obj["metadata"], "finalizers": finalizers}})
    except NotFound:
        return


def _uses(pod: Obj, key: str) -> bool:
    """Whether a pod on a node mounts the claim; before it has a node the kubelet will refuse the claim by itself."""
    return bool(pod["spec"].get("nodeName")) and key in pod_claims(pod)


def start_claims(ctx: Context) -> None:
    """Register the protection of claims."""
    claims, pods = ctx.informer(CLAIMS), ctx.informer("pods")
    pods.cache.add_index("claim", pod_claims)

    async def reconcile(key: str) -> None:
        claim = claims.cache.get(key)
        if claim is None:
            return
        finalizers = list(meta.finalizers(claim))
        if not meta.deleting(claim):
            if CLAIM_FINALIZER not in finalizers:
                await _set(ctx, CLAIMS, claim, [*finalizers, CLAIM_FINALIZER])
            return
        if CLAIM_FINALIZER in finalizers and not await _in_use(ctx, pods, key):
            await _set(ctx, CLAIMS, claim, [f for f in finalizers if f != CLAIM_FINALIZER])

    controller = ctx.controller("pvc-protection", reconcile, workers=1)
    controller.watch(claims, only=lambda kind, old, new: kind != "DELETED")

    def freed(kind: str, old: Obj | None, new: Obj) -> None:
        """Only claims that wait to go care for pods."""
        ended = kind == "DELETED" or new.get("status", {}).get("phase") in ("Succeeded", "Failed")
        for key in pod_claims(new) if ended else ():
            claim = claims.cache.get(key)
            if claim is not None and meta.deleting(claim):
                controller.enqueue(key)

    controller.depends(pods)
    pods.on_event(freed)


async def _in_use(ctx: Context, pods: Informer, key: str) -> bool:
    """Ask the cache; only if it knows no user ask the server, which may know a newer one."""
    if any(_uses(p, key) for p in pods.cache.by_index("claim", key)):
        return True
    live = await ctx.client.list("pods", key.partition("/")[0])
    return any(_uses(p, key) for p in live.get("items") or ())


def start_volumes(ctx: Context) -> None:
    """Register the protection of volumes."""
    volumes = ctx.informer(VOLUMES)

    async def reconcile(name: str) -> None:
        volume = volumes.cache.get(name)
        if volume is None:
            return
        finalizers = list(meta.finalizers(volume))
        if not meta.deleting(volume):
            if VOLUME_FINALIZER not in finalizers:
                await _set(ctx, VOLUMES, volume, [*finalizers, VOLUME_FINALIZER])
        elif VOLUME_FINALIZER in finalizers and volume.get("status", {}).get("phase") != "Bound":
            await _set(ctx, VOLUMES, volume, [f for f in finalizers if f != VOLUME_FINALIZER])

    ctx.controller("pv-protection", reconcile, workers=1).watch(volumes, only=lambda kind, old, new: kind != "DELETED")
