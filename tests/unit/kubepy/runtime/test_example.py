"""The sample controller of examples/ does what it says, and puts right what others change."""

import asyncio
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.fakeapi import FakeAPI

EXAMPLE = Path(__file__).parents[4] / "examples" / "team_config.py"
CONFIG = "/api/v1/namespaces/red/configmaps/team"


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("team_config", EXAMPLE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def until(api: FakeAPI, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10), api.changed:
        await api.changed.wait_for(condition)


async def test_team_config() -> None:
    async with FakeAPI() as api, api.client() as client:
        await api.put("/api/v1/namespaces/red", {"kind": "Namespace", "metadata": {"name": "red", "labels": {"team": "reds"}}})
        await api.put("/api/v1/namespaces/plain", {"kind": "Namespace", "metadata": {"name": "plain"}})
        task = asyncio.create_task(load_example().make(client).run())
        await until(api, lambda: CONFIG in api.objects)
        assert api.objects[CONFIG]["data"] == {"team": "reds"}
        await api.put(CONFIG, {**api.objects[CONFIG], "data": {"team": "wrong"}})
        await until(api, lambda: api.objects[CONFIG]["data"] == {"team": "reds"})
        await api.remove(CONFIG)
        await until(api, lambda: CONFIG in api.objects)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not any("/plain/configmaps" in path for path in api.objects)
