"""ConfigMaps and Secrets that pods refer to: one watch per object in use, as the Node authorizer allows, shared by all its pods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from kubepy.api import kinds
from kubepy.api.errors import NotFound
from kubepy.client import Client
from kubepy.runtime import Clock, Informer

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Ref = tuple[str, str, str]
"""(plural, namespace, name)."""

SYNC_TIMEOUT = 10.0


class ObjectSource:
    """Reads of single objects, current by their watches; `changed(pod uid)` is called when one of a pod's objects changes."""

    def __init__(self, client: Client, clock: Clock, changed: Callable[[str], None]) -> None:
        self._client, self._clock, self._changed = client, clock, changed
        self._informers: dict[Ref, Informer] = {}
        self._users: dict[Ref, set[str]] = {}
        self._used: dict[str, set[Ref]] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    async def use(self, uid: str, namespace: str, refs: Iterable[tuple[str, str]]) -> None:
        """Have these objects of `namespace` at hand for a pod, in place of those it used before. Returns when they were read once."""
        wanted = {(plural, namespace, name) for plural, name in refs}
        for ref in self._used.get(uid, set()) - wanted:
            self._drop(uid, ref)
        self._used[uid] = wanted
        for ref in wanted:
            self._users.setdefault(ref, set()).add(uid)
            if ref not in self._informers:
                self._informers[ref] = self._watch(ref)
        pending = [i.synced() for r in wanted if not (i := self._informers[r]).has_synced]
        if pending:
            async with asyncio.timeout(SYNC_TIMEOUT):
                await asyncio.gather(*pending)

    def _watch(self, ref: Ref) -> Informer:
        plural, namespace, name = ref
        informer = Informer(self._client, kinds.resource(plural), self._clock, namespace=namespace, field_selector=f"metadata.name={name}")

        def told(kind: str, old: Obj | None, new: Obj) -> None:
            for uid in tuple(self._users.get(ref, ())):
                self._changed(uid)

        informer.on_event(told)
        informer.start()
        return informer

    def _drop(self, uid: str, ref: Ref) -> None:
        users = self._users.get(ref)
        if users is None:
            return
        users.discard(uid)
        if not users:
            del self._users[ref]
            informer = self._informers.pop(ref)
            task = asyncio.create_task(informer.stop())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def release(self, uid: str) -> None:
        """The pod is gone."""
        for ref in self._used.pop(uid, set()):
            self._drop(uid, ref)

    def get(self, plural: str, namespace: str, name: str) -> Obj | None:
        """An object in use, or None when it does not exist. Shared: do not change it."""
        informer = self._informers.get((plural, namespace, name))
        return informer.cache.get(f"{namespace}/{name}") if informer else None

    async def fetch(self, resource: str, name: str, namespace: str | None) -> Obj | None:
        """One live read of anything; None when it does not exist."""
        try:
            return await self._client.get(resource, name, namespace)
        except NotFound:
            return None

    async def stop(self) -> None:
        """End all watches."""
        await asyncio.gather(*(i.stop() for i in self._informers.values()), *self._stopping, return_exceptions=True)
