"""The storage interface: revisioned bytes under string keys, with watch. Must not know about Kubernetes objects.

Semantics are etcd v3's, reduced to what an API server needs. Every write makes a new revision of the whole
store (a positive, strictly growing integer); a key carries the revision of its last write. Two backends
implement it, `sqlite` and `etcd`, and pass one contract suite (tests/contract/storage).

StorageError
├── KeyExists        create found the key
├── KeyMissing       update or delete did not find it
├── RevisionConflict update or delete found it at another revision (`current` is what is there)
├── Compacted        a range or watch asked for a revision that has been compacted away
├── FutureRevision   a range asked for a revision that does not exist yet
├── TooLarge         the value is larger than the store takes; nothing was written
└── Unavailable      the backend cannot be reached; nothing is known about the write
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

MAX_REQUEST_BYTES = 1_572_864
"""Bytes of key and value that a write may have: etcd's default (--max-request-bytes), kept by every backend."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key with its value; revisions as in etcd."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int


@dataclass(frozen=True, slots=True)
class Range:
    """One page of a prefix, as of `revision`, in key order; `remaining` counts the keys after it."""

    revision: int
    items: Sequence[KeyValue]
    remaining: int


@dataclass(frozen=True, slots=True)
class Event:
    """One change. `value` is None for a deletion; `previous` is None for a creation. `revision` is the change's own."""

    key: str
    revision: int
    value: bytes | None
    previous: bytes | None
    previous_revision: int = 0
    create_revision: int = 0


class StorageError(Exception):
    """Base of what a backend raises."""


class KeyExists(StorageError):
    """create: the key is there already."""


class KeyMissing(StorageError):
    """update, delete: the key is not there."""


class RevisionConflict(StorageError):
    """update, delete: the key is at another revision than expected."""

    def __init__(self, current: KeyValue) -> None:
        super().__init__(f"{current.key} is at revision {current.mod_revision}")
        self.current = current


class Compacted(StorageError):
    """The asked revision is older than the oldest kept one, `oldest`."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"required revision has been compacted, oldest is {oldest}")
        self.oldest = oldest


class FutureRevision(StorageError):
    """The asked revision lies in the future; `current` is the newest."""

    def __init__(self, current: int) -> None:
        super().__init__(f"required revision is a future revision, newest is {current}")
        self.current = current


class TooLarge(StorageError):
    """The value is larger than a request may be (`MAX_REQUEST_BYTES`)."""


class Unavailable(StorageError):
    """The backend did not answer."""


class Storage(Protocol):
    """What a backend offers. All calls may be made concurrently from one event loop."""

    async def start(self) -> None:
        """Open or connect; raises Unavailable."""

    async def close(self) -> None:
        """Release everything; pending watches end."""

    async def revision(self) -> int:
        """The newest revision, linearizable: at least that of every write acknowledged before the call."""

    async def get(self, key: str) -> KeyValue | None:
        """The key's newest value, linearizable."""

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> int:
        """Write a key that must not exist; returns its revision. `ttl` seconds, 0 for ever. Raises KeyExists."""

    async def update(self, key: str, value: bytes, expected: int, *, ttl: int = 0) -> int:
        """Replace a key that is at revision `expected`; returns the new revision. Raises KeyMissing, RevisionConflict."""

    async def delete(self, key: str, expected: int) -> int:
        """Delete a key that is at revision `expected`; returns the deletion's revision. Raises KeyMissing, RevisionConflict."""

    async def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Keys with `prefix` that sort after key `after`, at most `limit` (0: all), as of `revision` (0: newest).

        Raises Compacted, FutureRevision.
        """

    def watch(self, prefix: str, start: int, *, previous: bool = True) -> AsyncIterator[Sequence[Event]]:
        """Batches of changes with revision >= `start`, in revision order, without gap or repetition, until closed.

        `previous` asks for the values before each change; who knows them anyway saves the store the work.
        Raises Compacted from the iterator when `start` is gone.
        """

    async def compact(self, revision: int) -> None:
        """Forget history older than `revision`; the newest value of every key stays."""

    async def size(self) -> int:
        """Bytes the store takes on disk."""
