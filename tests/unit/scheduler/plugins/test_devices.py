"""Resource claims: which devices they get, and where."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.cycle import Placement, Refusal, message
from scheduler.framework.cluster import DEVICE_CLASSES, RESOURCE_CLAIMS, RESOURCE_SLICES
from scheduler.framework.interface import NotReady
from scheduler.framework.podinfo import parse
from scheduler.framework.snapshot import Snapshot
from scheduler.plugins.dynamic_resources import DynamicResources
from scheduler.profile import build
from tests.support.scheduling import Obj, attempt, node, pod, snapshot

PROFILE = build()


def device(name: str, model: str, memory: str = "8Gi", **more: Any) -> Obj:
    return {"name": name, "attributes": {"model": {"string": model}}, "capacity": {"memory": {"value": memory}}, **more}


def slice_of(on: str, *devices: Obj, generation: int = 1) -> tuple[str, Obj]:
    pool = {"name": on, "generation": generation, "resourceSliceCount": 1}
    spec = {"driver": "gpu.example.com", "nodeName": on, "pool": pool, "devices": list(devices)}
    return RESOURCE_SLICES, {"metadata": {"name": f"{on}-{generation}"}, "spec": spec}


def claim(name: str = "c", *requests: Obj, **more: Any) -> tuple[str, Obj]:
    spec = {"devices": {"requests": list(requests) or [request()], **more}}
    return RESOURCE_CLAIMS, {"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}, "spec": spec}


def request(name: str = "r", expression: str = "", **more: Any) -> Obj:
    exact: Obj = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1, **more}
    if expression:
        exact["selectors"] = [{"cel": {"expression": expression}}]
    return {"name": name, "exactly": exact}


def cluster(*objects: tuple[str, Obj]) -> Snapshot:
    s = snapshot(node("a"), node("b"))
    mine = {"cel": {"expression": 'device.driver == "gpu.example.com"'}}
    for kind, obj in ((DEVICE_CLASSES, {"metadata": {"name": "gpu"}, "spec": {"selectors": [mine]}}), *objects):
        s.cluster.put(kind, obj)
    return s


def using(*claims: str) -> Obj:
    return pod(resourceClaims=[{"name": c, "resourceClaimName": c} for c in claims])


def given(s: Snapshot, p: Obj) -> tuple[str, list[list[str]]]:
    """The node, and the devices of each claim."""
    result = attempt(s, p)
    assert isinstance(result, Placement), message(result)
    plugin = next(f for f in PROFILE.filters if isinstance(f, DynamicResources))
    plan = plugin.plan(result.cycle, s.nodes[result.node].slot)
    return result.node, [[r["device"] for r in a["devices"]["results"]] for _, a in plan.devices if a is not None]


SLICES = (slice_of("a", device("a1", "x")), slice_of("b", device("b1", "x"), device("b2", "y", "80Gi")))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((request(expression='device.attributes["gpu.example.com"].model == "y"'),), ("b", [["b2"]])),
        ((request(expression='device.capacity["gpu.example.com"].memory.compareTo(quantity("40Gi")) > 0'),), ("b", [["b2"]])),
        ((request(count=2),), ("b", [["b1", "b2"]])),
        ((request("one"), request("two")), ("b", [["b1", "b2"]])),
    ],
)
def test_devices_are_chosen_by_what_is_asked(wanted: tuple[Obj, ...], expected: tuple[str, list[list[str]]]) -> None:
    assert given(cluster(*SLICES, claim("c", *wanted)), using("c")) == expected


def test_constraints_hold_over_requests() -> None:
    same = {"constraints": [{"matchAttribute": "gpu.example.com/model"}]}
    refused = attempt(cluster(*SLICES, claim("c", request(count=2), **same)), using("c"))
    assert isinstance(refused, Refusal) and message(refused) == "0/2 nodes are available: 2 cannot allocate all claims."
    three = slice_of("a", device("a1", "x"), device("a2", "y"), device("a3", "x"))
    assert given(cluster(three, claim("c", request(count=2), **same)), using("c")) == ("a", [["a1", "a3"]])


def test_a_device_is_given_once() -> None:
    s = cluster(slice_of("a", device("a1", "x")), claim("c"), claim("d"))
    result = {"request": "r", "driver": "gpu.example.com", "pool": "a", "device": "a1"}
    s.cluster.assume(RESOURCE_CLAIMS, claim("d")[1] | {"status": {"allocation": {"devices": {"results": [result]}}}})
    assert isinstance(attempt(s, using("c")), Refusal)
    assert isinstance(attempt(s, using("c", "d")), Refusal)


def test_an_allocation_holds_the_pod_where_it_is() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["b"]}
    held = {"allocation": {"devices": {"results": []}, "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]}}}
    s = cluster(*SLICES, (RESOURCE_CLAIMS, claim("c")[1] | {"status": held}))
    assert given(s, using("c")) == ("b", [])


def test_only_the_newest_generation_of_a_pool_counts() -> None:
    s = cluster(slice_of("a", device("old", "x")), slice_of("a", device("new", "x"), generation=2), claim())
    assert given(s, using("c")) == ("a", [["new"]])


def test_alternatives_are_tried_in_order() -> None:
    wish = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}
    best = {**wish, "name": "best", "selectors": [{"cel": {"expression": 'device.attributes["gpu.example.com"].model == "z"'}}]}
    first = {"name": "r", "firstAvailable": [best, {**wish, "name": "other"}]}
    assert given(cluster(slice_of("a", device("a1", "x")), claim("c", first)), using("c")) == ("a", [["a1"]])


def test_tainted_devices_need_a_toleration() -> None:
    sick = device("a1", "x", taints=[{"key": "sick", "effect": "NoSchedule"}])
    assert isinstance(attempt(cluster(slice_of("a", sick), claim()), using("c")), Refusal)
    bearing = claim("c", request(tolerations=[{"key": "sick", "operator": "Exists"}]))
    assert given(cluster(slice_of("a", sick), bearing), using("c")) == ("a", [["a1"]])


def test_what_is_missing_is_said() -> None:
    refused = attempt(cluster(), using("nope"))
    assert isinstance(refused, Refusal) and 'resourceclaim.resource.k8s.io "nope" not found' in message(refused)
    (plugin,) = PROFILE.preenqueues
    for unready, text in (
        (using("nope"), "not found"),
        (pod(resourceClaims=[{"name": "x", "resourceClaimTemplateName": "t"}]), "not created"),
    ):
        with pytest.raises(NotReady, match=text):
            plugin.preenqueue(cluster().cluster, parse(unready))
    refused = attempt(cluster(claim("c", request(deviceClassName="none"))), using("c"))
    assert isinstance(refused, Refusal) and "request r: device class none does not exist" in message(refused)


def test_a_claim_that_was_written_is_what_the_api_shows_from_then_on() -> None:
    result = {"driver": "gpu.example.com", "pool": "a", "device": "a1", "request": "r"}

    def version(number: int, **status: Any) -> Obj:
        _, made = claim("d")
        return {**made, "metadata": {**made["metadata"], "resourceVersion": str(number)}, "status": status}

    taken = {"allocation": {"devices": {"results": [result]}}}
    # The API shows the write late, early, or not before somebody has freed the claim again.
    for shown in ([version(2)], [version(2), version(3, **taken)], []):
        s = cluster(slice_of("a", device("a1", "m")), claim("c"), claim("d"))
        s.cluster.assume(RESOURCE_CLAIMS, version(1, **taken))
        for obj in shown:
            s.cluster.put(RESOURCE_CLAIMS, obj)
        s.cluster.wrote(RESOURCE_CLAIMS, version(3, **taken))
        assert isinstance(attempt(s, using("c")), Refusal)
        s.cluster.put(RESOURCE_CLAIMS, version(4))
        assert isinstance(attempt(s, using("c")), Placement)
