"""JSON as Go's decoder sees it: its error messages, and the duplicate keys that fast parsers drop. Pure.

Only walked when a body is malformed or when duplicates must be named; the fast path never comes here.
"""

from __future__ import annotations

import json
from typing import Any

_SPACE = b" \t\r\n"
_NUMBER_START = b"-0123456789"
_HEX = b"0123456789abcdefABCDEF"


class SyntaxProblem(ValueError):
    """What encoding/json says about the input."""


def _quote(c: int) -> str:
    if c == 0x27:
        return r"'\''"
    if c == 0x22:
        return "'\"'"
    char = chr(c)
    if 0x20 <= c < 0x7F:
        return f"'{char}'" if char != "\\" else r"'\\'"
    simple = {7: r"\a", 8: r"\b", 12: r"\f", 10: r"\n", 13: r"\r", 9: r"\t", 11: r"\v"}
    if c in simple:
        return f"'{simple[c]}'"
    if c < 0x20 or c == 0x7F:
        return f"'\\x{c:02x}'"
    return f"'{char}'" if char.isprintable() else f"'\\u{c:04x}'"


class _Scanner:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def fail(self, context: str) -> SyntaxProblem:
        if self.at >= len(self.data):
            return SyntaxProblem("unexpected end of JSON input")
        return SyntaxProblem(f"invalid character {_quote(self.data[self.at])} {context}")

    def peek(self) -> int:
        while self.at < len(self.data) and self.data[self.at] in _SPACE:
            self.at += 1
        return self.data[self.at] if self.at < len(self.data) else -1

    def value(self) -> None:
        c = self.peek()
        if c == 0x7B:
            self.object()
        elif c == 0x5B:
            self.array()
        elif c == 0x22:
            self.string()
        elif c in (0x74, 0x66, 0x6E):
            self.literal({0x74: "true", 0x66: "false", 0x6E: "null"}[c])
        elif c != -1 and c in _NUMBER_START:
            self.number()
        else:
            raise self.fail("looking for beginning of value")

    def object(self) -> None:
        self.at += 1
        if self.peek() == 0x7D:
            self.at += 1
            return
        while True:
            if self.peek() != 0x22:
                raise self.fail("looking for beginning of object key string")
            self.string()
            if self.peek() != 0x3A:
                raise self.fail("after object key")
            self.at += 1
            self.value()
            c = self.peek()
            if c == 0x7D:
                self.at += 1
                return
            if c != 0x2C:
                raise self.fail("after object key:value pair")
            self.at += 1

    def array(self) -> None:
        self.at += 1
        if self.peek() == 0x5D:
            self.at += 1
            return
        while True:
            self.value()
            c = self.peek()
            if c == 0x5D:
                self.at += 1
                return
            if c != 0x2C:
                raise self.fail("after array element")
            self.at += 1

    def string(self) -> None:
        data = self.data
        self.at += 1
        while self.at < len(data):
            c = data[self.at]
            if c == 0x22:
                self.at += 1
                return
            if c < 0x20:
                raise self.fail("in string literal")
            self.at += 1
            if c == 0x5C:
                if self.at < len(data) and data[self.at] in b'bfnrt\\/"':
                    self.at += 1
                elif self.at < len(data) and data[self.at] == 0x75:
                    self.at += 1
                    for _ in range(4):
                        if self.at >= len(data) or data[self.at] not in _HEX:
                            raise self.fail("in \\u hexadecimal character escape")
                        self.at += 1
                else:
                    raise self.fail("in string escape code")
        raise self.fail("")

    def literal(self, word: str) -> None:
        for i, expected in enumerate(word):
            if self.at >= len(self.data) or self.data[self.at] != ord(expected):
                raise self.fail(f"in literal {word} (expecting '{expected}')")
            self.at += 1
            del i

    def _digits(self) -> None:
        while self.at < len(self.data) and self.data[self.at] in b"0123456789":
            self.at += 1

    def _digit(self, context: str) -> None:
        if self.at >= len(self.data) or self.data[self.at] not in b"0123456789":
            raise self.fail(context)

    def number(self) -> None:
        data = self.data
        if data[self.at] == 0x2D:
            self.at += 1
            self._digit("in numeric literal")
        if data[self.at] == 0x30:
            self.at += 1
        else:
            self._digits()
        if self.at < len(data) and data[self.at] == 0x2E:
            self.at += 1
            self._digit("after decimal point in numeric literal")
            self._digits()
        if self.at < len(data) and data[self.at] in b"eE":
            self.at += 1
            if self.at < len(data) and data[self.at] in b"+-":
                self.at += 1
            self._digit("in exponent of numeric literal")
            self._digits()


def problem(data: bytes) -> str:
    """What encoding/json says about malformed `data`; an empty string if nothing is wrong with it."""
    scanner = _Scanner(data)
    try:
        scanner.value()
        if scanner.peek() != -1:
            raise scanner.fail("after top-level value")
    except SyntaxProblem as e:
        return str(e)
    except RecursionError:
        return "exceeded max depth"
    return ""


class _Doubled(dict[str, Any]):
    names: tuple[str, ...] = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) == len(pairs):
        return out
    seen: set[str] = set()
    doubled: dict[str, None] = {}
    for key, _ in pairs:
        if key in seen:
            doubled[key] = None
        seen.add(key)
    found = _Doubled(out)
    found.names = tuple(doubled)
    return found


def duplicates(data: bytes) -> list[str]:
    """Paths of the keys that occur twice in one object, such as `data.k` or `spec.containers[0].name`, in document order."""
    try:
        parsed = json.loads(data, object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        return []
    out: list[str] = []
    _walk(parsed, "", out)
    return out


def _walk(value: Any, path: str, out: list[str]) -> None:
    if isinstance(value, dict):
        doubled = value.names if isinstance(value, _Doubled) else ()
        for key, child in value.items():
            at = f"{path}.{key}" if path else key
            if key in doubled:
                out.append(at)
            if isinstance(child, (dict, list)):
                _walk(child, at, out)
    elif isinstance(value, list):
        for i, child in enumerate(value):
            if isinstance(child, (dict, list)):
                _walk(child, f"{path}[{i}]", out)


def go_kind(value: Any) -> str:
    """What encoding/json calls a value's kind."""
    if isinstance(value, bool):
        return "bool"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")
