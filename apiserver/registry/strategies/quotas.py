"""ResourceQuotas and LimitRanges: which resources they may name, and numbers that fit together.

Upstream: ValidateResourceQuota, ValidateLimitRange, SetDefaults_LimitRangeItem.
"""

from __future__ import annotations

import uuid

from apiserver.context import Obj
from apiserver.registry.strategies import goform, resources
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.common import both, checked, with_status
from apiserver.registry.strategies.resources import overcommit_allowed
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import duplicate, forbidden_field, invalid, required
from kubepy.api.quantity import Quantity, parse

_POD_SCOPED = frozenset(f"{prefix}{r}" for prefix in ("", "requests.", "limits.") for r in ("cpu", "memory", "ephemeral-storage")) | {
    "pods"
}
_COMPUTE_SCOPES = ("Terminating", "NotTerminating", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")
_SCOPES = (*_COMPUTE_SCOPES, "BestEffort", "VolumeAttributesClass")
_EXISTS_SCOPES = ("BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity")
_PAIRS = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_EXISTS_TEXT = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def _scope_fits(scope: str, resource: str) -> bool:
    """IsResourceQuotaScopeValidForResource."""
    if scope in _COMPUTE_SCOPES:
        return resource in _POD_SCOPED
    if scope == "BestEffort":
        return resource == "pods"
    if scope == "VolumeAttributesClass":
        return resource in ("persistentvolumeclaims", "requests.storage")
    return True


def _amounts(out: Errors, found: dict[str, str], path: str) -> None:
    for name, text in found.items():
        at = f"{path}[{name}]"
        resources.quota_resource_name(out, name, at)
        resources.quantity_value(out, name, text, at)


def _quota_spec(out: Errors, spec: Obj) -> None:
    hard = spec.get("hard") or {}
    _amounts(out, hard, "spec.hard")
    standard = [k for k in sorted(hard) if resources.is_standard_quota(k)]
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            out.append(invalid("spec.scopes", scopes, "unsupported scope"))
        out.extend(invalid("spec.scopes", scopes, "unsupported scope applied to resource") for k in standard if not _scope_fits(scope, k))
    out.extend(invalid("spec.scopes", scopes, "conflicting scopes") for pair in _PAIRS if all(p in scopes for p in pair))
    if (chosen := spec.get("scopeSelector")) is not None:
        _scope_selector(out, spec, chosen, standard)


def _scope_selector(out: Errors, spec: Obj, chosen: Obj, standard: list[str]) -> None:
    path = "spec.scopeSelector.matchExpressions"
    seen = set()
    for e in chosen.get("matchExpressions") or ():
        scope, operator, values = e.get("scopeName") or "", e.get("operator") or "", e.get("values") or []
        if scope not in _SCOPES:
            out.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        shown = goform.of("ScopeSelector", chosen)
        out.extend(invalid(path, shown, "unsupported scope applied to resource") for k in standard if not _scope_fits(scope, k))
        if scope in _EXISTS_SCOPES and operator != "Exists":
            out.append(invalid(f"{path}.operator", operator, _EXISTS_TEXT))
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                out.append(required(f"{path}.values", text))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                out.append(invalid(f"{path}.values", values, text))
        else:
            out.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
        seen.add(scope)
    out.extend(invalid(path, spec.get("scopes"), "conflicting scopes") for pair in _PAIRS if all(p in seen for p in pair))


def _quota(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    _quota_spec(out, spec)
    if old is None:
        return
    if set(spec.get("scopes") or ()) != set((old.get("spec") or {}).get("scopes") or ()):
        out.append(invalid("spec.scopes", spec.get("scopes"), "field is immutable"))


def _quota_status(out: Errors, new: Obj, _old: Obj) -> None:
    for key in ("hard", "used"):
        _amounts(out, (new.get("status") or {}).get(key) or {}, f"status.{key}")


def _name_limits(obj: Obj) -> None:
    """A LimitRange without a name gets one."""
    if not obj["metadata"].get("name"):
        obj["metadata"]["name"] = str(uuid.uuid4())


def _limit_default(obj: Obj) -> None:
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits = {**(item.get("max") or {}), **(item.get("default") or {})}
        requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
        for key, value in (("default", limits), ("defaultRequest", requests)):
            if value:
                item[key] = value


def _limit_range(out: Errors, new: Obj, _old: Obj | None) -> None:
    kinds: set[str] = set()
    for i, item in enumerate((new.get("spec") or {}).get("limits") or ()):
        kind, at = item.get("type") or "", f"spec.limits[{i}]"
        _limit_type(out, kind, f"{at}.type")
        if kind in kinds:
            out.append(duplicate(f"{at}.type", kind))
        kinds.add(kind)
        _limit_item(out, item, kind, at)


def _limit_type(out: Errors, kind: str, path: str) -> None:
    before = len(out)
    named(out, kind, path, names.qualified_name)
    if len(out) == before and "/" not in kind and kind not in ("Pod", "Container", "PersistentVolumeClaim"):
        out.append(invalid(path, kind, "must be a standard limit type or fully qualified"))


def _limit_item(out: Errors, item: Obj, kind: str, path: str) -> None:
    rule = resources.container_resource_name if kind in ("Pod", "Container") else resources.resource_name
    found: dict[str, dict[str, Quantity]] = {}
    for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
        amounts = item.get(key) or {}
        if kind == "Pod" and key.startswith("default"):
            if amounts:
                out.append(forbidden_field(f"{path}.{key}", "may not be specified when `type` is 'Pod'"))
            found[key] = {}
            continue
        for name in amounts:
            rule(out, name, f"{path}.{key}[{name}]")
        found[key] = {k: parse(v) for k, v in amounts.items()}
    if kind == "PersistentVolumeClaim" and "storage" not in found["min"] and "storage" not in found["max"]:
        out.append(required(f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"))
    for name in sorted({n for amounts in found.values() for n in amounts}):
        _limit_values(out, name, {k: v.get(name) for k, v in found.items()}, path)


def _limit_values(out: Errors, name: str, of: dict[str, Quantity | None], path: str) -> None:
    low, high, limit, request, ratio = of["min"], of["max"], of["default"], of["defaultRequest"], of["maxLimitRequestRatio"]

    def bad(key: str, value: Quantity, text: str) -> None:
        out.append(invalid(f"{path}.{key}[{name}]", str(value), text))

    if low is not None and high is not None and low > high:
        bad("min", low, f"min value {low} is greater than max value {high}")
    if request is not None and low is not None and low > request:
        bad("defaultRequest", request, f"min value {low} is greater than default request value {request}")
    if request is not None and high is not None and request > high:
        bad("defaultRequest", request, f"default request value {request} is greater than max value {high}")
    if request is not None and limit is not None and request > limit:
        bad("defaultRequest", request, f"default request value {request} is greater than default limit value {limit}")
    if limit is not None and low is not None and low > limit:
        bad("default", low, f"min value {low} is greater than default value {limit}")
    if limit is not None and high is not None and limit > high:
        bad("default", high, f"default value {limit} is greater than max value {high}")
    if ratio is not None:
        if ratio < Quantity.of(1):
            bad("maxLimitRequestRatio", ratio, f"ratio {ratio} is less than 1")
        if low is not None and high is not None and low.nanos:
            top = high.milli_value() / low.milli_value()
            if ratio.milli_value() / 1000 > top:
                bad("maxLimitRequestRatio", ratio, f"ratio {ratio} is greater than max/min = {top:f}")
    if not overcommit_allowed(name) and limit is not None and request is not None and limit.nanos != request.nanos:
        bad("defaultRequest", request, f"default value {limit} must equal to defaultRequest value {request} in {name}")


QUOTA = with_status(has_generation=False, status_meta=(), status_validate_update=checked(_quota_status), **both(_quota))
LIMIT_RANGE = Strategy(
    allow_create_on_update=True, default=_limit_default, prepare=_name_limits, has_generation=False, **both(_limit_range)
)
