"""Pods: creation, update, status, ephemeral containers, resize, graceful deletion.

Upstream: pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry import objectmeta
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategies.common import STATUS_RESET, bump_generation, copy, first_generation, keep_status
from apiserver.registry.strategies.podspec import defaults, gates, notes, podstatus, spec, update, warnings
from apiserver.registry.strategies.podspec.qos import qos_class
from apiserver.registry.strategies.podspec.windows import all_containers
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import forbidden_field

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def _prepare(obj: Obj) -> None:
    first_generation(obj)
    gates.drop(obj["spec"])
    status: Obj = {"phase": "Pending", "qosClass": qos_class(obj)}
    found = obj["spec"]
    if found.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": objectmeta.timestamp(),
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]
    obj["status"] = status
    labels = obj["metadata"].get("labels") or {}
    if affinity := found.get("affinity"):
        for kind in ("podAffinity", "podAntiAffinity"):
            side = affinity.get(kind) or {}
            for weighted in side.get(_PREFERRED) or ():
                _merge_keys(weighted.get("podAffinityTerm") or {}, labels)
            for term in side.get(_REQUIRED) or ():
                _merge_keys(term, labels)
    for constraint in found.get("topologySpreadConstraints") or ():
        _merge_keys(constraint, labels)
    if obj["metadata"].get("annotations"):
        _read_app_armor(obj)


def _merge_keys(term: Obj, labels: dict[str, str]) -> None:
    """matchLabelKeys and mismatchLabelKeys become expressions over the pod's own labels."""
    selector = term.get("labelSelector")
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field) or ():
            if key in labels:
                selector.setdefault("matchExpressions", []).append({"key": key, "operator": operator, "values": [labels[key]]})


def _read_app_armor(obj: Obj) -> None:
    """AppArmor profiles that annotations give to containers without one, where they differ from the pod's (applyAppArmorVersionSkew)."""
    found, annotations = obj["spec"], obj["metadata"]["annotations"]
    if (found.get("os") or {}).get("name") == "windows":
        return
    of_pod = (found.get("securityContext") or {}).get("appArmorProfile")
    for c, _ in all_containers(found, ""):
        value, context = annotations.get(notes.APPARMOR + c.get("name", "")), c.get("securityContext") or {}
        if value is not None and context.get("appArmorProfile") is None:
            profile = _profile_of(value)
            if profile is not None and profile != of_pod:
                c["securityContext"] = {**context, "appArmorProfile": profile}


def _profile_of(annotation: str) -> Obj | None:
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation == "runtime/default":
        return {"type": "RuntimeDefault"}
    if annotation.startswith("localhost/") and len(annotation) > len("localhost/"):
        return {"type": "Localhost", "localhostProfile": annotation.removeprefix("localhost/")}
    return None


def _prepare_update(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    gates.drop(new["spec"], old["spec"])
    bump_generation(new, old, new["spec"] != old["spec"])


def _validate(obj: Obj) -> Errors:
    out: Errors = []
    spec.pod(out, obj)
    found = obj["spec"]
    if found.get("ephemeralContainers"):
        out.append(forbidden_field("spec.ephemeralContainers", "cannot be set on create"))
    if found.get("nodeName") and found.get("schedulingGates"):
        out.append(forbidden_field("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    if found_notes := obj["metadata"].get("annotations"):
        notes.match_fields(out, found_notes, found, "spec")
    return out


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    # People rarely update pods themselves, and kubelets do all the time: only creation is worth a look.
    if old is not None:
        return []
    out = []
    if problems := names.dns1123_label(new["metadata"].get("name", "")):
        out.append(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: "
            f"[{' '.join(problems)}]"
        )
    return [*out, *warnings.of(new)]


def _graceful(obj: Obj, options: dict[str, Any]) -> int | None:
    """The grace period that a deletion gets (CheckGracefulDelete)."""
    period = options.get("gracePeriodSeconds")
    if period is None:
        period = obj["spec"].get("terminationGracePeriodSeconds") or 0
    if not obj["spec"].get("nodeName") or (obj.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        period = 0
    return 1 if period < 0 else int(period)


def _prepare_ephemeral(new: Obj, old: Obj) -> None:
    wanted = new["spec"].get("ephemeralContainers")
    new["spec"] = {**old["spec"]}
    if wanted is None:
        new["spec"].pop("ephemeralContainers", None)
    else:
        new["spec"]["ephemeralContainers"] = wanted
    gates.drop(new["spec"], old["spec"])
    _reset(new, old)


def _reset(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    for key in STATUS_RESET:
        copy(new["metadata"], old["metadata"], key)
    bump_generation(new, old, new["spec"] != old["spec"])


def _prepare_resize(new: Obj, old: Obj) -> None:
    """Keep resources and resizePolicy of containers in the stored order; other changes vanish, or fail validation."""
    merged: Obj = {}
    for key in ("containers", "initContainers"):
        theirs, ours = new["spec"].get(key) or [], old["spec"].get(key) or []
        if len(theirs) != len(ours):
            gates.drop(new["spec"], old["spec"])
            return
        if [c.get("name") for c in theirs] != [c.get("name") for c in ours]:
            merged[key] = theirs
        else:
            merged[key] = [_resized(n, o) for n, o in zip(theirs, ours, strict=True)]
    pod_level = new["spec"].get("resources")
    new["spec"] = {**old["spec"], **{k: v for k, v in merged.items() if v}}
    if pod_level is None:
        new["spec"].pop("resources", None)
    else:
        new["spec"]["resources"] = pod_level
    _reset(new, old)


def _resized(new: Obj, old: Obj) -> Obj:
    out = {**old}
    copy(out, new, "resources")
    copy(out, new, "resizePolicy")
    return out


_BASE = Strategy(
    default=defaults.pod,
    prepare=_prepare,
    prepare_update=_prepare_update,
    validate=_validate,
    validate_update=update.validate,
    warnings=_warnings,
    has_generation=False,
    reset_fields=("status",),
    graceful=_graceful,
)
_PART = _BASE.with_(metadata_checks=(1, 1), reset_fields=())
STRATEGY = _BASE.with_(
    status_prepare_update=podstatus.prepare,
    status_validate_update=podstatus.validate,
    subresources={
        "ephemeralcontainers": _PART.with_(prepare_update=_prepare_ephemeral, validate_update=update.ephemeral_containers),
        "resize": _PART.with_(prepare_update=_prepare_resize, validate_update=update.resize),
    },
)
