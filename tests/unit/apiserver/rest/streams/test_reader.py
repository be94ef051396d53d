"""Answers over WebSockets: which protocols, and what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from apiserver.rest.streams import reader

HEADERS = {b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize(
    ("offered", "chosen", "text"),
    [(b"", "", False), (b"binary.k8s.io", "binary.k8s.io", False), (b"x, base64.binary.k8s.io", "base64.binary.k8s.io", True)],
)
def test_handshake(offered: bytes, chosen: str, text: bool) -> None:
    headers = {**HEADERS, **({b"sec-websocket-protocol": offered} if offered else {})}
    assert reader.is_websocket(headers)
    found = reader.accept(headers)
    assert found is not None and found[1] is text
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in found[0]
    assert (f"Sec-WebSocket-Protocol: {chosen}\r\n".encode() in found[0]) is bool(chosen)


def test_refusals() -> None:
    assert reader.accept({**HEADERS, b"sec-websocket-protocol": b"v5.channel.k8s.io"}) is None
    assert not reader.is_websocket({b"upgrade": b"SPDY/3.1", b"connection": b"Upgrade"})


@pytest.mark.parametrize(("text", "wanted"), [(False, [b"one", b"two"]), (True, [b"b25l", b"dHdv"])])
async def test_every_piece_is_a_message(text: bool, wanted: list[bytes]) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    done = asyncio.Event()

    async def serve(r: asyncio.StreamReader, w: asyncio.StreamWriter) -> None:
        await reader.copy(pieces(), r, w, text)
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        r, w = await asyncio.open_connection(*server.sockets[0].getsockname())
        peer = ClientProtocol(parse_uri("ws://x/"), state=State.OPEN)
        while True:
            peer.receive_data(await asyncio.wait_for(r.read(1000), 5))
            events = peer.events_received()
            frames = [e for e in events if isinstance(e, Frame)]
            wanted = wanted[sum(f.opcode is not Opcode.CLOSE for f in frames) :] if _matches(frames, wanted) else pytest.fail(str(frames))
            if any(f.opcode is Opcode.CLOSE for f in frames):
                break
        w.close()
        await asyncio.wait_for(done.wait(), 5)
    assert wanted == []


def _matches(frames: list[Frame], wanted: list[bytes]) -> bool:
    data = [bytes(f.data) for f in frames if f.opcode is not Opcode.CLOSE]
    return data == wanted[: len(data)]
