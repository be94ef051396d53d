"""The files of configMap, secret, downwardAPI and projected volumes. Pure but for the token it is handed.

Upstream: pkg/volume/{configmap,secret,downwardapi,projected}.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from kubelet import env
from kubelet.volumes.atomic import File

Obj = dict[str, Any]

DEFAULT_MODE = 0o644


class VolumeError(Exception):
    """The volume cannot be set up (yet); the text is for the FailedMount event."""


class Sources:
    """Where content comes from: objects of the pod's namespace, the pod's own fields, service account tokens."""

    def __init__(
        self, lookup: env.Lookup, field: Callable[[str], str], resource: Callable[[Obj], str], token: Callable[[Obj], bytes]
    ) -> None:
        self.lookup, self.field, self.resource, self.token = lookup, field, resource, token


def files(volume: Obj, namespace: str, sources: Sources, run_as: int | None) -> dict[str, File] | None:
    """The volume's files by relative path; None when it is of another sort. Raises VolumeError."""
    if (source := volume.get("configMap")) is not None:
        return _from_object("configmaps", source.get("name", ""), source, source.get("defaultMode"), namespace, sources)
    if (source := volume.get("secret")) is not None:
        return _from_object("secrets", source.get("secretName", ""), source, source.get("defaultMode"), namespace, sources)
    if (source := volume.get("downwardAPI")) is not None:
        return _downward(source, source.get("defaultMode"), sources)
    if (source := volume.get("projected")) is not None:
        return _projected(source, namespace, sources, run_as)
    return None


def _mode(item: Obj, default: int | None) -> int:
    mode = item.get("mode")
    return int(mode if mode is not None else default if default is not None else DEFAULT_MODE)


def _content(obj: Obj, plural: str) -> dict[str, bytes]:
    if plural == "configmaps":
        out = {k: v.encode() for k, v in (obj.get("data") or {}).items()}
        return out | {k: base64.b64decode(v) for k, v in (obj.get("binaryData") or {}).items()}
    return {k: base64.b64decode(v) for k, v in (obj.get("data") or {}).items()}


def _from_object(plural: str, name: str, source: Obj, mode: int | None, namespace: str, sources: Sources) -> dict[str, File]:
    kind = plural.rstrip("s")
    optional = bool(source.get("optional"))
    found = sources.lookup(plural, name)
    if found is None:
        if optional:
            return {}
        raise VolumeError(f'{kind} "{name}" not found')
    content = _content(found, plural)
    items = source.get("items")
    if not items:
        return {key: File(value, _mode({}, mode)) for key, value in content.items()}
    out = {}
    for item in items:
        if item["key"] not in content:
            if optional:
                continue
            raise VolumeError(f"{kind} references non-existent {kind} key: {item['key']}")
        out[item["path"]] = File(content[item["key"]], _mode(item, mode))
    return out


def _downward(source: Obj, mode: int | None, sources: Sources) -> dict[str, File]:
    out = {}
    for item in source.get("items") or ():
        try:
            if ref := item.get("fieldRef"):
                text = sources.field(ref["fieldPath"])
            else:
                text = sources.resource(item["resourceFieldRef"])
        except env.ConfigError as e:
            raise VolumeError(str(e)) from e
        out[item["path"]] = File(text.encode(), _mode(item, mode))
    return out


def _projected(source: Obj, namespace: str, sources: Sources, run_as: int | None) -> dict[str, File]:
    mode = source.get("defaultMode")
    out: dict[str, File] = {}
    for part in source.get("sources") or ():
        if (inner := part.get("configMap")) is not None:
            out |= _from_object("configmaps", inner.get("name", ""), inner, mode, namespace, sources)
        elif (inner := part.get("secret")) is not None:
            out |= _from_object("secrets", inner.get("name", ""), inner, mode, namespace, sources)
        elif (inner := part.get("downwardAPI")) is not None:
            out |= _downward(inner, mode, sources)
        elif (inner := part.get("serviceAccountToken")) is not None:
            # A token is for the pod's user alone: 0600 and owned by it when all its containers agree on one.
            token_mode = 0o600 if run_as is not None else _mode({}, mode)
            out[inner["path"]] = File(sources.token(inner), token_mode, run_as)
        elif "clusterTrustBundle" in part:
            raise VolumeError("projected clusterTrustBundle volumes are not supported")
    return out


def references(pod: Obj) -> set[tuple[str, str]]:
    """(configmaps | secrets, name) of everything that the pod's volumes, variables and image pulls refer to."""
    out: set[tuple[str, str]] = set()

    def add(plural: str, ref: Mapping[str, Any] | None, key: str = "name") -> None:
        if ref and ref.get(key):
            out.add((plural, ref[key]))

    spec = pod["spec"]
    for volume in spec.get("volumes") or ():
        add("configmaps", volume.get("configMap"))
        add("secrets", volume.get("secret"), "secretName")
        for part in (volume.get("projected") or {}).get("sources") or ():
            add("configmaps", part.get("configMap"))
            add("secrets", part.get("secret"))
    for ref in spec.get("imagePullSecrets") or ():
        add("secrets", ref)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()), *(spec.get("ephemeralContainers") or ())):
        for source in container.get("envFrom") or ():
            add("configmaps", source.get("configMapRef"))
            add("secrets", source.get("secretRef"))
        for variable in container.get("env") or ():
            value = variable.get("valueFrom") or {}
            add("configmaps", value.get("configMapKeyRef"))
            add("secrets", value.get("secretKeyRef"))
    return out
