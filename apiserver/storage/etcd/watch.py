"""One watch of a prefix that resumes where it was when its stream breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from aetcd import rpc

from apiserver.storage.etcd.connection import FIRST_BACKOFF, MAX_BACKOFF, Connection
from apiserver.storage.interface import Compacted, Event

log = logging.getLogger(__name__)

# A member that has lost its leader ends the stream instead of staying silent.
_METADATA = (("hasleader", "true"),)


def span(prefix: str) -> tuple[bytes, bytes]:
    """key and range_end that cover a prefix; an empty one covers everything."""
    if not prefix:
        return b"\0", b"\0"
    start = prefix.encode()
    return start, start[:-1] + bytes([start[-1] + 1])


async def watch(connection: Connection, prefix: str, start: int, previous: bool) -> AsyncIterator[Sequence[Event]]:
    """Batches of changes from revision `start` on, until the connection is closed. Raises Compacted; other trouble is waited out."""
    position, backoff = start, FIRST_BACKOFF
    key, end = span(prefix)
    while not connection.is_closed():
        member = connection.member
        stream: Any = member.watch.Watch(metadata=_METADATA)
        try:
            create = rpc.WatchCreateRequest(key=key, range_end=end, start_revision=position, prev_kv=previous)
            await stream.write(rpc.WatchRequest(create_request=create))
            async for answer in stream:
                if answer.compact_revision:
                    raise Compacted(answer.compact_revision)
                if answer.canceled:
                    log.warning("etcd cancelled the watch: %s", answer.cancel_reason)
                    break
                backoff = FIRST_BACKOFF
                if answer.events:
                    yield [_event(event) for event in answer.events]
                    position = answer.events[-1].kv.mod_revision + 1
        except asyncio.CancelledError:
            # grpc reports the closing of its channel this way, too.
            task = asyncio.current_task()
            if connection.is_closed() and task is not None and not task.cancelling():
                return
            raise
        except (grpc.aio.AioRpcError, grpc.aio.UsageError) as error:
            if connection.is_closed():
                return
            log.info("watch of etcd at %s broke, resuming from revision %d: %s", member.address, position, error)
        finally:
            stream.cancel()
        connection.failed(member)
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, MAX_BACKOFF)


def _event(event: Any) -> Event:
    kv = event.kv
    before = event.prev_kv if event.HasField("prev_kv") else None
    return Event(
        kv.key.decode(),
        kv.mod_revision,
        None if event.type else kv.value,
        before.value if before is not None else None,
        before.mod_revision if before is not None else 0,
        kv.create_revision,
    )
