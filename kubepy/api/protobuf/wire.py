"""Protocol buffers' wire format: varints, tags and length-delimited parts. Pure; knows no messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are not a protobuf message."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(the unsigned value, where the next byte is)."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError("unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(number, wire type, value) of each field: an unsigned integer, or bytes (fixed-size numbers as bytes, too)."""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, at = read_varint(data, at)
        elif kind == FIXED64:
            size = 8
        elif kind == FIXED32:
            size = 4
        else:
            raise WireError(f"proto: illegal wireType {kind}")
        if at + size > end:
            raise WireError("unexpected EOF")
        yield number, kind, data[at : at + size]
        at += size


def varint(value: int) -> bytes:
    """An integer; negative ones as 64-bit two's complement."""
    value &= _MASK
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, kind: int) -> bytes:
    """What goes before a field's value."""
    return varint(number << 3 | kind)


def part(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return tag(number, BYTES) + varint(len(data)) + data


def signed(value: int) -> int:
    """An unsigned 64-bit value as a signed one."""
    return value - (1 << 64) if value >> 63 else value


def double(data: bytes) -> float:
    """A fixed64 field as a float."""
    return float(struct.unpack("<d", data)[0])


def pack_double(value: float) -> bytes:
    """A float as fixed64."""
    return struct.pack("<d", value)
