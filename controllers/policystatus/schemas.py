"""CEL types of kinds from a server's OpenAPI v3 documents (apiserver pkg/cel/openapi/resolver). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubepy.api.cel import types as t
from kubepy.api.cel.schema import declare

Obj = dict[str, Any]
GroupVersionKind = tuple[str, str, str]

_REF = "#/components/schemas/"
_CIRCULAR: Obj = {"type": "object"}
_OBJECT_META = frozenset(("name", "generateName"))


def document_path(group: str, version: str) -> str:
    """The key of a group-version in the index of `/openapi/v3`."""
    return f"apis/{group}/{version}" if group else f"api/{version}"


def type_of(document: Mapping[str, Any], kind: GroupVersionKind, name: str) -> t.Type | None:
    """The type of a kind's objects, every object type in it named after `name`; None when the document does not describe it."""
    schemas = document.get("components", {}).get("schemas", {})
    root = _find(schemas, kind)
    if root is None:
        return None
    schema = populate(schemas, root)
    # A schema without type or metadata of its own gets the ones that all objects have.
    found = declare(schema, root=not _describes_objects(schema))
    return named(found, name) if found is not None else None


def _find(schemas: Mapping[str, Obj], kind: GroupVersionKind) -> str | None:
    wanted = dict(zip(("group", "version", "kind"), kind, strict=True))
    for name, schema in schemas.items():
        if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
            return name
    return None


def _describes_objects(schema: Obj) -> bool:
    properties = schema.get("properties") or {}
    metadata = properties.get("metadata") or {}
    return "kind" in properties and "apiVersion" in properties and (metadata.get("properties") or {}).keys() >= _OBJECT_META


def populate(schemas: Mapping[str, Obj], root: str) -> Obj:
    """The schema of that name with every reference replaced by what it means; one that leads into itself by an empty object."""
    return _populate(schemas, schemas[root], frozenset((root,)))


def _populate(schemas: Mapping[str, Obj], schema: Obj, above: frozenset[str]) -> Obj:
    ref = _reference(schema)
    if ref is not None:
        if ref in above:
            return _CIRCULAR
        schema, above = schemas.get(ref, {}), above | {ref}
    out = dict(schema)
    if schema.get("format") == "int-or-string":
        out["x-kubernetes-int-or-string"] = True
    if schema.get("properties"):
        out["properties"] = {key: _populate(schemas, child, above) for key, child in schema["properties"].items()}
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            out[key] = _populate(schemas, schema[key], above)
    return out


def _reference(schema: Obj) -> str | None:
    """The referred name; a reference may be wrapped in allOf beside a description or default."""
    for candidate in (schema, *(schema.get("allOf") or ())):
        if "$ref" in candidate:
            return str(candidate["$ref"]).removeprefix(_REF)
    return None


def named(type_: t.Type, name: str) -> t.Type:
    """The type with a name of its own for each object type in it, by which they are told apart (cel/types.go)."""
    if type_.kind == "object":
        fields = {key: t.Field(named(f.type, f"{name}.{key}"), f.key) for key, f in type_.fields.items()}
        return t.object_type(name, fields, open_fields=type_.open)
    if type_.kind == "map":
        return t.map_of(type_.params[0], named(type_.params[1], f"{name}.@elem"))
    if type_.kind == "list":
        return t.list_of(named(type_.params[0], f"{name}.@idx"))
    return type_
