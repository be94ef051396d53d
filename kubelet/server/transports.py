"""Bytes of an upgraded connection as streams by name: over SPDY, over WebSocket channels. Any reader and writer will do."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import deque
from typing import Protocol

import orjson
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as WebSocket
from websockets.protocol import Side, State

from kubepy.streams import remotecommand, spdy

READ = 64 * 1024
PING_EVERY = 25.0


class Gone(Exception):
    """The peer is gone, or broke the protocol."""


class Channels(Protocol):
    """The named streams of one exec or attach."""

    async def receive(self) -> tuple[str, bytes | None]:
        """(stream, bytes), or (stream, None) when the peer has closed it. Raises Gone."""

    async def send(self, name: str, data: bytes) -> None:
        """Send on a stream; one the peer did not want is ignored. Raises Gone."""

    async def finish(self, status: bytes) -> None:
        """Say how it ended and close."""


class Wire:
    """A reader and a writer with the errors of a broken connection as Gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """The next bytes. Raises Gone at the end."""
        try:
            data = await self._reader.read(READ)
        except (OSError, RuntimeError) as e:
            raise Gone(str(e)) from e
        if not data:
            raise Gone("connection closed")
        return data

    async def write(self, data: bytes) -> None:
        """Send all. Raises Gone."""
        if not data:
            return
        if self._writer.is_closing():
            raise Gone("connection closed")
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as e:
            raise Gone(str(e)) from e

    async def close(self) -> None:
        """Close after what was written has gone out."""
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 5.0)


class WebSocketWire:
    """Binary messages over an upgraded connection (the handshake is done); pings are answered."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._protocol = WebSocket(Side.SERVER, state=State.OPEN, max_size=None)
        self._ready: deque[bytes] = deque()
        self._partial = bytearray()

    async def read(self) -> bytes:
        """The next message. Raises Gone when the peer closes."""
        while not self._ready:
            self._protocol.receive_data(await self._wire.read())
            closing = False
            for event in self._protocol.events_received():
                if not isinstance(event, Frame):
                    continue
                if event.opcode in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
                    self._partial += event.data
                    if event.fin:
                        self._ready.append(bytes(self._partial))
                        self._partial.clear()
                elif event.opcode is Opcode.CLOSE:
                    closing = True
            await self._flush()
            if (closing or self._protocol.state is not State.OPEN) and not self._ready:
                raise Gone("websocket closed")
        return self._ready.popleft()

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            await self._wire.write(data)

    async def write(self, data: bytes) -> None:
        """Send one message; nothing is no message."""
        if not data:
            return
        if self._protocol.state is not State.OPEN:
            raise Gone("websocket closed")
        self._protocol.send_binary(data)
        await self._flush()

    async def write_text(self, text: bytes) -> None:
        """Send one text message (base64 protocols)."""
        if self._protocol.state is not State.OPEN:
            raise Gone("websocket closed")
        self._protocol.send_text(text)
        await self._flush()

    async def ping(self) -> None:
        """Keep proxies from closing an idle connection."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")
            await self._flush()

    async def close(self) -> None:
        """Close frame, the peer's answer for a moment, then the connection."""
        with contextlib.suppress(Gone, TimeoutError):
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                await self._flush()
            async with asyncio.timeout(2.0):
                while True:
                    self._protocol.receive_data(await self._wire.read())
                    if self._protocol.state is State.CLOSED or any(
                        isinstance(e, Frame) and e.opcode is Opcode.CLOSE for e in self._protocol.events_received()
                    ):
                        break
        await self._wire.close()


class WebSocketChannels:
    """exec and attach over `[v4.|v5.][base64.]channel.k8s.io`: the first byte (or digit) of a message is its channel."""

    def __init__(self, wire: WebSocketWire, protocol: str) -> None:
        self._wire, self._protocol = wire, protocol
        self._base64 = "base64" in protocol

    async def receive(self) -> tuple[str, bytes | None]:
        """The next message of a known channel."""
        while True:
            message = await self._wire.read()
            if not message:
                continue
            if self._base64:
                number, data = message[0] - ord("0"), base64.b64decode(message[1:])
            else:
                number, data = message[0], message[1:]
            if number == remotecommand.CLOSE and data:
                return remotecommand.NAMES.get(data[0], ""), None
            if number in remotecommand.NAMES:
                return remotecommand.NAMES[number], data

    async def send(self, name: str, data: bytes) -> None:
        """One message."""
        number = remotecommand.CHANNELS[name]
        if self._base64:
            await self._wire.write_text(b"%d" % number + base64.b64encode(data))
        else:
            await self._wire.write(bytes([number]) + data)

    async def greet(self) -> None:
        """An empty message tells the client that the connection stands, before there is any output."""
        await self.send("stdout", b"")

    async def ping(self) -> None:
        """Keep the connection alive."""
        await self._wire.ping()

    async def finish(self, status: bytes) -> None:
        """The status on the error channel (before v4: only a failure's text), then the close."""
        with contextlib.suppress(Gone):
            if self._protocol.startswith(("v4.", "v5.")):
                await self.send("error", status)
            elif (found := orjson.loads(status))["status"] != "Success":
                await self.send("error", found["message"].encode())
        await self._wire.close()


class SpdyChannels:
    """exec and attach over SPDY: one stream per name, opened by the client."""

    def __init__(self, wire: Wire | WebSocketWire, protocol: str) -> None:
        self._wire, self._protocol = wire, protocol
        self._connection = spdy.Connection()
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._ready: deque[tuple[str, bytes | None]] = deque()

    async def open(self, expected: frozenset[str]) -> None:
        """Wait until the client has opened all of its streams. Raises Gone."""
        while not expected <= self._ids.keys():
            await self._pump()

    async def _pump(self) -> None:
        try:
            events = self._connection.receive(await self._wire.read())
        except spdy.SpdyError as e:
            raise Gone(str(e)) from e
        for event in events:
            match event:
                case spdy.Opened(stream, headers, fin):
                    name = headers.get("streamtype", "")
                    if name not in remotecommand.CHANNELS or name in self._ids:
                        self._connection.reset(stream, spdy.REFUSED_STREAM)
                        continue
                    self._connection.reply(stream)
                    self._ids[name], self._names[stream] = stream, name
                    if fin:
                        self._ready.append((name, None))
                case spdy.Data(stream, data, fin) if stream in self._names:
                    if data:
                        self._ready.append((self._names[stream], data))
                    if fin:
                        self._ready.append((self._names[stream], None))
                case spdy.Reset(stream, _) if stream in self._names:
                    self._ready.append((self._names[stream], None))
                case _:
                    pass
        await self._wire.write(self._connection.take_output())

    async def receive(self) -> tuple[str, bytes | None]:
        """The next bytes of any stream."""
        while not self._ready:
            await self._pump()
        return self._ready.popleft()

    async def send(self, name: str, data: bytes) -> None:
        """Bytes on a stream."""
        if name in self._ids:
            self._connection.send(self._ids[name], data)
            await self._wire.write(self._connection.take_output())

    async def finish(self, status: bytes) -> None:
        """The status on the error stream (as v4 wants it; before, only a failure's text), all streams closed."""
        with contextlib.suppress(Gone):
            if self._protocol == "v4.channel.k8s.io":
                self._connection.send(self._ids["error"], status)
            else:
                found = orjson.loads(status)
                if found["status"] != "Success":
                    self._connection.send(self._ids["error"], found["message"].encode())
            for stream in self._ids.values():
                self._connection.send(stream, b"", fin=True)
            await self._wire.write(self._connection.take_output())
            # The client closes once it has read all; closing first could cut its reading short.
            async with asyncio.timeout(5.0):
                while True:
                    await self._wire.read()
        await self._wire.close()
