"""Function declarations: names, overloads with their types, and what carries them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kubepy.api.cel import types as t
from kubepy.api.cel.values import Duration, Optional, Timestamp, UInt, no_overload

Implementation = Callable[..., Any]


class Overload:
    """One way to call a function. Type variables in `params` and `result` are the overload's own."""

    __slots__ = ("generic", "impl", "member", "params", "result", "tests")

    def __init__(self, params: tuple[t.Type, ...], result: t.Type, impl: Implementation, *, member: bool, generic: bool) -> None:
        self.params = params
        self.result = result
        self.impl = impl
        self.member = member
        self.generic = generic
        self.tests = tuple(runtime_test(p) for p in params)

    def fits(self, values: Iterable[Any]) -> bool:
        """Whether values of these runtime types may be passed."""
        return all(test is None or test(v) for test, v in zip(self.tests, values, strict=True))


Table = dict[str, list[Overload]]


def split_signature(text: str) -> tuple[list[str], str]:
    """`string, list(A) -> int` as parameters and result."""
    left, _, result = text.rpartition("->")
    params: list[str] = []
    depth, start = 0, 0
    for i, c in enumerate(left):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            params.append(left[start:i])
            start = i + 1
    params.append(left[start:])
    return [p.strip() for p in params if p.strip()], result.strip()


def declare(table: Table, name: str, signature: str, impl: Implementation, *, member: bool = False) -> None:
    """Add an overload; `signature` as in split_signature, a member's target being its first parameter."""
    params, result = split_signature(signature)
    variables: dict[str, t.TypeVar] = {}
    types = tuple(t.parse_type(p, variables) for p in params)
    overload = Overload(types, t.parse_type(result, variables), impl, member=member, generic=bool(variables))
    table.setdefault(name, []).append(overload)


def functions(table: Table, declarations: Iterable[tuple[str, str, Implementation]]) -> None:
    """Declare global functions."""
    for name, signature, impl in declarations:
        declare(table, name, signature, impl)


def members(table: Table, declarations: Iterable[tuple[str, str, Implementation]]) -> None:
    """Declare member functions."""
    for name, signature, impl in declarations:
        declare(table, name, signature, impl, member=True)


_RUNTIME: dict[str, Callable[[Any], bool]] = {
    "bool": lambda v: v is True or v is False,
    "int": lambda v: type(v) is int,
    "uint": lambda v: type(v) is UInt,
    "double": lambda v: type(v) is float,
    "string": lambda v: isinstance(v, str),
    "bytes": lambda v: isinstance(v, bytes),
    "null": lambda v: v is None,
    "list": lambda v: isinstance(v, list),
    "map": lambda v: isinstance(v, dict),
    "object": lambda v: isinstance(v, dict),
    "duration": lambda v: isinstance(v, Duration),
    "timestamp": lambda v: isinstance(v, Timestamp),
    "type": lambda v: isinstance(v, t.Type),
}


def runtime_test(type_: t.Type) -> Callable[[Any], bool] | None:
    """A test of values for a declared type; None where every value will do."""
    if type_.kind in ("dyn", "var"):
        return None
    if type_.kind != "opaque":
        return _RUNTIME[type_.kind]
    if type_.name == "optional_type":
        return lambda v: isinstance(v, Optional)
    return lambda v: getattr(v, "cel_type", t.DYN).name == type_.name


def dispatch(overloads: tuple[Overload, ...], values: tuple[Any, ...]) -> Any:
    """Call the first overload that fits the values; raises CelError when none does."""
    for overload in overloads:
        if overload.fits(values):
            return overload.impl(*values)
    raise no_overload()
