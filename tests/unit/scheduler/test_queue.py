"""The queue: order, back-off, gates, and which change brings which pod back."""

from __future__ import annotations

import asyncio

from kubepy.runtime.clock import VirtualClock
from scheduler.framework.changes import CLAIM_ADD, NODE_ADD, POD_DELETE, Change
from scheduler.framework.podinfo import PodInfo, parse
from scheduler.profile import build
from scheduler.queue import SchedulingQueue
from tests.support.scheduling import mounting, node, pod

PROFILE = build()


def queue(clock: VirtualClock | None = None) -> SchedulingQueue:
    def concerns(p: PodInfo, rejected_by: frozenset[str], change: Change) -> bool:
        return PROFILE.concerns(change, p, rejected_by)

    return SchedulingQueue(clock or VirtualClock(), concerns)


async def names(q: SchedulingQueue) -> list[str]:
    """Everything that is ready now, in order."""
    out = []
    while True:
        try:
            out.append((await asyncio.wait_for(q.pop(), 0.01)).pod.name)
        except TimeoutError:
            return out


async def test_important_pods_come_first_then_older_ones() -> None:
    q = queue()
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5)):
        q.add(parse(pod(name, priority=priority)))
    assert await names(q) == ["b", "d", "a", "c"]


async def test_a_gated_pod_waits_for_its_gates() -> None:
    q = queue()
    q.add(parse(pod("a")), gated=True)
    assert await names(q) == [] and q.counts()["gated"] == 1
    q.update(parse(pod("a")))
    assert await names(q) == ["a"]


async def test_a_refused_pod_returns_only_for_a_change_that_concerns_it() -> None:
    q = queue()
    q.add(parse(pod("a", cpu="2")))
    await q.pop()
    q.park("a", frozenset(["NodeResourcesFit"]))
    q.move(Change((CLAIM_ADD,), None, mounting("x")))
    q.move(Change((NODE_ADD,), None, node("small", "1")))
    assert await names(q) == []
    q.move(Change((NODE_ADD,), None, node("big", "4")))
    assert await names(q) == ["a"]


async def test_a_change_during_the_attempt_is_not_missed() -> None:
    q = queue()
    q.add(parse(pod("a")))
    await q.pop()
    q.move(Change((POD_DELETE,), pod("x"), None))
    q.park("a", frozenset(["NodeResourcesFit"]))
    assert q.counts()["unschedulable"] == 0 and await names(q) == ["a"]


async def test_errors_wait_for_their_back_off_and_ready_pods_go_first() -> None:
    clock = VirtualClock()
    q = queue(clock)
    q.add(parse(pod("a")))
    await q.pop()
    q.retry("a")
    assert await names(q) == [] and q.counts()["backoff"] == 1
    q.add(parse(pod("b")))
    await clock.advance(1.1)
    assert sorted(await names(q)) == ["a", "b"]
    q.retry("a")
    await clock.advance(1.1)
    assert await names(q) == []  # the second error waits twice as long
    await clock.advance(1.0)
    assert await names(q) == ["a"]


async def test_parked_pods_are_tried_again_after_five_minutes() -> None:
    clock = VirtualClock()
    q = queue(clock)
    q.add(parse(pod("a")))
    await q.pop()
    q.park("a", frozenset(["NodeAffinity"]))
    await clock.advance(299)
    assert await names(q) == []
    await clock.advance(2)
    assert await names(q) == ["a"]


async def test_a_removed_pod_is_gone_from_every_part() -> None:
    q = queue()
    for name in "abc":
        q.add(parse(pod(name)))
    assert (await q.pop()).pod.name == "a"
    q.park("a", frozenset(["NodeAffinity"]))
    for name in "abc":
        q.remove(name)
    assert not len(q) and await names(q) == [] and not any(q.counts().values())


async def test_an_update_that_cannot_help_leaves_a_pod_parked() -> None:
    q = queue()
    q.add(parse(pod("a")))
    await q.pop()
    q.park("a", frozenset(["NodeAffinity"]))
    q.update(parse(pod("a")), helps=False)
    assert await names(q) == []
    q.update(parse(pod("a")))
    assert await names(q) == ["a"]
