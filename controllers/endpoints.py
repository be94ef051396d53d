"""Endpoints of Services with a selector (pkg/controller/endpoint): at most 1,000 addresses, packed into subsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from controllers.common import pods, services
from controllers.common.podcontrol import namespace_terminating
from controllers.context import Context
from kubepy.api import meta
from kubepy.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]
Port = tuple[str, int, str, str]
"""Name, number, protocol, application protocol."""

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
TRIGGER = "endpoints.kubernetes.io/last-change-trigger-time"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
HEADLESS = "service.kubernetes.io/headless"
CAPACITY = 1000


def start(ctx: Context) -> None:
    """Register the Endpoints controller."""
    _Endpoints(ctx)


def subsets(service: Obj, members: Iterable[Obj]) -> list[Obj]:
    """The packed subsets for a Service's pods (syncService; endpoints.RepackSubsets)."""
    spec = service["spec"]
    publish = bool(spec.get("publishNotReadyAddresses"))
    family = (spec.get("ipFamilies") or ["IPv4"])[0]
    addresses: dict[str, tuple[bool, Obj]] = {}
    by_port: dict[Port, set[str]] = {}
    bare: set[str] = set()
    for pod in members:
        if not services.has_address(pod, publish):
            continue
        ips = services.addresses(pod, family)
        if not ips:
            continue
        address: Obj = {"ip": ips[0]}
        if host := services.hostname(pod, service):
            address["hostname"] = host
        # Of a pod without node the name is empty, not absent: the server refuses that, and the write is tried until there is one.
        address["nodeName"] = pod.get("spec", {}).get("nodeName", "")
        address["targetRef"] = services.target_ref(pod)
        uid = meta.uid(pod)
        addresses[uid] = (publish or pods.is_ready(pod), address)
        for port in spec.get("ports") or ():
            number = services.find_port(pod, port)
            if number is not None:
                key = (port.get("name", ""), number, port.get("protocol", "TCP"), port.get("appProtocol", ""))
                by_port.setdefault(key, set()).add(uid)
        if services.is_headless(service) and not spec.get("ports"):
            bare.add(uid)
    # Ports that the very same pods serve share a subset.
    shared: dict[frozenset[str], list[Port]] = {}
    for key, uids in by_port.items():
        shared.setdefault(frozenset(uids), []).append(key)
    if bare:
        shared[frozenset(bare)] = []
    out = []
    for members_of, ports in shared.items():
        subset: Obj = {}
        entries = [addresses[uid] for uid in members_of]
        for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
            found = sorted((a for r, a in entries if r is wanted), key=lambda a: (a["ip"], a["targetRef"]["uid"]))
            if found:
                subset[field] = found
        if ports:
            subset["ports"] = [_port(*p) for p in sorted(ports, key=_hash)]
        out.append(subset)
    return sorted(out, key=lambda s: str(s.get("ports")))


def _hash(port: Port) -> int:
    """Upstream's order of ports: FNV-1a of 128 bits over the port as Go prints it (portsByHash)."""
    name, number, protocol, app_protocol = port
    shown = f"(*string){app_protocol}" if app_protocol else "(*string)<nil>"
    text = f"(v1.EndpointPort){{Name:(string){name} Port:(int32){number} Protocol:(v1.Protocol){protocol} AppProtocol:{shown}}}"
    state = 0x6C62272E07BB014262B821756295C58D
    for byte in text.encode():
        state = ((state ^ byte) * 0x0000000001000000000000000000013B) & ((1 << 128) - 1)
    return state


def _port(name: str, number: int, protocol: str, app_protocol: str) -> Obj:
    out: Obj = {"name": name} if name else {}
    out.update(port=number, protocol=protocol)
    if app_protocol:
        out["appProtocol"] = app_protocol
    return out


def truncate(found: Sequence[Obj]) -> tuple[list[Obj], bool]:
    """At most CAPACITY addresses, ready ones first, in proportion over the subsets; whether some were left out."""
    ready = sum(len(s.get("addresses", ())) for s in found)
    total = ready + sum(len(s.get("notReadyAddresses", ())) for s in found)
    if total <= CAPACITY:
        return list(found), False
    left_ready = min(ready, CAPACITY)
    left_other = CAPACITY - left_ready
    out = []
    for subset in found:
        cut = dict(subset)
        if "addresses" in subset:
            cut["addresses"] = subset["addresses"][: max(1, len(subset["addresses"]) * left_ready // ready)]
        other = subset.get("notReadyAddresses", ())
        keep = len(other) * left_other // (total - ready) if total > ready else 0
        cut.pop("notReadyAddresses", None)
        if keep:
            cut["notReadyAddresses"] = other[:keep]
        if cut.get("addresses") or cut.get("notReadyAddresses"):
            out.append(cut)
    return out, True


class _Endpoints:
    def __init__(self, ctx: Context) -> None:
        self._client = ctx.client
        self._recorder = ctx.recorder("endpoint-controller")
        self._services, self._pods, self._endpoints = ctx.informer("services"), ctx.informer("pods"), ctx.informer("endpoints")
        self._services.cache.add_index("selector", services.by_selector)
        self._pods.cache.add_index("label", pods.by_label)
        self._times = services.TriggerTimes()
        self._controller = ctx.controller("endpoint", self._sync, workers=5)
        self._controller.watch(self._services)
        self._controller.watch(self._endpoints, only=lambda kind, old, new: kind == "DELETED")
        self._controller.depends(self._pods)
        self._pods.on_event(self._pod_changed)

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        for key in services.concerned(self._services.cache, kind, old, new):
            self._controller.enqueue(key)

    async def _sync(self, key: str) -> None:
        namespace, _, name = key.partition("/")
        service = self._services.cache.get(key)
        if service is None:
            self._times.forget(key)
            if self._endpoints.cache.get(key) is not None:
                try:
                    await self._client.delete("endpoints", name, namespace)
                except NotFound:
                    return
            return
        spec = service["spec"]
        if spec.get("type") == "ExternalName" or not spec.get("selector"):
            return
        members = services.selected(self._pods.cache, namespace, spec["selector"])
        told = self._times.seen(key)
        trigger = self._times.compute(key_of(service), service, members)
        wanted, over = truncate(subsets(service, members))
        current = self._endpoints.cache.get(key)
        labels = {k: v for k, v in meta.labels(service).items() if k != HEADLESS}
        if services.is_headless(service):
            labels[HEADLESS] = ""
        labels[MANAGED_BY] = "endpoint-controller"
        annotations = dict(meta.annotations(current)) if current is not None else {}
        was_over = annotations.pop(OVER_CAPACITY, None) == "truncated"
        if current is not None and pods.same(current.get("subsets") or [], wanted) and meta.labels(current) == labels and was_over == over:
            return
        annotations.pop(TRIGGER, None)
        if trigger:
            annotations[TRIGGER] = trigger
        if over:
            annotations[OVER_CAPACITY] = "truncated"
        try:
            await self._write(service, current, {"labels": labels, "annotations": annotations}, wanted)
        except StatusError:
            self._times.restore(key, told)
            raise

    async def _write(self, service: Obj, current: Obj | None, metadata: Obj, wanted: list[Obj]) -> None:
        try:
            if current is None:
                metadata = {"name": meta.name(service), "namespace": meta.namespace(service), **metadata}
                await self._client.create("endpoints", {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": wanted})
            else:
                await self._client.update("endpoints", {**current, "metadata": {**current["metadata"], **metadata}, "subsets": wanted})
        except (AlreadyExists, Conflict):
            # The cache lags behind a write of ours; the event of that comes back here.
            raise
        except StatusError as e:
            if current is None and namespace_terminating(e):
                return
            reason, verb = ("FailedToCreateEndpoint", "create") if current is None else ("FailedToUpdateEndpoint", "update")
            text = f"Failed to {verb} endpoint {key_of(service)}: {e}"
            self._recorder.event(current or service, "Warning", reason, text)
            raise
