"""Channels to the members of an etcd cluster: TLS, failover, and what may be tried again.

A call that was never sent, or that only reads, moves on to the next member until its time is over. A write whose
answer was lost is reported as such (`Lost`): only its caller knows how to find out what became of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from aetcd.rpc import rpc_pb2_grpc as stubs

from apiserver.storage.interface import TooLarge, Unavailable

CALL_TIMEOUT = 5.0
"""Seconds for one attempt at one member."""
TOTAL_TIMEOUT = 10.0
"""Seconds after which a call gives up (longer than an election)."""
FIRST_BACKOFF, MAX_BACKOFF = 0.05, 1.0

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # One connection per channel of our own: grpc would share those to the same address, also with other tests.
    ("grpc.use_local_subchannel_pool", 1),
]

_NEVER_SENT = ("failed to connect", "connections to all backends failing", "connection refused", "no leader")
_TOO_LARGE = ("request is too large", "larger than max")


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM: --etcd-cafile, --etcd-certfile, --etcd-keyfile; each may be empty."""

    ca: str = ""
    cert: str = ""
    key: str = ""

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files; raises Unavailable with the file that cannot be read."""
        try:
            ca, cert, key = (Path(name).read_bytes() if name else None for name in (self.ca, self.cert, self.key))
        except OSError as error:
            raise Unavailable(f"cannot read {error.filename}: {error.strerror}") from error
        return grpc.ssl_channel_credentials(ca, key, cert)


class Lost(Unavailable):
    """A write was sent and not answered: it may have happened."""


class Member:
    """One endpoint's channel and stubs."""

    def __init__(self, endpoint: str, tls: TLS | None) -> None:
        scheme, _, rest = endpoint.rpartition("://")
        self.address = rest.rstrip("/")
        if scheme == "https" or (not scheme and tls is not None):
            self.channel = grpc.aio.secure_channel(self.address, (tls or TLS()).credentials(), options=_OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(self.address, options=_OPTIONS)
        self.kv = stubs.KVStub(self.channel)
        self.watch = stubs.WatchStub(self.channel)
        self.lease = stubs.LeaseStub(self.channel)
        self.maintenance = stubs.MaintenanceStub(self.channel)


Method = Callable[[Member], Callable[..., Any]]


class Connection:
    """The members, of which one is in use until it fails."""

    def __init__(self, endpoints: Sequence[str], tls: TLS | None) -> None:
        if not endpoints:
            raise Unavailable("no etcd endpoint is given")
        self._members = [Member(endpoint, tls) for endpoint in endpoints]
        self._current = 0
        self._closed = False

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def member(self) -> Member:
        """The member in use."""
        return self._members[self._current]

    def failed(self, member: Member) -> None:
        """Turn to the next member, unless somebody has already."""
        if member is self.member:
            self._current = (self._current + 1) % len(self._members)

    async def close(self) -> None:
        """Close all channels."""
        self._closed = True
        for member in self._members:
            await member.channel.close()

    async def call(self, method: Method, request: Any, *, reads: bool) -> Any:
        """One unary call with failover; raises Lost (writes only), Unavailable, TooLarge, or grpc.aio.AioRpcError for the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TOTAL_TIMEOUT
        backoff, attempt = FIRST_BACKOFF, 0
        while True:
            member = self.member
            attempt += 1
            try:
                return await method(member)(request, timeout=CALL_TIMEOUT)
            except grpc.aio.AioRpcError as error:
                problem = classify(error)
                if problem is None:
                    raise
                if isinstance(problem, TooLarge):
                    raise problem from error
                self.failed(member)
                if not reads and isinstance(problem, Lost):
                    raise problem from error
                if loop.time() + backoff > deadline:
                    raise Unavailable(str(problem)) from error
            if attempt % len(self._members) == 0:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF)


def classify(error: grpc.aio.AioRpcError) -> Unavailable | TooLarge | None:
    """What an error means for going on: None if it is an answer of etcd's that no other member would change."""
    code, details = error.code(), error.details() or ""
    if any(text in details for text in _TOO_LARGE):
        return TooLarge("etcdserver: request is too large")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Unavailable(details)
    if code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return None
    if code is grpc.StatusCode.UNAVAILABLE and any(text in details.lower() for text in _NEVER_SENT):
        return Unavailable(details)
    return Lost(details or code.name)
