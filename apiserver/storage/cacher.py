"""The watch cache: one store watch over `/registry/` feeds an in-memory index per storage prefix, the read path of the API.

Every object is kept once, as bytes with its resourceVersion (`Entry`). Reads are made linearizable by `fresh`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from apiserver.storage.entry import Entry
from apiserver.storage.events import Batch, CacheEvent, EventType
from apiserver.storage.interface import KeyValue, Storage
from apiserver.storage.watcher import EVERYTHING, Filter, Watcher

__all__ = ["EVERYTHING", "Batch", "CacheEvent", "Cacher", "Entry", "EventType", "Filter", "Watcher"]


class Cacher:
    """See the module. All methods must be called from the event loop that `start` ran in; sync ones do no I/O."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    async def start(self) -> None:
        """Load everything, begin to follow the store. Raises Unavailable."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End all watchers and the store watch. Does not close the storage."""
        raise NotImplementedError

    @property
    def revision(self) -> int:
        """The store revision that the cache has reached: the resourceVersion of a List."""
        raise NotImplementedError

    async def fresh(self) -> int:
        """Wait until the cache holds every write acknowledged before the call; returns `revision`. Raises Unavailable, Timeout."""
        raise NotImplementedError

    async def wait_for(self, revision: int, timeout: float = 3.0) -> None:
        """Wait until the cache has reached `revision`; raises kubepy.api.errors.Timeout (`Too large resource version: X, current: Y`)."""
        raise NotImplementedError

    def entry(self, kv: KeyValue) -> Entry:
        """The Entry for what storage returned (a RevisionConflict's `current`, an item of a range)."""
        raise NotImplementedError

    def written(self, key: str, revision: int, value: bytes) -> Entry:
        """The Entry for a write just acknowledged. Hands it to the cache, which need not make it again: no waiting."""
        raise NotImplementedError

    def get(self, prefix: str, key: str) -> Entry | None:
        """The object under the full storage key `key` (Resource.key), or None."""
        raise NotImplementedError

    def list(self, prefix: str, namespace: str | None = None) -> Sequence[Entry]:
        """All objects (of one namespace) in key order: a shared immutable sequence, cheap until something changes."""
        raise NotImplementedError

    def page(self, prefix: str, namespace: str | None, after: str, limit: int) -> tuple[Sequence[Entry], int]:
        """At most `limit` objects whose key sorts after `after`, and how many remain after them."""
        raise NotImplementedError

    def joined(self, prefix: str, namespace: str | None, variant: Hashable, render: Callable[[Entry], bytes]) -> bytes:
        """`render` of every object of `list`, joined by commas: the body of a List, remembered under `variant` until a change."""
        raise NotImplementedError

    def count(self, prefix: str) -> int:
        """How many objects a prefix holds."""
        raise NotImplementedError

    def generation(self, prefix: str) -> int:
        """Revision of the last change under the prefix (0: none since start): the key for whatever is derived from it."""
        raise NotImplementedError

    def add_index(self, prefix: str, name: str, key: Callable[[Entry], str]) -> None:
        """Index a prefix by a field, for `by_index` and Filter.index; idempotent."""
        raise NotImplementedError

    def by_index(self, prefix: str, name: str, value: str) -> Sequence[Entry]:
        """The objects whose indexed field is `value`, in key order."""
        raise NotImplementedError

    def watch(
        self,
        prefix: str,
        since: int | None,
        filter: Filter = EVERYTHING,
        *,
        bookmarks: bool = False,
        initial_bookmark: bool = False,
    ) -> Watcher:
        """Watch a prefix: changes with revision > `since`; None: the present objects as ADDED first, then changes.

        `initial_bookmark` ends the present objects with a BOOKMARK marked `initial`. `bookmarks` asks for one about
        every minute. Raises kubepy.api.errors.Gone (`too old resource version: X (Y)`) when the history no longer reaches back.
        """
        raise NotImplementedError
