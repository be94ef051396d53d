"""Writes planned slices, and remembers what it wrote until the cache shows it: a plan on a stale cache would undo itself."""

from __future__ import annotations

from typing import Any

from controllers.endpointslice.plan import Changes
from kubepy.api import meta
from kubepy.api.errors import NotFound
from kubepy.client import Client

Obj = dict[str, Any]
SLICES = "endpointslices.discovery.k8s.io"


class Writer:
    """The slice writes of one controller, by service key."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._expected: dict[str, dict[str, int]] = {}
        self._deleted: dict[str, set[str]] = {}

    def is_stale(self, key: str, cached: list[Obj]) -> bool:
        """Whether the cached slices of a service lag behind what was written for it."""
        generations = {meta.uid(p): meta.generation(p) for p in cached}
        if any(generations.get(uid, -1) < generation for uid, generation in self._expected.get(key, {}).items()):
            return True
        return not self._deleted.get(key, set()).isdisjoint(generations)

    def seen_deleted(self, key: str, piece: Obj) -> None:
        """A slice is gone, by whomever."""
        self._expected.get(key, {}).pop(meta.uid(piece), None)
        self._deleted.get(key, set()).discard(meta.uid(piece))

    def forget(self, key: str) -> None:
        """The service is gone."""
        self._expected.pop(key, None)
        self._deleted.pop(key, None)

    async def write(self, key: str, namespace: str, changes: Changes) -> None:
        """Create, update, delete, in upstream's order. Raises StatusError."""
        expected = self._expected.setdefault(key, {})
        for piece in changes.create:
            made = await self._client.create(SLICES, piece, namespace)
            expected[meta.uid(made)] = meta.generation(made)
        for piece in changes.update:
            made = await self._client.update(SLICES, piece, namespace)
            expected[meta.uid(made)] = meta.generation(made)
        for piece in changes.delete:
            expected.pop(meta.uid(piece), None)
            self._deleted.setdefault(key, set()).add(meta.uid(piece))
            try:
                await self._client.delete(SLICES, meta.name(piece), namespace)
            except NotFound:
                continue
