"""IPAddresses and ServiceCIDRs.

Upstream: ValidateIPAddress, ValidateServiceCIDR in pkg/apis/networking/validation.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import addresses, goform
from apiserver.registry.strategies.checks import Errors, immutable, named
from apiserver.registry.strategies.common import both, with_status
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import invalid, required

_FAMILIES = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"


def _address_name(name: str, _prefix: bool) -> list[str]:
    parsed = addresses.parse(name)
    if parsed is None:
        return [addresses.NOT_AN_IP]
    if str(parsed) != name:
        return [f'must be in canonical form ("{parsed}")']
    return []


def _validate_address(out: Errors, new: Obj, old: Obj | None) -> None:
    parent = (new.get("spec") or {}).get("parentRef")
    if parent is None:
        out.append(required("spec.parentRef"))
    else:
        if group := parent.get("group"):
            named(out, group, "spec.parentRef.group", names.dns1123_subdomain)
        for key in ("resource", "name"):
            if not parent.get(key):
                out.append(required(f"spec.parentRef.{key}"))
            else:
                named(out, parent[key], f"spec.parentRef.{key}", names.path_segment)
        if namespace := parent.get("namespace"):
            named(out, namespace, "spec.parentRef.namespace", names.path_segment)
    if old is not None:
        immutable(out, parent, (old.get("spec") or {}).get("parentRef"), "spec.parentRef", goform.of("ParentReference", parent))


def _validate_range(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    cidrs = spec.get("cidrs") or []
    if old is not None:
        before = (old.get("spec") or {}).get("cidrs") or []
        if len(before) == 1 and len(cidrs) == 2:
            # A second family may be added.
            out.extend(_fixed(cidrs[:1], before))
            _cidrs(out, spec, cidrs)
            return
        if len(before) != len(cidrs):
            out.append(invalid("spec.cidrs", cidrs or None, "field is immutable"))
            return
        out.extend(_fixed(cidrs, before))
        return
    _cidrs(out, spec, cidrs)


def _fixed(new: list[str], old: list[str]) -> Errors:
    return [invalid(f"spec.cidrs[{i}]", n, "field is immutable") for i, (n, o) in enumerate(zip(new, old, strict=False)) if n != o]


def _cidrs(out: Errors, spec: Obj, cidrs: list[str]) -> None:
    if not cidrs:
        out.append(required("spec.cidrs", "at least one CIDR required"))
        return
    if len(cidrs) > 2:
        out.append(invalid("spec.cidrs", goform.of("ServiceCIDRSpec", spec), "may only hold up to 2 values"))
        return
    valid = [addresses.canonical_cidr(out, c, f"spec.cidrs[{i}]") for i, c in enumerate(cidrs)]
    if len(cidrs) == 2 and all(valid):
        parsed = [addresses.parse_cidr(c) for c in cidrs]
        if len({p[0].version for p in parsed if p is not None}) != 2:
            out.append(invalid("spec.cidrs", cidrs, _FAMILIES))


ADDRESS = Strategy(name_check=_address_name, has_generation=False, **both(_validate_address))
RANGE = with_status(has_generation=False, **both(_validate_range))
