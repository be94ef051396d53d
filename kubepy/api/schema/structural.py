"""Types of custom resources: nodes from a CRD's structural schema, and the decoder that prunes, defaults and coerces as upstream does.

Value constraints (types included) are not checked here: upstream decodes custom resources untyped but for metadata, and
validates afterwards. Upstream: apiextensions-apiserver pkg/apiserver/schema/{pruning,defaulting,objectmeta}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubepy.api.errors import go_value
from kubepy.api.schema.decode import Decoded, Decoder, Obj, decoder_for
from kubepy.api.schema.definitions import node_for_definition
from kubepy.api.schema.node import MISSING, Node, Type
from kubepy.api.schema.scalars import DecodeError
from kubepy.api.schema.strict import unknown_fields

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_META_FIELDS = ("apiVersion", "kind", "metadata")
_TYPES: dict[str, Type] = {
    "object": "object",
    "array": "list",
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
}
_OMIT: Any = object()
Convert = Callable[[Any], Any]


class EmbeddedError(DecodeError):
    """Malformed metadata or type of an object inside a custom resource; levels above put their part of the path in front."""

    def __init__(self, field: str, value: Any, detail: str) -> None:
        super().__init__(field, value, detail)
        self.field = field
        self.value = value
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.field.removeprefix('.')}: Invalid value: {go_value(self.value)}: {self.detail}"


def node_of(schema: Mapping[str, Any] | None, *, root: bool = True) -> Node:
    """The type that an openAPIV3Schema (JSONSchemaProps) describes; the root and embedded resources get their metadata's type."""
    schema = schema or {}
    kind = schema.get("type", "")
    node = Node(type=_TYPES.get(kind, "any"))
    node.go_type = node.type
    node.description = schema.get("description", "")
    node.format = schema.get("format")
    node.nullable = bool(schema.get("nullable"))
    node.default = schema.get("default", MISSING)
    node.required = tuple(schema.get("required") or ())
    node.int_or_string = bool(schema.get("x-kubernetes-int-or-string"))
    node.preserve_unknown = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    node.embedded_resource = root or bool(schema.get("x-kubernetes-embedded-resource"))
    node.list_type = schema.get("x-kubernetes-list-type")
    node.list_map_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    node.map_type = schema.get("x-kubernetes-map-type")
    fields = {name: node_of(child, root=False) for name, child in (schema.get("properties") or {}).items()}
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        node.items = node_of(extra, root=False)
    elif extra:
        node.items = Node(type="any")
    elif isinstance(schema.get("items"), dict):
        node.items = node_of(schema["items"], root=False)
    if node.type == "object" and node.items is not None and not fields:
        node.type = "map"
    if node.embedded_resource:
        fields["apiVersion"] = Node(type="string", go_type="string", omit_empty=True)
        fields["kind"] = Node(type="string", go_type="string", omit_empty=True)
        fields["metadata"] = node_for_definition(OBJECT_META)
    node.resolve = lambda: fields
    return node


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value; whole floats become integers, as Go writes them."""
    kind = type(value)
    if kind is dict:
        return {k: copy_json(v) for k, v in value.items()}
    if kind is list:
        return [copy_json(v) for v in value]
    if kind is float and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


class StructuralDecoder(Decoder):
    """Decodes custom resources of one version.

    With `preserve_unknown` (a CRD whose spec.preserveUnknownFields is true) nothing is pruned.
    """

    __slots__ = ("_complete", "_meta", "preserve_unknown")

    def __init__(self, node: Node, *, preserve_unknown: bool = False) -> None:
        self.node = node
        self.preserve_unknown = preserve_unknown
        self._meta = decoder_for(node_for_definition(OBJECT_META))
        self._complete = _object(node, root=True, keep=preserve_unknown)

    def decode(self, obj: Any, live: Obj | None = None) -> Decoded:
        """The object pruned, defaulted and with a well-formed metadata. DecodeError when metadata has wrong types.

        All of it, whatever `live` is: the schema may have become stricter since that was stored.
        """
        meta = self._meta.decode(obj["metadata"]) if obj.get("metadata") is not None else None
        unknown = [f"metadata.{path}" for path in meta.unknown] if meta is not None else []
        out = self._complete(obj)
        head: Obj = {k: obj[k] for k in ("kind", "apiVersion") if k in obj}
        if meta is not None:
            head["metadata"] = meta.obj
        # Walk the input for names of what is gone only where something may be: counting is not worth it for small objects.
        lost: list[str] = []
        metas: list[str] = []
        _lost(self.node, obj, "", lost, metas, root=True, keep=self.preserve_unknown)
        return Decoded(head | {k: v for k, v in out.items() if k not in head}, unknown + sorted(lost) + sorted(metas))

    def complete(self, obj: Obj) -> Obj:
        """Prune and default an object as read from storage; its metadata is taken as it is."""
        out: Obj = self._complete(obj)
        return {k: obj[k] for k in ("kind", "apiVersion", "metadata") if k in obj} | out


def _value(node: Node, keep: bool) -> Convert:
    if node.type in ("object", "map"):
        return _object(node, root=False, keep=keep)
    if node.type == "list":
        return _list(node, keep)
    if node.preserve_unknown or keep:
        # Known fields below an untyped node are pruned even so.
        return _object(node, root=False, keep=keep) if node.fields else copy_json
    return _prune_all if node.type == "any" and not node.int_or_string else copy_json


def _prune_all(value: Any) -> Any:
    """What is left where no schema is: scalars, and the empty shells of objects."""
    if type(value) is dict:
        return {}
    if type(value) is list:
        return [_prune_all(v) for v in value]
    return copy_json(value)


def _list(node: Node, keep: bool) -> Convert:
    items = node.items
    if items is None:
        return copy_json if keep or node.preserve_unknown else _prune_all
    element = _value(items, keep)
    blank = items.default if items.default is not MISSING else None
    nullable = items.nullable

    def convert(value: Any) -> Any:
        if type(value) is not list:
            return copy_json(value)
        out: list[Any] = []
        try:
            for x in value:
                if x is None and not nullable:
                    x = copy_json(blank)
                out.append(element(x))
        except EmbeddedError as error:
            error.field = f"[{len(out)}]{error.field}"
            raise
        return out

    return convert


def _object(node: Node, *, root: bool, keep: bool) -> Convert:
    converts: dict[str, tuple[Convert, Any, bool]] = {}
    for name, child in node.fields.items():
        if not (node.embedded_resource and name in _META_FIELDS):
            converts[name] = (_value(child, keep), child.default, child.nullable)
    get = converts.get
    defaults = [(name, c, d) for name, (c, d, _) in converts.items() if d is not MISSING]
    extra = node.items if node.type in ("object", "map") else None
    others: tuple[Convert, Any, bool] | None = None
    if extra is not None:
        others = (_value(extra, keep), extra.default, extra.nullable)
    preserve = node.preserve_unknown or keep
    embedded = node.embedded_resource and not root
    meta = decoder_for(node_for_definition(OBJECT_META)) if embedded else None

    def convert(value: Any) -> Any:
        if type(value) is not dict:
            return copy_json(value) if preserve else _prune_all(value)
        out: Obj = {}
        k = ""
        try:
            for k, x in value.items():
                if node.embedded_resource and k in _META_FIELDS:
                    if meta is not None:
                        out[k] = _embedded(k, x, meta)
                    continue
                field = get(k) or others
                if field is None:
                    if preserve:
                        out[k] = copy_json(x)
                    continue
                change, default, nullable = field
                if x is None and not nullable:
                    if default is MISSING:
                        continue
                    x = default
                out[k] = change(x)
        except EmbeddedError as error:
            separator = "" if error.field.startswith("[") or not error.field else "."
            named = f"[{k}]" if k not in converts and others is not None else f".{k}"
            error.field = f"{named}{separator}{error.field.removeprefix('.')}"
            raise
        for k, change, default in defaults:
            if k not in out:
                out[k] = change(default)
        return out

    return convert


def _embedded(key: str, value: Any, meta: Any) -> Any:
    if key == "metadata":
        try:
            return meta.decode(value).obj
        except DecodeError as error:
            raise EmbeddedError("", value, str(error)) from None
    if type(value) is not str:
        raise EmbeddedError("", value, "must be a string")
    return value


def _lost(node: Node | None, value: Any, path: str, lost: list[str], metas: list[str], *, root: bool, keep: bool) -> None:
    """Collect the paths of pruned fields, and of unknown fields in embedded metadata."""
    if type(value) is list:
        items = node.items if node is not None else None
        if node is not None and items is None and (keep or node.preserve_unknown):
            return
        for i, x in enumerate(value):
            if type(x) in (dict, list):
                _lost(items, x, f"{path}[{i}]", lost, metas, root=False, keep=keep)
        return
    preserve = keep or (node is not None and node.preserve_unknown)
    for k, x in value.items():
        at = f"{path}.{k}" if path else k
        if node is not None and node.embedded_resource and k in _META_FIELDS:
            if k == "metadata" and not root and type(x) is dict:
                metas += [f"{at}.{p}" for p in unknown_fields(node_for_definition(OBJECT_META), x)]
            continue
        child = node.child(k) if node is not None and (node.type in ("object", "map") or node.fields) else None
        if child is None:
            if not preserve:
                lost.append(at)
        elif type(x) in (dict, list):
            _lost(child, x, at, lost, metas, root=False, keep=keep)
