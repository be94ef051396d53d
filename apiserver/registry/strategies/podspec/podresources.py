"""Resources of a pod as a whole: sums over its containers, and what it may ask for itself (KEP-2837).

Upstream: validatePodResources, component-helpers/resource/helpers.go AggregateContainerRequests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apiserver.context import Obj
from apiserver.registry.strategies import resources
from apiserver.registry.strategies.checks import Errors
from kubepy.api.errors import forbidden_field, invalid
from kubepy.api.quantity import Quantity, parse

Amounts = dict[str, Quantity]


def amounts(value: Mapping[str, str] | None) -> Amounts:
    """Parsed quantities by resource name."""
    return {k: parse(v) for k, v in (value or {}).items()}


def _add(into: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        into[name] = into[name] + value if name in into else value


def _max(into: Amounts, more: Amounts) -> None:
    for name, value in more.items():
        if name not in into or into[name] < value:
            into[name] = value


def aggregate(spec: Obj, of: Callable[[Obj], Amounts]) -> Amounts:
    """What all containers need together: those that run side by side summed, or the largest init step."""
    total: Amounts = {}
    for c in spec.get("containers") or ():
        _add(total, of(c))
    sidecars: Amounts = {}
    peak: Amounts = {}
    for c in spec.get("initContainers") or ():
        need = dict(of(c))
        if c.get("restartPolicy") == "Always":
            _add(total, need)
            _add(sidecars, need)
            need = dict(sidecars)
        else:
            _add(need, sidecars)
        _max(peak, need)
    _max(total, peak)
    return total


def container_requests(c: Obj) -> Amounts:
    """A container's requests."""
    return amounts((c.get("resources") or {}).get("requests"))


def container_limits(c: Obj) -> Amounts:
    """A container's limits."""
    return amounts((c.get("resources") or {}).get("limits"))


def pod_level(out: Errors, spec: Obj, value: Obj, claims: frozenset[str], path: str) -> None:
    """spec.resources: supported names, at least what containers request, at least each container's limit."""
    if (spec.get("os") or {}).get("name") == "windows":
        out.append(forbidden_field(path, "may not be set for a windows pod"))
        return
    if value.get("claims") is not None:
        out.append(forbidden_field(f"{path}.claims", "claims may not be set for Resources at pod-level"))
    resources.requirements(out, value, path, claims, resources.pod_resource_name)
    own = amounts(value.get("requests"))
    for name, total in aggregate(spec, container_requests).items():
        mine = own.get(name)
        if mine is not None and total > mine:
            text = f"must be greater than or equal to aggregate container requests of {total}"
            out.append(invalid(f"{path}.requests[{name}]", str(mine), text))
    ceilings = amounts(value.get("limits"))
    for name, total in aggregate(spec, container_limits).items():
        if resources.is_huge_page(name) and name in ceilings and total > ceilings[name]:
            text = f"must be greater than or equal to aggregate container limits of {total}"
            out.append(invalid(f"{path}.limits[{name}]", str(ceilings[name]), text))
    for i, c in enumerate(spec.get("containers") or ()):
        for name, limit in container_limits(c).items():
            if name in ceilings and limit > ceilings[name]:
                text = f"must be less than or equal to pod limits of {ceilings[name]}"
                out.append(invalid(f"{path}.containers[{i}][{name}].limits", str(limit), text))
