"""The annotations of a Deployment's ReplicaSets: revision, its history, sizes, and what is copied from the Deployment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.deployment.plan import DESIRED, MAXIMUM, max_surge, replicas
from kubepy.api import meta

Obj = dict[str, Any]

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
HISTORY_LIMIT = 2000
"""Most characters of the history annotation."""
NOT_COPIED = frozenset(
    ("kubectl.kubernetes.io/last-applied-configuration", REVISION, HISTORY, DESIRED, MAXIMUM, "deprecated.deployment.rollback.to")
)


def revision(rs: Obj) -> int:
    """The revision annotation's number; 0 when absent or invalid."""
    try:
        return int(meta.annotations(rs).get(REVISION, "0"))
    except ValueError:
        return 0


def next_revision(old: Sequence[Obj]) -> int:
    """One above the highest revision of the old sets."""
    return max((revision(rs) for rs in old), default=0) + 1


def size_annotations(d: Obj) -> dict[str, str]:
    """What a set's annotations say of the Deployment's size."""
    return {DESIRED: str(replicas(d)), MAXIMUM: str(replicas(d) + max_surge(d))}


def new_set_annotations(d: Obj, existing: dict[str, str] | None, number: int) -> dict[str, str]:
    """The annotations of the new set, `existing` being its present ones or None before it is made (SetNewReplicaSetAnnotations)."""
    out = dict(existing or {})
    out.update((key, value) for key, value in meta.annotations(d).items() if key not in NOT_COPIED)
    present = out.get(REVISION)
    known = int(present) if present is not None and present.isdigit() else 0
    if known < number:
        out[REVISION] = str(number)
        if present is not None:
            # The Deployment rolls back to this set: its former number goes into the history.
            earlier = [n for n in out.get(HISTORY, "").split(",") if n]
            while earlier and len(",".join([*earlier, present])) > HISTORY_LIMIT:
                earlier.pop(0)
            out[HISTORY] = ",".join([*earlier, present])
    if existing is None:
        out.update(size_annotations(d))
    return out
