"""Environment variables and what they may take their values from; field and resource references of the downward API.

Upstream: ValidateEnv, ValidateEnvFrom, validateObjectFieldSelector, pkg/apis/core/pods/helpers.go.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, named, required_name
from apiserver.registry.strategies.podspec.paths import local_non_reserved
from kubepy.api import names
from kubepy.api.errors import invalid, not_supported, required
from kubepy.api.quantity import parse

ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_LABELS = frozenset((*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"))
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SUBSCRIPT = re.compile(r"(.*?)\['(.*)'\]", re.DOTALL).fullmatch
_BYTES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_BYTES_TEXT = f"only divisor's values {', '.join(_BYTES)} are supported with the"
_PRINTABLE = re.compile(r"[ -<>-~]+").fullmatch


def variables(out: Errors, env: Sequence[Obj], path: str) -> None:
    """A container's `env`."""
    for i, var in enumerate(env):
        name = var.get("name")
        if not name:
            out.append(required(f"{path}[{i}].name"))
        elif not _PRINTABLE(name):
            named(out, name, f"{path}[{i}].name", names.relaxed_env_var_name)
        source = var.get("valueFrom")
        if source is not None:
            _value_from(out, source, bool(var.get("value")), f"{path}[{i}].valueFrom")


def _value_from(out: Errors, source: Obj, has_value: bool, path: str) -> None:
    count = 0
    if (ref := source.get("fieldRef")) is not None:
        count += 1
        field_ref(out, ref, ENV_FIELDS, f"{path}.fieldRef")
    if (ref := source.get("resourceFieldRef")) is not None:
        count += 1
        resource_ref(out, ref, f"{path}.resourceFieldRef", volume=False)
    for key in ("configMapKeyRef", "secretKeyRef"):
        if (ref := source.get(key)) is not None:
            count += 1
            named(out, ref.get("name") or "", f"{path}.{key}.name", names.dns1123_subdomain)
            _key(out, ref.get("key"), f"{path}.{key}.key")
    if (ref := source.get("fileKeyRef")) is not None:
        count += 1
        _file_key(out, ref, f"{path}.fileKeyRef")
    if count == 0:
        options = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        out.append(invalid(path, "", f"must specify one of: {options}"))
    elif has_value:
        out.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        out.append(invalid(path, "", "may not have more than one field specified at a time"))


def _key(out: Errors, key: str | None, path: str) -> None:
    required_name(out, key, path, names.config_map_key)


def _file_key(out: Errors, ref: Obj, path: str) -> None:
    volume, file, key = ref.get("volumeName") or "", ref.get("path") or "", ref.get("key") or ""
    required_name(out, volume, f"{path}.volumeName", names.dns1123_label)
    if not file:
        out.append(required(f"{path}.path"))
    else:
        local_non_reserved(out, file, f"{path}.path")
    if not key:
        out.append(required(f"{path}.key"))
    else:
        named(out, key, f"{path}.key", names.relaxed_env_var_name)


def from_sources(out: Errors, sources: Sequence[Obj], path: str) -> None:
    """A container's `envFrom`."""
    for i, source in enumerate(sources):
        if prefix := source.get("prefix"):
            named(out, prefix, f"{path}[{i}].prefix", names.relaxed_env_var_name)
        count = 0
        for key in ("configMapRef", "secretRef"):
            if (ref := source.get(key)) is not None:
                count += 1
                required_name(out, ref.get("name"), f"{path}[{i}].{key}.name", lambda n: names.name_is_subdomain(n, True))
        if count == 0:
            out.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif count > 1:
            out.append(invalid(path, "", "may not have more than one field specified at a time"))


def field_ref(out: Errors, ref: Obj, allowed: Sequence[str], path: str) -> None:
    """An ObjectFieldSelector, restricted to `allowed` and single labels and annotations."""
    version, field = ref.get("apiVersion") or "", ref.get("fieldPath") or ""
    if not version:
        out.append(required(f"{path}.apiVersion"))
        return
    if not field:
        out.append(required(f"{path}.fieldPath"))
        return
    if version != "v1":
        out.append(invalid(f"{path}.fieldPath", field, f"error converting fieldPath: unsupported pod version: {version}"))
        return
    m = _SUBSCRIPT(field)
    base = m[1] if m else field
    if m and base not in ("metadata.annotations", "metadata.labels"):
        problem = f"error converting fieldPath: field label does not support subscript: {field}"
        out.append(invalid(f"{path}.fieldPath", field, problem))
        return
    if base not in _LABELS:
        out.append(invalid(f"{path}.fieldPath", field, f"error converting fieldPath: field label not supported: {field}"))
        return
    if base == "spec.host":
        base = "spec.nodeName"
    if m:
        named(out, m[2].lower() if base == "metadata.annotations" else m[2], path, names.qualified_name)
    elif base not in allowed:
        out.append(not_supported(f"{path}.fieldPath", base, allowed))


def resource_ref(out: Errors, ref: Obj, path: str, *, volume: bool) -> None:
    """A ResourceFieldSelector; in volumes it must name its container."""
    resource = ref.get("resource") or ""
    if volume and not ref.get("containerName"):
        out.append(required(f"{path}.containerName"))
    elif not resource:
        out.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        out.append(not_supported(f"{path}.resource", resource, _RESOURCES))
    divisor = ref.get("divisor")
    if divisor in (None, "0"):
        return
    text = str(parse(divisor))
    kind = resource.partition(".")[2]
    if kind == "cpu":
        if text not in ("1m", "1"):
            out.append(invalid(f"{path}.divisor", resource, "only divisor's values 1m and 1 are supported with the cpu resource"))
    elif (kind in _DIVIDED or resource.startswith(_HUGE_PAGES)) and text not in _BYTES:
        out.append(invalid(f"{path}.divisor", resource, f"{_BYTES_TEXT} {_DIVIDED.get(kind, 'hugepages')} resource"))


_DIVIDED = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
