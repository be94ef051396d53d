"""Which addresses and ports a service of some type has, and how clusterIP and clusterIPs follow each other. Pure.

Upstream: pkg/api/service/util.go, normalizeClusterIPs and dropTypeDependentFields in pkg/registry/core/service/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import addresses


def is_headless(spec: Obj) -> bool:
    """clusterIPs is exactly ["None"]."""
    return bool(spec.get("clusterIPs") == ["None"])


def externally_accessible(spec: Obj) -> bool:
    """Reached from outside through a load balancer, a node port or an external address."""
    kind = spec.get("type", "ClusterIP")
    return kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check(spec: Obj) -> bool:
    """A load balancer that must know which nodes have endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def needs_cluster_ip(spec: Obj) -> bool:
    """Every type but ExternalName."""
    return spec.get("type") != "ExternalName"


def needs_node_port(spec: Obj) -> bool:
    """NodePort, and LoadBalancer unless it declines."""
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)


def normalize(spec: Obj, old: Obj | None) -> None:
    """Keep clusterIP and clusterIPs[0] the same, whichever the client knows (NormalizeClusterIPs)."""
    single, many = spec.get("clusterIP") or "", spec.get("clusterIPs")
    if old is None:
        if single and not many:
            spec["clusterIPs"] = [single]
        return
    if spec.get("type") == "ExternalName" and old.get("type") == "ExternalName" and not single and not many:
        return
    before, before_many = old.get("clusterIP") or "", old.get("clusterIPs") or []
    same_list = (many or []) == before_many
    if before and not single:
        # An old client cleared the one field it knows.
        if same_list:
            spec.pop("clusterIPs", None)
    elif not before and single:
        if not many:
            spec["clusterIPs"] = [single]
    elif single != before and same_list:
        spec["clusterIPs"] = [single]


def drop_by_type(spec: Obj, old: Obj) -> None:
    """Fields that the old type needed and the new one does not, unless the client set them anew (dropTypeDependentFields)."""
    if needs_cluster_ip(old) and not needs_cluster_ip(spec) and all(spec.get(k) == old.get(k) for k in ("clusterIP", "clusterIPs")):
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    if needs_cluster_ip(old) and not needs_cluster_ip(spec):
        for key in ("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if spec.get(key) == old.get(key):
                spec.pop(key, None)
    if needs_node_port(old) and not needs_node_port(spec) and _same_node_ports(spec, old):
        for p in spec.get("ports") or ():
            p.pop("nodePort", None)
    if needs_health_check(old) and not needs_health_check(spec) and spec.get("healthCheckNodePort") == old.get("healthCheckNodePort"):
        spec.pop("healthCheckNodePort", None)
    balanced, was_balanced = spec.get("type") == "LoadBalancer", old.get("type") == "LoadBalancer"
    if was_balanced and not balanced:
        for key in ("allocateLoadBalancerNodePorts", "loadBalancerClass"):
            if spec.get(key) == old.get(key):
                spec.pop(key, None)
    if (
        externally_accessible(old)
        and not externally_accessible(spec)
        and spec.get("externalTrafficPolicy") == old.get("externalTrafficPolicy")
    ):
        spec.pop("externalTrafficPolicy", None)


def _same_node_ports(spec: Obj, old: Obj) -> bool:
    allowed = {p.get("nodePort", 0) for p in old.get("ports") or ()}
    return all(p.get("nodePort", 0) in allowed for p in spec.get("ports") or () if p.get("nodePort"))


def warnings(spec: Obj) -> list[str]:
    """Addresses written in a way that not every program reads alike."""
    out: list[str] = []
    for key in ("clusterIPs", "externalIPs"):
        for i, text in enumerate(spec.get(key) or ()):
            if text != "None":
                out += ip_warning(f"spec.{key}[{i}]", text)
    return out


def ip_warning(path: str, text: str) -> list[str]:
    """GetWarningsForIP."""
    address = addresses.parse(text)
    if address is None or str(address) == text:
        return []
    if address.version == 4 and ":" not in text:
        return [f'{path}: non-standard IP address "{text}" will be considered invalid in a future Kubernetes release: use "{address}"']
    if address.version == 4:
        return [f'{path}: non-standard IP address "{text}" will be considered invalid in a future Kubernetes release: use "{address}"']
    return [f'{path}: IPv6 address "{text}" should be in RFC 5952 canonical format ("{address}")']
