"""What field selectors may ask of each resource, and what its objects answer. Pure.

Upstream: AddFieldLabelConversionFunc in pkg/apis/*/v1/conversion.go (labels), ToSelectableFields of the registry's strategies
(values). Which labels a resource knows is `Resource.selectable_fields`; the messages for the others differ by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubepy.api.errors import BadRequest
from kubepy.api.resource import Resource
from kubepy.api.selectors import FieldRequirement, SelectorError, parse_field_selector

Obj = Mapping[str, Any]

_NO_NAMESPACE = {
    ("", "nodes"),
    ("", "namespaces"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("resource.k8s.io", "resourceslices"),
}
"""Resources whose own label conversion leaves out metadata.namespace; the default one accepts it even for cluster scope."""

_MESSAGES = {
    ("batch", "jobs"): 'field label "{field}" not supported for Job',
    ("resource.k8s.io", "resourceslices"): "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}",
}
_ALIASES = {("", "pods"): {"spec.host": "spec.nodeName"}}


def _refusal(resource: Resource, field: str) -> str:
    if resource.custom:
        return f"field label not supported: {field}"
    if not resource.selectable_fields:
        return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return _MESSAGES.get((resource.group, resource.plural), "field label not supported: {field}").format(field=field)


def requirements(resource: Resource, selector: str) -> list[FieldRequirement]:
    """Parse a fieldSelector for one resource and translate its labels; BadRequest with upstream's message when it is not understood."""
    try:
        terms = parse_field_selector(selector)
    except SelectorError as error:
        raise BadRequest(str(error)) from None
    key = (resource.group, resource.plural)
    aliases = _ALIASES.get(key, {})
    out = []
    for term in terms:
        known = term.field in resource.selectable_fields or term.field == "metadata.name"
        if not known and not (
            term.field == "metadata.namespace" and key not in _NO_NAMESPACE and (resource.namespaced or not resource.custom)
        ):
            raise BadRequest(_refusal(resource, term.field))
        out.append(FieldRequirement(aliases.get(term.field, term.field), term.op, term.value))
    return out


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _at(obj: Obj, path: str) -> Any:
    value: Any = obj
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _or(path: str, default: str) -> Callable[[Obj], str]:
    def read(obj: Obj) -> str:
        return _text(_at(obj, path)) or default

    return read


def _event_source(obj: Obj) -> str:
    source = obj.get("source") or obj.get("deprecatedSource") or {}
    return source.get("component") or _event_reporter(obj)


def _event_reporter(obj: Obj) -> str:
    return obj.get("reportingComponent") or obj.get("reportingController") or ""


def _involved(field: str) -> Callable[[Obj], str]:
    def read(obj: Obj) -> str:
        return (obj.get("involvedObject") or obj.get("regarding") or {}).get(field) or ""

    return read


def _pod_ips(obj: Obj) -> str:
    return ",".join(ip.get("ip", "") for ip in (obj.get("status") or {}).get("podIPs") or ())


_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_EVENT: dict[str, Callable[[Obj], str]] = {
    **{f"involvedObject.{f}": _involved(f) for f in _REFERENCE},
    **{f"regarding.{f}": _involved(f) for f in _REFERENCE},
    "source": _event_source,
    "reportingComponent": _event_reporter,
    "reportingController": _event_reporter,
}

_SPECIAL: dict[tuple[str, str], dict[str, Callable[[Obj], str]]] = {
    ("", "events"): _EVENT,
    ("events.k8s.io", "events"): _EVENT,
    ("", "pods"): {"spec.hostNetwork": _or("spec.hostNetwork", "false"), "status.podIPs": _pod_ips},
    ("", "nodes"): {"spec.unschedulable": _or("spec.unschedulable", "false")},
    ("", "replicationcontrollers"): {"status.replicas": _or("status.replicas", "0")},
    ("batch", "jobs"): {"status.successful": _or("status.succeeded", "0")},
}
"""Labels that are not simply the text at the path of the same name."""


def value_of(resource: Resource, obj: Obj, field: str) -> str:
    """The text that a field selector compares, as upstream's ToSelectableFields gives it; empty where nothing is set."""
    special = _SPECIAL.get((resource.group, resource.plural))
    if special is not None and (read := special.get(field)) is not None:
        return read(obj)
    return _text(_at(obj, field))


def matches(resource: Resource, terms: Sequence[FieldRequirement], obj: Obj) -> bool:
    """Whether an object satisfies translated requirements."""
    return all(term.matches(value_of(resource, obj, term.field)) for term in terms)
