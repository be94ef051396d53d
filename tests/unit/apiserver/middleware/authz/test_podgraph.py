"""The graph that follows the pods: which of them are looked into, and what bindings, changes and deletions open and close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import orjson

from apiserver.middleware.authz.podgraph import PodGraph
from apiserver.storage.entry import Entry
from tests.support.lister import FakeLister

ACCOUNT, CLAIM = ASKED = ("serviceaccounts", "robot"), ("resourceclaims", "c")


class Looked(Entry):
    """An entry that counts how often its object is asked for."""

    looks = 0

    @property
    def obj(self) -> Any:
        Looked.looks += 1
        return orjson.loads(self.raw)


def written(node: str = "", **spec: Any) -> Entry:
    bound = {"nodeName": node} if node else {}
    pod = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"serviceAccountName": "robot", **spec, **bound}}
    return Looked("/registry/pods/ns/p", 1, orjson.dumps(pod), "ns", "p")


async def follow(*changes: tuple[str, Entry]) -> set[tuple[str, str]]:
    """What (plural, name) the node n1 reaches after these changes, while the graph still follows."""
    Looked.looks = 0
    seen = asyncio.Event()

    class Watcher:
        def close(self) -> None:
            pass

        async def __aiter__(self) -> AsyncIterator[list[Any]]:
            yield [SimpleNamespace(type="BOOKMARK", entry=None)]
            for kind, entry in changes:
                yield [SimpleNamespace(type=kind, entry=entry)]
            seen.set()
            await asyncio.Event().wait()

    cacher: Any = SimpleNamespace(watch=lambda *_args, **_options: Watcher())
    graph = PodGraph(FakeLister())
    task = asyncio.create_task(graph.follow(cacher))
    await seen.wait()
    try:
        return {(plural, name) for plural, name in ASKED if graph.reaches("n1", (plural, "ns", name))}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_pod_opens_what_it_refers_to_once_it_is_bound() -> None:
    reached = await follow(("ADDED", written()), ("MODIFIED", written("n1")))
    assert ACCOUNT in reached


async def test_pods_that_are_not_bound_are_not_even_parsed() -> None:
    reached = await follow(("ADDED", written()), ("MODIFIED", written()))
    assert ACCOUNT not in reached
    assert Looked.looks == 0


async def test_a_known_pod_is_looked_into_again_only_where_its_references_can_change() -> None:
    await follow(("ADDED", written("n1")), ("MODIFIED", written("n1")))
    assert Looked.looks == 1
    reached = await follow(
        ("ADDED", written("n1", resourceClaims=[{"name": "x"}])),
        ("MODIFIED", written("n1", resourceClaims=[{"name": "x", "resourceClaimName": "c"}])),
    )
    assert CLAIM in reached


async def test_a_deleted_pod_closes_what_it_opened() -> None:
    reached = await follow(("ADDED", written("n1")), ("DELETED", written("n1")))
    assert ACCOUNT not in reached
