"""ServiceCIDRs: ready while they stand, kept by a finalizer while addresses need them (pkg/controller/servicecidrs)."""

from __future__ import annotations

import ipaddress
from typing import Any

from controllers.common.pods import condition
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.runtime import Result
from kubepy.runtime.clock import format_time, parse_time

Obj = dict[str, Any]

CIDRS, ADDRESSES = "servicecidrs.networking.k8s.io", "ipaddresses.networking.k8s.io"
FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GRACE = 10.0
"""Seconds that allocators get to learn of a deletion before the range may go."""
TERMINATING = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
)  # fmt: skip


def start(ctx: Context) -> None:
    """Register the ServiceCIDR controller."""
    cidrs, addresses = ctx.informer(CIDRS), ctx.informer(ADDRESSES)

    def removable(cidr: Obj) -> bool:
        """Whether every address of the range lies in another range too."""
        ranges = [ipaddress.ip_network(c) for c in cidr["spec"].get("cidrs") or ()]
        others = [
            ipaddress.ip_network(c)
            for other in cidrs.cache.list()
            if meta.uid(other) != meta.uid(cidr) and not meta.deleting(other)
            for c in other["spec"].get("cidrs") or ()
        ]
        for address in addresses.cache.list():
            ip = ipaddress.ip_address(meta.name(address))
            if any(ip in r for r in ranges) and not any(ip in o for o in others):
                return False
        return True

    async def set_ready(cidr: Obj, status: str, reason: str, message: str) -> None:
        present = condition(cidr, "Ready")
        if present is not None and (present["status"], present.get("reason", "")) == (status, reason):
            return
        entry = {
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": format_time(ctx.clock.time()),
        }
        others = [c for c in cidr.get("status", {}).get("conditions") or () if c["type"] != "Ready"]
        await ctx.client.update_status(CIDRS, {**cidr, "status": {**cidr.get("status", {}), "conditions": [*others, entry]}})

    async def reconcile(name: str) -> Result | None:
        cidr = cidrs.cache.get(name)
        if cidr is None:
            return None
        finalizers = list(meta.finalizers(cidr))
        try:
            if not meta.deleting(cidr):
                if FINALIZER not in finalizers:
                    metadata = {**cidr["metadata"], "finalizers": [*finalizers, FINALIZER]}
                    cidr = await ctx.client.update(CIDRS, {**cidr, "metadata": metadata})
                await set_ready(cidr, "True", "", "Kubernetes Service CIDR is ready")
                return None
            if FINALIZER not in finalizers:
                return None
            if not removable(cidr):
                await set_ready(cidr, "False", "Terminating", TERMINATING)
                return None
            left = parse_time(cidr["metadata"]["deletionTimestamp"]) + GRACE - ctx.clock.time()
            if left > 0:
                return Result(after=left)
            metadata = {**cidr["metadata"], "finalizers": [f for f in finalizers if f != FINALIZER]}
            await ctx.client.update(CIDRS, {**cidr, "metadata": metadata})
        except NotFound:
            return None
        return None

    controller = ctx.controller("service-cidr", reconcile, workers=2)
    controller.watch(cidrs, only=lambda kind, old, new: kind != "DELETED")

    def freed(kind: str, old: Obj | None, new: Obj) -> None:
        """Ranges that wait to go care for addresses that went, or for ranges that came."""
        for cidr in cidrs.cache.list():
            if meta.deleting(cidr):
                controller.enqueue(meta.name(cidr))

    controller.depends(addresses)
    addresses.on_event(lambda kind, old, new: freed(kind, old, new) if kind == "DELETED" else None)
    cidrs.on_event(lambda kind, old, new: freed(kind, old, new) if kind == "ADDED" else None)
