"""What a new, empty object looks like on the wire: the parts that Go's types always write. The base that creations are compared with.

A field that the empty object has already is not "added" by a creation, so it is not owned itself; only what is set below it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubepy.api.schema import Node

_SCALARS = {"string": "", "integer": 0, "number": 0, "boolean": False}
_memo: dict[int, tuple[Node, dict[str, Any]]] = {}


def zero_object(node: Node) -> dict[str, Any]:
    """The empty object of a built-in kind; shared, MUST NOT be mutated."""
    known = _memo.get(id(node))
    if known is None or known[0] is not node:
        known = _memo[id(node)] = (node, _zero(node))
    return known[1]


def _zero(node: Node) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, child in node.fields.items():
        if child.pointer or child.omit_zero:
            if not child.omit_empty and not child.omit_zero:
                out[name] = None
        elif child.type == "object" and not child.preserve_unknown:
            out[name] = _zero(child)
        elif not child.omit_empty:
            plain = child.type in _SCALARS and not (child.time or child.quantity or child.format == "byte")
            out[name] = _SCALARS[child.type] if plain else None
        elif child.time or child.quantity or child.int_or_string or child.type == "object":
            out[name] = None
    return out
