"""The gRPC health check (grpc.health.v1.Health/Check) over a minimal HTTP/2 client: one unary call on a plain connection.

Only what that call needs of RFC 9113 and RFC 7541: literal headers out; of the answer the DATA frame's message, or a non-empty
end of stream. So the kubelet needs no gRPC library.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from kubelet.probes import checks

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_SERVING = 1
_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    # "Literal header field without indexing, new name"; all of ours are shorter than 127 bytes.
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def request(host: str, service: str) -> bytes:
    """The whole request: preface, settings, headers, one length-prefixed HealthCheckRequest."""
    headers = b"".join(
        _literal(n, v)
        for n, v in (
            (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/grpc.health.v1.Health/Check"), (b":authority", host.encode()),
            (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"user-agent", checks.USER_AGENT.encode()),
        )
    )  # fmt: skip
    name = service.encode()
    message = b"\x0a" + bytes([len(name)]) + name if name else b""
    body = b"\x00" + struct.pack(">I", len(message)) + message
    return _PREFACE + _frame(_SETTINGS, 0, 0) + _frame(_HEADERS, _END_HEADERS, 1, headers) + _frame(_DATA, _END_STREAM, 1, body)


def serving_status(message: bytes) -> int:
    """`status` of a HealthCheckResponse: field 1, a varint; 0 when absent."""
    return message[1] if len(message) >= 2 and message[0] == 0x08 else 0


async def _status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
    """The answered status; None when the call failed (service unknown, no such method)."""
    data = b""
    while True:
        head = await reader.readexactly(9)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = await reader.readexactly(length)
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        if kind == _SETTINGS and not flags & _ACK:
            writer.write(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            writer.write(_frame(_PING, _ACK, 0, payload))
        elif kind in (_GOAWAY, _RST):
            return None
        elif kind == _DATA and stream == 1:
            if flags & 0x8:  # padded
                payload = payload[1 : len(payload) - payload[0]]
            data += payload
        if stream == 1 and flags & _END_STREAM and kind in (_DATA, _HEADERS):
            return serving_status(data[5:]) if len(data) >= 5 else None


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
