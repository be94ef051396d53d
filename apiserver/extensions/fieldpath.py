"""Paths that definitions hold (fieldPath of rules, selectable fields): `.spec.a['b-c']`, checked against the schema.

Upstream: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go ValidFieldPath.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class PathError(ValueError):
    """A path that is malformed or leads nowhere; the text is upstream's."""


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        if text[at] == "'":
            end = at + 1
            while end < len(text) and (text[end] != "'" or text[end - 1] == "\\"):
                end += 1
            yield text[at : end + 1]
            at = end + 1
        elif text[at] in ".[]":
            yield text[at]
            at += 1
        else:
            end = at
            while end < len(text) and text[end] not in ".[]":
                end += 1
            yield text[at:end]
            at = end


def _unescape(text: str) -> str:
    def one(m: re.Match[str]) -> str:
        if m[1] not in _ESCAPES:
            raise PathError(f"invalid string literal: invalid escape char {m[0]}")
        return _ESCAPES[m[1]]

    return re.sub(r"\\(.)", one, text)


def resolve(path: str, schema: Schema, *, brackets: bool = True) -> tuple[list[str], str, Schema]:
    """The named parts of a path, the path as upstream prints it, and the schema it leads to. Raises PathError."""
    parts: list[str] = []
    shown = ""
    tokens = _tokens(path)
    for token in tokens:
        if token not in ".[":
            raise PathError(f"expected [ or . but got: {token}")
        if token == "[" and not brackets:
            raise PathError("array notation is not allowed")
        name = next(tokens, None)
        if name is None:
            raise PathError("unexpected end of JSON path")
        if token == "[":
            if len(name) < 2 or name[0] != "'" or name[-1] != "'":
                raise PathError(f"expected single quoted string but got {name}")
            name = _unescape(name[1:-1])
        properties, extra = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            if name not in properties:
                raise PathError("does not refer to a valid field")
            schema = properties[name]
            shown += f".{name}" if shown else name
        elif isinstance(extra, Mapping):
            schema = extra
            shown += f"[{name}]"
        else:
            raise PathError("does not refer to a valid field")
        parts.append(name)
        if token == "[":
            closing = next(tokens, None)
            if closing is None:
                raise PathError("unexpected end of JSON path")
            if closing != "]":
                raise PathError(f"expected ] but got {closing}")
    return parts, shown, schema
