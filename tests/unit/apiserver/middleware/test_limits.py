"""Priority and fairness: who is sorted where, seats, borrowing, queues and turns."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.bootstrap import flowcontrol
from apiserver.context import RequestInfo, User
from apiserver.middleware import limits as module
from apiserver.middleware.limits import GROUP, Flow, Limits
from kubepy.api.errors import TooManyRequests
from tests.support.lister import FakeLister

LIST = RequestInfo(True, "", "list", "", "v1", "pods", namespace="ns")
WATCH = RequestInfo(True, "", "watch", "", "v1", "pods", namespace="ns")


def user(name: str, *groups: str) -> User:
    return User(name, groups=(*groups, "system:authenticated"))


@pytest.fixture
def lister() -> FakeLister:
    lister = FakeLister()
    for schema in flowcontrol.flow_schemas():
        lister.put(GROUP, "flowschemas", schema)
    for level in flowcontrol.priority_levels():
        lister.put(GROUP, "prioritylevelconfigurations", level)
    return lister


def take(limits: Limits, who: User, count: int, info: RequestInfo = LIST) -> list[Flow]:
    """Take as many seats as there are, at most `count`."""
    out = []
    for _ in range(count):
        flow = limits.classify(who, info)
        try:
            if not limits.enter(flow, info):
                break
        except TooManyRequests:
            break
        out.append(flow)
    return out


@pytest.mark.parametrize(
    ("who", "info", "level"),
    [
        (user("root", "system:masters"), LIST, "exempt"),
        (user("bob"), RequestInfo(False, "/readyz", "get"), "exempt"),
        (
            user("system:kube-scheduler"),
            RequestInfo(True, "", "update", "coordination.k8s.io", "v1", "leases", namespace="x"),
            "leader-election",
        ),
        (user("system:node:n", "system:nodes"), RequestInfo(True, "", "patch", "", "v1", "nodes", "status"), "node-high"),
        (user("system:node:n", "system:nodes"), LIST, "system"),
        (user("system:serviceaccount:kube-system:x", "system:serviceaccounts"), LIST, "workload-high"),
        (user("system:serviceaccount:ns:x", "system:serviceaccounts"), LIST, "workload-low"),
        (user("bob"), LIST, "global-default"),
    ],
)
def test_requests_are_sorted(lister: FakeLister, who: User, info: RequestInfo, level: str) -> None:
    assert Limits(lister, 600).classify(who, info).level.name == level


def test_before_there_are_levels_nothing_is_limited() -> None:
    limits = Limits(FakeLister(), 1)
    assert len(take(limits, user("bob"), 50)) == 50


def test_seats_run_out_and_come_back(lister: FakeLister) -> None:
    limits = Limits(lister, 60)
    taken = take(limits, user("bob"), 1000)
    level = taken[0].level
    assert level.nominal <= len(taken) <= 60
    assert len(taken) > level.nominal, "idle seats of others are borrowed"
    limits.leave(taken.pop(), LIST)
    assert len(take(limits, user("bob"), 5)) == 1
    assert len(take(limits, user("bob"), 5, WATCH)) == 5, "watches take no seats"
    assert len(take(limits, user("root", "system:masters"), 100)) == 100
    assert take(limits, user("system:node:n", "system:nodes"), 1), "what others borrowed does not starve a level"


async def test_flows_take_turns(lister: FakeLister) -> None:
    limits = Limits(lister, 20)
    taken = take(limits, user("bob"), 1000)
    order: list[str] = []

    async def queued(name: str) -> None:
        flow = limits.classify(user(name), LIST)
        assert not limits.enter(flow, LIST)
        await limits.wait(flow)
        order.append(name)

    tasks = [asyncio.ensure_future(queued(name)) for name in ("bob", "bob", "bob", "eve")]
    await asyncio.sleep(0)
    for flow in taken[:4]:
        limits.leave(flow, LIST)
    await asyncio.gather(*tasks)
    assert order.index("eve") == 1, "eve's first request comes before bob's second"


async def test_waiting_ends(lister: FakeLister, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_WAIT", 0.01)
    limits = Limits(lister, 20)
    taken = take(limits, user("bob"), 1000)
    flow = limits.classify(user("bob"), LIST)
    with pytest.raises(TooManyRequests) as caught:
        await limits.wait(flow)
    assert caught.value.headers == (("Retry-After", "1"),)
    waiting = asyncio.ensure_future(limits.wait(flow))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert flow.level.waiting == 0
    for flow in taken:
        limits.leave(flow, LIST)
    assert flow.level.in_use == 0


def test_a_level_without_queue_rejects(lister: FakeLister) -> None:
    for schema in flowcontrol.flow_schemas():
        if schema["metadata"]["name"] != "catch-all":
            lister.remove(GROUP, "flowschemas", "", schema["metadata"]["name"])
    limits = Limits(lister, 20)
    take(limits, user("bob"), 1000)
    with pytest.raises(TooManyRequests):
        limits.enter(limits.classify(user("bob"), LIST), LIST)
