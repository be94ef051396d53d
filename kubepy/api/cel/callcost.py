"""What calls cost, by function and overload: cel-go's own rules and those of the libraries (checker/cost.go, ext/{lists,sets}.go, and
Kubernetes' pkg/cel/library/cost.go).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from kubepy.api.cel import types as t
from kubepy.api.cel.ast import Call, Const, Node
from kubepy.api.cel.cost import LIST_BASE, ONE, STRUCT_BASE, ZERO, Estimator, Range, fixed
from kubepy.api.cel.functions import Overload

TRAVERSAL = 0.1
REGEX = 0.25


class Estimate(NamedTuple):
    """Cost of a call, and the size of its result where that is known."""

    cost: Range
    size: Range | None = None


Rule = Callable[[Estimator, Call], Estimate]


def call_cost(e: Estimator, node: Call, overload: Overload | None, costs: list[Range]) -> Estimate:
    """The cost of one overload of a call with its arguments (the target is counted elsewhere)."""
    spent = ZERO
    for cost in costs:
        spent = spent.plus(cost)
    if node.function in ("_&&_", "_||_"):
        return Estimate(Range(costs[0].low, costs[0].plus(costs[1]).high))
    if node.function == "_?_:_":
        yes, no = node.args[1], node.args[2]
        one, two = e.entry(yes), e.entry(no)
        e.learn(node, None, one.union(two) if one is not None and two is not None else None)
        return Estimate(costs[0].plus(costs[1].union(costs[2])), e.size(yes).union(e.size(no)))
    kinds = tuple(p.kind for p in (overload.params if overload is not None else [n.type for n in node.operands()]))
    found = _of_operator(e, node, kinds)
    if found is None:
        rule = _RULES.get(node.function)
        found = rule(e, node) if rule is not None else Estimate(ONE)
    return Estimate(found.cost.plus(spent), found.size)


def _of_operator(e: Estimator, node: Call, kinds: tuple[str, ...]) -> Estimate | None:
    function, operands = node.function, node.operands()
    if function == "_+_" and kinds[:1] and kinds[0] in ("string", "bytes", "list"):
        a, b = operands
        size = e.size(a).plus(e.size(b))
        one, two = e.entry(a), e.entry(b)
        e.learn(node, None, one.union(two) if one is not None and two is not None else None)
        return Estimate(ONE if kinds[0] == "list" else size.factor(TRAVERSAL), size)
    if function in ("_==_", "_!=_"):
        return _same_library_type(operands) or _compared(e, operands) if function == "_==_" else _compared(e, operands)
    if function in ("_<_", "_<=_", "_>_", "_>=_"):
        return _compared(e, operands) if kinds[0] in ("string", "bytes") else Estimate(ONE)
    if function == "@in":
        return Estimate(e.size(operands[1]) if kinds[1] == "list" else ONE)
    if function == "bytes" and kinds == ("string",):
        size = e.size(operands[0])
        return Estimate(size.factor(TRAVERSAL), Range(size.low, min(size.high * 4, t.UNBOUNDED)))
    if function == "string" and kinds == ("bytes",):
        size = e.size(operands[0])
        return Estimate(size.factor(TRAVERSAL), Range(size.low // 4, size.high))
    return None


def _compared(e: Estimator, operands: list[Node]) -> Estimate:
    """Up to the shorter one."""
    high = min(e.size(operands[0]).high, e.size(operands[1]).high)
    return Estimate(Range(1 if high else 0, high).factor(TRAVERSAL))


def _same_library_type(operands: list[Node]) -> Estimate | None:
    a, b = operands[0].type, operands[1].type
    if a.kind != "opaque" or not a.same(b) or not a.name.startswith(("kubernetes.", "net.")):
        return None
    return Estimate(Range(1, 64).factor(TRAVERSAL) if a.name == "kubernetes.NamedFormat" else ONE)


def _traverse(times: float, *, sized: bool = False) -> Rule:
    def rule(e: Estimator, node: Call) -> Estimate:
        size = e.size(node.operands()[0])
        return Estimate(size.factor(times * TRAVERSAL), size if sized else None)

    return rule


def _prefix(e: Estimator, node: Call) -> Estimate:
    return Estimate(e.size(node.args[0]).factor(TRAVERSAL)) if node.target is not None else Estimate(ONE)


def _contains(e: Estimator, node: Call) -> Estimate:
    a, b = node.operands()
    return Estimate(e.size(a).factor(TRAVERSAL).times(e.size(b).factor(TRAVERSAL)))


def _pattern(e: Estimator, node: Call) -> Estimate:
    if node.target is None:
        return Estimate(ONE)
    text = e.size(node.target)
    cost = text.plus(ONE).factor(TRAVERSAL).times(e.size(node.args[0]).factor(REGEX))
    return Estimate(cost, None if node.function == "matches" else Range(0, text.high))


def _list_walk(e: Estimator, node: Call) -> Estimate:
    target = node.operands()[0]
    item = e.item(target)
    if item is None:
        return Estimate(e.size(target).factor(TRAVERSAL))
    each = ONE
    if item[0].kind in ("string", "bytes"):
        each = each.plus(item[1].factor(TRAVERSAL))
    return Estimate(e.size(target).times(each))


def _replace(e: Estimator, node: Call) -> Estimate:
    text, old, new = (e.size(n) for n in node.operands()[:3])
    if old.low == 0:
        most, kept_most = min(text.high + 1, t.UNBOUNDED), text.high
    elif new.high <= old.low:
        most, kept_most = 0, text.high
    else:
        most, kept_most = math.ceil(text.high / old.low), 0
    if old.high == 0:
        least, kept_least = min(text.low + 1, t.UNBOUNDED), text.low
    elif old.high <= new.low:
        least, kept_least = 0, text.low
    else:
        least, kept_least = math.ceil(text.low / old.high), 0
    return Estimate(text.factor(2 * TRAVERSAL), Range(least, most).times(new).plus(Range(kept_least, kept_most)))


def _integer(node: Node, default: int) -> int:
    return max(node.value, 0) if isinstance(node, Const) and node.type.kind == "int" else default


def _split(e: Estimator, node: Call) -> Estimate:
    operands = node.operands()
    text = e.size(operands[0])
    high = operands[2].value % 2**64 if len(operands) > 2 and isinstance(operands[2], Const) else text.high
    return Estimate(text.factor(2 * TRAVERSAL), Range(0, high))


def _join(e: Estimator, node: Call) -> Estimate:
    operands = node.operands()
    count = e.size(operands[0])
    item = e.item(operands[0])
    size = count.times(item[1]) if item is not None else ZERO
    if len(operands) > 1:
        size = size.plus(e.size(operands[1]).times(Range(max(count.low - 1, 0), max(count.high - 1, 0))))
    return Estimate(size.factor(TRAVERSAL), size)


def _network(e: Estimator, node: Call) -> Estimate:
    size = Range(4, 16)
    cost = size.plus(size).factor(TRAVERSAL)
    if node.function == "containsCIDR":
        cost = cost.plus(size.factor(TRAVERSAL)).plus(ONE)
    if node.args[0].type.kind == "string":
        cost = cost.plus(e.size(node.args[0]).factor(TRAVERSAL))
    return Estimate(cost)


def _ip(e: Estimator, node: Call) -> Estimate:
    return Estimate(ONE) if node.target is not None else _traverse(1)(e, node)


def _selector(e: Estimator, node: Call) -> Estimate:
    size = e.size(node.args[0])
    return Estimate(fixed(LIST_BASE).plus(size.factor(TRAVERSAL)).plus(size.factor(0.5).factor(LIST_BASE + STRUCT_BASE)))


def _validate(e: Estimator, node: Call) -> Estimate:
    return Estimate(e.size(node.args[0]).factor(TRAVERSAL).factor(128 * REGEX))


def _allocates(by: float, size: Range) -> Estimate:
    """A list of that size is made, with so much work for each item."""
    return Estimate(size.factor(by).plus(ONE).plus(fixed(LIST_BASE)), size)


def _slice(e: Estimator, node: Call) -> Estimate:
    start, end = node.args
    return _allocates(1, fixed((_integer(end, e.size(node.operands()[0]).high) - _integer(start, 0)) % 2**64))


def _range(e: Estimator, node: Call) -> Estimate:
    return _allocates(1, fixed(_integer(node.args[0], t.UNBOUNDED)))


def _flatten(e: Estimator, node: Call) -> Estimate:
    return _allocates(float(_integer(node.args[0], t.UNBOUNDED)) if node.args else 1.0, e.size(node.operands()[0]))


def _squared(by: float, of: Range) -> Estimate:
    return _allocates(by, of.times(of))


def _sort(e: Estimator, node: Call) -> Estimate:
    keys = node.args[0] if node.args else node.operands()[0]
    text = bool(keys.type.params) and keys.type.params[0].kind in ("string", "bytes")
    return _squared(2 + TRAVERSAL if text else 2, e.size(keys))


def _sets(by: float) -> Rule:
    return lambda e, node: Estimate(e.size(node.args[0]).times(e.size(node.args[1])).factor(by).plus(ONE))


_RULES: dict[str, Rule] = {
    "startsWith": _prefix, "endsWith": _prefix, "contains": _contains, "matches": _pattern, "find": _pattern, "findAll": _pattern,
    "check": lambda e, n: Estimate(fixed(350_000)), "replace": _replace, "split": _split, "join": _join, "format": _traverse(1),
    "containsIP": _network, "containsCIDR": _network, "ip": _ip, "fieldSelector": _selector, "labelSelector": _selector,
    "validate": _validate, "ip.isCanonical": _traverse(2), "slice": _slice, "lists.range": _range, "flatten": _flatten,
    "reverse": lambda e, n: _allocates(1, e.size(n.operands()[0])), "distinct": lambda e, n: _squared(2, e.size(n.operands()[0])),
    "sort": _sort, "@sortByAssociatedKeys": _sort, "sets.contains": _sets(1), "sets.intersects": _sets(1), "sets.equivalent": _sets(2),
    "strings.quote": lambda e, n: Estimate(
        e.size(n.args[0]).factor(TRAVERSAL), e.size(n.args[0]).times(Range(1, 2)).plus(Range(2, 2))
    ),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _list_walk),
    **dict.fromkeys(("url", "jsonpatch.escapeKey", "lowerAscii", "upperAscii", "substring", "trim"), _traverse(1, sized=True)),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _traverse(1)),
}  # fmt: skip
