"""PodDisruptionBudgets.

Upstream: pkg/apis/policy/validation, pkg/registry/policy/poddisruptionbudget/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, at_most_hundred_percent, conditions, int_or_percent, label_selector
from apiserver.registry.strategies.common import both, checked, with_status
from apiserver.registry.strategies.workloads import numbers
from kubepy.api.errors import invalid, not_supported

_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def _validate(out: Errors, new: Obj, _old: Obj | None) -> None:
    spec = new.get("spec") or {}
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        shown = goform.of("PodDisruptionBudgetSpec", spec)
        out.append(invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set"))
    for key, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            int_or_percent(out, value, f"spec.{key}")
            at_most_hundred_percent(out, value, f"spec.{key}")
    label_selector(out, spec.get("selector"), "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        out.append(not_supported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))


def _status(out: Errors, new: Obj, _old: Obj) -> None:
    status = new.get("status") or {}
    conditions(out, status.get("conditions"), "status.conditions")
    numbers(out, status, "status", *_COUNTS)


STRATEGY = with_status(
    zero=dict.fromkeys(("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"), 0),
    own_metadata=False,
    allow_unconditional_update=False,
    metadata_checks=(0, 0),
    status_checks=(0, 0),
    status_meta=(),
    status_validate_update=checked(_status),
    **both(_validate),
)
