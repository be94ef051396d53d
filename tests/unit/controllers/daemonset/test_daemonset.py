"""Where daemon pods belong, and how they are replaced."""

from typing import Any

import pytest

from controllers.daemonset import placement, rollout
from tests.support.objects import NOW, owner, pod

Obj = dict[str, Any]


def ds(**spec: Any) -> Obj:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return owner("DaemonSet", "agent", **{"updateStrategy": rolling, **spec})


def node(name: str, *taints: Obj, **labels: str) -> Obj:
    return {"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)}}


def taint(key: str, effect: str) -> Obj:
    return {"key": key, "effect": effect}


def daemon(name: str, on: str, revision: str = "new", **fields: Any) -> Obj:
    return pod(name, node=on, labels={placement.HASH: revision}, **fields)


def with_spec(**fields: Any) -> Obj:
    made = ds()
    made["spec"]["template"] = {**made["spec"]["template"], "spec": {**made["spec"]["template"]["spec"], **fields}}
    return made


@pytest.mark.parametrize(
    ("given", "on", "expected"),
    [
        (ds(), node("n"), (True, True)),
        (ds(), node("n", taint("node.kubernetes.io/unschedulable", "NoSchedule")), (True, True)),
        (ds(), node("n", taint("x", "NoSchedule")), (False, True)),
        (ds(), node("n", taint("x", "NoExecute")), (False, False)),
        (ds(), node("n", taint("x", "PreferNoSchedule")), (True, True)),
        (with_spec(nodeSelector={"a": "b"}), node("n"), (False, False)),
        (with_spec(nodeSelector={"a": "b"}), node("n", a="b"), (True, True)),
        (with_spec(nodeName="other"), node("n"), (False, False)),
    ],
)
def test_should_run(given: Obj, on: Obj, expected: tuple[bool, bool]) -> None:
    assert placement.should_run(given, on) == expected


def test_the_pod_is_tied_to_its_node_by_affinity() -> None:
    made = placement.pod_for(ds(), "n1", "abc")
    assert placement.target_node(made) == "n1"
    assert "nodeName" not in made["spec"]
    assert made["metadata"]["labels"][placement.HASH] == "abc"
    assert {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"} in made["spec"]["tolerations"]


def names(pods: list[Obj]) -> list[str]:
    return [p["metadata"]["name"] for p in pods]


def test_upkeep() -> None:
    nodes = [node("a"), node("b"), node("c", taint("x", "NoExecute")), node("d")]
    by_node = {
        "b": [daemon("b1", "b", creationTimestamp="2025-01-01T00:00:00Z"), daemon("b2", "b", creationTimestamp="2025-01-02T00:00:00Z")],
        "c": [daemon("c1", "c")],
        "d": [daemon("d1", "d", phase="Failed")],
        "gone": [pod("waiting", phase="Pending")],
    }
    steps = rollout.upkeep(ds(), nodes, by_node, "new", NOW)
    assert (steps.create, sorted(names(steps.delete)), names(steps.ended)) == (["a"], ["b2", "c1", "waiting"], ["d1"])


def test_rolling_update_replaces_broken_pods_first_and_then_as_many_as_allowed() -> None:
    nodes = [node(n) for n in "abc"]
    healthy = {n: [daemon(n, n, "old", is_ready=True)] for n in "abc"}
    assert len(rollout.roll(ds(), nodes, healthy, "new", NOW).delete) == 1
    broken = {**healthy, "b": [daemon("b", "b", "old")]}
    assert names(rollout.roll(ds(), nodes, broken, "new", NOW).delete) == ["b"]
    waiting = {**healthy, "a": [daemon("a", "a", "new")]}
    assert rollout.roll(ds(), nodes, waiting, "new", NOW).delete == []
    gone = {name: mine for name, mine in healthy.items() if name != next(iter(healthy))}
    assert rollout.roll(ds(), nodes, gone, "new", NOW).delete == [], "a node whose pod has just gone counts, too"


def test_surge_makes_the_new_pod_first() -> None:
    surging = ds(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    nodes = [node(n) for n in "ab"]
    old = {n: [daemon(n, n, "old", is_ready=True)] for n in "ab"}
    assert rollout.roll(surging, nodes, old, "new", NOW).create == ["a"]
    both = {**old, "a": [*old["a"], daemon("a2", "a", is_ready=True)]}
    steps = rollout.roll(surging, nodes, both, "new", NOW)
    assert (names(steps.delete), steps.create) == (["a"], ["b"])


def test_status() -> None:
    nodes = [node("a"), node("b"), node("c", taint("x", "NoExecute"))]
    by_node = {"a": [daemon("a", "a", is_ready=True)], "c": [daemon("c", "c", "old")]}
    assert rollout.status(ds(), nodes, by_node, "new", NOW) == {
        "currentNumberScheduled": 1, "numberMisscheduled": 1, "desiredNumberScheduled": 2, "numberReady": 1, "observedGeneration": 1,
        "updatedNumberScheduled": 1, "numberAvailable": 1, "numberUnavailable": 1,
    }  # fmt: skip
