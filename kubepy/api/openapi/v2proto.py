"""/openapi/v2 as protobuf, which kubectl and client-go ask for: gnostic's openapi.v2.Document. Pure.

Field numbers are those of gnostic-models openapiv2/OpenAPIv2.proto. Values of any type (defaults, enums, extensions) travel as
YAML text there; JSON is YAML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from kubepy.api.protobuf.wire import FIXED64, VARINT, pack_double, part, tag, varint

Obj = dict[str, Any]
MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
Encoder = Callable[[Any], bytes]


def _text(number: int) -> Encoder:
    return lambda value: part(number, str(value).encode())


def _integer(number: int) -> Encoder:
    return lambda value: tag(number, VARINT) + varint(int(value))


def _double(number: int) -> Encoder:
    return lambda value: tag(number, FIXED64) + pack_double(float(value))


def _texts(number: int) -> Encoder:
    return lambda values: b"".join(part(number, str(v).encode()) for v in values)


def _any(value: Any) -> bytes:
    return part(2, orjson.dumps(value))


def _named(number: int, pairs: Iterable[tuple[str, bytes]]) -> bytes:
    """Repeated (name, value) pairs: how gnostic writes maps."""
    return b"".join(part(number, part(1, name.encode()) + part(2, value)) for name, value in pairs)


def _message(value: Obj, encoders: dict[str, Encoder], extensions: int) -> bytes:
    out = bytearray()
    for key, item in value.items():
        encode = encoders.get(key)
        if encode is not None:
            out += encode(item)
    out += _named(extensions, ((k, _any(v)) for k, v in value.items() if k.startswith("x-")))
    return bytes(out)


def schema(value: Obj) -> bytes:
    """A Schema message."""
    return _message(value, _SCHEMA, 31)


def _properties(value: Obj) -> bytes:
    return part(25, _named(1, ((name, schema(child)) for name, child in value.items())))


def _additional(value: Any) -> bytes:
    inner = tag(2, VARINT) + varint(int(value)) if isinstance(value, bool) else part(1, schema(value))
    return part(21, inner)


_SCHEMA: dict[str, Encoder] = {
    "$ref": _text(1),
    "format": _text(2),
    "title": _text(3),
    "description": _text(4),
    "default": lambda v: part(5, _any(v)),
    "multipleOf": _double(6),
    "maximum": _double(7),
    "exclusiveMaximum": _integer(8),
    "minimum": _double(9),
    "exclusiveMinimum": _integer(10),
    "maxLength": _integer(11),
    "minLength": _integer(12),
    "pattern": _text(13),
    "maxItems": _integer(14),
    "minItems": _integer(15),
    "uniqueItems": _integer(16),
    "maxProperties": _integer(17),
    "minProperties": _integer(18),
    "required": _texts(19),
    "enum": lambda values: b"".join(part(20, _any(v)) for v in values),
    "additionalProperties": _additional,
    "type": lambda v: part(22, _texts(1)(v if isinstance(v, list) else [v])),
    "items": lambda v: part(23, part(1, schema(v))),
    "allOf": lambda values: b"".join(part(24, schema(v)) for v in values),
    "properties": _properties,
}

_BODY: dict[str, Encoder] = {
    "description": _text(1),
    "name": _text(2),
    "in": _text(3),
    "required": _integer(4),
    "schema": lambda v: part(5, schema(v)),
}
_QUERY: dict[str, Encoder] = {
    "required": _integer(1),
    "in": _text(2),
    "description": _text(3),
    "name": _text(4),
    "type": _text(6),
    "format": _text(7),
    "uniqueItems": _integer(20),
}
_PATH: dict[str, Encoder] = {
    "required": _integer(1),
    "in": _text(2),
    "description": _text(3),
    "name": _text(4),
    "type": _text(5),
    "format": _text(6),
    "uniqueItems": _integer(19),
}


def _parameter(value: Obj) -> bytes:
    """A ParametersItem: a body parameter, or one of the query or the path."""
    if value["in"] == "body":
        return part(1, part(1, _message(value, _BODY, 6)))
    if value["in"] == "path":
        return part(1, part(2, part(4, _message(value, _PATH, 22))))
    return part(1, part(2, part(3, _message(value, _QUERY, 23))))


def _parameters(number: int) -> Encoder:
    return lambda values: b"".join(part(number, _parameter(v)) for v in values)


def _responses(value: Obj) -> bytes:
    def response(r: Obj) -> bytes:
        out = part(1, r.get("description", "").encode())
        if "schema" in r:
            out += part(2, part(1, schema(r["schema"])))
        return part(1, out)

    return part(9, _named(1, ((code, response(r)) for code, r in value.items())))


_OPERATION: dict[str, Encoder] = {
    "tags": _texts(1),
    "summary": _text(2),
    "description": _text(3),
    "operationId": _text(5),
    "produces": _texts(6),
    "consumes": _texts(7),
    "parameters": _parameters(8),
    "responses": _responses,
    "schemes": _texts(10),
    "deprecated": _integer(11),
}


def _operation(number: int) -> Encoder:
    return lambda value: part(number, _message(value, _OPERATION, 13))


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}
_PATH_ITEM: dict[str, Encoder] = {method: _operation(n) for method, n in _METHODS.items()} | {"parameters": _parameters(9)}


def document(value: Obj) -> bytes:
    """The whole Swagger 2.0 document as a Document message."""
    info = value["info"]
    keys = ((name, part(2, _api_key(d))) for name, d in value.get("securityDefinitions", {}).items())
    return b"".join(
        (
            part(1, value["swagger"].encode()),
            part(2, part(1, info["title"].encode()) + part(2, info["version"].encode())),
            part(8, _named(2, ((p, _message(item, _PATH_ITEM, 10)) for p, item in value["paths"].items()))),
            part(9, _named(1, ((name, schema(s)) for name, s in value["definitions"].items()))),
            b"".join(part(12, _named(1, ((name, b"") for name in need))) for need in value.get("security", ())),
            part(13, _named(1, keys)),
        )
    )


def _api_key(value: Obj) -> bytes:
    return b"".join(part(n, value[k].encode()) for n, k in ((1, "type"), (2, "name"), (3, "in"), (4, "description")) if k in value)
