"""What macros stand for: comprehension nodes as the folds that cel-go's parser makes of them. Only cost estimates need these.

Upstream: cel-go parser/macro.go, ext/comprehensions.go, ext/lists.go (sortBy), cel/library.go (optMap).
"""

from __future__ import annotations

from kubepy.api.cel import types as t
from kubepy.api.cel.ast import Bind, Call, Comprehension, Const, Fold, Ident, ListLiteral, MapLiteral, Node, OptionalMap


def _ident(at: int, slot: str, type_: t.Type) -> Ident:
    out = Ident(at, slot)
    out.type = type_
    return out


def _call(at: int, function: str, args: list[Node], type_: t.Type, target: Node | None = None) -> Call:
    out = Call(at, function, args, target)
    out.type = type_
    return out


def expand(node: Comprehension | OptionalMap) -> Node:
    """The fold, binding or conditional of a checked macro."""
    if isinstance(node, OptionalMap):
        return _optional(node)
    if node.kind == "sortBy":
        return _sorted(node)
    return _fold(node, node.over)


def _fold(node: Comprehension, over: Node) -> Fold:
    at, kind = node.at, node.kind
    first, second = node.slots
    result = f"@result{id(node)}"
    always: Node = Const(at, True, t.BOOL)

    def accumulator(type_: t.Type) -> Ident:
        return _ident(at, result, type_)

    def fold(start: Node, condition: Node, step: Node, end: Node) -> Fold:
        out = Fold(at, over, first, second, result, start, condition, step, end)
        out.type = node.type
        return out

    if kind in ("all", "exists"):
        universal = kind == "all"
        going: Node = accumulator(t.BOOL) if universal else _call(at, "!_", [accumulator(t.BOOL)], t.BOOL)
        condition = _call(at, "@not_strictly_false", [going], t.BOOL)
        step = _call(at, "_&&_" if universal else "_||_", [accumulator(t.BOOL), node.body], t.BOOL)
        return fold(Const(at, universal, t.BOOL), condition, step, accumulator(t.BOOL))
    if kind == "existsOne":
        one = Const(at, 1, t.INT)
        more = _call(at, "_+_", [accumulator(t.INT), one], t.INT)
        step = _call(at, "_?_:_", [node.body, more, accumulator(t.INT)], t.INT)
        return fold(Const(at, 0, t.INT), always, step, _call(at, "_==_", [accumulator(t.INT), one], t.BOOL))
    type_ = node.type
    if kind in ("filter", "map", "transformList"):
        item = _ident(at, first, type_.params[0] if type_.params else t.DYN) if kind == "filter" else node.body
        where = node.body if kind == "filter" else node.where
        single = ListLiteral(at, [item], frozenset())
        single.type = type_
        step = _call(at, "_+_", [accumulator(type_), single], type_)
        start: Node = ListLiteral(at, [], frozenset())
    else:
        where = node.where
        added = [node.body] if kind == "transformMapEntry" else [_ident(at, first, t.DYN), node.body]
        step = _call(at, "cel.@mapInsert", [accumulator(type_), *added], type_)
        start = MapLiteral(at, [])
    start.type = type_
    if where is not None:
        step = _call(at, "_?_:_", [where, step, accumulator(type_)], type_)
    return fold(start, always, step, accumulator(type_))


def _bind(at: int, slot: str, value: Node, result: Node) -> Bind:
    out = Bind(at, slot, value, result)
    out.type = result.type
    return out


def _sorted(node: Comprehension) -> Node:
    """The input is bound, mapped to its keys, and sorted by them."""
    slot = f"@input{id(node)}"
    given = _ident(node.at, slot, node.over.type)
    keyed = Comprehension(node.at, "map", given, node.first, node.second, None, node.body)
    keyed.slots = node.slots
    keyed.type = t.list_of(node.body.type)
    result = _call(node.at, "@sortByAssociatedKeys", [_fold(keyed, given)], node.type, _ident(node.at, slot, node.over.type))
    return _bind(node.at, slot, node.over, result)


def _optional(node: OptionalMap) -> Node:
    """target.hasValue() ? optional.of(the body with the variable bound to target.value()) : optional.none()"""
    at = node.at
    held = node.target.type.params[0] if node.target.type.params else t.DYN
    body: Node = _bind(at, node.slot, _call(at, "value", [], held, node.target), node.body)
    if not node.flat:
        body = _call(at, "optional.of", [body], node.type)
    there = _call(at, "hasValue", [], t.BOOL, node.target)
    return _call(at, "_?_:_", [there, body, _call(at, "optional.none", [], node.type)], node.type)
