"""SPDY/3.1 as kubectl and the kubelet speak it: one connection of numbered streams. Sans-I/O.

Upstream: moby/spdystream over the SPDY draft 3.1. Flow control is left out, as there: windows are neither announced nor obeyed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 0x01
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
MAX_PAYLOAD = 32 * 1024
"""Bytes of data per frame that we send."""
LIMIT = 1 << 24

_NAMES = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length content-location "
    "content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer "
    "retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status"
)
_WORDS = _NAMES.split()
_MORE = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found"
    "500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public"
    "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack(">I", len(w)) + w.encode() for w in (*_WORDS, *_MORE)) + _TAIL.encode()
"""The header compressor's preset dictionary (SPDY draft 3, section 2.6.10.1)."""


class SpdyError(Exception):
    """The peer broke the protocol; the connection is of no more use."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The peer opened a stream; answer with `reply` or `reset`."""

    stream: int
    headers: dict[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Replied:
    """The peer accepted a stream of ours."""

    stream: int
    headers: dict[str, str]
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes on a stream; with `fin` the peer's last."""

    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    """The peer dropped a stream."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class GoneAway:
    """The peer will open no more streams."""

    status: int


Event = Opened | Replied | Data | Reset | GoneAway


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(payload)) + payload


class Connection:
    """One end of a connection. Feed `receive`; send what `take_output` returns after every call."""

    def __init__(self, *, client: bool = False) -> None:
        self._next = 1 if client else 2
        self._buffer = bytearray()
        self._output: list[bytes] = []
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._last_opened = 0

    def take_output(self) -> bytes:
        """Bytes to send now."""
        out = b"".join(self._output)
        self._output.clear()
        return out

    # -- sending ----------------------------------------------------------------------------------------------------------------

    def _block(self, headers: Mapping[str, str]) -> bytes:
        parts = [struct.pack(">I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                parts += [struct.pack(">I", len(text)), text]
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def open(self, headers: Mapping[str, str]) -> int:
        """Open a stream; its number."""
        stream, self._next = self._next, self._next + 2
        self._output.append(_control(SYN_STREAM, 0, struct.pack(">IIH", stream, 0, 0) + self._block(headers)))
        return stream

    def reply(self, stream: int, headers: Mapping[str, str] | None = None) -> None:
        """Accept the peer's stream."""
        self._output.append(_control(SYN_REPLY, 0, struct.pack(">I", stream) + self._block(headers or {})))

    def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send bytes; with `fin` no more will come."""
        for start in range(0, len(data), MAX_PAYLOAD):
            piece = data[start : start + MAX_PAYLOAD]
            last = fin and start + MAX_PAYLOAD >= len(data)
            self._output.append(struct.pack(">II", stream, (FIN if last else 0) << 24 | len(piece)) + piece)
        if fin and not data:
            self._output.append(struct.pack(">II", stream, FIN << 24))

    def reset(self, stream: int, status: int = CANCEL) -> None:
        """Drop a stream."""
        self._output.append(_control(RST_STREAM, 0, struct.pack(">II", stream, status)))

    def go_away(self) -> None:
        """Say that no more streams are taken."""
        self._output.append(_control(GOAWAY, 0, struct.pack(">II", self._last_opened, 0)))

    # -- receiving --------------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises SpdyError."""
        self._buffer += data
        events: list[Event] = []
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if len(self._buffer) < 8 + length:
                break
            payload = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if first & 0x80000000:
                if first >> 16 & 0x7FFF != VERSION:
                    raise SpdyError(f"unsupported version {first >> 16 & 0x7FFF}")
                self._control(first & 0xFFFF, flags, payload, events)
            else:
                events.append(Data(first & 0x7FFFFFFF, payload, bool(flags & FIN)))
        return events

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            raw = self._inflate.decompress(block, LIMIT)
            count = struct.unpack_from(">I", raw)[0]
            at, out = 4, {}
            for _ in range(count):
                texts = []
                for _ in range(2):
                    size = struct.unpack_from(">I", raw, at)[0]
                    texts.append(raw[at + 4 : at + 4 + size].decode())
                    at += 4 + size
                out[texts[0].lower()] = texts[1]
        except (zlib.error, struct.error, UnicodeDecodeError) as e:
            raise SpdyError(f"bad header block: {e}") from e
        return out

    def _control(self, kind: int, flags: int, payload: bytes, events: list[Event]) -> None:
        fin = bool(flags & FIN)
        try:
            if kind == SYN_STREAM:
                stream = struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF
                self._last_opened = stream
                events.append(Opened(stream, self._headers(payload[10:]), fin))
            elif kind == SYN_REPLY:
                stream = struct.unpack_from(">I", payload)[0] & 0x7FFFFFFF
                events.append(Replied(stream, self._headers(payload[4:]), fin))
            elif kind == HEADERS:
                # Nobody sends them here, but they pass through the shared decompressor.
                self._headers(payload[4:])
            elif kind == RST_STREAM:
                stream, status = struct.unpack_from(">II", payload)
                events.append(Reset(stream & 0x7FFFFFFF, status))
            elif kind == PING:
                number = struct.unpack_from(">I", payload)[0]
                if number % 2 != self._next % 2:
                    self._output.append(_control(PING, 0, payload[:4]))
            elif kind == GOAWAY:
                events.append(GoneAway(struct.unpack_from(">II", payload)[1] if len(payload) >= 8 else 0))
        except struct.error as e:
            raise SpdyError(f"truncated control frame {kind}") from e
