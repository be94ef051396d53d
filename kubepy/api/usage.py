"""What an object counts against a ResourceQuota, and which quotas look at it. Pure; shared by admission and the quota controller.

Upstream: pkg/quota/v1/evaluator/core and apiserver pkg/quota/v1/generic.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from kubepy.api import names
from kubepy.api.quantity import Quantity, parse

Obj = dict[str, Any]
Amounts = dict[str, Quantity]
"""Quota resource name → amount."""

ONE = Quantity.of(1)
_NATIVE = ("cpu", "memory", "ephemeral-storage")
_POD_RESOURCES = frozenset(
    ("pods", "count/pods", *_NATIVE, *(f"requests.{n}" for n in _NATIVE), *(f"limits.{n}" for n in _NATIVE))
)  # fmt: skip
_MUST_SAY = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
"""A quota on these demands that every container names an amount."""
_CLASS_SUFFIX = ".storageclass.storage.k8s.io/"
_DEVICE_SUFFIX = ".deviceclass.resource.k8s.io/devices"
_LEGACY = frozenset(("configmaps", "secrets", "replicationcontrollers", "resourcequotas", "services", "persistentvolumeclaims"))
"""Core kinds that are counted under their plain plural too."""


def count_name(group: str, plural: str) -> str:
    """`count/deployments.apps`."""
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def amounts(values: Mapping[str, Any] | None) -> Amounts:
    """A ResourceList with its quantities parsed."""
    return {name: parse(value) for name, value in (values or {}).items()}


def add(*lists: Mapping[str, Quantity]) -> Amounts:
    """The sum, name by name."""
    out: Amounts = {}
    for values in lists:
        for name, value in values.items():
            out[name] = out[name] + value if name in out else value
    return out


def _largest(first: Amounts, second: Amounts) -> Amounts:
    return {n: max(first[n], second[n]) if n in first and n in second else first.get(n, second.get(n, ONE)) for n in {**first, **second}}


def pod_amounts(pod: Obj, key: str) -> Amounts:
    """What a pod as a whole requests, or is limited to, by `key` "requests" or "limits" (component-helpers resource/helpers.go).

    Sidecars (init containers that restart) run beside what follows them; other init containers run one by one before.
    """
    spec = pod.get("spec") or {}

    def of(container: Obj) -> Amounts:
        return amounts((container.get("resources") or {}).get(key))

    total = add(*(of(c) for c in spec.get("containers") or ()))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = of(container)
        if container.get("restartPolicy") == "Always":
            sidecars = add(sidecars, own)
            total = add(total, own)
            own = sidecars
        else:
            own = add(own, sidecars)
        peak = _largest(peak, own)
    total = _largest(total, peak)
    total.update(amounts((spec.get("resources") or {}).get(key)))
    overhead = amounts(spec.get("overhead"))
    if key == "limits":
        overhead = {name: value for name, value in overhead.items() if name in total}
    return add(total, overhead)


def is_native(name: str) -> bool:
    """Unprefixed, or of kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


@lru_cache(maxsize=1024)
def is_extended(name: str) -> bool:
    """A resource of another domain, such as `example.com/gpu`."""
    return not is_native(name) and not name.startswith("requests.") and not names.qualified_name("requests." + name)


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    out: Amounts = {"pods": ONE}
    for name in _NATIVE:
        if name in requests:
            out[name] = out[f"requests.{name}"] = requests[name]
        if name in limits:
            out[f"limits.{name}"] = limits[name]
    for name, value in requests.items():
        if name.startswith("hugepages-"):
            out[name] = out[f"requests.{name}"] = value
        elif is_extended(name):
            out[f"requests.{name}"] = value
    return out


def pod_is_over(pod: Obj, now: float) -> bool:
    """Whether a pod no longer counts: it has ended, or should have by now."""
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return True
    meta = pod["metadata"]
    if "deletionTimestamp" not in meta or "deletionGracePeriodSeconds" not in meta:
        return False
    end = dt.datetime.fromisoformat(meta["deletionTimestamp"]).timestamp() + float(meta["deletionGracePeriodSeconds"])
    return now > end


def _pod(pod: Obj, now: float) -> Amounts:
    if pod_is_over(pod, now):
        return {}
    return _compute(pod_amounts(pod, "requests"), pod_amounts(pod, "limits"))


def _service(service: Obj, now: float) -> Amounts:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or []
    node_ports, balancers = 0, 0
    if spec.get("type") == "NodePort":
        node_ports = len(ports)
    elif spec.get("type") == "LoadBalancer":
        balancers = 1
        allocated = spec.get("allocateLoadBalancerNodePorts", True)
        node_ports = len(ports) if allocated else sum(1 for p in ports if p.get("nodePort"))
    return {"services": ONE, "services.nodeports": Quantity.of(node_ports), "services.loadbalancers": Quantity.of(balancers)}


def _claim(claim: Obj, now: float) -> Amounts:
    out: Amounts = {"persistentvolumeclaims": ONE}
    spec = claim.get("spec") or {}
    storage_class = (claim["metadata"].get("annotations") or {}).get("volume.beta.kubernetes.io/storage-class")
    storage_class = storage_class or spec.get("storageClassName")
    if storage_class:
        out[f"{storage_class}{_CLASS_SUFFIX}persistentvolumeclaims"] = ONE
    request = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if request is not None:
        size = parse(request)
        allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
        if allocated is not None:
            size = max(size, parse(allocated))
        out["requests.storage"] = size
        if storage_class:
            out[f"{storage_class}{_CLASS_SUFFIX}requests.storage"] = size
    return out


def _resource_claim(claim: Obj, now: float) -> Amounts:
    out: Amounts = {}
    for request in ((claim.get("spec") or {}).get("devices") or {}).get("requests") or ():
        options = [request["exactly"]] if "exactly" in request else request.get("firstAvailable") or [request]
        largest: dict[str, int] = {}
        for option in options:
            name = option.get("deviceClassName")
            if name:
                count = 32 if option.get("allocationMode") == "All" else option.get("count", 1)
                largest[name] = max(largest.get(name, 0), count)
        out = add(out, {f"{name}{_DEVICE_SUFFIX}": Quantity.of(count) for name, count in largest.items()})
    return out


_MEASURES: dict[tuple[str, str], Callable[[Obj, float], Amounts]] = {
    ("", "pods"): _pod,
    ("", "services"): _service,
    ("", "persistentvolumeclaims"): _claim,
    ("resource.k8s.io", "resourceclaims"): _resource_claim,
}


def usage(group: str, plural: str, obj: Obj, now: float) -> Amounts:
    """What one object counts for, by quota resource name; `now` in seconds since the epoch."""
    out: Amounts = {count_name(group, plural): ONE}
    if not group and plural in _LEGACY:
        out[plural] = ONE
    measure = _MEASURES.get((group, plural))
    if measure is not None:
        out.update(measure(obj, now))
    return out


def tracked(group: str, plural: str, names: Iterable[str]) -> set[str]:
    """Those of a quota's resource names that objects of this kind count against."""
    out = set()
    for name in names:
        if name == count_name(group, plural) or (not group and name == plural and plural in _LEGACY):
            out.add(name)
        elif (group, plural) == ("", "pods"):
            bare = name.removeprefix("requests.")
            if name in _POD_RESOURCES or bare.startswith("hugepages-") or (bare != name and is_extended(bare)):
                out.add(name)
        elif (group, plural) == ("", "services"):
            if name in ("services.nodeports", "services.loadbalancers"):
                out.add(name)
        elif (group, plural) == ("", "persistentvolumeclaims"):
            if name == "requests.storage" or name.endswith((f"{_CLASS_SUFFIX}requests.storage", f"{_CLASS_SUFFIX}persistentvolumeclaims")):
                out.add(name)
        elif (group, plural) == ("resource.k8s.io", "resourceclaims") and name.endswith(_DEVICE_SUFFIX):
            out.add(name)
    return out


def scopes(quota: Obj) -> list[Obj]:
    """A quota's scope selectors, `spec.scopes` among them as `Exists`."""
    spec = quota.get("spec") or {}
    plain = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return [*plain, *((spec.get("scopeSelector") or {}).get("matchExpressions") or ())]


def in_scope(quota: Obj, group: str, plural: str, obj: Obj) -> bool:
    """Whether all of a quota's scopes hold for the object; kinds that know no scopes match quotas without any."""
    for selector in scopes(quota):
        if (group, plural) == ("", "pods"):
            if not _pod_in(selector, obj):
                return False
        elif (group, plural) == ("", "persistentvolumeclaims") and selector.get("scopeName") == "VolumeAttributesClass":
            if not _selects(selector, (obj.get("spec") or {}).get("volumeAttributesClassName") or ""):
                return False
        else:
            return False
    return True


def _pod_in(selector: Obj, pod: Obj) -> bool:
    spec = pod.get("spec") or {}
    match selector.get("scopeName"):
        case "Terminating":
            return "activeDeadlineSeconds" in spec
        case "NotTerminating":
            return "activeDeadlineSeconds" not in spec
        case "BestEffort":
            return is_best_effort(pod)
        case "NotBestEffort":
            return not is_best_effort(pod)
        case "PriorityClass":
            return _selects(selector, spec.get("priorityClassName", ""))
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(spec.get("affinity") or {})
    return False


def _selects(selector: Obj, value: str) -> bool:
    values = selector.get("values") or ()
    match selector.get("operator"):
        case "Exists":
            return bool(value)
        case "DoesNotExist":
            return not value
        case "In":
            return value in values and bool(value)
        case "NotIn":
            return value not in values
    return False


def is_best_effort(pod: Obj) -> bool:
    """Whether no container of the pod (nor the pod itself) asks for cpu or memory."""
    spec = pod.get("spec") or {}
    holders = [spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for holder in holders:
        resources = holder.get("resources") or {}
        for key in ("requests", "limits"):
            if any(parse(v) for n, v in (resources.get(key) or {}).items() if n in ("cpu", "memory")):
                return False
    return True


def _crosses_namespaces(affinity: Obj) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        required = list(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        required += [weighted.get("podAffinityTerm") or {} for weighted in preferred]
        if any(term.get("namespaces") or "namespaceSelector" in term for term in required):
            return True
    return False


def unspecified(names: set[str], pod: Obj) -> str:
    """`must specify requests.cpu for: c1,c2; …` when containers leave open what a quota demands, else empty."""
    demanded = names & _MUST_SAY
    if not demanded:
        return ""
    spec = pod.get("spec") or {}
    whole = _compute(*(amounts((spec.get("resources") or {}).get(key)) for key in ("requests", "limits")))
    missing: dict[str, set[str]] = {}
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        said = _compute(amounts(resources.get("requests")), amounts(resources.get("limits")))
        for name in demanded - said.keys() - whole.keys():
            missing.setdefault(name, set()).add(container["name"])
    if not missing:
        return ""
    return "must specify " + "; ".join(f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing))
