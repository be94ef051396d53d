"""namespaces/finalize: sets spec.finalizers, and deletes the namespace when the last one is gone.

Upstream: pkg/registry/core/namespace/storage and strategy.go.
"""

from __future__ import annotations

from apiserver.context import Obj
from apiserver.registry.strategy import Strategy
from apiserver.storage.cacher import Entry


def _only_finalizers(new: Obj, old: Obj) -> None:
    """PrepareForUpdate of the endpoint: everything but spec.finalizers stays."""
    finalizers = (new.get("spec") or {}).get("finalizers")
    meta = new["metadata"]
    managed = meta.get("managedFields")
    kept = {**old["metadata"], "resourceVersion": meta.get("resourceVersion", "")}
    if managed is not None:
        kept["managedFields"] = managed
    spec = {k: v for k, v in (old.get("spec") or {}).items() if k != "finalizers"}
    if finalizers:
        spec["finalizers"] = finalizers
    new.clear()
    new.update(old)
    new["metadata"], new["spec"] = kept, spec


FINALIZE = Strategy(prepare_update=_only_finalizers, has_generation=False, reset_fields=("status",))


def finished(entry: Entry) -> bool:
    """Whether a namespace that is being deleted has no finalizer left of either sort."""
    obj = entry.obj
    meta = obj["metadata"]
    return "deletionTimestamp" in meta and not meta.get("finalizers") and not (obj.get("spec") or {}).get("finalizers")
