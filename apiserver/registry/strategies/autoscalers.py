"""HorizontalPodAutoscalers, in autoscaling/v2; v1 is converted to it. An API version that stored objects have already is not judged again.

Upstream: pkg/apis/autoscaling/validation, pkg/apis/autoscaling/v2/defaults.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry.strategies import resources
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.common import both, checked, with_status
from apiserver.registry.strategies.workloads import numbers
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required
from kubepy.api.quantity import parse

_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_FIELDS = {"Object": "object", "Pods": "pods", "Resource": "resource", "ContainerResource": "containerResource", "External": "external"}
_ORDER = ("object", "external", "pods", "resource", "containerResource")
_TO_ZERO = "must specify at least one Object or External metric to support scaling to zero replicas"
_POLICIES = ("Percent", "Pods")
_SELECTS = ("Disabled", "Max", "Min")
_RAW_OR_UTILIZATION = "must set either a target raw value or a target utilization"
_NEEDS_TARGET = {
    "object": "must set either a target value or averageValue",
    "external": "must set either a target value for metric or a per-pod target",
}
_METRICS_NOTE = "autoscaling.alpha.kubernetes.io/metrics"
_UP: Obj = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}],
}
_DOWN: Obj = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def _default(obj: Obj) -> None:
    spec = obj.get("spec")
    if spec is None:
        return
    if obj.get("apiVersion") == "autoscaling/v1":
        # v1 keeps other metrics in an annotation; only without these the CPU target has a default.
        if spec.get("targetCPUUtilizationPercentage") is None and _METRICS_NOTE not in (obj.get("metadata") or {}).get("annotations", {}):
            spec["targetCPUUtilizationPercentage"] = 80
        return
    behavior = spec.get("behavior")
    if behavior is not None:
        for key, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            # Decoding leaves null of a list of policies only if it was empty: that one has no defaults, it is refused.
            given: dict[str, Any] = {k: v for k, v in (behavior.get(key) or {}).items() if v is not None or k == "policies"}
            copied = {k: [dict(p) for p in v] if isinstance(v, list) else v for k, v in rules.items()}
            behavior[key] = {**copied, **given}


def _reference(out: Errors, ref: Obj, path: str, judge: bool, need_group: bool = False) -> None:
    """A CrossVersionObjectReference; `judge` its API version, which must name a group where `need_group`."""
    for key in ("kind", "name"):
        if not ref.get(key):
            out.append(required(f"{path}.{key}"))
        else:
            named(out, ref[key], f"{path}.{key}", names.path_segment)
    version = ref.get("apiVersion") or ""
    if judge and (wrong := _wrong_version(version, need_group)):
        out.append(invalid(f"{path}.apiVersion", version, wrong))


def _wrong_version(version: str, need_group: bool = False) -> str:
    if version.count("/") > 1:
        return f"unexpected GroupVersion string: {version}"
    return "apiVersion must specify API group" if need_group and not version.rpartition("/")[0] else ""


def _identifier(out: Errors, metric: Obj, path: str) -> None:
    if not metric.get("name"):
        out.append(required(f"{path}.name", "must specify a metric name"))
    else:
        named(out, metric["name"], f"{path}.name", names.path_segment)


def _target(out: Errors, target: Obj, path: str) -> None:
    kind = target.get("type", "")
    if not kind:
        out.append(required(f"{path}.type", "must specify a metric target type"))
    if kind not in ("Utilization", "Value", "AverageValue"):
        out.append(invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for key in ("value", "averageValue"):
        if target.get(key) is not None and parse(target[key]).nanos <= 0:
            out.append(invalid(f"{path}.{key}", target[key], "must be positive"))
    if (percent := target.get("averageUtilization")) is not None and percent < 1:
        out.append(invalid(f"{path}.averageUtilization", percent, "must be greater than 0"))


def _source(out: Errors, kind: str, source: Obj, path: str, judge: bool) -> None:
    target = source.get("target") or {}
    if kind == "object":
        _reference(out, source.get("describedObject") or {}, f"{path}.describedObject", judge)
    if kind in ("object", "external", "pods"):
        _identifier(out, source.get("metric") or {}, f"{path}.metric")
    elif not source.get("name"):
        out.append(required(f"{path}.name", "must specify a resource name"))
    elif kind == "containerResource":
        resources.container_resource_name(out, source["name"], f"{path}.name")
    if kind == "containerResource":
        if not source.get("container"):
            out.append(required(f"{path}.container", "must specify a container"))
        else:
            named(out, source["container"], f"{path}.container", names.dns1123_label)
    _target(out, target, f"{path}.target")
    value, average, percent = target.get("value"), target.get("averageValue"), target.get("averageUtilization")
    if kind in _NEEDS_TARGET:
        if value is None and average is None:
            out.append(required(f"{path}.target.averageValue", _NEEDS_TARGET[kind]))
        if kind == "external" and value is not None and average is not None:
            out.append(forbidden_field(f"{path}.target.value", "may not set both a target value for metric and a per-pod target"))
    elif kind == "pods":
        if average is None:
            out.append(required(f"{path}.target.averageValue", "must specify a positive target averageValue"))
    else:
        if percent is None and average is None:
            out.append(required(f"{path}.target.averageUtilization", _RAW_OR_UTILIZATION))
        if percent is not None and average is not None:
            out.append(forbidden_field(f"{path}.target.averageValue", "may not set both a target raw value and a target utilization"))


def _metric(out: Errors, metric: Obj, path: str, judge: bool) -> None:
    kind = metric.get("type", "")
    if not kind:
        out.append(required(f"{path}.type", "must specify a metric source type"))
    if kind not in _TYPES:
        out.append(not_supported(f"{path}.type", kind, _TYPES))
    present = [f for f in _ORDER if metric.get(f) is not None]
    if present:
        _source(out, present[0], metric[present[0]], f"{path}.{present[0]}", judge)
    expected = _FIELDS.get(kind)
    if expected is None:
        out.append(not_supported(f"{path}.type", kind, _TYPES))
    elif expected not in present:
        out.append(required(f"{path}.{expected}", "must populate information for the given metric source"))
    if len(present) > 1:
        out.extend(forbidden_field(f"{path}.{f}", "must populate the given metric source only") for f in present if f != expected)


def _rules(out: Errors, rules: Obj, path: str) -> None:
    window = rules.get("stabilizationWindowSeconds")
    at = f"{path}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        out.append(invalid(at, window, "must be greater than or equal to zero"))
    if window is not None and window > 3600:
        out.append(invalid(at, window, "must be less than or equal to 3600"))
    if (select := rules.get("selectPolicy")) is not None and select not in _SELECTS:
        out.append(not_supported(f"{path}.selectPolicy", select, _SELECTS))
    policies = rules.get("policies") or []
    if not policies:
        out.append(required(f"{path}.policies", "must specify at least one Policy"))
    for i, policy in enumerate(policies):
        here = f"{path}.policies[{i}]"
        if (kind := policy.get("type", "")) not in _POLICIES:
            out.append(not_supported(f"{here}.type", kind, _POLICIES))
        for key in ("value", "periodSeconds"):
            if (number := policy.get(key, 0)) <= 0:
                out.append(invalid(f"{here}.{key}", number, "must be greater than zero"))
        if policy.get("periodSeconds", 0) > 1800:
            out.append(invalid(f"{here}.periodSeconds", policy["periodSeconds"], "must be less than or equal to 1800"))
    if (tolerance := rules.get("tolerance")) is not None and parse(tolerance).nanos < 0:
        out.append(invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0"))


def _described(metrics: Any) -> set[str]:
    return {(m["object"].get("describedObject") or {}).get("apiVersion") or "" for m in metrics or () if m.get("object") is not None}


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec, before = new.get("spec") or {}, (old or {}).get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    floor = 0 if before.get("minReplicas") == 0 else 1
    if low is not None and low < floor:
        out.append(invalid("spec.minReplicas", low, f"must be greater than or equal to {floor}"))
    if not high:
        out.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif high < 0:
        out.append(invalid("spec.maxReplicas", high, "must be greater than or equal to 1"))
    if low is not None and high < low:
        out.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    target, stored = spec.get("scaleTargetRef") or {}, before.get("scaleTargetRef") or {}
    same = old is not None and all((target.get(k) or "") == (stored.get(k) or "") for k in ("kind", "apiVersion"))
    _reference(out, target, "spec.scaleTargetRef", judge=not same, need_group=target.get("kind") != "ReplicationController")
    judge = not any(_wrong_version(v) for v in _described(before.get("metrics")))
    metrics = spec.get("metrics") or ()
    for i, metric in enumerate(metrics):
        _metric(out, metric, f"spec.metrics[{i}]", judge)
    if low == 0 and not any(m.get("type") in ("Object", "External") for m in metrics):
        out.append(forbidden_field("spec.metrics", _TO_ZERO))
    for key in ("scaleUp", "scaleDown"):
        if (rules := (spec.get("behavior") or {}).get(key)) is not None:
            _rules(out, rules, f"spec.behavior.{key}")


def _status(out: Errors, new: Obj, _old: Obj) -> None:
    numbers(out, new.get("status") or {}, "status", "currentReplicas", "desiredReplicas")


STRATEGY = with_status(
    default=_default,
    zero={"currentMetrics": None, "desiredReplicas": 0},
    field_annotations=(_METRICS_NOTE, *(f"autoscaling.alpha.kubernetes.io/{k}" for k in ("behavior", "conditions", "current-metrics"))),
    has_generation=False,
    status_meta=(),
    status_validate_update=checked(_status),
    **both(_validate),
)
