"""What schemas demand beyond values: unique items of sets and keyed lists, and well-formed embedded resources.

Upstream: apiextensions-apiserver pkg/apiserver/schema/{listtype,objectmeta}/validation.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.extensions import paths
from apiserver.registry import objectmeta
from kubepy.api import names
from kubepy.api.errors import Cause, FieldError, go_value

Schema = Mapping[str, Any]


def list_errors(value: Any, schema: Schema | None, path: str = "") -> list[FieldError]:
    """Duplicates in lists of type set and map, everywhere below."""
    out: list[FieldError] = []
    if schema is not None:
        _lists(value, schema, path, out)
    return out


def _lists(value: Any, schema: Schema, path: str, out: list[FieldError]) -> None:
    if isinstance(value, dict):
        extra = schema.get("additionalProperties")
        properties = schema.get("properties") or {}
        for name, child in value.items():
            if isinstance(extra, Mapping):
                _lists(child, extra, paths.key(path, name), out)
            if name in properties:
                _lists(child, properties[name], paths.child(path, name), out)
    elif isinstance(value, list):
        kind = schema.get("x-kubernetes-list-type")
        if kind == "set":
            out += [_duplicate(f"{path}[{i}]", value[i]) for i in _repeated([go_value(v) for v in value])]
        elif kind == "map":
            out += _keyed(value, tuple(schema.get("x-kubernetes-list-map-keys") or ()), path)
        items = schema.get("items")
        if isinstance(items, Mapping):
            for i, item in enumerate(value):
                _lists(item, items, f"{path}[{i}]", out)


def _duplicate(path: str, value: Any) -> FieldError:
    return FieldError(Cause.DUPLICATE, path, f"Duplicate value: {go_value(value)}")


def _repeated(values: list[str]) -> list[int]:
    """Where each value that repeats is met the second time."""
    seen: dict[str, int] = {}
    out = []
    for i, v in enumerate(values):
        seen[v] = seen.get(v, 0) + 1
        if seen[v] == 2:
            out.append(i)
    return out


def _keyed(values: list[Any], keys: tuple[str, ...], path: str) -> list[FieldError]:
    for i, item in enumerate(values):
        if item is not None and not isinstance(item, dict):
            return [paths.invalid(f"{path}[{i}]", item, "must be an object for an array of list-type map")]
    found = [{k: item[k] for k in keys if k in item} if item is not None else {} for item in values]
    return [_duplicate(f"{path}[{i}]", found[i]) for i in _repeated([go_value(k) for k in found])]


def embedded_errors(value: Any, schema: Schema | None, path: str = "", *, root: bool = False) -> list[FieldError]:
    """Wrong apiVersion, kind and metadata of embedded resources, everywhere below. `root` objects were checked elsewhere."""
    out: list[FieldError] = []
    if schema is not None:
        _embedded(value, schema, path, out, root)
    return out


def _embedded(value: Any, schema: Schema, path: str, out: list[FieldError], root: bool) -> None:
    if isinstance(value, dict):
        if schema.get("x-kubernetes-embedded-resource") and not root:
            out += _resource(value, path)
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, child in value.items():
            if name in properties:
                _embedded(child, properties[name], paths.child(path, name), out, False)
            elif isinstance(extra, Mapping):
                _embedded(child, extra, paths.key(path, name), out, False)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for i, item in enumerate(value):
            _embedded(item, schema["items"], f"{path}[{i}]", out, False)


def _resource(value: Mapping[str, Any], path: str) -> list[FieldError]:
    out = [paths.required(paths.child(path, name)) for name in ("apiVersion", "kind") if name not in value]
    for name, child in value.items():
        at = paths.child(path, name)
        if name in ("apiVersion", "kind"):
            if not isinstance(child, str):
                out.append(paths.invalid(at, child, "must be a string"))
            elif not child:
                out.append(paths.invalid(at, child, "must not be empty"))
            elif name == "apiVersion" and child.count("/") > 1:
                out.append(paths.invalid(at, child, f"unexpected GroupVersion string: {child}"))
            elif name == "kind" and (found := names.dns1035_label(child.lower())):
                out.append(paths.invalid(at, child, "may have mixed case, but should otherwise match: " + ",".join(found)))
        elif name == "metadata" and isinstance(child, dict):
            meta = {**child, "name": child.get("name") or "fakename"}
            problems = objectmeta.validate_create(meta, bool(child.get("namespace")), names.path_segment)
            out += [FieldError(e.cause, at + e.field.removeprefix("metadata"), e.message) for e in problems]
    return out
