"""A plain answer read over a WebSocket: every piece one message, as browsers read a pod's log.

Upstream: apimachinery pkg/util/httpstream/wsstream/stream.go.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

PROTOCOLS = ("binary.k8s.io", "base64.binary.k8s.io")
_LINGER = 2.0


def is_websocket(headers: dict[bytes, bytes]) -> bool:
    """Whether the request asks to become a WebSocket."""
    return headers.get(b"upgrade", b"").lower() == b"websocket" and b"upgrade" in headers.get(b"connection", b"").lower()


def accept(headers: dict[bytes, bytes]) -> tuple[bytes, bool] | None:
    """(the 101 answer, whether messages are base64 text), or None when the client wants only protocols we do not speak."""
    offered = [p.strip() for p in headers.get(b"sec-websocket-protocol", b"").decode("latin-1").split(",") if p.strip()]
    chosen = next((p for p in offered if p in PROTOCOLS), "")
    if offered and not chosen:
        return None
    token = accept_key(headers.get(b"sec-websocket-key", b"").decode("latin-1")).encode()
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Accept: " + token]
    if chosen:
        lines.append(b"Sec-WebSocket-Protocol: " + chosen.encode())
    return b"\r\n".join(lines) + b"\r\n\r\n", chosen.startswith("base64")


async def copy(source: AsyncIterator[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bool) -> None:
    """Send all of `source` as messages, then the close; ends early when the client goes. What the client sends is dropped."""

    async def drop() -> None:
        while await reader.read(4096):
            pass

    async def pump() -> None:
        async for piece in source:
            frame = Frame(Opcode.TEXT, base64.b64encode(piece)) if text else Frame(Opcode.BINARY, piece)
            writer.write(frame.serialize(mask=False))
            await writer.drain()
        writer.write(Frame(Opcode.CLOSE, (1000).to_bytes(2, "big")).serialize(mask=False))
        await writer.drain()

    gone, sent = asyncio.ensure_future(drop()), asyncio.ensure_future(pump())
    try:
        await asyncio.wait({gone, sent}, return_when=asyncio.FIRST_COMPLETED)
        if sent.done() and not sent.exception():
            # The client answers the close; closing first could cut its reading short.
            await asyncio.wait({gone}, timeout=_LINGER)
    finally:
        for task in (gone, sent):
            task.cancel()
        await asyncio.gather(gone, sent, return_exceptions=True)
        writer.close()
