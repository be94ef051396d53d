"""Validation of services, their updates and their status.

Upstream: ValidateService, ValidateServiceUpdate, ValidateServiceClusterIPsRelatedFields, ValidateLoadBalancerStatus.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import addresses, goform
from apiserver.registry.strategies.checks import Errors, enum, labels, named, port, port_or_name
from apiserver.registry.strategies.serviceaddresses import externally_accessible, is_headless, needs_health_check
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required

TOPOLOGY_HINTS = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE = "service.kubernetes.io/topology-mode"
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_AFFINITIES = ("ClientIP", "None")
_POLICIES = ("Cluster", "Local")
_FAMILIES = ("IPv4", "IPv6")
_FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_IP_MODES = ("Proxy", "VIP")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_FIXED = "may not change once set"
_LB_ONLY = "may only be used when `type` is 'LoadBalancer'"


def service(out: Errors, obj: Obj, old: Obj | None) -> None:
    """A whole service (ValidateService)."""
    spec, notes = obj["spec"], obj["metadata"].get("annotations") or {}
    before = (old or {}).get("spec") or {}
    kind = spec.get("type") or ""
    hints, mode = notes.get(TOPOLOGY_HINTS), notes.get(TOPOLOGY_MODE)
    if hints is not None and mode is not None and hints != mode:
        text = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
        out.append(invalid(f"metadata.annotations[{TOPOLOGY_MODE}]", mode, text))
    ports = spec.get("ports") or []
    headless = is_headless(spec)
    if not ports and not headless and kind != "ExternalName":
        out.append(required("spec.ports"))
    if headless and kind in ("LoadBalancer", "NodePort"):
        out.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        for key in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(key):
                out.append(forbidden_field(f"spec.{key}", "may not be set for ExternalName services"))
        if name := (spec.get("externalName") or "").removesuffix("."):
            named(out, name, "spec.externalName", names.dns1123_subdomain)
        else:
            out.append(required("spec.externalName"))
    _ports(out, ports)
    labels(out, spec.get("selector"), "spec.selector")
    _affinity(out, spec)
    cluster_ips(out, spec, before)
    for i, ip in enumerate(spec.get("externalIPs") or ()):
        at = f"spec.externalIPs[{i}]"
        if addresses.ip(out, ip, at, before.get("externalIPs") or ()):
            addresses.not_special(out, ip, at)
    enum(out, kind, "spec.type", _TYPES)
    _port_numbers(out, ports, kind)
    _source_ranges(out, spec, notes, kind, before)
    allocate = spec.get("allocateLoadBalancerNodePorts")
    if allocate is not None and kind != "LoadBalancer":
        out.append(forbidden_field("spec.allocateLoadBalancerNodePorts", _LB_ONLY))
    if kind == "LoadBalancer" and allocate is None:
        out.append(required("allocateLoadBalancerNodePorts"))
    _load_balancer_class(out, spec)
    _traffic(out, spec, kind)


def _ports(out: Errors, ports: list[Obj]) -> None:
    seen: set[str] = set()
    for i, p in enumerate(ports):
        at, name = f"spec.ports[{i}]", p.get("name") or ""
        if not name:
            if len(ports) > 1:
                out.append(required(f"{at}.name"))
        else:
            named(out, name, f"{at}.name", names.dns1123_label)
            if name in seen:
                out.append(duplicate(f"{at}.name", name))
            seen.add(name)
        port(out, p.get("port"), f"{at}.port")
        enum(out, p.get("protocol"), f"{at}.protocol", _PROTOCOLS)
        port_or_name(out, p.get("targetPort"), f"{at}.targetPort")
        if (protocol := p.get("appProtocol")) is not None:
            named(out, protocol, f"{at}.appProtocol", names.qualified_name)


def _port_numbers(out: Errors, ports: list[Obj], kind: str) -> None:
    if kind == "ClusterIP":
        for i, p in enumerate(ports):
            if p.get("nodePort"):
                out.append(forbidden_field(f"spec.ports[{i}].nodePort", "may not be used when `type` is 'ClusterIP'"))
    seen: set[tuple[str, int]] = set()
    for i, p in enumerate(ports):
        if number := p.get("nodePort"):
            if (p.get("protocol", ""), number) in seen:
                out.append(duplicate(f"spec.ports[{i}].nodePort", number))
            seen.add((p.get("protocol", ""), number))
    seen = set()
    for i, p in enumerate(ports):
        key = (p.get("protocol", ""), p.get("port", 0))
        if key in seen:
            out.append(duplicate(f"spec.ports[{i}]", goform.of("ServicePort", {"protocol": key[0], "port": key[1]})))
        seen.add(key)


def _affinity(out: Errors, spec: Obj) -> None:
    affinity, config = spec.get("sessionAffinity") or "", spec.get("sessionAffinityConfig")
    enum(out, affinity, "spec.sessionAffinity", _AFFINITIES)
    at = "spec.sessionAffinityConfig"
    if affinity == "ClientIP":
        text = "when session affinity type is ClientIP"
        if config is None:
            out.append(required(at, text))
        elif config.get("clientIP") is None:
            out.append(required(f"{at}.clientIP", text))
        elif (seconds := config["clientIP"].get("timeoutSeconds")) is None:
            out.append(required(f"{at}.clientIP.timeoutSeconds", text))
        elif not 0 < seconds <= 86400:
            out.append(invalid(f"{at}.clientIP.timeoutSeconds", seconds, "must be greater than 0 and less than 86400"))
    elif affinity == "None" and config is not None:
        out.append(forbidden_field(at, "must not be set when session affinity is None"))


def cluster_ips(out: Errors, spec: Obj, old: Obj | None = None) -> None:
    """clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy agree (ValidateServiceClusterIPsRelatedFields)."""
    if spec.get("type") == "ExternalName":
        return
    single, many, families = spec.get("clusterIP") or "", spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    if single:
        if not many:
            out.append(required("spec.clusterIPs"))
        elif many[0] != single:
            out.append(invalid("spec.clusterIPs", many, "first value must match `clusterIP`"))
    elif many:
        out.append(invalid("spec.clusterIPs", many, "must be empty when `clusterIP` is not specified"))
    for i, family in enumerate(families):
        if family not in _FAMILIES:
            out.append(not_supported(f"spec.ipFamilies[{i}]", family, _FAMILIES))
        if family in families[:i]:
            out.append(duplicate(f"spec.ipFamilies[{i}]", family))
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _FAMILY_POLICIES:
        out.append(not_supported("spec.ipFamilyPolicy", policy, _FAMILY_POLICIES))
    bad = False
    for i, ip in enumerate(many):
        if i == 0 and ip == "None":
            if len(many) > 1:
                bad = True
                out.append(invalid("spec.clusterIPs", many, "'None' must be the first and only value"))
        elif not addresses.ip(out, ip, f"spec.clusterIPs[{i}]", (old or {}).get("clusterIPs") or ()):
            bad = True
    if len(many) > 2:
        out.append(invalid("spec.clusterIPs", many, "may only hold up to 2 values"))
    if bad:
        return
    if len(many) > 1 and not addresses.is_dual_stack(many):
        out.append(invalid("spec.clusterIPs", many, "may specify no more than one IP for each IP family"))
    if not is_headless(spec):
        for i, (ip, family) in enumerate(zip(many, families, strict=False)):
            if family in _FAMILIES and (family == "IPv6") != addresses.is_ipv6(ip):
                out.append(invalid(f"spec.clusterIPs[{i}]", ip, f"expected an {family} value as indicated by `ipFamilies[{i}]`"))


def _source_ranges(out: Errors, spec: Obj, notes: dict[str, str], kind: str, old: Obj) -> None:
    if ranges := spec.get("loadBalancerSourceRanges"):
        at = "spec.LoadBalancerSourceRanges"
        if kind != "LoadBalancer":
            out.append(forbidden_field(at, _LB_ONLY))
        for i, value in enumerate(ranges):
            if value not in (old.get("loadBalancerSourceRanges") or ()):
                addresses.cidr(out, value.strip(), f"{at}[{i}]")
    elif _SOURCE_RANGES in notes:
        at = f"metadata.annotations[{_SOURCE_RANGES}]"
        if kind != "LoadBalancer":
            out.append(forbidden_field(at, _LB_ONLY))
        if text := notes[_SOURCE_RANGES].strip():
            for value in text.split(","):
                addresses.cidr(out, value.strip(), at)


def _load_balancer_class(out: Errors, spec: Obj, old: Obj | None = None) -> None:
    at, name = "spec.loadBalancerClass", spec.get("loadBalancerClass")
    balanced = spec.get("type") == "LoadBalancer"
    if old is not None and balanced and old.get("type") == "LoadBalancer" and name != old.get("loadBalancerClass"):
        out.append(invalid(at, name, _FIXED))
    if name is None:
        return
    if balanced:
        named(out, name, at, names.qualified_name)
    else:
        out.append(forbidden_field(at, _LB_ONLY))


def _traffic(out: Errors, spec: Obj, kind: str) -> None:
    external = spec.get("externalTrafficPolicy") or ""
    at = "spec.externalTrafficPolicy"
    if externally_accessible(spec):
        enum(out, external, at, _POLICIES)
    elif external:
        out.append(invalid(at, external, "may only be set for externally-accessible services"))
    number = spec.get("healthCheckNodePort") or 0
    at = "spec.healthCheckNodePort"
    if not needs_health_check(spec):
        if number:
            text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            out.append(invalid(at, number, text))
    elif not number:
        out.append(required(at))
    else:
        port(out, number, at)
    internal = spec.get("internalTrafficPolicy")
    if internal is None:
        if kind in ("NodePort", "LoadBalancer", "ClusterIP"):
            out.append(required("spec.internalTrafficPolicy"))
    elif internal not in _POLICIES:
        out.append(not_supported("spec.internalTrafficPolicy", internal, _POLICIES))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        out.append(not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS))


def update(out: Errors, new: Obj, old: Obj) -> None:
    """What an update may not do, then the whole service (ValidateServiceUpdate)."""
    spec, before = new["spec"], old["spec"]
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        _changed_ips(out, spec, before)
        _changed_families(out, spec, before)
    _load_balancer_class(out, spec, before)
    if needs_health_check(before) and needs_health_check(spec) and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        out.append(forbidden_field("spec.healthCheckNodePort", "field is immutable"))
    service(out, new, old)


def _changed_ips(out: Errors, spec: Obj, old: Obj) -> None:
    if is_headless(spec) and is_headless(old):
        return
    now, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    if len(now) == len(before):
        out.extend(invalid(f"spec.clusterIPs[{i}]", now, _FIXED) for i, ip in enumerate(before) if ip != now[i])
        return
    if len(before) > len(now):
        if not now:
            out.append(invalid("spec.clusterIPs[0]", now or None, "primary clusterIP can not be unset"))
        elif now[0] != before[0]:
            out.append(invalid("spec.clusterIPs[0]", now, _FIXED))
        if len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
            text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
            out.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))
    elif before and now[0] != before[0]:
        out.append(invalid("spec.clusterIPs[0]", now, _FIXED))


def _changed_families(out: Errors, spec: Obj, old: Obj) -> None:
    if is_headless(spec) or is_headless(old):
        return
    now, before = spec.get("ipFamilies") or [], old.get("ipFamilies") or []
    at = "spec.ipFamilies[0]"
    if len(now) == len(before):
        out.extend(invalid(at, now, _FIXED) for i, family in enumerate(before) if family != now[i])
        return
    ips = spec.get("clusterIPs") or None
    if len(before) > len(now):
        if not ips:
            out.append(invalid(at, now or None, "primary ipFamily can not be unset"))
        if now and now[0] != before[0]:
            out.append(invalid(at, ips, _FIXED))
        if len(now) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
            text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
            out.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text))
    elif before and now and now[0] != before[0]:
        out.append(invalid(at, ips, _FIXED))


def status(out: Errors, new: Obj, old: Obj) -> None:
    """status.loadBalancer: addresses and names of a load balancer."""
    found = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    before = ((old.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    path = "status.loadBalancer.ingress"
    if found and new["spec"].get("type") != "LoadBalancer":
        out.append(forbidden_field(path, "may only be used when `spec.type` is 'LoadBalancer'"))
        return
    load_balancer_ingress(out, found, path, [i.get("ip", "") for i in before])
    for i, ingress in enumerate(found):
        mode, ip = ingress.get("ipMode"), ingress.get("ip")
        at = f"{path}[{i}].ipMode"
        if mode is None:
            if ip:
                out.append(required(at, "must be specified when `ip` is set"))
        elif not ip:
            out.append(forbidden_field(at, "may not be specified when `ip` is not set"))
        elif mode not in _IP_MODES:
            out.append(not_supported(at, mode, _IP_MODES))


def load_balancer_ingress(out: Errors, found: list[Obj] | tuple[Obj, ...], path: str, old: list[str]) -> None:
    """Each entry is an address or a name; shared with Ingress."""
    for i, ingress in enumerate(found):
        if ip := ingress.get("ip"):
            addresses.ip(out, ip, f"{path}[{i}].ip", old)
        if host := ingress.get("hostname"):
            named(out, host, f"{path}[{i}].hostname", names.dns1123_subdomain)
            if addresses.parse(host) is not None:
                out.append(invalid(f"{path}[{i}].hostname", host, "must be a DNS name, not an IP address"))
