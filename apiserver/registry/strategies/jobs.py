"""Jobs: generated selectors, indexed mode, policies, what may change while suspended.

Upstream: pkg/apis/batch/validation/validation.go, pkg/apis/batch/v1/defaults.go, pkg/registry/batch/job/strategy.go.
"""

from __future__ import annotations

from typing import Any

from apiserver.context import Obj
from apiserver.registry.strategies import goform, jobpolicies, jobstatus
from apiserver.registry.strategies.checks import Errors, domain_prefixed_path, immutable, label_selector
from apiserver.registry.strategies.common import both, checked, empty_status, keep_status, with_status
from apiserver.registry.strategies.podspec import defaults, gates
from apiserver.registry.strategies.podspec import spec as podspec
from apiserver.registry.strategies.podspec.options import TEMPLATE, Options
from apiserver.registry.strategies.podspec.warnings import of as template_warnings
from apiserver.registry.strategies.workloads import numbers, options
from kubepy.api import names
from kubepy.api.errors import invalid, not_supported, required, too_long
from kubepy.api.selectors import SelectorError, from_label_selector

_UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_SELECTED = "batch.kubernetes.io/controller-uid"
_COUNTS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex")
_MANY = 100_000
_FEW = 10_000
_INDEXED_ONLY = "requires indexed completion mode"
_TOO_MANY = "must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index"


def default_spec(spec: Obj) -> None:
    """What a JobSpec lacks, in a Job but not in a CronJob's template."""
    defaults.template(spec.get("template"))
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = spec["parallelism"] = 1
    if spec.get("parallelism") is None:
        spec["parallelism"] = 1
    if spec.get("backoffLimit") is None:
        # Limits per index stand in for the overall one.
        spec["backoffLimit"] = 6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1
    if spec.get("completionMode") is None:
        spec["completionMode"] = "NonIndexed"
    if spec.get("suspend") is None:
        spec["suspend"] = False
    if spec.get("podReplacementPolicy") is None:
        spec["podReplacementPolicy"] = "TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed"
    if spec.get("manualSelector") is None and "manualSelector" not in spec:
        spec["manualSelector"] = False


def _default(obj: Obj) -> None:
    spec = obj.get("spec")
    if spec is None:
        return
    default_spec(spec)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    meta = obj.setdefault("metadata", {})
    if not meta.get("labels") and labels:
        # The very same labels, not a copy: upstream's two maps are one, and what is generated for the template comes into both.
        meta["labels"] = labels


def _prepare(obj: Obj) -> None:
    spec = obj["spec"]
    gates.drop_template(spec.get("template"))
    meta = obj["metadata"]
    if not spec.get("manualSelector"):
        _generate_selector(spec, meta)


def _label(obj: Obj) -> None:
    """A Job without labels takes its template's once it is read back, and with them the generated ones."""
    meta, spec = obj["metadata"], obj["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels and not meta.get("labels"):
        meta["labels"] = dict(labels)


def _generate_selector(spec: Obj, meta: Obj) -> None:
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    for key in _NAME_LABELS:
        labels.setdefault(key, meta.get("name", ""))
    for key in _UID_LABELS:
        labels.setdefault(key, meta.get("uid", ""))
    selector = spec.get("selector") or {}
    selector.setdefault("matchLabels", {}).setdefault(_SELECTED, meta.get("uid", ""))
    spec["selector"] = selector


def _prepare_update(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    gates.drop_template(new["spec"].get("template"), old["spec"].get("template"))


def job_spec(out: Errors, spec: Obj, path: str, opts: Options) -> None:
    """A JobSpec at `path`, but its selector."""
    numbers(out, spec, path, *_COUNTS)
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if failed is not None:
        numbers(out, spec, path, "maxFailedIndexes")
        if spec.get("backoffLimitPerIndex") is None:
            out.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    if (manager := spec.get("managedBy")) is not None:
        out.extend(domain_prefixed_path(f"{path}.managedBy", manager))
        if len(manager) > 63:
            out.append(too_long(f"{path}.managedBy", 63))
    mode = spec.get("completionMode")
    if mode is not None:
        if mode not in ("NonIndexed", "Indexed"):
            out.append(not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed")))
        if mode == "Indexed":
            _indexed(out, spec, path, completions, parallelism, failed)
    if mode == "NonIndexed" or mode is None:
        out.extend(
            invalid(f"{path}.{key}", spec[key], _INDEXED_ONLY)
            for key in ("backoffLimitPerIndex", "maxFailedIndexes")
            if spec.get(key) is not None
        )
    if (policy := spec.get("podFailurePolicy")) is not None:
        jobpolicies.failure(out, policy, spec, f"{path}.podFailurePolicy")
    if (policy := spec.get("successPolicy")) is not None:
        if mode != "Indexed":
            out.append(invalid(f"{path}.successPolicy", goform.of("SuccessPolicy", policy), _INDEXED_ONLY))
        else:
            jobpolicies.success(out, policy, completions, f"{path}.successPolicy")
    replacement = spec.get("podReplacementPolicy")
    if replacement is not None:
        allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
        if replacement not in allowed:
            out.append(not_supported(f"{path}.podReplacementPolicy", replacement, allowed))
    template = spec.get("template") or {}
    podspec.template(out, template, f"{path}.template", opts)
    restart = (template.get("spec") or {}).get("restartPolicy", "")
    at = f"{path}.template.spec.restartPolicy"
    if restart in ("", "Always"):
        out.append(required(at, 'valid values: "OnFailure", "Never"'))
    elif restart not in ("OnFailure", "Never"):
        out.append(not_supported(at, restart, ("OnFailure", "Never")))
    elif spec.get("podFailurePolicy") is not None and restart != "Never":
        out.append(invalid(at, restart, 'only "Never" is supported when podFailurePolicy is specified'))


def _indexed(out: Errors, spec: Obj, path: str, completions: int | None, parallelism: int | None, failed: int | None) -> None:
    if completions is None:
        out.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > _MANY:
        text = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        out.append(invalid(f"{path}.parallelism", parallelism, text))
    if failed is not None and completions is not None and failed > completions:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > _MANY:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MANY}"))
    if completions is None or completions <= _MANY or spec.get("backoffLimitPerIndex") is None:
        return
    if failed is None:
        out.append(required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_MANY}"))
    elif failed > _FEW:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, _TOO_MANY))
    if parallelism is not None and parallelism > _FEW:
        out.append(invalid(f"{path}.parallelism", parallelism, _TOO_MANY))


def _generated(out: Errors, obj: Obj) -> None:
    """Labels and selector of a Job that did not ask for its own."""
    spec, meta = obj["spec"], obj["metadata"]
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    wanted = {**dict.fromkeys(_UID_LABELS, meta.get("uid", "")), **dict.fromkeys(_NAME_LABELS, meta.get("name", ""))}
    for key, value in wanted.items():
        at = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            out.append(required(at, f"must be '{value}'"))
        elif labels[key] != value:
            out.append(invalid(at, goform.plain(labels), f"must be '{value}'"))
    try:
        if not from_label_selector(selector).matches(wanted):
            out.append(invalid("spec.selector", goform.plain(selector), "`selector` not auto-generated"))
    except SelectorError:
        pass  # reported elsewhere


def _whole(out: Errors, new: Obj, opts: Options) -> None:
    spec = new["spec"]
    job_spec(out, spec, "spec", opts)
    selector = spec.get("selector")
    if selector is None:
        out.append(required("spec.selector"))
    else:
        label_selector(out, selector, "spec.selector", opts.any_selector_value)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    try:
        if not from_label_selector(selector).matches(labels):
            out.append(
                invalid("spec.template.metadata.labels", goform.plain(labels) or None, "`selector` does not match template `labels`")
            )
    except SelectorError:
        pass  # reported by label_selector


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    _generated(out, new)
    opts = options(old) if old else TEMPLATE
    spec, name = new["spec"], new["metadata"].get("name", "")
    _whole(out, new, opts)
    completions = spec.get("completions")
    if spec.get("completionMode") == "Indexed" and completions:
        longest = f"{name}-{completions - 1}"
        for _ in names.dns1123_label(longest):
            text = f"will not able to create pod with invalid DNS label: {longest}"
            out.append(invalid("metadata.name", name, text))
    if old is not None:
        # Upstream validates the whole spec once for itself and once as an update: clients see each cause twice.
        _whole(out, new, opts)
        _changes(out, spec, old)


def _changes(out: Errors, spec: Obj, old: Obj) -> None:
    before = old["spec"]
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    if spec.get("completionMode") != "Indexed":
        immutable(out, completions, before.get("completions"), "spec.completions")
    elif completions is not None and completions != before.get("completions") and completions != parallelism:
        out.append(invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism"))
    immutable(out, spec.get("selector"), before.get("selector"), "spec.selector")
    _template_changes(out, spec.get("template") or {}, before.get("template") or {}, old)
    immutable(out, spec.get("completionMode"), before.get("completionMode"), "spec.completionMode")
    for key, kind in (
        ("podFailurePolicy", "PodFailurePolicy"),
        ("backoffLimitPerIndex", ""),
        ("managedBy", ""),
        ("successPolicy", "SuccessPolicy"),
    ):
        now = spec.get(key)
        immutable(out, now, before.get(key), f"spec.{key}", goform.of(kind, now) if kind else now)


def _template_changes(out: Errors, new: Obj, old: Obj, job: Obj) -> None:
    """While a Job is suspended and has no active pods, where its pods run and what they get may change."""
    if new == old:
        return
    if not _is_suspended(job):
        out.append(invalid("spec.template", goform.of("PodTemplateSpec", new), "field is immutable"))
        return
    if _without_directives(new) != _without_directives(old):
        out.append(invalid("spec.template.spec", goform.of("PodSpec", new.get("spec") or {}), "field is immutable"))


def _is_suspended(job: Obj) -> bool:
    status = job.get("status") or {}
    if not job["spec"].get("suspend") or status.get("active"):
        return False
    if not status.get("startTime"):
        return True
    return any(c.get("type") == "Suspended" and c.get("status") == "True" for c in status.get("conditions") or ())


def _without_directives(template: Obj) -> Obj:
    """The pod spec without what may change; metadata may change altogether."""
    spec: dict[str, Any] = {
        k: v for k, v in (template.get("spec") or {}).items() if k not in ("nodeSelector", "tolerations", "schedulingGates", "affinity")
    }
    if affinity := {k: v for k, v in ((template.get("spec") or {}).get("affinity") or {}).items() if k != "nodeAffinity"}:
        spec["affinity"] = affinity
    for key in ("containers", "initContainers"):
        if key in spec:
            spec[key] = [{k: v for k, v in c.items() if k != "resources"} for c in spec[key]]
    return spec


def _warnings(new: Obj, old: Obj | None) -> list[str]:
    out: list[str] = []
    if old is None and (problems := names.dns1123_label(new["metadata"].get("name", ""))):
        advice = "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
        out.append(f"metadata.name: {advice}: [{' '.join(problems)}]")
    return out + spec_warnings(new["spec"], "spec", None if old is None else old["spec"])


def spec_warnings(spec: Obj, path: str, old: Obj | None) -> list[str]:
    """Warnings about a JobSpec and its template."""
    out: list[str] = []
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    if spec.get("completionMode") == "Indexed" and (completions or 0) > _MANY and (parallelism or 0) > _FEW:
        text = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4"
        out.append(f"{text}, Kubernetes might not be able to track completedIndexes when a big number of indexes fail")
    template = spec.get("template")
    if template and (old is None or template != old.get("template")):
        out += template_warnings(template, f"{path}.template")
    return out


STRATEGY = with_status(
    default=_default,
    canonicalize=_label,
    prepare=empty_status({}, _prepare),
    prepare_update=_prepare_update,
    warnings=_warnings,
    status_meta=(),
    status_validate_update=checked(jobstatus.validate),
    **both(_validate),
)
