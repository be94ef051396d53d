"""Readers of ObjectMeta in plain dicts. They never change what they are given, and what they return is shared: do not change it."""

from collections.abc import Mapping, Sequence
from typing import Any

Obj = dict[str, Any]
_NOTHING: Mapping[str, Any] = {}


def metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """`metadata`, or an empty mapping."""
    return obj.get("metadata") or _NOTHING


def name(obj: Mapping[str, Any]) -> str:
    """`metadata.name`, or an empty string."""
    return metadata(obj).get("name") or ""


def namespace(obj: Mapping[str, Any]) -> str:
    """`metadata.namespace`; an empty string for cluster-scoped objects."""
    return metadata(obj).get("namespace") or ""


def key(obj: Mapping[str, Any]) -> str:
    """`namespace/name`, or `name` for cluster-scoped objects: the key of work queues and caches."""
    space = namespace(obj)
    return f"{space}/{name(obj)}" if space else name(obj)


def uid(obj: Mapping[str, Any]) -> str:
    """`metadata.uid`, or an empty string."""
    return metadata(obj).get("uid") or ""


def resource_version(obj: Mapping[str, Any]) -> str:
    """`metadata.resourceVersion`, or an empty string."""
    return metadata(obj).get("resourceVersion") or ""


def generation(obj: Mapping[str, Any]) -> int:
    """`metadata.generation`, or 0."""
    return metadata(obj).get("generation") or 0


def labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """`metadata.labels`, or an empty mapping."""
    return metadata(obj).get("labels") or _NOTHING


def annotations(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """`metadata.annotations`, or an empty mapping."""
    return metadata(obj).get("annotations") or _NOTHING


def finalizers(obj: Mapping[str, Any]) -> Sequence[str]:
    """`metadata.finalizers`, or an empty sequence."""
    return metadata(obj).get("finalizers") or ()


def owner_references(obj: Mapping[str, Any]) -> Sequence[Obj]:
    """`metadata.ownerReferences`, or an empty sequence."""
    return metadata(obj).get("ownerReferences") or ()


def controller_of(obj: Mapping[str, Any]) -> Obj | None:
    """The owner reference with `controller: true`, or None (metav1.GetControllerOf)."""
    return next((ref for ref in owner_references(obj) if ref.get("controller")), None)


def is_controlled_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """Whether the controlling owner of `obj` is `owner`, by uid."""
    ref = controller_of(obj)
    return ref is not None and ref.get("uid") == uid(owner)


def controller_ref(owner: Mapping[str, Any]) -> Obj:
    """The owner reference with which `owner` controls something (metav1.NewControllerRef)."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def deleting(obj: Mapping[str, Any]) -> bool:
    """Whether `metadata.deletionTimestamp` is set."""
    return bool(metadata(obj).get("deletionTimestamp"))


def group_version(api_version: str) -> tuple[str, str]:
    """`apps/v1` → ("apps", "v1"); `v1` → ("", "v1")."""
    group, _, version = api_version.rpartition("/")
    return group, version
