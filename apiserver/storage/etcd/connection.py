"""Calls to an etcd cluster: failover between its members, and what may be tried again.

A call that was never sent, or that only reads, moves on to the next member until its time is over. A write whose
answer was lost is reported as such (`Lost`): only its caller knows how to find out what became of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apiserver.storage.etcd.member import TLS, Member
from apiserver.storage.etcd.rpc import CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE, NeverSent, RpcError
from apiserver.storage.interface import TooLarge, Unavailable

TOTAL_TIMEOUT = 10.0
"""Seconds after which a call gives up (longer than an election)."""
FIRST_BACKOFF, MAX_BACKOFF = 0.05, 1.0

_NO_LEADER = "no leader"
_TOO_LARGE = ("request is too large", "larger than max")


class Lost(Unavailable):
    """A write was sent and not answered: it may have happened."""


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

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        for member in self._members:
            member.close()

    async def call(self, path: str, request: bytes, *, reads: bool) -> bytes:
        """One unary call with failover; raises Lost (writes only), Unavailable, TooLarge, or RpcError for the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TOTAL_TIMEOUT
        backoff, attempt = FIRST_BACKOFF, 0
        while True:
            member = self.member
            attempt += 1
            try:
                return await member.unary(path, request)
            except RpcError as error:
                problem = classify(error)
                if problem is None:
                    raise
                if isinstance(problem, TooLarge):
                    raise problem from error
                self.failed(member)
                if not reads and isinstance(problem, Lost):
                    raise problem from error
                if self._closed or loop.time() + backoff > deadline:
                    raise Unavailable(str(problem)) from error
            if attempt % len(self._members) == 0:
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF)


def classify(error: RpcError) -> Unavailable | TooLarge | None:
    """What an error means for going on: None if it is an answer of etcd's that no other member would change."""
    if any(text in error.details for text in _TOO_LARGE):
        return TooLarge("etcdserver: request is too large")
    if error.code == RESOURCE_EXHAUSTED or isinstance(error, NeverSent):
        return Unavailable(error.details)
    if error.code not in (UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED):
        return None
    if error.code == UNAVAILABLE and _NO_LEADER in error.details:
        return Unavailable(error.details)
    return Lost(error.details)
