"""Messages to dicts and back, driven by the table of numbers; a few types have a JSON form of their own. Pure.

Upstream: generated.proto of each API group; apimachinery pkg/apis/meta/v1 (Time, FieldsV1), pkg/api/resource, pkg/util/intstr.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import orjson

from kubepy.api.protobuf import wire

Obj = dict[str, Any]
_UTC = dt.UTC
_ITEMS_ONLY = frozenset(("meta.v1.Verbs", "authentication.v1.ExtraValue", "authorization.v1.ExtraValue", "certificates.v1.ExtraValue"))
"""Messages that are plain lists in JSON."""


class Field(NamedTuple):
    """One field; `type` is a scalar's name, a message's, or that of a special type."""

    number: int
    name: str
    type: str
    repeated: bool
    is_map: bool


@cache
def _table() -> Mapping[str, list[tuple[int, str, str]]]:
    loaded: dict[str, list[tuple[int, str, str]]] = orjson.loads((files("kubepy.api.protobuf") / "numbers.json").read_bytes())
    return loaded


def known(message: str) -> bool:
    """Whether there is such a message."""
    return message in _table()


@cache
def _fields(message: str) -> tuple[Field, ...]:
    out = []
    for number, name, kind in _table()[message]:
        repeated, is_map = kind.startswith("*"), kind.startswith("map:")
        out.append(Field(number, name, kind.removeprefix("*").removeprefix("map:"), repeated, is_map))
    return tuple(out)


@cache
def _by_number(message: str) -> Mapping[int, Field]:
    return {f.number: f for f in _fields(message)}


# -- reading


def decode(data: bytes, message: str) -> Any:
    """A message as the JSON value it stands for. Raises WireError."""
    special = _READ.get(message)
    if special is not None:
        return special(data)
    if message in _ITEMS_ONLY:
        return [str(v, "utf-8", "replace") for _, _, v in wire.fields(data) if isinstance(v, bytes)]
    known_fields = _by_number(message)
    out: Obj = {}
    for number, kind, raw in wire.fields(data):
        field = known_fields.get(number)
        if field is None:
            continue
        if field.is_map:
            key, value = _entry(raw, field.type)
            out.setdefault(field.name, {})[key] = value
            continue
        if field.repeated:
            values = out.setdefault(field.name, [])
            if kind == wire.BYTES and field.type in _VARINTS:
                values += _packed(raw, field.type)
            else:
                values.append(_value(raw, field.type))
            continue
        value = _value(raw, field.type)
        if field.name:
            out[field.name] = value
        else:
            out.update(value)
    return out


def _entry(raw: int | bytes, kind: str) -> tuple[str, Any]:
    key, value = "", None
    for number, _, part in wire.fields(raw if isinstance(raw, bytes) else b""):
        if number == 1 and isinstance(part, bytes):
            key = part.decode("utf-8", "replace")
        elif number == 2:
            value = _value(part, kind)
    if value is None:
        value = _EMPTY.get(kind, "") if kind in _SCALARS else decode(b"", kind)
    return key, value


def _packed(raw: int | bytes, kind: str) -> list[Any]:
    data, at, out = raw if isinstance(raw, bytes) else b"", 0, []
    while at < len(data):
        value, at = wire.read_varint(data, at)
        out.append(_value(value, kind))
    return out


_VARINTS = frozenset(("int32", "int64", "uint32", "bool"))
_SCALARS = _VARINTS | {"string", "bytes", "double"}
_EMPTY: dict[str, Any] = {"int32": 0, "int64": 0, "uint32": 0, "bool": False, "double": 0.0}


def _value(raw: int | bytes, kind: str) -> Any:
    if kind == "string":
        return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else ""
    if kind == "bool":
        return bool(raw)
    if kind in _VARINTS:
        return wire.signed(raw) if isinstance(raw, int) else 0
    data = raw if isinstance(raw, bytes) else b""
    if kind == "bytes":
        return base64.b64encode(data).decode()
    if kind == "double":
        return wire.double(data)
    return decode(data, kind)


def _numbers(data: bytes) -> dict[int, int | bytes]:
    return {number: value for number, _, value in wire.fields(data)}


_ZERO_TIME = dt.datetime(1, 1, 1, tzinfo=_UTC)


def _read_time(data: bytes, micro: bool) -> str | None:
    found = _numbers(data)
    seconds = found.get(1, 0)
    nanos = found.get(2, 0)
    if not found or not isinstance(seconds, int) or not isinstance(nanos, int):
        return None
    moment = dt.datetime.fromtimestamp(0, _UTC) + dt.timedelta(seconds=wire.signed(seconds), microseconds=wire.signed(nanos) // 1000)
    if moment == _ZERO_TIME:
        return None
    return moment.isoformat(timespec="microseconds" if micro else "seconds").replace("+00:00", "Z")


def _read_int_or_string(data: bytes) -> int | str:
    found = _numbers(data)
    if found.get(1, 0):
        text = found.get(3, b"")
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
    number = found.get(2, 0)
    return wire.signed(number) if isinstance(number, int) else 0


def _read_json(data: bytes) -> Any:
    raw = _numbers(data).get(1, b"")
    if not isinstance(raw, bytes) or not raw:
        return None
    if raw.startswith(b"k8s\x00"):
        from kubepy.api.protobuf.envelope import unpack

        return unpack(raw)
    return orjson.loads(raw)


def _read_quantity(data: bytes) -> str:
    raw = _numbers(data).get(1, b"")
    return (raw.decode("utf-8", "replace") if isinstance(raw, bytes) else "") or "0"


_SCHEMA = "apiextensions.v1.JSONSchemaProps"


def _read_either(data: bytes, many: str) -> Any:
    """JSONSchemaPropsOrArray, OrBool, OrStringArray: a schema, or the other thing."""
    out: list[Any] = []
    for number, _, raw in wire.fields(data):
        if many == "bool":
            if number == 2 and isinstance(raw, bytes):
                return decode(raw, _SCHEMA)
            if number == 1:
                out = [bool(raw)]
        elif number == 1 and isinstance(raw, bytes):
            return decode(raw, _SCHEMA)
        elif isinstance(raw, bytes):
            out.append(decode(raw, _SCHEMA) if many == "schema" else raw.decode("utf-8", "replace"))
    return (out or [False])[0] if many == "bool" else out


_READ: dict[str, Callable[[bytes], Any]] = {
    "meta.v1.Time": lambda data: _read_time(data, False),
    "meta.v1.MicroTime": lambda data: _read_time(data, True),
    "intstr.IntOrString": _read_int_or_string,
    "quantity.Quantity": _read_quantity,
    "runtime.RawExtension": _read_json,
    "meta.v1.FieldsV1": _read_json,
    "apiextensions.v1.JSON": _read_json,
    "apiextensions.v1.JSONSchemaPropsOrArray": lambda data: _read_either(data, "schema"),
    "apiextensions.v1.JSONSchemaPropsOrBool": lambda data: _read_either(data, "bool"),
    "apiextensions.v1.JSONSchemaPropsOrStringArray": lambda data: _read_either(data, "string"),
}


# -- writing


def encode(value: Any, message: str) -> bytes:
    """A JSON value as the message; what the message does not have is left out."""
    special = _WRITE.get(message)
    if special is not None:
        return special(value)
    if message in _ITEMS_ONLY:
        return b"".join([wire.part(1, str(v).encode()) for v in value or ()])
    out: list[bytes] = []
    for field in _fields(message):
        if not field.name:
            inner = encode(value, field.type)
            if inner:
                out.append(wire.part(field.number, inner))
            continue
        found = value.get(field.name)
        if found is None:
            continue
        if field.is_map:
            for key, item in found.items():
                entry = wire.part(1, key.encode()) + _written(2, item, field.type)
                out.append(wire.part(field.number, entry))
        elif field.repeated:
            out += [_written(field.number, item, field.type) for item in found]
        else:
            out.append(_written(field.number, found, field.type))
    return b"".join(out)


def _written(number: int, value: Any, kind: str) -> bytes:
    if kind == "string":
        return wire.part(number, str(value).encode("utf-8", "surrogatepass"))
    if kind in _VARINTS:
        return wire.tag(number, wire.VARINT) + wire.varint(int(value))
    if kind == "bytes":
        return wire.part(number, base64.b64decode(value or ""))
    if kind == "double":
        return wire.tag(number, wire.FIXED64) + wire.pack_double(float(value))
    return wire.part(number, encode(value, kind))


def _write_time(value: Any) -> bytes:
    if not value:
        return b""
    moment = dt.datetime.fromisoformat(value)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return wire.tag(1, 0) + wire.varint(seconds) + wire.tag(2, 0) + wire.varint(moment.microsecond * 1000)


def _write_int_or_string(value: Any) -> bytes:
    if isinstance(value, str):
        return wire.tag(1, 0) + wire.varint(1) + wire.tag(2, 0) + wire.varint(0) + wire.part(3, value.encode())
    return wire.tag(1, 0) + wire.varint(0) + wire.tag(2, 0) + wire.varint(int(value)) + wire.part(3, b"")


def _write_json(value: Any) -> bytes:
    return wire.part(1, orjson.dumps(value))


def _write_either(value: Any, many: str) -> bytes:
    if isinstance(value, bool):
        return wire.tag(1, 0) + wire.varint(value)
    if isinstance(value, dict):
        allows = wire.tag(1, 0) + wire.varint(1) if many == "bool" else b""
        return allows + wire.part(2 if many == "bool" else 1, encode(value, _SCHEMA))
    return b"".join([wire.part(2, encode(v, _SCHEMA) if many == "schema" else str(v).encode()) for v in value or ()])


_WRITE: dict[str, Callable[[Any], bytes]] = {
    "meta.v1.Time": _write_time,
    "meta.v1.MicroTime": _write_time,
    "intstr.IntOrString": _write_int_or_string,
    "quantity.Quantity": lambda value: wire.part(1, str(value).encode()),
    "runtime.RawExtension": _write_json,
    "meta.v1.FieldsV1": _write_json,
    "apiextensions.v1.JSON": _write_json,
    "apiextensions.v1.JSONSchemaPropsOrArray": lambda value: _write_either(value, "schema"),
    "apiextensions.v1.JSONSchemaPropsOrBool": lambda value: _write_either(value, "bool"),
    "apiextensions.v1.JSONSchemaPropsOrStringArray": lambda value: _write_either(value, "string"),
}
