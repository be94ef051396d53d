"""What controllers of pods share: selectors over templates, numbers of replicas, statuses that add up.

Upstream: ValidatePodTemplateSpecForReplicaSet and its siblings, pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import NEGATIVE, Errors, label_selector
from apiserver.registry.strategies.podspec import spec
from apiserver.registry.strategies.podspec.options import TEMPLATE, Options, for_update
from kubepy.api.errors import forbidden_field, invalid, not_supported, required
from kubepy.api.selectors import SelectorError, from_label_selector


def options(old: Obj | None) -> Options:
    """Options for a workload's template, `old` being the stored workload."""
    found = ((old or {}).get("spec") or {}).get("template") if old else None
    return for_update(found.get("spec") or {}, False) if found else TEMPLATE


def selector(out: Errors, value: Obj, kind: str, opts: Options, path: str = "spec.selector") -> None:
    """A required, non-empty label selector."""
    found = value.get("selector")
    if found is None:
        out.append(required(path))
        return
    label_selector(out, found, path, opts.any_selector_value)
    if not found.get("matchLabels") and not found.get("matchExpressions"):
        out.append(invalid(path, found, f"empty selector is invalid for {kind}"))


def matching_template(out: Errors, value: Obj, path: str, opts: Options, kind: str, *, policies: Sequence[str] = ("Always",)) -> None:
    """A template whose labels the selector matches, restarted by one of `policies`, without a deadline of its own."""
    found = value.get("template") or {}
    chosen = value.get("selector")
    labels = (found.get("metadata") or {}).get("labels") or {}
    try:
        parsed = from_label_selector(chosen)
    except SelectorError:
        out.append(invalid(f"{path}.selector", chosen, "invalid label selector"))
        return
    if not parsed.empty and not parsed.matches(labels):
        out.append(invalid(f"{path}.template.metadata.labels", goform.plain(labels) or None, "`selector` does not match template `labels`"))
    spec.template(out, found, f"{path}.template", opts)
    inner = found.get("spec") or {}
    if inner.get("restartPolicy") not in policies:
        out.append(not_supported(f"{path}.template.spec.restartPolicy", inner.get("restartPolicy", ""), policies))
    if inner.get("activeDeadlineSeconds") is not None:
        out.append(forbidden_field(f"{path}.template.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported"))


def numbers(out: Errors, obj: Obj, path: str, *keys: str) -> None:
    """Each of these fields is absent or not negative."""
    for key in keys:
        value = obj.get(key)
        if value is not None and value < 0:
            out.append(invalid(f"{path}.{key}", value, NEGATIVE))


def replica_status(out: Errors, status: Obj, more: Sequence[str] = ()) -> None:
    """Counts that cannot exceed `replicas`; `more` are those beside ready and available."""
    total = status.get("replicas", 0)
    numbers(out, status, "status", "replicas", *more, "readyReplicas", "availableReplicas", "observedGeneration")
    for key in (*more, "readyReplicas", "availableReplicas"):
        if (value := status.get(key, 0)) > total:
            out.append(invalid(f"status.{key}", value, "cannot be greater than status.replicas"))
    if (available := status.get("availableReplicas", 0)) > status.get("readyReplicas", 0):
        out.append(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"))


def collision_count(out: Errors, new: Obj, old: Obj) -> None:
    """status.collisionCount never goes back."""
    now, before = (new.get("status") or {}).get("collisionCount"), (old.get("status") or {}).get("collisionCount")
    if before is not None and (now is None or now < before):
        out.append(invalid("status.collisionCount", now or 0, "cannot be decremented"))
