"""EndpointSlices.

Upstream: pkg/apis/discovery/validation, pkg/registry/discovery/endpointslice/strategy.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies import addresses
from apiserver.registry.strategies.checks import Errors, immutable, named
from apiserver.registry.strategies.common import both, bump_generation, first_generation
from apiserver.registry.strategies.serviceaddresses import ip_warning
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import duplicate, invalid, not_supported, required, too_many

_TYPES = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_HOST = "kubernetes.io/hostname"
_LIMITS = {"endpoints": 1000, "addresses": 100, "ports": 20000, "hints": 8}


def _drop_topology(new: Obj, old: Obj | None) -> None:
    """deprecatedTopology is of the past: a node's name in it moves to nodeName where it was stored before (dropTopologyOnV1)."""
    before = (old or {}).get("endpoints") or ()
    if old is not None and new.get("endpoints") == old.get("endpoints"):
        return
    known = {(e.get("deprecatedTopology") or {}).get(_HOST) for e in before}
    for endpoint in new.get("endpoints") or ():
        node = (endpoint.pop("deprecatedTopology", None) or {}).get(_HOST)
        if node is not None and endpoint.get("nodeName") is None and node in known and not names.dns1123_subdomain(node):
            endpoint["nodeName"] = node


def _prepare(obj: Obj) -> None:
    first_generation(obj)
    _drop_topology(obj, None)


def _prepare_update(new: Obj, old: Obj) -> None:
    labels = new["metadata"].get("labels") != old["metadata"].get("labels")
    bump_generation(new, old, labels or any(new.get(k) != old.get(k) for k in ("endpoints", "ports", "addressType")))
    _drop_topology(new, old)


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    kind = new.get("addressType", "")
    if not kind:
        out.append(required("addressType"))
    elif kind not in _TYPES:
        out.append(not_supported("addressType", kind, _TYPES))
    found = new.get("endpoints") or ()
    if len(found) > _LIMITS["endpoints"]:
        out.append(too_many("endpoints", len(found), _LIMITS["endpoints"]))
    else:
        before = {a for e in (old or {}).get("endpoints") or () for a in e.get("addresses") or ()}
        for i, endpoint in enumerate(found):
            _endpoint(out, endpoint, kind, f"endpoints[{i}]", tuple(before))
    _ports(out, new.get("ports") or ())
    if old is not None:
        immutable(out, kind, old.get("addressType", ""), "addressType")


def _endpoint(out: Errors, endpoint: Obj, kind: str, path: str, old: Sequence[str]) -> None:
    at, found = f"{path}.addresses", endpoint.get("addresses") or ()
    if not found:
        out.append(required(at, "must contain at least 1 address"))
    elif len(found) > _LIMITS["addresses"]:
        out.append(too_many(at, len(found), _LIMITS["addresses"]))
    for j, address in enumerate(found):
        here = f"{at}[{j}]"
        if address in old:
            continue
        if kind == "FQDN":
            _domain(out, address, here)
        elif kind in ("IPv4", "IPv6") and addresses.ip(out, address, here):
            parsed = addresses.parse(address)
            if parsed is not None and f"IPv{parsed.version}" != kind:
                out.append(invalid(at, address, f"must be an {kind} address"))
            addresses.not_special(out, address, here)
    if (node := endpoint.get("nodeName")) is not None:
        named(out, node, f"{path}.nodeName", names.dns1123_subdomain)
    if (host := endpoint.get("hostname")) is not None:
        named(out, host, f"{path}.hostname", names.dns1123_label)
    for key in ("forZones", "forNodes"):
        hints = (endpoint.get("hints") or {}).get(key) or ()
        here = f"{path}.hints.{key}"
        if len(hints) > _LIMITS["hints"]:
            out.append(too_many(here, len(hints), _LIMITS["hints"]))
            continue
        seen: set[str] = set()
        for j, hint in enumerate(hints):
            name = hint.get("name", "")
            if name in seen:
                out.append(duplicate(f"{here}[{j}].name", name))
            else:
                seen.add(name)
                rule = names.label_value if key == "forZones" else names.dns1123_subdomain
                named(out, name, f"{here}[{j}].name", rule)


def _domain(out: Errors, name: str, path: str) -> None:
    if not name:
        out.append(required(path))
        return
    bare = name.removesuffix(".")
    if problems := names.dns1123_subdomain(bare):
        out.extend(invalid(path, bare, m) for m in problems)
        return
    if bare.count(".") < 1:
        out.append(invalid(path, bare, "should be a domain with at least two segments separated by dots"))
    for label in bare.split("."):
        out.extend(invalid(path, label, m) for m in names.dns1123_label(label))


def _ports(out: Errors, ports: Sequence[Obj]) -> None:
    if len(ports) > _LIMITS["ports"]:
        out.append(too_many("ports", len(ports), _LIMITS["ports"]))
        return
    seen: set[str] = set()
    for i, p in enumerate(ports):
        at, name = f"ports[{i}]", p.get("name") or ""
        if name:
            named(out, name, f"{at}.name", names.dns1123_label)
        if name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
        protocol = p.get("protocol")
        if protocol is None:
            out.append(required(f"{at}.protocol"))
        elif protocol not in _PROTOCOLS:
            out.append(not_supported(f"{at}.protocol", protocol, _PROTOCOLS))
        if (app := p.get("appProtocol")) is not None:
            named(out, app, f"{at}.appProtocol", names.qualified_name)


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out: list[str] = []
    if new.get("addressType") == "FQDN":
        out.append("spec.addressType: FQDN endpoints are deprecated")
    elif old is None or new.get("endpoints") != old.get("endpoints"):
        for i, endpoint in enumerate(new.get("endpoints") or ()):
            for j, address in enumerate(endpoint.get("addresses") or ()):
                out += ip_warning(f"spec.endpoints[{i}].addresses[{j}]", address)
    return out


STRATEGY = Strategy(prepare=_prepare, prepare_update=_prepare_update, warnings=_warnings, has_generation=False, **both(_validate))
