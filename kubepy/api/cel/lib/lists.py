"""Lists and sets: Kubernetes' own list functions (pkg/cel/library/lists.go), cel-go's ext lists (version 3) and ext sets."""

from __future__ import annotations

import itertools
from functools import cmp_to_key, reduce
from typing import Any

from kubepy.api.cel.functions import Table, functions, members
from kubepy.api.cel.values import (
    NONE,
    CelError,
    Duration,
    Optional,
    UInt,
    checked_int,
    checked_uint,
    compare,
    contains,
    equals,
    no_overload,
)

TABLE: Table = {}


def _sorted(values: list[Any]) -> bool:
    return all(compare(a, b) <= 0 for a, b in itertools.pairwise(values))


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, bool) or isinstance(b, bool):
        raise no_overload()
    if isinstance(a, Duration) and isinstance(b, Duration):
        return Duration(a.ns + b.ns)
    if isinstance(a, UInt) and isinstance(b, UInt):
        return checked_uint(int(a) + int(b))
    if isinstance(a, int) and isinstance(b, int):
        return checked_int(a + b)
    if isinstance(a, float) and isinstance(b, float):
        return a + b
    raise no_overload()


def _best(name: str, sign: int) -> Any:
    def run(values: list[Any]) -> Any:
        if not values:
            raise CelError(f"{name} called on empty list")
        return reduce(lambda a, b: b if compare(b, a) * sign > 0 else a, values)

    return run


def _index_of(values: list[Any], item: Any) -> int:
    return next((i for i, v in enumerate(values) if equals(v, item)), -1)


def _last_index_of(values: list[Any], item: Any) -> int:
    return next((i for i in range(len(values) - 1, -1, -1) if equals(values[i], item)), -1)


def _includes(values: Any, item: Any) -> bool:
    return contains(item, values) if isinstance(values, list) else equals(values, item)


_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
for _kind in _COMPARABLE:
    members(TABLE, [
        ("isSorted", f"list({_kind}) -> bool", _sorted), ("min", f"list({_kind}) -> {_kind}", _best("min", -1)),
        ("max", f"list({_kind}) -> {_kind}", _best("max", 1)),
    ])  # fmt: skip
for _kind, _zero in (("int", 0), ("uint", UInt(0)), ("double", 0.0), ("duration", Duration(0))):
    members(TABLE, [("sum", f"list({_kind}) -> {_kind}", lambda v, zero=_zero: reduce(_add, v) if v else zero)])
members(TABLE, [
    ("indexOf", "list(A), A -> int", _index_of), ("lastIndexOf", "list(A), A -> int", _last_index_of),
    ("includes", "dyn, dyn -> bool", _includes),
])  # fmt: skip


def _slice(values: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise CelError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise CelError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if end > len(values):
        raise CelError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return values[start:end]


def _flatten(values: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    out: list[Any] = []
    for v in values:
        out += _flatten(v, depth - 1) if isinstance(v, list) and depth > 0 else [v]
    return out


def _distinct(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for v in values:
        if not contains(v, out):
            out.append(v)
    return out


def _range(count: int) -> list[int]:
    return list(range(count))


members(TABLE, [
    ("slice", "list(A), int, int -> list(A)", _slice), ("flatten", "list(list(A)) -> list(A)", _flatten),
    ("flatten", "list(dyn), int -> list(dyn)", _flatten),
    ("distinct", "list(A) -> list(A)", _distinct), ("reverse", "list(A) -> list(A)", lambda v: v[::-1]),
    ("first", "list(A) -> optional(A)", lambda v: Optional(v[0]) if v else NONE),
    ("last", "list(A) -> optional(A)", lambda v: Optional(v[-1]) if v else NONE),
])  # fmt: skip
for _kind in _COMPARABLE:
    members(TABLE, [("sort", f"list({_kind}) -> list({_kind})", lambda v: sorted(v, key=cmp_to_key(compare)))])


def _holds(a: list[Any], b: list[Any]) -> bool:
    return all(contains(x, a) for x in b)


functions(TABLE, [
    ("lists.range", "int -> list(int)", _range), ("sets.contains", "list(A), list(A) -> bool", _holds),
    ("sets.equivalent", "list(A), list(A) -> bool", lambda a, b: _holds(a, b) and _holds(b, a)),
    ("sets.intersects", "list(A), list(A) -> bool", lambda a, b: any(contains(x, b) for x in a)),
])  # fmt: skip
