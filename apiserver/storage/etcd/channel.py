"""gRPC calls over one HTTP/2 connection, in the event loop itself.

A call costs one write and a callback: with grpc.aio it was a third of what a write to etcd took, and each message of a watch waited
for a turn of the loop of its own. Does not connect, and does not try again: member.py does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import cast
from urllib.parse import unquote

import hpack

from apiserver.storage.etcd.call import Call
from apiserver.storage.etcd.rpc import CANCELLED, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, UNKNOWN, NeverSent, RpcError
from kubepy.runtime.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    literals,
    message,
    unpadded,
)

CALL_TIMEOUT = 5.0
"""Seconds for an answer, give or take a tick."""
KEEPALIVE = 15.0
"""Seconds after which the server is asked for a sign of life, and as many again of silence until the connection is given up."""
TICK = 0.5
"""Seconds between two looks at what is overdue."""

_WINDOW = 16 << 20
"""Bytes a server may send on a stream before they are consumed."""
_MAX_INT = 2**31 - 1
_FIRST_WINDOW, _FRAME = 65_535, 16_384
_TABLE_SIZE, _INITIAL_WINDOW, _MAX_FRAME = 1, 4, 5
_REFUSED_STREAM, _CANCEL = 7, 8


@lru_cache(maxsize=64)
def _headers(scheme: str, authority: str, path: str, metadata: tuple[tuple[str, str], ...]) -> bytes:
    fields = [(":method", "POST"), (":scheme", scheme), (":path", path), (":authority", authority)]
    fields += [("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "kubepy"), *metadata]
    return literals((name.encode(), value.encode()) for name, value in fields)


class Channel(asyncio.Protocol):
    """One connection. Calls are made on it until it is `unusable`."""

    def __init__(self, scheme: str, authority: str) -> None:
        self.unusable = False
        """No new calls: the connection is lost, or the server asked for no more."""
        self._scheme, self._authority = scheme, authority
        self._calls: dict[int, Call] = {}
        self._blocked: dict[int, Call] = {}
        self._next = 1
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._out: list[bytes] = []
        """What goes out at the end of this turn of the loop, in one piece: a system call costs more than the rest of a call."""
        self._window, self._first_window, self._frame = _FIRST_WINDOW, _FIRST_WINDOW, _FRAME
        self._consumed = 0
        self._decoder = hpack.Decoder()
        self._known: dict[bytes, dict[str, str]] = {}
        self._block: tuple[int, int, bytes] | None = None
        """(stream, flags, bytes so far) of a header block that is not complete."""
        self._heard = True
        self._next_sign = self._loop.time() + KEEPALIVE
        self._timer: asyncio.TimerHandle | None = None

    # -- calls

    async def unary(self, path: str, request: bytes) -> bytes:
        """One question, one answer. Raises RpcError. Cancelling it cancels the call."""
        call = self._start(path, request, (), streaming=False)
        try:
            await call.arrived
        finally:
            self._finish(call)
        if call.failure is not None:
            raise call.failure
        if not call.messages:
            raise RpcError(INTERNAL, "the server answered nothing")
        return call.messages[0]

    async def stream(self, path: str, request: bytes, metadata: tuple[tuple[str, str], ...] = ()) -> AsyncGenerator[list[bytes]]:
        """One question, answers without end: each time all that have come. Raises RpcError."""
        call = self._start(path, request, metadata, streaming=True)
        try:
            while True:
                await call.arrived
                call.arrived = self._loop.create_future()
                if call.messages:
                    batch = list(call.messages)
                    call.messages.clear()
                    self._took(call)
                    yield batch
                if call.messages:
                    call.wake()
                elif call.ended:
                    if call.failure is not None:
                        raise call.failure
                    return
        finally:
            self._finish(call)

    def _start(self, path: str, request: bytes, metadata: tuple[tuple[str, str], ...], *, streaming: bool) -> Call:
        if self.unusable:
            raise NeverSent("the connection is closed")
        call = Call(self._next, self._first_window, streaming, self._loop.time() + CALL_TIMEOUT, self._loop)
        self._next += 2
        if self._next > _MAX_INT:
            self.unusable = True  # Stream numbers are used up: the calls under way go on.
        self._calls[call.id] = call
        head = frame(HEADERS, END_HEADERS, call.id, _headers(self._scheme, self._authority, path, metadata))
        body = message(request)
        if len(body) <= min(call.window, self._window, self._frame) and not self._blocked:
            call.window -= len(body)
            self._window -= len(body)
            self._write(head)
            self._write(frame(DATA, 0 if streaming else END_STREAM, call.id, body))
        else:
            self._write(head)
            call.unsent = body
            self._blocked[call.id] = call
            self._pump()
        return call

    def _finish(self, call: Call) -> None:
        self._blocked.pop(call.id, None)
        if self._calls.pop(call.id, None) is not None:
            # The server does not know yet that nobody waits.
            self._write(frame(RST_STREAM, 0, call.id, _CANCEL.to_bytes(4, "big")))

    def _pump(self) -> None:
        """Send what the windows allow of bodies that wait."""
        for call in list(self._blocked.values()):
            while call.unsent:
                size = min(len(call.unsent), self._window, call.window, self._frame)
                if size <= 0:
                    break
                part, call.unsent = call.unsent[:size], call.unsent[size:]
                call.window -= size
                self._window -= size
                done = not call.unsent and not call.streaming
                self._write(frame(DATA, END_STREAM if done else 0, call.id, part))
            if not call.unsent:
                del self._blocked[call.id]

    def _took(self, call: Call) -> None:
        """The server may send as much again as was consumed of a stream."""
        if call.untaken > _WINDOW // 2:
            self._write(frame(WINDOW_UPDATE, 0, call.id, call.untaken.to_bytes(4, "big")))
            call.untaken = 0

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the server."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by type
        # Without a table of headers, the same header block is always the same bytes.
        settings = _setting(_TABLE_SIZE, 0) + _setting(_INITIAL_WINDOW, _WINDOW)
        grow = (_MAX_INT - _FIRST_WINDOW).to_bytes(4, "big")
        self._write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, grow))
        self._timer = self._loop.call_later(TICK, self._tick)

    def connection_lost(self, exc: Exception | None) -> None:
        """All calls under way fail."""
        self.unusable, self._transport = True, None
        if self._timer is not None:
            self._timer.cancel()
        self._fail(self._calls, RpcError(UNAVAILABLE, f"the connection was lost: {exc or 'closed by the server'}"))

    def close(self) -> None:
        """End it; calls under way fail."""
        self.unusable = True
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, calls: dict[int, Call], error: RpcError) -> None:
        for number, call in list(calls.items()):
            self._calls.pop(number, None)
            call.end(error)

    def _tick(self) -> None:
        if self._transport is None:
            return
        now = self._loop.time()
        for call in [c for c in self._calls.values() if c.due < now and not c.streaming]:
            call.end(RpcError(DEADLINE_EXCEEDED, "Deadline Exceeded"))
        if now >= self._next_sign:
            if not self._heard:
                self._transport.abort()
                return
            self._next_sign = now + KEEPALIVE
            if self._calls:  # etcd takes it ill when a connection without calls is kept alive.
                self._heard = False
                self._write(frame(PING, 0, 0, bytes(8)))
        self._timer = self._loop.call_later(TICK, self._tick)

    def data_received(self, data: bytes) -> None:
        """Take apart what came into frames."""
        self._heard = True
        buffer = self._buffer + data if self._buffer else data
        at, size = 0, len(buffer)
        while size - at >= HEAD:
            end = at + HEAD + int.from_bytes(buffer[at : at + 3], "big")
            if end > size:
                break
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big") & _MAX_INT
            self._frame_received(buffer[at + 3], buffer[at + 4], stream, buffer[at + HEAD : end])
            at = end
        self._buffer = buffer[at:]

    def _frame_received(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._data(stream, flags, payload)
        elif kind == HEADERS:
            self._header_block(stream, flags, flags, unpadded(flags, payload))
        elif kind == CONTINUATION and self._block is not None:
            first, first_flags, so_far = self._block
            self._header_block(first, first_flags, flags, so_far + payload)
        elif kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big") & _MAX_INT
            if stream == 0:
                self._window += more
            elif (call := self._calls.get(stream)) is not None:
                call.window += more
            self._pump()
        elif kind == SETTINGS and not flags & ACK:
            self._settings(payload)
        elif kind == PING and not flags & ACK:
            self._write(frame(PING, ACK, 0, payload))
        elif kind == RST_STREAM and (call := self._calls.pop(stream, None)) is not None:
            refused = int.from_bytes(payload, "big") == _REFUSED_STREAM
            call.end(NeverSent("the server refused the stream") if refused else RpcError(CANCELLED, "the server reset the stream"))
        elif kind == GOAWAY:
            self.unusable = True
            last = int.from_bytes(payload[:4], "big") & _MAX_INT
            self._fail({n: c for n, c in self._calls.items() if n > last}, NeverSent("the server closes the connection"))

    def _data(self, stream: int, flags: int, payload: bytes) -> None:
        self._consumed += len(payload)
        if self._consumed > _MAX_INT // 2:
            self._write(frame(WINDOW_UPDATE, 0, 0, self._consumed.to_bytes(4, "big")))
            self._consumed = 0
        call = self._calls.get(stream)
        if call is None:
            return
        call.untaken += len(payload)
        call.feed(unpadded(flags, payload))
        if not call.messages or not call.streaming:
            self._took(call)  # A message may be longer than the window.
        if flags & END_STREAM:
            self._calls.pop(stream)
            call.end(RpcError(UNKNOWN, "the server ended the stream without a status"))

    def _header_block(self, stream: int, flags: int, latest: int, block: bytes) -> None:
        if not latest & END_HEADERS:
            self._block = (stream, flags, block)
            return
        self._block = None
        headers = self._decoded(block)
        if not flags & END_STREAM:
            if headers.get(":status") != "200" and (call := self._calls.pop(stream, None)) is not None:
                call.end(RpcError(UNAVAILABLE, f"the server answered with HTTP status {headers.get(':status')}"))
            return
        if (call := self._calls.pop(stream, None)) is not None:
            code = headers.get("grpc-status", "")
            status = int(code) if code.isdigit() else UNKNOWN
            call.end(RpcError(status, unquote(headers.get("grpc-message", ""))) if status else None)

    def _decoded(self, block: bytes) -> dict[str, str]:
        known = self._known.get(block)
        if known is None:
            known = {str(name): str(value) for name, value in self._decoder.decode(block)}
            if self._decoder.header_table_size == 0 and len(self._known) < 64:
                self._known[block] = known
        return known

    def _settings(self, payload: bytes) -> None:
        for at in range(0, len(payload) - 5, 6):
            name, value = int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big")
            if name == _INITIAL_WINDOW:
                for call in self._calls.values():
                    call.window += value - self._first_window
                self._first_window = value
            elif name == _MAX_FRAME:
                self._frame = value
        self._write(frame(SETTINGS, ACK, 0))
        self._pump()

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out = []


def _setting(name: int, value: int) -> bytes:
    return name.to_bytes(2, "big") + value.to_bytes(4, "big")
