"""NodeRestriction: a node changes its own objects and those of its pods only, and not in ways that would draw pods to it."""

from __future__ import annotations

import base64
from copy import deepcopy
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from apiserver.admission.interface import Attributes
from apiserver.admission.plugin import CREATE, DELETE, UPDATE, BasePlugin, deny
from apiserver.context import Obj
from apiserver.middleware.authn.users import NODE_PREFIX, NODES
from apiserver.middleware.authz.podgraph import references
from kubepy.api.errors import NotFound

_MIRROR = "kubernetes.io/config.mirror"
_RESTRICTED = "node-restriction.kubernetes.io"
_KUBELET_LABELS = frozenset(
    (
        "kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os",
        "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os", "beta.kubernetes.io/arch", "node.kubernetes.io/windows-build",
    )
)  # fmt: skip
_KUBELET_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")


class NodeRestriction(BasePlugin):
    """Upstream: plugin/pkg/admission/noderestriction."""

    name = "NodeRestriction"
    operations = frozenset((CREATE, UPDATE, DELETE))
    resources = frozenset(
        (
            ("", "pods"), ("", "nodes"), ("", "persistentvolumeclaims"), ("", "serviceaccounts"),
            ("coordination.k8s.io", "leases"), ("storage.k8s.io", "csinodes"), ("resource.k8s.io", "resourceslices"),
            ("certificates.k8s.io", "certificatesigningrequests"),
        )
    )  # fmt: skip
    subresources = frozenset(("", "status", "eviction", "token", "binding", "ephemeralcontainers", "resize"))

    def handles(self, a: Attributes) -> bool:
        """Only what nodes write."""
        return NODES in a.ctx.user.groups and a.ctx.user.name.startswith(NODE_PREFIX)

    async def admit(self, a: Attributes) -> None:
        """Raises Forbidden, NotFound."""
        node = a.ctx.user.name[len(NODE_PREFIX) :]
        if not node:
            raise deny(a, f'could not determine node from user "{a.ctx.user.name}"')
        match a.resource.plural, a.subresource:
            case "pods", "":
                self._pod(a, node)
            case "pods", "status":
                _pod_status(a, node)
            case "pods", "eviction":
                self._eviction(a, node)
            case "pods", _:
                raise deny(a, f'unexpected pod subresource "{a.subresource}", only "status" and "eviction" are allowed')
            case "nodes", _:
                _node(a, node)
            case "persistentvolumeclaims", "status":
                _claim_status(a, node)
            case "persistentvolumeclaims", _:
                raise deny(a, f"may only update PVC status, not {a.operation} on {a.subresource}")
            case "serviceaccounts", "token":
                self._token(a, node)
            case "leases", _:
                _named_after(a, node, "Lease", "node lease")
            case "csinodes", _:
                _named_after(a, node, "CSINode", "CSINode")
            case "resourceslices", "":
                _slice(a, node)
            case "certificatesigningrequests", "":
                _certificate(a, node)

    def _pod_of(self, a: Attributes, name: str) -> Obj:
        pod = self.lister.get("", "pods", a.namespace, name)
        if pod is None:
            raise NotFound.of("", "pods", name)
        return pod

    def _pod(self, a: Attributes, node: str) -> None:
        if a.operation == CREATE:
            self._mirror_pod(a, node)
        elif a.operation == DELETE:
            if self._pod_of(a, a.name)["spec"].get("nodeName", "") != node:
                raise deny(a, f'node "{node}" can only delete pods with spec.nodeName set to itself')
        else:
            raise deny(a, f'unexpected operation "{a.operation}", node "{node}" can only create and delete mirror pods')

    def _mirror_pod(self, a: Attributes, node: str) -> None:
        assert a.obj is not None
        meta, spec = a.obj["metadata"], a.obj["spec"]
        if _MIRROR not in (meta.get("annotations") or {}):
            raise deny(a, f'pod does not have "{_MIRROR}" annotation, node "{node}" can only create mirror pods')
        if spec.get("nodeName", "") != node:
            raise deny(a, f'node "{node}" can only create pods with spec.nodeName set to itself')
        self._owned_by_itself(a, node, meta.get("ownerReferences") or [])
        if spec.get("serviceAccountName"):
            raise deny(a, f'node "{node}" can not create pods that reference a service account')
        used = {plural for plural, _, _ in references(a.obj, a.namespace)}
        for plural in ("secrets", "configmaps"):
            if plural in used:
                raise deny(a, f'node "{node}" can not create pods that reference {plural}')
        projected = [s for v in spec.get("volumes") or () for s in (v.get("projected") or {}).get("sources") or ()]
        if any("clusterTrustBundle" in s for s in projected):
            raise deny(a, f'node "{node}" can not create pods that reference clustertrustbundles')
        for plural in ("persistentvolumeclaims", "resourceclaims"):
            if plural in used:
                raise deny(a, f'node "{node}" can not create pods that reference {plural}')

    def _owned_by_itself(self, a: Attributes, node: str, owners: list[Obj]) -> None:
        if len(owners) > 1:
            raise deny(a, f'node "{node}" can only create pods with a single owner reference set to itself')
        owner = owners[0] if owners else {}
        if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
            raise deny(a, f'node "{node}" can only create pods with an owner reference set to itself')
        if not owner.get("controller"):
            raise deny(a, f'node "{node}" can only create pods with a controller owner reference set to itself')
        if owner.get("blockOwnerDeletion"):
            raise deny(a, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
        own = self.lister.get("", "nodes", None, node)
        if own is None:
            raise NotFound.of("", "nodes", node)
        if owner.get("uid") != own["metadata"].get("uid"):
            raise deny(a, f"node {node} UID mismatch: expected {owner.get('uid', '')} got {own['metadata'].get('uid', '')}")

    def _eviction(self, a: Attributes, node: str) -> None:
        if a.operation != CREATE:
            raise deny(a, f"unexpected operation {a.operation}")
        name = a.name or ((a.obj or {}).get("metadata") or {}).get("name", "")
        if not name:
            raise deny(a, "could not determine pod from request data")
        if self._pod_of(a, name)["spec"].get("nodeName", "") != node:
            raise deny(a, f"node {node} can only evict pods with spec.nodeName set to itself")

    def _token(self, a: Attributes, node: str) -> None:
        if a.operation != CREATE:
            return
        spec = (a.obj or {}).get("spec") or {}
        ref = spec.get("boundObjectRef") or {}
        if ref.get("apiVersion") != "v1" or ref.get("kind") != "Pod" or not ref.get("name"):
            raise deny(a, "node requested token not bound to a pod")
        if not ref.get("uid"):
            raise deny(a, "node requested token with a pod binding without a uid")
        pod = self._pod_of(a, ref["name"])
        if ref["uid"] != pod["metadata"].get("uid"):
            raise deny(
                a,
                f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record. "
                "The object might have been deleted and then recreated",
            )
        if pod["spec"].get("nodeName", "") != node:
            raise deny(a, "node requested token bound to a pod scheduled on a different node")
        for audience in spec.get("audiences") or ():
            if audience and not self._mounts(pod, audience):
                raise deny(a, f'audience "{audience}" not found in pod spec volume')

    def _mounts(self, pod: Obj, audience: str) -> bool:
        """Whether a volume of the pod asks for tokens for the audience, itself or through its CSI driver."""
        for volume in pod["spec"].get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if (source.get("serviceAccountToken") or {}).get("audience", None) == audience:
                    return True
            driver = (volume.get("csi") or {}).get("driver")
            found = self.lister.get("storage.k8s.io", "csidrivers", None, driver) if driver else None
            if any(r.get("audience") == audience for r in (found or {}).get("spec", {}).get("tokenRequests") or ()):
                return True
        return False


def _pod_status(a: Attributes, node: str) -> None:
    if a.operation != UPDATE:
        raise deny(a, f'unexpected operation "{a.operation}"')
    assert a.obj is not None
    assert a.old is not None
    if a.old["spec"].get("nodeName", "") != node:
        raise deny(a, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
    if (a.obj["metadata"].get("labels") or {}) != (a.old["metadata"].get("labels") or {}):
        raise deny(a, f'node "{node}" cannot update labels through pod status')
    field = "resourceClaimStatuses"
    if ((a.obj.get("status") or {}).get(field) or []) != ((a.old.get("status") or {}).get(field) or []):
        raise deny(a, f'node "{node}" cannot update resource claim statues')


def _node(a: Attributes, node: str) -> None:
    name = a.name or (a.obj or {}).get("metadata", {}).get("name", "")
    if name != node:
        raise deny(a, f'node "{node}" is not allowed to modify node "{name}"')
    new, old = (a.obj or {}), (a.old or {})
    labels = new.get("metadata", {}).get("labels") or {}
    if a.operation == CREATE:
        if (new.get("spec") or {}).get("configSource") is not None:
            raise deny(a, f'node "{node}" is not allowed to create pods with a non-nil configSource')
        forbidden = _forbidden_labels(labels, {})
        if forbidden:
            raise deny(a, f'node "{node}" is not allowed to set the following labels: {", ".join(forbidden)}')
    elif a.operation == UPDATE:
        spec, before = new.get("spec") or {}, old.get("spec") or {}
        if spec.get("configSource") is not None and spec["configSource"] != before.get("configSource"):
            raise deny(a, f'node "{node}" is not allowed to update configSource to a new non-nil configSource')
        if (spec.get("taints") or []) != (before.get("taints") or []):
            raise deny(a, f'node "{node}" is not allowed to modify taints')
        forbidden = _forbidden_labels(labels, old.get("metadata", {}).get("labels") or {})
        if forbidden:
            raise deny(a, f"is not allowed to modify labels: {', '.join(forbidden)}")
        owners = "ownerReferences"
        if (new["metadata"].get(owners) or []) != (old["metadata"].get(owners) or []):
            raise deny(a, f'node "{node}" is not allowed to modify ownerReferences')


def _forbidden_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    changed = {k for k in new.keys() | old.keys() if new.get(k) != old.get(k)}
    return sorted(label for label in changed if _is_forbidden(label))


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith("." + domain)


def _is_forbidden(label: str) -> bool:
    namespace = label.partition("/")[0] if "/" in label else ""
    if _within(namespace, _RESTRICTED):
        return True
    if not (_within(namespace, "kubernetes.io") or _within(namespace, "k8s.io")):
        return False
    return label not in _KUBELET_LABELS and not any(_within(namespace, domain) for domain in _KUBELET_NAMESPACES)


_CLAIM_STATUS = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources", "modifyVolumeStatus",
                 "currentVolumeAttributesClassName")  # fmt: skip


def _claim_status(a: Attributes, node: str) -> None:
    if a.operation != UPDATE:
        raise deny(a, f'unexpected operation "{a.operation}"')
    sides: list[Any] = []
    for obj in (a.old, a.obj):
        side = deepcopy(obj) or {}
        for field in ("resourceVersion", "managedFields"):
            side["metadata"].pop(field, None)
        for field in _CLAIM_STATUS:
            (side.get("status") or {}).pop(field, None)
        sides.append(side)
    if sides[0] != sides[1]:
        raise deny(a, f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions')


def _named_after(a: Attributes, node: str, kind: str, what: str) -> None:
    if kind == "Lease" and a.namespace != "kube-node-lease":
        raise deny(a, 'can only access leases in the "kube-node-lease" system namespace')
    name = ((a.obj or {}).get("metadata") or {}).get("name", "") if a.operation == CREATE else a.name
    if name != node:
        raise deny(a, f"can only access {what} with the same name as the requesting node")


_NODE_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")


def _certificate(a: Attributes, node: str) -> None:
    spec = (a.obj or {}).get("spec") or {}
    if a.operation != CREATE or spec.get("signerName") not in _NODE_SIGNERS:
        return
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(spec.get("request", "")))
    except ValueError as error:
        raise deny(a, f"unable to parse csr: {error}") from error
    if [n.value for n in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] != [f"{NODE_PREFIX}{node}"]:
        raise deny(a, f"can only create a node CSR with CN={NODE_PREFIX}{node}")


def _slice(a: Attributes, node: str) -> None:
    if a.operation == CREATE and ((a.obj or {}).get("spec") or {}).get("nodeName") != node:
        raise deny(a, "can only create ResourceSlice with the same NodeName as the requesting node")
    if a.operation == DELETE and ((a.old or {}).get("spec") or {}).get("nodeName") != node:
        raise deny(a, "can only delete ResourceSlice with the same NodeName as the requesting node")
