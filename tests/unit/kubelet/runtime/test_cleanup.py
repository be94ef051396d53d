"""What is left of a cluster is removed, also what comes up meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kubelet.runtime.docker import cleanup
from kubelet.runtime.interface import RuntimeFailure


class Engine:
    """An engine on which one container comes up only after the first look."""

    def __init__(self, late: int) -> None:
        self.late, self.removed, self.network = late, [], True
        self.api = SimpleNamespace(containers=self.containers, remove_container=self.remove, remove_network=self.remove_network)
        self.looks = 0

    async def call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        self.looks += 1
        found = ["a"] if self.looks == 1 else ["b"] if self.looks == self.late else []
        return [{"Id": i} for i in found]

    def remove(self, container_id: str, **_: Any) -> None:
        self.removed.append(container_id)

    def remove_network(self, name: str) -> None:
        if len(self.removed) < 2:
            raise RuntimeFailure(f"network {name} has active endpoints")
        self.network = False

    def close(self) -> None:
        pass


async def test_a_container_that_comes_up_late_is_removed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(late=3)
    monkeypatch.setattr(cleanup, "Engine", lambda: engine)
    monkeypatch.setattr(cleanup, "_PAUSE", 0.0)
    await cleanup.remove_all("c")
    assert engine.removed == ["a", "b"] and not engine.network


async def test_a_network_that_the_engine_does_not_let_go_is_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(late=99)
    monkeypatch.setattr(cleanup, "Engine", lambda: engine)
    monkeypatch.setattr(cleanup, "_PAUSE", 0.0)
    await cleanup.remove_all("c")
    assert engine.removed == ["a"] and "has active endpoints" in caplog.text
