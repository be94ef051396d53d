"""Controllers: failures come back, results are obeyed, and thirty lines make an operator."""

import asyncio

from kubepy.api.errors import Conflict
from kubepy.runtime.clock import VirtualClock
from kubepy.runtime.controller import Controller, Result


async def run_until(controller: Controller, done: asyncio.Event, clock: VirtualClock) -> None:
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(10):
        while not done.is_set():
            await clock.advance(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_errors_and_results_bring_a_key_back() -> None:
    clock, done, tries = VirtualClock(), asyncio.Event(), []

    async def reconcile(key: str) -> Result | None:
        tries.append((key, clock.time()))
        match len(tries):
            case 1:
                raise Conflict("changed")
            case 2:
                raise RuntimeError("a bug")
            case 3:
                return Result(requeue=True)
            case 4:
                return Result(after=30)
        done.set()
        return None

    controller = Controller("test", reconcile, 2, clock=clock)
    controller.enqueue("ns/a")
    await run_until(controller, done, clock)
    assert {key for key, _ in tries} == {"ns/a"}
    assert tries[4][1] - tries[3][1] == 30
    assert controller.queue.num_requeues("ns/a") == 0
