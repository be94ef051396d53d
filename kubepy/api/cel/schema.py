"""CEL types declared from schemas: what `self` is in the rules of a CustomResourceDefinition.

Upstream: apiserver pkg/cel/common/schemas.go. Sizes come from maxLength, maxItems and maxProperties, or else from what fits into the
largest request; they bound the estimated cost of rules.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any

from kubepy.api.cel import types as t
from kubepy.api.cel.values import CelError, MapList, SetList, equals, parse_duration, parse_timestamp

MAX_REQUEST = 3 * 1024 * 1024
_MIN_STRING, _MIN_DURATION, _DATE, _MIN_TIME, _MAX_TIME = 2, 3, 12, 21, 32
_SPECIAL = re.compile(r"__|[-./]")
_EXPOSED = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*")
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}

Schema = Mapping[str, Any]
Convert = Callable[[Any], Any]


def escape(name: str) -> str | None:
    """A property's name as rules spell it, None when they cannot (cel/escaping.go)."""
    if name in t.RESERVED:
        return f"__{name}__"
    if not _EXPOSED.fullmatch(name):
        return None
    return _SPECIAL.sub(lambda m: _ESCAPES[m[0]], name)


def declare(schema: Schema | None, *, root: bool = False, name: str = "@self") -> t.Type | None:
    """The type of values of a schema, None where rules cannot see them. `root` for resources, embedded ones included.

    Objects are named by the way to them from where the declaration began, `name`.
    """
    if schema is None:
        return None
    if schema.get("x-kubernetes-int-or-string"):
        length = schema.get("maxLength")
        return t.Type("dyn", max_elements=MAX_REQUEST - 2 if length is None else max(length, 0) * 4, min_size=1)
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, name)
    if kind == "object":
        return _object(schema, root, name)
    if kind == "string":
        return _string(schema)
    if kind == "number":
        return _DOUBLE
    return {"boolean": t.BOOL, "integer": t.INT}.get(kind or "")


_DOUBLE = t.Type("double", min_size=1, convert=lambda v: float(v) if type(v) is int else v)


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value
    except ValueError as e:
        raise CelError(f"byte formatted value did not contain valid base64: {e}") from None


def _text(parse: Callable[[str], Any]) -> Convert:
    return lambda v: parse(v) if isinstance(v, str) else v


def _date(text: str) -> Any:
    return parse_timestamp(f"{text}T00:00:00Z")


def _string(schema: Schema) -> t.Type:
    form, length = schema.get("format"), schema.get("maxLength")
    if form == "byte":
        size = MAX_REQUEST - 2 if length is None else max(length, 0)
        return t.Type("bytes", max_elements=size, min_size=_MIN_STRING, convert=_bytes)
    if form == "duration":
        return t.Type("duration", max_elements=_MAX_TIME, min_size=_MIN_DURATION, convert=_text(parse_duration))
    if form == "date":
        return t.Type("timestamp", max_elements=_DATE, min_size=_DATE, convert=_text(_date))
    if form == "date-time":
        return t.Type("timestamp", max_elements=_MAX_TIME, min_size=_MIN_TIME, convert=_text(parse_timestamp))
    if length is not None:
        size = max(length, 0) * 4
    elif schema.get("enum"):
        size = max((len(v.encode()) for v in schema["enum"] if isinstance(v, str)), default=0)
    else:
        size = MAX_REQUEST - 2
    return t.Type("string", max_elements=size, min_size=_MIN_STRING)


class _Set(SetList):
    """Concatenation unites: what is already there is not added again."""

    def add(self, other: Any) -> Any:
        return _Set([*self, *(v for v in other if not any(equals(v, mine) for mine in self))])


class _Map(MapList):
    """Concatenation replaces items of equal keys in place and appends the others."""

    def add(self, other: Any) -> Any:
        theirs = {self.key(v): v for v in other}
        out = _Map([theirs.pop(self.key(v), v) for v in self])
        out.extend(theirs.values())
        out.keys = self.keys
        return out


def _list(schema: Schema, name: str) -> t.Type | None:
    items = schema.get("items")
    item = declare(items, root=bool(items and items.get("x-kubernetes-embedded-resource")), name=f"{name}.@idx")
    if item is None:
        return None
    limit = schema.get("maxItems")
    size = (MAX_REQUEST - 2) // (item.min_size + 1) if limit is None else max(limit, 0)
    list_type, keys = schema.get("x-kubernetes-list-type"), tuple(schema.get("x-kubernetes-list-map-keys") or ())
    inner = item.convert

    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        values = value if inner is None else [inner(v) for v in value]
        if list_type == "set":
            return _Set(values)
        if list_type == "map":
            out = _Map(values)
            out.keys = keys
            return out
        return values

    needed = inner is not None or list_type in ("set", "map")
    return t.list_of(item, max_elements=size, min_size=2, convert=convert if needed else None)


_META_FIELDS = {n: t.Field(t.Type("string", max_elements=MAX_REQUEST - 2), n) for n in ("name", "generateName")}


def _object(schema: Schema, root: bool, name: str) -> t.Type | None:
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return _map(schema, extra, name)
    required = frozenset(schema.get("required") or ())
    fields: dict[str, t.Field] = {}
    min_size = 2
    for key, child in (schema.get("properties") or {}).items():
        if root and key in ("apiVersion", "kind", "metadata"):
            continue
        spelled = escape(key)
        type_ = declare(child, root=bool(child.get("x-kubernetes-embedded-resource")), name=f"{name}.{spelled}")
        if type_ is None:
            continue
        if spelled is not None:
            fields[spelled] = t.Field(type_, key)
        if key in required and "default" not in child:
            min_size += len(key) + type_.min_size + 4
    if root:
        text = t.Type("string", max_elements=MAX_REQUEST - 2)
        meta = t.object_type(f"{name}.metadata", _META_FIELDS)
        fields |= {"apiVersion": t.Field(text, "apiVersion"), "kind": t.Field(text, "kind"), "metadata": t.Field(meta, "metadata")}
    converts = {f.key: f.type.convert for f in fields.values() if f.type.convert is not None}

    def convert(value: Any) -> Any:
        if not isinstance(value, dict) or not any(k in value for k in converts):
            return value
        return {k: converts[k](v) if k in converts and v is not None else v for k, v in value.items()}

    return t.object_type(name, fields, min_size=min_size, convert=convert if converts else None)


def _map(schema: Schema, extra: Schema, name: str) -> t.Type | None:
    item = declare(extra, root=bool(extra.get("x-kubernetes-embedded-resource")), name=f"{name}.@elem")
    if item is None:
        return None
    limit = schema.get("maxProperties")
    size = (MAX_REQUEST - 2) // (item.min_size + 6) if limit is None else max(limit, 0)
    inner = item.convert

    def convert(value: Any) -> Any:
        return {k: inner(v) if v is not None else None for k, v in value.items()} if inner and isinstance(value, dict) else value

    return t.map_of(t.STRING, item, max_elements=size, min_size=2, convert=convert if inner is not None else None)
