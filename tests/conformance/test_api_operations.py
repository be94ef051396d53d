"""The "should support … API operations" rows of many kinds: every verb of a kind once, its status, its watch, its collection."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kubepy.api import kinds
from tests.conformance.plane import Obj, Plane, container, meta, path_of, template, unique, workload

RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"], "scope": "*"}
NEVER = {"namespaceSelector": {"matchLabels": {"nobody-has-this": "x"}}}

REQUEST = {"name": "r", "exactly": {"deviceClassName": "c"}}
SPECS: dict[str, Obj] = {
    "flowschemas.flowcontrol.apiserver.k8s.io": {
        "spec": {
            "matchingPrecedence": 10000,
            "priorityLevelConfiguration": {"name": "global-default"},
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [
                {
                    "subjects": [{"kind": "User", "user": {"name": "example-e2e-non-existent-user"}}],
                    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                }
            ],
        }
    },
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": {
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}
    },
    "validatingadmissionpolicies.admissionregistration.k8s.io": {
        "spec": {
            "failurePolicy": "Ignore",
            "matchConstraints": {"resourceRules": [RULE], **NEVER},
            "validations": [{"expression": "object.spec.replicas <= 100"}],
        }
    },
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": {
        "spec": {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}
    },
    "mutatingadmissionpolicies.admissionregistration.k8s.io": {
        "spec": {
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [RULE], **NEVER},
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'x': 'y'}}}"},
                }
            ],
        }
    },
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": {"spec": {"policyName": "replicalimit-policy.example.com"}},
    "priorityclasses.scheduling.k8s.io": {"value": 7, "description": "d"},
    "limitranges": {"spec": {"limits": [{"type": "Container", "default": {"cpu": "500m"}}]}},
    "resourcequotas": {"spec": {"hard": {"configmaps": "100"}}},
    "poddisruptionbudgets.policy": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"foo": "bar"}}}},
    "controllerrevisions.apps": {"data": {"spec": {"a": 1}}, "revision": 1},
    "cronjobs.batch": {
        "spec": {
            "schedule": "* */1 * * ?",
            "suspend": True,
            "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "OnFailure", "containers": [container()]}}}},
        }
    },
    "jobs.batch": {"spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}},
    "deployments.apps": {"spec": workload("Deployment", "x", 0)["spec"]},
    "replicasets.apps": {"spec": workload("ReplicaSet", "x", 0)["spec"]},
    "statefulsets.apps": {"spec": workload("StatefulSet", "x", 0)["spec"]},
    "daemonsets.apps": {"spec": workload("DaemonSet", "x", None, template=template({"app": "x"}, nodeSelector={"no": "one"}))["spec"]},
    "replicationcontrollers": {"spec": workload("ReplicationController", "x", 0, api="v1")["spec"]},
    "serviceaccounts": {"automountServiceAccountToken": False},
    "secrets": {"data": {"a": "Yg=="}, "type": "Opaque"},
    "configmaps": {"data": {"a": "b"}},
    "podtemplates": {"template": template({"a": "b"})},
    "services": {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    "endpoints": {"subsets": [{"addresses": [{"ip": "10.9.8.7"}], "ports": [{"port": 80}]}]},
    "endpointslices.discovery.k8s.io": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.8.7"]}], "ports": [{"port": 80}]},
    "ingresses.networking.k8s.io": {"spec": {"defaultBackend": {"service": {"name": "d", "port": {"number": 80}}}}},
    "ingressclasses.networking.k8s.io": {"spec": {"controller": "example.com/controller"}},
    "networkpolicies.networking.k8s.io": {"spec": {"podSelector": {}, "ingress": [{}]}},
    "runtimeclasses.node.k8s.io": {"handler": "h"},
    "leases.coordination.k8s.io": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 30}},
    "storageclasses.storage.k8s.io": {"provisioner": "e2e-fake-provisioner"},
    "csidrivers.storage.k8s.io": {"spec": {"attachRequired": False}},
    "csinodes.storage.k8s.io": {"spec": {"drivers": [{"name": "d", "nodeID": "n"}]}},
    "csistoragecapacities.storage.k8s.io": {"storageClassName": "c", "capacity": "1Gi"},
    "volumeattachments.storage.k8s.io": {"spec": {"attacher": "e2e", "nodeName": "no-node", "source": {"persistentVolumeName": "pv"}}},
    "volumeattributesclasses.storage.k8s.io": {"driverName": "d", "parameters": {"a": "b"}},
    "persistentvolumeclaims": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
    "persistentvolumes": {
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "nobody", "hostPath": {"path": "/x"}}
    },
    "roles.rbac.authorization.k8s.io": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "clusterroles.rbac.authorization.k8s.io": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "clusterrolebindings.rbac.authorization.k8s.io": {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}],
    },
    "resourceclaims.resource.k8s.io": {"spec": {"devices": {"requests": [REQUEST]}}},
    "resourceclaimtemplates.resource.k8s.io": {"spec": {"spec": {"devices": {"requests": [REQUEST]}}}},
    "deviceclasses.resource.k8s.io": {"spec": {"selectors": [{"cel": {"expression": "true"}}]}},
    "ipaddresses.networking.k8s.io": {"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "no"}}},
}  # fmt: skip
STATUS_KEEPS_METADATA = {
    "flowschemas.flowcontrol.apiserver.k8s.io",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
    "resourceclaims.resource.k8s.io",
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "volumeattachments.storage.k8s.io",
}
"""Their status endpoint takes metadata from the stored object; that of all others does not."""


@pytest.mark.parametrize("what", SPECS)
def test_every_verb(plane: Plane, ns: str, what: str) -> None:
    resource = kinds.resource(what)
    ns = ns if resource.namespaced else ""
    run = unique("run")
    name = _name(what)
    selector = f"e2e-test={run}"

    def made(name: str) -> Obj:
        return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta(name, labels={"e2e-test": run}), **SPECS[what]}

    # discovery
    listed = plane.call("GET", f"/apis/{resource.group}/{resource.version}" if resource.group else "/api/v1")
    served = {r["name"] for r in listed["resources"]}
    assert resource.plural in served
    # create, get, list
    first = plane.create(what, made(name), ns, code=201)
    plane.create(what, made(name), ns, code=409)
    assert plane.get(what, name, ns)["metadata"]["uid"] == first["metadata"]["uid"]
    assert len(plane.list(what, ns, labelSelector=selector)) == 1
    assert len(plane.list(what, "", labelSelector=selector)) == 1
    with plane.watch(what, ns, since=first["metadata"]["resourceVersion"], labelSelector=selector) as events:
        # patch
        patched = plane.patch(what, name, {"metadata": {"annotations": {"patched": "true"}}}, ns)
        assert patched["metadata"]["annotations"]["patched"] == "true"

        # update, retried over conflicts with controllers
        def update(change: Any, sub: str = "") -> Obj:
            for _ in range(20):
                now = plane.get(what, name, ns)
                change(now)
                answer = plane.http.put(f"{path_of(what, ns, name)}{'/' + sub if sub else ''}", json=now)
                if answer.status_code != 409:
                    assert answer.status_code == 200, answer.text
                    out: Obj = answer.json()
                    return out
            raise AssertionError(answer.text)

        updated = update(lambda o: o["metadata"]["annotations"].update(updated="true"))
        assert updated["metadata"]["annotations"]["updated"] == "true"
        for kind, obj in events:
            assert kind == "MODIFIED"
            if obj["metadata"].get("annotations", {}).get("updated"):
                break
    # status
    if f"{resource.plural}/status" in served:
        assert plane.get(what, name, ns, "status")["metadata"]["uid"] == first["metadata"]["uid"]
        if what in STATUS_KEEPS_METADATA:
            plane.patch(what, name, {"metadata": {"annotations": {"patchedstatus": "true"}}}, ns, sub="status")
            assert "patchedstatus" not in plane.get(what, name, ns)["metadata"]["annotations"]
        else:
            patched = plane.patch(what, name, {"metadata": {"annotations": {"patchedstatus": "true"}}}, ns, sub="status")
            assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
            update(lambda o: o["metadata"]["annotations"].update(updatedstatus="1"), "status")
    # delete, and the collection
    plane.delete(what, name, ns)
    plane.gone(what, name, ns)
    names = [_name(what) for _ in range(2)]
    for each in names:
        plane.create(what, made(each), ns, code=201)
    assert len(plane.list(what, ns, labelSelector=selector)) == 2
    plane.delete_collection(what, ns, labelSelector=selector)
    plane.until_list(what, ns, lambda found: not found, labelSelector=selector)


def _name(what: str) -> str:
    return f"10.250.0.{random.randrange(1, 255)}" if what == "ipaddresses.networking.k8s.io" else unique("e2e")
