"""EtcdStorage: the Storage interface over etcd's key-value service (3.4 and later).

Every write is one transaction: compare the key's mod_revision, then put or delete, else return what is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from apiserver.storage.etcd.connection import Connection, Lost
from apiserver.storage.etcd.leases import Leases
from apiserver.storage.etcd.member import TLS
from apiserver.storage.etcd.messages import (
    COMPACT,
    RANGE,
    STATUS,
    TXN,
    RangeAnswer,
    compaction_request,
    number_in,
    range_answer,
    range_request,
    txn_answer,
    txn_request,
)
from apiserver.storage.etcd.rpc import NOT_FOUND, RpcError
from apiserver.storage.etcd.watch import span, watch
from apiserver.storage.interface import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Range,
    RevisionConflict,
    StorageError,
    Unavailable,
)

PAGE = 2000
"""Keys asked for in one message when all are wanted."""
ATTEMPTS = 3
"""How often a write whose answer was lost is tried; the comparison keeps it from happening twice."""

_NO_KEY = b"\0"
_DB_SIZE = 3


class EtcdStorage:
    """A cluster of one or more etcd members; several API servers may share it. Restarts of members are waited out."""

    def __init__(self, endpoints: Sequence[str], *, tls: TLS | None = None) -> None:
        self._endpoints = tuple(endpoints)
        self._tls = tls
        self._open: Connection | None = None
        self._shared_leases: Leases | None = None
        self._watches: set[AsyncIterator[Sequence[Event]]] = set()

    async def start(self) -> None:
        """Connect and ask for the revision; raises Unavailable."""
        self._open = Connection(self._endpoints, self._tls)
        self._shared_leases = Leases(self._open)
        try:
            await self.revision()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the channels; watches end."""
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()

    @property
    def _connection(self) -> Connection:
        if self._open is None:
            raise Unavailable("the store is not open")
        return self._open

    async def revision(self) -> int:
        """See Storage.revision: a linearizable read of a key that is never there."""
        return (await self._range(range_request(_NO_KEY, count_only=True))).revision

    async def get(self, key: str) -> KeyValue | None:
        """See Storage.get."""
        items = (await self._range(range_request(key.encode()))).items
        return items[0] if items else None

    async def create(self, key: str, value: bytes, *, ttl: int = 0) -> int:
        """See Storage.create."""
        return await self._write(key, 0, value, ttl)

    async def update(self, key: str, value: bytes, expected: int, *, ttl: int = 0) -> int:
        """See Storage.update."""
        return await self._write(key, expected, value, ttl)

    async def delete(self, key: str, expected: int) -> int:
        """See Storage.delete."""
        return await self._write(key, expected, None, 0)

    async def _write(self, key: str, expected: int, value: bytes | None, ttl: int) -> int:
        assert self._shared_leases is not None or self._connection
        leases = self._shared_leases
        lost: Lost | None = None
        for _ in range(ATTEMPTS):
            lease = await leases.get(ttl) if leases is not None else 0
            try:
                answer = txn_answer(await self._connection.call(TXN, txn_request(key.encode(), expected, value, lease), reads=False))
            except Lost as error:
                lost = error
                continue
            except RpcError as error:
                if lease and error.code == NOT_FOUND and leases is not None:
                    leases.forget(lease)
                    continue
                raise Unavailable(str(error)) from error
            if answer.succeeded:
                return answer.revision
            current = answer.found
            if lost is not None and (current.value if current is not None else None) == value:
                # The attempt whose answer was lost did it (or someone brought about the very same).
                return current.mod_revision if current is not None else answer.revision
            raise _refusal(key, expected, current)
        raise lost or Unavailable("etcd does not keep the lease it granted")

    async def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Range:
        """See Storage.range."""
        start, end = span(prefix)
        if after:
            start = max(start, after.encode() + b"\0")
        items: list[KeyValue] = []
        at = revision
        while True:
            want = min(PAGE, limit - len(items)) if limit else PAGE
            answer = await self._range(range_request(start, end, limit=want, revision=at), at)
            at = at or answer.revision
            items += answer.items
            if not answer.more or len(items) == limit:
                return Range(at, items, answer.total - len(answer.items))
            start = answer.items[-1].key.encode() + b"\0"

    async def _range(self, request: bytes, revision: int = 0) -> RangeAnswer:
        try:
            return range_answer(await self._connection.call(RANGE, request, reads=True))
        except RpcError as error:
            if "has been compacted" in error.details:
                raise Compacted(revision + 1) from error
            if "future revision" in error.details:
                raise FutureRevision(await self.revision()) from error
            raise Unavailable(str(error)) from error

    async def watch(self, prefix: str, start: int, *, previous: bool = True) -> AsyncIterator[Sequence[Event]]:
        """See Storage.watch."""
        connection = self._connection
        async for batch in watch(connection, prefix, start, previous):
            yield batch

    async def compact(self, revision: int) -> None:
        """See Storage.compact. Another API server may have been faster."""
        try:
            await self._connection.call(COMPACT, compaction_request(revision), reads=True)
        except RpcError as error:
            if "has been compacted" not in error.details:
                raise Unavailable(str(error)) from error

    async def size(self) -> int:
        """Bytes of the database of the member in use."""
        return number_in(await self._connection.call(STATUS, b"", reads=True), _DB_SIZE)


def _refusal(key: str, expected: int, current: KeyValue | None) -> StorageError:
    if current is None:
        return KeyMissing(key)
    return RevisionConflict(current) if expected else KeyExists(key)
