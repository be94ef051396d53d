"""The recorder: upstream's form, series of equal events, and restraint while pods are being placed."""

from __future__ import annotations

import asyncio
from typing import Any

from kubepy.runtime.clock import VirtualClock
from scheduler.events import Recorder
from tests.support.scheduling import Obj, pod


class Client:
    """Takes events as the API would."""

    def __init__(self) -> None:
        self.made: list[Obj] = []
        self.patches: list[Obj] = []

    async def create(self, _resource: str, obj: Obj, _namespace: str) -> Obj:
        self.made.append(obj)
        return obj

    async def patch(self, _resource: str, _name: str, patch: Obj, _namespace: str, **_options: Any) -> Obj:
        self.patches.append(patch)
        return patch


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_form_and_series() -> None:
    client, clock = Client(), VirtualClock()
    recorder = Recorder(client, clock, lambda: False)  # type: ignore[arg-type]
    running = asyncio.create_task(recorder.run())
    for _ in range(3):
        recorder.event(pod("p"), "default-scheduler", "Warning", "FailedScheduling", "Scheduling", "0/1 nodes are available")
        await settle()
    (made,) = client.made
    assert made["apiVersion"] == "events.k8s.io/v1" and made["reportingController"] == "default-scheduler"
    assert made["regarding"]["name"] == "p" and made["action"] == "Scheduling" and made["metadata"]["name"].startswith("p.")
    assert [p["series"]["count"] for p in client.patches] == [2]  # the third waits for its turn to be written
    await clock.advance(61)
    recorder.event(pod("p"), "default-scheduler", "Warning", "FailedScheduling", "Scheduling", "0/1 nodes are available")
    await settle()
    assert client.patches[-1]["series"]["count"] == 4
    await clock.advance(400)
    recorder.event(pod("p"), "default-scheduler", "Warning", "FailedScheduling", "Scheduling", "0/1 nodes are available")
    await settle()
    assert len(client.made) == 2
    running.cancel()


async def test_events_trickle_while_pods_are_placed() -> None:
    client, busy = Client(), True
    recorder = Recorder(client, VirtualClock(), lambda: busy)  # type: ignore[arg-type]
    running = asyncio.create_task(recorder.run())
    for i in range(50):
        recorder.event(pod(f"p{i}"), "default-scheduler", "Normal", "Scheduled", "Binding", f"to n{i}")
    await settle()
    assert len(client.made) == 1
    busy = False
    async with asyncio.timeout(5):
        while len(client.made) < 50:
            await asyncio.sleep(0.01)
    running.cancel()
