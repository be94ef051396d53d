"""DaemonSets and ControllerRevisions.

Upstream: pkg/apis/apps/validation, pkg/registry/apps/{daemonset,controllerrevision}/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, at_most_hundred_percent, immutable, int_or_percent, label_selector
from apiserver.registry.strategies.common import both, bump_generation, checked, empty_status, first_generation, spec_changed, with_status
from apiserver.registry.strategies.deployments import amount, default_template, drop_template, prepare_update
from apiserver.registry.strategies.podspec import spec as podspec
from apiserver.registry.strategies.replicationcontrollers import template_warnings
from apiserver.registry.strategies.workloads import collision_count, numbers, options
from apiserver.registry.strategy import Strategy
from kubepy.api.errors import forbidden_field, invalid, not_supported, required
from kubepy.api.selectors import SelectorError, from_label_selector

_GENERATION = "deprecated.daemonset.template.generation"
_COUNTS = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
    "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
)  # fmt: skip
_ZERO = {"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}


def _default(obj: Obj) -> None:
    if not _template_generation(obj):
        # The internal number is always written out: every writer owns it.
        _set_template_generation(obj, 0)
    default_template(obj)
    spec = obj.get("spec")
    if spec is None:
        return
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        if rolling.get("maxUnavailable") is None:
            rolling["maxUnavailable"] = 1
        if rolling.get("maxSurge") is None:
            rolling["maxSurge"] = 0


def _template_generation(obj: Obj) -> int:
    text = (obj["metadata"].get("annotations") or {}).get(_GENERATION, "")
    return int(text) if text.isdigit() else 0


def _set_template_generation(obj: Obj, number: int) -> None:
    obj["metadata"].setdefault("annotations", {})[_GENERATION] = str(number)


def _prepare(obj: Obj) -> None:
    first_generation(obj)
    if _template_generation(obj) < 1:
        _set_template_generation(obj, 1)
    drop_template(obj)


def _prepare_update(new: Obj, old: Obj) -> None:
    prepare_update(new, old)
    # The template's generation was a field once; it now lives in an annotation that clients may drop.
    number = _template_generation(old)
    if new["spec"].get("template") != old["spec"].get("template"):
        number += 1
    _set_template_generation(new, number)
    bump_generation(new, old, spec_changed(new, old))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    opts = options(old)
    chosen, template = spec.get("selector"), spec.get("template") or {}
    label_selector(out, chosen, "spec.selector", opts.any_selector_value)
    labels = (template.get("metadata") or {}).get("labels") or {}
    try:
        if not from_label_selector(chosen).matches(labels):
            out.append(
                invalid("spec.template.metadata.labels", goform.plain(labels) or None, "`selector` does not match template `labels`")
            )
    except SelectorError:
        pass  # reported by label_selector
    if chosen is not None and not chosen.get("matchLabels") and not chosen.get("matchExpressions"):
        out.append(invalid("spec.selector", chosen, "empty selector is invalid for daemonset"))
    podspec.template(out, template, "spec.template", opts)
    inner = template.get("spec") or {}
    if inner.get("restartPolicy") != "Always":
        out.append(not_supported("spec.template.spec.restartPolicy", inner.get("restartPolicy", ""), ("Always",)))
    if inner.get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in DaemonSet is not Supported"
        out.append(forbidden_field("spec.template.spec.activeDeadlineSeconds", text))
    numbers(out, spec, "spec", "minReadySeconds")
    _strategy(out, spec.get("updateStrategy") or {})
    numbers(out, spec, "spec", "revisionHistoryLimit")
    if old is not None:
        immutable(out, chosen, old["spec"].get("selector"), "spec.selector")


def _strategy(out: Errors, strategy: Obj) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = "spec.updateStrategy.rollingUpdate"
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        shown = goform.of("DaemonSetUpdateStrategy", strategy)
        out.append(not_supported("spec.updateStrategy", shown, ("RollingUpdate", "OnDelete")))
        return
    if rolling is None:
        out.append(required(at))
        return
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for key, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        int_or_percent(out, value, f"{at}.{key}")
    for key, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        at_most_hundred_percent(out, value, f"{at}.{key}")
    if amount(unavailable) and amount(surge):
        out.append(invalid(f"{at}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not amount(unavailable) and not amount(surge):
        out.append(required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def _status(out: Errors, new: Obj, old: Obj) -> None:
    numbers(out, new.get("status") or {}, "status", *_COUNTS)
    collision_count(out, new, old)


def _validate_revision(out: Errors, new: Obj, old: Obj | None) -> None:
    if (revision := new.get("revision", 0)) < 0:
        out.append(invalid("revision", revision, "must be greater than or equal to 0"))
    data = new.get("data")
    if old is None and not isinstance(data, dict):
        out.append(required("data", "data is mandatory" if data is None else "data must be a valid JSON object"))
    if old is not None:
        immutable(out, new.get("data"), old.get("data"), "data")


STRATEGY = with_status(
    field_annotations=(_GENERATION,),
    default=_default,
    prepare=empty_status(_ZERO, _prepare),
    prepare_update=_prepare_update,
    warnings=template_warnings,
    has_generation=False,
    status_meta=(),
    status_validate_update=checked(_status),
    **both(_validate),
)
REVISION = Strategy(has_generation=False, **both(_validate_revision))
