"""Serving over real sockets: limits, streams, hijacked connections, client certificates, the end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kubepy import pki
from kubepy.runtime import serving

CLOSED = b"connection: close"


async def app(scope: Any, receive: Any, send: Any) -> None:
    exchange: serving.Exchange = scope["extensions"]["kubepy"]
    path = scope["path"]
    if path == "/echo":
        body = await exchange.body_bytes(100)
        if body is None:
            exchange.respond(413, b"", b"too large")
        else:
            exchange.respond(200, b"content-type: text/plain\r\n", b"<", body, b">")
    elif path == "/stream":
        exchange.start(200, b"")
        for part in (b"one", b"two"):
            exchange.write(part)
        exchange.end()
    elif path == "/large":
        await exchange.respond_large(200, b"", 3 << 20, (b"x" * (1 << 20) for _ in range(3)))
    elif path == "/take":
        reader, writer = exchange.take_over(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n")
        while data := await reader.read(100):
            writer.write(data.upper())
            await writer.drain()
        writer.close()
    elif path == "/who":
        certificate = scope["extensions"]["tls"]["client_cert"]
        exchange.respond(200, b"", b"nobody" if certificate is None else b"%d" % len(certificate))
    elif path == "/forever":
        gone = asyncio.Event()
        exchange.on_gone = gone.set
        exchange.start(200, b"")
        exchange.write(b"begun")
        await gone.wait()
        GONE.set()
    else:
        raise RuntimeError("no such path")


GONE = asyncio.Event()


@contextlib.asynccontextmanager
async def server(context: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    sock = serving.listen("127.0.0.1", 0)
    async with serving.running(app, [sock], context, **options):
        yield sock.getsockname()[1]


async def ask(port: int, raw: bytes, context: ssl.SSLContext | None = None) -> bytes:
    """Send `raw`, read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(raw)
        return await asyncio.wait_for(reader.read(-1), 10)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *lines, "Connection: close", "", "")).encode()


async def test_answers_and_keep_alive() -> None:
    async with server() as port:
        two = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi" + get("/stream")
        answer = await ask(port, two)
        first, _, second = answer.partition(b"<hi>")
        assert b"content-length: 4\r\n" in first
        assert CLOSED not in first
        assert second.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
        assert CLOSED in second


async def test_bodies_and_headers_have_limits() -> None:
    async with server(limits=serving.Limits(header_bytes=1000)) as port:
        long = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\nConnection: close\r\n\r\n" + b"y" * 200
        assert (await ask(port, long)).startswith(b"HTTP/1.1 413 ")
        assert (await ask(port, get("/echo", "X: " + "z" * 2000))).startswith(b"HTTP/1.1 431 ")
        assert (await ask(port, b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
        assert (await ask(port, b"nonsense\r\n\r\n")).startswith(b"HTTP/1.1 4")


async def test_large_answers_arrive_whole() -> None:
    async with server() as port:
        _, _, body = (await ask(port, get("/large"))).partition(b"\r\n\r\n")
        assert len(body) == 3 << 20


async def test_the_app_takes_the_socket_over() -> None:
    async with server() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /take HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await reader.readexactly(6) == b"EARLY "
        writer.write(b"late")
        assert await reader.readexactly(4) == b"LATE"
        writer.close()
        await writer.wait_closed()


async def test_client_certificates_are_optional(tmp_path: Path) -> None:
    files = pki.ensure_pki(tmp_path)
    context = serving.server_context(files.cert("apiserver"), files.key("apiserver"), [files.ca_cert])
    client = ssl.create_default_context(cafile=str(files.ca_cert))
    async with server(context) as port:
        assert (await ask(port, get("/who"), client)).endswith(b"nobody")
        client.load_cert_chain(files.cert("kubelet-client"), files.key("kubelet-client"))
        size = int((await ask(port, get("/who"), client)).rpartition(b"\r\n")[2])
        assert size > 200


async def test_idle_connections_are_closed() -> None:
    async with server(limits=serving.Limits(idle_timeout=0.1, header_timeout=0.1)) as port:
        assert await ask(port, b"") == b""
        assert (await ask(port, b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"0\r\n\r\n")


async def test_streams_learn_that_the_client_is_gone() -> None:
    GONE.clear()
    async with server() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/forever"))
        await reader.readuntil(b"begun")
        writer.close()
        await writer.wait_closed()
        await asyncio.wait_for(GONE.wait(), 5)


async def test_stopping_ends_what_does_not_end_by_itself() -> None:
    GONE.clear()
    sock = serving.listen("127.0.0.1", 0)
    async with serving.running(app, [sock], None, limits=serving.Limits(grace=0.2)):
        reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
        writer.write(get("/forever"))
        await reader.readuntil(b"begun")
    assert await asyncio.wait_for(reader.read(), 5) in (b"", b"\r\n")
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_an_app_that_fails_answers_500(caplog: pytest.LogCaptureFixture) -> None:
    async with server() as port:
        assert (await ask(port, get("/nowhere"))).startswith(b"HTTP/1.1 500 ")
    assert "no such path" in caplog.text
