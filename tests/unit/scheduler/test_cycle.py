"""The pure cycle: which nodes fit, which is chosen, and what is said when none fits."""

from __future__ import annotations

import random
from typing import Any

import pytest

from scheduler.cycle import Placement, Refusal, message, schedule
from scheduler.framework.podinfo import parse, pod_requests
from scheduler.framework.snapshot import Snapshot
from scheduler.profile import build


def node(name: str, cpu: str = "4", labels: dict[str, str] | None = None, taints: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {**spec, **({"taints": taints} if taints else {})},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def pod(name: str = "p", cpu: str = "100m", **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"name": name, "namespace": "default", "uid": name}, "spec": {"containers": [container], **spec}}


def snapshot(*nodes: dict[str, Any]) -> Snapshot:
    out = Snapshot()
    for n in nodes:
        out.set_node(n)
    return out


def attempt(s: Snapshot, p: dict[str, Any]) -> Placement | Refusal:
    return schedule(s, parse(p), build(), random.Random(1))


def test_the_emptier_node_wins() -> None:
    s = snapshot(node("a"), node("b"))
    s.add_pod("a", parse(pod("x", "3")))
    result = attempt(s, pod())
    assert isinstance(result, Placement) and result.node == "b"


@pytest.mark.parametrize(
    ("nodes", "asked", "text"),
    [
        ([node("a", "1"), node("b", "1")], pod(cpu="2"), "0/2 nodes are available: 2 Insufficient cpu."),
        ([node("a", unschedulable=True)], pod(), "0/1 nodes are available: 1 node(s) were unschedulable."),
        (
            [node("a", taints=[{"key": "k", "effect": "NoSchedule"}]), node("b", "1")],
            pod(cpu="2"),
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s).",
        ),
        ([node("a")], pod(nodeSelector={"x": "y"}), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
    ],
)
def test_refusals_say_what_upstream_says(nodes: list[Any], asked: dict[str, Any], text: str) -> None:
    result = attempt(snapshot(*nodes), asked)
    assert isinstance(result, Refusal) and message(result) == text


def test_a_toleration_lets_a_pod_in() -> None:
    s = snapshot(node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}]))
    assert isinstance(attempt(s, pod(tolerations=[{"key": "k", "operator": "Exists"}])), Placement)
    assert isinstance(attempt(s, pod(tolerations=[{"key": "k", "value": "other"}])), Refusal)


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "size", "operator": "In", "values": ["5"]}, True),
        ({"key": "size", "operator": "NotIn", "values": ["5"]}, False),
        ({"key": "size", "operator": "Exists"}, True),
        ({"key": "other", "operator": "DoesNotExist"}, True),
        ({"key": "size", "operator": "Gt", "values": ["4"]}, True),
        ({"key": "size", "operator": "Lt", "values": ["4"]}, False),
    ],
)
def test_node_affinity_operators(expression: dict[str, Any], fits: bool) -> None:
    affinity = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    }
    result = attempt(snapshot(node("a", labels={"size": "5"})), pod(affinity=affinity))
    assert isinstance(result, Placement) is fits


def test_host_ports_conflict_on_overlapping_addresses_only() -> None:
    def with_port(name: str, ip: str | None) -> dict[str, Any]:
        p = pod(name)
        p["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80, **({"hostIP": ip} if ip else {})}]
        return p

    s = snapshot(node("a"))
    s.add_pod("a", parse(with_port("x", "10.0.0.1")))
    assert isinstance(attempt(s, with_port("y", "10.0.0.2")), Placement)
    assert isinstance(attempt(s, with_port("z", None)), Refusal)
    s.remove_pod("a", "x")
    assert isinstance(attempt(s, with_port("z", None)), Placement)


def test_requests_sum_containers_and_sidecars_and_take_the_peak_of_init_containers() -> None:
    def c(cpu: str, **more: Any) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [c("1"), c("500m")],
        "initContainers": [c("200m", restartPolicy="Always"), c("3")],
        "overhead": {"cpu": "100m"},
    }
    assert pod_requests(spec) == {"cpu": 3300}


def test_slots_are_used_again_and_the_arrays_grow() -> None:
    s = snapshot(*(node(f"n{i}") for i in range(100)))
    assert s.alive.sum() == 100
    s.remove_node("n5")
    s.set_node(node("new"))
    assert s.alive.sum() == 100 and "n5" not in s.nodes


def labelled(name: str, app: str, **spec: Any) -> dict[str, Any]:
    p = pod(name, **spec)
    p["metadata"]["labels"] = {"app": app}
    return p


def term(app: str, key: str = "zone") -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}


def needs(kind: str, app: str) -> dict[str, Any]:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term(app)]}}


def zones() -> Snapshot:
    return snapshot(node("a", labels={"zone": "1"}), node("b", labels={"zone": "1"}), node("c", labels={"zone": "2"}), node("d"))


def test_affinity_draws_a_pod_into_the_domain_of_another() -> None:
    s = zones()
    assert isinstance(attempt(s, labelled("x", "web", affinity=needs("podAffinity", "db"))), Refusal)
    s.add_pod("c", parse(labelled("db", "db")))
    result = attempt(s, labelled("x", "web", affinity=needs("podAffinity", "db")))
    assert isinstance(result, Placement) and result.node == "c"


def test_the_first_of_a_group_that_wants_its_own_kind_may_go_where_the_topology_is_known() -> None:
    result = attempt(zones(), labelled("x", "web", affinity=needs("podAffinity", "web")))
    assert isinstance(result, Placement) and result.node in ("a", "b", "c")


def test_anti_affinity_holds_in_both_directions() -> None:
    s = zones()
    s.remove_node("d")
    s.remove_node("c")
    s.add_pod("a", parse(labelled("lonely", "lonely", affinity=needs("podAntiAffinity", "web"))))
    refused = attempt(s, labelled("x", "web"))
    assert isinstance(refused, Refusal)
    assert message(refused) == "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules."
    s.remove_pod("a", "lonely")
    assert not s.tallies
    s.add_pod("b", parse(labelled("web", "web")))
    refused = attempt(s, labelled("y", "y", affinity=needs("podAntiAffinity", "web")))
    assert isinstance(refused, Refusal) and "didn't match pod anti-affinity rules" in message(refused)


def spreading(key: str, skew: int = 1, **more: Any) -> list[dict[str, Any]]:
    selector = {"matchLabels": {"app": "web"}}
    return [{"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector, **more}]


def test_spreading_keeps_the_skew() -> None:
    s = zones()
    for name in ("a", "b"):
        s.add_pod(name, parse(labelled(f"web-{name}", "web")))
    result = attempt(s, labelled("x", "web", topologySpreadConstraints=spreading("zone")))
    assert isinstance(result, Placement) and result.node == "c"
    s.remove_node("c")
    refused = attempt(s, labelled("x", "web", topologySpreadConstraints=spreading("zone", minDomains=2)))
    assert isinstance(refused, Refusal)
    assert message(refused) == (
        "0/3 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), "
        "2 node(s) didn't match pod topology spread constraints."
    )
