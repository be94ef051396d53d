"""What is asked of devices (DRA): the specs of ResourceClaims, ResourceClaimTemplates and DeviceClasses.

Upstream: pkg/apis/resource/validation, pkg/apis/resource/v1/defaults.go, pkg/registry/resource.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, annotation_set, immutable, label_name, labels, named
from apiserver.registry.strategies.common import both
from apiserver.registry.strategies.devicelists import each, unique
from apiserver.registry.strategies.devicenames import fully_qualified
from apiserver.registry.strategies.podspec.sources import csi_driver_name
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.errors import forbidden_field, invalid, not_supported, required, too_long, too_many
from kubepy.api.usage import is_extended

_MODES = ("All", "ExactCount")
_OPERATORS = ("Equal", "Exists")
_EFFECTS = ("NoExecute", "NoSchedule", "None")
_MAX_REQUESTS = _MAX_CONSTRAINTS = MAX_CONFIG = _MAX_SELECTORS = 32
_MAX_SUBREQUESTS = 8
_MAX_TOLERATIONS = 16
_MAX_EXPRESSION = 10 * 1024
_MAX_PARAMETERS = 10 * 1024
_REQUEST_NAME = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_KINDS = "exactly one of `exactly` or `firstAvailable` is required"


def _map(value: t.Type) -> t.Type:
    return t.map_of(t.STRING, value)


_DEVICE = t.object_type(
    "kubernetes.DRADevice",
    {
        "driver": t.Field(t.STRING, "driver"),
        "attributes": t.Field(_map(_map(t.DYN)), "attributes"),
        "capacity": t.Field(_map(_map(t.opaque("kubernetes.Quantity"))), "capacity"),
        "allowMultipleAllocations": t.Field(t.BOOL, "allowMultipleAllocations"),
    },
)
_ENVIRONMENT = Environment({"device": _DEVICE})


def default_claim(spec: Obj | None) -> None:
    """One device where ExactCount names no number, in requests and their alternatives."""
    for request in ((spec or {}).get("devices") or {}).get("requests") or ():
        for part in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if part is None:
                continue
            part.setdefault("allocationMode", "ExactCount")
            if part["allocationMode"] == "ExactCount" and not part.get("count"):
                part["count"] = 1


def selectors(out: Errors, found: Sequence[Obj], path: str) -> None:
    """CEL expressions over one device."""
    each(out, found, path, _MAX_SELECTORS, lambda selector, at: _selector(out, selector, f"{at}.cel"))


def _selector(out: Errors, selector: Obj, at: str) -> None:
    cel = selector.get("cel")
    if cel is None:
        out.append(required(at))
        return
    source = cel.get("expression", "")
    if len(source) > _MAX_EXPRESSION:
        out.append(too_long(f"{at}.expression", _MAX_EXPRESSION))
        return
    try:
        kind = _ENVIRONMENT.compile(source).type
    except CompileError as e:
        out.append(invalid(f"{at}.expression", source, f"{e.stage}: {e}"))
        return
    if not (kind.same(t.BOOL) or kind.same(t.DYN)):
        out.append(invalid(f"{at}.expression", source, f"must evaluate to bool or the unknown type, not {kind}"))


def _tolerations(out: Errors, found: Sequence[Obj], path: str) -> None:
    if len(found) > _MAX_TOLERATIONS:
        out.append(too_many(path, len(found), _MAX_TOLERATIONS))
    for i, tol in enumerate(found):
        at = f"{path}[{i}]"
        key, operator, value, effect = (tol.get(k, "") for k in ("key", "operator", "value", "effect"))
        if key:
            label_name(out, key, f"{at}.key")
        if operator == "Exists":
            if value:
                out.append(invalid(f"{at}.value", value, "must be empty for operator `Exists`"))
        elif operator == "Equal":
            out.extend(invalid(f"{at}.value", value, m) for m in names.label_value(value))
        elif not operator:
            out.append(required(f"{at}.operator"))
        else:
            out.append(not_supported(f"{at}.operator", operator, _OPERATORS))
        if effect and effect not in _EFFECTS:
            out.append(not_supported(f"{at}.effect", effect, _EFFECTS))


def _exact(out: Errors, part: Obj, path: str) -> None:
    name = part.get("deviceClassName", "")
    if not name:
        out.append(required(f"{path}.deviceClassName"))
    else:
        named(out, name, f"{path}.deviceClassName", names.dns1123_subdomain)
    selectors(out, part.get("selectors") or (), f"{path}.selectors")
    mode, count = part.get("allocationMode", ""), part.get("count", 0)
    if mode == "All":
        if count:
            out.append(invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'"))
    elif mode == "ExactCount":
        if count <= 0:
            out.append(invalid(f"{path}.count", count, "must be greater than zero"))
    else:
        out.append(not_supported(f"{path}.allocationMode", mode, _MODES))
    _tolerations(out, part.get("tolerations") or (), f"{path}.tolerations")


def _request(out: Errors, request: Obj, path: str) -> None:
    named(out, request.get("name", ""), f"{path}.name", names.dns1123_label)
    exact, alternatives = request.get("exactly"), request.get("firstAvailable")
    if exact is not None and alternatives:
        out.append(invalid(path, None, f"{_KINDS}, but multiple fields are set"))
    elif exact is None and not alternatives:
        out.append(required(path, _KINDS))
    elif exact is not None:
        _exact(out, exact, f"{path}.exactly")
    else:
        at = f"{path}.firstAvailable"
        unique(out, alternatives, at, _MAX_SUBREQUESTS, lambda sub, here: _alternative(out, sub, here), lambda sub: sub.get("name", ""))


def _alternative(out: Errors, sub: Obj, path: str) -> None:
    named(out, sub.get("name", ""), f"{path}.name", names.dns1123_label)
    _exact(out, sub, path)


Names = Mapping[str, frozenset[str]]
"""The requests of a claim, with their alternatives."""


def request_names(devices: Obj) -> Names:
    """What may be referred to."""
    return {r.get("name", ""): frozenset(s.get("name", "") for s in r.get("firstAvailable") or ()) for r in devices.get("requests") or ()}


def reference(out: Errors, name: str, known: Names, path: str) -> None:
    """The name of a request, or of one of its alternatives after a slash."""
    parts = name.split("/")
    if len(parts) > 2:
        out.append(invalid(path, name, _REQUEST_NAME))
        return
    for part in parts:
        named(out, part, path, names.dns1123_label)
    if parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        out.append(invalid(path, name, _REQUEST_NAME))


def references(out: Errors, found: Sequence[str] | None, known: Names, path: str) -> None:
    """References, no two alike."""
    unique(out, found, path, _MAX_REQUESTS, lambda name, at: reference(out, name, known, at), lambda name: name)


def configuration(out: Errors, value: Obj, path: str) -> None:
    """A DeviceConfiguration: a driver's own parameters."""
    opaque, at = value.get("opaque"), f"{path}.opaque"
    if opaque is None:
        out.append(required(at))
        return
    csi_driver_name(out, opaque.get("driver"), f"{at}.driver")
    raw_object(out, opaque.get("parameters"), f"{at}.parameters")


def raw_object(out: Errors, value: Any, path: str) -> None:
    """A RawExtension that holds a JSON object of limited size."""
    if value is None:
        out.append(required(path))
    elif len(orjson.dumps(value)) > _MAX_PARAMETERS:
        out.append(too_long(path, _MAX_PARAMETERS))
    elif not isinstance(value, dict):
        out.append(invalid(path, "<value omitted>", "must be a valid JSON object"))


def claim_spec(out: Errors, spec: Obj, path: str) -> None:
    """A ResourceClaimSpec."""
    devices = spec.get("devices") or {}
    at = f"{path}.devices"
    known = request_names(devices)
    requests = devices.get("requests")
    unique(out, requests, f"{at}.requests", _MAX_REQUESTS, lambda r, here: _request(out, r, here), lambda r: r.get("name", ""))
    each(out, devices.get("constraints"), f"{at}.constraints", _MAX_CONSTRAINTS, lambda c, here: _constraint(out, c, known, here))

    def config(value: Obj, here: str) -> None:
        references(out, value.get("requests"), known, f"{here}.requests")
        configuration(out, value, here)

    each(out, devices.get("config"), f"{at}.config", MAX_CONFIG, config)


def _constraint(out: Errors, value: Obj, known: Names, path: str) -> None:
    references(out, value.get("requests"), known, f"{path}.requests")
    match, distinct = value.get("matchAttribute"), value.get("distinctAttribute")
    if match is not None:
        fully_qualified(out, match, f"{path}.matchAttribute")
    elif distinct is not None:
        fully_qualified(out, distinct, f"{path}.distinctAttribute")
    else:
        text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        out.append(required(path, text))


def claim(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    if old is None:
        claim_spec(out, spec, "spec")
    else:
        immutable(out, spec, old.get("spec") or {}, "spec", goform.of("ResourceClaimSpec", spec))


def _template(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    meta = spec.get("metadata") or {}
    annotation_set(out, meta.get("annotations"), "spec.metadata.annotations")
    labels(out, meta.get("labels"), "spec.metadata.labels")
    for key, value in meta.items():
        if value and key not in ("labels", "annotations"):
            out.append(forbidden_field(f"spec.metadata.{'uID' if key == 'uid' else key}", "cannot be set"))
    claim_spec(out, spec.get("spec") or {}, "spec.spec")
    if old is not None:
        immutable(out, spec, old.get("spec") or {}, "spec", goform.of("ResourceClaimTemplateSpec", spec))


def _class(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    selectors(out, spec.get("selectors") or (), "spec.selectors")
    each(out, spec.get("config"), "spec.config", MAX_CONFIG, lambda value, at: configuration(out, value, at))
    if (extended := spec.get("extendedResourceName")) is not None and not is_extended(extended):
        out.append(invalid("spec.extendedResourceName", extended, "must be a valid extended resource name"))


TEMPLATE = Strategy(default=lambda obj: default_claim((obj.get("spec") or {}).get("spec")), has_generation=False, **both(_template))
CLASS = Strategy(name_check=names.name_is_subdomain_once_generated, **both(_class))
