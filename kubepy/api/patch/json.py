"""JSON patch, RFC 6902, with the leniencies of the library upstream uses (evanphx/json-patch v4). Inputs are never mutated.

Those leniencies: replacing a missing member of an object adds it, a test against null holds for a missing member, array
indexes may be negative, and the whole document (path "") cannot be addressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import orjson

from kubepy.api.patch.errors import PatchError, go_kind

MAX_OPERATIONS = 10000
"""apiserver pkg/endpoints/handlers/patch.go maxJSONPatchOperations."""
MAX_COPY_BYTES = 3 * 1024 * 1024
"""apiserver pkg/server/config.go JSONPatchMaxCopyBytes."""

_STRING_FIELDS = ("op", "path", "from")
_MISSING: Any = object()


class _Inapplicable(Exception):
    """The operation's target is not there, or a test failed; the text says which."""


def strict_errors(ops: Any) -> list[str]:
    """What strict field validation reports of a decoded patch: unknown fields of operations."""
    if not isinstance(ops, list):
        return []
    known = {*_STRING_FIELDS, "value"}
    return [f'json patch unknown field "[{i}].{k}"' for i, op in enumerate(ops) if isinstance(op, dict) for k in op if k not in known]


def check(ops: Any) -> None:
    """Raise PatchError when `ops` is not a list of operations or too long (400, 413)."""
    if not isinstance(ops, list):
        raise PatchError(f"error decoding patch: json: cannot unmarshal {go_kind(ops)} into Go value of type []handlers.jsonPatchOp")
    for op in ops:
        if op is not None and not isinstance(op, dict):
            raise PatchError(f"error decoding patch: json: cannot unmarshal {go_kind(op)} into Go value of type handlers.jsonPatchOp")
        for name in _STRING_FIELDS:
            value = (op or {}).get(name)
            if value is not None and not isinstance(value, str):
                raise PatchError(
                    f"error decoding patch: json: cannot unmarshal {go_kind(value)} into Go struct field jsonPatchOp.{name} of type string"
                )
    if len(ops) > MAX_OPERATIONS:
        raise PatchError(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(ops)}", 413)


def apply_json_patch(doc: Any, ops: Any) -> Any:
    """The document after all operations in order; raises PatchError (422 when one does not apply).

    The result may share parts with neither argument.
    """
    check(ops)
    patcher = _Patcher(orjson.loads(orjson.dumps(doc)))
    for op in ops:
        try:
            patcher.apply(op or {})
        except _Inapplicable as e:
            raise PatchError(str(e), 422) from None
    return patcher.doc


class _Patcher:
    """One document under change and what copies have added to it so far."""

    def __init__(self, doc: Any) -> None:
        self.doc = doc
        self.copied = 0
        self.verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "add": self._add, "remove": self._remove, "replace": self._replace, "move": self._move, "copy": self._copy, "test": self._test,
        }  # fmt: skip

    def apply(self, op: dict[str, Any]) -> None:
        verb = self.verbs.get(op.get("op") or "unknown")
        if verb is None:
            raise _Inapplicable(f"Unexpected kind: {op.get('op') or 'unknown'}")
        verb(op)

    def _find(self, op: dict[str, Any], field: str = "path") -> tuple[Any, str]:
        """The container and the last token that a pointer names."""
        pointer = op.get(field) or ""
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")]
        at = self.doc if len(tokens) > 1 else None
        for token in tokens[1:-1]:
            try:
                at = _get(at, token)
            except _Inapplicable:
                at = None
        if not isinstance(at, (dict, list)):
            shown = f'"{pointer}"' if op["op"] in ("add", "remove") else pointer
            raise _Inapplicable(
                f"{op['op']} operation does not apply: {_ABSENT.get((op['op'], field), 'doc is missing path')}: {shown}: {_GONE}"
            )
        return at, tokens[-1]

    def _add(self, op: dict[str, Any]) -> None:
        at, key = self._find(op)
        with _about(f"error in add for path: '{op['path']}'"):
            _insert(at, key, deepcopy(op.get("value")))

    def _remove(self, op: dict[str, Any]) -> None:
        at, key = self._find(op)
        with _about(f"error in remove for path: '{op['path']}'"):
            _delete(at, key)

    def _replace(self, op: dict[str, Any]) -> None:
        if op.get("path") == "":
            if not isinstance(op.get("value"), (dict, list)):
                raise _Inapplicable("replace operation value must be object or array")
            self.doc = deepcopy(op["value"])
            return
        at, key = self._find(op)
        try:
            _get(at, key)
        except _Inapplicable:
            raise _Inapplicable(f"replace operation does not apply: doc is missing key: {op['path']}: {_GONE}") from None
        if isinstance(at, list):
            at[_index(at, key)] = deepcopy(op.get("value"))
        else:
            at[key] = deepcopy(op.get("value"))

    def _move(self, op: dict[str, Any]) -> None:
        at, key = self._find(op, "from")
        with _about(f"error in move for path: '{key}'"):
            value = _get(at, key)
            _delete(at, key)
        to, to_key = self._find(op)
        with _about(f"error in move for path: '{op['path']}'"):
            _insert(to, to_key, value)

    def _copy(self, op: dict[str, Any]) -> None:
        at, key = self._find(op, "from")
        with _about(f"error in copy for from: '{op['from']}'"):
            value = _get(at, key)
        to, to_key = self._find(op)
        self.copied += len(orjson.dumps(value))
        if self.copied > MAX_COPY_BYTES:
            raise _Inapplicable(
                f"Unable to complete the copy, the accumulated size increase of copy is {self.copied}, exceeding the limit {MAX_COPY_BYTES}"
            )
        with _about("error while adding value during copy"):
            _insert(to, to_key, deepcopy(value))

    def _test(self, op: dict[str, Any]) -> None:
        if op.get("path") == "":
            if not _same(self.doc, op.get("value")):
                raise _Inapplicable("testing value  failed: test failed")
            return
        at, key = self._find(op)
        with _about(f"error in test for path: '{op['path']}'"):
            found = _get(at, key)
        if not _same(found, op.get("value")):
            raise _Inapplicable(f"testing value {op['path']} failed: test failed")


_GONE = "missing value"
_ABSENT = {
    ("move", "from"): "doc is missing from path",
    ("copy", "from"): "doc is missing from path",
    ("move", "path"): "doc is missing destination path",
    ("copy", "path"): "doc is missing destination path",
    ("test", "path"): "is missing path",
}


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Say where an operation does not apply."""
    try:
        yield
    except _Inapplicable as e:
        raise _Inapplicable(f"{what}: {e}") from None


def _same(a: Any, b: Any) -> bool:
    """JSON equality: unlike Python's, true is not 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _index(at: list[Any], key: str, size: int | None = None) -> int:
    """An array index, possibly negative, of an array that has (or will have) `size` elements."""
    size = len(at) if size is None else size
    try:
        index = int(key)
    except ValueError:
        raise _Inapplicable(f'strconv.Atoi: parsing "{key}": invalid syntax') from None
    if not -size <= index < size:
        raise _Inapplicable(f"Unable to access invalid index: {index}: invalid index referenced")
    return index % size


def _get(at: Any, key: str) -> Any:
    if isinstance(at, list):
        return at[_index(at, key)]
    return at.get(key) if isinstance(at, dict) else None


def _insert(at: Any, key: str, value: Any) -> None:
    if isinstance(at, dict):
        at[key] = value
    elif key == "-":
        at.append(value)
    else:
        if not key.lstrip("+-").isdecimal():
            raise _Inapplicable(f"value was not a proper array index: '{key}': strconv.Atoi: parsing \"{key}\": invalid syntax")
        at.insert(_index(at, key, len(at) + 1), value)


def _delete(at: Any, key: str) -> None:
    if isinstance(at, list):
        del at[_index(at, key)]
    elif at.pop(key, _MISSING) is _MISSING:
        raise _Inapplicable(f"Unable to remove nonexistent key: {key}: {_GONE}")
