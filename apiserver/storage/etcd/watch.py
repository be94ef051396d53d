"""One watch of a prefix that resumes where it was when its stream breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from apiserver.storage.etcd.connection import FIRST_BACKOFF, MAX_BACKOFF, Connection
from apiserver.storage.etcd.messages import WATCH, watch_answer, watch_request
from apiserver.storage.etcd.rpc import RpcError
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
        stream = member.stream(WATCH, watch_request(key, end, position, previous=previous), _METADATA)
        try:
            async for answers in stream:
                events: list[Event] = []
                cancelled = None
                for answer in map(watch_answer, answers):
                    if answer.compacted:
                        raise Compacted(answer.compacted)
                    cancelled = answer.cancelled
                    events += answer.events
                if events:
                    backoff = FIRST_BACKOFF
                    position = events[-1].revision + 1
                    yield events
                if cancelled is not None:
                    log.warning("etcd cancelled the watch: %s", cancelled)
                    break
        except RpcError as error:
            if connection.is_closed():
                return
            log.info("watch of etcd at %s broke, resuming from revision %d: %s", member.address, position, error)
        finally:
            await stream.aclose()
        connection.failed(member)
        await asyncio.sleep(backoff)
        backoff = min(backoff * 2, MAX_BACKOFF)
