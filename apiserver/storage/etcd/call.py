"""The state of one gRPC call: what is still to be sent, and the messages that came. Sans I/O."""

from __future__ import annotations

import asyncio
from collections import deque

from apiserver.storage.etcd.rpc import RpcError
from kubepy.runtime.http2 import PREFIX


class Call:
    """One stream. What the server sends gathers in `messages`; `failure` is set when it ended otherwise than well."""

    __slots__ = (
        "_held", "_need", "_size", "arrived", "due", "ended", "failure", "id", "messages", "streaming", "unsent", "untaken", "window",
    )  # fmt: skip

    def __init__(self, number: int, window: int, streaming: bool, due: float, loop: asyncio.AbstractEventLoop) -> None:
        self.id = number
        self.streaming = streaming
        self.due = due
        """Loop time at which a call with one answer is overdue."""
        self.window = window
        """Bytes that may be sent."""
        self.unsent = b""
        self.untaken = 0
        """Bytes received for which the server has no leave yet to send as many again."""
        self.messages: deque[bytes] = deque()
        self.failure: RpcError | None = None
        self.ended = False
        self.arrived: asyncio.Future[None] = loop.create_future()
        self._held: list[bytes] = []
        self._size = self._need = 0
        """How many bytes of a message are held, and how many it takes to go on."""

    def feed(self, data: bytes) -> None:
        """Bytes of the body: messages with their prefixes, cut anywhere."""
        if self._held:
            self._held.append(data)
            self._size += len(data)
            if self._size < self._need:
                return
            data = b"".join(self._held)
            self._held = []
        at, size, need = 0, len(data), PREFIX
        while size - at >= PREFIX:
            need = PREFIX + int.from_bytes(data[at + 1 : at + PREFIX], "big")
            if size - at < need:
                break
            self.messages.append(data[at + PREFIX : at + need])
            at, need = at + need, PREFIX
        if at < size:
            self._held, self._size, self._need = [data[at:]], size - at, need
        if self.streaming and self.messages:
            self.wake()

    def end(self, failure: RpcError | None) -> None:
        """Nothing more comes."""
        if not self.ended:
            self.ended, self.failure = True, failure
            self.wake()

    def wake(self) -> None:
        """Let the caller look."""
        if not self.arrived.done():
            self.arrived.set_result(None)
