"""Who should own the claims of a StatefulSet's pod, as its retention policy says. Pure (stateful_set_utils.go).

A claim that somebody else controls, or that belonged to a set or pod of the same name which is gone, is left to them.
"""

from __future__ import annotations

from typing import Any

from controllers.statefulset import identity
from kubepy.api import meta

Obj = dict[str, Any]


def deletes(statefulset: Obj, when: str) -> bool:
    """Whether claims go `whenDeleted` or `whenScaled`."""
    policy = statefulset["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return bool(policy.get(when) == "Delete")


def names(ref: Obj, owner: Obj) -> bool:
    """Whether a reference is to an object of the owner's kind and name, of whatever uid."""
    return (ref["apiVersion"], ref["kind"], ref["name"]) == (owner["apiVersion"], owner["kind"], meta.name(owner))


def is_stale(claim: Obj, owner: Obj) -> bool:
    """Whether the claim belongs to an earlier object of the owner's name."""
    found = next((r for r in meta.owner_references(claim) if names(r, owner)), None)
    return found is not None and found["uid"] != owner["metadata"].get("uid")


def is_foreign(statefulset: Obj, pod: Obj, claim: Obj) -> bool:
    """Whether the policy deletes, but somebody else controls the claim (hasUnexpectedController)."""
    if not deletes(statefulset, "whenScaled") and not deletes(statefulset, "whenDeleted"):
        return False
    for ref in meta.owner_references(claim):
        ours = next((owner for owner in (statefulset, pod) if names(ref, owner)), None)
        if ref.get("controller") if ours is None else ref["uid"] != ours["metadata"].get("uid"):
            return True
    return False


def wanted_owner(statefulset: Obj, pod: Obj) -> Obj | None:
    """The set, the pod or nobody: who should control the pod's claims."""
    if deletes(statefulset, "whenScaled") and not identity.in_range(statefulset, pod):
        return pod
    return statefulset if deletes(statefulset, "whenDeleted") else None


def is_up_to_date(statefulset: Obj, pod: Obj, claim: Obj) -> bool:
    """Whether the claim's references need no change (isClaimOwnerUpToDate)."""
    if is_stale(claim, statefulset) or is_stale(claim, pod):
        return True
    by_uid = {ref["uid"]: ref for ref in meta.owner_references(claim)}
    held = [owner for owner in (statefulset, pod) if owner["metadata"].get("uid") in by_uid]
    if is_foreign(statefulset, pod, claim):
        return not held
    if any(not by_uid[meta.uid(owner)].get("controller") for owner in held):
        return False
    wanted = wanted_owner(statefulset, pod)
    return held == ([] if wanted is None else [wanted])


def owners(statefulset: Obj, pod: Obj, claim: Obj) -> list[Obj]:
    """The references that the claim should have (updateClaimOwnerRefForSetAndPod)."""
    others = [r for r in meta.owner_references(claim) if not names(r, statefulset) and not names(r, pod)]
    wanted = wanted_owner(statefulset, pod)
    if wanted is None or is_foreign(statefulset, pod, claim):
        return others
    return [*others, meta.controller_ref(wanted)]
