"""What a new, empty object looks like on the wire: the parts that Go's types always write. The base that creations are compared with.

A field that the empty object has already is not "added" by a creation, so it is not owned itself; only what is set below it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubepy.api.schema import Node

_ROOT = frozenset({"metadata", "spec", "status"})
_SCALAR_ZERO = {"string": "", "integer": 0, "number": 0, "boolean": False}

STRUCTS: dict[str, tuple[str, ...]] = {
    "api.apps.v1.ControllerRevision": ("data",),
    "api.apps.v1.DaemonSetSpec": ("updateStrategy",),
    "api.apps.v1.DeploymentSpec": ("strategy",),
    "api.apps.v1.ReplicaSetSpec": ("template",),
    "api.apps.v1.StatefulSetSpec": ("updateStrategy",),
    "api.core.v1.Event": ("source", "firstTimestamp", "lastTimestamp", "eventTime"),
    "api.core.v1.NodeStatus": ("daemonEndpoints", "nodeInfo"),
    "api.core.v1.NodeDaemonEndpoints": ("kubeletEndpoint",),
    "api.core.v1.PersistentVolumeClaimSpec": ("resources",),
    "api.core.v1.PodTemplate": ("template",),
    "api.core.v1.PodTemplateSpec": ("metadata", "spec"),
    "api.core.v1.ServiceStatus": ("loadBalancer",),
    "api.batch.v1.JobTemplateSpec": ("metadata", "spec"),
    "api.core.v1.PersistentVolumeClaimTemplate": ("metadata",),
    "api.events.v1.Event": ("regarding", "deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "eventTime"),
    "api.networking.v1.IngressStatus": ("loadBalancer",),
    "api.networking.v1.NetworkPolicySpec": ("podSelector",),
    "api.resource.v1.ResourceClaimSpec": ("devices",),
    "api.resource.v1beta1.ResourceClaimSpec": ("devices",),
    "api.resource.v1beta2.ResourceClaimSpec": ("devices",),
    "api.resource.v1.ResourceClaimTemplateSpec": ("metadata",),
    "api.resource.v1beta1.ResourceClaimTemplateSpec": ("metadata",),
    "api.resource.v1beta2.ResourceClaimTemplateSpec": ("metadata",),
    "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus": ("acceptedNames",),
}
"""Optional fields that are structs and not pointers in Go, for the types that an empty object reaches (k8s.io/api types.go)."""

ZEROS: dict[str, tuple[str, ...]] = {
    "api.apps.v1.StatefulSetSpec": ("serviceName",),
    "api.apps.v1.StatefulSetStatus": ("availableReplicas",),
    "api.autoscaling.v2.HorizontalPodAutoscalerStatus": ("currentMetrics",),
    "api.core.v1.Event": ("reportingComponent", "reportingInstance"),
    "api.discovery.v1.EndpointSlice": ("endpoints", "ports"),
    "api.flowcontrol.v1.FlowSchemaSpec": ("matchingPrecedence",),
    "api.policy.v1.PodDisruptionBudgetStatus": ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"),
    "api.rbac.v1.ClusterRole": ("rules",),
    "api.rbac.v1.Role": ("rules",),
    "api.rbac.v1.RoleRef": ("apiGroup",),
    "api.scheduling.v1.PriorityClass": ("value",),
    "apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus": ("conditions", "storedVersions"),
}
"""Fields that are written even when empty although the definition does not require them (no omitempty)."""

_PREFIX = "io.k8s."
_POINTERS = frozenset({("api.storage.v1.CSINode", "status")})
_memo: dict[int, tuple[Node, dict[str, Any]]] = {}


def zero_object(node: Node) -> dict[str, Any]:
    """The empty object of a built-in kind; shared, MUST NOT be mutated."""
    known = _memo.get(id(node))
    if known is None or known[0] is not node:
        known = _memo[id(node)] = (node, _zero(node, root=True))
    return known[1]


def _zero(node: Node, *, root: bool = False) -> dict[str, Any]:
    out: dict[str, Any] = {}
    name = (node.ref or "").removeprefix(_PREFIX)
    required = node.required or ()
    structs = STRUCTS.get(name, ())
    zeros = ZEROS.get(name, ())
    for field, child in (node.fields or {}).items():
        struct = child.type == "object" and not child.quantity and not child.time and bool(child.fields)
        if struct and (field in required or field in structs or (root and field in _ROOT and (name, field) not in _POINTERS)):
            out[field] = {} if field == "metadata" else _zero(child)
        elif field in required or field in zeros:
            out[field] = _SCALAR_ZERO.get(child.type) if not (child.time or child.quantity or child.int_or_string) else None
        elif field in structs:
            out[field] = None
    return out
