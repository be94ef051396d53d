"""[sig-api-machinery] ResourceQuota: what is counted while objects live, and scopes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.plane import Obj, Plane, container, meta, pod, template, workload

HARD = {
    "pods": "5", "services": "10", "services.nodeports": "1", "services.loadbalancers": "1", "replicationcontrollers": "10",
    "resourcequotas": "1", "configmaps": "10", "secrets": "10", "persistentvolumeclaims": "10", "count/replicasets.apps": "5",
    "cpu": "1", "memory": "500Mi", "ephemeral-storage": "50Gi", "requests.storage": "10Gi", "requests.example.com/dongle": "3",
}  # fmt: skip


def quota(plane: Plane, ns: str, name: str = "q", hard: dict[str, str] = HARD, **spec: Any) -> Obj:
    made = plane.create("resourcequotas", {"metadata": meta(name), "spec": {"hard": hard, **spec}}, ns)
    return plane.until("resourcequotas", name, ns, lambda q: set(q["status"].get("used", ())) == set(hard)) | {"made": made}


def used(plane: Plane, ns: str, name: str = "q", **values: str) -> None:
    wanted = {k.replace("_", "."): v for k, v in values.items()}
    plane.until("resourcequotas", name, ns, lambda q: wanted.items() <= q["status"].get("used", {}).items(), 20)


def test_status_is_promptly_calculated(plane: Plane, ns: str) -> None:
    got = quota(plane, ns)
    assert got["status"]["hard"] == HARD
    assert got["status"]["used"]["resourcequotas"] == "1" and got["status"]["used"]["pods"] == "0"


SERVICE: Obj = {"metadata": meta("s"), "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
LIVES: dict[str, tuple[str, Obj, str, str]] = {
    "configmap": ("configmaps", {"metadata": meta("c"), "data": {"a": "b"}}, "configmaps", "1"),
    "secret": ("secrets", {"metadata": meta("s"), "stringData": {"a": "b"}}, "secrets", "0"),
    "service": ("services", SERVICE, "services", "0"),
    "rc": ("replicationcontrollers", workload("ReplicationController", "rc", 0, api="v1"), "replicationcontrollers", "0"),
    "rs": ("replicasets.apps", workload("ReplicaSet", "rs", 0), "count/replicasets.apps", "0"),
}


@pytest.mark.parametrize("row", LIVES)
def test_the_life_of(plane: Plane, ns: str, row: str) -> None:
    what, obj, key, before = LIVES[row]
    quota(plane, ns)
    plane.until("resourcequotas", "q", ns, lambda q: q["status"]["used"][key] == before)
    plane.create(what, obj, ns)
    plane.until("resourcequotas", "q", ns, lambda q: q["status"]["used"][key] == str(int(before) + 1))
    if row == "service":
        for other in ("NodePort", "LoadBalancer"):
            more = {"metadata": meta("s2"), "spec": {"type": other, "ports": [{"port": 80}]}}
            refused = plane.create("services", more, ns, code=403)
            assert "exceeded quota: q" in refused["message"] and "services.nodeports" in refused["message"]
        plane.create("services", {"metadata": meta("lb"), "spec": {"type": "ClusterIP", "ports": [{"port": 80}]}}, ns)
        plane.delete("services", "lb", ns)
    plane.delete(what, obj["metadata"]["name"], ns)
    plane.until("resourcequotas", "q", ns, lambda q: q["status"]["used"][key] == before)


def sized(name: str, cpu: str, memory: str, **requests: str) -> Obj:
    limits = {k: v for k, v in requests.items() if "/" in k}
    return pod(name, containers=[container(resources={"requests": {"cpu": cpu, "memory": memory, **requests}, "limits": limits})])


def test_the_life_of_a_pod(plane: Plane, ns: str) -> None:
    quota(plane, ns)
    plane.create("pods", sized("p", "500m", "252Mi", **{"ephemeral-storage": "30Gi", "example.com/dongle": "2"}), ns)
    wanted = {"pods": "1", "cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", "requests.example.com/dongle": "2"}
    plane.until("resourcequotas", "q", ns, lambda q: wanted.items() <= q["status"]["used"].items())
    for other in (sized("f1", "600m", "100Mi"), sized("f2", "100m", "100Mi", **{"ephemeral-storage": "1Gi", "example.com/dongle": "2"})):
        assert "exceeded quota: q" in plane.create("pods", other, ns, code=403)["message"]
    bigger = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "600m", "memory": "100Mi"}}}]}}
    plane.patch("pods", "p", bigger, ns, kind="strategic-merge-patch+json", code=422)
    plane.until("resourcequotas", "q", ns, lambda q: wanted.items() <= q["status"]["used"].items())
    plane.delete("pods", "p", ns, gracePeriodSeconds=0)
    used(plane, ns, pods="0", cpu="0", memory="0")


def test_scopes_terminating(plane: Plane, ns: str) -> None:
    quota(plane, ns, "t", {"pods": "5"}, scopes=["Terminating"])
    quota(plane, ns, "n", {"pods": "5"}, scopes=["NotTerminating"])
    plane.create("pods", pod("long"), ns)
    used(plane, ns, "n", pods="1")
    used(plane, ns, "t", pods="0")
    plane.delete("pods", "long", ns)
    used(plane, ns, "n", pods="0")
    plane.create("pods", pod("short", activeDeadlineSeconds=3600), ns)
    used(plane, ns, "t", pods="1")
    used(plane, ns, "n", pods="0")
    plane.delete("pods", "short", ns)
    used(plane, ns, "t", pods="0")


def test_scopes_best_effort(plane: Plane, ns: str) -> None:
    quota(plane, ns, "b", {"pods": "5"}, scopes=["BestEffort"])
    quota(plane, ns, "n", {"pods": "5"}, scopes=["NotBestEffort"])
    plane.create("pods", pod("best"), ns)
    used(plane, ns, "b", pods="1")
    used(plane, ns, "n", pods="0")
    plane.delete("pods", "best", ns)
    used(plane, ns, "b", pods="0")
    plane.create("pods", sized("not", "1m", "1Mi"), ns)
    used(plane, ns, "n", pods="1")
    used(plane, ns, "b", pods="0")


def test_scope_of_a_priority_class(plane: Plane, ns: str) -> None:
    name = f"pc-{ns}"
    plane.create("priorityclasses.scheduling.k8s.io", {"metadata": meta(name), "value": 1000})
    match = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": [name]}]}
    quota(plane, ns, "q", {"pods": "1"}, scopeSelector=match)
    plane.create("pods", pod("a", priorityClassName=name), ns)
    used(plane, ns, pods="1")
    plane.create("pods", pod("b", priorityClassName=name), ns, code=403)
    plane.create("pods", pod("c"), ns)
    plane.delete("priorityclasses.scheduling.k8s.io", name)


def test_update_delete_and_status(plane: Plane, ns: str) -> None:
    now = quota(plane, ns, "q", {"cpu": "1", "memory": "500Mi"})
    now.pop("made")
    now["spec"]["hard"] = {"cpu": "2", "memory": "1Gi"}
    plane.update("resourcequotas", now)
    plane.until("resourcequotas", "q", ns, lambda q: q["status"]["hard"] == {"cpu": "2", "memory": "1Gi"})
    # a status that somebody else writes holds until the controller's next full count, or the next change of the spec
    patched = plane.patch("resourcequotas", "q", {"status": {"hard": {"cpu": "9"}, "used": {"cpu": "1"}}}, ns, sub="status")
    assert patched["status"]["hard"]["cpu"] == "9"
    plane.patch("resourcequotas", "q", {"spec": {"hard": {"cpu": "2", "memory": "2Gi"}}}, ns)
    plane.until("resourcequotas", "q", ns, lambda q: q["status"]["hard"] == {"cpu": "2", "memory": "2Gi"})
    plane.patch("resourcequotas", "q", {"spec": {"hard": {"cpu": "2", "memory": "1Gi"}}}, ns)
    plane.until("resourcequotas", "q", ns, lambda q: q["status"]["hard"] == {"cpu": "2", "memory": "1Gi"})
    plane.delete("resourcequotas", "q", ns)
    plane.gone("resourcequotas", "q", ns)


def test_an_rc_tells_that_the_quota_is_exceeded(plane: Plane, ns: str) -> None:
    quota(plane, ns, "q", {"pods": "2"})
    made = workload("ReplicationController", "rc", 3, api="v1", template=template({"app": "rc"}))
    plane.create("replicationcontrollers", made, ns)
    failure = plane.until("replicationcontrollers", "rc", ns, lambda o: o["status"].get("conditions"))["status"]["conditions"]
    assert [(c["type"], c["reason"]) for c in failure] == [("ReplicaFailure", "FailedCreate")]
    plane.patch("replicationcontrollers", "rc", {"spec": {"replicas": 2}}, ns)
    plane.until("replicationcontrollers", "rc", ns, lambda o: not o["status"].get("conditions"))
