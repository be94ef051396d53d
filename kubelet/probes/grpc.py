"""The gRPC health check (grpc.health.v1.Health/Check) over a minimal HTTP/2 client: one unary call on a plain connection.

Only what that call needs: of the answer, the DATA frame's message, or a non-empty end of stream.
"""

from __future__ import annotations

import asyncio
import contextlib

from kubelet.probes import checks
from kubepy.runtime import http2

_SERVING = 1
_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def request(host: str, service: str) -> bytes:
    """The whole request: preface, settings, headers, one length-prefixed HealthCheckRequest."""
    headers = http2.literals(
        (
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/grpc.health.v1.Health/Check"), (b":authority", host.encode()),
            (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"user-agent", checks.USER_AGENT.encode()),
        )
    )  # fmt: skip
    name = service.encode()
    body = http2.message(b"\x0a" + bytes([len(name)]) + name if name else b"")
    return (
        http2.PREFACE
        + http2.frame(http2.SETTINGS, 0, 0)
        + http2.frame(http2.HEADERS, http2.END_HEADERS, 1, headers)
        + http2.frame(http2.DATA, http2.END_STREAM, 1, body)
    )


def serving_status(message: bytes) -> int:
    """`status` of a HealthCheckResponse: field 1, a varint; 0 when absent."""
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
    """The answered status; None when the call failed (service unknown, no such method)."""
    data = b""
    while True:
        head = await reader.readexactly(http2.HEAD)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = await reader.readexactly(length)
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if kind == http2.SETTINGS and not flags & http2.ACK:
            writer.write(http2.frame(http2.SETTINGS, http2.ACK, 0))
        elif kind == http2.PING and not flags & http2.ACK:
            writer.write(http2.frame(http2.PING, http2.ACK, 0, payload))
        elif kind in (http2.GOAWAY, http2.RST_STREAM):
            return None
        elif kind == http2.DATA and stream == 1:
            data += http2.unpadded(flags, payload)
        if stream == 1 and flags & http2.END_STREAM and kind in (http2.DATA, http2.HEADERS):
            return serving_status(data[http2.PREFIX :]) if len(data) >= http2.PREFIX else None


async def check(host: str, port: int, service: str, timeout: float) -> checks.Answer:
    """One health check."""
    target = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request(target, service))
                status = await _status(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except TimeoutError:
        return checks.Outcome.FAILURE, f'timeout: failed to connect service "{target}" within {timeout:g}s: context deadline exceeded'
    except (OSError, asyncio.IncompleteReadError) as e:
        return checks.Outcome.FAILURE, f'error: failed to connect service at "{target}": {e}'
    if status == _SERVING:
        return checks.Outcome.SUCCESS, "service healthy"
    if status is None:
        return checks.Outcome.FAILURE, "error: health rpc probe failed"
    return checks.Outcome.FAILURE, f"service unhealthy (responded with {_NAMES.get(status, status)!r})".replace("'", '"')
