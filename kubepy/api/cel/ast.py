"""The syntax tree of an expression. Macros are expanded while parsing: comprehensions are nodes of their own."""

from __future__ import annotations

from typing import Any

from kubepy.api.cel.types import DYN, Type


class Node:
    """One node; `at` is its offset in the source, the place upstream reports errors at. `type` is set by the checker."""

    __slots__ = ("at", "type")

    def __init__(self, at: int) -> None:
        self.at = at
        self.type: Type = DYN


class Const(Node):
    """A literal."""

    __slots__ = ("value",)

    def __init__(self, at: int, value: Any, type_: Type) -> None:
        super().__init__(at)
        self.value = value
        self.type = type_


class Ident(Node):
    """A variable, or (when `constant` is set by the checker) the name of a type."""

    __slots__ = ("constant", "name", "slot")

    def __init__(self, at: int, name: str) -> None:
        super().__init__(at)
        self.name = name
        self.slot = name
        self.constant: Type | None = None


class Select(Node):
    """`operand.field`; `test` for has(), `optional` for `.?`."""

    __slots__ = ("constant", "field", "key", "operand", "optional", "test", "variable")

    def __init__(self, at: int, operand: Node, field: str, *, test: bool = False, optional: bool = False) -> None:
        super().__init__(at)
        self.operand = operand
        self.field = field
        self.key = field
        self.test = test
        self.optional = optional
        self.constant: Any = None
        """What a qualified name stands for (the name of a type)."""
        self.variable = ""
        """The variable that the whole qualified name stands for."""


class Call(Node):
    """A function, operator or member function; `overloads` are those that may apply, set by the checker."""

    __slots__ = ("args", "function", "overloads", "target")

    def __init__(self, at: int, function: str, args: list[Node], target: Node | None = None) -> None:
        super().__init__(at)
        self.function = function
        self.target = target
        self.args = args
        self.overloads: tuple[Any, ...] = ()

    def operands(self) -> list[Node]:
        """Target and arguments."""
        return self.args if self.target is None else [self.target, *self.args]


class ListLiteral(Node):
    """`[a, ?b]`."""

    __slots__ = ("items", "optional")

    def __init__(self, at: int, items: list[Node], optional: frozenset[int]) -> None:
        super().__init__(at)
        self.items = items
        self.optional = optional


class MapLiteral(Node):
    """`{k: v, ?k: v}`; entries are key, value, optional."""

    __slots__ = ("entries",)

    def __init__(self, at: int, entries: list[tuple[Node, Node, bool]]) -> None:
        super().__init__(at)
        self.entries = entries


class StructLiteral(Node):
    """`Name{field: value}`; fields are name, value, optional, offset."""

    __slots__ = ("fields", "name")

    def __init__(self, at: int, name: str, fields: list[tuple[str, Node, bool, int]]) -> None:
        super().__init__(at)
        self.name = name
        self.fields = fields


class Comprehension(Node):
    """A macro over a list or map: `all`, `exists`, `existsOne`, `map`, `filter`, `transformList`, `transformMap`,
    `transformMapEntry`. `first` and `second` are the variables (`second` empty for one), `where` the filter, `body` the rest.
    """

    __slots__ = ("body", "first", "kind", "over", "second", "slots", "where")

    def __init__(self, at: int, kind: str, over: Node, first: str, second: str, where: Node | None, body: Node) -> None:
        super().__init__(at)
        self.kind = kind
        self.over = over
        self.first = first
        self.second = second
        self.where = where
        self.body = body
        self.slots = (first, second)


class OptionalMap(Node):
    """`optMap` and `optFlatMap`."""

    __slots__ = ("body", "flat", "slot", "target", "variable")

    def __init__(self, at: int, target: Node, variable: str, body: Node, flat: bool) -> None:
        super().__init__(at)
        self.target = target
        self.variable = variable
        self.slot = variable
        self.body = body
        self.flat = flat


class Fold(Node):
    """What a macro over a list or map stands for (cel-go's comprehension): made for cost estimates, never evaluated."""

    __slots__ = ("accumulator", "condition", "first", "over", "result", "second", "start", "step")

    def __init__(
        self, at: int, over: Node, first: str, second: str, accumulator: str, start: Node, condition: Node, step: Node, result: Node
    ) -> None:
        super().__init__(at)
        self.over = over
        self.first = first
        self.second = second
        self.accumulator = accumulator
        self.start = start
        self.condition = condition
        self.step = step
        self.result = result


class Bind(Node):
    """A value bound to a variable of its own for the sake of a result; made for cost estimates too."""

    __slots__ = ("result", "slot", "value")

    def __init__(self, at: int, slot: str, value: Node, result: Node) -> None:
        super().__init__(at)
        self.slot = slot
        self.value = value
        self.result = result
