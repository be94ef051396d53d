"""What Go's decoder says of bytes that are not the DER sequence it expects (encoding/asn1); what is inside is not looked at."""

from __future__ import annotations

_SEQUENCE = 16
_PARAMETERS = (
    "{optional:false explicit:false application:false private:false defaultValue:<nil> tag:<nil> stringType:0 timeType:0 "
    "set:false omitEmpty:false}"
)


def check_sequence(data: bytes, kind: str) -> None:
    """Raises ValueError unless `data` begins with a whole sequence; `kind` is the name of the Go type to be filled."""
    if not data:
        raise ValueError("asn1: syntax error: sequence truncated")
    number, at = data[0] & 0x1F, 1
    if number == 0x1F:
        number, at = _base128(data, at)
    length, at = _length(data, at)
    shown = f"{{class:{data[0] >> 6} tag:{number} length:{length} isCompound:{str(bool(data[0] & 0x20)).lower()}}}"
    if data[0] != 0x20 | _SEQUENCE:
        raise ValueError(f"asn1: structure error: tags don't match ({_SEQUENCE} vs {shown}) {_PARAMETERS} {kind} @{at}")
    if at + length > len(data):
        raise ValueError("asn1: syntax error: data truncated")


def _base128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at:], at + 1):
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place
    raise ValueError("asn1: syntax error: truncated base 128 integer")


def _length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise ValueError("asn1: syntax error: truncated tag or length")
    first = data[at]
    if first < 0x80:
        return first, at + 1
    if first == 0x80:
        raise ValueError("asn1: syntax error: indefinite length found (not DER)")
    raw = data[at + 1 : at + 1 + (first & 0x7F)]
    if len(raw) < first & 0x7F:
        raise ValueError("asn1: syntax error: truncated tag or length")
    if raw[0] == 0:
        raise ValueError("asn1: structure error: superfluous leading zeros in length")
    if len(raw) > 4:
        raise ValueError("asn1: structure error: length too large")
    value = int.from_bytes(raw, "big")
    if value < 0x80:
        raise ValueError("asn1: structure error: non-minimal length")
    return value, at + 1 + len(raw)
