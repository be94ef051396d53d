"""What a node may do to pods: create mirror pods, and report on, evict and delete those that are bound to it."""

from __future__ import annotations

from typing import Any

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, DELETE, UPDATE, deny
from apiserver.context import Lister, Obj
from apiserver.middleware.authz.podgraph import references
from kubepy.api.errors import NotFound

_MIRROR = "kubernetes.io/config.mirror"


def pod_of(lister: Lister, a: Attributes, name: str) -> Obj:
    """The pod in the namespace of the request. Raises NotFound in the words of a cache, which has kinds in lower case."""
    pod = lister.get("", "pods", a.namespace, name)
    if pod is None:
        raise NotFound.of("", "pod", name)
    return pod


def check_pod(lister: Lister, a: Attributes, node: str) -> None:
    """Raises Forbidden, NotFound."""
    if a.operation == CREATE:
        assert a.obj is not None
        _check_mirror(lister, a, a.obj, node)
    elif a.operation == DELETE:
        if pod_of(lister, a, a.name)["spec"].get("nodeName", "") != node:
            raise deny(a, f'node "{node}" can only delete pods with spec.nodeName set to itself')
    else:
        raise deny(a, f'unexpected operation "{a.operation}", node "{node}" can only create and delete mirror pods')


def check_eviction(lister: Lister, a: Attributes, node: str) -> None:
    """Raises Forbidden, NotFound."""
    if a.operation != CREATE:
        raise deny(a, f"unexpected operation {a.operation}")
    name = a.name or ((a.obj or {}).get("metadata") or {}).get("name", "")
    if not name:
        raise deny(a, "could not determine pod from request data")
    if pod_of(lister, a, name)["spec"].get("nodeName", "") != node:
        raise deny(a, f"node {node} can only evict pods with spec.nodeName set to itself")


_CLAIMS = {
    "resourceClaimStatuses": "cannot update resource claim statues",
    "extendedResourceClaimStatus": "cannot update extended resource claim status",
}
"""Fields of a pod's status that are not the node's, and what it is told."""


def check_status(a: Attributes, node: str) -> None:
    """Raises Forbidden."""
    if a.operation != UPDATE:
        raise deny(a, f'unexpected operation "{a.operation}"')
    assert a.obj is not None
    assert a.old is not None
    if a.old["spec"].get("nodeName", "") != node:
        raise deny(a, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
    if (a.obj["metadata"].get("labels") or {}) != (a.old["metadata"].get("labels") or {}):
        raise deny(a, f'node "{node}" cannot update labels through pod status')
    new, old = a.obj.get("status") or {}, a.old.get("status") or {}
    for field, text in _CLAIMS.items():
        if (new.get(field) or None) != (old.get(field) or None):
            raise deny(a, f'node "{node}" {text}')


def _check_mirror(lister: Lister, a: Attributes, pod: Obj, node: str) -> None:
    meta = pod["metadata"]
    if _MIRROR not in (meta.get("annotations") or {}):
        raise deny(a, f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods')
    if pod["spec"].get("nodeName", "") != node:
        raise deny(a, f'node "{node}" can only create pods with spec.nodeName set to itself')
    _check_owner(lister, a, node, meta.get("ownerReferences") or [])
    if used := _api_objects(a, pod):
        raise deny(a, f'node "{node}" can not create pods that reference {used}')


def _check_owner(lister: Lister, a: Attributes, node: str, owners: list[Obj]) -> None:
    if len(owners) > 1:
        raise deny(a, f'node "{node}" can only create pods with a single owner reference set to itself')
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        raise deny(a, f'node "{node}" can only create pods with an owner reference set to itself')
    if not owner.get("controller"):
        raise deny(a, f'node "{node}" can only create pods with a controller owner reference set to itself')
    if owner.get("blockOwnerDeletion"):
        raise deny(a, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
    own = lister.get("", "nodes", None, node)
    if own is None:
        raise NotFound.of("", "node", node)
    if owner.get("uid") != own["metadata"].get("uid"):
        raise deny(a, f"node {node} UID mismatch: expected {owner.get('uid', '')} got {own['metadata'].get('uid', '')}")


_VOLUMES = {
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
}
_PROJECTIONS = {
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}
_KNOWN_PROJECTIONS = frozenset((*_PROJECTIONS, "configMap", "secret", "downwardAPI"))
"""What remains of volumes once secrets and config maps are looked for (pkg/api/pod HasAPIObjectReference)."""


def _api_objects(a: Attributes, pod: Obj) -> str:
    """What a pod takes from the API, which a mirror pod may not; empty when it takes nothing."""
    used = {plural for plural, _, _ in references(pod, a.namespace)}
    for plural in ("serviceaccounts", "secrets", "configmaps"):
        if plural in used:
            return plural
    spec: dict[str, Any] = pod["spec"]
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in spec.get("volumes") or ():
        for field, text in _VOLUMES.items():
            if volume.get(field) is not None:
                return text
        for source in (volume.get("projected") or {}).get("sources") or ():
            for field, text in _PROJECTIONS.items():
                if source.get(field) is not None:
                    return text
            if not _KNOWN_PROJECTIONS & source.keys():
                raise deny(a, f'error checking mirror pod for API references: unknown source for projected volume "{volume["name"]}"')
    return ""
