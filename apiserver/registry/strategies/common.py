"""Preparations that many kinds share: what a status endpoint keeps, what a main endpoint drops.

Upstream: PrepareForCreate and PrepareForUpdate of pkg/registry/*/*/strategy.go, metav1.ResetObjectMetaForStatus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors
from apiserver.registry.strategy import Prepare, PrepareUpdate, Strategy

STATUS_RESET = ("labels", "annotations", "finalizers", "ownerReferences", "deletionTimestamp", "generation", "selfLink")
"""Metadata that most status endpoints take from the stored object (ResetObjectMetaForStatus)."""


def drop_status(obj: Obj) -> None:
    """Objects are created without status."""
    obj.pop("status", None)


def keep_status(new: Obj, old: Obj) -> None:
    """The main endpoint does not change status."""
    copy(new, old, "status")


def copy(target: Obj, source: Obj, key: str) -> None:
    """Make `target`[key] what `source` has there, or absent."""
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)


def status_only(keep: Iterable[str] = ("spec",), meta: Iterable[str] = ()) -> PrepareUpdate:
    """PrepareForUpdate of a status endpoint: these top-level fields and these of metadata come from the stored object."""
    fields, metas = tuple(keep), tuple(meta)

    def prepare(new: Obj, old: Obj) -> None:
        for key in fields:
            copy(new, old, key)
        for key in metas:
            copy(new["metadata"], old["metadata"], key)

    return prepare


def empty_status(zero: Obj | None = None, then: Prepare | None = None) -> Prepare:
    """PrepareForCreate: the status becomes `zero`; then `then` runs."""
    text = orjson.dumps(zero or {})

    def prepare(obj: Obj) -> None:
        obj["status"] = orjson.loads(text)
        if then is not None:
            then(obj)

    return prepare


def with_status(
    *, status_meta: Sequence[str] = STATUS_RESET, status_keep: Sequence[str] = ("spec",), zero: Obj | None = None, **changes: Any
) -> Strategy:
    """A strategy whose status belongs to the status endpoint alone. `zero` is the status of a new object, `{}` unless given."""
    changes.setdefault("prepare", empty_status(zero))
    changes.setdefault("prepare_update", keep_status)
    changes.setdefault("reset_fields", ("status",))
    changes.setdefault("status_prepare_update", status_only(status_keep, status_meta))
    changes.setdefault("status_validate_update", no_errors)
    return Strategy(**changes)


def both(validate: Callable[[Errors, Obj, Obj | None], None]) -> dict[str, Any]:
    """`validate` and `validate_update` from one function of (errors, object, stored object or None)."""

    def create(new: Obj) -> Errors:
        out: Errors = []
        validate(out, new, None)
        return out

    def update(new: Obj, old: Obj) -> Errors:
        out: Errors = []
        validate(out, new, old)
        return out

    return {"validate": create, "validate_update": update}


def no_errors(_new: Obj, _old: Obj) -> Errors:
    """A status that may be anything of its type."""
    return []


def checked(validate: Callable[[Errors, Obj, Obj], None]) -> Callable[[Obj, Obj], Errors]:
    """A function that appends errors, as one that returns them."""

    def update(new: Obj, old: Obj) -> Errors:
        out: Errors = []
        validate(out, new, old)
        return out

    return update


def spec_changed(new: Obj, old: Obj) -> bool:
    """Whether spec differs."""
    return bool(new.get("spec") != old.get("spec"))


def bump_generation(new: Obj, old: Obj, changed: bool) -> None:
    """metadata.generation for kinds whose rule is their own (with has_generation=False)."""
    if changed:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def first_generation(obj: Obj) -> None:
    """metadata.generation of a new object of such a kind."""
    obj["metadata"]["generation"] = 1
