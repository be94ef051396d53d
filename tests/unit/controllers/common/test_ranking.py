"""Which pod goes first: one criterion at a time, each stronger than all after it."""

from typing import Any

import pytest

from controllers.common.ranking import to_delete
from kubepy.runtime.clock import format_time
from tests.support.objects import NOW, pod, ready

Obj = dict[str, Any]


def with_ready(name: str, since: float, **fields: Any) -> Obj:
    made = pod(name, node=fields.pop("node", "n"), **fields)
    made["status"]["conditions"] = [ready(since=since)]
    return made


def restarted(name: str, times: int) -> Obj:
    made = with_ready(name, NOW - 600)
    made["status"]["containerStatuses"] = [{"name": "app", "restartCount": times}]
    return made


def cost(name: str, value: str) -> Obj:
    return with_ready(name, NOW - 600, annotations={"controller.kubernetes.io/pod-deletion-cost": value})


def made_at(name: str, age: float) -> Obj:
    return with_ready(name, NOW - 600, creationTimestamp=format_time(NOW - age))


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (pod("unassigned"), pod("assigned", node="n", phase="Pending")),
        (pod("pending", phase="Pending", node="n"), pod("running", node="n")),
        (pod("unready", node="n"), pod("ready", node="n", is_ready=True)),
        (cost("cheap", "-1"), cost("dear", "10")),
        (cost("invalid", "x"), cost("dear", "1")),
        (with_ready("newly", NOW - 5), with_ready("long", NOW - 5000)),
        (restarted("often", 5), restarted("never", 0)),
        (made_at("new", 10), made_at("old", 100_000)),
    ],
)
def test_order(first: Obj, other: Obj) -> None:
    for given in ([first, other], [other, first]):
        assert to_delete(given, given, 1, NOW) == [first]


def test_pods_that_share_a_node_go_before_one_that_is_alone() -> None:
    alone, a, b = (pod(name, node=node, is_ready=True) for name, node in (("alone", "n1"), ("a", "n2"), ("b", "n2")))
    assert to_delete([alone, a, b], [alone, a, b], 1, NOW)[0] in (a, b)


def test_all_when_as_many_as_there_are() -> None:
    pods = [pod("a"), pod("b")]
    assert to_delete(pods, pods, 2, NOW) == pods
