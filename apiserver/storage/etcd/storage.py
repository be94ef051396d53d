"""EtcdStorage: the Storage interface over etcd's key-value service (3.4 and later).

Every write is one transaction: compare the key's mod_revision, then put or delete, else return what is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import grpc.aio
from aetcd import rpc

from apiserver.storage.etcd.connection import TLS, Connection, Lost
from apiserver.storage.etcd.leases import Leases
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
            await connection.close()

    @property
    def _connection(self) -> Connection:
        if self._open is None:
            raise Unavailable("the store is not open")
        return self._open

    async def revision(self) -> int:
        """See Storage.revision: a linearizable read of a key that is never there."""
        answer = await self._range(rpc.RangeRequest(key=_NO_KEY, count_only=True))
        return int(answer.header.revision)

    async def get(self, key: str) -> KeyValue | None:
        """See Storage.get."""
        answer = await self._range(rpc.RangeRequest(key=key.encode()))
        return _key_value(answer.kvs[0]) if answer.kvs else None

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
                answer = await self._connection.call(lambda member: member.kv.Txn, _txn(key, expected, value, lease), reads=False)
            except Lost as error:
                lost = error
                continue
            except grpc.aio.AioRpcError as error:
                if lease and error.code() is grpc.StatusCode.NOT_FOUND and leases is not None:
                    leases.forget(lease)
                    continue
                raise Unavailable(f"{error.code().name}: {error.details()}") from error
            if answer.succeeded:
                return int(answer.header.revision)
            found = answer.responses[0].response_range.kvs
            current = _key_value(found[0]) if found else None
            if lost is not None and (current.value if current is not None else None) == value:
                # The attempt whose answer was lost did it (or someone brought about the very same).
                return current.mod_revision if current is not None else int(answer.header.revision)
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
            answer = await self._range(rpc.RangeRequest(key=start, range_end=end, limit=want, revision=at))
            at = at or int(answer.header.revision)
            items.extend([_key_value(kv) for kv in answer.kvs])
            if not answer.more or len(items) == limit:
                return Range(at, items, answer.count - len(answer.kvs))
            start = answer.kvs[-1].key + b"\0"

    async def _range(self, request: Any) -> Any:
        try:
            return await self._connection.call(lambda member: member.kv.Range, request, reads=True)
        except grpc.aio.AioRpcError as error:
            details = error.details() or ""
            if "has been compacted" in details:
                raise Compacted(request.revision + 1) from error
            if "future revision" in details:
                raise FutureRevision(await self.revision()) from error
            raise Unavailable(f"{error.code().name}: {details}") from error

    async def watch(self, prefix: str, start: int, *, previous: bool = True) -> AsyncIterator[Sequence[Event]]:
        """See Storage.watch."""
        connection = self._connection
        async for batch in watch(connection, prefix, start, previous):
            yield batch

    async def compact(self, revision: int) -> None:
        """See Storage.compact. Another API server may have been faster."""
        try:
            await self._connection.call(lambda member: member.kv.Compact, rpc.CompactionRequest(revision=revision), reads=True)
        except grpc.aio.AioRpcError as error:
            if "has been compacted" not in (error.details() or ""):
                raise Unavailable(f"{error.code().name}: {error.details()}") from error

    async def size(self) -> int:
        """Bytes of the database of the member in use."""
        answer = await self._connection.call(lambda member: member.maintenance.Status, rpc.StatusRequest(), reads=True)
        return int(answer.dbSize)


def _txn(key: str, expected: int, value: bytes | None, lease: int) -> Any:
    encoded = key.encode()
    compare = rpc.Compare(result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=encoded, mod_revision=expected)
    if value is None:
        change = rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=encoded))
    else:
        change = rpc.RequestOp(request_put=rpc.PutRequest(key=encoded, value=value, lease=lease))
    otherwise = rpc.RequestOp(request_range=rpc.RangeRequest(key=encoded))
    return rpc.TxnRequest(compare=[compare], success=[change], failure=[otherwise])


def _key_value(kv: Any) -> KeyValue:
    return KeyValue(kv.key.decode(), kv.value, kv.create_revision, kv.mod_revision)


def _refusal(key: str, expected: int, current: KeyValue | None) -> StorageError:
    if current is None:
        return KeyMissing(key)
    return RevisionConflict(current) if expected else KeyExists(key)
