"""The queue's invariants: no duplicates, never two workers on one item, delays, backoff, shutdown."""

import asyncio

import pytest

from kubepy.runtime.clock import VirtualClock
from kubepy.runtime.workqueue import QueueShutDown, WorkQueue


async def test_an_item_is_queued_once_and_in_order() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for item in "abab":
        queue.add(item)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_an_item_added_while_worked_on_comes_again_after_done() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await queue.get() == "a"
    queue.done("a")
    assert queue.idle


async def test_delays_keep_the_earliest() -> None:
    clock = VirtualClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 7)
    queue.add_after("b", 1)
    await clock.advance(4.9)
    assert await queue.get() == "b"
    assert len(queue) == 0
    await clock.advance(0.2)
    assert await queue.get() == "a"
    queue.done("a")
    await clock.advance(100)
    assert len(queue) == 0


async def test_backoff_doubles_until_forget() -> None:
    clock = VirtualClock()
    queue: WorkQueue[str] = WorkQueue(clock)
    for expected in (0.005, 0.010, 0.020):
        queue.add_rate_limited("a")
        await clock.advance(expected * 0.9)
        assert len(queue) == 0
        await clock.advance(expected * 0.2)
        queue.done(await queue.get())
    assert queue.num_requeues("a") == 3
    queue.forget("a")
    assert queue.num_requeues("a") == 0


async def test_a_cancelled_getter_passes_its_wake_up_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_shut_down_drains() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    queue.add("b")
    queue.shut_down()
    assert await waiting == "a"
    queue.add("c")
    assert await queue.get() == "b"
    with pytest.raises(QueueShutDown):
        await queue.get()
