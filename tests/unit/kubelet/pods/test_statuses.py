"""Reports of statuses: one at a time for each pod, the newest last; fields that went are nulls."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.statuses import StatusManager, difference

Obj = dict[str, Any]


class SlowClient:
    """Keeps every write waiting until it is let go; notes what came and how many were under way."""

    def __init__(self) -> None:
        self.writes: list[Obj] = []
        self.under_way = self.most = 0
        self.came = asyncio.Event()
        self.go = asyncio.Event()

    async def patch(self, resource: str, name: str, body: Obj, namespace: str, **_: Any) -> Obj:
        self.writes.append(body["status"])
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.came.set()
        await self.go.wait()
        self.under_way -= 1
        return {}


async def test_a_newer_status_waits_for_the_older_to_be_written() -> None:
    client = SlowClient()
    manager = StatusManager(client)  # type: ignore[arg-type]
    await manager.start()
    try:
        manager.track("u", "ns", "pod", {})
        manager.set("u", {"phase": "Pending"})
        await client.came.wait()
        manager.set("u", {"phase": "Running"})
        # Every writer has had its turn at the newer one.
        for _ in range(50):
            await asyncio.sleep(0)
        client.go.set()
        async with asyncio.timeout(5):
            await manager.flushed("u")
        assert (client.writes, client.most) == ([{"phase": "Pending"}, {"phase": "Running"}], 1)
    finally:
        await manager.stop()


def test_a_reason_that_went_is_a_null() -> None:
    old = {"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "m"}]}
    new = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert difference(old, new) == {"conditions": [{"type": "Ready", "status": "True", "reason": None, "message": None}]}
