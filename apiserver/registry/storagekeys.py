"""The storage keys that upstream's messages name, which are not ours: groups are left out and some plurals differ. Pure."""

from __future__ import annotations

from kubepy.api.kinds import Resource

_RENAMED = {
    "replicationcontrollers": "controllers",
    "nodes": "minions",
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "ingresses": "ingress",
    "customresourcedefinitions": "apiextensions.k8s.io/customresourcedefinitions",
    "apiservices": "apiregistration.k8s.io/apiservices",
}


def upstream_key(resource: Resource, namespace: str, name: str) -> str:
    """`/registry/services/specs/default/kubernetes`: where kube-apiserver keeps the object."""
    if resource.custom:
        plural = f"{resource.group}/{resource.plural}"
    else:
        plural = _RENAMED.get(resource.plural, resource.plural)
    return f"/registry/{plural}/{namespace}/{name}" if resource.namespaced else f"/registry/{plural}/{name}"
