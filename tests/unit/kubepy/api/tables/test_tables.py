"""Tables: columns and cells."""

from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.kinds import RESOURCES, resource
from kubepy.api.tables import arranged, columns_for, human_duration, row, row_conditions, scale_columns, scale_row
from kubepy.api.tables.columns import COLUMNS

NOW = 1_700_000_000.0
CREATED = "2023-11-14T22:11:20Z"  # two minutes before


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (600, "10m"), (3 * 3600, "3h"), (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"), (49 * 3600, "2d1h"), (48 * 3600, "2d"), (9 * 86400, "9d"), (800 * 86400, "2y70d"), (730 * 86400, "2y"),
        (4000 * 86400, "10y"),
    ],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize("r", RESOURCES, ids=lambda r: f"{r.qualified}/{r.version}")
def test_rows_of_empty_objects_fit_their_columns(r: Any) -> None:
    cells = row(r, {"metadata": {"name": "a", "creationTimestamp": CREATED}}, NOW)
    # Upstream's IPAddress printer writes an age that has no column.
    assert len(cells) == len(columns_for(r)) + (r.plural == "ipaddresses")
    by_name = dict(zip((c.name for c in columns_for(r)), cells, strict=False))
    assert by_name["Name"] == "a"
    assert by_name.get("Age", "2m") == "2m"


def test_every_table_belongs_to_a_kind() -> None:
    assert set(COLUMNS) - {("autoscaling", "scale")} <= {(r.group, r.plural) for r in RESOURCES}


def test_columns() -> None:
    columns = {c.name: c for c in columns_for(resource("pods"))}
    assert columns["Name"].format == "name" and columns["Name"].description.startswith("Name must be unique")
    assert [c.name for c in columns.values() if c.priority] == ["IP", "Node", "Nominated Node", "Readiness Gates"]
    fallback = columns_for(resource("roles.rbac.authorization.k8s.io"))
    assert [(c.name, c.type) for c in fallback] == [("Name", "string"), ("Created At", "date")]
    assert [c.name for c in scale_columns()] == ["Name", "Desired", "Available", "Age"]
    assert scale_row({"spec": {"replicas": 2}, "status": {"replicas": 1}}, NOW)[1:3] == [2, 1]


def pod_cells(spec: dict[str, Any], status: dict[str, Any], **meta: Any) -> list[Any]:
    return row(resource("pods"), {"metadata": {"name": "p", "creationTimestamp": CREATED, **meta}, "spec": spec, "status": status}, NOW)


def state(name: str, *, ready: bool = False, restarts: int = 0, started: bool = False, **kinds: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": restarts, "started": started, "state": kinds}


TWO = {"containers": [{"name": "a"}, {"name": "b"}]}


@pytest.mark.parametrize(
    ("spec", "status", "ready", "shown"),
    [
        (TWO, {"phase": "Pending"}, "0/2", "Pending"),
        (TWO, {"phase": "Failed", "reason": "Evicted"}, "0/2", "Evicted"),
        (TWO, {"phase": "Running", "containerStatuses": [state("a", ready=True, running={}), state("b", running={})]}, "1/2", "Running"),
        (TWO, {"phase": "Running", "containerStatuses": [state("a", waiting={"reason": "CrashLoopBackOff"})]}, "0/2", "CrashLoopBackOff"),
        (TWO, {"phase": "Failed", "containerStatuses": [state("a", terminated={"exitCode": 3})]}, "0/2", "ExitCode:3"),
        (TWO, {"phase": "Failed", "containerStatuses": [state("a", terminated={"signal": 9})]}, "0/2", "Signal:9"),
        (
            TWO,
            {
                "phase": "Running",
                "containerStatuses": [state("a", ready=True, running={}), state("b", terminated={"reason": "Completed"})],
                "conditions": [{"type": "Ready", "status": "False"}],
            },
            "1/2", "NotReady",
        ),
        (
            TWO,
            {
                "phase": "Running",
                "containerStatuses": [state("a", terminated={"reason": "Completed"}), state("b", ready=True, running={})],
            },
            "1/2", "NotReady",
        ),
        (TWO | {"initContainers": [{"name": "i"}, {"name": "j"}]}, {"phase": "Pending", "initContainerStatuses": [
            state("i", terminated={"exitCode": 0}), state("j", running={})]}, "0/2", "Init:1/2"),
        (TWO | {"initContainers": [{"name": "i"}]}, {"phase": "Pending", "initContainerStatuses": [
            state("i", waiting={"reason": "ImagePullBackOff"})]}, "0/2", "Init:ImagePullBackOff"),
        (TWO | {"initContainers": [{"name": "i"}]}, {"phase": "Pending", "initContainerStatuses": [
            state("i", terminated={"exitCode": 2})]}, "0/2", "Init:ExitCode:2"),
        (
            TWO | {"initContainers": [{"name": "s", "restartPolicy": "Always"}]},
            {"phase": "Running", "initContainerStatuses": [state("s", ready=True, started=True, running={})],
             "containerStatuses": [state("a", ready=True, running={}), state("b", ready=True, running={})]},
            "3/3", "Running",
        ),
        (TWO, {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}, "0/2", "SchedulingGated"),
    ],
)  # fmt: skip
def test_pod_states(spec: dict[str, Any], status: dict[str, Any], ready: str, shown: str) -> None:
    cells = pod_cells(spec, status)
    assert (cells[1], cells[2]) == (ready, shown)


def test_pod_restarts_deletion_and_gates() -> None:
    last = {"lastState": {"terminated": {"finishedAt": "2023-11-14T22:12:20Z"}}}
    status = {"phase": "Running", "containerStatuses": [state("a", restarts=2, running={}) | last]}
    assert pod_cells(TWO, status)[3] == "2 (60s ago)"
    assert pod_cells(TWO, {"phase": "Running"}, deletionTimestamp=CREATED)[2] == "Terminating"
    assert pod_cells(TWO, {"phase": "Succeeded"}, deletionTimestamp=CREATED)[2] == "Succeeded"
    assert pod_cells(TWO, {"reason": "NodeLost"}, deletionTimestamp=CREATED)[2] == "Unknown"
    gated = TWO | {"readinessGates": [{"conditionType": "x"}, {"conditionType": "y"}], "nodeName": "n1"}
    cells = pod_cells(gated, {"conditions": [{"type": "x", "status": "True"}], "podIPs": [{"ip": "10.0.0.1"}]})
    assert cells[5:] == ["10.0.0.1", "n1", "<none>", "1/2"]


def test_pods_that_are_over_are_marked() -> None:
    [condition] = row_conditions(resource("pods"), {"status": {"phase": "Succeeded"}})
    assert (condition["type"], condition["reason"]) == ("Completed", "Succeeded")
    assert row_conditions(resource("pods"), {"status": {"phase": "Running"}}) == []
    assert row_conditions(resource("nodes"), {"status": {"phase": "Failed"}}) == []


def cells_of(name: str, **parts: Any) -> list[Any]:
    return row(resource(name), {"metadata": {"name": "x", "creationTimestamp": CREATED} | parts.pop("metadata", {}), **parts}, NOW)


@pytest.mark.parametrize(
    ("name", "parts", "expected"),
    [
        (
            "services",
            {"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]}},
            ["x", "NodePort", "10.0.0.1", "<none>", "80:30080/TCP", "2m", "<none>"],
        ),
        ("services", {"spec": {"type": "LoadBalancer"}}, ["x", "LoadBalancer", "<none>", "<pending>", "<none>", "2m", "<none>"]),
        (
            "services", {"spec": {"type": "ExternalName", "externalName": "e.com", "selector": {"b": "1", "a": "2"}}},
            ["x", "ExternalName", "<none>", "e.com", "<none>", "2m", "a=2,b=1"],
        ),
        (
            "nodes",
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "master"}},
                "spec": {"unschedulable": True},
                "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1"}},
            },
            ["x", "Ready,SchedulingDisabled", "master,worker", "2m", "v1", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"],
        ),
        (
            "nodes",
            {"status": {"nodeInfo": {"osImage": "o", "kernelVersion": "6", "architecture": "arm64"}}},
            ["x", "Unknown", "<none>", "2m", "", "<none>", "<none>", "o", "6 (arm64)", "<unknown>"],
        ),
        (
            "validatingadmissionpolicybindings.admissionregistration.k8s.io",
            {
                "spec": {
                    "policyName": "p",
                    "paramRef": {
                        "selector": {
                            "matchLabels": {"b": "c"},
                            "matchExpressions": [{"key": "k", "operator": "In", "values": ["x", "y"]}],
                        }
                    },
                }
            },
            [
                "x", "p",
                "&LabelSelector{MatchLabels:map[string]string{b: c,},"
                "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}",
                "2m",
            ],
        ),
        (
            "endpoints",
            {"subsets": [{"addresses": [{"ip": f"10.0.0.{i}"} for i in range(5)], "ports": [{"port": 80}]}]},
            ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", "2m"],
        ),
        (
            "endpointslices.discovery.k8s.io",
            {"addressType": "IPv4", "ports": [{"port": 80}, {"name": "y"}], "endpoints": [{"addresses": ["10.0.0.1"]}]},
            ["x", "IPv4", "80,y", "10.0.0.1", "2m"],
        ),
        (
            "ingresses.networking.k8s.io",
            {"spec": {"rules": [{"host": h} for h in "abcd"], "tls": [{}]}},
            ["x", "<none>", "a,b,c + 1 more...", "", "80, 443", "2m"],
        ),
        (
            "persistentvolumeclaims",
            {
                "spec": {"volumeName": "v", "storageClassName": "s", "volumeMode": "Block"},
                "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce"]},
            },
            ["x", "Bound", "v", "1Gi", "RWO,RWX", "s", "<unset>", "2m", "Block"],
        ),
        (
            "resourcequotas", {"status": {"hard": {"pods": "2", "limits.cpu": "1"}, "used": {"pods": "1"}}},
            ["x", "pods: 1/2", "limits.cpu: 0/1", "2m"],
        ),
        (
            "horizontalpodautoscalers.autoscaling",
            {
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                    "minReplicas": 1,
                    "maxReplicas": 3,
                    "metrics": [
                        {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
                        {"type": "Pods", "pods": {"target": {"averageValue": "10"}}},
                        {"type": "Object", "object": {"target": {"value": "5"}}},
                    ],
                },
                "status": {"currentReplicas": 2},
            },
            ["x", "Deployment/web", "cpu: <unknown>/80%, <unknown>/10 + 1 more...", "1", 3, 2, "2m"],
        ),
        (
            "storageclasses.storage.k8s.io",
            {"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "p"},
            ["x (default)", "p", "Delete", "Immediate", False, "2m"],
        ),
        (
            "certificatesigningrequests.certificates.k8s.io",
            {
                "spec": {"signerName": "s", "username": "u", "expirationSeconds": 7200},
                "status": {"conditions": [{"type": "Approved"}], "certificate": "c"},
            },
            ["x", "2m", "s", "u", "120m", "Approved,Issued"],
        ),
        (
            "events",
            {
                "involvedObject": {"kind": "Pod", "name": "p"},
                "message": " hi ",
                "lastTimestamp": CREATED,
                "source": {"component": "c", "host": "h"},
            },
            ["2m", "", "", "pod/p", "", "c, h", "hi", "<unknown>", 1, "x"],
        ),
        (
            "jobs.batch",
            {
                "spec": {"completions": 3},
                "status": {"succeeded": 1, "startTime": CREATED, "conditions": [{"type": "Failed", "status": "True"}]},
            },
            ["x", "Failed", "1/3", "2m", "2m", "", "", "<none>"],
        ),
        (
            "rolebindings.rbac.authorization.k8s.io",
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "namespace": "n", "name": "s"}],
            },
            ["x", "Role/r", "2m", "u", "", "n/s"],
        ),
        (
            "apiservices.apiregistration.k8s.io",
            {
                "spec": {"service": {"namespace": "n", "name": "s"}},
                "status": {"conditions": [{"type": "Available", "status": "False", "reason": "MissingEndpoints"}]},
            },
            ["x", "n/s", "False (MissingEndpoints)", "2m"],
        ),
    ],
)  # fmt: skip
def test_cells(name: str, parts: dict[str, Any], expected: list[Any]) -> None:
    assert cells_of(name, **parts) == expected


def test_flow_schemas_are_shown_by_precedence_and_all_else_as_it_comes() -> None:
    first, second = ({"metadata": {"name": name}, "spec": {"matchingPrecedence": at}} for name, at in (("z", 1), ("a", 1)))
    last = {"metadata": {"name": "a"}, "spec": {"matchingPrecedence": 2}}
    assert arranged(resource("flowschemas.flowcontrol.apiserver.k8s.io"), [last, first, second]) == [second, first, last]
    assert arranged(resource("pods"), [last, first]) == [last, first]
