"""Deployments and ReplicaSets.

Upstream: pkg/apis/apps/validation, pkg/apis/apps/v1/defaults.go, pkg/registry/apps/{deployment,replicaset}/strategy.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, at_most_hundred_percent, immutable, int_or_percent, percent_value
from apiserver.registry.strategies.common import (
    both,
    bump_generation,
    checked,
    empty_status,
    first_generation,
    keep_status,
    spec_changed,
    with_status,
)
from apiserver.registry.strategies.podspec import defaults, gates
from apiserver.registry.strategies.replicationcontrollers import template_warnings
from apiserver.registry.strategies.workloads import collision_count, matching_template, numbers, options, replica_status, selector
from kubepy.api.errors import forbidden_field, invalid, not_supported, required

_TYPES = ("Recreate", "RollingUpdate")


def amount(value: Any) -> int:
    """An int-or-percent as upstream compares it with zero: the percentage's number, or the number."""
    if isinstance(value, str):
        return percent_value(value) or 0
    return int(value or 0)


def default_template(obj: Obj) -> None:
    """Defaults of spec.template."""
    defaults.template((obj.get("spec") or {}).get("template"))


def drop_template(obj: Obj) -> None:
    """Gated fields of spec.template."""
    gates.drop_template((obj.get("spec") or {}).get("template"))


def prepare_update(new: Obj, old: Obj) -> None:
    """Status stays; gated fields of the template go unless they were there."""
    keep_status(new, old)
    gates.drop_template((new.get("spec") or {}).get("template"), (old.get("spec") or {}).get("template"))


def _default(obj: Obj) -> None:
    default_template(obj)
    spec = obj.get("spec")
    if spec is None:
        return
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        for key in ("maxUnavailable", "maxSurge"):
            if rolling.get(key) is None:
                rolling[key] = "25%"


def _prepare(obj: Obj) -> None:
    first_generation(obj)
    drop_template(obj)


def _prepare_update(new: Obj, old: Obj) -> None:
    prepare_update(new, old)
    notes, old_notes = (o["metadata"].get("annotations") or {} for o in (new, old))
    bump_generation(new, old, spec_changed(new, old) or notes != old_notes)


def _strategy(out: Errors, strategy: Obj) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = "spec.strategy.rollingUpdate"
    if kind == "Recreate":
        if rolling is not None:
            out.append(forbidden_field(at, "may not be specified when strategy `type` is 'Recreate'"))
    elif kind != "RollingUpdate":
        out.append(not_supported("spec.strategy", goform.of("DeploymentStrategy", strategy), _TYPES))
    elif rolling is None:
        out.append(required(at, "this should be defaulted and never be nil"))
    else:
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        int_or_percent(out, unavailable, f"{at}.maxUnavailable")
        int_or_percent(out, surge, f"{at}.maxSurge")
        if amount(unavailable) == 0 and amount(surge) == 0:
            out.append(invalid(f"{at}.maxUnavailable", unavailable or 0, "may not be 0 when `maxSurge` is 0"))
        at_most_hundred_percent(out, unavailable, f"{at}.maxUnavailable")


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    opts = options(old)
    numbers(out, spec, "spec", "replicas")
    selector(out, spec, "deployment", opts)
    matching_template(out, spec, "spec", opts, "ReplicaSet")
    _strategy(out, spec.get("strategy") or {})
    numbers(out, spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        numbers(out, spec, "spec", "progressDeadlineSeconds")
        if deadline <= spec.get("minReadySeconds", 0):
            out.append(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    if old is not None:
        immutable(out, spec.get("selector"), old["spec"].get("selector"), "spec.selector")


def _status(out: Errors, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    numbers(
        out, status, "status", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
        "observedGeneration", "terminatingReplicas", "collisionCount",
    )  # fmt: skip
    total = status.get("replicas", 0)
    for key in ("updatedReplicas", "readyReplicas", "availableReplicas"):
        if (value := status.get(key, 0)) > total:
            out.append(invalid(f"status.{key}", value, "cannot be greater than status.replicas"))
    if (available := status.get("availableReplicas", 0)) > status.get("readyReplicas", 0):
        out.append(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))
    collision_count(out, new, old)


def _validate_set(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    opts = options(old)
    numbers(out, spec, "spec", "replicas", "minReadySeconds")
    selector(out, spec, "deployment", opts)
    matching_template(out, spec, "spec", opts, "ReplicaSet")
    if old is not None:
        immutable(out, spec.get("selector"), old["spec"].get("selector"), "spec.selector")


def _set_status(out: Errors, new: Obj, _old: Obj) -> None:
    replica_status(out, new.get("status") or {}, ("fullyLabeledReplicas",))
    numbers(out, new.get("status") or {}, "status", "terminatingReplicas")


STRATEGY = with_status(
    default=_default,
    prepare=empty_status({}, _prepare),
    prepare_update=_prepare_update,
    warnings=template_warnings,
    has_generation=False,
    status_meta=("labels",),
    status_validate_update=checked(_status),
    **both(_validate),
)
REPLICA_SET = with_status(
    default=default_template,
    prepare=empty_status({"replicas": 0}, drop_template),
    prepare_update=prepare_update,
    warnings=template_warnings,
    status_meta=(),
    status_validate_update=checked(_set_status),
    **both(_validate_set),
)
