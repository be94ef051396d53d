"""Streams by name over both protocols, with a client of our own at the other end of a socket pair."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import orjson
import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side
from websockets.protocol import State as SocketState

from kubelet.server.transports import Gone, SpdyChannels, WebSocketChannels, WebSocketWire, Wire
from kubepy.streams import remotecommand, spdy

Ends = tuple[Wire, asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    """A server's wire, and the client's reader and writer."""
    a, b = socket.socketpair()
    ours = await asyncio.open_connection(sock=a)
    reader, writer = await asyncio.open_connection(sock=b)
    yield Wire(*ours), reader, writer
    for each in (ours[1], writer):
        each.close()
        await each.wait_closed()


class Client:
    """A WebSocket client's end, after the handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.protocol = Protocol(Side.CLIENT, state=SocketState.OPEN)

    def send(self, data: bytes) -> None:
        self.protocol.send_binary(data)
        self.flush()

    def flush(self) -> None:
        for piece in self.protocol.data_to_send():
            self._writer.write(piece)

    async def frames(self) -> list[Frame]:
        self.protocol.receive_data(await self._reader.read(65536))
        self.flush()
        return [e for e in self.protocol.events_received() if isinstance(e, Frame)]


async def test_websocket_channels(ends: Ends) -> None:
    wire, reader, writer = ends
    client, channels = Client(reader, writer), WebSocketChannels(WebSocketWire(wire), "v5.channel.k8s.io")
    await channels.greet()
    assert [f.data for f in await client.frames()] == [b"\x01"]
    client.send(b"\x00typed")
    client.send(b'\x04{"Width":1,"Height":2}')
    client.send(b"\x09unknown")
    client.send(b"\xff\x00")
    assert [await channels.receive() for _ in range(3)] == [("stdin", b"typed"), ("resize", b'{"Width":1,"Height":2}'), ("stdin", None)]
    await channels.send("stderr", b"oops")
    assert [f.data for f in await client.frames()] == [b"\x02oops"]
    finishing = asyncio.create_task(channels.finish(remotecommand.status_of_exit(0)))
    found: list[Frame] = []
    while not any(f.opcode is Opcode.CLOSE for f in found):
        found += await client.frames()
    assert orjson.loads(found[0].data[1:])["status"] == "Success" and found[0].data[0] == 3
    await finishing


async def test_base64_channels(ends: Ends) -> None:
    wire, reader, writer = ends
    client, channels = Client(reader, writer), WebSocketChannels(WebSocketWire(wire), "v4.base64.channel.k8s.io")
    client.send(b"0aGk=")
    assert await channels.receive() == ("stdin", b"hi")
    await channels.send("stdout", b"ho")
    assert [f.data for f in await client.frames()] == [b"1aG8="]


async def test_a_client_that_goes_is_gone(ends: Ends) -> None:
    wire, reader, writer = ends
    client, channels = Client(reader, writer), WebSocketChannels(WebSocketWire(wire), "v5.channel.k8s.io")
    client.protocol.send_close(1000)
    client.flush()
    with pytest.raises(Gone):
        await channels.receive()


async def test_spdy_channels(ends: Ends) -> None:
    wire, reader, writer = ends
    client, channels = spdy.Connection(client=True), SpdyChannels(wire, "v4.channel.k8s.io")
    ids = {name: client.open({"streamType": name}) for name in ("error", "stdin", "stdout")}
    writer.write(client.take_output())
    await channels.open(frozenset(ids))
    client.send(ids["stdin"], b"typed", fin=True)
    writer.write(client.take_output())
    assert [await channels.receive(), await channels.receive()] == [("stdin", b"typed"), ("stdin", None)]
    await channels.send("stdout", b"answer")
    await channels.send("stderr", b"nobody asked for it")
    finishing = asyncio.create_task(channels.finish(remotecommand.status_of_exit(3)))
    seen: dict[int, bytes] = {}
    ended: set[int] = set()
    while len(ended) < 3:
        for event in client.receive(await reader.read(65536)):
            if isinstance(event, spdy.Data):
                seen[event.stream] = seen.get(event.stream, b"") + event.data
                ended |= {event.stream} if event.fin else set()
    assert seen[ids["stdout"]] == b"answer"
    assert orjson.loads(seen[ids["error"]])["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    writer.close()
    await finishing
