"""What somebody else writes over the kubelet's report is written anew; what is not the kubelet's is left alone."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from kubelet.pods.statuses import StatusManager

Obj = dict[str, Any]
READY = {"type": "Ready", "status": "True"}
GATE = {"type": "example.com/gate", "status": "True"}


class Api:
    """Counts the patches of statuses."""

    def __init__(self) -> None:
        self.patches: list[Obj] = []

    async def patch(self, resource: str, name: str, body: Obj, namespace: str, **how: Any) -> Obj:
        self.patches.append(body["status"])
        return {"metadata": {"resourceVersion": str(10 + len(self.patches))}}


async def settled(manager: StatusManager) -> None:
    await asyncio.wait_for(manager.flushed("u"), 5)


def seen(revision: int, *conditions: Obj, **status: Any) -> Obj:
    meta = {"uid": "u", "namespace": "n", "name": "p", "resourceVersion": str(revision)}
    return {"metadata": meta, "status": {"phase": "Running", "conditions": list(conditions), **status}}


@pytest.fixture
async def manager() -> Any:
    api = Api()
    out = StatusManager(api)  # type: ignore[arg-type]
    out.track("u", "n", "p", {})
    await out.start()
    out.set("u", {"phase": "Running", "conditions": [copy.deepcopy(READY)]})
    await settled(out)
    api.patches.clear()
    yield out, api
    await out.stop()


async def test_a_condition_of_ours_is_restored(manager: tuple[StatusManager, Api]) -> None:
    statuses, api = manager
    statuses.seen(seen(20, {"type": "Ready", "status": "False", "reason": "Other"}, GATE))
    await settled(statuses)
    assert api.patches == [{"conditions": [{"type": "Ready", "status": "True", "reason": None}]}]


@pytest.mark.parametrize(
    "pod",
    [
        seen(20, READY),
        seen(20, GATE, {**READY, "lastProbeTime": None}),
        seen(11, {"type": "Ready", "status": "False"}),  # our own write, or one before it
        seen(20, {"type": "Ready", "status": "False"}, phase="Failed"),  # an end is for the pod's worker to see
    ],
)
async def test_nothing_is_written_without_need(manager: tuple[StatusManager, Api], pod: Obj) -> None:
    statuses, api = manager
    statuses.seen(pod)
    await settled(statuses)
    assert api.patches == []
