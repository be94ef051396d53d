"""How upstream prints whole structs in its messages: the JSON of its internal types, which have Go's field names and every zero value.

The table `goform.json` holds, per type, its fields in order: Go name, JSON name, value when absent, and the type of what is in
it. A nameless field is an embedded ObjectMeta; a `^` says that the field lies one level up in our form. Facts only.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from apiserver.context import Obj


@cache
def _types() -> dict[str, list[tuple[str, str, Any, str | None]]]:
    found: dict[str, list[tuple[str, str, Any, str | None]]] = orjson.loads(files(__package__).joinpath("goform.json").read_bytes())
    return found


def of(kind: str, value: Obj | None, parent: Obj | None = None) -> Any:
    """The internal form of a value of that Go type; None stays None."""
    if value is None:
        return None
    out: Obj = {}
    for go, name, absent, ref in _types()[kind]:
        if not go:
            meta = value.get("metadata") or {}
            out.update({k: _as_stored(k, meta[k]) for k in _META if meta.get(k) or (k == _GRACE and k in meta)})
            continue
        if name[0] == "^":
            out[go] = (parent or {}).get(name[1:], absent)
            continue
        found = value.get(name)
        if found is None:
            found = {} if absent == {} else absent
        out[go] = _nested(ref, found, value)
    return out


_GRACE = "deletionGracePeriodSeconds"
_META = (
    "name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
    _GRACE, "labels", "annotations", "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip
_OWNER = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_MANAGED = ("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource")


def _as_stored(key: str, value: Any) -> Any:
    """A field of ObjectMeta, which has JSON names in Go too, in the order of its type's fields."""
    order = {"ownerReferences": _OWNER, "managedFields": _MANAGED}.get(key)
    return plain(value) if order is None else [{k: v[k] for k in order if k in v} for v in value]


def _nested(ref: str | None, value: Any, parent: Obj) -> Any:
    if value is None:
        return None
    if ref is None:
        return plain(value)
    if isinstance(value, list):
        return [of(ref, v) for v in value]
    return of(ref, value, parent)


def plain(value: Any) -> Any:
    """A map, or a struct that has JSON names in Go too (a label selector): maps are printed in order of their keys."""
    if not isinstance(value, dict):
        return value
    if value.keys() <= _SELECTOR.keys():
        return {k: plain(value[k]) for k in _SELECTOR if k in value}
    return dict(sorted(value.items()))


_SELECTOR = {"matchLabels": None, "matchExpressions": None}


def diff(kind: str, old: Obj | None, new: Obj | None) -> str:
    """A unified diff of both internal forms (apimachinery util/diff), without file headers."""
    texts = [json.dumps(of(kind, v), indent=1, ensure_ascii=False).splitlines(keepends=True) for v in (old, new)]
    lines = [line if line.endswith("\n") else line + "\n" for text in texts for line in text]
    a, b = lines[: len(texts[0])], lines[len(texts[0]) :]
    return "".join(list(difflib.unified_diff(a, b, n=3))[2:])
