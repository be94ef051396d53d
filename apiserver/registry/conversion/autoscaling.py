"""HorizontalPodAutoscaler: autoscaling/v1 ↔ v2, the storage version (pkg/apis/autoscaling/v1/conversion.go). Pure.

What v1 cannot say travels in annotations, which are dropped again on the way back.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.context import Obj

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_ALL = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)


def v1_to_v2(obj: Obj) -> Obj:
    """autoscaling/v1 → autoscaling/v2."""
    out: Obj = {**obj, "apiVersion": "autoscaling/v2", "metadata": dict(obj["metadata"])}
    annotations = dict(out["metadata"].get("annotations") or {})
    spec = dict(obj.get("spec") or {})
    status = dict(obj.get("status") or {})
    metrics = [_metric_from_v1(m) for m in _loads(annotations, METRICS) or []]
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}}
        metrics.append({"type": "Resource", "resource": cpu})
    if metrics:
        spec["metrics"] = metrics
    if (behavior := _loads(annotations, BEHAVIOR)) is not None:
        spec["behavior"] = _lowered(behavior)
    current = status.pop("currentCPUUtilizationPercentage", None)
    found = [_status_from_v1(m) for m in _loads(annotations, CURRENT_METRICS) or []]
    if current is not None and not found:
        found.append({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": current}}})
    status["currentMetrics"] = found or None
    if (conditions := _loads(annotations, CONDITIONS)) is not None:
        status["conditions"] = conditions
    _replace_annotations(out, {k: v for k, v in annotations.items() if k not in _ALL})
    out["spec"] = spec
    if "status" in obj:
        out["status"] = status
    return out


def v2_to_v1(obj: Obj) -> Obj:
    """autoscaling/v2 → autoscaling/v1."""
    out: Obj = {**obj, "apiVersion": "autoscaling/v1", "metadata": dict(obj["metadata"])}
    annotations = {k: v for k, v in (out["metadata"].get("annotations") or {}).items() if k not in _ALL}
    spec = dict(obj.get("spec") or {})
    status = dict(obj.get("status") or {})
    others = []
    for metric in spec.pop("metrics", None) or []:
        target = (metric.get("resource") or {}).get("target") or {}
        if metric["type"] == "Resource" and metric["resource"]["name"] == "cpu" and target.get("averageUtilization") is not None:
            spec["targetCPUUtilizationPercentage"] = target["averageUtilization"]
        else:
            others.append(_metric_to_v1(metric))
    if others:
        annotations[METRICS] = orjson.dumps(others).decode()
    if (behavior := spec.pop("behavior", None)) is not None:
        annotations[BEHAVIOR] = orjson.dumps(_raised(behavior)).decode()
    current = []
    for metric in status.pop("currentMetrics", None) or []:
        value = (metric.get("resource") or {}).get("current") or {}
        if metric["type"] == "Resource" and metric["resource"]["name"] == "cpu" and value.get("averageUtilization") is not None:
            status["currentCPUUtilizationPercentage"] = value["averageUtilization"]
        current.append(_status_to_v1(metric))
    if current:
        annotations[CURRENT_METRICS] = orjson.dumps(current).decode()
    if conditions := status.pop("conditions", None):
        annotations[CONDITIONS] = orjson.dumps([_picked(c, _CONDITION) for c in conditions]).decode()
    _replace_annotations(out, annotations)
    out["spec"] = spec
    if "status" in obj:
        status.setdefault("currentReplicas", 0)
        status.setdefault("desiredReplicas", 0)
        out["status"] = status
    return out


_CONDITION = ("type", "status", "observedGeneration", "lastTransitionTime", "reason", "message")
_REFERENCE = ("kind", "name", "apiVersion")


def _picked(obj: Obj, keys: tuple[str, ...]) -> Obj:
    """The keys in the order in which Go writes them: annotations are compared as text."""
    return {k: obj[k] for k in keys if k in obj}


def _raised(behavior: Obj) -> Obj:
    """The behavior as Go writes a struct without JSON names."""

    def rules(found: Obj | None) -> Obj | None:
        if found is None:
            return None
        policies = [
            {"Type": p.get("type", ""), "Value": p.get("value", 0), "PeriodSeconds": p.get("periodSeconds", 0)}
            for p in found.get("policies") or ()
        ]
        return {
            "StabilizationWindowSeconds": found.get("stabilizationWindowSeconds"),
            "SelectPolicy": found.get("selectPolicy"),
            "Policies": policies,
            "Tolerance": found.get("tolerance"),
        }

    return {"ScaleUp": rules(behavior.get("scaleUp")), "ScaleDown": rules(behavior.get("scaleDown"))}


def _lowered(value: Any) -> Any:
    """The reverse: names in lower camel case, without nulls."""
    if isinstance(value, dict):
        return {k[:1].lower() + k[1:]: _lowered(v) for k, v in value.items() if v is not None}
    return [_lowered(v) for v in value] if isinstance(value, list) else value


def _loads(annotations: Obj, key: str) -> Any:
    try:
        return orjson.loads(annotations[key]) if key in annotations else None
    except orjson.JSONDecodeError:
        return None


def _replace_annotations(out: Obj, annotations: Obj) -> None:
    if annotations:
        out["metadata"]["annotations"] = annotations
    else:
        out["metadata"].pop("annotations", None)


def _metric_to_v1(metric: Obj) -> Obj:
    """A v2 MetricSpec in v1's (older) form."""
    kind = metric["type"]
    field = kind[:1].lower() + kind[1:]
    source = dict(metric.get(field) or {})
    target = source.pop("target", None) or {}
    named = source.pop("metric", None) or {}
    out: Obj = {}
    if kind == "Object":
        out["target"] = _picked(source.get("describedObject") or {}, _REFERENCE)
        out["metricName"] = named.get("name", "")
        out["targetValue"] = target.get("value", "0")
        if named.get("selector") is not None:
            out["selector"] = named["selector"]
        if "averageValue" in target:
            out["averageValue"] = target["averageValue"]
    elif kind in ("Pods", "External"):
        out["metricName"] = named.get("name", "")
        selector = named.get("selector")
        if kind == "Pods":
            out["targetAverageValue"] = target.get("averageValue", "0")
            if selector is not None:
                out["selector"] = selector
        else:
            if selector is not None:
                out["metricSelector"] = selector
            if "value" in target:
                out["targetValue"] = target["value"]
            if "averageValue" in target:
                out["targetAverageValue"] = target["averageValue"]
    else:
        out["name"] = source.get("name", "")
        if "averageUtilization" in target:
            out["targetAverageUtilization"] = target["averageUtilization"]
        if "averageValue" in target:
            out["targetAverageValue"] = target["averageValue"]
        if kind == "ContainerResource":
            out["container"] = source.get("container", "")
    return {"type": kind, field: out}


def _metric_from_v1(metric: Obj) -> Obj:
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field) or {}
    target: Obj
    out: Obj = {}
    if kind == "Object":
        target = {"type": "Value", "value": source.get("targetValue", "0")}
        if "averageValue" in source:
            target = {"type": "AverageValue", "averageValue": source["averageValue"]}
        out = {"describedObject": source.get("target", {}), "metric": _named(source, "selector"), "target": target}
    elif kind == "Pods":
        out = {
            "metric": _named(source, "selector"),
            "target": {"type": "AverageValue", "averageValue": source.get("targetAverageValue", "0")},
        }
    elif kind == "External":
        if "targetValue" in source:
            target = {"type": "Value", "value": source["targetValue"]}
        else:
            target = {"type": "AverageValue", "averageValue": source.get("targetAverageValue", "0")}
        out = {"metric": _named(source, "metricSelector"), "target": target}
    else:
        if "targetAverageUtilization" in source:
            target = {"type": "Utilization", "averageUtilization": source["targetAverageUtilization"]}
        else:
            target = {"type": "AverageValue", "averageValue": source.get("targetAverageValue", "0")}
        out = {"name": source.get("name", ""), "target": target}
        if kind == "ContainerResource":
            out["container"] = source.get("container", "")
    return {"type": kind, field: out}


def _named(source: Obj, selector: str) -> Obj:
    out: Obj = {"name": source.get("metricName", "")}
    if source.get(selector) is not None:
        out["selector"] = source[selector]
    return out


def _status_to_v1(metric: Obj) -> Obj:
    kind = metric["type"]
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field) or {}
    current = source.get("current") or {}
    named = source.get("metric") or {}
    out: Obj = {}
    if kind == "Object":
        reference = _picked(source.get("describedObject") or {}, _REFERENCE)
        out = {"target": reference, "metricName": named.get("name", ""), "currentValue": current.get("value", "0")}
        if "averageValue" in current:
            out["averageValue"] = current["averageValue"]
    elif kind == "Pods":
        out = {"metricName": named.get("name", ""), "currentAverageValue": current.get("averageValue", "0")}
    elif kind == "External":
        out = {"metricName": named.get("name", ""), "currentValue": current.get("value", "0")}
        if "averageValue" in current:
            out["currentAverageValue"] = current["averageValue"]
    else:
        out = {"name": source.get("name", "")}
        if "averageUtilization" in current:
            out["currentAverageUtilization"] = current["averageUtilization"]
        out["currentAverageValue"] = current.get("averageValue", "0")
        if kind == "ContainerResource":
            out["container"] = source.get("container", "")
    return {"type": kind, field: out}


def _status_from_v1(metric: Obj) -> Obj:
    kind = metric.get("type", "")
    field = kind[:1].lower() + kind[1:]
    source = metric.get(field) or {}
    current: Obj = {}
    for old, new in (
        ("currentValue", "value"),
        ("currentAverageValue", "averageValue"),
        ("averageValue", "averageValue"),
        ("currentAverageUtilization", "averageUtilization"),
    ):
        if old in source:
            current[new] = source[old]
    out: Obj = {"current": current}
    if kind == "Object":
        out["describedObject"] = source.get("target", {})
    if kind in ("Object", "Pods", "External"):
        out["metric"] = _named(source, "metricSelector" if kind == "External" else "selector")
    else:
        out["name"] = source.get("name", "")
        if kind == "ContainerResource":
            out["container"] = source.get("container", "")
    return {"type": kind, field: out}
