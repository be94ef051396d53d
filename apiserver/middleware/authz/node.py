"""The node authorizer: a node may read what its pods need, and touch its own objects (plugin/pkg/auth/authorizer/node).

What a node may *change* within what is allowed here is narrowed by the NodeRestriction admission plugin.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.bootstrap.grammar import parse_rules
from apiserver.bootstrap.roles import NODE_RULES
from apiserver.context import Lister, Obj, RequestInfo, User
from apiserver.middleware.authn.users import NODE_PREFIX, NODES
from apiserver.middleware.authz.podgraph import PodGraph
from apiserver.middleware.authz.rules import group_matches, resource_matches, url_matches, verb_matches

_Answer = tuple[bool, str]
_ALLOW: _Answer = (True, "")
_NONE: _Answer = (False, "")
_OWN_VERBS = ("get", "create", "update", "patch", "delete")


class NodeAuthorizer:
    """Authorizes users `system:node:<name>` in the group system:nodes; has no opinion on others."""

    def __init__(self, lister: Lister) -> None:
        self._lister = lister
        self.graph = PodGraph(lister)
        self._rules = parse_rules(NODE_RULES)
        self._volume_secrets: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self._volume_generation: int | None = None
        self._by_resource: dict[tuple[str, str], Callable[[str, RequestInfo], _Answer]] = {
            ("", "secrets"): self._read,
            ("", "configmaps"): self._read,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get,
            ("resource.k8s.io", "resourceclaims"): self._get,
            ("storage.k8s.io", "volumeattachments"): self._get,
            ("", "serviceaccounts"): self._account,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
        }

    def authorize(self, user: User, info: RequestInfo) -> tuple[bool, str]:
        """(allowed, reason)."""
        if not user.name.startswith(NODE_PREFIX) or NODES not in user.groups:
            return _NONE
        node = user.name[len(NODE_PREFIX) :]
        if not node:
            return False, f'unknown node for user "{user.name}"'
        if info.is_resource:
            special = self._by_resource.get((info.group, info.resource))
            if special is not None:
                return special(node, info)
        return _ALLOW if any(self._static(rule, info) for rule in self._rules) else _NONE

    @staticmethod
    def _static(rule: Obj, info: RequestInfo) -> bool:
        if not verb_matches(rule, info.verb):
            return False
        if not info.is_resource:
            return url_matches(rule, info.path)
        return group_matches(rule, info.group) and resource_matches(rule, info.resource, info.subresource)

    def _related(self, node: str, info: RequestInfo) -> _Answer:
        if not info.name:
            return False, "No Object name found"
        if self._has_path(node, info.resource, info.namespace, info.name):
            return _ALLOW
        return False, f"no relationship found between node '{node}' and this object"

    def _has_path(self, node: str, plural: str, namespace: str, name: str) -> bool:
        if plural == "volumeattachments":
            attachment = self._lister.get("storage.k8s.io", plural, None, name)
            return attachment is not None and attachment["spec"].get("nodeName") == node
        if plural == "resourceslices":
            piece = self._lister.get("resource.k8s.io", plural, None, name)
            return piece is not None and piece["spec"].get("nodeName") == node
        if plural == "persistentvolumes":
            volume = self._lister.get("", plural, None, name)
            claim = volume["spec"].get("claimRef") if volume is not None else None
            return claim is not None and self.graph.reaches(node, ("persistentvolumeclaims", claim["namespace"], claim["name"]))
        if self.graph.reaches(node, (plural, namespace, name)):
            return True
        return plural == "secrets" and self._through_volume(node, namespace, name)

    def _through_volume(self, node: str, namespace: str, name: str) -> bool:
        """A secret that a PersistentVolume names is readable where a pod uses the volume's claim."""
        generation = self._lister.generation("", "persistentvolumes")
        if generation != self._volume_generation:
            self._volume_secrets.clear()
            for volume in self._lister.list("", "persistentvolumes"):
                claim = volume["spec"].get("claimRef")
                if claim:
                    for secret in _volume_secrets(volume, claim["namespace"]):
                        self._volume_secrets.setdefault(secret, set()).add((claim["namespace"], claim["name"]))
            self._volume_generation = generation
        claims = self._volume_secrets.get((namespace, name), ())
        return any(self.graph.reaches(node, ("persistentvolumeclaims", *claim)) for claim in claims)

    def _read(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb not in ("get", "list", "watch"):
            return False, "can only read resources of this type"
        if info.subresource:
            return False, "cannot read subresource"
        if not info.namespace:
            return False, "can only read namespaced object of this type"
        return self._related(node, info)

    def _get(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb != "get":
            return False, "can only get individual resources of this type"
        if info.subresource:
            return False, "cannot get subresource"
        return self._related(node, info)

    def _claim(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource != "status":
            return self._get(node, info)
        if info.verb not in ("update", "patch"):
            return False, "can only get/update/patch this type"
        return self._related(node, info)

    def _account(self, node: str, info: RequestInfo) -> _Answer:
        # The kubelet reads accounts for the providers of image credentials.
        if info.verb == "get" and not info.subresource:
            return self._read(node, info)
        if info.verb != "create" or not info.name:
            return False, "can only create tokens for individual service accounts"
        if info.subresource != "token":
            return False, "can only create token subresource of serviceaccount"
        return self._related(node, info)

    def _lease(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb not in _OWN_VERBS:
            return False, "can only get, create, update, patch, or delete a node lease"
        if info.namespace != "kube-node-lease":
            return False, 'can only access leases in the "kube-node-lease" system namespace'
        # The name is not known on create: admission checks it then.
        if info.verb != "create" and info.name != node:
            return False, "can only access node lease with the same name as the requesting node"
        return _ALLOW

    def _csi_node(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb not in _OWN_VERBS:
            return False, "can only get, create, update, patch, or delete a CSINode"
        if info.subresource:
            return False, "cannot authorize CSINode subresources"
        if info.verb != "create" and info.name != node:
            return False, "can only access CSINode with the same name as the requesting node"
        return _ALLOW

    def _slice(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource:
            return False, "cannot authorize ResourceSlice subresources"
        if info.verb == "create":
            return _ALLOW
        if info.verb in ("get", "update", "patch", "delete"):
            return self._related(node, info)
        if info.verb in ("watch", "list", "deletecollection"):
            if _selects(info.field_selector, "spec.nodeName", node):
                return _ALLOW
            return False, "can only list/watch/deletecollection resourceslices with nodeName field selector"
        return False, (
            "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection"
        )

    @staticmethod
    def _node(node: str, info: RequestInfo) -> _Answer:
        if info.subresource == "status":
            return _ALLOW if info.verb in ("update", "patch") else _NONE
        if info.subresource:
            return _NONE
        if info.verb in ("create", "update", "patch"):
            return _ALLOW
        if info.verb in ("get", "list", "watch"):
            if info.name == node:
                return _ALLOW
            if not info.name:
                return False, f"node '{node}' cannot read all nodes, only its own Node object"
            return False, f"node '{node}' cannot read '{info.name}', only its own Node object"
        return _NONE

    def _pod(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource == "":
            if info.verb == "get":
                return self._get(node, info)
            if info.verb in ("list", "watch"):
                if _selects(info.field_selector, "spec.nodeName", node):
                    return _ALLOW
                if info.name:
                    return self._related(node, info)
                return False, "can only list/watch pods with spec.nodeName field selector"
            return _ALLOW if info.verb in ("create", "delete") else _NONE
        if info.subresource == "status":
            return _ALLOW if info.verb in ("update", "patch") else _NONE
        return _ALLOW if info.subresource == "eviction" and info.verb == "create" else _NONE


def _selects(selector: str, field: str, value: str) -> bool:
    wanted = (f"{field}={value}", f"{field}=={value}")
    return any(part.strip() in wanted for part in selector.split(",")) if selector else False


def _volume_secrets(volume: Obj, claim_namespace: str) -> list[tuple[str, str]]:
    """(namespace, name) of secrets that a kubelet needs for a volume (pkg/api/v1/persistentvolume VisitPVSecretNames)."""
    spec = volume["spec"]
    out = []
    azure = spec.get("azureFile")
    if azure:
        out.append((azure.get("secretNamespace") or claim_namespace, azure.get("secretName", "")))
    for source in ("cephfs", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"):
        ref = (spec.get(source) or {}).get("secretRef")
        if ref:
            out.append((ref.get("namespace") or claim_namespace, ref.get("name", "")))
    csi = spec.get("csi") or {}
    refs = (csi.get(key) for key in ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"))
    out.extend((ref.get("namespace", ""), ref.get("name", "")) for ref in refs if ref)
    return out
