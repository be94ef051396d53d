"""Which pods would have to go."""

from __future__ import annotations

import random
from typing import Any

import pytest

from scheduler.cycle import Refusal
from scheduler.framework.cluster import BUDGETS
from scheduler.framework.podinfo import parse
from scheduler.framework.snapshot import Snapshot
from scheduler.preemption import NEVER, TERMINATING, Outcome, preempt
from scheduler.profile import build
from tests.support.scheduling import Obj, attempt, node, pod, snapshot

PROFILE = build()


def running(s: Snapshot, on: str, name: str, cpu: str, priority: int = 0, **more: Any) -> None:
    p = pod(name, cpu, labels={"app": name}, priority=priority)
    p["status"] = {"startTime": "2026-01-01T00:00:00Z", **more.pop("status", {})}
    p["metadata"].update(more)
    s.add_pod(on, parse(p))


def search(s: Snapshot, p: Obj) -> Outcome:
    refusal = attempt(s, p)
    assert isinstance(refusal, Refusal)
    before = {name: row.copy() for name, row in s.requested.items()}
    out = preempt(s, parse(p), PROFILE, refusal, random.Random(1))
    assert all((before[name] == s.requested[name]).all() for name in before), "the snapshot was changed"
    return out


def victims(out: Outcome) -> list[str]:
    assert out.candidate is not None, out.text
    return [v.name for v in out.candidate.victims]


def test_as_few_pods_as_possible_go_and_the_least_important_ones() -> None:
    s = snapshot(node("a"))
    running(s, "a", "low", "1")
    running(s, "a", "mid", "1", 5)
    running(s, "a", "high", "2", 50)
    assert victims(search(s, pod(cpu="1", priority=10))) == ["low"]
    assert victims(search(s, pod(cpu="2", priority=10))) == ["mid", "low"]


def test_the_pod_that_ran_longest_stays() -> None:
    s = snapshot(node("a", "2"))
    running(s, "a", "young", "1", status={"startTime": "2026-03-01T00:00:00Z"})
    running(s, "a", "old", "1", status={"startTime": "2026-01-01T00:00:00Z"})
    assert victims(search(s, pod(cpu="1", priority=10))) == ["young"]


@pytest.mark.parametrize("affine", [False, True])
def test_the_node_that_hurts_least_is_chosen(affine: bool) -> None:
    s = snapshot(node("a", "2"), node("b", "2"), node("c", "2"))
    running(s, "a", "a1", "2", 5)
    running(s, "b", "b1", "1", 1)
    running(s, "b", "b2", "1", 1)
    running(s, "c", "c1", "2", 1)
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "none"}}}
    more = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}} if affine else {}
    out = search(s, pod(cpu="2", priority=10, **more))
    assert out.candidate is not None and out.candidate.node == "c"


def test_budgets_are_broken_last() -> None:
    s = snapshot(node("a", "2"), node("b", "2"))
    running(s, "a", "guarded", "2")
    running(s, "b", "free", "2", 5)
    budget = {"metadata": {"name": "x", "namespace": "default"}, "spec": {"selector": {"matchLabels": {"app": "guarded"}}}}
    s.cluster.put(BUDGETS, budget | {"status": {"disruptionsAllowed": 0}})
    assert victims(search(s, pod(cpu="2", priority=10))) == ["free"]
    s.remove_node("b")
    out = search(s, pod(cpu="2", priority=10))
    assert victims(out) == ["guarded"] and out.candidate is not None and out.candidate.violations == 1


def test_anti_affinity_to_a_less_important_pod_removes_it() -> None:
    s = snapshot(node("a"))
    running(s, "a", "db", "1")
    running(s, "a", "other", "1")
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "db"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert victims(search(s, pod(cpu="1", priority=10, affinity=affinity))) == ["db"]


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (pod(cpu="3", priority=10, preemptionPolicy="Never"), NEVER),
        (pod(cpu="3", priority=1), "0/1 nodes are available: 1 No preemption victims found for incoming pod."),
        (pod(cpu="9", priority=10), "0/1 nodes are available: 1 Preemption is not helpful for scheduling."),
        (pod(cpu="4", priority=10), "0/1 nodes are available: 1 Insufficient cpu."),
    ],
)
def test_why_nothing_can_be_done(p: Obj, text: str) -> None:
    s = snapshot(node("a"))
    running(s, "a", "x", "1", 50)
    running(s, "a", "y", "1", 1)
    assert search(s, p).text == text


def test_a_pod_waits_for_victims_that_are_on_their_way_out() -> None:
    s = snapshot(node("a", "2"))
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    running(s, "a", "x", "2", deletionTimestamp="2026-01-01T00:00:00Z", status={"conditions": [condition]})
    p = pod(cpu="2", priority=10)
    p["status"] = {"nominatedNodeName": "a"}
    assert search(s, p).text == TERMINATING


def test_a_nomination_holds_the_place_for_pods_of_no_more_importance() -> None:
    s = snapshot(node("a", "2"))
    s.nominated["vip"] = ("a", parse(pod("vip", "2", priority=10)))
    assert isinstance(attempt(s, pod(cpu="1", priority=10)), Refusal)
    assert not isinstance(attempt(s, pod(cpu="1", priority=11)), Refusal)
    del s.nominated["vip"]
    assert not isinstance(attempt(s, pod(cpu="1")), Refusal)
