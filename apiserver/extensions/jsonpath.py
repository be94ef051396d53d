"""JSONPath as printer columns and field selectors use it: names, indexes, wildcards, slices, filters, recursive descent.

The dialect is client-go's (util/jsonpath): missing keys yield nothing. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import orjson

Step = Callable[[list[Any]], list[Any]]


class JSONPathError(ValueError):
    """A path that cannot be parsed."""


@lru_cache(maxsize=2048)
def parse(path: str) -> Callable[[Any], list[Any]]:
    """A function from objects to all values at `path` (`.spec.a[0]`). Raises JSONPathError."""
    steps = list(_steps(path))

    def find(obj: Any) -> list[Any]:
        values = [obj]
        for step in steps:
            values = step(values)
        return values

    return find


_NAME = re.compile(r"\.((?:[^.\[\]\\]|\\.)+)")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(-?\d+))?")
_FILTER = re.compile(r"\?\(\s*@(?P<left>\.[^=!<>\s]*|)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<right>.+?))?\s*\)")


def _steps(path: str) -> Iterator[Step]:
    path = path.removeprefix("$")
    at = 0
    while at < len(path):
        if path.startswith("..", at):
            yield _descend
            at += 1
            if path.startswith(".[", at):
                at += 1
            continue
        if path[at] == "[":
            end = _closing(path, at)
            yield from _brackets(path[at + 1 : end])
            at = end + 1
            continue
        found = _NAME.match(path, at)
        if found is None:
            if path[at:] == ".":
                return
            raise JSONPathError(f"unrecognized character in action: {path[at]!r}")
        name = re.sub(r"\\(.)", r"\1", found[1])
        yield _every if name == "*" else _member(name)
        at = found.end()


def _closing(path: str, at: int) -> int:
    depth, quote = 0, ""
    for i in range(at, len(path)):
        c = path[i]
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c == "[":
            depth += 1
        elif c == "]":
            depth -= 1
            if not depth:
                return i
    raise JSONPathError("unterminated array")


def _brackets(body: str) -> Iterator[Step]:
    body = body.strip()
    if body == "*":
        yield _every
    elif body[:1] in ("'", '"'):
        names = [n.strip().strip("'\"") for n in body.split(",")]
        yield lambda values: [m for name in names for m in _member(name)(values)]
    elif body.startswith("?"):
        yield _filter(body)
    elif re.fullmatch(r"-?\d+(?:\s*,\s*-?\d+)*", body):
        indexes = [int(i) for i in body.split(",")]
        yield lambda values: [v[i] for v in values if isinstance(v, list) for i in indexes if -len(v) <= i < len(v)]
    elif (found := _SLICE.fullmatch(body)) is not None:
        part = slice(*(int(g) if g else None for g in found.groups()))
        yield lambda values: [x for v in values if isinstance(v, list) for x in v[part]]
    else:
        raise JSONPathError(f"invalid array index {body}")


def _member(name: str) -> Step:
    return lambda values: [v[name] for v in values if isinstance(v, dict) and name in v]


def _every(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for v in values:
        out += v if isinstance(v, list) else v.values() if isinstance(v, dict) else []
    return out


def _descend(values: list[Any]) -> list[Any]:
    out: list[Any] = []
    for v in values:
        if isinstance(v, (dict, list)):
            out.append(v)
            out += _descend(list(v.values()) if isinstance(v, dict) else v)
    return out


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b), "!=": lambda a, b: bool(a != b), "<": lambda a, b: bool(a < b), ">": lambda a, b: bool(a > b),
    "<=": lambda a, b: bool(a <= b), ">=": lambda a, b: bool(a >= b),
}  # fmt: skip


def _filter(body: str) -> Step:
    found = _FILTER.fullmatch(body)
    if found is None:
        raise JSONPathError(f"unrecognized filter {body}")
    left = parse(found["left"]) if found["left"] else (lambda v: [v])
    if not found["op"]:
        return lambda values: [x for x in _items(values) if left(x)]
    test, right = _TESTS[found["op"]], _operand(found["right"])

    def step(values: list[Any]) -> list[Any]:
        out = []
        for x in _items(values):
            pairs = [(a, b) for a in left(x) for b in right(x)]
            out += [x for a, b in pairs if isinstance(a, str) == isinstance(b, str) and test(a, b)]
        return out

    return step


def _items(values: list[Any]) -> Iterator[Any]:
    for v in values:
        if isinstance(v, list):
            yield from v


def _operand(text: str) -> Callable[[Any], list[Any]]:
    if text.startswith("@"):
        return parse(text[1:])
    if text[:1] in ("'", '"'):
        literal: Any = text[1:-1]
    else:
        try:
            literal = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise JSONPathError(f"unrecognized filter operand {text}") from None
    return lambda _x: [literal]
