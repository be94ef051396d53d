"""One table of refused and accepted objects over the other kinds, and what is particular to some of them."""

from __future__ import annotations

import base64
import copy

import pytest

from apiserver.registry.strategies import STRATEGIES
from kubepy.api.kinds import RESOURCES


def obj(api, kind, **fields):
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, **fields}


def encoded(text):
    return base64.b64encode(text.encode()).decode()


INVALID = [
    (
        obj("v1", "ConfigMap", data={"k": "v"}, binaryData={"k": "YQ=="}),
        ['data[k]: Invalid value: "k": duplicate of key present in binaryData'],
    ),
    (obj("v1", "Secret", type="kubernetes.io/tls"), ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
    (
        obj("v1", "Secret", type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": encoded("not json")}),
        ["data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": invalid character 'o' in literal null (expecting 'u')"],
    ),
    (
        obj("v1", "Node", spec={"taints": [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "NoSchedule"}]}),
        [
            'metadata.taints[1]: Duplicate value: {"Key":"k","Value":"","Effect":"NoSchedule","TimeAdded":null}: '
            "taints must be unique by key and effect pair"
        ],
    ),
    (
        obj("v1", "PersistentVolume", spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}),
        ["spec: Required value: must specify a volume type"],
    ),
    (
        obj("v1", "PersistentVolumeClaim", spec={"accessModes": ["ReadWriteOnce"]}),
        ["spec.resources[storage]: Required value"],
    ),
    (
        obj("v1", "ResourceQuota", spec={"hard": {"pods": "500m"}}),
        ['spec.hard[pods]: Invalid value: "500m": must be an integer'],
    ),
    (
        obj("v1", "LimitRange", spec={"limits": [{"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}}]}),
        [
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
            'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
            'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
        ],
    ),
    (
        obj("v1", "Event", involvedObject={"namespace": "other"}),
        ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
    ),
    (
        obj("policy/v1", "PodDisruptionBudget", spec={"minAvailable": 1, "maxUnavailable": "101%"}),
        [
            'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":"101%","UnhealthyPodEvictionPolicy":null}: '
            "minAvailable and maxUnavailable cannot be both set",
            'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ],
    ),
    (
        obj("autoscaling/v2", "HorizontalPodAutoscaler", spec={"maxReplicas": 0, "scaleTargetRef": {"kind": "D", "name": "n"}}),
        [
            "spec.maxReplicas: Invalid value: 0: must be greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        ],
    ),
    (
        obj("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[{"addresses": ["2001:db8::1"]}]),
        ['endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address'],
    ),
    (
        obj("networking.k8s.io/v1", "Ingress", spec={}),
        ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"],
    ),
    (
        obj("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "ingress": [{"from": [{}]}]}),
        ["spec.ingress[0].from[0]: Required value: must specify a peer"],
    ),
    (
        obj("networking.k8s.io/v1", "ServiceCIDR", spec={"cidrs": ["198.51.100.7/24"]}),
        ['spec.cidrs[0]: Invalid value: "198.51.100.7/24": must not have bits set beyond the prefix length'],
    ),
    (obj("storage.k8s.io/v1", "StorageClass"), ["provisioner: Required value"]),
    (
        obj("storage.k8s.io/v1", "CSINode", spec={"drivers": [{"name": "a.example", "nodeID": ""}]}),
        ["spec.drivers[0].nodeID: Required value"],
    ),
    (
        obj("scheduling.k8s.io/v1", "PriorityClass", value=2_000_000_000),
        ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
    ),
    (
        obj("rbac.authorization.k8s.io/v1", "Role", rules=[{"verbs": ["get"], "nonResourceURLs": ["/x"]}]),
        ['rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'],
    ),
    (
        obj("coordination.k8s.io/v1", "Lease", spec={"leaseDurationSeconds": 0}),
        ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"],
    ),
    (
        obj("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", spec={}),
        ["spec.priorityLevelConfiguration.name: Required value: must reference a priority level"],
    ),
    (
        obj("resource.k8s.io/v1", "ResourceClaim", spec={"devices": {"requests": [{"name": "a"}]}}),
        ["spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"],
    ),
    (
        obj("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", spec={"policyName": "p"}),
        ["spec.validationActions: Required value: at least one validation action is required"],
    ),
    (
        obj(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            webhooks=[
                {"name": "a.b.example", "clientConfig": {"url": "http://h/p"}, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
            ],
        ),
        [
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme; "
            "desired format: https://host[/path]"
        ],
    ),
]


@pytest.mark.parametrize(("value", "errors"), INVALID, ids=lambda v: v.get("kind", "") if isinstance(v, dict) else "")
def test_invalid(create, value, errors):
    assert create(value).errors == errors


def test_every_stored_kind_has_a_strategy():
    missing = {
        (r.group, r.plural)
        for r in RESOURCES
        if "list" in r.verbs
        and (r.group, r.plural) not in STRATEGIES
        and r.plural not in ("componentstatuses", "customresourcedefinitions")
    }
    assert missing == set()


def test_finalizers_need_a_domain(create):
    value = obj("v1", "ConfigMap")
    value["metadata"]["finalizers"] = ["mine", "example.com/mine", "orphan"]
    assert create(value).errors == [
        'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    ]


def test_immutable_config(update):
    old = obj("v1", "ConfigMap", data={"a": "1"}, immutable=True)
    assert update(old, obj("v1", "ConfigMap", data={"a": "2"})).errors == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def test_string_data_becomes_data(create):
    done = create(obj("v1", "Secret", stringData={"a": "b"}, data={"a": encoded("old")})).obj
    assert done["data"] == {"a": encoded("b")} and "stringData" not in done


def test_namespaces_get_label_finalizer_and_phase(create):
    done = create(obj("v1", "Namespace")).obj
    assert done["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    assert (done["spec"], done["status"]) == ({"finalizers": ["kubernetes"]}, {"phase": "Active"})


def test_claims_are_fixed_but_for_growth_once_bound(update):
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "v"}
    old = obj("v1", "PersistentVolumeClaim", spec=claim, status={"phase": "Bound", "capacity": {"storage": "1Gi"}})
    new = copy.deepcopy(old)
    new["spec"]["resources"]["requests"]["storage"] = "2Gi"
    assert update(old, new).errors == []
    new["spec"]["accessModes"] = ["ReadOnlyMany"]
    (error,) = update(old, new).errors
    assert error.startswith("spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName")


def test_autoscaler_defaults_in_both_versions(create):
    spec = {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}}
    v2 = create(obj("autoscaling/v2", "HorizontalPodAutoscaler", spec={**spec, "behavior": {"scaleUp": {"selectPolicy": "Min"}}}))
    assert v2.obj["spec"]["behavior"]["scaleUp"]["selectPolicy"] == "Min"
    assert v2.obj["spec"]["behavior"]["scaleDown"]["policies"] == [{"type": "Percent", "value": 100, "periodSeconds": 15}]
    v1 = create(obj("autoscaling/v1", "HorizontalPodAutoscaler", spec=spec))
    assert v1.obj["spec"]["targetCPUUtilizationPercentage"] == 80


def test_policies_compile_their_expressions(create):
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    spec = {
        "matchConstraints": {"resourceRules": rules},
        "variables": [{"name": "a", "expression": "object.x"}, {"name": "b", "expression": "variables.a + 1"}],
        "validations": [{"expression": "variables.b > 1"}, {"expression": "variables.c > 1"}, {"expression": "'text'"}],
    }
    errors = create(obj("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", spec=spec)).errors
    assert [e.split(": ")[0] for e in errors] == ["spec.validations[1].expression", "spec.validations[2].expression"]
    assert "undefined field 'c'" in errors[0] and errors[1].endswith("must evaluate to bool but got string")


def test_role_references_are_fixed(update):
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "a"}
    old = obj("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", roleRef=ref)
    assert update(old, obj("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", roleRef={**ref, "name": "b"})).errors == [
        'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"b"}: cannot change roleRef'
    ]
