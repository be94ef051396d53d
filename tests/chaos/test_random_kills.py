"""Random operations on every workload kind while controllers, scheduler and API server are killed; then the cluster must be as asked.

CHAOS_SEED repeats a run, CHAOS_OPERATIONS and CHAOS_SECONDS (of fault, then of settling) make it longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.chaos import invariants
from tests.chaos.plane import Plane, seconds
from tests.chaos.world import NAMESPACE, World, retried

OPERATIONS = int(seconds("CHAOS_OPERATIONS", 200))
FAULT_SECONDS = seconds("CHAOS_SECONDS", 30)
SETTLE_SECONDS = max(40.0, FAULT_SECONDS / 2)
VICTIMS = ("apiserver", "controllers", "scheduler")


async def kills(plane: Plane, chance: random.Random, until: asyncio.Event) -> list[str]:
    """kill -9 one of the daemons every few seconds; what was killed when."""
    begun, out = time.monotonic(), []
    while not until.is_set():
        try:
            await asyncio.wait_for(until.wait(), chance.uniform(0.5, 4.0))
        except TimeoutError:
            victim = chance.choice(VICTIMS)
            plane.daemons[victim].signal(signal.SIGKILL)
            out.append(f"{time.monotonic() - begun:.1f}s {victim}")
    return out


@pytest.mark.timeout(FAULT_SECONDS + SETTLE_SECONDS + 60)
async def test_random_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"CHAOS_SEED={seed}")
    chance = random.Random(seed)
    plane = Plane(tmp_path / "plane")
    try:
        await plane.add_apiserver()
        plane.add_controllers()
        plane.add_scheduler()
        plane.add_nodes()
        async with plane.client() as client:
            await retried(lambda: client.create("namespaces", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": NAMESPACE}}))
            plane.keep()
            world = World(client, chance)
            over = asyncio.Event()
            killing = asyncio.create_task(kills(plane, random.Random(seed + 1), over))
            begun = time.monotonic()
            for number in range(OPERATIONS):
                await world.step()
                if time.monotonic() - begun > 1.5 * FAULT_SECONDS:
                    break  # a slow machine: fewer operations
                ahead = (number + 1) * FAULT_SECONDS / OPERATIONS - (time.monotonic() - begun)
                if ahead > 0:  # spread the operations over the time of faults
                    await asyncio.sleep(ahead)
            over.set()
            killed = await killing
            await world.settle()
            left, took = await settled(plane, world)
    finally:
        await plane.stop()
    story = "\n".join([f"CHAOS_SEED={seed}", *world.done, "killed: " + ", ".join(killed)])
    print(f"{len(world.done)} operations, {len(killed)} kills, settled after {took:.1f} s")
    assert not left, f"{story}\n\n" + "\n".join(left)
    assert not plane.unasked, f"{story}\n\n" + "\n".join(plane.unasked)


async def settled(plane: Plane, world: World) -> tuple[list[str], float]:
    """Wait until no invariant is violated, twice in a row, or time is up: (violations, seconds)."""
    begun, calm = time.monotonic(), False
    while True:
        async with asyncio.timeout(60):
            found = await invariants.dump(world.client)
        left = invariants.violations(found, world.wanted, world.orphaned, NAMESPACE)
        took = time.monotonic() - begun
        if (calm and not left) or took > SETTLE_SECONDS:
            return left, took
        calm = not left
        await asyncio.sleep(1.0 if calm else 0.5)
