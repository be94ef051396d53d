"""Reports of statuses: one at a time for each pod, the newest last; fields that went are nulls."""

from __future__ import annotations

import asyncio
from typing import Any

from kubelet.pods.statuses import StatusManager, difference
from kubepy.api.errors import Forbidden, Invalid, StatusError, invalid

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


class RefusingClient:
    """Refuses every write."""

    def __init__(self, error: StatusError) -> None:
        self.error, self.tried = error, asyncio.Event()

    async def patch(self, *_: Any, **__: Any) -> Obj:
        self.tried.set()
        raise self.error


async def test_a_report_on_a_pod_whose_name_another_one_has_by_now_is_done() -> None:
    error = Invalid.of("", "Pod", "pod", [invalid("metadata.uid", "u", "field is immutable")])
    manager = StatusManager(RefusingClient(error))  # type: ignore[arg-type]
    await manager.start()
    try:
        manager.track("u", "ns", "pod", {})
        manager.set("u", {"phase": "Failed"})
        async with asyncio.timeout(5):
            await manager.flushed("u")
    finally:
        await manager.stop()


async def test_nobody_waits_for_a_report_that_cannot_be_made_once_the_pod_is_gone() -> None:
    client = RefusingClient(Forbidden("node can only update its own pods"))
    manager = StatusManager(client)  # type: ignore[arg-type]
    await manager.start()
    try:
        manager.track("u", "ns", "pod", {})
        manager.set("u", {"phase": "Failed"})
        waiting = asyncio.create_task(manager.flushed("u"))
        await client.tried.wait()
        manager.forget("u")
        async with asyncio.timeout(5):
            await waiting
    finally:
        await manager.stop()


def test_a_reason_that_went_is_a_null() -> None:
    old = {"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "m"}]}
    new = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert difference(old, new) == {"conditions": [{"type": "Ready", "status": "True", "reason": None, "message": None}]}
