"""Static cost of expressions: upper bounds from declared sizes, by cel-go's rules (checker/cost.go) and Kubernetes' own
(pkg/cel/library/cost.go). What a rule may cost decides whether it may be written, so the numbers are part of the API.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from kubepy.api.cel import types as t
from kubepy.api.cel.ast import (
    Call,
    Comprehension,
    Const,
    Ident,
    ListLiteral,
    MapLiteral,
    Node,
    OptionalMap,
    Select,
    StructLiteral,
)

TRAVERSAL = 0.1
REGEX = 0.25
LIST_BASE, MAP_BASE, STRUCT_BASE = 10, 30, 40

PER_CALL_LIMIT = 1_000_000
"""Runtime cost of one evaluation (apis/cel/config.go)."""
RUNTIME_BUDGET = 10_000_000
"""Runtime cost of all rules of one object."""
STATIC_LIMIT = 10_000_000
"""Estimated cost of one rule of a CRD, times how often it may run."""
STATIC_TOTAL_LIMIT = 100_000_000
"""Estimated cost of all rules of a CRD's version."""


def _cap(value: float) -> int:
    return t.UNBOUNDED if value >= t.UNBOUNDED else int(value)


class Range(NamedTuple):
    """A cost or a size, from at least to at most."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        return Range(_cap(self.low + other.low), _cap(self.high + other.high))

    def times(self, other: Range) -> Range:
        return Range(_cap(self.low * other.low), _cap(self.high * other.high))

    def factor(self, by: float) -> Range:
        return Range(_scale(self.low, by), _scale(self.high, by))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


def _scale(value: int, by: float) -> int:
    return t.UNBOUNDED if value >= t.UNBOUNDED else _cap(math.ceil(value * by))


ZERO, ONE = Range(0, 0), Range(1, 1)
ANY_SIZE = Range(0, t.UNBOUNDED)


class Estimate(NamedTuple):
    """Cost of a call without its arguments (None: with them already), and the size of its result where that is known."""

    cost: Range
    size: Range | None = None


def estimate(node: Node) -> Range:
    """The cost of evaluating a checked expression."""
    return _Estimator().cost(node)


class _Estimator:
    def __init__(self) -> None:
        self.sizes: dict[Node, Range] = {}

    def size(self, node: Node) -> Range:
        """How long the value can be."""
        known = self.sizes.get(node)
        if known is not None:
            return known
        if isinstance(node, Const):
            value = node.value
            if isinstance(value, (str, bytes)):
                size = len(value.encode()) if isinstance(value, str) else len(value)
                return Range(size, size)
            return ONE
        if isinstance(node, ListLiteral):
            return Range(len(node.items) - len(node.optional), len(node.items))
        if isinstance(node, MapLiteral):
            return Range(len(node.entries), len(node.entries))
        return type_size(node.type)

    def cost(self, node: Node) -> Range:
        if isinstance(node, Const):
            return ZERO
        if isinstance(node, Ident):
            return ONE
        if isinstance(node, Select):
            inner = self.cost(node.operand)
            if node.test or node.operand.type.kind not in ("map", "object", "var"):
                return inner
            return inner.plus(ONE)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, ListLiteral):
            return self._sum(node.items).plus(Range(LIST_BASE, LIST_BASE))
        if isinstance(node, MapLiteral):
            return self._sum([n for k, v, _ in node.entries for n in (k, v)]).plus(Range(MAP_BASE, MAP_BASE))
        if isinstance(node, StructLiteral):
            return self._sum([v for _, v, _, _ in node.fields]).plus(Range(STRUCT_BASE, STRUCT_BASE))
        if isinstance(node, Comprehension):
            return self._loop(node)
        if isinstance(node, OptionalMap):
            # target.hasValue() ? optional.of(body with the variable bound to target.value()) : optional.none()
            target, body = self.cost(node.target), self.cost(node.body)
            bound = target.plus(ONE).plus(body).plus(Range(LIST_BASE, LIST_BASE))
            some = bound if node.flat else bound.plus(ONE)
            return target.plus(ONE).plus(some.union(ONE))
        return ZERO

    def _sum(self, nodes: list[Node]) -> Range:
        total = ZERO
        for node in nodes:
            total = total.plus(self.cost(node))
        return total

    def _loop(self, node: Comprehension) -> Range:
        """What the macro's expansion costs: the range, its start value, and for each element condition and step."""
        over = self.cost(node.over)
        count = self.size(node.over)
        body = self.cost(node.body)
        start, condition, result = ZERO, ZERO, ONE
        if node.kind in ("all", "exists"):
            # condition: @not_strictly_false(accu) or (!accu), step: accu && body (the accumulator is an identifier, cost one)
            condition = Range(2, 2) if node.kind == "all" else Range(3, 3)
            step = Range(1, _cap(1 + body.high))
        elif node.kind == "existsOne":
            # step: body ? accu + 1 : accu; result: accu == 1
            step = body.plus(Range(2, 2).union(ONE))
            result = Range(2, 2)
        elif node.kind == "filter":
            # step: body ? accu + [x] : accu
            start = Range(LIST_BASE, LIST_BASE)
            step = body.plus(Range(LIST_BASE + 3, LIST_BASE + 3).union(ONE))
            self.sizes[node] = Range(0, count.high)
        elif node.kind in ("map", "transformList", "sortBy"):
            start = Range(LIST_BASE, LIST_BASE)
            step = body.plus(Range(LIST_BASE + 2, LIST_BASE + 2))
            if node.where is not None:
                step = self.cost(node.where).plus(step.union(ONE))
            self.sizes[node] = Range(0 if node.where is not None else count.low, count.high)
        else:
            start = Range(MAP_BASE, MAP_BASE)
            step = body.plus(Range(3, 3))
            if node.where is not None:
                step = self.cost(node.where).plus(step.union(ONE))
            self.sizes[node] = Range(0, count.high)
        return over.plus(start).plus(result).plus(count.times(step.plus(condition)))

    def _call(self, node: Call) -> Range:
        operands = node.operands()
        costs = [self.cost(n) for n in operands]
        if node.function in ("_&&_", "_||_"):
            return Range(costs[0].low, costs[0].plus(costs[1]).high)
        if node.function == "_?_:_":
            self.sizes[node] = self.size(operands[1]).union(self.size(operands[2]))
            return costs[0].plus(costs[1].union(costs[2]))
        total = ZERO
        for cost in costs:
            total = total.plus(cost)
        rule = _RULES.get(node.function)
        found = rule(self, node) if rule is not None else Estimate(ONE)
        if found.size is not None:
            self.sizes[node] = found.size
        return total.plus(found.cost)

    def element(self, node: Node) -> t.Type | None:
        """The type of a list's elements."""
        return node.type.params[0] if node.type.kind == "list" and node.type.params else None


def type_size(type_: t.Type) -> Range:
    """How long values of a type can be."""
    if type_.max_elements is not None:
        return Range(0, type_.max_elements)
    return ONE if type_.kind in t.FIXED else ANY_SIZE


Rule = Callable[[_Estimator, Call], Estimate]


def _traverse_target(times: float, sized: bool = True) -> Rule:
    def rule(e: _Estimator, node: Call) -> Estimate:
        size = e.size(node.operands()[0])
        return Estimate(size.factor(times * TRAVERSAL), size if sized else None)

    return rule


def _prefix(e: _Estimator, node: Call) -> Estimate:
    return Estimate(e.size(node.operands()[1]).factor(TRAVERSAL))


def _contains(e: _Estimator, node: Call) -> Estimate:
    a, b = node.operands()
    return Estimate(e.size(a).factor(TRAVERSAL).times(e.size(b).factor(TRAVERSAL)))


def _matches(e: _Estimator, node: Call) -> Estimate:
    a, b = node.operands()[:2]
    text = e.size(a)
    cost = text.plus(ONE).factor(TRAVERSAL).times(e.size(b).factor(REGEX))
    return Estimate(cost, Range(0, text.high) if node.function in ("find", "findAll") else None)


def _in(e: _Estimator, node: Call) -> Estimate:
    return Estimate(e.size(node.args[1]) if node.args[1].type.kind == "list" else ONE)


def _add(e: _Estimator, node: Call) -> Estimate:
    kind = node.type.kind
    if kind not in ("string", "bytes", "list"):
        return Estimate(ONE)
    size = e.size(node.args[0]).plus(e.size(node.args[1]))
    return Estimate(ONE if kind == "list" else size.factor(TRAVERSAL), size)


def _compare(e: _Estimator, node: Call) -> Estimate:
    """Strings are compared up to the shorter one; equality of containers looks at all of both."""
    a, b = node.args
    kinds = {a.type.kind, b.type.kind}
    if node.function not in ("_==_", "_!=_") and not kinds & {"string", "bytes"}:
        return Estimate(ONE)
    if kinds <= t.FIXED | {"opaque", "type"}:
        return Estimate(ONE)
    one, two = e.size(a), e.size(b)
    low = min(one.low, two.low)
    high = min(one.high, two.high)
    cost = Range(low, high).factor(TRAVERSAL)
    return Estimate(Range(max(cost.low, 1 if low else 0), max(cost.high, 1)) if node.function in ("_==_", "_!=_") else cost)


def _list_walk(e: _Estimator, node: Call) -> Estimate:
    target = node.operands()[0]
    element = e.element(target)
    if element is None and node.function != "includes":
        return Estimate(e.size(target).factor(TRAVERSAL))
    each = ONE
    if element is not None and element.kind in ("string", "bytes"):
        each = each.plus(type_size(element).factor(TRAVERSAL))
    return Estimate(e.size(target).times(each))


def _replace(e: _Estimator, node: Call) -> Estimate:
    text, old, new = (e.size(n) for n in node.operands()[:3])
    if old.low == 0:
        count_high, kept_high = _cap(text.high + 1), text.high
    elif new.high <= old.low:
        count_high, kept_high = 0, text.high
    else:
        count_high, kept_high = _cap(math.ceil(text.high / old.low)), 0
    if old.high == 0:
        count_low, kept_low = _cap(text.low + 1), text.low
    elif old.high <= new.low:
        count_low, kept_low = 0, text.low
    else:
        count_low, kept_low = _cap(math.ceil(text.low / old.high)), 0
    size = Range(count_low, count_high).times(new).plus(Range(kept_low, kept_high))
    return Estimate(text.factor(2 * TRAVERSAL), size)


def _split(e: _Estimator, node: Call) -> Estimate:
    operands = node.operands()
    text = e.size(operands[0])
    high = text.high
    if len(operands) > 2 and isinstance(operands[2], Const) and operands[2].value >= 0:
        high = operands[2].value
    return Estimate(text.factor(2 * TRAVERSAL), Range(0, high))


def _join(e: _Estimator, node: Call) -> Estimate:
    operands = node.operands()
    items = e.size(operands[0])
    element = e.element(operands[0])
    size = items.times(type_size(element)) if element is not None else ZERO
    if len(operands) > 1:
        size = size.plus(e.size(operands[1]).times(Range(max(items.low - 1, 0), max(items.high - 1, 0))))
    return Estimate(size.factor(TRAVERSAL), size)


def _network(e: _Estimator, node: Call) -> Estimate:
    size = Range(4, 16)
    cost = size.plus(size).factor(TRAVERSAL)
    if node.function == "containsCIDR":
        cost = cost.plus(size.factor(TRAVERSAL)).plus(ONE)
    if node.args[0].type.kind == "string":
        cost = cost.plus(e.size(node.args[0]).factor(TRAVERSAL))
    return Estimate(cost)


def _ip(e: _Estimator, node: Call) -> Estimate:
    return Estimate(ONE) if node.target is not None else _traverse_target(1, False)(e, node)


def _selector(e: _Estimator, node: Call) -> Estimate:
    size = e.size(node.args[0])
    return Estimate(Range(LIST_BASE, LIST_BASE).plus(size.factor(TRAVERSAL)).plus(size.factor(0.5).factor(LIST_BASE + STRUCT_BASE)))


def _validate(e: _Estimator, node: Call) -> Estimate:
    return Estimate(e.size(node.args[0]).factor(TRAVERSAL).factor(128 * REGEX))


_RULES: dict[str, Rule] = {
    "startsWith": _prefix, "endsWith": _prefix, "contains": _contains, "matches": _matches, "find": _matches, "findAll": _matches,
    "@in": _in, "_+_": _add, "check": lambda e, n: Estimate(Range(350_000, 350_000)), "replace": _replace, "split": _split, "join": _join,
    "containsIP": _network, "containsCIDR": _network, "ip": _ip, "fieldSelector": _selector, "labelSelector": _selector,
    "validate": _validate, "ip.isCanonical": _traverse_target(2, False),
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"), _compare),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _list_walk),
    **dict.fromkeys(("url", "jsonpatch.escapeKey", "lowerAscii", "upperAscii", "substring", "trim"), _traverse_target(1)),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _traverse_target(1, False)),
}  # fmt: skip
