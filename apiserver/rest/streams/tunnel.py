"""An HTTP/1.1 request to another server over a socket of our own, so that an Upgrade can be passed through byte for byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable

from apiserver.rest.streams.target import Target

_MAX_HEAD = 64 * 1024
_CHUNK = 64 * 1024
CONNECT_SECONDS = 10.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(target: Target, context: ssl.SSLContext | None) -> Streams:
    """Open the connection. Raises OSError."""
    opened = asyncio.open_connection(target.host, target.port, ssl=context, server_hostname=target.host if context else None)
    try:
        return await asyncio.wait_for(opened, CONNECT_SECONDS)
    except TimeoutError:
        raise OSError(f"dial tcp {target.host}:{target.port}: i/o timeout") from None


async def ask(streams: Streams, method: str, target: Target, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Send a request without body; (status, the whole response head). Raises OSError."""
    reader, writer = streams
    lines = [f"{method} {target.path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n".encode()]
    lines += [b"%b: %b\r\n" % (k, v) for k, v in headers]
    writer.write(b"".join(lines) + b"\r\n")
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as e:
        raise OSError(f"the backend did not answer: {e}") from None
    status = head.split(b" ", 2)[1]
    return int(status), head


async def join(a: Streams, b: Streams) -> None:
    """Copy both ways until both sides are done; closes both."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError, OSError):
            return
        finally:
            with contextlib.suppress(Exception):
                if writer.can_write_eof():
                    writer.write_eof()
                else:
                    writer.close()

    try:
        await asyncio.gather(copy(a[0], b[1]), copy(b[0], a[1]))
    finally:
        for _, writer in (a, b):
            writer.close()
