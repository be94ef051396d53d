"""One node of a type tree: what a field may hold, how lists and maps merge, how Go writes it. Made from the published definitions
or from a CustomResourceDefinition's schema; read by the decoder, the patches and server-side apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Type = Literal["object", "map", "list", "string", "integer", "number", "boolean", "any"]

MISSING: Any = type("Missing", (), {"__repr__": lambda _self: "MISSING", "__bool__": lambda _self: False})()
"""The default of nodes that have none (None is a value)."""


@dataclass(slots=True, eq=False)
class Node:
    """A type. `object` has `fields` (and, in custom resources, perhaps `items` for further keys); `map` and `list` have `items`.

    The fields of built-in types are resolved when they are first read, so that recursive types work.
    """

    type: Type
    items: Node | None = None
    required: Sequence[str] = ()
    list_type: Literal["atomic", "set", "map"] | None = None
    map_type: Literal["granular", "atomic"] | None = None
    list_map_keys: Sequence[str] = ()
    patch_strategy: str | None = None
    """As written: `merge`, `replace`, `retainKeys`, `merge,retainKeys`."""
    patch_merge_key: str | None = None
    format: str | None = None
    """int32, int64, byte, date-time, double, …"""
    int_or_string: bool = False
    quantity: bool = False
    time: Literal["seconds", "micro"] | None = None
    either: Literal["list", "boolean", "strings"] | None = None
    """`any` that holds a JSONSchemaProps, or else this."""
    preserve_unknown: bool = False
    embedded_resource: bool = False
    nullable: bool = False
    default: Any = MISSING
    description: str = ""
    ref: str | None = None
    """The definition's name, such as io.k8s.api.core.v1.Container."""
    go_type: str = ""
    """How Go's errors name the type: `[]v1.Container`, `int32`."""
    pointer: bool = False
    omit_empty: bool = False
    omit_zero: bool = False
    resolve: Callable[[], Mapping[str, Node]] | None = field(default=None, repr=False)
    _fields: Mapping[str, Node] | None = field(default=None, repr=False)
    compiled: Any = field(default=None, repr=False)
    """The decoder of this node, once there is one."""

    @property
    def fields(self) -> Mapping[str, Node]:
        """The named fields; empty for everything but objects."""
        if self._fields is None:
            self._fields = self.resolve() if self.resolve is not None else {}
        return self._fields

    @property
    def go_name(self) -> str:
        """The bare name of the Go struct: `Container`."""
        return (self.ref or self.go_type).rpartition(".")[2]

    def child(self, key: str) -> Node | None:
        """The type of the value under `key` of an object or map, or None when the key is not known."""
        if self.type == "map":
            return self.items
        return self.fields.get(key) or self.items
