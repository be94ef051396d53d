"""ResourceSlices: the devices that drivers publish (DRA), and how much of what they share each of them takes.

Upstream: validateResourceSliceSpec in pkg/apis/resource/validation, pkg/registry/resource/resourceslice/strategy.go.
"""

from __future__ import annotations

import re

from apiserver.context import Obj
from apiserver.registry import objectmeta
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, immutable, label_name, named
from apiserver.registry.strategies.common import both
from apiserver.registry.strategies.devicecapacity import policy
from apiserver.registry.strategies.devicelists import each, keyed, unique
from apiserver.registry.strategies.devicenames import binding_conditions, pool_name, qualified
from apiserver.registry.strategies.podspec.affinity import node_selector
from apiserver.registry.strategies.podspec.sources import csi_driver_name
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import forbidden_field, go_value, invalid, not_supported, required, too_long

_MAX_DEVICES, _MAX_RICH_DEVICES = 128, 64
_MAX_ATTRIBUTES, _MAX_VALUES, _MAX_TAINTS = 32, 48, 16
_MAX_COUNTER_SETS, _MAX_COUNTERS, _MAX_CONSUMPTIONS = 8, 32, 2
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_WHEN_SET = "set to true in the ResourceSlice spec"
_ONE_OF_DEVICE = f"exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is {_WHEN_SET}"
_NOT_PER_DEVICE = f"`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is {_WHEN_SET}"
_VALUES = ("int", "bool", "string", "version")
_GATED_VALUES = ("bools", "ints", "strings", "versions")
_EFFECTS = ("NoExecute", "NoSchedule", "None")
_PART = r"(?:0|[1-9]\d*)"
_PRE = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER = re.compile(rf"{_PART}\.{_PART}\.{_PART}(?:-{_PRE}(?:\.{_PRE})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?", re.ASCII).fullmatch


def _default(obj: Obj) -> None:
    for device in (obj.get("spec") or {}).get("devices") or ():
        for taint in device.get("taints") or ():
            if taint.get("timeAdded") is None:
                taint["timeAdded"] = objectmeta.timestamp()


def _drop_gated(obj: Obj) -> None:
    """Attributes with several values, and amounts of a node's own resources, are behind gates that are off."""
    for device in (obj.get("spec") or {}).get("devices") or ():
        device.pop("nodeAllocatableResourceMappings", None)
        for attribute in (device.get("attributes") or {}).values():
            for key in _GATED_VALUES:
                attribute.pop(key, None)


def _pool(out: Errors, pool: Obj) -> None:
    pool_name(out, pool.get("name", ""), "spec.pool.name")
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        out.append(invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        out.append(invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))


def _place(out: Errors, spec: Obj) -> None:
    chosen = []
    for key in _PLACES:
        value = spec.get(key)
        if value is None:
            continue
        if value is False or value == "":
            wanted = "must be either unset or set to " + ("true" if value is False else "a non-empty string")
            out.append(invalid(f"spec.{key}", value, wanted))
            continue
        chosen.append(f"`{key}`")
        if key == "nodeName":
            named(out, value, "spec.nodeName", names.dns1123_subdomain)
        elif key == "nodeSelector":
            node_selector(out, value, "spec.nodeSelector")
            terms = value.get("nodeSelectorTerms")
            if len(terms or ()) != 1:
                shown = [goform.of("NodeSelectorTerm", term) for term in terms] if terms else None
                out.append(invalid("spec.nodeSelector.nodeSelectorTerms", shown, "must have exactly one node selector term"))
    if not chosen:
        out.append(required("spec", _ONE))
    elif len(chosen) > 1:
        out.append(invalid("spec", f"{{{', '.join(chosen)}}}", f"{_ONE}, but multiple fields are set"))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec, before = new.get("spec") or {}, (old or {}).get("spec") or {}
    csi_driver_name(out, spec.get("driver", ""), "spec.driver")
    _pool(out, spec.get("pool") or {})
    if old is not None:
        immutable(out, (spec.get("pool") or {}).get("name"), (before.get("pool") or {}).get("name"), "spec.pool.name")
        for key in ("driver", "nodeName"):
            immutable(out, spec.get(key), before.get(key), f"spec.{key}")
    _place(out, spec)
    devices, counters = spec.get("devices"), spec.get("sharedCounters")
    if devices is not None and counters is not None:
        out.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    rich = any(d.get("taints") or d.get("consumesCounters") for d in devices or ())
    known = {d.get("name", ""): d for d in before.get("devices") or ()}
    per_device = bool(spec.get("perDeviceNodeSelection"))
    unique(
        out, devices, "spec.devices", _MAX_RICH_DEVICES if rich else _MAX_DEVICES,
        lambda device, at: _device(out, device, known.get(device.get("name", "")), at, per_device), lambda device: device.get("name", ""),
    )  # fmt: skip
    unique(
        out, counters, "spec.sharedCounters", _MAX_COUNTER_SETS, lambda c, at: _counters(out, c, at, "name"), lambda c: c.get("name", "")
    )


def _counters(out: Errors, value: Obj, path: str, name: str) -> None:
    """A set of counters, or what a device consumes of one; `name` is the field that names the set."""
    if not value.get(name):
        out.append(required(f"{path}.{name}"))
    else:
        named(out, value[name], f"{path}.{name}", names.dns1123_label)
    found, at = value.get("counters"), f"{path}.counters"
    if not found:
        out.append(required(at))
    else:
        keyed(out, found, at, _MAX_COUNTERS, lambda key: named(out, key, at, names.dns1123_label))


def _device(out: Errors, device: Obj, old: Obj | None, path: str, per_device: bool) -> None:
    named(out, device.get("name", ""), f"{path}.name", names.dns1123_label)
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    total = len(attributes) + len(capacity)
    if total > _MAX_ATTRIBUTES:
        out.append(invalid(path, total, f"the total number of attributes and capacities must not exceed {_MAX_ATTRIBUTES}"))
    if len(attributes) > _MAX_VALUES:
        out.append(invalid(path, len(attributes), f"the total number of attribute values must not exceed {_MAX_VALUES}"))
    for name, value in attributes.items():
        qualified(out, name, f"{path}.attributes")
        _attribute(out, value, f"{path}.attributes[{name}]")
    for name, value in capacity.items():
        qualified(out, name, f"{path}.capacity")
        rules, at = value.get("requestPolicy"), f"{path}.capacity[{name}].requestPolicy"
        if rules is not None and device.get("allowMultipleAllocations"):
            policy(out, value.get("value", "0"), rules, at)
        elif rules is not None:
            out.append(forbidden_field(at, "allowMultipleAllocations must be true"))
    taints = device.get("taints") or []
    if old is None or taints != (old.get("taints") or []):
        each(out, taints, f"{path}.taints", _MAX_TAINTS, lambda taint, at: _taint(out, taint, at))
    unique(
        out, device.get("consumesCounters"), f"{path}.consumesCounters", _MAX_CONSUMPTIONS,
        lambda c, at: _counters(out, c, at, "counterSet"), lambda c: c.get("counterSet", ""),
    )  # fmt: skip
    _device_place(out, device, path, per_device)
    binding_conditions(out, device, path)


def _device_place(out: Errors, device: Obj, path: str, per_device: bool) -> None:
    node, selector, everywhere = device.get("nodeName"), device.get("nodeSelector"), device.get("allNodes")
    if not per_device:
        if node is not None or selector is not None or everywhere is not None:
            out.append(invalid(path, None, _NOT_PER_DEVICE))
        return
    chosen = []
    if node:
        chosen.append("`nodeName`")
        named(out, node, f"{path}.nodeName", names.dns1123_subdomain)
    elif node is not None:
        out.append(invalid(f"{path}.nodeName", node, "must not be empty"))
    if selector is not None:
        chosen.append("`nodeSelector`")
        node_selector(out, selector, f"{path}.nodeSelector")
    if everywhere:
        chosen.append("`allNodes`")
    elif everywhere is not None:
        out.append(invalid(f"{path}.allNodes", everywhere, "must be either unset or set to true"))
    if not chosen:
        out.append(required(path, _ONE_OF_DEVICE))
    elif len(chosen) > 1:
        out.append(invalid(path, f"{{{', '.join(chosen)}}}", _ONE_OF_DEVICE))


def _attribute(out: Errors, value: Obj, path: str) -> None:
    text, version = value.get("string"), value.get("version")
    if text is not None and len(text) > 64:
        out.append(too_long(f"{path}.string", 64))
    if version is not None:
        if not _SEMVER(version):
            out.append(invalid(f"{path}.version", version, "must be a string compatible with semver.org spec 2.0.0"))
        if len(version) > 64:
            out.append(too_long(f"{path}.version", 64))
    present = sum(value.get(key) is not None for key in _VALUES)
    if present != 1:
        shown = goform.of("DeviceAttribute", value) if present else ""
        out.append(invalid(path, shown, "exactly one value must be specified"))


def _taint(out: Errors, taint: Obj, path: str) -> None:
    label_name(out, taint.get("key", ""), f"{path}.key")
    if value := taint.get("value"):
        named(out, value, f"{path}.value", names.label_value)
    effect = taint.get("effect", "")
    if not effect:
        out.append(required(f"{path}.effect"))
    elif effect not in _EFFECTS:
        out.append(not_supported(f"{path}.effect", effect, _EFFECTS))


def _warnings(new: Obj, _old: Obj | None) -> list[str]:
    driver = (new.get("spec") or {}).get("driver", "")
    if driver == driver.lower():
        return []
    return [f"spec.driver: driver names should be lowercase; {go_value(driver)} contains uppercase characters"]


STRATEGY = Strategy(
    warnings=_warnings, default=_default, prepare=_drop_gated, prepare_update=lambda new, _old: _drop_gated(new), **both(_validate)
)
