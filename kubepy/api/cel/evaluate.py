"""Evaluation: a checked tree becomes nested closures over an environment of variables.

Every closure takes the environment, a dict from slot names to values (comprehension variables have slots of their own), and
returns a value or raises CelError.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import cmp_to_key
from typing import Any

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
from kubepy.api.cel.checker import walk
from kubepy.api.cel.functions import dispatch
from kubepy.api.cel.values import NONE, CelError, Optional, Struct, compare, equals, no_overload, type_name

Env = dict[str, Any]
Run = Callable[[Env], Any]

BUDGET = "#budget"
"""The slot of the remaining cost of loops, a one-element list; absent: unlimited."""
_MISSING: Any = object()
_DIRECT = frozenset({"bool", "int", "uint", "double", "string", "bytes", "duration", "timestamp", "list", "map", "opaque", "object"})


def compile_node(node: Node) -> Run:
    """The closure of a checked node."""
    return _COMPILERS[type(node)](node)


def _const(node: Const) -> Run:
    value = node.value
    return lambda env: value


def _ident(node: Ident) -> Run:
    if node.constant is not None:
        named = node.constant
        return lambda env: named
    return _variable(node.slot, node.name)


def _variable(slot: str, name: str) -> Run:
    def read(env: Env) -> Any:
        try:
            return env[slot]
        except KeyError:
            raise CelError(f"no such attribute(s): {name}") from None

    return read


def _select(node: Select) -> Run:
    if node.constant is not None:
        named = node.constant
        return lambda env: named
    if node.variable:
        return _variable(node.variable, node.variable)
    operand, key = compile_node(node.operand), node.key
    if node.test:
        return lambda env: _has(operand(env), key)
    if node.optional:
        return lambda env: _optional_field(operand(env), key)

    def select(env: Env) -> Any:
        value = operand(env)
        if isinstance(value, dict):
            try:
                return value[key]
            except KeyError:
                raise CelError(f"no such key: {key}") from None
        if isinstance(value, Optional):
            return _optional_field(value, key)
        raise no_overload()

    return select


def _has(value: Any, key: str) -> bool:
    if isinstance(value, Optional):
        return value.present and _has(value.value, key)
    if isinstance(value, dict):
        return key in value
    raise no_overload()


def _optional_field(value: Any, key: Any) -> Optional:
    if isinstance(value, Optional):
        if not value.present:
            return NONE
        value = value.value
    if isinstance(value, dict):
        found = value.get(key, _MISSING)
        return NONE if found is _MISSING else Optional(found)
    if isinstance(value, list):
        return Optional(value[key]) if isinstance(key, int) and 0 <= key < len(value) else NONE
    raise no_overload()


def _index(value: Any, key: Any) -> Any:
    if isinstance(value, list):
        if isinstance(key, float) and key.is_integer():
            key = int(key)
        if isinstance(key, bool) or not isinstance(key, int):
            raise CelError(f"unsupported index type '{_kind(key)}' in list")
        if 0 <= key < len(value):
            return value[key]
        raise CelError(f"index out of bounds: {key}")
    if isinstance(value, dict):
        try:
            return value[key]
        except (KeyError, TypeError):
            raise CelError(f"no such key: {_shown(key)}") from None
    if isinstance(value, Optional):
        return _optional_field(value, key)
    raise no_overload()


def _kind(value: Any) -> str:
    return str(type_name(value))


def _shown(key: Any) -> str:
    return ("true" if key else "false") if isinstance(key, bool) else str(key)


def _call(node: Call) -> Run:
    name = node.function
    args = [compile_node(a) for a in node.operands()]
    special = _SPECIAL.get(name)
    if special is not None:
        return special(*args)
    overloads = node.overloads
    direct = len(overloads) == 1 and (
        (overloads[0].generic and name in ("_==_", "_!=_")) or all(a.type.kind in _DIRECT for a in node.operands())
    )
    if not direct:
        return lambda env: dispatch(overloads, tuple([a(env) for a in args]))
    impl = overloads[0].impl
    if len(args) == 1:
        (one,) = args
        return lambda env: impl(one(env))
    if len(args) == 2:
        one, two = args
        right = node.operands()[1]
        if isinstance(right, Const):
            value = right.value
            return lambda env: impl(one(env), value)
        return lambda env: impl(one(env), two(env))
    return lambda env: impl(*[a(env) for a in args])


def _bool(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise no_overload()


def _and(a: Run, b: Run) -> Run:
    def run(env: Env) -> bool:
        try:
            if not _bool(a(env)):
                return False
        except CelError:
            # An error on one side does not matter when the other side decides.
            if _bool(b(env)):
                raise
            return False
        return _bool(b(env))

    return run


def _or(a: Run, b: Run) -> Run:
    def run(env: Env) -> bool:
        try:
            if _bool(a(env)):
                return True
        except CelError:
            if _bool(b(env)):
                return True
            raise
        return _bool(b(env))

    return run


def _conditional(a: Run, b: Run, c: Run) -> Run:
    return lambda env: b(env) if _bool(a(env)) else c(env)


_SPECIAL: dict[str, Callable[..., Run]] = {
    "_&&_": _and,
    "_||_": _or,
    "_?_:_": _conditional,
    "_[_]": lambda a, b: lambda env: _index(a(env), b(env)),
    "_[?_]": lambda a, b: lambda env: _optional_field(a(env), b(env)),
    "or": lambda a, b: lambda env: _optional_or(a(env), b, env),
    "orValue": lambda a, b: lambda env: _or_value(a(env), b, env),
}


def _optional_or(value: Any, other: Run, env: Env) -> Any:
    if not isinstance(value, Optional):
        raise no_overload()
    return value if value.present else other(env)


def _or_value(value: Any, other: Run, env: Env) -> Any:
    if not isinstance(value, Optional):
        raise no_overload()
    return value.value if value.present else other(env)


def _list(node: ListLiteral) -> Run:
    items = [compile_node(i) for i in node.items]
    if not node.optional:
        return lambda env: [i(env) for i in items]
    optional = node.optional

    def build(env: Env) -> list[Any]:
        out = []
        for i, item in enumerate(items):
            value = item(env)
            if i not in optional:
                out.append(value)
            elif isinstance(value, Optional) and value.present:
                out.append(value.value)
        return out

    return build


def _map(node: MapLiteral) -> Run:
    entries = [(compile_node(k), compile_node(v), optional) for k, v, optional in node.entries]

    def build(env: Env) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for k, v, optional in entries:
            key, value = k(env), v(env)
            if optional:
                if not value.present:
                    continue
                value = value.value
            try:
                if key in out:
                    raise CelError(f"Failed with repeated key {_shown(key)}")
                out[key] = value
            except TypeError:
                raise CelError(f"unsupported key type: {_kind(key)}") from None
        return out

    return build


def _struct(node: StructLiteral) -> Run:
    fields = [(name, compile_node(v), optional) for name, v, optional, _ in node.fields]
    type_name = node.name

    def build(env: Env) -> Struct:
        out: dict[str, Any] = {}
        for name, value, optional in fields:
            found = value(env)
            if not optional:
                out[name] = found
            elif found.present:
                out[name] = found.value
        return Struct(type_name, out)

    return build


def _pairs(value: Any, two: bool) -> Iterator[tuple[Any, Any]]:
    """What the variables range over; for one variable only the first of each pair counts."""
    if isinstance(value, list):
        return enumerate(value) if two else ((v, v) for v in value)
    if isinstance(value, dict):
        return iter(value.items())
    raise no_overload()


def _spend(env: Env, cost: int) -> None:
    budget = env.get(BUDGET)
    if budget is not None:
        budget[0] -= cost
        if budget[0] < 0:
            raise CelError("operation cancelled: actual cost limit exceeded")


def _comprehension(node: Comprehension) -> Run:
    over, body = compile_node(node.over), compile_node(node.body)
    where = compile_node(node.where) if node.where is not None else None
    first, second = node.slots
    two = bool(second)
    cost = len(walk(node.body)) + 1
    kind = node.kind

    def steps(env: Env) -> Iterator[tuple[Any, Any]]:
        for key, value in _pairs(over(env), two):
            _spend(env, cost)
            env[first] = key
            if two:
                env[second] = value
            if where is None or _bool(where(env)):
                yield key, value

    return _LOOPS[kind](steps, body)


Steps = Callable[[Env], Iterator[tuple[Any, Any]]]


def _all(steps: Steps, body: Run) -> Run:
    def run(env: Env) -> bool:
        error: CelError | None = None
        for _ in steps(env):
            try:
                if not _bool(body(env)):
                    return False
            except CelError as e:
                error = e
        if error is not None:
            raise error
        return True

    return run


def _exists(steps: Steps, body: Run) -> Run:
    def run(env: Env) -> bool:
        error: CelError | None = None
        for _ in steps(env):
            try:
                if _bool(body(env)):
                    return True
            except CelError as e:
                error = e
        if error is not None:
            raise error
        return False

    return run


def _exists_one(steps: Steps, body: Run) -> Run:
    return lambda env: sum(_bool(body(env)) for _ in steps(env)) == 1


def _filter(steps: Steps, body: Run) -> Run:
    return lambda env: [key for key, _ in steps(env) if _bool(body(env))]


def _transform_list(steps: Steps, body: Run) -> Run:
    return lambda env: [body(env) for _ in steps(env)]


def _transform_map(steps: Steps, body: Run) -> Run:
    return lambda env: {key: body(env) for key, _ in steps(env)}


def _transform_entries(steps: Steps, body: Run) -> Run:
    def run(env: Env) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for _ in steps(env):
            entry = body(env)
            if not isinstance(entry, dict):
                raise no_overload()
            for key, value in entry.items():
                if key in out:
                    raise CelError(f"insert failed: key {_shown(key)} already exists")
                out[key] = value
        return out

    return run


def _by_key(a: tuple[Any, Any], b: tuple[Any, Any]) -> int:
    return compare(a[0], b[0])


def _sort_by(steps: Steps, body: Run) -> Run:
    def run(env: Env) -> list[Any]:
        keyed = [(body(env), key) for key, _ in steps(env)]
        return [item for _, item in sorted(keyed, key=cmp_to_key(_by_key))]

    return run


_LOOPS: dict[str, Callable[[Steps, Run], Run]] = {
    "all": _all, "exists": _exists, "existsOne": _exists_one, "filter": _filter, "map": _transform_list, "sortBy": _sort_by,
    "transformList": _transform_list, "transformMap": _transform_map, "transformMapEntry": _transform_entries,
}  # fmt: skip


def _optional_map(node: OptionalMap) -> Run:
    target, body, slot, flat = compile_node(node.target), compile_node(node.body), node.slot, node.flat

    def run(env: Env) -> Any:
        value = target(env)
        if not isinstance(value, Optional):
            raise no_overload()
        if not value.present:
            return NONE
        env[slot] = value.value
        result = body(env)
        return result if flat else Optional(result)

    return run


_COMPILERS: dict[type, Callable[..., Run]] = {
    Const: _const, Ident: _ident, Select: _select, Call: _call, ListLiteral: _list, MapLiteral: _map, StructLiteral: _struct,
    Comprehension: _comprehension, OptionalMap: _optional_map,
}  # fmt: skip


def not_equals(a: Any, b: Any) -> bool:
    """CEL's `!=`."""
    return not equals(a, b)


LESS = {"_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge}
"""Comparisons of values whose static types have Python's order."""
