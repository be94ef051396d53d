"""JSON merge patch, RFC 7386. Inputs are never mutated; the result shares what did not change with them."""

from __future__ import annotations

from typing import Any

from kubepy.api.patch.errors import PatchError, go_kind


def apply_merge_patch(doc: dict[str, Any], patch: Any) -> dict[str, Any]:
    """The document with the patch merged in; raises PatchError (400) when the patch is not an object."""
    if patch is None:
        return doc
    if not isinstance(patch, dict):
        raise PatchError(f"error decoding patch: json: cannot unmarshal {go_kind(patch)} into Go value of type map[string]interface {{}}")
    return _merge(doc, patch)


def _merge(doc: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    out = dict(doc)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
            continue
        current = out.get(key)
        if isinstance(current, dict) and isinstance(value, dict):
            out[key] = _merge(current, value)
        else:
            out[key] = _without_nulls(value)
    return out


def _without_nulls(value: Any) -> Any:
    """Nulls below a value that is taken over whole mean absence too; those inside arrays stay."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value
