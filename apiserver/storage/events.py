"""What a watch of the cache delivers: events, and batches of them that many watchers share with their encodings."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import StrEnum
from typing import overload

from apiserver.storage.entry import Entry


class EventType(StrEnum):
    """metav1.WatchEvent.type, without ERROR (which the REST layer makes)."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class CacheEvent:
    """One change as one kind of watcher sees it.

    `entry` is the object after the change; for DELETED its last state with the deletion's resourceVersion; None for
    BOOKMARK. `previous` is the object before, None for ADDED (also when the object only now matches a selector).
    `initial` marks the BOOKMARK that ends the initial state (sendInitialEvents).
    """

    __slots__ = ("_appearing", "_memo", "_vanishing", "entry", "initial", "previous", "revision", "type")

    def __init__(self, type: EventType, entry: Entry | None, previous: Entry | None, revision: int, initial: bool = False) -> None:
        self.type = type
        self.entry = entry
        self.previous = previous
        self.revision = revision
        self.initial = initial
        self._memo: dict[Hashable, bytes] | None = None
        self._appearing: CacheEvent | None = None
        self._vanishing: CacheEvent | None = None

    @property
    def is_bookmark(self) -> bool:
        """Whether it is not a change."""
        return self.entry is None

    @property
    def line(self) -> bytes:
        """The event as a line of a JSON watch, in the storage version. Not for BOOKMARK."""
        assert self.entry is not None
        return b'{"type":"%b","object":%b}\n' % (self.type.encode(), self.entry.raw)

    def encode(self, variant: Hashable, render: Callable[[CacheEvent], bytes]) -> bytes:
        """`render(self)`, remembered for a while under `variant` (a version, a Table, PartialObjectMetadata, …)."""
        memo = self._memo
        if memo is None:
            memo = self._memo = {}
        out = memo.get(variant)
        if out is None:
            out = memo[variant] = render(self)
        return out

    def seen(self, now: bool, before: bool) -> CacheEvent | None:
        """This change for a selector that matches the new state or not (`now`), and matched the old one or not (`before`)."""
        if self.type is EventType.DELETED:
            return self if before else None
        if self.type is EventType.ADDED or self.previous is None:
            return self if now else None
        if now:
            return self if before else self.appearing()
        return self.vanishing() if before else None

    def appearing(self) -> CacheEvent:
        """This change for a selector that matches only the new state: ADDED."""
        if self._appearing is None:
            self._appearing = CacheEvent(EventType.ADDED, self.entry, None, self.revision)
        return self._appearing

    def vanishing(self) -> CacheEvent:
        """This change for a selector that matched only the old state: DELETED, with the old state at the new resourceVersion."""
        if self._vanishing is None:
            assert self.previous is not None
            self._vanishing = CacheEvent(EventType.DELETED, self.previous.at(self.revision), self.previous, self.revision)
        return self._vanishing

    def forget(self) -> None:
        """Drop what was made for watchers on demand."""
        self._memo = None
        self._appearing = None
        self._vanishing = None

    def __repr__(self) -> str:
        return f"CacheEvent({self.type}, {self.entry!r}, {self.revision})"


class Batch(Sequence[CacheEvent]):
    """Events in revision order, delivered at once and shared by all watchers with the same filter."""

    __slots__ = ("_memo", "events")

    def __init__(self, events: Sequence[CacheEvent]) -> None:
        self.events = events
        self._memo: dict[Hashable, bytes] | None = None

    @overload
    def __getitem__(self, index: int) -> CacheEvent: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CacheEvent]: ...
    def __getitem__(self, index: int | slice) -> CacheEvent | Sequence[CacheEvent]:
        return self.events[index]

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[CacheEvent]:
        return iter(self.events)

    @property
    def revision(self) -> int:
        """That of the last event."""
        return self.events[-1].revision

    @property
    def lines(self) -> bytes:
        """All events as lines of a JSON watch, in the storage version; encoded once for all watchers."""
        return self.encode(None, lambda batch: b"".join([event.line for event in batch.events]))

    def encode(self, variant: Hashable, render: Callable[[Batch], bytes]) -> bytes:
        """`render(self)`, remembered under `variant` as long as any watcher holds the batch."""
        memo = self._memo
        if memo is None:
            memo = self._memo = {}
        out = memo.get(variant)
        if out is None:
            out = memo[variant] = render(self)
        return out
