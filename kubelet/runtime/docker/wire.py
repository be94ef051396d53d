"""Docker's streaming calls, taken over as sockets: exec, attach and logs, read on the event loop without a thread."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubelet.runtime.interface import NoSuchContainer, RuntimeFailure

STDOUT, STDERR = 1, 2
_CHUNK = 64 * 1024


async def _connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        if url.scheme == "unix":
            return await asyncio.open_unix_connection(url.path)
        context = None
        if os.environ.get("DOCKER_TLS_VERIFY"):
            folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
            context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        return await asyncio.open_connection(url.hostname, url.port or 2375, ssl=context)
    except OSError as e:
        raise RuntimeFailure(f"Cannot connect to the Docker daemon: {e}") from e


async def open_stream(method: str, path: str, body: Any = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send one request; the reader stands at the first byte of the stream that answers it. Raises RuntimeFailure.

    HTTP/1.0 for GET, so that the answer is not chunked; an upgrade for POST (Docker's "hijacking").
    """
    reader, writer = await _connect()
    data = b"" if body is None else json.dumps(body).encode()
    if method == "GET":
        head = f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n"
    else:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
    try:
        writer.write(head.encode() + data)
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        if status >= 300:
            text = await reader.read(_CHUNK)
            raise _refused(status, text)
    except (OSError, asyncio.IncompleteReadError) as e:
        writer.close()
        raise RuntimeFailure(f"Cannot connect to the Docker daemon: {e}") from e
    except RuntimeFailure:
        writer.close()
        raise
    return reader, writer


def _refused(status: int, text: bytes) -> RuntimeFailure:
    try:
        message = json.loads(text[text.index(b"{") : text.rindex(b"}") + 1])["message"]
    except (ValueError, KeyError):
        message = text.decode(errors="replace").strip()
    kind = NoSuchContainer if status == 404 else RuntimeFailure
    return kind(f"Error response from daemon: {message}")


async def pieces(reader: asyncio.StreamReader, tty: bool) -> AsyncIterator[tuple[int, bytes]]:
    """(stream, bytes) as they come: raw with a terminal, else Docker's frames of an 8-byte header and a payload."""
    try:
        while True:
            if tty:
                data = await reader.read(_CHUNK)
                if not data:
                    return
                yield STDOUT, data
                continue
            header = await reader.readexactly(8)
            left = int.from_bytes(header[4:], "big")
            while left:
                data = await reader.read(min(left, _CHUNK))
                if not data:
                    return
                left -= len(data)
                yield STDERR if header[0] == 2 else STDOUT, data
    except (asyncio.IncompleteReadError, ConnectionError):
        return
