"""Resource names and quantities: which names exist where, and what amounts they may have. Pure.

Upstream: pkg/apis/core/helper/helpers.go, validateResourceRequirements in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from apiserver.context import Obj
from apiserver.registry.strategies.checks import NEGATIVE, Errors, named, not_found
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required
from kubepy.api.quantity import Quantity, parse
from kubepy.api.usage import is_extended, is_native

_COUNTED = frozenset(
    (
        "pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims",
        "services.nodeports", "services.loadbalancers",
    )
)  # fmt: skip
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_CONTAINER = frozenset(_COMPUTE)
_QUOTA = _COUNTED | _CONTAINER | {f"{p}.{r}" for p in ("requests", "limits") for r in _COMPUTE} | {"requests.storage"}
_STANDARD = _QUOTA | {"storage"}
_POD_LEVEL = ("cpu", "memory")
ZERO = Quantity(0)
_FAST_DIGITS = 18
"""Decimal numbers of so many digits are an int64 and a scale in Go, others big numbers."""


def is_huge_page(name: str) -> bool:
    """`hugepages-2Mi` and its like."""
    return name.startswith("hugepages-")


def is_integer(name: str) -> bool:
    """Counted in whole units."""
    return name in _COUNTED or is_extended(name)


def overcommit_allowed(name: str) -> bool:
    """Whether requests may be lower than limits."""
    return is_native(name) and not is_huge_page(name)


def is_standard_quota(name: str) -> bool:
    """A name that quotas know by themselves."""
    return name in _QUOTA or name.startswith(("hugepages-", "requests.hugepages-"))


def resource_name(out: Errors, name: str, path: str) -> None:
    """validateResourceName: qualified, or a standard resource."""
    before = len(out)
    named(out, name, path, names.qualified_name)
    if len(out) == before and "/" not in name and name not in _STANDARD and not name.startswith(("hugepages-", "requests.hugepages-")):
        out.append(invalid(path, name, "must be a standard resource type or fully qualified"))


def container_resource_name(out: Errors, name: str, path: str) -> None:
    """A resource that a container may ask for."""
    if name in _CONTAINER:
        return
    resource_name(out, name, path)
    if "/" not in name:
        if not is_huge_page(name):
            out.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        out.append(invalid(path, name, "doesn't follow extended resource name standard"))


def pod_resource_name(out: Errors, name: str, path: str) -> None:
    """A resource that a pod as a whole may ask for."""
    if name in _POD_LEVEL or is_huge_page(name):
        return
    before = len(out)
    resource_name(out, name, path)
    if len(out) == before:
        out.append(not_supported(path, name, ("cpu", "hugepages-", "memory")))


def quota_resource_name(out: Errors, name: str, path: str) -> None:
    """A resource that a quota may limit."""
    if name in _QUOTA:
        return
    resource_name(out, name, path)
    if "/" not in name and not is_standard_quota(name):
        out.append(invalid(path, name, "must be a standard resource for quota"))


def quantity_value(out: Errors, name: str, text: str, path: str) -> Quantity:
    """An amount that is not negative, and whole where the resource is (ValidateResourceQuantityValue)."""
    value = parse(text)
    if value.nanos < 0:
        out.append(invalid(path, str(value), NEGATIVE))
    if is_integer(name) and _go_milli(text, value) % 1000:
        out.append(invalid(path, str(value), "must be an integer"))
    return value


def _go_milli(text: str, value: Quantity) -> int:
    """Thousandths as Go's int64 has them where they do not fit: 0 of up to 18 decimal digits, else the low 64 bits.

    Upstream: Quantity.ScaledValue (apimachinery pkg/api/resource/quantity.go).
    """
    milli = value.scaled(-3)
    if -(1 << 63) <= milli < 1 << 63:
        return milli
    digits = len(re.split("[a-zA-Z]", text.lstrip("+-").lstrip("0"), maxsplit=1)[0].replace(".", ""))
    if digits <= _FAST_DIGITS and not text.endswith("i"):
        return 0
    return abs((milli + (1 << 63)) % (1 << 64) - (1 << 63))


def _huge_page_multiple(out: Errors, name: str, value: Quantity, path: str) -> None:
    try:
        page = parse(name.removeprefix("hugepages-"))
    except ValueError:
        page = ZERO
    if page.value() <= 0 or value.value() % page.value():
        out.append(invalid(path, str(value), f"{value} is not positive integer multiple of {name}"))


NameRule = Callable[[Errors, str, str], None]


def requirements(
    out: Errors, req: Obj, path: str, claims: Mapping[str, object] | frozenset[str], rule: NameRule = container_resource_name
) -> None:
    """ResourceRequirements: names, amounts, requests within limits, huge pages, claims (names in `claims`)."""
    limits, requests = req.get("limits"), req.get("requests")
    computes = huge = False
    if limits:
        for name, text in limits.items():
            if name not in _CONTAINER or text[0] == "-":
                at = f"{path}.limits[{name}]"
                rule(out, name, at)
                value = quantity_value(out, name, text, at)
                if is_huge_page(name):
                    huge = True
                    _huge_page_multiple(out, name, value, at)
            elif rule is not container_resource_name:
                rule(out, name, f"{path}.limits[{name}]")
            computes = computes or name in _POD_LEVEL
    if requests:
        for name, text in requests.items():
            at = f"{path}.requests[{name}]"
            rule(out, name, at)
            value = quantity_value(out, name, text, at)
            ceiling = limits.get(name) if limits else None
            if ceiling is not None:
                if ceiling != text:
                    top = parse(ceiling)
                    if value.nanos != top.nanos and not overcommit_allowed(name):
                        out.append(invalid(f"{path}.requests", str(value), f"must be equal to {name} limit of {top}"))
                    elif value.nanos > top.nanos:
                        out.append(invalid(f"{path}.requests", str(value), f"must be less than or equal to {name} limit of {top}"))
            elif not overcommit_allowed(name):
                out.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
            if is_huge_page(name):
                huge = True
                _huge_page_multiple(out, name, value, at)
            computes = computes or name in _POD_LEVEL
    if huge and not computes:
        out.append(forbidden_field(path, "HugePages require cpu or memory"))
    if req.get("claims"):
        _claim_names(out, req["claims"], claims, f"{path}.claims")


def _claim_names(out: Errors, claims: list[Obj], known: Mapping[str, object] | frozenset[str], path: str) -> None:
    seen: set[str] = set()
    for i, claim in enumerate(claims):
        at = f"{path}[{i}]"
        name, request = claim.get("name") or "", claim.get("request") or ""
        if not name:
            out.append(required(at))
            continue
        if name in seen:
            out.append(duplicate(at, name))
        else:
            key = name
            if request:
                named(out, request, f"{at}.request", names.dns1123_label)
                key += "/" + request
            if key in seen:
                out.append(duplicate(at, key))
            elif not request:
                out.extend(duplicate(at, name) for k in seen if "/" in k and k.split("/", 1)[0] == name)
            seen.add(key)
        if name not in known:
            tail = ": " + ", ".join(sorted(known)) if known else " which is empty"
            out.append(not_found(at, name, "must be one of the names in pod.spec.resourceClaims" + tail))
