"""ReplicationControllers and PodTemplates.

Upstream: ValidateReplicationController, pkg/registry/core/{replicationcontroller,podtemplate}.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies import goform
from apiserver.registry.strategies.checks import Errors, non_negative
from apiserver.registry.strategies.common import both, checked, drop_status, keep_status, with_status
from apiserver.registry.strategies.podspec import defaults, gates, spec, warnings
from apiserver.registry.strategies.podspec.options import TEMPLATE, for_update
from apiserver.registry.strategies.workloads import options, replica_status
from apiserver.registry.strategy import Strategy
from kubepy.api import names
from kubepy.api.errors import forbidden_field, invalid, not_supported, required


def _default(obj: Obj) -> None:
    value = obj.get("spec") or {}
    template = value.get("template")
    if template is None:
        return
    defaults.template(template)
    labels = (template.get("metadata") or {}).get("labels")
    if labels is not None:
        if not value.get("selector"):
            value["selector"] = dict(labels)
        meta = obj.setdefault("metadata", {})
        if not meta.get("labels"):
            meta["labels"] = dict(labels)


def _prepare(obj: Obj) -> None:
    drop_status(obj)
    obj["status"] = {"replicas": 0}
    gates.drop_template(obj["spec"].get("template"))


def _prepare_update(new: Obj, old: Obj) -> None:
    keep_status(new, old)
    gates.drop_template(new["spec"].get("template"), old["spec"].get("template"))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    value = new.get("spec") or {}
    non_negative(out, value, "minReadySeconds", "spec")
    chosen = value.get("selector") or {}
    if not chosen:
        out.append(required("spec.selector"))
    non_negative(out, value, "replicas", "spec")
    template = value.get("template")
    if template is None:
        out.append(required("spec.template"))
        return
    labels = (template.get("metadata") or {}).get("labels") or {}
    if any(labels.get(k) != v for k, v in chosen.items()):
        out.append(invalid("spec.template.metadata.labels", goform.plain(labels) or None, "`selector` does not match template `labels`"))
    spec.template(out, template, "spec.template", options(old))
    inner = template.get("spec") or {}
    if inner.get("restartPolicy") != "Always":
        out.append(not_supported("spec.template.spec.restartPolicy", inner.get("restartPolicy", ""), ("Always",)))
    if inner.get("activeDeadlineSeconds") is not None:
        text = "activeDeadlineSeconds in ReplicationController is not Supported"
        out.append(forbidden_field("spec.template.spec.activeDeadlineSeconds", text))


def _status(out: Errors, new: Obj, _old: Obj) -> None:
    replica_status(out, new.get("status") or {}, ("fullyLabeledReplicas",))


def name_warning(new: Obj) -> list[str]:
    """Names that pods cannot take over as host names."""
    problems = names.dns1123_label(new["metadata"].get("name", ""))
    if not problems:
        return []
    shown = " ".join(problems)
    advice = "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
    return [f"metadata.name: {advice}: [{shown}]"]


def template_warnings(new: Obj, old: Obj | None) -> list[str]:
    """Warnings about spec.template of a workload, once its generation changed."""
    out = name_warning(new) if old is None else []
    template = (new.get("spec") or {}).get("template")
    if template and (old is None or template != old["spec"].get("template")):
        out += warnings.of(template, "spec.template")
    return out


def _validate_template(out: Errors, new: Obj, old: Obj | None) -> None:
    opts = for_update((old.get("template") or {}).get("spec") or {}, False) if old else TEMPLATE
    spec.template(out, new.get("template") or {}, "template", opts)


def _template_warnings(new: Obj, _old: Obj | None) -> list[str]:
    return list(warnings.of(new.get("template") or {}, "template"))


STRATEGY = with_status(
    default=_default,
    name_check=names.name_is_subdomain_once_generated,
    prepare=_prepare,
    prepare_update=_prepare_update,
    warnings=template_warnings,
    status_meta=(),
    status_validate_update=checked(_status),
    **both(_validate),
)
POD_TEMPLATE = Strategy(
    default=lambda obj: defaults.template(obj.get("template")),
    prepare=lambda obj: gates.drop_template(obj.get("template")),
    prepare_update=lambda new, old: gates.drop_template(new.get("template"), old.get("template")),
    warnings=_template_warnings,
    **both(_validate_template),
)
