"""ResourceSlices: the devices that drivers publish (DRA).

Upstream: validateResourceSliceSpec in pkg/apis/resource/validation.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, immutable, named
from apiserver.registry.strategies.common import both
from apiserver.registry.strategies.deviceclaims import driver_name, qualified
from apiserver.registry.strategies.podspec.affinity import node_selector
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import duplicate, invalid, required, too_long, too_many

_MAX_DEVICES = 128
_MAX_ATTRIBUTES = 32
_PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
_VALUES = ("int", "bool", "string", "version")


def _pool(out: Errors, pool: Obj) -> None:
    name = pool.get("name", "")
    if not name:
        out.append(required("spec.pool.name"))
    else:
        if len(name) > 253:
            out.append(too_long("spec.pool.name", 253))
        for part in name.split("/"):
            named(out, part, "spec.pool.name", names.dns1123_subdomain)
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        out.append(invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        out.append(invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))


def _place(out: Errors, spec: Obj) -> None:
    chosen = [key for key in _PLACES if spec.get(key)]
    if not chosen:
        out.append(required("spec", _ONE))
    elif len(chosen) > 1:
        shown = "{" + ", ".join(f"`{key}`" for key in chosen) + "}"
        out.append(invalid("spec", shown, f"{_ONE}, but multiple fields are set"))
    if name := spec.get("nodeName"):
        named(out, name, "spec.nodeName", names.dns1123_subdomain)
    if (selector := spec.get("nodeSelector")) is not None:
        node_selector(out, selector, "spec.nodeSelector")
        if len(selector.get("nodeSelectorTerms") or ()) != 1:
            terms = selector.get("nodeSelectorTerms")
            out.append(invalid("spec.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term"))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    driver_name(out, spec.get("driver", ""), "spec.driver")
    _pool(out, spec.get("pool") or {})
    _place(out, spec)
    devices = spec.get("devices") or []
    if len(devices) > _MAX_DEVICES:
        out.append(too_many("spec.devices", len(devices), _MAX_DEVICES))
    seen: set[str] = set()
    for i, device in enumerate(devices):
        at, name = f"spec.devices[{i}]", device.get("name", "")
        named(out, name, f"{at}.name", names.dns1123_label)
        if name in seen:
            out.append(duplicate(at, name))
        seen.add(name)
        _device(out, device, at)
    if old is not None:
        before = old.get("spec") or {}
        immutable(out, (spec.get("pool") or {}).get("name"), (before.get("pool") or {}).get("name"), "spec.pool.name")
        for key in ("driver", "nodeName"):
            immutable(out, spec.get(key), before.get(key), f"spec.{key}")


def _device(out: Errors, device: Obj, path: str) -> None:
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    for name, value in attributes.items():
        at = f"{path}.attributes[{name}]"
        qualified(out, name, at)
        present = [key for key in _VALUES if value.get(key) is not None]
        if not present:
            out.append(required(at, "exactly one value must be specified"))
        elif len(present) > 1:
            out.append(invalid(at, value, "exactly one value must be specified"))
        for key in ("string", "version"):
            if len(value.get(key) or "") > 64:
                out.append(too_long(f"{at}.{key}", 64))
    for name in capacity:
        qualified(out, name, f"{path}.capacity[{name}]")
    if len(attributes) + len(capacity) > _MAX_ATTRIBUTES:
        total = len(attributes) + len(capacity)
        text = f"the total number of attributes and capacities must not exceed {_MAX_ATTRIBUTES}"
        out.append(invalid(path, total, text))


STRATEGY = Strategy(**both(_validate))
