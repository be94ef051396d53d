"""Scores, as upstream computes them."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.framework.cluster import SERVICES
from scheduler.framework.interface import Cycle
from scheduler.framework.podinfo import parse
from scheduler.framework.snapshot import Snapshot
from scheduler.profile import build
from tests.support.scheduling import Obj, node, pod, snapshot


def scores(plugin: str, s: Snapshot, p: Obj, args: Obj | None = None) -> dict[str, float] | None:
    profile = build(args={plugin: args or {}})
    found = next(p for p, _ in profile.scores if p.name == plugin)
    cycle = Cycle(parse(p), s, s.alive.copy())
    raw = found.score(cycle)
    return None if raw is None else {n.name: float(raw[n.slot]) for n in s.nodes.values()}


def strategy(kind: str, **more: Any) -> Obj:
    return {"scoringStrategy": {"type": kind, "resources": [{"name": "cpu", "weight": 1}], **more}}


RATIO = {"requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (strategy("LeastAllocated"), {"a": 50.0, "b": 75.0}),
        (strategy("MostAllocated"), {"a": 50.0, "b": 25.0}),
        (strategy("RequestedToCapacityRatio", **RATIO), {"a": 50.0, "b": 25.0}),
    ],
)
def test_strategies_of_the_resource_fit(args: Obj, expected: dict[str, float]) -> None:
    s = snapshot(node("a"), node("b"))
    s.add_pod("a", parse(pod("x", "1")))
    assert scores("NodeResourcesFit", s, pod(cpu="1"), args) == expected


def test_balance_prefers_even_use_and_ignores_pods_that_ask_for_nothing() -> None:
    s = snapshot(node("a", "2"), node("b", "8"))
    p = pod(cpu="1")
    p["spec"]["containers"][0]["resources"]["requests"]["memory"] = "4Gi"
    assert scores("NodeResourcesBalancedAllocation", s, p) == {"a": 100.0, "b": 81.0}
    nothing = pod()
    nothing["spec"]["containers"][0]["resources"] = {}
    assert scores("NodeResourcesBalancedAllocation", s, nothing) is None


def test_preferred_node_affinity_adds_weights_up() -> None:
    def wish(weight: int, value: str) -> Obj:
        return {"weight": weight, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": [value]}]}}

    s = snapshot(node("a", labels={"zone": "1"}), node("b", labels={"zone": "2"}), node("c"))
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish(40, "1"), wish(80, "2")]}}
    assert scores("NodeAffinity", s, pod(affinity=affinity)) == {"a": 50.0, "b": 100.0, "c": 0.0}


def test_taints_that_only_discourage_count() -> None:
    s = snapshot(node("a", taints=[{"key": "k", "effect": "PreferNoSchedule"}]), node("b"))
    assert scores("TaintToleration", s, pod()) == {"a": 0.0, "b": 100.0}


def test_pods_of_a_service_spread_without_being_told() -> None:
    zone = "topology.kubernetes.io/zone"
    s = snapshot(node("a", labels={zone: "1"}), node("b", labels={zone: "2"}))
    s.add_pod("a", parse(pod("x", labels={"app": "web"})))
    assert scores("PodTopologySpread", s, pod(labels={"app": "web"})) is None
    s.cluster.put(SERVICES, {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}})
    found = scores("PodTopologySpread", s, pod(labels={"app": "web"}))
    assert found is not None and found["b"] > found["a"]
    listed = {"defaultingType": "List", "defaultConstraints": []}
    assert scores("PodTopologySpread", s, pod(labels={"app": "web"}), listed) is None


def test_running_pods_that_want_the_pod_near_draw_it() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    required = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    s = snapshot(node("a"), node("b"))
    s.add_pod("b", parse(pod("x", affinity=required)))
    assert scores("InterPodAffinity", s, pod(labels={"app": "web"})) == {"a": 0.0, "b": 100.0}
    assert scores("InterPodAffinity", s, pod(labels={"app": "web"}), {"hardPodAffinityWeight": 0}) is None


def test_images_that_are_there_already_draw_a_pod() -> None:
    with_image = node("a")
    with_image["status"]["images"] = [{"names": ["i:latest"], "sizeBytes": 2000 * 1024 * 1024}]
    found = scores("ImageLocality", snapshot(with_image, node("b")), pod())
    assert found == {"a": 100.0, "b": 0.0}
