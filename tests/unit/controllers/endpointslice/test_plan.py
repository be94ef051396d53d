"""Slices change as little as can be."""

from typing import Any

from controllers.endpointslice import plan
from tests.support.objects import meta

Obj = dict[str, Any]
PORTS = [{"name": "", "port": 80, "protocol": "TCP"}]
KEY = plan.ports_key(PORTS)
LABELS = {"kubernetes.io/service-name": "web"}


def endpoint(number: int, ready: bool = True) -> Obj:
    return {"addresses": [f"10.0.0.{number}"], "conditions": {"ready": ready}, "targetRef": {"uid": f"u{number}", "name": f"p{number}"}}


def piece(name: str, numbers: list[int], ports: list[Obj] | None = None) -> Obj:
    return {"metadata": meta(name, labels=LABELS), "endpoints": [endpoint(n) for n in numbers], "ports": PORTS if ports is None else ports}


def blank(ports: list[Obj]) -> Obj:
    return {"metadata": {"generateName": "web-", "labels": LABELS}, "endpoints": [], "ports": ports}


def run(existing: list[Obj], desired: list[Obj], limit: int = 4) -> plan.Changes:
    wanted = {KEY: desired} if desired else {}
    return plan.reconcile(existing, wanted, {KEY: PORTS}, blank, lambda p: LABELS, limit)


def shape(changes: plan.Changes) -> tuple[list[int], dict[str, int], list[str]]:
    return (
        [len(p["endpoints"]) for p in changes.create],
        {p["metadata"]["name"]: len(p["endpoints"]) for p in changes.update},
        [p["metadata"]["name"] for p in changes.delete],
    )


def test_nothing_to_do() -> None:
    assert shape(run([piece("a", [1, 2])], [endpoint(1), endpoint(2)])) == ([], {}, [])


def test_a_changed_condition_updates_one_slice() -> None:
    changes = run([piece("a", [1, 2]), piece("b", [3])], [endpoint(1), endpoint(2, False), endpoint(3)])
    assert shape(changes) == ([], {"a": 2}, [])
    assert changes.update[0]["endpoints"][1]["conditions"] == {"ready": False}


def test_new_endpoints_fill_slices_that_change_anyway_then_one_that_has_room() -> None:
    assert shape(run([piece("a", [1, 2]), piece("b", [3])], [endpoint(n) for n in (1, 3, 4)])) == ([], {"a": 2}, [])
    assert shape(run([piece("a", [1, 2, 3]), piece("b", [4])], [endpoint(n) for n in range(1, 6)])) == ([], {"a": 4}, [])
    assert shape(run([piece("a", [1, 2, 3, 4])], [endpoint(n) for n in range(1, 10)])) == ([4, 1], {}, [])


def test_without_endpoints_one_empty_slice_stays_and_is_made_of_what_was_there() -> None:
    assert shape(run([], [])) == ([0], {}, [])
    spare = piece("spare", [], [])
    assert shape(run([spare], [])) == ([], {}, [])
    emptied = run([piece("a", [1])], [])
    assert shape(emptied) == ([], {"a": 0}, [])
    assert emptied.update[0]["ports"] == []


def test_a_placeholder_is_turned_into_the_first_real_slice() -> None:
    assert shape(run([piece("spare", [], [])], [endpoint(1)])) == ([], {"spare": 1}, [])


def test_the_stamp_goes_when_there_is_no_trigger() -> None:
    stamped = plan.stamped(piece("a", []), "t")
    assert stamped["metadata"]["annotations"] == {plan.TRIGGER: "t"}
    assert plan.stamped(stamped, "")["metadata"]["annotations"] == {}
