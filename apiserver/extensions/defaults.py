"""Defaults of schemas must be valid values themselves (pkg/apiserver/schema/defaulting/validation.go)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.extensions import structure, values
from apiserver.extensions.paths import invalid
from apiserver.extensions.rules import Evaluation, tree_of
from kubepy.api.errors import FieldError
from kubepy.api.schema.node import Node
from kubepy.api.schema.structural import node_of

Schema = Mapping[str, Any]
_META = ("metadata", "apiVersion", "kind")


def validate(schema: Schema, path: str, *, pruned: bool = True) -> list[FieldError]:
    """All wrong defaults of a version's schema. `pruned`: they may not hold unknown fields."""
    out: list[FieldError] = []
    _visit(schema, path, True, False, pruned, out)
    return out


def _visit(s: Schema, path: str, resource: bool, inside_meta: bool, pruned: bool, out: list[FieldError]) -> None:
    resource = resource or bool(s.get("x-kubernetes-embedded-resource"))
    if s.get("x-kubernetes-embedded-resource"):
        inside_meta = False
    if s.get("default") is not None:
        out += _default(s, f"{path}.default", inside_meta, pruned)
    if isinstance(s.get("items"), Mapping):
        _visit(s["items"], f"{path}.items", False, inside_meta, pruned, out)
    for name, child in (s.get("properties") or {}).items():
        _visit(child, f"{path}.properties[{name}]", False, inside_meta or (resource and name in _META), pruned, out)


def _default(s: Schema, path: str, inside_meta: bool, pruned: bool) -> list[FieldError]:
    value = s["default"]
    if not inside_meta and pruned and _prune(value, node_of(s, root=False)) != value:
        return [invalid(path, value, "must not have unknown fields")]
    found = structure.embedded_errors(value, s, path)
    if found:
        return found
    found = values.validate(values.compile_schema(s), value, path="")
    if found:
        return [FieldError(e.cause, path if e.field == "<nil>" else f"{path}.{e.field}", _with_path(e.message)) for e in found]
    tree = tree_of(s, root=False)
    if tree is not None:
        # Transition rules see the default as both the old and the new value.
        for old in (value, values.NO_OLD):
            run = Evaluation(ratchet=False)
            run.run(tree, value, old)
            found += [FieldError(e.cause, path if e.field == "<nil>" else f"{path}.{e.field}", e.message) for e in run.errors]
            if found:
                break
    return found


def _with_path(message: str) -> str:
    """Values are validated as roots here, whose name is empty in the texts."""
    return message.replace(": . in body ", ":  in body ")


def _prune(value: Any, node: Node) -> Any:
    """The value without fields that the schema does not know."""
    if isinstance(value, list):
        items = node.items
        return value if items is None else [_prune(v, items) for v in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, child in value.items():
        if node.embedded_resource and name in _META:
            out[name] = child
            continue
        known = node.child(name) if node.type in ("object", "map") or node.fields else None
        if known is not None:
            out[name] = _prune(child, known)
        elif node.preserve_unknown:
            out[name] = child
    return out
