"""NodeRestriction: a node changes its own objects and those of its pods only, and not in ways that would draw pods to it."""

from __future__ import annotations

from cryptography.x509.oid import NameOID

from apiserver.admission.interface import Attributes
from apiserver.admission.noderestriction.pods import check_eviction, check_pod, check_status
from apiserver.admission.noderestriction.tokens import check_token
from apiserver.admission.plugin import CREATE, DELETE, UPDATE, BasePlugin, deny
from apiserver.context import Obj
from apiserver.middleware.authn.users import NODE_PREFIX, NODES
from apiserver.registry.pem import parse_request
from apiserver.registry.strategies import goform

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
                check_pod(self.lister, a, node)
            case "pods", "status":
                check_status(a, node)
            case "pods", "eviction":
                check_eviction(self.lister, a, node)
            case "pods", _:
                raise deny(a, f"unexpected pod subresource \"{a.subresource}\", only 'status' and 'eviction' are allowed")
            case "nodes", _:
                _node(a, node)
            case "persistentvolumeclaims", "status":
                _claim_status(a, node)
            case "persistentvolumeclaims", _:
                raise deny(a, "may only update PVC status")
            case "serviceaccounts", "token":
                check_token(self.tools, a, node)
            case "leases", _:
                _named_after(a, node, "Lease", "node lease")
            case "csinodes", _:
                _named_after(a, node, "CSINode", "CSINode")
            case "resourceslices", "":
                _slice(a, node)
            case "certificatesigningrequests", "":
                _certificate(a, node)


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
        owners = "ownerReferences"
        if (new["metadata"].get(owners) or []) != (old["metadata"].get(owners) or []):
            raise deny(a, f'node "{node}" is not allowed to modify ownerReferences')
        forbidden = _forbidden_labels(labels, old.get("metadata", {}).get("labels") or {})
        if forbidden:
            raise deny(a, f"is not allowed to modify labels: {', '.join(forbidden)}")


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


_CLAIM_STATUS = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")


def _claim_status(a: Attributes, node: str) -> None:
    if a.operation != UPDATE:
        raise deny(a, f'unexpected operation "{a.operation}"')
    old, new = (_without_reports(obj or {}) for obj in (a.old, a.obj))
    if old != new:
        changed = goform.diff("PersistentVolumeClaim", old, new)
        raise deny(a, f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions: {changed}')


def _without_reports(claim: Obj) -> Obj:
    """A claim without what its node reports, and without what changes with every write."""
    meta = {k: v for k, v in claim["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    return {**claim, "metadata": meta, "status": {k: v for k, v in (claim.get("status") or {}).items() if k not in _CLAIM_STATUS}}


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
        request = parse_request(spec.get("request") or "")
    except ValueError as error:
        raise deny(a, f"unable to parse csr: {error}") from error
    if [n.value for n in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] != [f"{NODE_PREFIX}{node}"]:
        raise deny(a, f"can only create a node CSR with CN={NODE_PREFIX}{node}")


def _slice(a: Attributes, node: str) -> None:
    if a.operation == CREATE and ((a.obj or {}).get("spec") or {}).get("nodeName") != node:
        raise deny(a, "can only create ResourceSlice with the same NodeName as the requesting node")
    if a.operation == DELETE and ((a.old or {}).get("spec") or {}).get("nodeName") != node:
        raise deny(a, "can only delete ResourceSlice with the same NodeName as the requesting node")
