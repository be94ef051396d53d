"""Shapes: how each type splits into separately owned parts; made from type nodes, lazily, once per node.

The translation is upstream's (kube-openapi pkg/schemaconv/openapi.go): lists are atomic unless a list type or a patch merge key
says otherwise, maps are granular unless marked atomic, free-form values are deduced from what they hold.
"""

from __future__ import annotations

from typing import Any

from kubepy.api.patch.fieldset import field_element, key_element, value_element
from kubepy.api.schema.defaults import DEFAULTS
from kubepy.api.schema.node import MISSING, Node

Member = tuple[str, "Shape"]
_ABSENT: Any = object()


class BadItem(ValueError):
    """A list item that has no place in a set or keyed list; the text is upstream's."""


class Shape:
    """One type as ownership sees it.

    `leaf`: owned as a whole, whatever it holds. `kind`: scalar, map, list or any (deduced from the value: maps are
    granular, lists atomic). `struct`: members are declared, and only members in `known` are fields by name.
    """

    __slots__ = ("_item", "_members", "_node", "keys", "kind", "known", "leaf", "list_kind", "open", "scalar")

    def __init__(self, node: Node | None, *, kind: str = "any", leaf: bool = False) -> None:
        self._node = node
        self._members: dict[str, Member] = {}
        self._item: Shape | None = None
        self.kind = kind
        self.leaf = leaf
        self.scalar = ""
        self.known: frozenset[str] = frozenset()
        self.open = True
        """Whether members that are not declared are allowed."""
        self.list_kind = "atomic"
        self.keys: tuple[tuple[str, Any], ...] = ()
        """Sorted names of a keyed list's key fields with their defaults."""

    def member(self, name: str) -> Member:
        """The path element and shape of a map's or struct's member."""
        found = self._members.get(name)
        if found is not None:
            return found
        node = self._node
        if name in self.known:
            assert node is not None and node.fields is not None
            found = self._members[name] = (field_element(name), shape_of(node.fields[name]))
            return found
        return field_element(name), self.item

    @property
    def item(self) -> Shape:
        """The shape of a list's items or a map's values."""
        if self._item is None:
            node = self._node
            self._item = shape_of(node.items) if node is not None and node.items is not None else ANY
        return self._item

    def element(self, item: Any) -> str:
        """The path element of an item of a set or keyed list; raises BadItem."""
        if self.list_kind == "set":
            if isinstance(item, dict):
                raise BadItem("associative list without keys has an element that's a map type")
            if isinstance(item, list):
                raise BadItem("not supported: associative list with lists as elements")
            if item is None:
                raise BadItem("associative list without keys has an element that's an explicit null")
            return value_element(item)
        if item is None:
            raise BadItem("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise BadItem("associative list with keys may not have non-map elements")
        names: list[str] = []
        values: list[Any] = []
        for name, default in self.keys:
            value = item.get(name, _ABSENT)
            if value is _ABSENT:
                if default is None:
                    continue
                value = default
            names.append(name)
            values.append(value)
        if not names:
            keys = " ".join(f'"{name}"' for name, _ in self.keys)
            raise BadItem(
                f"associative list with keys has an element that omits all key fields [{keys}] (and doesn't have default values"
                " for any key fields)"
            )
        try:
            return key_element(tuple(names), *values)
        except TypeError:  # a key that is no scalar, which is not remembered
            return key_element.__wrapped__(tuple(names), *values)


ANY = Shape(None)
_LEAF = Shape(None, kind="scalar", leaf=True)
_UNTYPED = Shape(None, kind="scalar", leaf=True)
_UNTYPED.scalar = "untyped"
_shapes: dict[int, tuple[Node, Shape]] = {}
_ZERO = {"string": "", "integer": 0, "number": 0, "boolean": False}
_SCALARS = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}


def shape_of(node: Node) -> Shape:
    """The shape of a type (memoised for as long as the program runs for named types, else on the node's identity)."""
    known = _shapes.get(id(node))
    if known is None or known[0] is not node:
        if len(_shapes) > 50_000:
            _shapes.clear()
        known = _shapes[id(node)] = (node, _make(node))
    return known[1]


def _make(node: Node) -> Shape:
    if (node.ref or "").endswith(".RawExtension"):
        return _LEAF
    if node.type == "list":
        return _list(node)
    if node.type in ("object", "map"):
        shape = Shape(node, kind="map", leaf=node.map_type == "atomic")
        shape.known = frozenset(node.fields or ())
        shape.open = node.type == "map" or not shape.known or bool(node.preserve_unknown)
        return shape
    if node.int_or_string:
        return _LEAF
    if node.type in _SCALARS:
        shape = Shape(node, kind="scalar", leaf=True)
        typed = not (node.quantity or node.time) and (node.type != "string" or node.format in (None, "", "byte"))
        shape.scalar = _SCALARS[node.type] if typed else "untyped"
        return shape
    return _UNTYPED if node.quantity or node.time else ANY


def _list(node: Node) -> Shape:
    shape = Shape(node, kind="list")
    keys: tuple[str, ...] = ()
    if node.list_type:
        shape.list_kind = node.list_type
        keys = tuple(node.list_map_keys or ())
    elif "merge" in (node.patch_strategy or "").split(","):
        shape.list_kind = "map" if node.patch_merge_key else "set"
        keys = (node.patch_merge_key,) if node.patch_merge_key else ()
    shape.leaf = shape.list_kind == "atomic"
    if shape.list_kind == "map":
        shape.keys = tuple((name, _default(node.items, name)) for name in sorted(keys))
    return shape


def _default(item: Node | None, name: str) -> Any:
    """What a key field that is not set counts as; None for nothing."""
    field = item.fields.get(name) if item is not None else None
    if item is None or field is None:
        return None
    if field.default is not MISSING:
        return field.default
    default = DEFAULTS.get(item.ref or "", {}).get(name)
    if default is None and item.ref and not (field.pointer or field.omit_empty):
        return _ZERO.get(field.type)  # The published types of fields that Go always writes have their zero value as default.
    return default
