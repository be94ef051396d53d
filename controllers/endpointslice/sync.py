"""The EndpointSlice controller: slices for every Service with a selector (pkg/controller/endpointslice)."""

from __future__ import annotations

from typing import Any

from controllers.common import pods, services
from controllers.common.podcontrol import namespace_terminating
from controllers.context import Context
from controllers.endpointslice import plan, topology
from controllers.endpointslice.writer import SLICES, Writer
from kubepy.api import meta
from kubepy.api.errors import Conflict, StatusError
from kubepy.runtime import Result
from kubepy.runtime.cache import key_of

Obj = dict[str, Any]

CONTROLLER = "endpointslice-controller.k8s.io"
MAX_ENDPOINTS = 100
ZONE = "topology.kubernetes.io/zone"


def start(ctx: Context) -> None:
    """Register the EndpointSlice controller."""
    _Slices(ctx)


def by_service(piece: Obj) -> tuple[str, ...]:
    """Index function: `namespace/service` of a slice, with its manager."""
    labels = meta.labels(piece)
    name, manager = labels.get(plan.NAME_LABEL), labels.get(plan.MANAGED_BY)
    return (f"{manager}:{meta.namespace(piece)}/{name}",) if name and manager else ()


def endpoint(pod: Obj, node: Obj | None, service: Obj, family: str) -> Obj:
    """A pod as an endpoint (podToEndpoint)."""
    serving, terminating = pods.is_ready(pod), meta.deleting(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    out: Obj = {
        "addresses": services.addresses(pod, family),
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": services.target_ref(pod),
    }
    if name := pod.get("spec", {}).get("nodeName"):
        out["nodeName"] = name
    if node is not None and (zone := meta.labels(node).get(ZONE)):
        out["zone"] = zone
    if host := services.hostname(pod, service):
        out["hostname"] = host
    return out


def with_hints(service: Obj, endpoints: list[Obj]) -> list[Obj]:
    """Endpoints with the hints that spec.trafficDistribution asks for (trafficdist.go): serve the own zone, or node, first."""
    wish = service["spec"].get("trafficDistribution")
    if wish not in ("PreferClose", "PreferSameZone", "PreferSameNode"):
        return endpoints
    out = []
    for entry in endpoints:
        hints: Obj = {}
        if entry["conditions"]["ready"]:
            if entry.get("zone"):
                hints["forZones"] = [{"name": entry["zone"]}]
            if wish == "PreferSameNode" and entry.get("nodeName"):
                hints["forNodes"] = [{"name": entry["nodeName"]}]
        out.append({**entry, "hints": hints} if hints else entry)
    return out


class _Slices:
    def __init__(self, ctx: Context) -> None:
        self._recorder = ctx.recorder("endpoint-slice-controller")
        self._services, self._pods, self._nodes = ctx.informer("services"), ctx.informer("pods"), ctx.informer("nodes")
        self._slices = ctx.informer(SLICES)
        self._services.cache.add_index("selector", services.by_selector)
        self._pods.cache.add_index("label", pods.by_label)
        self._slices.cache.add_index("service", by_service)
        self._times = services.TriggerTimes()
        self._writer = Writer(ctx.client)
        self._controller = ctx.controller("endpointslice", self._sync, workers=5)
        self._controller.watch(self._services)
        self._controller.depends(self._pods, self._nodes, self._slices)
        self._pods.on_event(self._pod_changed)
        self._slices.on_event(self._slice_changed)
        self._nodes.on_event(self._node_changed)
        self._by_topology: set[tuple[str, str]] = set()
        """Services (and address families) that have hints by annotation."""

    def _pod_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        for key in services.concerned(self._services.cache, kind, old, new):
            self._controller.enqueue(key)

    def _slice_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        for piece in (old, new) if old is not None else (new,):
            labels = meta.labels(piece)
            if labels.get(plan.MANAGED_BY) == CONTROLLER and (name := labels.get(plan.NAME_LABEL)):
                key = f"{meta.namespace(piece)}/{name}"
                if kind == "DELETED":
                    self._writer.seen_deleted(key, piece)
                self._controller.enqueue(key)

    async def _sync(self, key: str) -> Result | None:
        service = self._services.cache.get(key)
        if service is None:
            self._times.forget(key)
            self._writer.forget(key)
            return None
        spec = service["spec"]
        if spec.get("type") == "ExternalName" or not spec.get("selector") or meta.deleting(service):
            return None
        existing = [p for p in self._slices.cache.by_index("service", f"{CONTROLLER}:{key}") if not meta.deleting(p)]
        if self._writer.is_stale(key, existing):
            return Result(after=1.0)
        members = services.selected(self._pods.cache, meta.namespace(service), spec["selector"])
        told = self._times.seen(key)
        trigger = self._times.compute(key_of(service), service, members)
        families = spec.get("ipFamilies") or ["IPv4"]
        whole = plan.Changes(delete=[p for p in existing if p["addressType"] not in families])
        failures: list[str] = []
        for family in families:
            part = self._plan(service, members, family, [p for p in existing if p["addressType"] == family], failures)
            whole.create += part.create
            whole.update += part.update
            whole.delete += part.delete
        whole.create = [plan.stamped(p, trigger) for p in whole.create]
        whole.update = [plan.stamped(p, trigger) for p in whole.update]
        try:
            await self._writer.write(key, meta.namespace(service), whole)
        except Conflict:
            self._times.restore(key, told)
            raise
        except StatusError as e:
            self._times.restore(key, told)
            if namespace_terminating(e):
                return None
            self._failed(service, str(e))
            raise
        if failures:
            text = failures[0] if len(failures) == 1 else f"[{', '.join(dict.fromkeys(failures))}]"
            self._failed(service, text)
            return Result(requeue=True)
        return None

    def _failed(self, service: Obj, why: str) -> None:
        text = f"Error updating Endpoint Slices for Service {key_of(service)}: {why}"
        self._recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", text)

    def _plan(self, service: Obj, members: list[Obj], family: str, existing: list[Obj], failures: list[str]) -> plan.Changes:
        """Changes of the slices of a family; a pod whose node is not known is left out until it is, and told in `failures`."""
        headless = services.is_headless(service)
        desired: dict[plan.Ports, list[Obj]] = {}
        ports: dict[plan.Ports, list[Obj]] = {}
        for pod in members:
            if not services.has_address(pod, True):
                continue
            found = self._ports(service, pod)
            key = plan.ports_key(found)
            ports[key] = found
            entries = desired.setdefault(key, [])
            name = pod.get("spec", {}).get("nodeName") or ""
            node = self._nodes.cache.get(name)
            if node is None and not service["spec"].get("publishNotReadyAddresses"):
                failures.append(f"skipping Pod {meta.name(pod)} for Service {key_of(service)}: Node {name} Not Found")
            elif services.addresses(pod, family):
                entries.append(endpoint(pod, node, service, family))
        desired = self._hinted(service, family, desired)
        labels = plan.labels(service, CONTROLLER, headless)
        metadata = {
            "generateName": _prefix(meta.name(service)), "namespace": meta.namespace(service), "labels": labels,
            "ownerReferences": [meta.controller_ref(service)],
        }  # fmt: skip

        def blank(port_list: list[Obj]) -> Obj:
            return {
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": dict(metadata), "addressType": family,
                "endpoints": [], "ports": port_list,
            }  # fmt: skip

        return plan.reconcile(existing, desired, ports, blank, lambda piece: labels, MAX_ENDPOINTS)

    def _hinted(self, service: Obj, family: str, desired: dict[plan.Ports, list[Obj]]) -> dict[plan.Ports, list[Obj]]:
        """The endpoints with hints, by annotation or by trafficDistribution; turns of the former become events."""
        known, told = (key_of(service), family), f", addressType: {family}"
        if not topology.is_wanted(service):
            if known in self._by_topology:
                self._by_topology.discard(known)
                text = f"Topology Aware Hints has been disabled{told}"
                self._recorder.event(service, "Warning", "TopologyAwareHintsDisabled", text)
            return {key: with_hints(service, entries) for key, entries in desired.items()}
        try:
            flat = topology.hints([e for entries in desired.values() for e in entries], topology.shares(self._nodes.cache.list()))
        except topology.Impossible as e:
            self._by_topology.discard(known)
            self._recorder.event(service, "Warning", "TopologyAwareHintsDisabled", f"{e}{told}")
            return desired
        if known not in self._by_topology:
            self._by_topology.add(known)
            self._recorder.event(service, "Normal", "TopologyAwareHintsEnabled", f"Topology Aware Hints has been enabled{told}")
        rest = iter(flat)
        return {key: [next(rest) for _ in entries] for key, entries in desired.items()}

    def _node_changed(self, kind: str, old: Obj | None, new: Obj) -> None:
        """Hints by annotation follow the nodes' CPUs and zones."""
        if self._by_topology and (kind != "MODIFIED" or old is None or _capacity(old) != _capacity(new)):
            for key, _ in self._by_topology:
                self._controller.enqueue(key)

    def _ports(self, service: Obj, pod: Obj) -> list[Obj]:
        out = []
        for port in service["spec"].get("ports") or ():
            number = services.find_port(pod, port)
            if number is None:
                continue
            entry: Obj = {"name": port.get("name", ""), "port": number, "protocol": port.get("protocol", "TCP")}
            if port.get("appProtocol"):
                entry["appProtocol"] = port["appProtocol"]
            out.append(entry)
        return out


def _capacity(node: Obj) -> tuple[Any, ...]:
    allocatable = node.get("status", {}).get("allocatable") or {}
    return pods.is_ready(node), meta.labels(node).get(ZONE), allocatable.get("cpu")


def _prefix(service: str) -> str:
    """generateName of a slice: the service's name and a dash."""
    return f"{service}-" if len(service) < 253 else service
