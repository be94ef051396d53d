"""Endpoints: addresses and ports of a service, kept for old clients.

Upstream: ValidateEndpoints, pkg/registry/core/endpoint/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import addresses
from apiserver.registry.strategies.checks import Errors, enum, named, port
from apiserver.registry.strategies.common import both
from apiserver.registry.strategies.podspec.containers import PROTOCOLS
from apiserver.registry.strategies.serviceaddresses import ip_warning
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import required

_DEPRECATED = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    known = [a.get("ip", "") for s in (old or {}).get("subsets") or () for k in ("addresses", "notReadyAddresses") for a in s.get(k) or ()]
    if old is not None and new.get("subsets") == old.get("subsets"):
        return
    for i, subset in enumerate(new.get("subsets") or ()):
        at = f"subsets[{i}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            out.append(required(at, "must specify `addresses` or `notReadyAddresses`"))
        for key in ("addresses", "notReadyAddresses"):
            for j, address in enumerate(subset.get(key) or ()):
                _address(out, address, f"{at}.{key}[{j}]", known)
        ports = subset.get("ports") or ()
        for j, p in enumerate(ports):
            _port(out, p, f"{at}.ports[{j}]", len(ports) > 1)


def _address(out: Errors, address: Obj, path: str, known: list[str]) -> None:
    ip = address.get("ip") or ""
    addresses.ip(out, ip, f"{path}.ip", known)
    if host := address.get("hostname"):
        named(out, host, f"{path}.hostname", names.dns1123_label)
    if (node := address.get("nodeName")) is not None:
        named(out, node, f"{path}.nodeName", names.dns1123_subdomain)
    addresses.not_special(out, ip, f"{path}.ip")


def _port(out: Errors, p: Obj, path: str, need_name: bool) -> None:
    if name := p.get("name"):
        named(out, name, f"{path}.name", names.dns1123_label)
    elif need_name:
        out.append(required(f"{path}.name"))
    port(out, p.get("port"), f"{path}.port")
    enum(out, p.get("protocol"), f"{path}.protocol", PROTOCOLS)
    if (protocol := p.get("appProtocol")) is not None:
        named(out, protocol, f"{path}.appProtocol", names.qualified_name)


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out = [_DEPRECATED]
    if old is not None and new.get("subsets") == old.get("subsets"):
        return out
    for i, subset in enumerate(new.get("subsets") or ()):
        for key in ("addresses", "notReadyAddresses"):
            for j, address in enumerate(subset.get(key) or ()):
                out += ip_warning(f"subsets[{i}].{key}[{j}].ip", address.get("ip", ""))
    return out


STRATEGY = Strategy(warnings=_warnings, has_generation=False, allow_create_on_update=True, **both(_validate))
