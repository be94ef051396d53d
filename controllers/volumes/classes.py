"""Keeps VolumeAttributesClasses while claims or volumes use them (pkg/controller/volume/vacprotection)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from controllers.context import Context
from controllers.volumes.binder import CLAIMS, VOLUMES
from kubepy.api import meta
from kubepy.api.errors import NotFound

Obj = dict[str, Any]
CLASSES, FINALIZER = "volumeattributesclasses.storage.k8s.io", "kubernetes.io/vac-protection"


def users(obj: Obj) -> list[str]:
    """Index function: the classes that a claim or volume names, wants or has."""
    status = obj.get("status", {})
    target = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    names = (obj["spec"].get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target)
    return sorted({n for n in names if n})


def start(ctx: Context) -> None:
    """Register the protection."""
    classes, claims, volumes = ctx.informer(CLASSES), ctx.informer(CLAIMS), ctx.informer(VOLUMES)
    for informer in (claims, volumes):
        informer.cache.add_index("attributes", users)

    async def reconcile(name: str) -> None:
        found = classes.cache.get(name)
        if found is None:
            return
        finalizers = list(meta.finalizers(found))
        if not meta.deleting(found):
            wanted = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]
        elif claims.cache.by_index("attributes", name) or volumes.cache.by_index("attributes", name):
            wanted = finalizers
        else:
            wanted = [f for f in finalizers if f != FINALIZER]
        if wanted != finalizers:
            with suppress(NotFound):
                await ctx.client.update(CLASSES, {**found, "metadata": {**found["metadata"], "finalizers": wanted}})

    controller = ctx.controller("volumeattributesclass-protection", reconcile, workers=1)
    controller.watch(classes, only=lambda kind, old, new: kind != "DELETED")
    controller.watch(claims, users)
    controller.watch(volumes, users)
