"""Namespaces: the finalizer that clean-up holds, the name label, the phases; and the finalize endpoint.

Upstream: pkg/registry/core/namespace/strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategies.checks import Errors, named
from apiserver.registry.strategies.common import both, checked, copy, status_only, with_status
from apiserver.registry.strategies.finalizers import STANDARD
from kubepy.api import names
from kubepy.api.errors import invalid

NAME_LABEL = "kubernetes.io/metadata.name"


def _default(obj: Obj) -> None:
    meta = obj.setdefault("metadata", {})
    if meta.get("name"):
        meta.setdefault("labels", {})[NAME_LABEL] = meta["name"]


def _prepare(obj: Obj) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
    if "kubernetes" not in finalizers:
        finalizers.append("kubernetes")


def _prepare_update(new: Obj, old: Obj) -> None:
    copy(new, old, "status")
    finalizers = (old.get("spec") or {}).get("finalizers")
    if finalizers is None:
        (new.get("spec") or {}).pop("finalizers", None)
    else:
        new.setdefault("spec", {})["finalizers"] = list(finalizers)


def finalizer_name(out: Errors, value: str, path: str) -> None:
    """A qualified name, or one of the few short ones."""
    named(out, value, path, names.qualified_name)
    if "/" not in value and value not in STANDARD:
        out.append(invalid(path, value, "name is neither a standard finalizer name nor is it fully qualified"))


def _validate(out: Errors, new: Obj, old: Obj | None) -> None:
    if old is None:
        for f in (new.get("spec") or {}).get("finalizers") or ():
            finalizer_name(out, f, "spec.finalizers")


def _status(out: Errors, new: Obj, _old: Obj) -> None:
    phase = (new.get("status") or {}).get("phase", "")
    if not new["metadata"].get("deletionTimestamp"):
        if phase != "Active":
            out.append(invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty"))
    elif phase != "Terminating":
        out.append(invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"))


def _finalize(out: Errors, new: Obj, _old: Obj) -> None:
    for i, f in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        finalizer_name(out, f, f"spec.finalizers[{i}]")


_BASE = with_status(
    default=_default,
    prepare=_prepare,
    prepare_update=_prepare_update,
    canonicalize=_default,
    name_check=names.name_is_label,
    has_generation=False,
    status_meta=(),
    status_validate_update=checked(_status),
    **both(_validate),
)
STRATEGY = _BASE.with_(
    subresources={
        "finalize": _BASE.with_(prepare_update=status_only(("status",)), validate_update=checked(_finalize), reset_fields=("status",)),
    },
)
