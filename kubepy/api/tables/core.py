"""Rows of the core and networking kinds: services, nodes, volumes, events. Upstream: pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubepy.api.selectors import format_label_selector
from kubepy.api.tables.cells import (
    NONE,
    UNSET,
    Obj,
    Printer,
    age,
    annotation,
    condition,
    deleting,
    joined,
    labels,
    name,
    some,
    spec,
    status,
)
from kubepy.api.tables.duration import since

_ROLE_PREFIX = "node-role.kubernetes.io/"
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_MODES = (("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP"))


def _balancer(obj: Obj) -> list[str]:
    ingress = (status(obj).get("loadBalancer") or {}).get("ingress") or ()
    return sorted({i.get("ip") or i.get("hostname") for i in ingress} - {None, ""})


def _external_ip(obj: Obj) -> str:
    sp = spec(obj)
    external = list(sp.get("externalIPs") or ())
    match sp.get("type"):
        case "ClusterIP" | "NodePort":
            return joined(external) or NONE
        case "LoadBalancer":
            return joined(_balancer(obj) + external) or "<pending>"
        case "ExternalName":
            return sp.get("externalName") or ""
    return "<unknown>"


def _service_port(port: Obj) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node_port}/{port.get('protocol', '')}"


def _service(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    ips = sp.get("clusterIPs") or ([sp["clusterIP"]] if sp.get("clusterIP") else [NONE])
    ports = joined(map(_service_port, sp.get("ports") or ())) or NONE
    return [name(obj), sp.get("type", ""), ips[0], _external_ip(obj), ports, age(obj, now), labels(sp.get("selector"))]


def _ingress(obj: Obj, now: float) -> list[Any]:
    sp = spec(obj)
    rules = sp.get("rules") or ()
    hosts: list[str] = []
    more = False
    for rule in rules:
        more = more or len(hosts) == 3
        if not more and rule.get("host"):
            hosts.append(rule["host"])
    # Upstream counts every rule, with a host or without, once there is a fourth.
    shown = some(hosts, 3, len(rules) if more else len(hosts)) or "*"
    class_name = sp.get("ingressClassName")
    ports = "80, 443" if sp.get("tls") else "80"
    return [name(obj), NONE if class_name is None else class_name, shown, joined(_balancer(obj)), ports, age(obj, now)]


def _ingress_class(obj: Obj, now: float) -> list[Any]:
    ref = spec(obj).get("parameters")
    shown = NONE
    if ref is not None:
        group = f".{ref['apiGroup']}" if ref.get("apiGroup") is not None else ""
        shown = f"{ref.get('kind')}{group}/{ref.get('name')}"
    return [name(obj), spec(obj).get("controller", ""), shown, age(obj, now)]


def _network_policy(obj: Obj, now: float) -> list[Any]:
    return [name(obj), format_label_selector(spec(obj).get("podSelector") or {}), age(obj, now)]


def _service_cidr(obj: Obj, now: float) -> list[Any]:
    return [name(obj), joined(spec(obj).get("cidrs")), age(obj, now)]


def _ip_address(obj: Obj, now: float) -> list[Any]:
    ref = spec(obj).get("parentRef")
    shown = NONE
    if ref is not None:
        group = f".{ref['group']}" if ref.get("group") else ""
        parts = [f"{ref.get('resource', '')}{group}".lower(), ref.get("namespace"), ref.get("name", "")]
        shown = "/".join(p for p in parts if p is not None)
    # Upstream writes the age although its table has no column for it.
    return [name(obj), shown, age(obj, now)]


def _host_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _endpoints(obj: Obj, now: float) -> list[Any]:
    listed: list[str] = []
    subsets = obj.get("subsets") or ()
    for subset in subsets:
        ips = [a.get("ip", "") for a in subset.get("addresses") or ()]
        if not subset.get("ports"):
            listed += ips
        for port in subset.get("ports") or ():
            listed += [_host_port(ip, port.get("port", 0)) for ip in ips]
    return [name(obj), some(listed, 3) if subsets else NONE, age(obj, now)]


def _endpoint_slice(obj: Obj, now: float) -> list[Any]:
    ports = [str(p["port"]) if p.get("port") is not None else p.get("name", "*") for p in obj.get("ports") or ()]
    addresses = [a for e in obj.get("endpoints") or () for a in e.get("addresses") or ()]
    return [name(obj), obj.get("addressType", ""), some(ports, 3) or UNSET, some(addresses, 3) or UNSET, age(obj, now)]


def _roles(obj: Obj) -> str:
    found = set()
    for key, value in ((obj.get("metadata") or {}).get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX):
            found.add(key.removeprefix(_ROLE_PREFIX))
        elif key == "kubernetes.io/role":
            found.add(value)
    return joined(sorted(found - {""})) or NONE


def _address(obj: Obj, kind: str) -> str:
    return next((a.get("address", "") for a in status(obj).get("addresses") or () if a.get("type") == kind), NONE)


def _node(obj: Obj, now: float) -> list[Any]:
    ready = condition(obj, "Ready")
    state = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    if spec(obj).get("unschedulable"):
        state += ",SchedulingDisabled"
    info = status(obj).get("nodeInfo") or {}
    described = [info.get(f) or "<unknown>" for f in ("osImage", "kernelVersion", "containerRuntimeVersion")]
    if arch := info.get("architecture"):
        described[1] += f" ({arch})"
    addresses = [_address(obj, "InternalIP"), _address(obj, "ExternalIP")]
    return [name(obj), state, _roles(obj), age(obj, now), info.get("kubeletVersion", ""), *addresses, *described]


def _event(obj: Obj, now: float) -> list[Any]:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    involved = obj.get("involvedObject") or obj.get("regarding") or {}
    first_time = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or obj.get("eventTime")
    first = since(first_time, now)
    last_time = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp")
    last = since(last_time, now) if last_time else first
    count = obj.get("count") or obj.get("deprecatedCount") or 1
    if series := obj.get("series"):
        last, count = since(series.get("lastObservedTime"), now), series.get("count", 0)
    kind = involved.get("kind", "").lower()
    component = source.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
    instance = source.get("host") or obj.get("reportingInstance")
    return [
        last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{kind}/{involved['name']}" if involved.get("name") else kind,
        involved.get("fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        (obj.get("message") or obj.get("note") or "").strip(),
        first,
        count,
        name(obj),
    ]


def _namespace(obj: Obj, now: float) -> list[Any]:
    return [name(obj), status(obj).get("phase", ""), age(obj, now)]


def _secret(obj: Obj, now: float) -> list[Any]:
    return [name(obj), obj.get("type", ""), len(obj.get("data") or ()), age(obj, now)]


def _config_map(obj: Obj, now: float) -> list[Any]:
    return [name(obj), len(obj.get("data") or ()) + len(obj.get("binaryData") or ()), age(obj, now)]


def _service_account(obj: Obj, now: float) -> list[Any]:
    return [name(obj), age(obj, now)]


def _component_status(obj: Obj, _now: float) -> list[Any]:
    healthy = next((c for c in obj.get("conditions") or () if c.get("type") == "Healthy"), None)
    if healthy is None:
        return [name(obj), "Unknown", "", ""]
    state = "Healthy" if healthy.get("status") == "True" else "Unhealthy"
    return [name(obj), state, healthy.get("message", ""), healthy.get("error", "")]


def _resource_quota(obj: Obj, now: float) -> list[Any]:
    hard, used = status(obj).get("hard") or {}, status(obj).get("used") or {}
    requests: list[str] = []
    limits: list[str] = []
    for resource in sorted(hard):
        target = limits if resource.startswith("limits.") else requests
        target.append(f"{resource}: {used.get(resource, '0')}/{hard[resource]}")
    return [name(obj), ", ".join(requests), ", ".join(limits), age(obj, now)]


def _access_modes(modes: Iterable[str] | None) -> str:
    given = set(modes or ())
    return joined(short for mode, short in _MODES if mode in given)


def _storage_class(obj: Obj) -> str:
    return annotation(obj, _BETA_CLASS) or spec(obj).get("storageClassName") or ""


def _persistent_volume(obj: Obj, now: float) -> list[Any]:
    sp, st = spec(obj), status(obj)
    claim = sp.get("claimRef")
    return [
        name(obj),
        (sp.get("capacity") or {}).get("storage", "0"),
        _access_modes(sp.get("accessModes")),
        sp.get("persistentVolumeReclaimPolicy", ""),
        "Terminating" if deleting(obj) else st.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _storage_class(obj),
        sp.get("volumeAttributesClassName", UNSET),
        st.get("reason", ""),
        age(obj, now),
        sp.get("volumeMode", UNSET),
    ]


def _persistent_volume_claim(obj: Obj, now: float) -> list[Any]:
    sp, st = spec(obj), status(obj)
    bound = bool(sp.get("volumeName"))
    return [
        name(obj),
        "Terminating" if deleting(obj) else st.get("phase", ""),
        sp.get("volumeName", ""),
        (st.get("capacity") or {}).get("storage", "0") if bound else "",
        _access_modes(st.get("accessModes")) if bound else "",
        _storage_class(obj),
        sp.get("volumeAttributesClassName", UNSET),
        age(obj, now),
        sp.get("volumeMode", UNSET),
    ]


PRINTERS: dict[tuple[str, str], Printer] = {
    ("", "services"): _service,
    ("", "endpoints"): _endpoints,
    ("", "nodes"): _node,
    ("", "events"): _event,
    ("events.k8s.io", "events"): _event,
    ("", "namespaces"): _namespace,
    ("", "secrets"): _secret,
    ("", "configmaps"): _config_map,
    ("", "serviceaccounts"): _service_account,
    ("", "componentstatuses"): _component_status,
    ("", "resourcequotas"): _resource_quota,
    ("", "persistentvolumes"): _persistent_volume,
    ("", "persistentvolumeclaims"): _persistent_volume_claim,
    ("networking.k8s.io", "ingresses"): _ingress,
    ("networking.k8s.io", "ingressclasses"): _ingress_class,
    ("networking.k8s.io", "networkpolicies"): _network_policy,
    ("networking.k8s.io", "servicecidrs"): _service_cidr,
    ("networking.k8s.io", "ipaddresses"): _ip_address,
    ("discovery.k8s.io", "endpointslices"): _endpoint_slice,
}
