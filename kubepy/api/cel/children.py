"""The shape of the syntax tree: what lies below a node."""

from __future__ import annotations

from kubepy.api.cel.ast import Call, Comprehension, ListLiteral, MapLiteral, Node, OptionalMap, Select, StructLiteral


def children(node: Node) -> list[Node]:
    """The nodes directly below."""
    if isinstance(node, Select):
        return [node.operand]
    if isinstance(node, Call):
        return node.operands()
    if isinstance(node, ListLiteral):
        return node.items
    if isinstance(node, MapLiteral):
        return [n for k, v, _ in node.entries for n in (k, v)]
    if isinstance(node, StructLiteral):
        return [v for _, v, _, _ in node.fields]
    if isinstance(node, Comprehension):
        return [node.over, *([node.where] if node.where is not None else []), node.body]
    if isinstance(node, OptionalMap):
        return [node.target, node.body]
    return []
