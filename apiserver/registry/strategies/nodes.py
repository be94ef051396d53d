"""Nodes: taints, pod CIDRs, capacity; what may be set once only.

Upstream: ValidateNode, ValidateNodeUpdate, pkg/registry/core/node/strategy.go.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from apiserver.context import Obj
from apiserver.registry.strategies import addresses, goform, resources
from apiserver.registry.strategies.checks import Errors, duplicate_because, label_name, named
from apiserver.registry.strategies.common import keep_status, with_status
from apiserver.registry.strategies.podspec.affinity import taint_effect
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, required

_CIDR_FIXED = 'node updates may not change podCIDR except from "" to valid'
_ID_FIXED = 'node updates may not change providerID except from "" to valid'
_ONE = "exactly one reference subfield must be non-nil"


def _default(obj: Obj) -> None:
    status = obj.get("status")
    if status and status.get("capacity") and status.get("allocatable") is None:
        status["allocatable"] = dict(status["capacity"])
    spec = obj.get("spec")
    if spec:
        # podCIDR and the first of podCIDRs are one value (conversion of v1.NodeSpec).
        single, many = spec.get("podCIDR"), spec.get("podCIDRs")
        if (single and not many) or (single and many and many[0] != single):
            spec["podCIDRs"] = [single]
        elif many:
            spec["podCIDR"] = many[0]


def _prepare(obj: Obj) -> None:
    (obj.get("spec") or {}).pop("configSource", None)
    (obj.get("status") or {}).pop("config", None)


def _prepare_update(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    if "configSource" not in (old.get("spec") or {}):
        (new.get("spec") or {}).pop("configSource", None)


def taints(out: Errors, values: Sequence[Obj], path: str) -> None:
    """Valid taints, at most one per key and effect."""
    seen: set[tuple[str, str]] = set()
    for i, t in enumerate(values):
        key, value, effect = t.get("key") or "", t.get("value") or "", t.get("effect") or ""
        at = f"{path}[{i}]"
        label_name(out, key, f"{at}.key")
        if problems := names.label_value(value):
            out.append(invalid(f"{at}.value", value, ";".join(problems)))
        taint_effect(out, effect, f"{at}.effect")
        if (key, effect) in seen:
            shown = orjson.dumps(goform.of("Taint", t)).decode()
            out.append(duplicate_because(at, shown, "taints must be unique by key and effect pair"))
        seen.add((key, effect))


def _amounts(out: Errors, obj: Obj) -> None:
    status = obj.get("status") or {}
    for kind in ("capacity", "allocatable"):
        for name, text in (status.get(kind) or {}).items():
            resources.quantity_value(out, name, text, f"status.{kind}.{name}")


def _validate(obj: Obj) -> Errors:
    out: Errors = []
    spec = obj.get("spec") or {}
    taints(out, spec.get("taints") or (), "metadata.taints")
    _amounts(out, obj)
    if cidrs := spec.get("podCIDRs"):
        for i, c in enumerate(cidrs):
            addresses.cidr(out, c, f"spec.podCIDRs[{i}]")
        if len(cidrs) > 1:
            parsed = [addresses.parse_cidr(c) for c in cidrs]
            dual = len({p[0].version for p in parsed if p is not None}) == 2
            if not dual or len(cidrs) > 2:
                out.append(invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family"))
            out.extend(duplicate(f"spec.podCIDRs[{i}]", c) for i, c in enumerate(cidrs) if c in cidrs[:i])
    return out


def _validate_status(new: Obj, old: Obj) -> Errors:
    out: Errors = []
    _amounts(out, new)
    status, spec, before = new.get("status") or {}, new.get("spec") or {}, old.get("spec") or {}
    seen: list[tuple[str, str]] = []
    for i, a in enumerate(status.get("addresses") or ()):
        pair = (a.get("type", ""), a.get("address", ""))
        if pair in seen:
            out.append(duplicate(f"status.addresses[{i}]", goform.of("NodeAddress", a)))
        seen.append(pair)
    cidrs, old_cidrs = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
    if old_cidrs:
        if len(cidrs) != len(old_cidrs):
            out.append(forbidden_field("spec.podCIDRs", _CIDR_FIXED))
        else:
            out.extend(forbidden_field("spec.podCIDRs", _CIDR_FIXED) for a, b in zip(cidrs, old_cidrs, strict=True) if a != b)
    if before.get("providerID") and before["providerID"] != spec.get("providerID"):
        out.append(forbidden_field("spec.providerID", _ID_FIXED))
    if (source := spec.get("configSource")) is not None:
        _config_source(out, source, "spec.configSource", in_status=False)
    for key in ("assigned", "active", "lastKnownGood"):
        if (source := (status.get("config") or {}).get(key)) is not None:
            _config_source(out, source, f"status.config.{key}", in_status=True)
    taints(out, spec.get("taints") or (), "metadata.taints")
    if spec.get("externalID", "") != before.get("externalID", ""):
        out.append(forbidden_field("spec.externalID", "may not be updated"))
    return out


def _config_source(out: Errors, source: Obj, path: str, *, in_status: bool) -> None:
    found = source.get("configMap")
    if found is None:
        out.append(invalid(path, goform.of("NodeConfigSource", source), _ONE))
        return
    at = f"{path}.configMap"
    for key in ("uid", "resourceVersion"):
        if in_status and not found.get(key):
            out.append(required(f"{at}.{key}", f"{key} must be set in status"))
        elif not in_status and found.get(key):
            out.append(forbidden_field(f"{at}.{key}", f"{key} must not be set in spec"))
    rules = (("namespace", names.dns1123_label), ("name", names.dns1123_subdomain), ("kubeletConfigKey", names.config_map_key))
    for key, rule in rules:
        if not found.get(key):
            out.append(required(f"{at}.{key}", f"{key} must be set"))
        else:
            named(out, found[key], f"{at}.{key}", rule)


def _status_prepare(new: Obj, old: Obj) -> None:
    if "spec" in old:
        new["spec"] = old["spec"]
    else:
        new.pop("spec", None)
    if "config" not in (old.get("status") or {}):
        (new.get("status") or {}).pop("config", None)


def _warnings(new: Obj, _old: Obj | None) -> list[str]:
    spec = new.get("spec") or {}
    out = []
    if spec.get("configSource") is not None:
        out.append("spec.configSource: the feature is removed")
    if spec.get("externalID"):
        out.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return out


def _validate_update(new: Obj, old: Obj) -> Errors:
    return _validate(new) + _validate_status(new, old)


STRATEGY = with_status(
    default=_default,
    prepare=_prepare,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=_validate_update,
    warnings=_warnings,
    has_generation=False,
    status_prepare_update=_status_prepare,
    status_validate_update=_validate_status,
)
