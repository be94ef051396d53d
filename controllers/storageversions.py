"""StorageVersions of API servers that are gone (pkg/controller/storageversiongc): their entries go with their lease."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import Conflict, NotFound

Obj = dict[str, Any]
VERSIONS, LEASES = "storageversions.internal.apiserver.k8s.io", "leases.coordination.k8s.io"


def start(ctx: Context) -> None:
    """Register the collector; a server that does not serve StorageVersions gives it nothing to do."""
    leases = ctx.informer(LEASES, namespace="kube-system", label_selector="apiserver.kubernetes.io/identity=kube-apiserver")

    async def reconcile(lease: str) -> None:
        try:
            found = await ctx.client.list(VERSIONS)
        except NotFound:
            return
        for version in found.get("items") or ():
            servers = version.get("status", {}).get("storageVersions") or []
            left = [s for s in servers if s["apiServerID"] != lease]
            if len(left) == len(servers):
                continue
            with suppress(NotFound, Conflict):
                if left:
                    await ctx.client.update_status(VERSIONS, {**version, "status": {**version["status"], "storageVersions": left}})
                else:
                    await ctx.client.delete(VERSIONS, meta.name(version))

    controller = ctx.controller("storage-version-gc", reconcile, workers=1)
    controller.watch(leases, lambda lease: [meta.name(lease)], only=lambda kind, old, new: kind == "DELETED")
