"""Many calls at once, starting slowly: one failure in a batch stops the rest, as all would likely fail the same way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

MAX_IN_FLIGHT = 64
"""Requests of one batch on the wire at a time: enough to keep an API server busy, few enough to keep others served."""


async def slow_start(count: int, call: Callable[[int], Awaitable[object]], initial: int = 1) -> tuple[int, Exception | None]:
    """Call `call(i)` for i in 0..count-1 in batches of 1, 2, 4, ...; (successes, first error).

    replica_set.go slowStartBatch: after a batch with a failure the remaining calls are not made.
    """
    done, size = 0, min(count, initial)
    successes = 0
    while size > 0:
        errors = await in_parallel(range(done, done + size), call)
        successes += size - len(errors)
        if errors:
            return successes, errors[0]
        done += size
        size = min(2 * size, count - done)
    return successes, None


async def in_parallel(items: Iterable[T], call: Callable[[T], Awaitable[object]], limit: int = MAX_IN_FLIGHT) -> list[Exception]:
    """Call for every item, at most `limit` at a time; the errors."""
    gate = asyncio.Semaphore(limit)
    errors: list[Exception] = []

    async def one(item: T) -> None:
        async with gate:
            try:
                await call(item)
            except Exception as e:
                errors.append(e)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
    return errors


def first(errors: list[Any]) -> None:
    """Raise the first error, if any."""
    if errors:
        raise errors[0]
