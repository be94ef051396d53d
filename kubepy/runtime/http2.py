"""HTTP/2 frames and literal headers, as far as gRPC clients need them (RFC 9113, RFC 7541). Pure; knows no connection."""

from __future__ import annotations

from collections.abc import Iterable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
HEAD = 9
"""Bytes before a frame's payload."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def literals(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A header block of literal fields without indexing, which needs no state."""
    return b"".join(b"\0" + _string(name) + _string(value) for name, value in headers)


def _string(text: bytes) -> bytes:
    """A string literal: a 7-bit prefix integer of its length, and the text as it is."""
    rest = len(text)
    if rest < 0x7F:
        return bytes((rest,)) + text
    out, rest = bytearray((0x7F,)), rest - 0x7F
    while rest >= 0x80:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out) + text


def unpadded(flags: int, payload: bytes) -> bytes:
    """What a DATA or HEADERS frame carries, without its padding."""
    start, end = 0, len(payload)
    if flags & PADDED:
        start, end = 1, end - payload[0]
    return payload[start:end]


PREFIX = 5
"""Bytes before a gRPC message: whether it is compressed, and its length."""


def message(data: bytes) -> bytes:
    """A gRPC message with its prefix, not compressed."""
    return b"\0" + len(data).to_bytes(4, "big") + data
