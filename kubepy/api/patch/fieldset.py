"""Sets of field paths, kept as the trie that FieldsV1 is. Pure functions; sets are shared freely and MUST NOT be mutated.

A set is a dict: keys are path elements as FieldsV1 spells them (`f:name`, `k:{"name":"x"}`, `v:"x"`, `i:0`), values the sets
below. An empty value means that the element itself belongs to the set; where it also has children, it holds the key `.`.
The empty dict at the root is the empty set (structured-merge-diff fieldpath/set.go, serialize.go).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

FieldSet = dict[str, Any]

EMPTY: FieldSet = {}
LEAF: FieldSet = {}
SELF = "."


def _join(member: bool, children: FieldSet) -> FieldSet | None:
    """The node with these children that does or does not belong to the set itself; None when nothing is left."""
    if not children:
        return LEAF if member else None
    return {SELF: LEAF, **children} if member else children


def union(a: FieldSet, b: FieldSet) -> FieldSet:
    """What belongs to either."""
    if not a or not b:
        return a or b
    out = dict(a)
    for key, theirs in b.items():
        ours = out.get(key)
        if ours is None:
            out[key] = theirs
        elif ours != theirs:
            if not ours or not theirs:
                rest = ours or theirs
                out[key] = rest if SELF in rest else {SELF: LEAF, **rest}
            else:
                out[key] = union(ours, theirs)
    return out


def intersection(a: FieldSet, b: FieldSet) -> FieldSet:
    """What belongs to both."""
    out: FieldSet = {}
    if len(b) < len(a):
        a, b = b, a
    for key, ours in a.items():
        theirs = b.get(key)
        if theirs is None or key == SELF:
            continue
        children = intersection(ours, theirs) if ours and theirs else EMPTY
        node = _join((not ours or SELF in ours) and (not theirs or SELF in theirs), children)
        if node is not None:
            out[key] = node
    return out


def difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """What belongs to `a` and not to `b`; a member of `b` does not take its children away."""
    if not b or not a:
        return a
    out: FieldSet = {}
    changed = False
    for key, ours in a.items():
        theirs = b.get(key)
        if theirs is None or key == SELF:
            if key != SELF:
                out[key] = ours
            continue
        left = _join((not ours or SELF in ours) and not (not theirs or SELF in theirs), difference(_below(ours), theirs))
        changed = changed or left != ours
        if left is not None:
            out[key] = left
    if not changed:
        return a
    if SELF in a:
        out = {SELF: LEAF, **out} if out else out
    return out


def _below(node: FieldSet) -> FieldSet:
    return {k: v for k, v in node.items() if k != SELF} if SELF in node else node


def recursive_difference(a: FieldSet, b: FieldSet) -> FieldSet:
    """`a` without the members of `b` and all that lies below them."""
    if not b or not a:
        return a
    out: FieldSet = {}
    for key, ours in a.items():
        theirs = b.get(key)
        if theirs is None:
            out[key] = ours
        elif theirs and SELF not in theirs:
            left = _join(not ours or SELF in ours, recursive_difference(_below(ours), theirs))
            if left is not None:
                out[key] = left
    return out


def has(fields: FieldSet, path: tuple[str, ...]) -> bool:
    """Whether the path itself belongs to the set."""
    node: FieldSet | None = fields
    for element in path:
        node = node.get(element) if node else None
        if node is None:
            return False
    return bool(path) and node is not None and (not node or SELF in node)


def of(*paths: tuple[str, ...]) -> FieldSet:
    """The set of these paths."""
    out: FieldSet = {}
    for path in paths:
        node: FieldSet = LEAF
        for element in reversed(path):
            node = {element: node}
        out = union(out, node)
    return out


def paths(fields: FieldSet, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """All members in upstream's order: at each level the members first, then what lies below."""
    keys = sorted((k for k in fields if k != SELF), key=_order)
    for key in keys:
        if not fields[key] or SELF in fields[key]:
            yield (*prefix, key)
    for key in keys:
        yield from paths(fields[key], (*prefix, key))


def _order(key: str) -> tuple[int, str]:
    return "fkvi".find(key[:1]), key


def path_text(path: tuple[str, ...]) -> str:
    """A path as upstream prints it: `.spec.containers[name="x"].image`."""
    return "".join(map(_element_text, path))


def _element_text(element: str) -> str:
    kind, rest = element[:2], element[2:]
    if kind == "f:":
        return f".{rest}"
    if kind == "k:":
        return "[" + ",".join(f"{k}={_value_text(v)}" for k, v in orjson.loads(rest).items()) + "]"
    return f"[={_value_text(orjson.loads(rest))}]" if kind == "v:" else f"[{rest}]"


def _value_text(value: Any) -> str:
    """value.ToString of structured-merge-diff: a map's members follow one another without a word between."""
    if isinstance(value, str):
        return f'"{_escape(value)}"'
    if isinstance(value, list):
        return "[" + ",".join(map(_value_text, value)) + "]"
    if isinstance(value, dict):
        return "".join(f"{k}={_value_text(v)}" for k, v in value.items())
    return orjson.dumps(value).decode()


def _escape(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


def _json(value: Any) -> str:
    """JSON as jsoniter writes it in path elements: keys sorted, HTML escaped."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text


@lru_cache(maxsize=16384, typed=True)
def key_element(names: tuple[str, ...], *values: Any) -> str:
    """The path element of a list item with these key fields (names sorted; absent ones left out by the caller)."""
    return "k:" + _json(dict(zip(names, values, strict=True)))


@lru_cache(maxsize=16384, typed=True)
def value_element(value: Any) -> str:
    """The path element of a set's item."""
    return "v:" + _json(value)


@lru_cache(maxsize=16384)
def field_element(name: str) -> str:
    """The path element of a field."""
    return "f:" + name


class InvalidFields(ValueError):
    """A FieldsV1 document that cannot be read."""


def parse(document: Any) -> FieldSet:
    """A FieldsV1 document from a client, in canonical form; raises InvalidFields.

    Path elements of unknown kinds are dropped with all below them, as upstream does.
    """
    if not isinstance(document, dict):
        raise InvalidFields("fieldsV1 must be an object")
    out: FieldSet = {}
    for key, value in document.items():
        if key == SELF:
            continue
        element = _canonical(key)
        if element is None:
            continue
        below = parse(value)
        node = _join(not below or SELF in value, below)
        if node is not None:
            out[element] = union({element: out[element]}, {element: node})[element] if element in out else node
    return out


@lru_cache(maxsize=16384)
def _canonical(key: str) -> str | None:
    kind, rest = key[:2], key[2:]
    if kind[1:] != ":":
        raise InvalidFields(f"missing colon: {key}")
    try:
        if kind == "k:":
            fields = orjson.loads(rest)
            if not isinstance(fields, dict):
                raise InvalidFields(f"not an object: {key}")
            return "k:" + _json(fields)
        if kind == "v:":
            return "v:" + _json(orjson.loads(rest))
        if kind == "i:":
            return f"i:{int(rest)}"
    except ValueError as e:
        raise InvalidFields(str(e)) from None
    return key if kind == "f:" else None
