"""The built-in types as nodes, from the definitions that the kubernetes-validate package carries. Read once, resolved lazily."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import orjson

from kubepy.api.meta import group_version
from kubepy.api.schema.facts import load as load_facts
from kubepy.api.schema.node import Node, Type

VERSION = "v1.36.0"
"""The Kubernetes version of the definitions."""

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_OPAQUE = {
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    _META + "FieldsV1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
}
_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_EITHER: dict[str, Literal["list", "boolean", "strings"]] = {
    _SCHEMA + "OrArray": "list",
    _SCHEMA + "OrBool": "boolean",
    _SCHEMA + "OrStringArray": "strings",
}
_GO = {"integer": "int32", "boolean": "bool", "number": "float64", "string": "string"}


@cache
def definitions() -> Mapping[str, Any]:
    """Every published definition by name, as JSON schema with Kubernetes' extensions. Shared: do not change."""
    spec = find_spec("kubernetes_validate")  # not imported: it would load jsonschema for nothing
    if spec is None or spec.origin is None:
        raise ImportError("kubernetes_validate is not installed")
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"{VERSION}-local"
    loaded: dict[str, Any] = orjson.loads((folder / "_definitions.json").read_bytes())["$defs"]
    return loaded


@cache
def _facts() -> Mapping[str, Mapping[str, tuple[str | None, str | None]]]:
    return load_facts()


@cache
def _by_gvk() -> Mapping[tuple[str, str, str], str]:
    out: dict[tuple[str, str, str], str] = {}
    for name, definition in definitions().items():
        gvks = definition.get("x-kubernetes-group-version-kind", ())
        for gvk in gvks:
            key = (gvk["group"], gvk["version"], gvk["kind"])
            # Options kinds are listed under every group; a kind's own definition names it alone.
            if key not in out or len(gvks) == 1:
                out[key] = name
    return out


def definition_name(api_version: str, kind: str) -> str | None:
    """The definition that describes objects of that apiVersion and kind, or None."""
    group, version = group_version(api_version)
    return _by_gvk().get((group, version, kind))


def reference(schema: Mapping[str, Any]) -> str | None:
    """The name that a `$ref` points to, or None."""
    ref = schema.get("$ref")
    return ref.rpartition("/")[2] if ref else None


def _short(name: str) -> str:
    return ".".join(name.rsplit(".", 2)[-2:])


def json_type(schema: Mapping[str, Any]) -> str:
    """The one type of a schema besides null; empty where there is none."""
    kind = schema.get("type", "")
    return kind if isinstance(kind, str) else next(t for t in kind if t != "null")


def _go_type(schema: Mapping[str, Any]) -> str:
    if ref := reference(schema):
        return _short(ref)
    kind = json_type(schema)
    if kind == "array":
        return "[]" + _go_type(schema["items"])
    if kind == "object":
        return "map[string]" + _go_type(schema.get("additionalProperties") or {})
    if schema.get("format") == "byte":
        return "[]uint8"
    return schema["format"] if kind == "integer" and "format" in schema else _GO.get(kind, "interface {}")


def _node(schema: Mapping[str, Any], go_type: str | None = None) -> Node:
    """The node of a schema in place: a reference, a list, a map or a scalar."""
    go_type = go_type or _go_type(schema)
    if ref := reference(schema):
        target = _definition(ref)
        # A shallow copy, made without resolving the target's fields: the place adds its own merge keys and flags.
        node = replace(target, resolve=lambda: target.fields)
    else:
        kind = json_type(schema)
        node = Node(type=_TYPES.get(kind, "any"), format=schema.get("format"))
        if kind == "array":
            element = go_type[2:] if go_type.startswith("[]") else None
            node.items = _node(schema["items"], element)
        elif kind == "object":
            value = go_type.partition("]")[2] if go_type.startswith("map[") else None
            node.items = _node(schema.get("additionalProperties") or {}, value)
    node.go_type = go_type
    node.description = schema.get("description", "")
    node.list_type = schema.get("x-kubernetes-list-type")
    node.list_map_keys = tuple(schema.get("x-kubernetes-list-map-keys", ()))
    node.map_type = schema.get("x-kubernetes-map-type", node.map_type)
    node.patch_strategy = schema.get("x-kubernetes-patch-strategy")
    node.patch_merge_key = schema.get("x-kubernetes-patch-merge-key")
    return node


_TYPES: dict[str, Type] = {
    "array": "list",
    "object": "map",
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}


def _fields(name: str) -> Mapping[str, Node]:
    definition = definitions()[name]
    required = definition.get("required", ())
    facts = _facts().get(name, {})
    out = {}
    for field, schema in definition["properties"].items():
        go_type, flags = facts.get(field, (None, None))
        if flags is None:
            if field in required:
                flags = ""
            elif "$ref" in schema:
                flags = "o" if field == "metadata" else "po"
            else:
                flags = "o"
        node = _node(schema, go_type)
        node.pointer, node.omit_empty, node.omit_zero = "p" in flags, "o" in flags, "z" in flags
        out[field] = node
    return out


_NOTHING = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus"
"""A struct without fields; what else is published without properties can hold anything."""


@cache
def _definition(name: str) -> Node:
    schema = definitions()[name]
    node = Node(type="object", ref=name, go_type=_short(name), description=schema.get("description", ""))
    node.map_type = schema.get("x-kubernetes-map-type")
    node.required = tuple(schema.get("required", ()))
    if name == "io.k8s.apimachinery.pkg.api.resource.Quantity":
        node.type, node.quantity = "string", True
    elif name == "io.k8s.apimachinery.pkg.util.intstr.IntOrString":
        node.type, node.int_or_string = "any", True
    elif name == _META + "Time":
        node.type, node.time = "string", "seconds"
    elif name == _META + "MicroTime":
        node.type, node.time = "string", "micro"
    elif name in _EITHER:
        node.type, node.either, node.preserve_unknown = "any", _EITHER[name], True
        node.resolve = lambda: {"": _definition(_SCHEMA)}
    elif name == _NOTHING:
        node.resolve = dict
    elif name in _OPAQUE or "properties" not in schema:
        node.type, node.preserve_unknown = "any", True
    else:
        node.resolve = lambda: _fields(name)
    return node


@cache
def node_for_definition(name: str) -> Node:
    """The node of a definition by its full name; KeyError when there is none. Shared."""
    return _definition(name)


@cache
def node_for(api_version: str, kind: str) -> Node:
    """The type of objects with that apiVersion and kind; KeyError when they are no built-in kind. Shared."""
    name = definition_name(api_version, kind)
    if name is None:
        raise KeyError(f"{api_version} {kind}")
    return _definition(name)
