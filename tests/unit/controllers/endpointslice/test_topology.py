"""Zone hints by the annotation topology-mode."""

from typing import Any

import pytest

from controllers.endpointslice import topology
from tests.support.objects import meta, ready

Obj = dict[str, Any]


def node(zone: str | None, cpu: str = "4", *, is_ready: bool = True, **labels: str) -> Obj:
    metadata = meta("n", labels={**({topology.ZONE: zone} if zone else {}), **labels})
    return {"metadata": metadata, "status": {"allocatable": {"cpu": cpu}, "conditions": [ready(str(is_ready))]}}


def endpoints(*zones: str | None) -> list[Obj]:
    return [{"addresses": [str(i)], "conditions": {"ready": True}, **({"zone": z} if z else {})} for i, z in enumerate(zones)]


def zones(found: list[Obj]) -> list[str]:
    return [e["hints"]["forZones"][0]["name"] if "hints" in e else "" for e in found]


def test_shares_are_of_ready_workers_cpus() -> None:
    control = node("c", **{"node-role.kubernetes.io/control-plane": ""})
    assert topology.shares([node("a", "3"), node("b", "1"), node("c", is_ready=False), control]) == {"a": 0.75, "b": 0.25}
    for nodes in ([node("a")], [node("a"), node("b"), node(None)], [node("a"), node("b", "0")]):
        with pytest.raises(topology.Impossible, match="Insufficient Node information"):
            topology.shares(nodes)


def test_zones_with_too_many_endpoints_serve_those_with_too_few() -> None:
    assert zones(topology.hints(endpoints("a", "a", "b", "b"), {"a": 0.5, "b": 0.5})) == ["a", "a", "b", "b"]
    assert sorted(zones(topology.hints(endpoints("a", "a", "a", "b"), {"a": 0.5, "b": 0.5}))) == ["a", "a", "b", "b"]


def test_what_is_not_ready_has_no_hint() -> None:
    given = [*endpoints("a", "b"), {"addresses": ["x"], "conditions": {"ready": False}, "zone": "a"}]
    assert zones(topology.hints(given, {"a": 0.5, "b": 0.5})) == ["a", "b", ""]


@pytest.mark.parametrize(
    ("given", "parts", "why"),
    [
        (("a",), {"a": 0.5, "b": 0.5}, r"Insufficient number of endpoints \(1 endpoints, 2 zones\)"),
        (("a", None), {"a": 0.5, "b": 0.5}, "do not have a zone specified"),
        (("a", "b", "b"), {"a": 0.45, "b": 0.45, "c": 0.1}, r"exceeding overload threshold \(3 endpoints, 3 zones\)"),
    ],
)
def test_when_hints_cannot_be_given(given: tuple[str | None, ...], parts: dict[str, float], why: str) -> None:
    with pytest.raises(topology.Impossible, match=why):
        topology.hints(endpoints(*given), parts)
