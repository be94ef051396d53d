"""Informers: one watch and one shared copy of the objects per collection, whatever the number of listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from kubepy.api import kinds
from kubepy.api.kinds import Resource
from kubepy.client.rest import Client
from kubepy.runtime.cache import Cache, key_of
from kubepy.runtime.clock import Clock, RealClock
from kubepy.runtime.reflector import Reflector

log = logging.getLogger(__name__)

Obj = dict[str, Any]
Handler = Callable[[str, Obj | None, Obj], None]
"""(type, old, new): ADDED with old None, MODIFIED, DELETED with old the last known state and new the final one."""
Transform = Callable[[Obj], Obj]


def without_managed_fields(obj: Obj) -> Obj:
    """Drop metadata.managedFields: half of an object's size, and an update without them keeps the stored ones."""
    obj["metadata"].pop("managedFields", None)
    return obj


class Informer:
    """The cache of one collection and those who listen to its changes."""

    def __init__(
        self, client: Client, resource: Resource, clock: Clock, *, namespace: str | None = None, label_selector: str | None = None,
        field_selector: str | None = None, metadata_only: bool = False, transform: Transform | None = without_managed_fields,
    ) -> None:  # fmt: skip
        self.resource = resource
        self.cache = Cache()
        self._handlers: list[Handler] = []
        self._transform = transform
        self._synced = asyncio.Event()
        self._reflector = Reflector(
            client, resource, self, clock, namespace=namespace, label_selector=label_selector, field_selector=field_selector,
            metadata_only=metadata_only,
        )  # fmt: skip
        self._task: asyncio.Task[None] | None = None

    @property
    def has_synced(self) -> bool:
        """The first list is in the cache and was handled."""
        return self._synced.is_set()

    @property
    def revision(self) -> str | None:
        """The resourceVersion up to which the cache is current."""
        return self._reflector.revision

    def on_event(self, handler: Handler) -> None:
        """Call `handler(type, old, new)` for every change, first ADDED for what is known; it must return at once and not raise."""
        self._handlers.append(handler)
        if self.has_synced:
            for obj in self.cache.list():
                self._call(handler, "ADDED", None, obj)

    def start(self) -> None:
        """Begin to list and watch; harmless when begun already."""
        if self._task is None:
            self._task = asyncio.create_task(self._reflector.run(), name=f"informer {self.resource.plural}")

    async def stop(self) -> None:
        """End the watch."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def synced(self) -> None:
        """Wait until `has_synced`."""
        await self._synced.wait()

    def replace(self, items: Sequence[Obj]) -> None:
        """The reflector listed: tell the differences to what was known."""
        gone = set(self.cache.keys())
        for obj in items:
            gone.discard(key_of(obj))
            self._put(obj)
        for key in gone:
            if (old := self.cache.pop(key)) is not None:
                self._tell("DELETED", old, old)
        self._synced.set()

    def apply(self, events: Sequence[tuple[str, Obj]]) -> None:
        """The reflector watched."""
        for kind, obj in events:
            if kind != "DELETED":
                self._put(obj)
                continue
            if self._transform is not None:
                obj = self._transform(obj)
            old = self.cache.pop(key_of(obj))
            self._tell("DELETED", old if old is not None else obj, obj)

    def _put(self, obj: Obj) -> None:
        if self._transform is not None:
            obj = self._transform(obj)
        key = key_of(obj)
        old = self.cache.get(key)
        if old is not None and old["metadata"].get("uid") != obj["metadata"].get("uid"):
            # Deleted and made again while no watch was open: two objects, two events.
            self.cache.pop(key)
            self._tell("DELETED", old, old)
            old = None
        if old is None:
            self.cache.put(key, obj)
            self._tell("ADDED", None, obj)
        elif old["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            self.cache.put(key, obj)
            self._tell("MODIFIED", old, obj)

    def _tell(self, kind: str, old: Obj | None, new: Obj) -> None:
        for handler in self._handlers:
            self._call(handler, kind, old, new)

    def _call(self, handler: Handler, kind: str, old: Obj | None, new: Obj) -> None:
        try:
            handler(kind, old, new)
        except Exception:
            log.exception("a handler of %s failed on %s %s", self.resource.plural, kind, key_of(new))


class InformerFactory:
    """Gives the same informer to all who ask for the same collection."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = clock or RealClock()
        self._informers: dict[tuple[Any, ...], Informer] = {}
        self._started = False

    def informer(
        self,
        resource: Resource | str,
        namespace: str | None = None,
        *,
        field_selector: str | None = None,
        label_selector: str | None = None,
        metadata_only: bool = False,
        transform: Transform | None = without_managed_fields,
    ) -> Informer:
        """The informer of a collection; made, and begun if the factory has begun, when first asked for."""
        found = kinds.resource(resource) if isinstance(resource, str) else resource
        key = (found.group, found.version, found.plural, namespace, field_selector, label_selector, metadata_only)
        known = self._informers.get(key)
        if known is None:
            known = self._informers[key] = Informer(
                self._client, found, self._clock, namespace=namespace, label_selector=label_selector, field_selector=field_selector,
                metadata_only=metadata_only, transform=transform,
            )  # fmt: skip
            if self._started:
                known.start()
        return known

    def existing(self, resource: Resource) -> Informer | None:
        """The informer of whole objects of all namespaces of a resource, if someone asked for it before."""
        return self._informers.get((resource.group, resource.version, resource.plural, None, None, None, False))

    def drop(self, informer: Informer) -> None:
        """End an informer that nobody needs any more and forget it."""
        self._informers = {key: known for key, known in self._informers.items() if known is not informer}
        if informer._task is not None:
            informer._task.cancel()

    async def start(self) -> None:
        """Begin all informers."""
        self._started = True
        for informer in self._informers.values():
            informer.start()

    async def synced(self) -> None:
        """Wait until every informer has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()

    async def stop(self) -> None:
        """End all watches."""
        self._started = False
        await asyncio.gather(*(informer.stop() for informer in self._informers.values()))
