"""Growing claims: local-path volumes at once, all others are left to their external resizer (pkg/controller/volume/expand)."""

from __future__ import annotations

from typing import Any

from controllers.context import Context
from controllers.volumes import localpath, match
from controllers.volumes.binder import CLAIMS, VOLUMES
from kubepy.api import meta
from kubepy.api.quantity import parse

Obj = dict[str, Any]


def start(ctx: Context) -> None:
    """Register the expander."""
    claims, volumes = ctx.informer(CLAIMS), ctx.informer(VOLUMES)
    recorder = ctx.recorder("volume_expand")

    async def reconcile(key: str) -> None:
        claim = claims.cache.get(key)
        if claim is None or claim.get("status", {}).get("phase") != "Bound":
            return
        present = (claim["status"].get("capacity") or {}).get("storage")
        wanted = ((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")
        volume = volumes.cache.get(claim["spec"].get("volumeName") or "")
        if present is None or wanted is None or volume is None or parse(wanted) <= parse(present):
            return
        if meta.annotations(volume).get(match.PROVISIONED_BY) != localpath.PROVISIONER:
            text = "waiting for an external controller to expand this PVC"
            recorder.event(claim, "Normal", "ExternalExpanding", text)
            return
        # A folder has no size of its own.
        if match.capacity(volume) < parse(wanted):
            spec = {**volume["spec"], "capacity": {**volume["spec"]["capacity"], "storage": wanted}}
            await ctx.client.update(VOLUMES, {**volume, "spec": spec})
        status = {**claim["status"], "capacity": {**claim["status"]["capacity"], "storage": wanted}}
        await ctx.client.update_status(CLAIMS, {**claim, "status": status})

    def grown(kind: str, old: Obj | None, new: Obj) -> bool:
        return kind != "DELETED"

    controller = ctx.controller("volume-expand", reconcile, workers=2)
    controller.watch(claims, only=grown)
    controller.depends(volumes)
