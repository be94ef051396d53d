"""Pods that name their node, resizing in place, and what is said about them."""

from __future__ import annotations

from scheduler.cycle import Placement, Refusal, message
from scheduler.explanation import explain
from scheduler.framework.podinfo import parse, pod_requests
from scheduler.profile import build
from tests.support.scheduling import Obj, attempt, node, pod, snapshot


def for_node(*names: str) -> Obj:
    fields = [{"key": "metadata.name", "operator": "In", "values": list(names)}]
    terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def test_a_pod_that_names_its_node_is_tried_there_alone() -> None:
    s = snapshot(node("a"), node("b"), node("c", "1"))
    found = attempt(s, pod(affinity=for_node("b")))
    assert isinstance(found, Placement) and found.node == "b"
    refused = attempt(s, pod(cpu="2", affinity=for_node("c")))
    assert isinstance(refused, Refusal)
    assert message(refused) == "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."


def test_a_pod_that_is_resized_counts_for_the_most_of_what_it_has_and_asks() -> None:
    spec = pod(cpu="2")["spec"]
    given = {"containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "3"}}]}
    assert pod_requests(spec)["cpu"] == 2000
    assert pod_requests(spec, given)["cpu"] == 3000
    infeasible = {"conditions": [{"type": "PodResizePending", "reason": "Infeasible", "status": "True"}]}
    smaller = {"containerStatuses": [{"name": "c", "allocatedResources": {"cpu": "1"}}]}
    assert pod_requests(spec, smaller)["cpu"] == 2000
    assert pod_requests(spec, smaller | infeasible)["cpu"] == 1000


def test_an_explanation_asks_every_filter_about_every_node() -> None:
    s = snapshot(node("a", "1", unschedulable=True), node("b"))
    found = explain(s, parse(pod(cpu="2")), build())
    rows = {row.name: row for row in found.nodes}
    assert rows["a"].refusals == {"NodeUnschedulable": ["node(s) were unschedulable"], "NodeResourcesFit": ["Insufficient cpu"]}
    assert found.node == "b" and not rows["b"].refusals and rows["b"].scores


def test_an_explanation_names_who_would_have_to_go() -> None:
    s = snapshot(node("a", "2"))
    s.add_pod("a", parse(pod("low", "2")))
    found = explain(s, parse(pod("high", "2", priority=5)), build())
    assert found.node == "" and found.preemption == {"node": "a", "victims": ["default/low"], "message": ""}
