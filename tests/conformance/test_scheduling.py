"""[sig-scheduling] predicates, preemption, LimitRange; needs the three nodes of the plane for itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.plane import Obj, Plane, condition, container, meta, pod, running, template, unique, workload

CLASSES = "priorityclasses.scheduling.k8s.io"
DEVICE = "scheduling.example.com/foo"


def unschedulable(plane: Plane, ns: str, name: str) -> None:
    got = plane.until("pods", name, ns, lambda p: condition(p, "PodScheduled") == "False")
    assert next(c for c in got["status"]["conditions"] if c["type"] == "PodScheduled")["reason"] == "Unschedulable"


def asking(name: str, amount: int, **spec: object) -> Obj:
    resources = {"requests": {DEVICE: str(amount)}, "limits": {DEVICE: str(amount)}}
    return pod(name, containers=[container(resources=resources)], **spec)


@pytest.fixture
def devices(plane: Plane) -> Iterator[list[str]]:
    """Five of an extended resource on every node."""
    names = [n["metadata"]["name"] for n in plane.list("nodes")]
    key = DEVICE.replace("/", "~1")
    for name in names:
        add = [{"op": "add", "path": f"/status/{part}/{key}", "value": "5"} for part in ("capacity", "allocatable")]
        plane.patch("nodes", name, add, sub="status", kind="json-patch+json")
    yield names
    for name in names:
        gone = [{"op": "remove", "path": f"/status/{part}/{key}"} for part in ("capacity", "allocatable")]
        plane.http.patch(f"/api/v1/nodes/{name}/status", json=gone, headers={"Content-Type": "application/json-patch+json"})


@pytest.fixture
def classes(plane: Plane) -> Iterator[dict[str, str]]:
    """Priority classes low, medium and high."""
    made = {name: unique(name) for name in ("low", "medium", "high")}
    for i, name in enumerate(made.values()):
        plane.create(CLASSES, {"metadata": meta(name), "value": (i + 1) * 100})
    yield made
    for name in made.values():
        plane.delete(CLASSES, name)


def test_resource_limits(plane: Plane, ns: str, devices: list[str]) -> None:
    for i in range(3):
        plane.create("pods", asking(f"p{i}", 4), ns)
    plane.until_list("pods", ns, lambda found: len(running(found)) == 3)
    assert len({p["spec"]["nodeName"] for p in plane.list("pods", ns)}) == 3
    plane.create("pods", asking("more", 2), ns)
    unschedulable(plane, ns, "more")
    plane.create("pods", asking("fits", 1), ns)
    plane.until("pods", "fits", ns, lambda p: p["spec"].get("nodeName"))


def test_node_selectors(plane: Plane, ns: str, devices: list[str]) -> None:
    plane.create("pods", pod("p", nodeSelector={f"e2e-{ns}": "42"}), ns)
    unschedulable(plane, ns, "p")
    plane.patch("nodes", devices[1], {"metadata": {"labels": {f"e2e-{ns}": "42"}}})
    plane.until("pods", "p", ns, lambda p: p["spec"].get("nodeName") == devices[1])
    plane.patch("nodes", devices[1], {"metadata": {"labels": {f"e2e-{ns}": None}}})


def test_host_ports(plane: Plane, ns: str, devices: list[str]) -> None:
    pick = {"kubernetes.io/hostname": devices[0]}

    def using(name: str, ip: str, protocol: str = "TCP") -> Obj:
        port = {"containerPort": 8080, "hostPort": 54322, "hostIP": ip, "protocol": protocol}
        return pod(name, containers=[container(ports=[port])], nodeSelector=pick)

    plane.create("pods", using("a", "0.0.0.0"), ns)
    plane.until("pods", "a", ns, lambda p: p["spec"].get("nodeName"))
    plane.create("pods", using("b", "127.0.0.1"), ns)
    unschedulable(plane, ns, "b")
    plane.create("pods", using("c", "127.0.0.1", "UDP"), ns)
    plane.until("pods", "c", ns, lambda p: p["spec"].get("nodeName"))


def fill(plane: Plane, ns: str, low: str, medium: str) -> list[str]:
    """Every node full: one low-priority pod on the first node, medium ones on the others."""
    nodes = [n["metadata"]["name"] for n in plane.list("nodes")]
    for i, node in enumerate(nodes):
        plane.create(
            "pods",
            asking(f"p{i}", 5, priorityClassName=low if i == 0 else medium, nodeSelector={"kubernetes.io/hostname": node}),
            ns,
        )
    plane.until_list("pods", ns, lambda found: len(running(found)) == 3)
    return nodes


def test_preemption_takes_the_lowest(plane: Plane, ns: str, devices: list[str], classes: dict[str, str]) -> None:
    nodes = fill(plane, ns, classes["low"], classes["medium"])
    held = {"metadata": {"finalizers": ["e2e.example.com/hold"]}}
    plane.patch("pods", "p0", held, ns)
    plane.create("pods", asking("preemptor", 5, priorityClassName=classes["high"]), ns)
    victim = plane.until("pods", "p0", ns, lambda p: condition(p, "DisruptionTarget") == "True")
    reason = next(c for c in victim["status"]["conditions"] if c["type"] == "DisruptionTarget")["reason"]
    assert reason == "PreemptionByScheduler"
    plane.patch("pods", "p0", {"metadata": {"finalizers": None}}, ns)
    plane.until("pods", "preemptor", ns, lambda p: p["spec"].get("nodeName") == nodes[0] and condition(p, "Ready") == "True")
    assert {p["metadata"]["name"] for p in running(plane.list("pods", ns))} == {"p1", "p2", "preemptor"}


def test_preemption_by_a_critical_pod(plane: Plane, ns: str, devices: list[str], classes: dict[str, str]) -> None:
    nodes = fill(plane, ns, classes["low"], classes["medium"])
    name = unique("critical")
    plane.create("pods", asking(name, 5, priorityClassName="system-cluster-critical"), "kube-system")
    try:
        plane.until("pods", name, "kube-system", lambda p: p["spec"].get("nodeName") == nodes[0])
        plane.gone("pods", "p0", ns)
    finally:
        plane.delete("pods", name, "kube-system")


def test_preemption_path_with_replica_sets(plane: Plane, ns: str, devices: list[str], classes: dict[str, str]) -> None:
    """ReplicaSets of rising priority on one node: the first ones lose their pods to the last."""
    for label, count, amount in (("low", 3, 1), ("medium", 1, 2), ("high", 1, 4)):
        resources = {"requests": {DEVICE: str(amount)}, "limits": {DEVICE: str(amount)}}
        whole = template({"app": label}, containers=[container(resources=resources)], priorityClassName=classes[label],
                         nodeSelector={"kubernetes.io/hostname": devices[0]})  # fmt: skip
        plane.create("replicasets.apps", workload("ReplicaSet", label, count, template=whole), ns)
        plane.until("replicasets.apps", label, ns, lambda o, count=count: o["status"].get("readyReplicas") == count)
    assert plane.get("replicasets.apps", "high", ns)["status"]["readyReplicas"] == 1
    plane.until("replicasets.apps", "medium", ns, lambda o: not o["status"].get("readyReplicas"))


def test_priority_class_endpoints(plane: Plane, classes: dict[str, str]) -> None:
    name = classes["low"]
    plane.patch(CLASSES, name, {"value": 7}, code=422)
    now = plane.get(CLASSES, name)
    now["value"] = 9
    plane.update(CLASSES, now, code=422)
    assert plane.patch(CLASSES, name, {"description": "changed"})["description"] == "changed"


def test_taints_and_spread(plane: Plane, ns: str, devices: list[str]) -> None:
    taint = {"key": f"e2e-{ns}", "value": "v", "effect": "NoSchedule"}
    plane.patch("nodes", devices[0], {"spec": {"taints": [taint]}})
    try:
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
                  "nodeTaintsPolicy": "Honor", "labelSelector": {"matchLabels": {"app": "d"}}}  # fmt: skip
        made = workload("Deployment", "d", 4, template=template({"app": "d"}, topologySpreadConstraints=[spread]))
        plane.create("deployments.apps", made, ns)
        found = plane.until_list("pods", ns, lambda pods: len(running(pods)) == 4)
        assert sorted(p["spec"]["nodeName"] for p in found) == [devices[1]] * 2 + [devices[2]] * 2
        plane.create("pods", pod("t", nodeSelector={"kubernetes.io/hostname": devices[0]}, tolerations=[{"operator": "Exists"}]), ns)
        plane.until("pods", "t", ns, lambda p: p["spec"].get("nodeName") == devices[0])
    finally:
        plane.patch("nodes", devices[0], {"spec": {"taints": None}})


def test_limit_range(plane: Plane, ns: str) -> None:
    limits = {
        "type": "Container",
        "min": {"cpu": "50m", "memory": "100Mi", "ephemeral-storage": "100Gi"},
        "max": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "default": {"cpu": "500m", "memory": "500Mi", "ephemeral-storage": "500Gi"},
        "defaultRequest": {"cpu": "100m", "memory": "200Mi", "ephemeral-storage": "200Gi"},
    }
    plane.create("limitranges", {"metadata": meta("l"), "spec": {"limits": [limits]}}, ns)
    got = plane.create("pods", pod("none"), ns)["spec"]["containers"][0]["resources"]
    assert got == {"limits": limits["default"], "requests": limits["defaultRequest"]}
    some = {"requests": {"cpu": "300m", "memory": "150Mi"}, "limits": {"cpu": "300m"}}
    got = plane.create("pods", pod("partial", containers=[container(resources=some)]), ns)["spec"]["containers"][0]["resources"]
    assert got["limits"] == {**limits["default"], "cpu": "300m"}
    assert got["requests"] == {"cpu": "300m", "memory": "150Mi", "ephemeral-storage": "200Gi"}
    for bad in ({"requests": {"cpu": "10m"}}, {"requests": {"cpu": "600m"}, "limits": {"cpu": "600m"}}):
        plane.create("pods", pod("bad", containers=[container(resources=bad)]), ns, code=403)
    plane.patch("limitranges", "l", {"spec": {"limits": [{**limits, "min": {"cpu": "10m"}}]}}, ns)
    plane.create("pods", pod("less", containers=[container(resources={"requests": {"cpu": "20m", "memory": "200Mi"}})]), ns)
    plane.delete("limitranges", "l", ns)
