"""Ownership through the scale subresource: spec.replicas of a Scale is another field of the scaled object.

Upstream: apimachinery pkg/util/managedfields/scalehandler.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubepy.api.patch import fieldset, managers
from kubepy.api.patch.managers import Entry, Managers, Owned

SCALE_VERSION = "autoscaling/v1"
_REPLICAS = fieldset.of(("f:spec", "f:replicas"))

Paths = Mapping[str, str]
"""apiVersion of the scaled kind → dotted path of its replicas, such as `spec.replicas`; empty when it has no scale there."""


def _path(paths: Paths, version: str) -> tuple[str, ...]:
    dotted = paths.get(version, "").lstrip(".")
    return tuple(f"f:{p}" for p in dotted.split(".")) if dotted else ()


def to_scale(entries: list[Entry] | None, paths: Paths) -> list[Entry]:
    """The managedFields of the Scale: one entry for each manager of the scaled object that owns its replicas."""
    out: Managers = {}
    for who, owned in (managers.read(entries, trusted=True) or {}).items():
        path = _path(paths, owned.api_version)
        if path and fieldset.has(owned.fields, path):
            out[who] = Owned(_REPLICAS, SCALE_VERSION, owned.time)
    return managers.write(out)


def to_parent(entries: list[Entry] | None, scale_entries: list[Entry] | None, paths: Paths, api_version: str) -> list[Entry]:
    """The managedFields of the scaled object after its Scale was written with `scale_entries`."""
    scale = managers.read(scale_entries, trusted=True) or {}
    out: Managers = {}
    for who, owned in (managers.read(entries, trusted=True) or {}).items():
        if owned.api_version not in paths:
            continue
        path = _path(paths, owned.api_version)
        if path and fieldset.has(owned.fields, path) and scale.pop(who, None) is None:
            left = fieldset.difference(owned.fields, fieldset.of(path))
            if left:
                out[who] = owned._replace(fields=left, entry=None)
        else:
            out[who] = owned
    for who, owned in scale.items():
        if fieldset.has(owned.fields, ("f:spec", "f:replicas")):
            # Upstream looks the time up in the scaled object, where a new manager has none yet.
            out[who] = Owned(fieldset.of(_path(paths, api_version)), api_version, "")
    return managers.write(out)


def scale_object(parent: Mapping[str, Any], replicas: int, status_replicas: int, selector: str) -> dict[str, Any]:
    """The autoscaling/v1 Scale of an object, without its managedFields."""
    metadata = {
        k: parent["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if k in parent["metadata"]
    }
    status: dict[str, Any] = {"replicas": status_replicas}
    if selector:
        status["selector"] = selector
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": SCALE_VERSION, "metadata": metadata, "spec": spec, "status": status}
