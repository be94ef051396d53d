"""StorageClasses and VolumeAttributesClasses.

Upstream: pkg/apis/storage/validation, pkg/registry/storage/{storageclass,volumeattributesclass}/strategy.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, enum, immutable, label_name
from apiserver.registry.strategies.common import both
from apiserver.registry.strategies.podspec.warnings import NODE_LABELS
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required, too_long

_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_MAX_PARAMETERS = 512
_MAX_SIZE = 256 * 1024


def _parameters(out: Errors, parameters: Mapping[str, str], path: str) -> None:
    if len(parameters) > _MAX_PARAMETERS:
        out.append(too_long(path, _MAX_PARAMETERS))
        return
    size = 0
    for key, value in parameters.items():
        if not key:
            out.append(invalid(path, key, "field can not be empty."))
        size += len(key) + len(value)
    if size > _MAX_SIZE:
        out.append(too_long(path, _MAX_SIZE))


def _topologies(out: Errors, terms: list[Obj]) -> None:
    seen: list[dict[str, frozenset[str]]] = [{} for _ in terms]
    """What upstream compares with begins with as many empty terms as there are terms: an empty one is always a duplicate."""
    for i, term in enumerate(terms):
        at = f"allowedTopologies[{i}]"
        found: dict[str, frozenset[str]] = {}
        for j, e in enumerate(term.get("matchLabelExpressions") or ()):
            here = f"{at}.matchLabelExpressions[{j}]"
            key, values = e.get("key", ""), e.get("values") or []
            if not values:
                out.append(required(f"{here}.values"))
            out.extend(duplicate(f"{here}.values[{k}]", v) for k, v in enumerate(values) if v in values[:k])
            label_name(out, key, f"{here}.key")
            if key in found:
                out.append(duplicate(f"{here}.key", key))
            found[key] = frozenset(values)
        out.extend(duplicate(f"{at}.matchLabelExpressions", "") for other in seen if other == found)
        seen.append(found)


def _qualified(out: Errors, value: str, path: str) -> None:
    """The name of a provisioner or driver: a qualified name in any case."""
    if not value:
        out.append(required(path))
    else:
        out.extend(invalid(path, value.lower(), m) for m in names.qualified_name(value.lower()))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    provisioner = new.get("provisioner") or ""
    _qualified(out, provisioner, "provisioner")
    parameters = new.get("parameters") or {}
    _parameters(out, parameters, "parameters")
    enum(out, new.get("reclaimPolicy"), "reclaimPolicy", _RECLAIM, need=False)
    binding = new.get("volumeBindingMode")
    if binding is None:
        out.append(required("volumeBindingMode"))
    elif binding not in _BINDING:
        out.append(not_supported("volumeBindingMode", binding, _BINDING))
    _topologies(out, new.get("allowedTopologies") or [])
    if old is None:
        return
    immutable(out, parameters, old.get("parameters") or {}, "parameters", goform.plain(parameters) or None)
    immutable(out, provisioner, old.get("provisioner") or "", "provisioner")
    immutable(out, new.get("reclaimPolicy"), old.get("reclaimPolicy"), "reclaimPolicy")
    immutable(out, new.get("volumeBindingMode"), old.get("volumeBindingMode"), "volumeBindingMode")


def _warnings(new: Obj, _old: Obj | None) -> list[str]:
    out = []
    for i, term in enumerate(new.get("allowedTopologies") or ()):
        for j, e in enumerate(term.get("matchLabelExpressions") or ()):
            key = e.get("key", "")
            if key in NODE_LABELS:
                out.append(f"allowedTopologies[{i}].matchLabelExpressions[{j}].key: {key} is {NODE_LABELS[key]}")
    return out


def _validate_attributes(out: Errors, new: Obj, old: Obj | None) -> None:
    _qualified(out, new.get("driverName") or "", "driverName")
    parameters = new.get("parameters") or {}
    if not parameters:
        out.append(required("parameters", "must contain at least one key/value pair"))
    _parameters(out, parameters, "parameters")
    if old is not None:
        out.extend(forbidden_field(k, f"updates to {k} are forbidden.") for k in ("driverName", "parameters") if new.get(k) != old.get(k))


STRATEGY = Strategy(warnings=_warnings, has_generation=False, **both(_validate))
ATTRIBUTES = Strategy(has_generation=False, **both(_validate_attributes))
