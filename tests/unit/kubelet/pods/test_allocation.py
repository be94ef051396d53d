"""Resizes that fit, that wait, and who is served first."""

from __future__ import annotations

from typing import Any

import pytest

from kubelet.pods.allocation import Allocations, restored, summary

Obj = dict[str, Any]


def pod(uid: str, cpu: str, *, priority: int = 0, generation: int = 1, limit: str = "") -> Obj:
    resources = {"requests": {"cpu": cpu}} | ({"limits": {"cpu": limit}} if limit else {})
    return {
        "metadata": {"uid": uid, "name": uid, "generation": generation},
        "spec": {"priority": priority, "containers": [{"name": "c", "resources": resources}]},
    }


def cpu(p: Obj) -> str:
    return str(p["spec"]["containers"][0]["resources"]["requests"]["cpu"])


class Node:
    """A node of two processors, with what it told and whom it woke."""

    def __init__(self, *pods: Obj) -> None:
        self.told: list[tuple[str, str]] = []
        self.woken: list[str] = []
        self.pods = Allocations(
            {"cpu": "2", "memory": "1Gi"}, lambda p, _type, reason, _text: self.told.append((p["metadata"]["uid"], reason))
        )
        for p in pods:
            self.pods.hold(p, lambda uid=p["metadata"]["uid"]: self.woken.append(uid))  # type: ignore[misc]


def test_what_fits_is_given_at_once() -> None:
    node = Node(pod("a", "1"), pod("b", "500m"))
    assert cpu(node.pods.update(pod("a", "1500m"))) == "1500m"
    assert node.pods.pending("a") is None and node.told == [("a", "ResizeStarted")]


def test_what_does_not_fit_waits_with_what_it_has() -> None:
    node = Node(pod("a", "1"), pod("b", "500m"))
    for _ in range(2):
        assert cpu(node.pods.update(pod("a", "1600m"))) == "1"
    assert node.pods.pending("a") == {
        "type": "PodResizePending", "status": "True", "reason": "Deferred",
        "message": "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000",
    }  # fmt: skip
    assert node.told == [("a", "ResizeDeferred")]
    assert cpu(node.pods.update(pod("a", "1"))) == "1" and node.pods.pending("a") is None


@pytest.mark.parametrize("shrink", [True, False])
def test_a_share_that_becomes_free_goes_to_who_waits(shrink: bool) -> None:
    node = Node(pod("a", "1"), pod("b", "500m"))
    wanted = pod("a", "1600m")
    node.pods.update(wanted)
    if shrink:
        node.pods.update(pod("b", "100m"))
    else:
        node.pods.release("b")
    assert node.woken == ["a"] and cpu(node.pods.update(wanted)) == "1600m"


def test_priority_comes_before_patience() -> None:
    low, high = pod("low", "500m"), pod("high", "500m", priority=5)
    node = Node(low, high, pod("c", "1"))
    for p in (pod("low", "1500m"), pod("high", "1500m", priority=5)):
        node.pods.update(p)
    node.pods.release("c")
    assert node.woken == ["high"]
    assert node.pods.pending("low") is not None and node.pods.pending("high") is None


def test_a_pod_that_is_met_again_has_what_its_status_says_while_it_waits() -> None:
    asked = pod("a", "1600m", limit="2")
    entry = {"name": "c", "allocatedResources": {"cpu": "1"}, "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}}
    asked["status"] = {"conditions": [], "containerStatuses": [entry]}
    assert restored(asked)["c"]["requests"] == {"cpu": "1600m"}
    asked["status"]["conditions"] = [{"type": "PodResizePending", "status": "True"}]
    assert restored(asked)["c"] == {"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}


def test_a_pod_for_which_there_is_no_room_is_refused() -> None:
    node = Node(pod("a", "1"), pod("b", "500m"))
    assert node.pods.refusal(pod("c", "500m")) is None
    text = "Node didn't have enough resource: cpu, requested: 600, used: 1500, capacity: 2000"
    assert node.pods.refusal(pod("c", "600m")) == ("OutOfcpu", text)
    full = Allocations({"pods": "0"}, lambda *_: None)
    assert full.refusal(pod("c", "0")) == ("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 0, capacity: 0")


def test_unknown_pods_are_as_they_ask() -> None:
    assert cpu(Node().pods.update(pod("x", "9"))) == "9"


def test_events_tell_the_resources() -> None:
    told = summary(pod("a", "1", limit="2"), "no")
    assert told == '{"containers":[{"name":"c","resources":{"limits":{"cpu":"2"},"requests":{"cpu":"1"}}}],"generation":1,"error":"no"}'
