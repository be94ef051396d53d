"""CEL types: the scalar ones, lists, maps, objects with declared fields, opaque library types, and type variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

UNBOUNDED = (1 << 64) - 1
"""The size of what has no declared bound (cost estimates saturate here)."""


RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"}
    | {"package", "namespace", "return"}
)
"""Words that are no identifiers of their own; fields of these names are spelled `__if__`, or, after a dot, as they are."""


class Type:
    """One type. `kind` says which; two types are the same when kind, name and parameters are.

    `max_elements` bounds the length of values of this type where the schema tells (strings in bytes); `min_size` is the
    smallest serialised form in bytes. Both serve cost estimates only and take no part in equality.
    """

    __slots__ = ("convert", "fields", "kind", "max_elements", "min_size", "name", "open", "params")

    def __init__(
        self,
        kind: str,
        name: str = "",
        params: tuple[Type, ...] = (),
        *,
        max_elements: int | None = None,
        min_size: int = 0,
        fields: Mapping[str, Field] | None = None,
        open_fields: bool = False,
        convert: Callable[[Any], Any] | None = None,
    ) -> None:
        self.kind = kind
        self.name = name or kind
        self.params = params
        self.max_elements = max_elements
        self.min_size = min_size
        self.fields: Mapping[str, Field] = fields if fields is not None else {}
        self.open = open_fields
        self.convert = convert
        """How JSON of this type becomes a CEL value where the two differ; None: as it is."""

    def same(self, other: Type) -> bool:
        """Equality of types, sizes aside."""
        return self is other or (
            self.kind == other.kind
            and self.name == other.name
            and len(self.params) == len(other.params)
            and all(a.same(b) for a, b in zip(self.params, other.params, strict=True))
        )

    def __str__(self) -> str:
        if self.kind == "null":
            return "null"
        if self.kind == "type":
            return f"type({self.params[0]})" if self.params else "type"
        if self.params:
            return f"{self.name}({', '.join(map(str, self.params))})"
        return self.name

    __repr__ = __str__


class Field:
    """A field of an object type; `key` is its name in JSON, which may need escaping in CEL."""

    __slots__ = ("key", "type")

    def __init__(self, type_: Type, key: str) -> None:
        self.type = type_
        self.key = key


DYN = Type("dyn")
ERROR = Type("error", "!error!")
NULL = Type("null", "null_type")
BOOL = Type("bool", min_size=4)
INT = Type("int", min_size=1)
UINT = Type("uint", min_size=1)
DOUBLE = Type("double", min_size=1)
STRING = Type("string", min_size=2)
BYTES = Type("bytes", min_size=2)
DURATION = Type("duration")
TIMESTAMP = Type("timestamp")
TYPE = Type("type")

SCALARS = frozenset({"bool", "int", "uint", "double", "string", "bytes", "duration", "timestamp", "null"})
FIXED = frozenset({"bool", "int", "uint", "double", "duration", "timestamp", "null"})
"""Kinds whose values all have size one."""


def list_of(item: Type, **sizes: Any) -> Type:
    """`list(item)`."""
    return Type("list", "list", (item,), **sizes)


def map_of(key: Type, value: Type, **sizes: Any) -> Type:
    """`map(key, value)`."""
    return Type("map", "map", (key, value), **sizes)


def optional_of(item: Type) -> Type:
    """`optional_type(item)`."""
    return Type("opaque", "optional_type", (item,))


def type_of(item: Type) -> Type:
    """The type of a type's own name, `type(int)`."""
    return Type("type", "type", (item,))


def opaque(name: str) -> Type:
    """A library's own type."""
    return Type("opaque", name)


def object_type(name: str, fields: Mapping[str, Field], **more: Any) -> Type:
    """An object with declared fields; `open_fields` lets any further field be read as dyn."""
    return Type("object", name, (), fields=fields, **more)


class TypeVar(Type):
    """A type variable: what it stands for is found out while checking."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__("var", name)

    def same(self, other: Type) -> bool:
        return self is other


NAMED: dict[str, Type] = {t.name: t for t in (BOOL, INT, UINT, DOUBLE, STRING, BYTES, NULL)} | {
    "list": list_of(DYN), "map": map_of(DYN, DYN), "type": TYPE, "dyn": DYN,
    "google.protobuf.Duration": DURATION, "google.protobuf.Timestamp": TIMESTAMP, "optional_type": optional_of(DYN),
}  # fmt: skip
"""Types that expressions can name."""


def parse_type(text: str, variables: dict[str, TypeVar] | None = None) -> Type:
    """A type from a signature such as `map(A, list(string))`; single capitals are variables, unknown names opaque."""
    text = text.strip()
    if text.endswith(")"):
        head, _, inner = text[:-1].partition("(")
        depth, parts, start = 0, [], 0
        for i, c in enumerate(inner):
            depth += (c == "(") - (c == ")")
            if c == "," and depth == 0:
                parts.append(inner[start:i])
                start = i + 1
        parts.append(inner[start:])
        params = [parse_type(p, variables) for p in parts]
        if head == "optional":
            return optional_of(params[0])
        return list_of(*params) if head == "list" else map_of(*params) if head == "map" else type_of(*params)
    if len(text) == 1 and variables is not None:
        return variables.setdefault(text, TypeVar(text))
    if text in ("duration", "timestamp"):
        return DURATION if text == "duration" else TIMESTAMP
    return NAMED[text] if text in NAMED else opaque(text)
