"""Typed operations on plain values: field sets, comparison, merge, removal and validation. Inputs are never mutated.

The semantics are structured-merge-diff's (typed/*.go). Where two values are equal, nothing below them is visited: that
keeps an update that touches one label cheap.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from kubepy.api.gotext import number_text
from kubepy.api.patch.fieldset import EMPTY, LEAF, SELF, FieldSet, path_text
from kubepy.api.patch.shape import BadItem, Shape


class TypeErrors(ValueError):
    """A value that does not conform to its type; the text lists every violation as upstream does."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(errors[0] if len(errors) == 1 else "errors:\n" + "\n".join("  " + e for e in errors))


class Comparison(NamedTuple):
    """What changed from one value to another; no path is in two of the sets."""

    removed: FieldSet
    modified: FieldSet
    added: FieldSet


def all_paths(value: Any, shape: Shape) -> FieldSet:
    """The node of a value that appears (or disappears) as a whole: every container and every leaf belongs to it."""
    if shape.leaf or not value:
        return LEAF
    if type(value) is dict:
        if shape.kind == "list":
            return LEAF
        out: FieldSet = {SELF: LEAF}
        members = shape._members
        for name in sorted(value):
            element, sub = members.get(name) or shape.member(name)
            out[element] = LEAF if sub.leaf else all_paths(value[name], sub)
        return out
    if type(value) is list and shape.kind == "list":
        out = {SELF: LEAF}
        item_shape = shape.item
        for item in value:
            element = shape.element(item)
            out[element] = LEAF if element in out else all_paths(item, item_shape)
        return out
    return LEAF


def compare(old: dict[str, Any], new: dict[str, Any], shape: Shape) -> Comparison:
    """The difference between two objects of one type. Raises BadItem where list items have no place in their list's type."""
    out = Comparison({}, {}, {})
    _compare_maps(old, new, shape, out)
    return out


def _compare_maps(old: dict[str, Any], new: dict[str, Any], shape: Shape, out: Comparison) -> None:
    members = shape._members
    for name, before in old.items():
        if name not in new:
            element, sub = members.get(name) or shape.member(name)
            out.removed[element] = all_paths(before, sub)
            continue
        after = new[name]
        if before is not after and before != after:
            element, sub = members.get(name) or shape.member(name)
            _compare(before, after, sub, element, out)
    for name, after in new.items():
        if name not in old:
            element, sub = members.get(name) or shape.member(name)
            out.added[element] = all_paths(after, sub)


def _compare(old: Any, new: Any, shape: Shape, element: str, out: Comparison) -> None:
    """Compare two unequal values that both exist."""
    if shape.leaf or (not old and not new):
        out.modified[element] = LEAF
        return
    below = Comparison({}, {}, {})
    if shape.kind != "list" and (old is None or type(old) is dict) and (new is None or type(new) is dict):
        _compare_maps(old or {}, new or {}, shape, below)
    elif shape.kind == "list" and (old is None or type(old) is list) and (new is None or type(new) is list):
        _compare_lists(old or [], new or [], shape, below)
    else:
        out.modified[element] = LEAF
        for value, side in ((old, out.removed), (new, out.added)):
            if type(value) is dict and value:
                side[element] = {k: v for k, v in all_paths(value, shape).items() if k != SELF}
        return
    if below.removed:
        out.removed[element] = below.removed
    if below.modified:
        out.modified[element] = below.modified
    if below.added:
        out.added[element] = below.added


def _by_element(values: list[Any], shape: Shape) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for item in values:
        out.setdefault(shape.element(item), []).append(item)
    return out


def _compare_lists(old: list[Any], new: list[Any], shape: Shape, out: Comparison) -> None:
    """Items are compared by key. Duplicates of a key count as one leaf, since they cannot be told apart."""
    before, after = _by_element(old, shape), _by_element(new, shape)
    sub = shape.item
    for element, olds in before.items():
        news = after.get(element, [])
        if len(olds) > 1:
            if len(news) > 1:
                if olds != news:
                    out.modified[element] = LEAF
                continue
            out.removed[element] = LEAF
            if news:
                out.added[element] = all_paths(news[0], sub)
        elif not news:
            out.removed[element] = all_paths(olds[0], sub)
        elif len(news) > 1:
            out.removed[element] = all_paths(olds[0], sub)
            out.added[element] = LEAF
        elif olds[0] != news[0]:
            _compare(olds[0], news[0], sub, element, out)
    for element, news in after.items():
        if element not in before:
            out.added[element] = LEAF if len(news) > 1 else all_paths(news[0], sub)


def to_set(value: Any, shape: Shape) -> FieldSet:
    """The set of leaves and items that a value mentions: what an applier owns. Structs and granular containers are not in it."""
    return _applied(value, shape) or EMPTY


def _applied(value: Any, shape: Shape) -> FieldSet:
    out: FieldSet = {}
    if type(value) is dict and shape.kind != "list":
        for name in sorted(value):
            child = value[name]
            element, sub = shape.member(name)
            if sub.leaf or child is None or not isinstance(child, (dict, list)) or (not child and isinstance(child, dict)):
                out[element] = LEAF
                continue
            if isinstance(child, list) and sub.kind != "list":
                out[element] = LEAF
                continue
            below = _applied(child, sub)
            if name not in shape.known:
                out[element] = {SELF: LEAF, **below} if below else LEAF
            elif below:
                out[element] = below
    elif type(value) is list and shape.kind == "list":
        for element, items in _by_element(value, shape).items():
            below = _applied(items[0], shape.item) if len(items) == 1 and not shape.item.leaf else EMPTY
            out[element] = {SELF: LEAF, **below} if below else LEAF
    return out


def with_named_fields(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set with every struct's field that has members below it as a member itself (EnsureNamedFieldsAreMembers)."""
    out: FieldSet = {}
    for element, below in fields.items():
        if not below:
            out[element] = below
            continue
        sub = _below(shape, element)
        deeper = with_named_fields(below, sub)
        if element.startswith("f:") and element[2:] in shape.known and SELF not in deeper:
            deeper = {SELF: LEAF, **deeper}
        out[element] = deeper
    return out


def _below(shape: Shape, element: str) -> Shape:
    return shape.member(element[2:])[1] if element.startswith("f:") else shape.item


def reconcile(fields: FieldSet, shape: Shape) -> FieldSet:
    """The set after its type became atomic somewhere: what was owned below is owned as the whole there."""
    changed: FieldSet | None = None
    for element, below in fields.items():
        if not below or element == SELF:
            continue
        sub = _below(shape, element)
        if sub.kind == "any":
            continue
        new = LEAF if sub.leaf and sub.kind != "scalar" else reconcile(below, sub)
        if new is not below:
            changed = dict(fields) if changed is None else changed
            changed[element] = new
    return fields if changed is None else changed


@lru_cache(2048)
def settled(shape: Shape, text: bytes) -> bool:
    """Whether `reconcile` leaves the set, given as JSON, as it is: remembered, as types hardly ever change and most sets are met often."""
    fields = orjson.loads(text)
    return reconcile(fields, shape) is fields


_NOTHING: Any = object()


def merge(old: Any, new: Any, shape: Shape) -> Any:
    """`old` with everything that `new` says; nothing is removed, `new` wins, keyed items are merged in the order of `new`."""
    if new is _NOTHING:
        return old
    if old is _NOTHING or shape.leaf or (shape.kind == "any" and new is None):
        return new
    if new is None and old and isinstance(old, list if shape.kind == "list" else dict):
        return old  # To say nothing of a container's members takes none away.
    if type(new) is dict and (type(old) is dict or old is None) and shape.kind != "list":
        if not new and not old:
            return new
        out = dict(old or {})
        for name, value in new.items():
            out[name] = merge(out[name], value, shape.member(name)[1]) if name in out else value
        return out
    if type(new) is list and (type(old) is list or old is None) and shape.kind == "list":
        return _merge_lists(old or [], new, shape)
    return new


def _merge_lists(old: list[Any], new: list[Any], shape: Shape) -> list[Any]:
    """Both orders are kept as far as possible; where they disagree, that of `new` wins (typed/merge.go visitListItems)."""
    left = [shape.element(v) for v in old]
    right = [shape.element(v) for v in new]
    lefts: dict[str, Any] = {}
    for element, value in zip(left, old, strict=True):
        lefts[element] = _NOTHING if element in lefts else value
    rights = dict(zip(right, new, strict=True))
    shared = [e for e in right if e in lefts]
    done: set[str] = set()
    out: list[Any] = []
    i = j = s = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            element = left[i]
            if element == right[j]:
                done.add(element)
                out.append(merge(lefts[element], rights[element], shape.item))
                i, j, s = i + 1, j + 1, s + 1
                continue
            if element in rights and s < len(shared) and shared[s] != element:
                i += 1
                continue
        if i < len(left):
            element = left[i]
            if element not in rights:
                out.append(old[i])
                i += 1
                continue
            if element in done:
                i += 1
        if j < len(right):
            element = right[j]
            done.add(element)
            out.append(merge(lefts.get(element, _NOTHING), rights[element], shape.item))
            j += 1
            if s < len(shared) and shared[s] == element:
                s += 1
    return out


def remove(value: Any, fields: FieldSet, shape: Shape) -> Any:
    """The value without the members of the set; containers that had items and lose them all become None."""
    if not fields or not value or shape.leaf:
        return value
    if type(value) is dict and shape.kind != "list":
        out = {}
        for name, child in value.items():
            element, sub = shape.member(name)
            node = fields.get(element)
            if node is None:
                out[name] = child
            elif node and SELF not in node:
                out[name] = remove(child, node, sub)
        return out or None
    if type(value) is list and shape.kind == "list":
        kept = []
        for item in value:
            node = fields.get(shape.element(item))
            if node is None:
                kept.append(item)
            elif node and SELF not in node:
                kept.append(remove(item, node, shape.item))
        return kept or None
    return value


def validate(value: Any, shape: Shape, *, duplicates: bool = False) -> None:
    """Raise TypeErrors when the value does not conform; `duplicates` allows items of one key to repeat."""
    errors: list[str] = []
    _validate(value, shape, "", duplicates, errors)
    if errors:
        raise TypeErrors(errors)


def _validate(value: Any, shape: Shape, path: str, duplicates: bool, errors: list[str]) -> None:
    def fail(text: str) -> None:
        errors.append(f"{path}: {text}" if path else text)

    if value is None or shape.kind == "any":
        return
    if shape.kind == "scalar":
        if text := _scalar_error(value, shape):
            fail(text)
    elif shape.kind == "list":
        if not isinstance(value, list):
            fail(f"expected list, got {_print(value)}")
            return
        seen: set[str] = set()
        for i, item in enumerate(value):
            element = f"i:{i}"
            if shape.list_kind != "atomic":
                try:
                    element = shape.element(item)
                except BadItem as e:
                    fail(f"element {i}: {e}")
                    return
                if element in seen and not duplicates:
                    fail(f"duplicate entries for key {path_text((element,))}")
                seen.add(element)
            _validate(item, shape.item, path + path_text((element,)), duplicates, errors)
    elif not isinstance(value, dict):
        fail(f"expected map, got {_print(value)}")
    else:
        for name, child in value.items():
            if name not in shape.known and not shape.open:
                errors.append(f"{path}.{name}: field not declared in schema")
                return
            _validate(child, shape.member(name)[1], f"{path}.{name}", duplicates, errors)


def _scalar_error(value: Any, shape: Shape) -> str:
    if shape.scalar == "numeric" and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return f"expected numeric (int or float), got {_go_type(value)}"
    if shape.scalar == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go_literal(value)}}}"
    if shape.scalar == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got {_print(value)}"
    if shape.scalar == "untyped" and isinstance(value, (list, dict)):
        return f"expected any scalar, got {_print(value)}"
    return ""


def _go_type(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    return "[]interface {}" if isinstance(value, list) else "map[string]interface {}"


def _go_literal(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}{" + ", ".join(f"{_quoted(k)}:{_go_literal(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(_go_literal, value)) + "}"
    return "interface {}(nil)" if value is None else _plain(value) if not isinstance(value, str) else _quoted(value)


def _quoted(value: str) -> str:
    return orjson.dumps(value).decode()


def _print(value: Any) -> str:
    return f"&{{{_plain(value)}}}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{_plain(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_plain, value)) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number_text(value)
