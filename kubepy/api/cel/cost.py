"""Static cost of expressions: upper bounds from declared sizes, by cel-go's rules (checker/cost.go). What a rule may cost decides
whether it may be written, so the numbers are part of the API, odd ones included.

Sizes are found by path: the way from the root variable to a value, along which the declared types tell the largest size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from kubepy.api.cel import types as t
from kubepy.api.cel.ast import (
    Bind,
    Call,
    Comprehension,
    Const,
    Fold,
    Ident,
    ListLiteral,
    MapLiteral,
    Node,
    OptionalMap,
    Select,
    StructLiteral,
)
from kubepy.api.cel.expand import expand

LIST_BASE, MAP_BASE, STRUCT_BASE = 10, 30, 40

PER_CALL_LIMIT = 1_000_000
"""Runtime cost of one evaluation (apis/cel/config.go)."""
RUNTIME_BUDGET = 10_000_000
"""Runtime cost of all rules of one object."""
STATIC_LIMIT = 10_000_000
"""Estimated cost of one rule of a CRD, times how often it may run."""
STATIC_TOTAL_LIMIT = 100_000_000
"""Estimated cost of all rules of a CRD's version."""

Path = tuple[str, ...]


def _cap(value: int) -> int:
    return min(value, t.UNBOUNDED)


class Range(NamedTuple):
    """A cost or a size, from at least to at most; saturates at 2**64 - 1."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        return Range(_cap(self.low + other.low), _cap(self.high + other.high))

    def times(self, other: Range) -> Range:
        return Range(_cap(self.low * other.low), _cap(self.high * other.high))

    def factor(self, by: float) -> Range:
        return Range(_cap(math.ceil(self.low * by)), _cap(math.ceil(self.high * by)))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


ZERO, ONE = Range(0, 0), Range(1, 1)
ANY_SIZE = Range(0, t.UNBOUNDED)


def fixed(value: int) -> Range:
    """Exactly that."""
    return Range(value, value)


class Entry(NamedTuple):
    """What the keys (indices) and values (items) of a map (list) measure."""

    kind: str
    key: Range
    value: Range

    def union(self, other: Entry) -> Entry:
        return Entry(self.kind, self.key.union(other.key), self.value.union(other.value))


class _Local(NamedTuple):
    """A variable of a loop or binding."""

    path: Path
    size: Range | None
    entry: Entry | None


def estimate(node: Node, root: t.Type | None = None) -> Range:
    """The cost of evaluating a checked expression; `root` is the type of what its variables are about (`self`)."""
    return Estimator(root).cost(node)


class Estimator:
    """One estimate. Costs must be asked for before sizes: sizes of results are found out on the way."""

    def __init__(self, root: t.Type | None) -> None:
        self._root = root
        self._sizes: dict[Node, Range] = {}
        self._entries: dict[Node, Entry] = {}
        self._paths: dict[Node, Path] = {}
        self._locals: dict[str, _Local] = {}

    # Sizes.

    def path(self, node: Node) -> Path:
        """The way from the root to the value, empty where there is none."""
        if isinstance(node, Ident):
            local = self._locals.get(node.slot)
            if local is not None:
                return local.path
        return self._paths.get(node, ())

    def at(self, path: Path) -> Range | None:
        """The size that the declared types give to a path."""
        type_ = self._root
        if not path or type_ is None:
            return None
        for name in path[1:]:
            found: t.Type | None = None
            if name in ("@items", "@values"):
                found = type_.params[-1] if type_.kind in ("list", "map") else None
            elif name == "@keys":
                found = type_.params[0] if type_.kind == "map" else None
            elif name in type_.fields:
                found = type_.fields[name].type
            if found is None:
                return None
            type_ = found
        return Range(0, type_.max_elements or 0)

    def known_size(self, node: Node) -> Range | None:
        """How long the value can be, None where nothing is known."""
        known = self._sizes.get(node)
        if known is None and isinstance(node, Const):
            value = node.value
            return fixed(len(value)) if isinstance(value, (str, bytes)) else ONE
        if known is None and isinstance(node, ListLiteral):
            return fixed(len(node.items))
        if known is None and isinstance(node, MapLiteral):
            return fixed(len(node.entries))
        if known is None:
            known = self.at(self.path(node))
            if known is not None:
                self._sizes[node] = known
        if known is None and _is_scalar(node.type):
            return ONE
        if known is None and isinstance(node, Ident):
            local = self._locals.get(node.slot)
            return local.size if local is not None else None
        return known

    def size(self, node: Node) -> Range:
        """How long the value can be."""
        return self.known_size(node) or ANY_SIZE

    def entry(self, node: Node) -> Entry | None:
        """What the value's entries measure, None where nothing is known."""
        known = self._entries.get(node)
        if known is None and isinstance(node, Ident):
            local = self._locals.get(node.slot)
            return local.entry if local is not None else None
        return known

    def item(self, node: Node) -> tuple[t.Type, Range] | None:
        """Type and size of a list's items; None for what has none."""
        params = node.type.params
        if not params:
            return None
        path = self.path(node)
        return params[0], (self.at((*path, "@items")) if path else None) or ANY_SIZE

    def learn(self, node: Node, size: Range | None, entry: Entry | None) -> None:
        """Remember what is known of a result."""
        if size is not None:
            self._sizes[node] = size
        if entry is not None:
            self._entries[node] = entry

    # Costs.

    def cost(self, node: Node) -> Range:
        """The cost of evaluating the node."""
        if isinstance(node, Const):
            return ZERO
        if isinstance(node, Ident):
            if node.slot not in self._locals:
                self._paths[node] = (node.name,)
            return ONE
        if isinstance(node, Select):
            return self._select(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, ListLiteral):
            total = self._sum(node.items).plus(fixed(LIST_BASE))
            self._entries[node] = Entry("list", ONE, self._span(node.items))
            return total
        if isinstance(node, MapLiteral):
            keys, values = [k for k, _, _ in node.entries], [v for _, v, _ in node.entries]
            total = self._sum(n for pair in zip(keys, values, strict=True) for n in pair).plus(fixed(MAP_BASE))
            self._entries[node] = Entry("map", self._span(keys), self._span(values))
            return total
        if isinstance(node, StructLiteral):
            return self._sum(v for _, v, _, _ in node.fields).plus(fixed(STRUCT_BASE))
        if isinstance(node, (Comprehension, OptionalMap)):
            expanded = expand(node)
            total = self.cost(expanded)
            self.learn(node, self.known_size(expanded), self.entry(expanded))
            return total
        if isinstance(node, Bind):
            return self._bind(node)
        return self._fold(node) if isinstance(node, Fold) else ZERO

    def _sum(self, nodes: Iterable[Node]) -> Range:
        total = ZERO
        for node in nodes:
            total = total.plus(self.cost(node))
        return total

    def _span(self, nodes: list[Node]) -> Range:
        out = Range(t.UNBOUNDED, 0) if nodes else ZERO
        for node in nodes:
            out = out.union(self.size(node))
        return out

    def _select(self, node: Select) -> Range:
        if node.constant is not None or node.variable:
            return ONE
        inner = self.cost(node.operand)
        if node.test:
            return inner
        if node.optional:
            return inner.plus(ONE)
        self._paths[node] = (*self.path(node.operand), node.field)
        return inner.plus(ONE) if node.operand.type.kind in ("map", "object", "var") else inner

    def _call(self, node: Call) -> Range:
        from kubepy.api.cel.callcost import call_cost

        if node.function == "dyn":
            total = self.cost(node.args[0]).plus(ONE)
            self.learn(node, self.known_size(node.args[0]), self.entry(node.args[0]))
            return total
        costs = [self.cost(a) for a in node.args]
        target = self.cost(node.target) if node.target is not None else ZERO
        found: Range | None = None
        size: Range | None = None
        for overload in node.overloads or (None,):
            guess = call_cost(self, node, overload, costs)
            found = guess.cost if found is None else found.union(guess.cost)
            if guess.size is not None:
                size = guess.size if size is None else size.union(guess.size)
            kind = node.args[0].type.kind if node.function == "_[_]" and node.args else ""
            if kind in ("list", "map") and (overload is None or overload.params[0].kind == kind):
                entry = self.entry(node.args[0])
                size = entry.value if entry is not None else None
                self._paths[node] = (*self.path(node.args[0]), "@items" if kind == "list" else "@values")
            if size is None:
                size = self.known_size(node)
        self.learn(node, size, None)
        return target.plus(found or ZERO)

    def _bind(self, node: Bind) -> Range:
        total = self.cost(node.value).plus(fixed(LIST_BASE))
        self._locals[node.slot] = self._local(node.value)
        total = total.plus(self.cost(node.result))
        self.learn(node, self.known_size(node.result), self.entry(node.result))
        del self._locals[node.slot]
        return total

    def _local(self, value: Node) -> _Local:
        return _Local(self.path(value), self.known_size(value), self.entry(value))

    def _fold(self, node: Fold) -> Range:
        total = self.cost(node.over).plus(self.cost(node.start))
        self._locals[node.accumulator] = self._local(node.start)
        entry = self.entry(node.over)
        kind = entry.kind if entry is not None else node.over.type.kind
        path = self.path(node.over)
        key = _Local((*path, "@indices" if kind == "list" else "@keys"), entry.key if entry else None, None)
        value = _Local((*path, "@items" if kind == "list" else "@values"), entry.value if entry else None, None)
        if node.second:
            self._locals[node.first], self._locals[node.second] = key, value
        else:
            self._locals[node.first] = value if kind == "list" else key
        each = self.cost(node.condition).plus(self.cost(node.step))
        total = total.plus(self.cost(node.result))
        for name in (node.accumulator, node.first, node.second):
            self._locals.pop(name, None)
        count = self.size(node.over)
        if isinstance(node.start, Const):
            self.learn(node, ONE, None)
        else:
            self.learn(node, count, self._entries.get(node.step))
        return total.plus(count.times(each))


def _is_scalar(type_: t.Type) -> bool:
    if type_.kind == "opaque" and type_.name == "optional_type" and type_.params:
        return _is_scalar(type_.params[0])
    return type_.kind in t.FIXED and type_.kind != "null"
