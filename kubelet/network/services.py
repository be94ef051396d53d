"""Which addresses a Service has and which endpoints answer behind each: pure, from Services and EndpointSlices.

Endpoint choice follows upstream's kube-proxy (pkg/proxy/topology.go, KEP-1669): ready endpoints; while there are none,
those that serve although they terminate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]

DEFAULT_AFFINITY_SECONDS = 10800


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """One address and port behind a Service; `node` is where it runs."""

    ip: str
    port: int
    node: str = ""
    ready: bool = True
    serving: bool = True


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service with what the proxy must do for it.

    `cluster` are the endpoints for traffic from inside, `external` those for node ports and load-balancer addresses.
    """

    namespace: str
    name: str
    port_name: str
    protocol: str
    port: int
    node_port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    affinity_seconds: int
    cluster: tuple[Endpoint, ...]
    external: tuple[Endpoint, ...]
    external_local: bool = False

    @property
    def id(self) -> str:
        """`namespace/name:port/protocol`, unique."""
        return f"{self.namespace}/{self.name}:{self.port_name}/{self.protocol}"


def is_proxied(service: Obj) -> bool:
    """Whether the Service has a ClusterIP of its own and is not left to another proxy."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return False
    labels = service["metadata"].get("labels") or {}
    return "service.kubernetes.io/service-proxy-name" not in labels


def _is_v4(address: str) -> bool:
    return ":" not in address


def endpoints_of(slices: Iterable[Obj], port_name: str, drained: Collection[str] = ()) -> list[Endpoint]:
    """All endpoints that offer the port called `port_name`, sorted, once each. `drained` addresses count as terminating."""
    found: dict[tuple[str, int], Endpoint] = {}
    for slice_ in slices:
        if slice_.get("addressType") != "IPv4":
            continue
        port = next((p.get("port") for p in slice_.get("ports") or [] if (p.get("name") or "") == port_name), None)
        if not port:
            continue
        for e in slice_.get("endpoints") or []:
            conditions = e.get("conditions") or {}
            ready = conditions.get("ready", True)
            serving = conditions.get("serving", ready)
            for ip in e.get("addresses") or []:
                gone = ip in drained
                new = Endpoint(ip, port, e.get("nodeName") or "", bool(ready) and not gone, bool(serving))
                old = found.get((ip, port))
                if old is None or (new.ready and not old.ready):
                    found[ip, port] = new
    return sorted(found.values())


def usable(endpoints: Iterable[Endpoint], nodes: Collection[str] | None = None) -> tuple[Endpoint, ...]:
    """The ready endpoints, else the serving ones; only those on `nodes` when given."""
    here = [e for e in endpoints if nodes is None or e.node in nodes]
    ready = tuple(e for e in here if e.ready)
    return ready or tuple(e for e in here if e.serving)


def service_ports(service: Obj, slices: Collection[Obj], *, nodes: Collection[str], drained: Collection[str] = ()) -> list[ServicePort]:
    """The ports of one Service; `nodes` are the nodes on this machine (for the Local traffic policies)."""
    spec, meta = service["spec"], service["metadata"]
    ips = tuple(ip for ip in spec.get("clusterIPs") or [spec["clusterIP"]] if _is_v4(ip))
    balancer = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    external = [*(spec.get("externalIPs") or []), *(i["ip"] for i in balancer if i.get("ip") and i.get("ipMode", "VIP") == "VIP")]
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        affinity = config.get("timeoutSeconds") or DEFAULT_AFFINITY_SECONDS
    internal_local = spec.get("internalTrafficPolicy") == "Local"
    external_local = spec.get("externalTrafficPolicy") == "Local"
    out = []
    for p in spec.get("ports") or []:
        name = p.get("name") or ""
        known = endpoints_of(slices, name, drained)
        out.append(
            ServicePort(
                namespace=meta["namespace"],
                name=meta["name"],
                port_name=name,
                protocol=p.get("protocol", "TCP").lower(),
                port=p["port"],
                node_port=p.get("nodePort") or 0,
                cluster_ips=ips,
                external_ips=tuple(ip for ip in external if _is_v4(ip)),
                affinity_seconds=affinity,
                cluster=usable(known, nodes if internal_local else None),
                external=usable(known, nodes if external_local else None),
                external_local=external_local,
            )
        )
    return out
