"""What is to be done for the claims of a pod, and for a claim (pkg/controller/resourceclaim). Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controllers.common import pods as podlib
from kubepy.api import meta

Obj = dict[str, Any]
Lookup = Callable[[str], "Obj | None"]
"""From `namespace/name` to the claim, or None."""

POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
FINALIZER = "resource.kubernetes.io/delete-protection"
MAX_RESERVED = 256
"""Consumers of one claim."""
_MAX_BASE = 57
"""So long may a generated name's base be for its five random characters to fit into a label."""


def entries(pod: Obj) -> list[Obj]:
    """The claims that a pod's spec asks for."""
    return pod["spec"].get("resourceClaims") or []


def made(pod: Obj) -> dict[str, str | None]:
    """What the pod's status says was made from templates: the entry's name → the claim's name, None where none was needed."""
    return {s["name"]: s.get("resourceClaimName") for s in pod.get("status", {}).get("resourceClaimStatuses") or ()}


def claims_of(pod: Obj) -> list[str]:
    """Index function: `namespace/name` of the claims that the pod names, that were made for it, or that stand for extended resources."""
    known = made(pod)
    names = [entry.get("resourceClaimName") or known.get(entry["name"]) for entry in entries(pod)]
    names.append((pod.get("status", {}).get("extendedResourceClaimStatus") or {}).get("resourceClaimName"))
    return [f"{meta.namespace(pod)}/{name}" for name in names if name]


def is_done(pod: Obj) -> bool:
    """Whether it is certain that a pod needs its claims no more: it has ended, or goes without ever having had a node."""
    return podlib.is_terminal(pod) or (meta.deleting(pod) and not pod["spec"].get("nodeName"))


def is_for_pod(pod: Obj, claim: Obj) -> bool:
    """Whether a claim made from a template was made for this pod."""
    return meta.is_controlled_by(claim, pod)


def must_reserve(pod: Obj, claim: Obj) -> bool:
    """Whether the claim is allocated and still has to be reserved for the pod (which the scheduler did not see)."""
    status = claim.get("status", {})
    reserved = status.get("reservedFor") or ()
    taken = any(c.get("uid") == meta.uid(pod) for c in reserved)
    return status.get("allocation") is not None and not taken and len(reserved) < MAX_RESERVED


def reserved_for(claim: Obj, pod: Obj) -> Obj:
    """The claim with a reservation for the pod."""
    status = claim["status"]
    consumer = {"resource": "pods", "name": meta.name(pod), "uid": meta.uid(pod)}
    return {**claim, "status": {**status, "reservedFor": [*(status.get("reservedFor") or ()), consumer]}}


def needs_work(pod: Obj, claim_at: Lookup) -> bool:
    """Whether a claim of the pod has to be made or reserved; one that was deleted because its pod has ended stays so."""
    if meta.deleting(pod) or is_done(pod):
        return False
    known = made(pod)
    for entry in entries(pod):
        name = entry.get("resourceClaimName")
        if not name:
            if entry["name"] not in known:
                return True
            name = known[entry["name"]]
            if name is None:
                return False
        claim = claim_at(f"{meta.namespace(pod)}/{name}")
        if claim is None:
            # One that the pod names is its user's to make.
            return bool(entry.get("resourceClaimTemplateName"))
        if entry.get("resourceClaimTemplateName") and not is_for_pod(pod, claim):
            return False
        if pod["spec"].get("nodeName") and must_reserve(pod, claim):
            return True
    return False


def generate_name(pod: str, entry: str) -> str:
    """The base of a made claim's name; when it is too long both parts lose, in proportion to their lengths."""
    base = f"{pod}-{entry}-"
    if len(base) <= _MAX_BASE:
        return base
    return f"{pod[: len(pod) * _MAX_BASE // len(base)]}-{entry[: len(entry) * _MAX_BASE // len(base)]}"


def from_template(pod: Obj, entry: str, template: Obj) -> Obj:
    """The claim to make for one entry of a pod."""
    source = template["spec"].get("metadata") or {}
    metadata: Obj = {
        "generateName": generate_name(meta.name(pod), entry),
        "annotations": {**(source.get("annotations") or {}), POD_CLAIM: entry},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod), "controller": True}],
    }
    if source.get("labels"):
        metadata["labels"] = source["labels"]
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata, "spec": template["spec"]["spec"]}


def released(claim: Obj, kept: list[Obj]) -> Obj | None:
    """The claim with only these reservations, and without its allocation when it has just lost its last one; None: as it is."""
    status = claim.get("status", {})
    reserved = status.get("reservedFor") or []
    protected = FINALIZER in meta.finalizers(claim)
    drop: set[str] = set()
    if len(kept) < len(reserved):
        drop = {"reservedFor", *(("allocation",) if not kept and protected else ())}
    elif protected and meta.deleting(claim) and not kept and "allocation" in status:
        drop = {"allocation"}
    if not drop:
        return None
    new = {key: value for key, value in status.items() if key not in drop}
    if "reservedFor" in drop and kept:
        new["reservedFor"] = kept
    return {**claim, "status": new}


def unprotected(claim: Obj, changed: bool) -> Obj | None:
    """The claim without its finalizer when it is not allocated and was just `changed` or is to go; None: it keeps it."""
    status = claim.get("status", {})
    free = "allocation" not in status and (changed or (meta.deleting(claim) and not status.get("reservedFor")))
    if not free or FINALIZER not in meta.finalizers(claim):
        return None
    rest = [f for f in meta.finalizers(claim) if f != FINALIZER]
    return {**claim, "metadata": {**claim["metadata"], "finalizers": rest}}


def owning_pod(claim: Obj) -> tuple[str, str] | None:
    """(key, uid) of the pod that a claim was made for."""
    ref = meta.controller_of(claim)
    if ref is None or (ref["apiVersion"], ref["kind"]) != ("v1", "Pod"):
        return None
    return f"{meta.namespace(claim)}/{ref['name']}", ref["uid"]
