"""StatefulSets.

Upstream: ValidateStatefulSetSpec, pkg/apis/apps/v1/defaults.go, pkg/registry/apps/statefulset/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform, persistentvolumeclaims
from apiserver.registry.strategies.checks import (
    Errors,
    annotation_set,
    at_most_hundred_percent,
    int_or_percent,
    label_selector,
    labels,
    named,
)
from apiserver.registry.strategies.common import both, checked, empty_status, with_status
from apiserver.registry.strategies.deployments import amount, default_template, drop_template, prepare_update
from apiserver.registry.strategies.podspec import notes
from apiserver.registry.strategies.podspec import spec as podspec
from apiserver.registry.strategies.podspec.options import Options
from apiserver.registry.strategies.replicationcontrollers import template_warnings
from apiserver.registry.strategies.workloads import collision_count, numbers, options
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required
from kubepy.api.selectors import SelectorError, from_label_selector

_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FORBIDDEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_RETENTION = ("Retain", "Delete")
_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration", "collisionCount")


def _rolling(obj: Obj) -> Obj:
    found: Obj = ((obj.get("spec") or {}).get("updateStrategy") or {}).get("rollingUpdate") or {}
    return found


def _prepare(obj: Obj) -> None:
    """Gated fields go: those of the template, and maxUnavailable (MaxUnavailableStatefulSet is off)."""
    drop_template(obj)
    _rolling(obj).pop("maxUnavailable", None)


def _prepare_update(new: Obj, old: Obj) -> None:
    prepare_update(new, old)
    if _rolling(old).get("maxUnavailable") is None:
        _rolling(new).pop("maxUnavailable", None)


def _default(obj: Obj) -> None:
    default_template(obj)
    spec = obj.get("spec")
    if spec is None:
        return
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        # Only where the type is defaulted too: {type: RollingUpdate} alone gains a partition below.
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        if rolling.get("partition") is None:
            rolling["partition"] = 0
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("status", {}).setdefault("phase", "Pending")
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")


def _policies(out: Errors, spec: Obj) -> None:
    management = spec.get("podManagementPolicy", "")
    if not management:
        out.append(required("spec.podManagementPolicy"))
    elif management not in ("OrderedReady", "Parallel"):
        out.append(invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'"))
    strategy = spec.get("updateStrategy") or {}
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    at = "spec.updateStrategy.rollingUpdate"
    if not kind:
        out.append(required("spec.updateStrategy"))
    elif kind == "OnDelete":
        if rolling is not None:
            shown = goform.of("RollingUpdateStatefulSetStrategy", rolling)
            out.append(invalid(at, shown, "only allowed for updateStrategy 'RollingUpdate'"))
    elif kind == "RollingUpdate":
        if rolling is not None:
            numbers(out, rolling, at, "partition")
            unavailable = rolling.get("maxUnavailable")
            if unavailable is not None:
                int_or_percent(out, unavailable, f"{at}.maxUnavailable")
                if amount(unavailable) == 0:
                    out.append(invalid(f"{at}.maxUnavailable", unavailable, "cannot be 0"))
                at_most_hundred_percent(out, unavailable, f"{at}.maxUnavailable")
    else:
        shown = goform.of("StatefulSetUpdateStrategy", strategy)
        out.append(invalid("spec.updateStrategy", shown, "must be 'RollingUpdate' or 'OnDelete'"))
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    if retention is not None:
        for key in ("whenDeleted", "whenScaled"):
            if (value := retention.get(key, "")) not in _RETENTION:
                out.append(not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{key}", value, _RETENTION))


def _template(out: Errors, spec: Obj, opts: Options, check_spec: bool) -> None:
    """The template; its containers may also mount what volumeClaimTemplates bring."""
    template = spec.get("template") or {}
    if check_spec:
        _whole_template(out, spec, template, opts)
    meta = template.get("metadata") or {}
    labels(out, meta.get("labels"), "spec.template.labels")
    if annotations := meta.get("annotations"):
        annotation_set(out, annotations, "spec.template.annotations")
        notes.validate(out, annotations, template.get("spec") or {}, "spec.template.annotations", opts)


def _whole_template(out: Errors, spec: Obj, template: Obj, opts: Options) -> None:
    claims = [c for c in ((t.get("metadata") or {}).get("name") for t in spec.get("volumeClaimTemplates") or ()) if c]
    inner = template.get("spec") or {}
    if claims:
        own = [v for v in inner.get("volumes") or () if v.get("name") not in claims]
        own += [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
        template = {**template, "spec": {**inner, "volumes": own}}
    podspec.template(out, template, "spec.template", opts)


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    spec = new.get("spec") or {}
    before = (old or {}).get("spec") or {}
    opts = options(old)
    _policies(out, spec)
    numbers(out, spec, "spec", "replicas", "minReadySeconds")
    numbers(out, spec.get("ordinals") or {}, "spec.ordinals", "start")
    if (service := spec.get("serviceName")) and (old is None or service != before.get("serviceName")):
        named(out, service, "spec.serviceName", names.dns1123_label)
    chosen = spec.get("selector")
    if chosen is None:
        out.append(required("spec.selector"))
    else:
        label_selector(out, chosen, "spec.selector", opts.any_selector_value)
        if not chosen.get("matchLabels") and not chosen.get("matchExpressions"):
            out.append(invalid("spec.selector", chosen, "empty selector is invalid for statefulset"))
    found = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    try:
        parsed = from_label_selector(chosen)
        if not parsed.empty and not parsed.matches(found):
            out.append(invalid("spec.template.metadata.labels", goform.plain(found) or None, "`selector` does not match template `labels`"))
        _template(out, spec, opts, old is None or spec.get("template") != before.get("template"))
    except SelectorError:
        out.append(invalid("spec.selector", chosen, ""))
    inner = (spec.get("template") or {}).get("spec") or {}
    if inner.get("restartPolicy") != "Always":
        out.append(not_supported("spec.template.spec.restartPolicy", inner.get("restartPolicy", ""), ("Always",)))
    if inner.get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in StatefulSet is not Supported"
        out.append(forbidden_field("spec.template.spec.activeDeadlineSeconds", text))
    if old is None:
        for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
            persistentvolumeclaims.spec(out, claim.get("spec") or {}, f"spec.volumeClaimTemplates[{i}].spec")
        return
    ours, theirs = ({k: v for k, v in s.items() if k not in _MUTABLE} for s in (spec, before))
    if ours != theirs:
        out.append(forbidden_field("spec", _FORBIDDEN))


def _status(out: Errors, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    numbers(out, status, "status", *_COUNTS)
    total = status.get("replicas", 0)
    for key in ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"):
        if (value := status.get(key, 0)) > total:
            out.append(invalid(f"status.{key}", value, "cannot be greater than status.replicas"))
    if (available := status.get("availableReplicas", 0)) > status.get("readyReplicas", 0):
        out.append(invalid("status.availableReplicas", available, "cannot be greater than status.readyReplicas"))
    collision_count(out, new, old)


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out = template_warnings(new, old)
    spec = new.get("spec") or {}
    for i, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        at = f"spec.volumeClaimTemplates[{i}]"
        out += persistentvolumeclaims.spec_warnings(claim.get("spec") or {}, at if old is None else f"{at}.Spec")
    if (spec.get("revisionHistoryLimit") or 0) < 0:
        out.append("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended")
    return out


STRATEGY = with_status(
    default=_default,
    prepare=empty_status({"replicas": 0, "availableReplicas": 0}, _prepare),
    prepare_update=_prepare_update,
    warnings=_warnings,
    name_check=names.name_is_label,
    status_meta=(),
    status_validate_update=checked(_status),
    **both(_validate),
)
