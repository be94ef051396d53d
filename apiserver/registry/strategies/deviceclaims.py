"""ResourceClaims, ResourceClaimTemplates and DeviceClasses: what is asked of devices (DRA).

Upstream: pkg/apis/resource/validation, pkg/apis/resource/v1/defaults.go, pkg/registry/resource.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, annotation_set, conditions, immutable, label_name, labels, named
from apiserver.registry.strategies.common import both, checked, with_status
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.cel import types as t
from kubepy.api.cel.env import Environment
from kubepy.api.cel.issues import CompileError
from kubepy.api.errors import duplicate, forbidden_field, invalid, not_supported, required, too_long, too_many

_MODES = ("All", "ExactCount")
_OPERATORS = ("Equal", "Exists")
_EFFECTS = ("NoExecute", "NoSchedule", "None")
_MAX_REQUESTS = _MAX_CONSTRAINTS = _MAX_CONFIG = _MAX_SELECTORS = 32
_MAX_SUBREQUESTS = 8
_MAX_TOLERATIONS = 16
_MAX_EXPRESSION = 10 * 1024
_MAX_PARAMETERS = 10 * 1024
_MAX_RESERVED = 256
_REQUEST_NAME = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_KINDS = "exactly one of `exactly` or `firstAvailable` is required"
_C_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*").fullmatch


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
    if len(found) > _MAX_SELECTORS:
        out.append(too_many(path, len(found), _MAX_SELECTORS))
    for i, selector in enumerate(found):
        at, cel = f"{path}[{i}].cel", selector.get("cel")
        if cel is None:
            out.append(required(at))
            continue
        source = cel.get("expression", "")
        if len(source) > _MAX_EXPRESSION:
            out.append(too_long(f"{at}.expression", _MAX_EXPRESSION))
            continue
        try:
            kind = _ENVIRONMENT.compile(source).type
        except CompileError as e:
            out.append(invalid(f"{at}.expression", source, f"compilation failed: {e}"))
            continue
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
        found = alternatives or []
        if len(found) > _MAX_SUBREQUESTS:
            out.append(too_many(f"{path}.firstAvailable", len(found), _MAX_SUBREQUESTS))
        seen: set[str] = set()
        for i, sub in enumerate(found):
            at, name = f"{path}.firstAvailable[{i}]", sub.get("name", "")
            named(out, name, f"{at}.name", names.dns1123_label)
            _exact(out, sub, at)
            if name in seen:
                out.append(duplicate(at, name))
            seen.add(name)


def qualified(out: Errors, name: str, path: str) -> None:
    """A domain, a slash and a C identifier; the domain may be left out where the driver's is meant."""
    domain, slash, identifier = name.rpartition("/")
    if name.count("/") > 1:
        out.append(invalid(path, name, "a valid label key must have at most one slash"))
        return
    if slash:
        if not domain:
            out.append(required(path, "the domain must not be empty"))
        else:
            if len(domain) > 63:
                out.append(too_long(path, 63))
            named(out, domain, path, names.dns1123_subdomain)
    if not identifier:
        out.append(required(path, "the name must not be empty"))
    elif len(identifier) > 32:
        out.append(too_long(path, 32))
    elif not _C_IDENTIFIER(identifier):
        out.extend(invalid(path, identifier, m) for m in names.c_identifier(identifier))


def _full_name(out: Errors, name: str, path: str) -> None:
    if not name:
        out.append(required(path, "name required"))
        return
    qualified(out, name, path)
    if "/" not in name:
        out.append(invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash"))


def _references(out: Errors, found: Sequence[str], known: frozenset[str], path: str) -> None:
    if len(found) > _MAX_REQUESTS:
        out.append(too_many(path, len(found), _MAX_REQUESTS))
    for i, name in enumerate(found):
        at = f"{path}[{i}]"
        parts = name.split("/")
        wrong: Errors = []
        for part in parts[:2]:
            named(wrong, part, at, names.dns1123_label)
        out.extend(wrong)
        if not wrong and name not in known:
            out.append(invalid(at, name, _REQUEST_NAME))
        if name in found[:i]:
            out.append(duplicate(at, name))


def _opaque(out: Errors, opaque: Obj | None, path: str) -> None:
    if opaque is None:
        out.append(required(path))
        return
    driver_name(out, opaque.get("driver", ""), f"{path}.driver")
    parameters = opaque.get("parameters")
    if parameters is None:
        out.append(required(f"{path}.parameters"))
    elif not isinstance(parameters, dict):
        out.append(invalid(f"{path}.parameters", "<value omitted>", "parameters must be a valid JSON object"))
    elif len(orjson.dumps(parameters)) > _MAX_PARAMETERS:
        out.append(too_long(f"{path}.parameters", _MAX_PARAMETERS))


def driver_name(out: Errors, name: str, path: str) -> None:
    """The name of a DRA driver: a short DNS subdomain."""
    if not name:
        out.append(required(path))
        return
    if len(name) > 63:
        out.append(too_long(path, 63))
    named(out, name, path, names.dns1123_subdomain)


def claim_spec(out: Errors, spec: Obj, path: str) -> None:
    """A ResourceClaimSpec."""
    devices = spec.get("devices") or {}
    at = f"{path}.devices"
    requests = devices.get("requests") or []
    if len(requests) > _MAX_REQUESTS:
        out.append(too_many(f"{at}.requests", len(requests), _MAX_REQUESTS))
    seen: set[str] = set()
    known: set[str] = set()
    for i, request in enumerate(requests):
        here, name = f"{at}.requests[{i}]", request.get("name", "")
        _request(out, request, here)
        if name in seen:
            out.append(duplicate(here, name))
        seen.add(name)
        known.add(name)
        known.update(f"{name}/{s.get('name', '')}" for s in request.get("firstAvailable") or ())
    names_known = frozenset(known)
    constraints = devices.get("constraints") or []
    if len(constraints) > _MAX_CONSTRAINTS:
        out.append(too_many(f"{at}.constraints", len(constraints), _MAX_CONSTRAINTS))
    for i, c in enumerate(constraints):
        here = f"{at}.constraints[{i}]"
        _references(out, c.get("requests") or (), names_known, f"{here}.requests")
        match, distinct = c.get("matchAttribute"), c.get("distinctAttribute")
        if (match is None) == (distinct is None):
            text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
            out.append(required(here, text))
        elif match is not None:
            _full_name(out, match, f"{here}.matchAttribute")
        else:
            _full_name(out, distinct or "", f"{here}.distinctAttribute")
    config = devices.get("config") or []
    if len(config) > _MAX_CONFIG:
        out.append(too_many(f"{at}.config", len(config), _MAX_CONFIG))
    for i, c in enumerate(config):
        here = f"{at}.config[{i}]"
        _references(out, c.get("requests") or (), names_known, f"{here}.requests")
        _opaque(out, c.get("opaque"), f"{here}.opaque")


def _claim(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    if old is None:
        claim_spec(out, spec, "spec")
    else:
        immutable(out, spec, old.get("spec") or {}, "spec", goform.of("ResourceClaimSpec", spec))


def _claim_status(out: Errors, new: Obj, old: Obj) -> None:
    status, before = new.get("status") or {}, old.get("status") or {}
    reserved, allocation = status.get("reservedFor") or [], status.get("allocation")
    if len(reserved) > _MAX_RESERVED:
        out.append(too_many("status.reservedFor", len(reserved), _MAX_RESERVED))
    seen: set[str] = set()
    for i, consumer in enumerate(reserved):
        at = f"status.reservedFor[{i}]"
        for key in ("resource", "name", "uid"):
            if not consumer.get(key):
                out.append(required(f"{at}.{key}"))
        uid = consumer.get("uid", "")
        if uid in seen:
            out.append(duplicate(f"{at}.uid", uid))
        seen.add(uid)
    if reserved and allocation is None:
        out.append(forbidden_field("status.reservedFor", "may not be specified when `allocated` is not set"))
    if old["metadata"].get("deletionTimestamp"):
        kept = {c.get("uid") for c in before.get("reservedFor") or ()}
        if any(c.get("uid") not in kept for c in reserved):
            text = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
            out.append(forbidden_field("status.reservedFor", text))
    was = before.get("allocation")
    if was is not None and allocation is not None:
        immutable(out, allocation, was, "status.allocation", goform.of("AllocationResult", allocation))
    for i, device in enumerate(status.get("devices") or ()):
        at = f"status.devices[{i}]"
        driver_name(out, device.get("driver", ""), f"{at}.driver")
        conditions(out, device.get("conditions"), f"{at}.conditions")


def _template(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    meta = spec.get("metadata") or {}
    labels(out, meta.get("labels"), "spec.metadata.labels")
    annotation_set(out, meta.get("annotations"), "spec.metadata.annotations")
    if old is None:
        claim_spec(out, spec.get("spec") or {}, "spec.spec")
    else:
        immutable(out, spec, old.get("spec") or {}, "spec", goform.of("ResourceClaimTemplateSpec", spec))


def _class(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    selectors(out, spec.get("selectors") or (), "spec.selectors")
    config = spec.get("config") or []
    if len(config) > _MAX_CONFIG:
        out.append(too_many("spec.config", len(config), _MAX_CONFIG))
    for i, c in enumerate(config):
        _opaque(out, c.get("opaque"), f"spec.config[{i}].opaque")
    if (extended := spec.get("extendedResourceName")) is not None:
        named(out, extended, "spec.extendedResourceName", names.qualified_name)


CLAIM = with_status(
    default=lambda obj: default_claim(obj.get("spec")),
    has_generation=False,
    status_validate_update=checked(_claim_status),
    **both(_claim),
)
TEMPLATE = Strategy(default=lambda obj: default_claim((obj.get("spec") or {}).get("spec")), has_generation=False, **both(_template))
CLASS = Strategy(**both(_class))
