"""What is checked after the types: literals that could never work, aggregates of mixed types, format strings.

Upstream: cel-go cel/validator.go, ext/formatting.go. Issues are (offset, message), as the checker's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from kubepy.api.cel import types as t
from kubepy.api.cel.ast import Call, Const, ListLiteral, MapLiteral, Node
from kubepy.api.cel.children import children
from kubepy.api.cel.lib.standard import regex
from kubepy.api.cel.values import CelError, parse_duration, parse_timestamp

Issue = tuple[int, str]


class Unusable(ValueError):
    """An expression that compiles but cannot be made a program; the text is the reason."""


def validate(root: Node) -> list[Issue]:
    """The issues of a checked expression."""
    out: list[Issue] = []
    _visit(root, False, out)
    return out


def check_program(root: Node) -> None:
    """Raise Unusable where a constant pattern does not compile that `validate` has not looked at."""
    for node in _all(root):
        if not isinstance(node, Call) or node.function not in ("find", "findAll", "matches"):
            continue
        pattern = node.operands()[1:2]
        if pattern and isinstance(pattern[0], Const) and isinstance(pattern[0].value, str):
            try:
                regex(pattern[0].value)
            except CelError as e:
                raise Unusable(str(e)) from None


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _all(child)


def _visit(node: Node, formatting: bool, out: list[Issue]) -> None:
    if isinstance(node, Call):
        _literal(node, out)
        if node.function == "format":
            formatting = True
            _format(node, out)
    elif isinstance(node, ListLiteral) and not formatting:
        _same(((n, i in node.optional) for i, n in enumerate(node.items)), out, first_only=True)
    elif isinstance(node, MapLiteral) and not formatting:
        _same(((k, False) for k, _, _ in node.entries), out)
        _same(((v, optional) for _, v, optional in node.entries), out)
    for child in children(node):
        _visit(child, formatting, out)


_LITERALS: dict[str, Callable[[str], object]] = {"duration": parse_duration, "timestamp": parse_timestamp, "matches": regex}


def _literal(node: Call, out: list[Issue]) -> None:
    check = _LITERALS.get(node.function)
    argument = node.args[0] if node.args else None
    if check is None or not isinstance(argument, Const) or not isinstance(argument.value, str):
        return
    try:
        check(argument.value)
    except CelError:
        out.append((argument.at, f"invalid {node.function} argument"))


def _same(items: Iterator[tuple[Node, bool]], out: list[Issue], *, first_only: bool = False) -> None:
    wanted: t.Type | None = None
    for node, optional in items:
        found = node.type.params[0] if optional and node.type.params else node.type
        if wanted is None:
            wanted = found
        elif not wanted.same(found):
            out.append((node.at, f"expected type '{wanted}' but found '{found}'"))
            if first_only:
                return


_PRECISION = re.compile(r"\.([0-9]*)")
_CLAUSES: dict[str, tuple[frozenset[str], str]] = {
    "d": (frozenset(("int", "uint")), "decimal clause can only be used on integers"),
    "f": (frozenset(("double", "string")), "fixed-point clause can only be used on doubles"),
    "e": (frozenset(("double", "string")), "scientific clause can only be used on doubles"),
    "b": (frozenset(("int", "uint", "bool")), "only integers and bools can be formatted as binary"),
    "x": (frozenset(("int", "uint", "string", "bytes")), "only integers, byte buffers, and strings can be formatted as hex"),
    "o": (frozenset(("int", "uint")), "octal clause can only be used on integers"),
}
_PRINTABLE = t.SCALARS | {"list", "map", "type"}
_STRINGS = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps"


def _format(node: Call, out: list[Issue]) -> None:
    if not isinstance(node.target, Const) or not isinstance(node.target.value, str) or len(node.args) != 1:
        return
    given = node.args[0]
    if not isinstance(given, ListLiteral):
        return
    template, used, at = node.target.value, 0, 0
    while at < len(template):
        if template[at] != "%":
            at += 1
            continue
        if template[at + 1 : at + 2] == "%":
            at += 2
            continue
        at += 1
        if at >= len(template):
            out.append((node.at, "unexpected end of string"))
            return
        if used >= len(given.items):
            out.append((node.at, f"index {used} out of range"))
            return
        if m := _PRECISION.match(template, at):
            at = m.end()
            if at >= len(template):
                text = "could not find end of precision specifier"
                out.append((node.at, f"could not parse formatting clause: error while parsing precision: {text}"))
                return
            if not m[1]:
                text = 'error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax'
                out.append((node.at, f"could not parse formatting clause: error while parsing precision: {text}"))
                return
        problem = _clause(template[at], given.items[used])
        if problem is not None:
            out.append((problem[0] if problem[0] >= 0 else node.at, problem[1]))
            return
        used += 1
        at += 1
    if len(given.items) > used:
        out.append((node.at, f"too many arguments supplied to string.format (expected {used}, got {len(given.items)})"))


def _clause(verb: str, argument: Node) -> tuple[int, str] | None:
    if verb == "s":
        bad = _unprintable(argument)
        return None if bad is None else (bad.at, f"error during formatting: {_STRINGS}, was given {bad.type.name}")
    found = _CLAUSES.get(verb.lower() if verb == "X" else verb)
    if found is None:
        return -1, f'could not parse formatting clause: unrecognized formatting clause "{verb}"'
    kinds, text = found
    if argument.type.kind == "dyn" or argument.type.kind in kinds:
        return None
    return argument.at, f"error during formatting: {text}, was given {argument.type.name}"


def _unprintable(node: Node) -> Node | None:
    """The first part that has no text."""
    if node.type.kind != "dyn" and node.type.kind not in _PRINTABLE:
        return node
    parts = node.items if isinstance(node, ListLiteral) else []
    if isinstance(node, MapLiteral):
        parts = [n for k, v, _ in node.entries for n in (k, v)]
    return next((bad for part in parts if (bad := _unprintable(part)) is not None), None)
