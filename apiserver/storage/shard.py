"""Everything the cache holds for one storage prefix: the objects, the recent changes, the watchers."""

from __future__ import annotations

from collections.abc import Sequence

from apiserver.storage.entry import Entry
from apiserver.storage.events import CacheEvent, EventType
from apiserver.storage.fanout import Fanout
from apiserver.storage.index import PrefixIndex
from apiserver.storage.window import Window


class Shard:
    """One prefix. `fanout` must be flushed by whoever applied changes."""

    __slots__ = ("fanout", "index", "window")

    def __init__(self, prefix: str, revision: int) -> None:
        self.index = PrefixIndex(prefix)
        self.window = Window(revision)
        self.fanout = Fanout()

    def load(self, entries: Sequence[Entry], revision: int) -> None:
        """Replace the objects by those of `revision`, in key order; history begins there."""
        self.index.load(entries, revision)
        self.window = Window(revision)

    def apply(self, key: str, namespace: str, entry: Entry | None, revision: int) -> CacheEvent | None:
        """Take in one change (None: deletion) and offer it to the watchers; None if nothing was there to delete."""
        before, indexed = self.index.apply(key, namespace, entry, revision)
        if entry is not None:
            event = CacheEvent(EventType.ADDED if before is None else EventType.MODIFIED, entry, before, revision)
        elif before is not None:
            event = CacheEvent(EventType.DELETED, before.at(revision), before, revision)
        else:
            return None
        self.window.append(event)
        if self.fanout:
            self.fanout.offer(event, indexed)
        return event

    def close(self, revision: int) -> None:
        """End all watchers and forget the history up to `revision`."""
        self.window = Window(revision)
        for watcher in self.fanout.watchers():
            watcher.close()
