"""What inputs are made of: any JSON, and valid objects with one part replaced by any JSON."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "a", "\x00", "\ud7ff", "é" * 300, "-", "..", "a/b", "%", "{{", "$(X)", "1Ki", "1e400", "-1", "9" * 40, "\u2028"]),
)
number = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0, -1, 2**31, 2**63]))
scalar = st.one_of(st.none(), st.booleans(), number, text)
json_value = st.recursive(
    scalar, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(text, inner, max_size=4)), max_leaves=12
)

POD: dict[str, Any] = {
    "kind": "Pod", "apiVersion": "v1",
    "metadata": {"name": "p", "labels": {"a": "b"}, "annotations": {"x": "y"}, "finalizers": ["example.com/f"],
                 "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "o", "uid": "u"}]},
    "spec": {
        "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "protocol": "TCP"}], "command": ["x"],
                        "env": [{"name": "A", "value": "B"}, {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "64Mi"}},
                        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                        "livenessProbe": {"httpGet": {"path": "/", "port": "http"}}, "securityContext": {"runAsUser": 1}}],
        "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "c"}}]}}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, "topologyKey": "k"}]}},
        "tolerations": [{"key": "k", "operator": "Exists"}], "securityContext": {"fsGroup": 1}, "nodeSelector": {"a": "b"},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}],
    },
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}  # fmt: skip
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "d"},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
             "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
             "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
}  # fmt: skip
SERVICE: dict[str, Any] = {
    "kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"},
    "spec": {"type": "NodePort", "selector": {"a": "b"}, "ports": [{"name": "p", "port": 80, "targetPort": "x", "protocol": "TCP"}],
             "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "externalIPs": ["1.2.3.4"]},
}  # fmt: skip
ROLE: dict[str, Any] = {
    "kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "r"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
}  # fmt: skip
WEBHOOKS: dict[str, Any] = {
    "kind": "ValidatingWebhookConfiguration", "apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "w"},
    "webhooks": [{"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
                  "clientConfig": {"url": "https://127.0.0.1:1/"}, "namespaceSelector": {"matchLabels": {"no": "where"}},
                  "matchConditions": [{"name": "c", "expression": "true"}],
                  "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["widgets"]}]}],
}  # fmt: skip
CRD: dict[str, Any] = {
    "kind": "CustomResourceDefinition", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {"name": "widgets.example.com"},
    "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
             "versions": [{"name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
                           "additionalPrinterColumns": [{"name": "A", "type": "string", "jsonPath": ".spec.a"}],
                           "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                               "type": "object", "properties": {"a": {"type": "string", "pattern": "^a", "default": "a"}},
                               "x-kubernetes-validations": [{"rule": "self.a == 'a'", "message": "no"}]}}}}}]},
}  # fmt: skip
POLICY: dict[str, Any] = {
    "kind": "ValidatingAdmissionPolicy", "apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "v"},
    "spec": {"failurePolicy": "Ignore", "validations": [{"expression": "object.spec.x > 1", "messageExpression": "'a'"}],
             "variables": [{"name": "x", "expression": "1"}], "matchConstraints": {"resourceRules": [
                 {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["widgets"]}]}},
}  # fmt: skip
SETS: dict[str, Any] = {
    "kind": "StatefulSet", "apiVersion": "apps/v1", "metadata": {"name": "t"},
    "spec": {**DEPLOYMENT["spec"], "strategy": None, "serviceName": "s", "volumeClaimTemplates": [
        {"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]},
}  # fmt: skip

OBJECTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/api/v1/namespaces/fuzz/pods", POD),
    ("/apis/apps/v1/namespaces/fuzz/deployments", DEPLOYMENT),
    ("/apis/apps/v1/namespaces/fuzz/statefulsets", SETS),
    ("/api/v1/namespaces/fuzz/services", SERVICE),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", ROLE),
    ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", WEBHOOKS),
    ("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", POLICY),
    ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD),
)
"""Collections, and an object that each accepts."""


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    out = [at]
    if isinstance(value, dict):
        for key, child in value.items():
            out += _paths(child, (*at, key))
    elif isinstance(value, list):
        for i, child in enumerate(value):
            out += _paths(child, (*at, i))
    return out


def _replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    out = copy.deepcopy(value)
    at = out
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = by
    return out


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, Any]:
    """(collection, object of its kind with a part or two replaced)."""
    path, obj = draw(st.sampled_from(OBJECTS))
    for _ in range(draw(st.integers(1, 2))):
        where = draw(st.sampled_from(_paths(obj)[1:] or [()]))
        try:
            obj = _replaced(obj, where, draw(json_value))
        except (TypeError, KeyError, IndexError):
            continue
    return path, obj
