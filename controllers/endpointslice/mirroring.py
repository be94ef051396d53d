"""Mirrors Endpoints that a user keeps for a Service without selector into EndpointSlices (pkg/controller/endpointslicemirroring)."""

from __future__ import annotations

import ipaddress
from typing import Any

from controllers.context import Context
from controllers.endpointslice import plan
from controllers.endpointslice.sync import by_service
from controllers.endpointslice.writer import SLICES, Writer
from kubepy.api import meta
from kubepy.runtime import Result

Obj = dict[str, Any]

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ENDPOINTS = 1000


def start(ctx: Context) -> None:
    """Register the mirroring controller."""
    _Mirror(ctx)


def is_mirrored(endpoints: Obj) -> bool:
    """Whether these Endpoints want a mirror at all."""
    labels = meta.labels(endpoints)
    if labels.get(SKIP) == "true" or LEADER in meta.annotations(endpoints):
        return False
    return "endpoints.kubernetes.io/managed-by" not in labels or not labels["endpoints.kubernetes.io/managed-by"]


def endpoint(address: Obj, ready: bool) -> Obj:
    """An address of Endpoints as an endpoint of a slice."""
    out: Obj = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for field in ("hostname", "nodeName", "targetRef"):
        if address.get(field):
            out[field] = address[field]
    return out


def desired(subsets: list[Obj]) -> tuple[dict[str, tuple[dict[plan.Ports, list[Obj]], dict[plan.Ports, list[Obj]]]], int]:
    """(address type → (endpoints by ports, the ports), how many addresses are left out); ready ones come first."""
    out: dict[str, tuple[dict[plan.Ports, list[Obj]], dict[plan.Ports, list[Obj]]]] = {}
    skipped = 0
    for subset in subsets:
        ports = [{"name": p.get("name", ""), **{k: v for k, v in p.items() if k != "name"}} for p in subset.get("ports") or ()]
        key = plan.ports_key(ports)
        entries = [(address, ready) for f, ready in (("addresses", True), ("notReadyAddresses", False)) for address in subset.get(f) or ()]
        skipped += max(0, len(entries) - MAX_ENDPOINTS)
        for address, ready in entries[:MAX_ENDPOINTS]:
            family = "IPv6" if ipaddress.ip_address(address["ip"]).version == 6 else "IPv4"
            found, known = out.setdefault(family, ({}, {}))
            known[key] = ports
            found.setdefault(key, []).append(endpoint(address, ready))
    return out, skipped


class _Mirror:
    def __init__(self, ctx: Context) -> None:
        self._recorder = ctx.recorder("endpoint-slice-mirroring-controller")
        self._endpoints, self._services, self._slices = ctx.informer("endpoints"), ctx.informer("services"), ctx.informer(SLICES)
        self._slices.cache.add_index("service", by_service)
        self._writer = Writer(ctx.client)
        self._controller = ctx.controller("endpointslicemirroring", self._sync, workers=5)
        self._controller.watch(self._endpoints, only=lambda kind, old, new: is_mirrored(new) or (old is not None and is_mirrored(old)))
        self._controller.watch(self._services)
        self._controller.depends(self._slices)
        self._slices.on_event(self._slice_changed)

    def _slice_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        labels = meta.labels(new)
        if labels.get(plan.MANAGED_BY) == CONTROLLER and (name := labels.get(plan.NAME_LABEL)):
            key = f"{meta.namespace(new)}/{name}"
            if kind == "DELETED":
                self._writer.seen_deleted(key, new)
            self._controller.enqueue(key)

    async def _sync(self, key: str) -> Result | None:
        existing = [p for p in self._slices.cache.by_index("service", f"{CONTROLLER}:{key}") if not meta.deleting(p)]
        endpoints, service = self._endpoints.cache.get(key), self._services.cache.get(key)
        wanted = (
            endpoints is not None and service is not None and is_mirrored(endpoints) and not service["spec"].get("selector")
        )  # fmt: skip
        if self._writer.is_stale(key, existing):
            return Result(after=1.0)
        if not wanted or endpoints is None:
            if existing:
                await self._writer.write(key, key.partition("/")[0], plan.Changes(delete=existing))
            if endpoints is None:
                self._writer.forget(key)
            return None
        await self._mirror(key, endpoints, existing)
        return None

    async def _mirror(self, key: str, endpoints: Obj, existing: list[Obj]) -> None:
        labels = {k: v for k, v in meta.labels(endpoints).items() if k not in (plan.NAME_LABEL, plan.MANAGED_BY)}
        labels.update({plan.NAME_LABEL: meta.name(endpoints), plan.MANAGED_BY: CONTROLLER})
        annotations = {k: v for k, v in meta.annotations(endpoints).items() if k not in (LAST_APPLIED, plan.TRIGGER)}
        by_family, skipped = desired(endpoints.get("subsets") or [])
        if skipped:
            text = (
                f"A max of {MAX_ENDPOINTS} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                f"{skipped} addresses were skipped"
            )
            self._recorder.event(endpoints, "Warning", "TooManyAddressesToMirror", text)
        changes = plan.Changes(delete=[p for p in existing if p["addressType"] not in by_family])
        for family, (found, ports) in by_family.items():

            def blank(port_list: list[Obj], family: str = family) -> Obj:
                metadata = {
                    "generateName": f"{meta.name(endpoints)}-", "namespace": meta.namespace(endpoints), "labels": labels,
                    "annotations": annotations, "ownerReferences": [meta.controller_ref(endpoints)],
                }  # fmt: skip
                return {
                    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": family,
                    "endpoints": [], "ports": port_list,
                }  # fmt: skip

            mine = [p for p in existing if p["addressType"] == family]
            part = plan.reconcile(mine, found, ports, blank, lambda piece: labels, MAX_ENDPOINTS)
            changes.create += part.create
            changes.update += part.update
            changes.delete += part.delete
        changes.update = [{**p, "metadata": {**p["metadata"], "annotations": annotations}} for p in changes.update]
        await self._writer.write(key, meta.namespace(endpoints), changes)
