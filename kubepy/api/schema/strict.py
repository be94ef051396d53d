"""Strict decoding's complaints: unknown and duplicate fields, with their paths, in the order of the document. Off the fast path.

Upstream: sigs.k8s.io/json (strict errors). A body is first tried with `has_duplicates`, which costs a few microseconds; only when
that or the decoder saw something is it walked here.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from kubepy.api.schema.node import Node

_LIMIT = 100
"""Upstream reports at most so many."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its duplicate keys."""


def has_duplicates(raw: bytes, parsed: Any) -> bool:
    """Whether a body may have duplicate keys, which parsing drops: False is certain but for contrived escapes.

    Every key ends in `":`, in the body and in its canonical encoding alike. Where the counts differ, look closely.
    """
    return raw.count(b'":') != orjson.dumps(parsed).count(b'":')


def unknown_fields(node: Node, obj: Any) -> list[str]:
    """The paths of all fields that the type does not have."""
    out: dict[str, None] = {}
    _walk(node, obj, "", out, None)
    return list(out)[:_LIMIT]


def strict_errors(node: Node, raw: bytes | str) -> list[str]:
    """`unknown field "spec.foo"` and `duplicate field "metadata.name"`, in document order. The body must be valid JSON."""
    errors: dict[str, None] = {}
    _walk(node, json.loads(raw, object_pairs_hook=_Pairs), "", {}, errors)
    return list(errors)[:_LIMIT]


def duplicate_errors(raw: bytes | str) -> list[str]:
    """All duplicate fields of a document of any type (custom resources)."""
    errors: dict[str, None] = {}
    _walk(None, json.loads(raw, object_pairs_hook=_Pairs), "", {}, errors)
    return list(errors)[:_LIMIT]


def _walk(node: Node | None, value: Any, path: str, unknown: dict[str, None], errors: dict[str, None] | None) -> None:
    if isinstance(value, list) and not isinstance(value, _Pairs):
        items = node.items if node is not None else None
        if node is None or items is not None:
            for i, x in enumerate(value):
                if isinstance(x, (dict, list)):
                    _walk(items, x, f"{path}[{i}]", unknown, errors)
        return
    if not isinstance(value, (dict, _Pairs)) or (node is not None and node.type not in ("object", "map")):
        return
    if node is not None and node.preserve_unknown and node.resolve is None:
        return
    seen: set[str] = set()
    for k, x in value if isinstance(value, _Pairs) else value.items():
        at = f"{path}.{k}" if path else k
        child = None
        if node is not None:
            child = node.child(k)
            if child is None:
                unknown[at] = None
                if errors is not None:
                    errors[f'unknown field "{at}"'] = None
                continue
        if errors is not None and k in seen:
            errors[f'duplicate field "{at}"'] = None
        seen.add(k)
        if isinstance(x, (dict, list)):
            _walk(child, x, at, unknown, errors)
