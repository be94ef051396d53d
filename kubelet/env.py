"""A container's environment: literal values, references, the downward API, services, and $(VAR) expansion. Pure.

Upstream: kubelet_pods.go makeEnvironmentVariables; third_party/forked/golang/expansion; pkg/fieldpath; envvars.FromServices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kubelet.pods import spec
from kubepy.api import quantity

Obj = dict[str, Any]

Lookup = Callable[[str, str], Obj | None]
"""(configmaps | secrets, name) in the pod's namespace → the object, or None when there is none."""

_SUBSCRIPT = re.compile(r"^metadata\.(annotations|labels)\['(.*)'\]$")


class ConfigError(Exception):
    """The container cannot be configured so; the text is the CreateContainerConfigError's message."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """$(NAME) by its value where known; $$ by $; the rest as it is."""
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char != "$" or at + 1 >= len(text):
            out.append(char)
            at += 1
            continue
        following = text[at + 1]
        if following == "$":
            out.append("$")
            at += 2
        elif following == "(":
            end = text.find(")", at + 2)
            if end < 0:
                out.append("$(")
                at += 2
            else:
                name = text[at + 2 : end]
                out.append(values.get(name, f"$({name})"))
                at = end + 1
        else:
            out.append("$" + following)
            at += 2
    return "".join(out)


def format_map(values: Mapping[str, str]) -> str:
    """Labels or annotations as the downward API writes them: sorted, `key="value"`, one a line (fieldpath.FormatMap)."""

    def quoted(value: str) -> str:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
        return f'"{escaped}"'

    return "\n".join(f"{key}={quoted(values[key])}" for key in sorted(values))


def field_value(pod: Obj, path: str, node_name: str, ips: Mapping[str, str]) -> str:
    """A fieldRef's value. `ips` has status.podIP, status.hostIP and their plurals. Raises ConfigError."""
    meta = pod["metadata"]
    if match := _SUBSCRIPT.match(path):
        return str((meta.get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(meta.get(path.partition(".")[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        return format_map(meta.get(path.partition(".")[2]) or {})
    if path == "spec.nodeName":
        return node_name
    if path == "spec.serviceAccountName":
        return str(pod["spec"].get("serviceAccountName", ""))
    if path in ips:
        return ips[path]
    raise ConfigError(f"unsupported fieldPath: {path}")


def resource_value(pod: Obj, container: Obj, ref: Obj, allocatable: Mapping[str, str]) -> str:
    """A resourceFieldRef's value; an unset limit is what the node can give (resource/helpers.go). Raises ConfigError."""
    source = container
    if ref.get("containerName"):
        found = spec.find_container(pod, ref["containerName"])
        if found is None:
            raise ConfigError(f"container {ref['containerName']} not found")
        source = found
    kind, _, name = ref["resource"].partition(".")
    resources = source.get("resources") or {}
    text = (resources.get(kind) or {}).get(name)
    if text is None and kind == "limits":
        text = allocatable.get(name)
    value = quantity.parse(text or "0")
    divisor = quantity.parse(ref.get("divisor") or "1")
    if not divisor.nanos:
        divisor = quantity.parse("1")
    return str(-(-value.nanos // divisor.nanos))


def service_variables(services: Iterable[Obj]) -> dict[str, str]:
    """NAME_SERVICE_HOST and the Docker-link-like variables of services with a cluster IP (envvars.FromServices)."""
    out: dict[str, str] = {}
    for service in services:
        s = service["spec"]
        address = s.get("clusterIP")
        ports = s.get("ports") or []
        if not address or address == "None" or s.get("type") == "ExternalName" or not ports:
            continue
        name = service["metadata"]["name"].upper().replace("-", "_")
        out[f"{name}_SERVICE_HOST"] = address
        out[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                out[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        host = f"[{address}]" if ":" in address else address
        for index, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            url = f"{protocol.lower()}://{host}:{port['port']}"
            if index == 0:
                out[f"{name}_PORT"] = url
            prefix = f"{name}_PORT_{port['port']}_{protocol}"
            out |= {prefix: url, f"{prefix}_PROTO": protocol.lower(), f"{prefix}_PORT": str(port["port"]), f"{prefix}_ADDR": address}
    return out


def environment(
    pod: Obj, container: Obj, *, lookup: Lookup, services: Mapping[str, str], node_name: str, ips: Mapping[str, str],
    allocatable: Mapping[str, str],
) -> dict[str, str]:  # fmt: skip
    """All variables, those of `env` last. Raises ConfigError when something required is missing."""
    out: dict[str, str] = {}
    namespace = pod["metadata"].get("namespace", "default")
    for source in container.get("envFrom") or ():
        out |= _from_source(source, lookup, namespace)
    for variable in container.get("env") or ():
        name = variable["name"]
        source = variable.get("valueFrom")
        if not source:
            out[name] = expand(variable.get("value") or "", {**services, **out})
            continue
        value = _value_from(pod, container, source, lookup, node_name, ips, allocatable)
        if value is not None:
            out[name] = value
    return {**{k: v for k, v in services.items() if k not in out}, **out}


def _from_source(source: Obj, lookup: Lookup, namespace: str) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for key, plural, kind in (("configMapRef", "configmaps", "configmap"), ("secretRef", "secrets", "secret")):
        ref = source.get(key)
        if not ref:
            continue
        found = lookup(plural, ref["name"])
        if found is None:
            if ref.get("optional"):
                return {}
            raise ConfigError(f'{kind} "{ref["name"]}" not found')
        return {prefix + k: v for k, v in texts(found, plural).items()}
    return {}


def texts(obj: Obj, plural: str) -> dict[str, str]:
    """A ConfigMap's data, or a Secret's decoded."""
    if plural == "configmaps":
        return dict(obj.get("data") or {})
    import base64

    return {k: base64.b64decode(v).decode("utf-8", "surrogateescape") for k, v in (obj.get("data") or {}).items()}


def _value_from(
    pod: Obj, container: Obj, source: Obj, lookup: Lookup, node_name: str, ips: Mapping[str, str], allocatable: Mapping[str, str]
) -> str | None:
    if ref := source.get("fieldRef"):
        return field_value(pod, ref["fieldPath"], node_name, ips)
    if ref := source.get("resourceFieldRef"):
        return resource_value(pod, container, ref, allocatable)
    namespace = pod["metadata"].get("namespace", "default")
    for key, plural, kind, what in (
        ("configMapKeyRef", "configmaps", "configmap", "ConfigMap"), ("secretKeyRef", "secrets", "secret", "Secret"),
    ):  # fmt: skip
        ref = source.get(key)
        if not ref:
            continue
        found = lookup(plural, ref["name"])
        if found is None:
            if ref.get("optional"):
                return None
            raise ConfigError(f'{kind} "{ref["name"]}" not found')
        values = texts(found, plural)
        if ref["key"] not in values:
            if ref.get("optional"):
                return None
            raise ConfigError(f"couldn't find key {ref['key']} in {what} {namespace}/{ref['name']}")
        return values[ref["key"]]
    return None
