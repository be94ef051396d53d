"""Taints, node health, address ranges, the TTL steps."""

import ipaddress
from typing import Any

import pytest

from controllers.nodes import health, taints, ttl
from controllers.nodes.ipam import CIDRSet
from controllers.nodes.podgc import removal_order
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, pod, ready

Obj = dict[str, Any]


def node(*conditions: Obj, unschedulable: bool = False, held: tuple[str, ...] = ()) -> Obj:
    spec = {"unschedulable": unschedulable, "taints": [{"key": k, "effect": "NoSchedule"} for k in held]}
    return {
        "metadata": {"name": "n", "creationTimestamp": "2025-01-01T00:00:00Z"},
        "spec": spec,
        "status": {"conditions": list(conditions)},
    }


@pytest.mark.parametrize(
    ("given", "add", "remove"),
    [
        (node(ready()), [], []),
        (node(ready("False")), [taints.NOT_READY], []),
        (node(ready("Unknown"), held=(taints.NOT_READY,)), [taints.UNREACHABLE], [taints.NOT_READY]),
        (node(ready(), held=(taints.NOT_READY, "mine")), [], [taints.NOT_READY]),
        (
            node(ready(), {"type": "MemoryPressure", "status": "True"}, unschedulable=True),
            ["node.kubernetes.io/memory-pressure", taints.UNSCHEDULABLE],
            [],
        ),
    ],
)
def test_taints_follow_conditions(given: Obj, add: list[str], remove: list[str]) -> None:
    assert taints.no_schedule(given) == (add, remove)


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0),
        ([{"operator": "Exists"}], None),
        ([{"key": "k", "value": "v", "effect": "NoExecute"}], None),
        ([{"key": "k", "value": "other"}], 0),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 30}, {"operator": "Exists", "tolerationSeconds": 10}], 10),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": -5}], 0),
    ],
)
def test_toleration_time(tolerations: list[Obj], seconds: float | None) -> None:
    assert taints.tolerated_for([{"key": "k", "value": "v", "effect": "NoExecute"}], tolerations) == seconds


def test_a_lease_or_a_new_heartbeat_is_a_probe() -> None:
    first = health.observe(None, node(ready()), None, NOW)
    assert health.observe(first, node(ready()), None, NOW + 10).probed == NOW
    leased = health.observe(first, node(ready()), {"spec": {"renewTime": "2026"}}, NOW + 20)
    assert leased.probed == NOW + 20
    assert health.observe(leased, node(ready()), {"spec": {"renewTime": "2026"}}, NOW + 30).probed == NOW + 20
    beaten = {**ready(), "lastHeartbeatTime": "x"}
    assert health.observe(leased, node(beaten), None, NOW + 40).probed == NOW + 40


def test_conditions_become_unknown() -> None:
    found = health.unknown_conditions(node(ready()), NOW)
    assert [c["status"] for c in found] == ["Unknown"] * 4
    assert (found[0]["reason"], found[1]["reason"]) == ("NodeStatusUnknown", "NodeStatusNeverUpdated")


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([True], "Normal"),
        ([False], "FullDisruption"),
        ([True, False, False], "Normal"),
        ([True, False, False, False], "PartialDisruption"),
        ([], "Normal"),
    ],
)
def test_zone_states(states: list[bool], expected: str) -> None:
    assert health.zone_state(states, 0.55) == expected


def test_subnets() -> None:
    subnets = CIDRSet(ipaddress.ip_network("10.0.0.0/22"), 24)
    assert subnets.occupy("10.0.1.0/24")
    assert not subnets.occupy("192.168.0.0/24")
    assert [subnets.allocate() for _ in range(4)] == ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24", None]
    subnets.release("10.0.2.0/24")
    assert subnets.allocate() == "10.0.2.0/24"
    with pytest.raises(ValueError, match="fit"):
        CIDRSet(ipaddress.ip_network("10.0.0.0/24"), 22)


def test_ttl_steps_do_not_flap() -> None:
    assert [ttl.STEPS[ttl.next_step(s, n)][2] for s, n in ((0, 100), (0, 101), (1, 95), (1, 89), (0, 5000))] == [0, 15, 15, 0, 300]


def test_evicted_pods_are_collected_first() -> None:
    old, young, evicted = (pod(n, phase="Failed", creationTimestamp=format_time(NOW - a)) for n, a in (("a", 9), ("b", 5), ("c", 1)))
    evicted["status"]["reason"] = "Evicted"
    assert sorted([young, evicted, old], key=removal_order) == [evicted, old, young]
