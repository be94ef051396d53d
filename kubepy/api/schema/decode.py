"""The decoder: parsed JSON in, the object as Go would hold and write it out. Compiled per type into nested closures, on first use.

One pass does what upstream's json → struct → defaults → protobuf → struct → json does: type errors in Go's words, unknown fields
pruned, nulls and empty values dropped where the Go type drops them and written where it writes them, quantities and times
canonical, static defaults set (defaults.py). The input is never changed, and the output shares no mutable part with it, except
below opaque fields (RawExtension, FieldsV1, JSON).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from kubepy.api.quantity import Quantity, QuantityError, parse
from kubepy.api.schema.defaults import DEFAULTS
from kubepy.api.schema.embedded import embedding
from kubepy.api.schema.node import MISSING, Node
from kubepy.api.schema.scalars import DecodeError, TypeMismatch, base64_text, describe, micro_time_text, time_text
from kubepy.api.schema.strict import unknown_fields

Obj = dict[str, Any]
Convert = Callable[[Any, list[str]], Any]
"""(JSON value, collector of unknown keys) → the normal form, or OMIT."""

OMIT: Any = type("Omit", (), {"__repr__": lambda _self: "OMIT"})()
_HEAD = ("kind", "apiVersion", "metadata")
_LIMITS = {"int32": 2**31, "int64": 2**63}


class _NoType:
    """Stands where a field has no type whose values may pass as they are."""


@dataclass(slots=True)
class Decoded:
    """What decoding yields: the object, and the paths of pruned fields (`spec.foo`, `spec.containers[0].bar`)."""

    obj: Obj
    unknown: list[str]
    emptied: bool = False
    """Whether an empty list or map became null, as it does in the store; `with_empties` tells where."""


_EMPTIED = "\0"
"""What a collector of unknown keys is told when an empty list or map becomes null."""


def with_empties(sent: Any, decoded: Any) -> Any:
    """A decoded value with the empty lists and maps that were sent in place of the nulls they became; both stay as they are."""
    if type(decoded) is dict and type(sent) is dict:
        out = decoded
        for key, value in decoded.items():
            given = sent.get(key)
            new = given if value is None and given in ([], {}) else with_empties(given, value) if given else value
            if new is not value:
                out = dict(out) if out is decoded else out
                out[key] = new
        return out
    if type(decoded) is list and type(sent) is list and len(decoded) == len(sent):
        items = [with_empties(a, b) for a, b in zip(sent, decoded, strict=True)]
        return items if any(a is not b for a, b in zip(items, decoded, strict=True)) else decoded
    return decoded


class Decoder:
    """Decodes objects of one type."""

    __slots__ = ("convert", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.convert = _object(node)

    def decode(self, obj: Any, live: Obj | None = None) -> Decoded:
        """The normal form of a parsed body. DecodeError with Go's message when a value has the wrong type.

        `live` is an object in normal form that `obj` was made from by a change: members that did not change are copied.
        """
        if obj is None:
            obj = {}
        seen: list[str] = []
        if live is None:
            out: Obj = self.convert(obj, seen)
        else:
            kept = {k: v for k, v in live.items() if type(v) is dict and obj.get(k) is v}
            out = self.convert({k: v for k, v in obj.items() if k not in kept}, seen) | orjson.loads(orjson.dumps(kept))
        if "kind" in out:
            head = {k: out[k] for k in _HEAD if k in out}
            out = head | out
        if not seen:
            return Decoded(out, [])
        emptied = _EMPTIED in seen
        return Decoded(out, unknown_fields(self.node, obj) if len(seen) > seen.count(_EMPTIED) else [], emptied)


def decoder_for(node: Node) -> Decoder:
    """The decoder of a node, compiled once."""
    if not isinstance(node.compiled, Decoder):
        node.compiled = Decoder(node)
    return node.compiled


def _value(node: Node) -> Convert:
    """The conversion of a value of that type."""
    match node.type:
        case "object":
            return _raw_object if node.preserve_unknown and not node.resolve else _lazy_object(node)
        case "list":
            return _list(node)
        case "map":
            return _map(node)
        case "integer":
            return _integer(node)
        case "number":
            return _number
        case "boolean":
            return _scalar(bool, node.go_type)
        case "string":
            if node.quantity:
                return _quantity_or_nothing if node.pointer else _quantity
            if node.time:
                return _time(time_text if node.time == "seconds" else micro_time_text)
            return _bytes if node.format == "byte" else _scalar(str, node.go_type)
    if node.either:
        return _either(node)
    return _int_or_string if node.int_or_string else _opaque


def _either(node: Node) -> Convert:
    """A schema or something else. Go reads the schema apart, so what is unknown in it goes without a word."""
    schema: Convert | None = None
    other = node.either

    def convert(value: Any, _seen: list[str]) -> Any:
        nonlocal schema
        if schema is None:
            schema = _value(node.fields[""])
        if type(value) is dict:
            return schema(value, [])
        if type(value) is list and other != "boolean":
            return ([_checked(x, "string") for x in value] if other == "strings" else [schema(x or {}, []) for x in value]) or None
        if value is None:
            return OMIT
        if other != "boolean":
            return None
        if type(value) is not bool:
            raise DecodeError("boolean or JSON schema expected")
        return value

    return convert


def _scalar(kind: type, go_type: str) -> Convert:
    def convert(value: Any, _seen: list[str]) -> Any:
        if type(value) is kind:
            return value
        if value is None:
            return OMIT
        raise TypeMismatch(describe(value), go_type, "string" if kind is str else "bool")

    return convert


def _integer(node: Node) -> Convert:
    limit = _LIMITS.get(node.format or "", 2**63)
    go_type = node.go_type
    drop_zero = node.omit_empty and not node.pointer

    def convert(value: Any, _seen: list[str]) -> Any:
        if type(value) is int:
            if -limit <= value < limit:
                return OMIT if value == 0 and drop_zero else value
            raise TypeMismatch(f"number {value}", go_type)
        if value is None:
            return OMIT
        raise TypeMismatch(f"number {value!r}" if type(value) is float else describe(value), go_type)

    return convert


def _number(value: Any, _seen: list[str]) -> Any:
    if type(value) in (int, float):
        return value
    if value is None:
        return OMIT
    raise TypeMismatch(describe(value), "float64")


@lru_cache(maxsize=4096)
def _quantity_text(value: str, milli: bool) -> str:
    """The canonical text of a quantity; resource lists keep thousandths at most, rounded up (SetDefaults_ResourceList). Cached."""
    try:
        q = parse(value)
    except QuantityError as error:
        raise DecodeError(str(error)) from None
    if milli and q.nanos % 10**6:
        q = Quantity(-(-q.nanos // 10**6) * 10**6, q.format)
    return str(q)


def _quantity_converter(*, milli: bool) -> Convert:
    def convert(value: Any, _seen: list[str]) -> Any:
        if type(value) is str:
            return _quantity_text(value, milli)
        if value is None:
            return "0"
        # A JSON number is read as its text; anything else is no quantity, whatever its text.
        return _quantity_text(str(parse(value)) if type(value) in (int, float) else "{}", milli)

    return convert


_quantity = _quantity_converter(milli=False)
_milli_quantity = _quantity_converter(milli=True)


def _quantity_or_nothing(value: Any, seen: list[str]) -> Any:
    return OMIT if value is None else _quantity(value, seen)


def _time(read: Callable[[str], str]) -> Convert:
    def convert(value: Any, _seen: list[str]) -> Any:
        if type(value) is str:
            return read(value)
        if value is None:
            return OMIT
        raise TypeMismatch(describe(value), "string", "json")

    return convert


def _bytes(value: Any, _seen: list[str]) -> Any:
    if type(value) is str:
        return base64_text(value)
    if value is None:
        return OMIT
    if type(value) is list:
        return b64encode(bytes(map(_byte, value))).decode()
    raise TypeMismatch(describe(value), "[]uint8")


def _byte(value: Any) -> int:
    if type(value) is int and 0 <= value < 256:
        return value
    if value is None:
        return 0
    raise TypeMismatch(f"number {value!r}" if type(value) in (int, float) else describe(value), "uint8")


def _int_or_string(value: Any, _seen: list[str]) -> Any:
    kind = type(value)
    if kind is str or (kind is int and -(2**31) <= value < 2**31):
        return value
    if value is None:
        return OMIT
    raise TypeMismatch(f"number {value!r}" if kind in (int, float) else describe(value), "int32", "json")


def _opaque(value: Any, _seen: list[str]) -> Any:
    return OMIT if value is None else value


def _raw_object(value: Any, _seen: list[str]) -> Any:
    return OMIT if value is None else value


def zero(node: Node) -> Any:
    """What Go writes for a value of that type that was never set, MISSING for objects (whose fields may have zero values)."""
    if node.pointer or node.type in ("list", "map") or node.time:
        return None
    if node.quantity:
        return "0"
    if node.int_or_string:
        return 0
    return {"string": None if node.format == "byte" else "", "integer": 0, "number": 0, "boolean": False}.get(node.type)


def _list(node: Node) -> Convert:
    items = node.items
    assert items is not None
    go_type = node.go_type
    empty = OMIT if node.omit_empty and not node.pointer else None
    if items.type == "string" and not (items.quantity or items.time or items.format == "byte"):
        return _string_list(go_type, items.go_type, empty)
    element = _value(items)
    blank = zero(items)

    def convert(value: Any, seen: list[str]) -> Any:
        if type(value) is not list:
            if value is None:
                return OMIT
            raise TypeMismatch(describe(value), go_type, "slice")
        if not value:
            if empty is None:
                seen.append(_EMPTIED)
            return empty
        out = []
        for x in value:
            y = element({} if x is None and items.type == "object" else x, seen)
            out.append(blank if y is OMIT else y)
        return out

    return convert


def _string_list(go_type: str, item_type: str, empty: Any) -> Convert:
    def convert(value: Any, seen: list[str]) -> Any:
        if type(value) is not list:
            if value is None:
                return OMIT
            raise TypeMismatch(describe(value), go_type, "slice")
        if not value:
            if empty is None:
                seen.append(_EMPTIED)
            return empty
        for x in value:
            if type(x) is not str:
                if x is not None:
                    raise TypeMismatch(describe(x), item_type, "string")
                return ["" if y is None else _checked(y, item_type) for y in value]
        return value.copy()

    return convert


def _checked(value: Any, go_type: str) -> str:
    if type(value) is str:
        return value
    raise TypeMismatch(describe(value), go_type, "string")


def _map(node: Node) -> Convert:
    items = node.items
    assert items is not None
    go_type = node.go_type
    empty = OMIT if node.omit_empty and not node.pointer else None
    plain = items.type == "string" and not (items.quantity or items.time or items.format == "byte")
    element = _milli_quantity if go_type == "v1.ResourceList" else _value(items)
    blank = "" if items.format == "byte" else zero(items)
    item_type = items.go_type

    def convert(value: Any, seen: list[str]) -> Any:
        if type(value) is not dict:
            if value is None:
                return OMIT
            raise TypeMismatch(describe(value), go_type, "map")
        if not value:
            if empty is None:
                seen.append(_EMPTIED)
            return empty
        if plain:
            for x in value.values():
                if type(x) is not str:
                    if x is not None:
                        raise TypeMismatch(describe(x), item_type, "string")
                    return {k: "" if y is None else _checked(y, item_type) for k, y in value.items()}
            return value.copy()
        out = {}
        for k, x in value.items():
            y = element({} if x is None and items.type == "object" else x, seen)
            out[k] = blank if y is OMIT else y
        return out

    return convert


def _lazy_object(node: Node) -> Convert:
    """Compile the object only when the first value of it comes by: most types of most kinds never do."""
    ready: Convert | None = None

    def convert(value: Any, seen: list[str]) -> Any:
        nonlocal ready
        if ready is None:
            ready = _shared_object(node)
        return ready(value, seen)

    return convert


_by_definition: dict[str, Convert] = {}


def _shared_object(node: Node) -> Convert:
    if node.ref is None:
        return _object(node)
    found = _by_definition.get(node.ref)
    if found is None:
        found = _by_definition[node.ref] = _object(node)
    return found


def _field(node: Node, default: Any) -> tuple[type, Any, Convert]:
    """(type whose values pass as they are, the value of it to drop, conversion of everything else)."""
    convert = _value(node)
    drops = not node.pointer and (node.omit_empty or default is not MISSING)
    if node.type == "string" and not (node.quantity or node.time or node.format == "byte"):
        return str, "" if drops else None, convert
    if node.type == "boolean":
        return bool, False if drops else None, convert
    if node.omit_zero and node.type == "object" and not node.pointer:
        blank = convert({}, [])

        def nonzero(value: Any, seen: list[str]) -> Any:
            out = OMIT if value is None else convert(value, seen)
            return OMIT if out == blank else out

        return _NoType, None, nonzero
    if drops and default is not MISSING and node.type == "integer":

        def defaulted(value: Any, seen: list[str]) -> Any:
            return OMIT if value == 0 and type(value) is int else convert(value, seen)

        return _NoType, None, defaulted
    if drops and node.format == "byte":

        def nonempty(value: Any, seen: list[str]) -> Any:
            return convert(value, seen) or OMIT

        return _NoType, None, nonempty
    return _NoType, None, convert


def _object(node: Node) -> Convert:
    defaults: Mapping[str, Any] = DEFAULTS.get(node.ref or "", {})
    fields = {name: _field(child, defaults.get(name, MISSING)) for name, child in node.fields.items()}
    get = fields.get
    struct = node.go_name
    go_type = node.go_type
    constants: list[tuple[str, Any]] = []
    makers: list[tuple[str, Convert]] = []
    for name, child in node.fields.items():
        convert = fields[name][2]
        default = defaults.get(name, MISSING)
        if default is not MISSING:
            if isinstance(default, (dict, list)):
                makers.append((name, _filled(convert, default)))
            else:
                constants.append((name, default))
        elif child.type == "object" and not child.pointer and not child.omit_zero:
            makers.append((name, convert))
        elif not child.omit_zero and (not child.omit_empty or (child.time and not child.pointer) or _is_struct(child)):
            constants.append((name, zero(child)))

    def convert_object(value: Any, seen: list[str]) -> Any:
        if type(value) is not dict:
            if value is None:
                return OMIT
            raise TypeMismatch(describe(value), go_type)
        out: Obj = {}
        k = ""
        try:
            for k, x in value.items():
                field = get(k)
                if field is None:
                    seen.append(k)
                    continue
                kind, drop, convert = field
                if type(x) is kind:
                    if x != drop:
                        out[k] = x
                else:
                    y = convert(x, seen)
                    if y is not OMIT:
                        out[k] = y
        except TypeMismatch as error:
            error.enter(struct, k, embedding(node.ref, k))
            raise
        for k, constant in constants:
            if k not in out:
                out[k] = constant
        for k, make in makers:
            if k not in out:
                out[k] = make({}, seen)
        return out

    return convert_object


def _filled(convert: Convert, default: Any) -> Convert:
    def make(_value: Any, seen: list[str]) -> Any:
        return convert(default, seen)

    return make


def _is_struct(node: Node) -> bool:
    """Whether Go holds the value in a struct, which omitempty never drops."""
    return not node.pointer and (node.quantity or node.int_or_string)
