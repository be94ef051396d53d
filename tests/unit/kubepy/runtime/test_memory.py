"""When memory is tidied: after work, at a rest; amid work that goes on; never at rest."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable

import pytest

from kubepy.runtime import memory


async def _run(used: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Feed processor times, one an interval; returns those at which memory was released."""
    times = iter(used)
    now = 0.0
    released: list[float] = []
    asleep = asyncio.sleep

    def clock() -> float:
        return now

    async def tick(_: float) -> None:
        nonlocal now
        await asleep(0)
        now = next(times, now)

    monkeypatch.setattr(memory.asyncio, "sleep", tick)
    task = asyncio.ensure_future(memory.tidy(clock=clock, release=lambda: released.append(now)))
    for _ in range(20):
        await asleep(0)
    task.cancel()
    return released


async def test_nothing_is_done_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _run([0.01, 0.02, 0.03, 0.04], monkeypatch) == []


async def test_work_is_followed_by_one_release_at_the_next_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _run([1.5, 3.0, 3.01, 3.02, 3.03], monkeypatch) == [3.01]


async def test_work_that_goes_on_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _run([2, 4, 6, 8, 10, 12], monkeypatch) == [6, 12]


def test_the_policy_can_be_set_and_garbage_goes() -> None:
    thresholds = gc.get_threshold()
    try:
        memory.tune()
        memory.settle()
        assert gc.get_threshold()[0] > thresholds[0]
        assert gc.get_freeze_count() > 0
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
