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
            "spec.maxReplicas: Required value: must be set and greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
        ],
    ),
    (
        obj(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            spec={
                "maxReplicas": 1,
                "scaleTargetRef": {"kind": "ReplicationController", "name": "n"},
                "metrics": [
                    {},
                    {
                        "type": "ContainerResource",
                        "containerResource": {"name": "cpu", "container": "a.b", "target": {"type": "Value", "averageValue": "0"}},
                        "resource": {"name": "cpu", "target": {"type": "Value", "averageValue": "1"}},
                    },
                ],
            },
        ),
        [
            "spec.metrics[0].type: Required value: must specify a metric source type",
            'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
            'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
            "spec.metrics[1].resource: Forbidden: must populate the given metric source only",
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
        obj("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "policyTypes": ["X"]}),
        ['spec.policyTypes[0]: Unsupported value: "X": supported values: "Ingress", "Egress"'],
    ),
    (
        obj("networking.k8s.io/v1", "IngressClass", spec={"controller": "a.b/c", "parameters": {"apiGroup": "G", "kind": "", "name": "n"}}),
        [
            'spec.parameters.apiGroup: Invalid value: "G": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
            "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
            "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
            "spec.parameters.kind: Required value",
        ],
    ),
    (
        obj("node.k8s.io/v1", "RuntimeClass", handler="", overhead={"podFixed": {"k": "1"}}),
        [
            "handler: Required value",
            'overhead.limits[k]: Invalid value: "k": must be a standard resource type or fully qualified',
            'overhead.limits[k]: Invalid value: "k": must be a standard resource for containers',
        ],
    ),
    (obj("apps/v1", "ControllerRevision", data=5), ["data: Required value: data must be a valid JSON object"]),
    (
        obj("storage.k8s.io/v1", "StorageClass", provisioner="a", allowedTopologies=[{}]),
        ['allowedTopologies[0].matchLabelExpressions: Duplicate value: ""'],
    ),
    (
        obj(
            "storage.k8s.io/v1",
            "VolumeAttachment",
            spec={"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "p", "inlineVolumeSpec": {}}},
        ),
        ["spec.source: Forbidden: must specify exactly one of inlineVolumeSpec and persistentVolumeName"],
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


INVALID += [
    (
        obj(
            "flowcontrol.apiserver.k8s.io/v1",
            "FlowSchema",
            spec={
                "matchingPrecedence": 9,
                "priorityLevelConfiguration": {"name": "p"},
                "rules": [
                    {
                        "subjects": [{"kind": "User", "user": {"name": "u"}}],
                        "nonResourceRules": [{"verbs": ["get", "x"], "nonResourceURLs": ["/a"]}],
                    }
                ],
            },
        ),
        [
            'spec.rules[0].nonResourceRules[0].verbs: Unsupported value: ["get","x"]: supported values: "create", "delete", '
            '"deletecollection", "get", "list", "patch", "proxy", "update", "watch"'
        ],
    ),
    (
        obj(
            "flowcontrol.apiserver.k8s.io/v1",
            "PriorityLevelConfiguration",
            spec={
                "type": "Limited",
                "limited": {
                    "limitResponse": {"type": "Queue", "queuing": {"queues": 1000000, "handSize": 4, "queueLengthLimit": 1}},
                },
            },
        ),
        [
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 4: required entropy bits of deckSize 1000000 and handSize 4 "
            "should not be greater than 60"
        ],
    ),
    (
        obj(
            "admissionregistration.k8s.io/v1",
            "MutatingAdmissionPolicy",
            spec={
                "matchConstraints": {
                    "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["pods"]}]
                },
                "reinvocationPolicy": "Never",
                "mutations": [
                    {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}, "applyConfiguration": {"expression": "Object{}"}},
                    {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/a'}]"}},
                    {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "object"}},
                ],
            },
        ),
        [
            'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported '
            'values: "*", "CONNECT", "CREATE", "UPDATE"',
            'spec.mutations[0].jsonPatch.expression: Invalid value: "[]": must evaluate to list(JSONPatch) but got list(dyn)',
            'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be '
            "specified when patchType is JSONPatch",
            'spec.mutations[2].applyConfiguration.expression: Invalid value: "object": must evaluate to Object but got dyn',
        ],
    ),
    (
        obj(
            "resource.k8s.io/v1",
            "ResourceSlice",
            spec={
                "driver": "A.example",
                "pool": {"name": "p", "resourceSliceCount": 1},
                "nodeName": "n",
                "sharedCounters": [{"name": "c", "counters": {}}],
                "devices": [
                    {
                        "name": "d",
                        "nodeName": "n",
                        "attributes": {"v": {"version": "1"}, "n": {}},
                        "capacity": {"m": {"value": "1", "requestPolicy": {}}},
                        "taints": [{"key": "k", "effect": "Never"}],
                        "bindingFailureConditions": ["x"],
                    }
                ],
            },
        ),
        [
            'spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
            'spec.devices[0].attributes[v].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
            'spec.devices[0].attributes[n]: Invalid value: "": exactly one value must be specified',
            "spec.devices[0].capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true",
            'spec.devices[0].taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "None"',
            "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec",
            "spec.devices[0].bindingConditions: Invalid value: null: bindingConditions are required to use bindingFailureConditions",
            "spec.sharedCounters[0].counters: Required value",
        ],
    ),
    (
        obj(
            "resource.k8s.io/v1",
            "ResourceSlice",
            spec={
                "driver": "a.example",
                "pool": {"name": "p", "resourceSliceCount": 1},
                "nodeName": "n",
                "devices": [
                    {
                        "name": "d",
                        "allowMultipleAllocations": True,
                        "capacity": {
                            "a": {"value": "4", "requestPolicy": {"default": "3", "validValues": ["2", "1", "5"]}},
                            "b": {"value": "4", "requestPolicy": {"default": "2", "validRange": {"min": "1", "max": "6", "step": "2"}}},
                        },
                    }
                ],
            },
        ),
        [
            'spec.devices[0].capacity[a].requestPolicy.validValues[1]: Invalid value: "1": values must be sorted in ascending order',
            'spec.devices[0].capacity[a].requestPolicy.validValues[2]: Invalid value: "5": option is larger than capacity value: 4',
            'spec.devices[0].capacity[a].requestPolicy.validValues: Invalid value: "3": default value is '
            "not valid according to the requestPolicy",
            'spec.devices[0].capacity[b].requestPolicy.validRange.max: Invalid value: "6": max is larger than capacity value: 4',
            'spec.devices[0].capacity[b].requestPolicy.validRange.step: Invalid value: "2": value is not '
            "a multiple of a given step (2) from (1)",
            'spec.devices[0].capacity[b].requestPolicy.validRange.step: Invalid value: "6": value is not '
            "a multiple of a given step (2) from (1)",
        ],
    ),
    (
        obj("resource.k8s.io/v1", "ResourceClaimTemplate", spec={"metadata": {"uid": "u"}, "spec": {}}),
        ["spec.metadata.uID: Forbidden: cannot be set"],
    ),
    (
        obj("resource.k8s.io/v1", "DeviceClass", spec={"extendedResourceName": "cpu"}),
        ['spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'],
    ),
    (
        obj("certificates.k8s.io/v1", "CertificateSigningRequest", spec={"signerName": "a.b/c"}),
        [
            "spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST",
            "spec.usages: Required value",
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


def test_some_kinds_take_any_finalizer(create):
    value = obj("coordination.k8s.io/v1", "Lease", spec={})
    value["metadata"]["finalizers"] = ["mine"]
    assert create(value).errors == []


def test_limit_ranges_are_named():
    value = {"metadata": {}}
    STRATEGIES[("", "limitranges")].prepare(value)
    assert len(value["metadata"]["name"]) == 36


def test_accounts_refer_to_secrets_by_name_alone(create):
    assert create(obj("v1", "ServiceAccount", secrets=[{"name": "a", "kind": "b", "uid": "c"}])).obj["secrets"] == [{"name": "a"}]


def test_jobs_without_labels_share_their_templates(create):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    done = create(obj("batch/v1", "Job", spec={"template": template})).obj
    assert done["metadata"]["labels"] == done["spec"]["template"]["metadata"]["labels"]
    assert done["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "x"


def test_nodes_come_without_dynamic_configuration_and_with_warnings(create):
    done = create(obj("v1", "Node", spec={"externalID": "e"}, status={"config": {"error": "e"}}))
    assert "config" not in done.obj["status"]
    assert done.warnings == ["spec.externalID: this field is deprecated, and is unused by Kubernetes"]


def test_topology_of_endpoints_is_dropped_but_for_nodes_known_before(create, update):
    old = obj("discovery.k8s.io/v1", "EndpointSlice", addressType="IPv4", endpoints=[{"addresses": ["192.0.2.1"]}])
    old["endpoints"][0]["deprecatedTopology"] = {"kubernetes.io/hostname": "n"}
    assert create(old).obj["endpoints"] == [{"addresses": ["192.0.2.1"], "conditions": {}}]
    new = copy.deepcopy(old)
    new["endpoints"][0]["zone"] = "z"
    assert update(old, new).obj["endpoints"] == [{"addresses": ["192.0.2.1"], "conditions": {}, "nodeName": "n", "zone": "z"}]


def test_times_of_phases_of_volumes_are_the_servers(create, update):
    old = obj("v1", "PersistentVolume", status={"phase": "Pending", "lastPhaseTransitionTime": "2024-01-01T00:00:00Z"})
    assert create(old).obj["status"]["lastPhaseTransitionTime"] > "2024-01-01T00:00:00Z"
    same = update(old, obj("v1", "PersistentVolume", status={"phase": "Pending"}), "status").obj["status"]
    assert same["lastPhaseTransitionTime"] == "2024-01-01T00:00:00Z"
    bound = {**old, "status": {**old["status"], "phase": "Bound"}}
    assert update(old, bound, "status").obj["status"]["lastPhaseTransitionTime"] > "2024-01-01T00:00:00Z"


def test_claims_lose_references_to_other_namespaces(create):
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    other = {"kind": "PersistentVolumeClaim", "name": "a", "namespace": "other"}
    assert "dataSourceRef" not in create(obj("v1", "PersistentVolumeClaim", spec={**claim, "dataSourceRef": other})).obj["spec"]


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


def test_status_of_claims(update):
    spec = {"devices": {"requests": [{"name": "a", "exactly": {"deviceClassName": "c"}}]}}
    device = {"driver": "d.example", "pool": "p", "device": "x"}
    old = obj("resource.k8s.io/v1", "ResourceClaim", spec=spec)
    new = copy.deepcopy(old)
    new["status"] = {
        "allocation": {"devices": {"results": [{"request": "b", **device}]}},
        "devices": [{**device, "networkData": {"ips": ["10.9.8.7/024"]}}, {**device, "device": "y"}],
    }
    name = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
    assert update(old, new, "status").errors == [
        'status.devices[0].networkData.ips[0]: Invalid value: "10.9.8.7/024": must be a valid address in CIDR form, '
        "(e.g. 10.9.8.7/24 or 2001:db8::1/64)",
        'status.devices[1]: Invalid value: "d.example/p/y": must be an allocated device in the claim',
        f'status.allocation.devices.results[0].request: Invalid value: "b": {name}',
    ]


def test_devices_allocated_no_longer_lose_their_status(update):
    device = {"driver": "d.example", "pool": "p", "device": "x"}
    old = obj("resource.k8s.io/v1", "ResourceClaim", spec={})
    old["status"] = {"allocation": {"devices": {"results": [{"request": "a", **device}]}}, "devices": [device]}
    new = copy.deepcopy(old)
    del new["status"]["allocation"]
    assert update(old, new, "status").obj["status"] == {}


def test_slices_lose_what_is_behind_gates(create):
    device = {"name": "d", "attributes": {"a": {"string": "s", "strings": ["t"]}}, "nodeAllocatableResourceMappings": {"cpu": {}}}
    device["taints"] = [{"key": "k", "effect": "NoSchedule"}]
    done = create(obj("resource.k8s.io/v1", "ResourceSlice", spec={"devices": [device]})).obj["spec"]["devices"][0]
    assert done["attributes"] == {"a": {"string": "s"}} and "nodeAllocatableResourceMappings" not in done
    assert done["taints"][0]["timeAdded"].endswith("Z")


def test_key_pairs(create):
    assert create(obj("v1", "Secret", type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""})).warnings == [
        "tls: failed to find any PEM data in certificate input"
    ]


def test_finalizers_are_looked_at_as_often_as_metadata(update):
    old = obj("v1", "ConfigMap")
    new = copy.deepcopy(old)
    new["metadata"]["finalizers"] = ["mine"]
    text = 'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    assert update(old, new).errors == [text, text]
    assert update({**old, "kind": "PodTemplate"}, {**new, "kind": "PodTemplate"}).errors[:1] == [text]


def test_running_jobs_keep_their_template(update):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    old = obj(
        "batch/v1", "Job", spec={"suspend": True, "manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    )
    new = copy.deepcopy(old)
    new["spec"]["template"]["metadata"]["labels"]["c"] = "d"
    assert update(old, new).errors == []
    old["status"] = {"active": 1}
    (error,) = update(old, new).errors
    assert error.startswith('spec.template: Invalid value: {"labels":{"a":"b","c":"d"},"Spec":{')


def test_runtime_classes_are_judged_whole_on_updates(update):
    old = obj("node.k8s.io/v1", "RuntimeClass", handler="h")
    assert update(old, {**old, "handler": "", "scheduling": {"nodeSelector": {"a": "-"}}}).errors[0] == "handler: Required value"


def test_status_of_attachments(update):
    old = obj("storage.k8s.io/v1", "VolumeAttachment", spec={"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "p"}})
    new = {**old, "status": {"attached": True, "attachmentMetadata": {"": "x"}, "detachError": {"errorCode": -1}}}
    assert update(old, new, "status").errors == [
        "status.detachError.errorCode: Invalid value: -1: must be between 0 and 2147483647, inclusive"
    ]


def test_decisions_about_certificates(update):
    request = obj("certificates.k8s.io/v1", "CertificateSigningRequest", spec={"signerName": "a.b/c", "usages": ["client auth"]})
    approved = {**request, "status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    pem = "spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST"
    both = {**request, "status": {"conditions": [{"type": "Approved", "status": "True"}, {"type": "Denied", "status": "True"}]}}
    assert update(request, approved, "approval").errors == [pem]
    assert update(request, approved, "status").errors == [
        pem,
        'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
    ]
    assert update(approved, request, "status").errors == [
        pem,
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
    ]
    assert update(request, both, "approval").errors == [
        pem,
        'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
    ]


def test_claims_for_extended_resources(update):
    old = obj("v1", "Pod", spec={"containers": [{"name": "c", "image": "i"}]})
    new = copy.deepcopy(old)
    new["status"] = {
        "extendedResourceClaimStatus": {"requestMappings": [{"containerName": "c", "resourceName": "a.b/c", "requestName": "r"}]},
        "nodeAllocatableResourceClaimStatuses": [{"resourceClaimName": "x"}],
    }
    done = update(old, new, "status")
    assert done.errors == [
        'status.extendedResourceClaimStatus.requestMappings[0].resourceName: Invalid value: "a.b/c": must match the extended resource name '
        "of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests",
        "status.extendedResourceClaimStatus.resourceClaimName: Required value",
    ]
    assert "nodeAllocatableResourceClaimStatuses" not in done.obj["status"]


def test_volumes_are_judged_twice_when_updated(update):
    old = obj("v1", "PersistentVolume", spec={"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}})
    new = copy.deepcopy(old)
    new["spec"]["accessModes"] = []
    assert update(old, new).errors == ["spec.accessModes: Required value"] * 2


def test_kinds_whose_updates_must_name_a_version() -> None:
    for group, plural in (("policy", "poddisruptionbudgets"), ("admissionregistration.k8s.io", "validatingadmissionpolicybindings")):
        strategy = STRATEGIES[(group, plural)]
        assert not strategy.allow_unconditional_update
        assert not any(part.allow_unconditional_update for part in strategy.subresources.values())
    assert STRATEGIES[("", "configmaps")].allow_unconditional_update


def _request(*conditions, **status):
    parts = {**status, **({"conditions": list(conditions)} if conditions else {})}
    return obj("certificates.k8s.io/v1", "CertificateSigningRequest", spec={"signerName": "example.com/x"}, status=parts)


def test_decisions_about_certificates_stay():
    strategy = STRATEGIES[("certificates.k8s.io", "certificatesigningrequests")]
    approved, denied = ({"type": kind, "status": "True"} for kind in ("Approved", "Denied"))
    old = _request(approved)
    new = _request({"type": "Approved", "status": "True", "reason": "other"}, certificate="AAAA")
    strategy.status_prepare_update(new, old)
    assert new["status"]["conditions"] == [approved]

    def of_status(errors):
        return [str(e) for e in errors if str(e).startswith("status")]

    assert of_status(strategy.status_validate_update(new, old)) == [
        'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block'
    ]
    approval = strategy.subresources["approval"]
    assert of_status(approval.validate_update(_request(), old)) == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]
    both = of_status(approval.validate_update(_request(approved, denied), old))
    assert both == ['status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive']


def test_only_volumes_have_the_defaults_of_their_spec(create):
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    made = create(obj("v1", "PersistentVolume", spec=spec)).obj["spec"]
    assert (made["persistentVolumeReclaimPolicy"], made["volumeMode"]) == ("Retain", "Filesystem")
    source = {"inlineVolumeSpec": spec}
    attached = create(obj("storage.k8s.io/v1", "VolumeAttachment", spec={"attacher": "a", "nodeName": "n", "source": source})).obj
    assert not {"persistentVolumeReclaimPolicy", "volumeMode"} & attached["spec"]["source"]["inlineVolumeSpec"].keys()
