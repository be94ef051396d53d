"""Services: defaults and preparation by type, validation. Addresses and node ports are allocated by the registry's hooks.

Upstream: pkg/registry/core/service/strategy.go, SetDefaults_Service.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import serviceaddresses as ips
from apiserver.registry.strategies import servicechecks as checks
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.common import checked, drop_status, keep_status, with_status
from apiserver.registry.strategies.serviceaddresses import externally_accessible, needs_cluster_ip, needs_health_check, needs_node_port
from kubepy.api import names

_TRAFFIC_TYPES = ("NodePort", "LoadBalancer", "ClusterIP")
_DEPRECATED_DISTRIBUTION = 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
_EXTERNAL_IPS = "spec.externalIPs is deprecated and may no longer be implemented in some clusters"


def _default(obj: Obj) -> None:
    spec = obj.get("spec")
    if spec is None:
        return
    affinity, kind = spec.get("sessionAffinity", "None"), spec.get("type", "ClusterIP")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP" and ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds") is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    for p in spec.get("ports") or ():
        if p.get("targetPort") in (None, 0, ""):
            p["targetPort"] = p.get("port", 0)
    if externally_accessible(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if kind in _TRAFFIC_TYPES and spec.get("internalTrafficPolicy") is None:
        spec["internalTrafficPolicy"] = "Cluster"
    if kind == "LoadBalancer":
        if spec.get("allocateLoadBalancerNodePorts") is None:
            spec["allocateLoadBalancerNodePorts"] = True
        for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip") and ingress.get("ipMode") is None:
                ingress["ipMode"] = "VIP"


def _prepare(obj: Obj) -> None:
    drop_status(obj)
    obj["status"] = {"loadBalancer": {}}
    ips.normalize(obj["spec"], None)


def _prepare_update(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    spec, before = new["spec"], old["spec"]
    ips.normalize(spec, before)
    _keep_allocated(spec, before)
    ips.drop_by_type(spec, before)
    if before.get("type") == "LoadBalancer" and spec.get("type") != "LoadBalancer":
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def _keep_allocated(spec: Obj, old: Obj) -> None:
    """What was allocated stays where an update leaves it out (patchAllocatedValues)."""
    if needs_cluster_ip(old) and needs_cluster_ip(spec):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and spec.get("clusterIP") == old.get("clusterIP") and old.get("clusterIPs"):
            spec["clusterIPs"] = list(old["clusterIPs"])
    if needs_node_port(old) and needs_node_port(spec):
        known = {(p.get("port"), p.get("protocol")): p.get("nodePort") for p in old.get("ports") or ()}
        used = {p["nodePort"] for p in spec.get("ports") or () if p.get("nodePort")}
        for p in spec.get("ports") or ():
            number = known.get((p.get("port"), p.get("protocol")))
            if not p.get("nodePort") and number and number not in used:
                p["nodePort"] = number
                used.add(number)
    if needs_health_check(old) and needs_health_check(spec) and not spec.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old["healthCheckNodePort"]


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out: list[str] = []
    spec, notes = new["spec"], new["metadata"].get("annotations") or {}
    if checks.TOPOLOGY_HINTS in notes:
        out.append(f'metadata.annotations[{checks.TOPOLOGY_HINTS}]: deprecated in v1.27; please use "{checks.TOPOLOGY_MODE}" instead')
    headless, external = ips.is_headless(spec), spec.get("type") == "ExternalName"
    if headless:
        out.extend(f"spec.{k} is ignored for headless services" for k in ("loadBalancerIP", "externalIPs") if spec.get(k))
        if spec.get("sessionAffinity", "None") != "None":
            out.append("spec.SessionAffinity is ignored for headless services")
    if not external:
        out += ips.warnings(spec)
    if spec.get("externalIPs") and not headless and not external:
        out.append(_EXTERNAL_IPS)
    if spec.get("type") == "ExternalName" and spec.get("externalIPs"):
        out.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec.get("type") != "ExternalName" and spec.get("externalName"):
        out.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        out.append(_DEPRECATED_DISTRIBUTION)
    return out


def _validate(obj: Obj) -> Errors:
    out: Errors = []
    checks.service(out, obj, None)
    return out


STRATEGY = with_status(
    default=_default,
    prepare=_prepare,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=checked(checks.update),
    warnings=_warnings,
    name_check=names.name_is_label,
    has_generation=False,
    allow_create_on_update=True,
    status_validate_update=checked(checks.status),
    status_meta=(),
)
