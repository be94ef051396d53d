"""Informers over a real HTTP watch: events, late handlers, cut and expired watches, restarts."""

import asyncio
from collections.abc import Callable
from typing import Any

from kubepy.runtime.clock import RealClock
from kubepy.runtime.informer import Informer, InformerFactory
from tests.support.fakeapi import FakeAPI

PODS = "/api/v1/namespaces/ns/pods"


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "ns", **metadata}}


class Log:
    """A handler that keeps what it is told and lets a test wait."""

    def __init__(self, informer: Informer) -> None:
        self.events: list[tuple[str, str]] = []
        self._told = asyncio.Event()
        informer.on_event(self)

    def __call__(self, kind: str, old: Any, new: Any) -> None:
        self.events.append((kind, new["metadata"]["name"]))
        self._told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._told.clear()
                await self._told.wait()


async def test_events_and_late_handlers() -> None:
    async with FakeAPI() as api, api.client() as client:
        await api.put(f"{PODS}/a", pod("a", managedFields=[{"manager": "x"}]))
        factory = InformerFactory(client, RealClock())
        informer = factory.informer("pods")
        assert factory.informer("pods") is informer
        first = Log(informer)
        await factory.start()
        await factory.synced()
        assert first.events == [("ADDED", "a")]
        assert "managedFields" not in informer.cache.list("ns")[0]["metadata"]
        await api.put(f"{PODS}/a", pod("a", labels={"x": "y"}))
        await api.put(f"{PODS}/b", pod("b"))
        await first.until(lambda: len(first.events) == 3)
        await api.remove(f"{PODS}/a")
        await first.until(lambda: len(first.events) == 4)
        assert first.events[1:] == [("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        assert Log(informer).events == [("ADDED", "b")]
        await factory.stop()


async def test_a_cut_watch_resumes_without_listing() -> None:
    async with FakeAPI() as api, api.client() as client:
        informer = InformerFactory(client).informer("pods")
        log = Log(informer)
        informer.start()
        await informer.synced()
        await api.put(f"{PODS}/a", pod("a"))
        await log.until(lambda: len(log.events) == 1)
        await api.cut_watches()
        await api.put(f"{PODS}/b", pod("b"))
        await log.until(lambda: len(log.events) == 2)
        assert sum("watch=true" not in path for _, path in api.requests) == 1
        await informer.stop()


async def test_an_expired_watch_lists_again_and_tells_the_differences() -> None:
    async with FakeAPI() as api, api.client() as client:
        for name in "abc":
            await api.put(f"{PODS}/{name}", pod(name))
        informer = InformerFactory(client).informer("pods")
        log = Log(informer)
        informer.start()
        await log.until(lambda: len(log.events) == 3)
        await api.stop()
        api.changed = asyncio.Condition()
        async with api.changed:
            api._remove(f"{PODS}/a")
            api._store(f"{PODS}/b", pod("b", labels={"x": "y"}))
            api._remove(f"{PODS}/c")
            api._store(f"{PODS}/c", pod("c"))
        api.expire()
        await api.start()
        await log.until(lambda: len(log.events) >= 7)
        assert sorted(log.events[3:]) == [("ADDED", "c"), ("DELETED", "a"), ("DELETED", "c"), ("MODIFIED", "b")]
        assert sorted(informer.cache.keys()) == ["ns/b", "ns/c"]
        await informer.stop()
