"""NetworkPolicies.

Upstream: ValidateNetworkPolicySpec, pkg/apis/networking/v1/defaults.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import addresses
from apiserver.registry.strategies.checks import Errors, label_selector, named
from apiserver.registry.strategies.common import both
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")


def _default(obj: Obj) -> None:
    spec = obj.get("spec")
    if spec is not None and not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    wrong: Errors = []
    if old is not None:
        label_selector(wrong, (old.get("spec") or {}).get("podSelector"), "")
    label_selector(out, spec.get("podSelector"), "spec.podSelector", bool(wrong))
    for key, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(key) or ()):
            at = f"spec.{key}[{i}]"
            for j, p in enumerate(rule.get("ports") or ()):
                _port(out, p, f"{at}.ports[{j}]")
            for j, peer in enumerate(rule.get(peers) or ()):
                _peer(out, peer, f"{at}.{peers}[{j}]", bool(wrong))
    types = spec.get("policyTypes") or []
    if len(types) > 2:
        out.append(invalid("spec.policyTypes", types, "may not specify more than two policyTypes"))
        return
    out.extend(not_supported(f"spec.policyTypes[{i}]", t, _TYPES) for i, t in enumerate(types) if t not in _TYPES)


def _port(out: Errors, p: Obj, path: str) -> None:
    protocol, number, end = p.get("protocol"), p.get("port"), p.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        out.append(not_supported(f"{path}.protocol", protocol, _PROTOCOLS))
    if isinstance(number, str):
        if end is not None:
            out.append(invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric"))
        named(out, number, f"{path}.port", names.port_name)
    elif number is not None:
        out.extend(invalid(f"{path}.port", number, m) for m in names.port_number(number))
        if end is not None:
            if end < number:
                out.append(invalid(f"{path}.endPort", end, "must be greater than or equal to `port`"))
            out.extend(invalid(f"{path}.endPort", end, m) for m in names.port_number(end))
    elif end is not None:
        out.append(invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified"))


def _peer(out: Errors, peer: Obj, path: str, any_value: bool) -> None:
    count = 0
    for key in ("podSelector", "namespaceSelector"):
        if (selector := peer.get(key)) is not None:
            count += 1
            label_selector(out, selector, f"{path}.{key}", any_value)
    block = peer.get("ipBlock")
    if block is not None:
        if count:
            out.append(forbidden_field(path, "may not specify both ipBlock and another peer"))
        count += 1
        _block(out, block, f"{path}.ipBlock")
    if not count:
        out.append(required(path, "must specify a peer"))


def _block(out: Errors, block: Obj, path: str) -> None:
    text = block.get("cidr") or ""
    if not text:
        out.append(required(f"{path}.cidr"))
        return
    if not addresses.cidr(out, text, f"{path}.cidr"):
        return
    outer = addresses.parse_cidr(text)
    for i, except_text in enumerate(block.get("except") or ()):
        at = f"{path}.except[{i}]"
        if not addresses.cidr(out, except_text, at):
            continue
        inner = addresses.parse_cidr(except_text)
        assert outer is not None and inner is not None
        same = outer[1].version == inner[1].version
        if not same or inner[1].network_address not in outer[1] or inner[1].prefixlen <= outer[1].prefixlen:
            out.append(invalid(at, except_text, "must be a strict subset of `cidr`"))


STRATEGY = Strategy(default=_default, **both(_validate))
