"""Scalars as Go reads and writes them: times, base64, numbers. Each function returns the normal form or raises DecodeError."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any


class DecodeError(ValueError):
    """The body cannot be decoded into the type; str() is Go's message."""


class TypeMismatch(DecodeError):
    """A JSON value of the wrong type. Levels of the decoder add where it happened while it passes through them.

    `kind` is the Go kind where `go_type` does not tell it: string, bool, slice, map; "json" for types that read JSON themselves.
    """

    def __init__(self, value: str, go_type: str, kind: str = "") -> None:
        super().__init__(value, go_type)
        self.value = value
        self.go_type = go_type
        self._kind = kind
        self.path: list[str] = []
        self.struct = ""

    def enter(self, struct: str, field: str, embedded: Sequence[str] = ()) -> None:
        """Note that the value lies in `field` of a Go struct, there in these embedded ones; innermost first."""
        self.struct = self.struct or struct
        self.path += (field, *embedded)

    @property
    def converting(self) -> str:
        """The message where a value, not JSON, is converted: strategic merge patches (apimachinery pkg/runtime/converter.go)."""
        kind = self._kind or ("slice" if self.go_type.startswith("[]") else "map" if self.go_type.startswith("map[") else self.go_type)
        if kind == "json":
            return f"json: cannot unmarshal {self.value} into Go value of type {self.go_type}"
        word, _, digits = self.value.partition(" ")
        number = "float64" if isinstance(self.value, _Float) or set(digits) & set(".eE") else "int64"
        given = {"object": "map", "array": "slice", "number": number}.get(word, word)
        if kind in ("slice", "map"):
            return f"cannot restore {kind} from {given}"
        if _STRUCT.match(kind):
            return f"cannot restore struct from: {given}"
        if (given == "int64" and kind == "string") or (given == "float64" and kind.startswith("int")):
            return f"cannot convert {given} to {self.go_type}"
        return f"unrecognized type: {kind}"

    def __str__(self) -> str:
        if not self.path:
            return f"json: cannot unmarshal {self.value} into Go value of type {self.go_type}"
        where = ".".join((self.struct, *reversed(self.path)))
        return f"json: cannot unmarshal {self.value} into Go struct field {where} of type {self.go_type}"


class _Float(str):
    """`number`, said of what Go holds as a float64 where it has no type to read into."""


_STRUCT = re.compile(r"v\d+((alpha|beta)\d+)?\.")


def describe(value: Any) -> str:
    """What Go's errors call a JSON value."""
    if isinstance(value, float) or (isinstance(value, int) and not -(1 << 63) <= value < 1 << 63):
        return _Float("number")
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
_ALPHABET = re.compile(r"[A-Za-z0-9+/]*")


def base64_text(value: str) -> str:
    """Checked standard base64; line breaks are dropped, as Go's decoder and encoder would."""
    text = value.replace("\r", "").replace("\n", "") if "\n" in value or "\r" in value else value
    if len(text) % 4 == 0 and _BASE64(text):
        # Stray low bits of the last character are lost on the way through bytes.
        return binascii.b2a_base64(binascii.a2b_base64(text), newline=False).decode() if text.endswith("=") else text
    raise DecodeError(f"illegal base64 data at input byte {_base64_fault(value)}")


def _base64_fault(value: str) -> int:
    """The offset that Go's base64.CorruptInputError would name."""
    text = re.sub("[\r\n]", "", value)
    m = _ALPHABET.match(text)
    good = m.end() if m else 0
    if good == len(text):
        # Cut off inside a quantum.
        return len(text) - len(text) % 4
    if text[good] != "=":
        return good
    position = good % 4
    if position < 2:
        return good
    padding = 2 if position == 2 else 1
    for i in range(padding):
        if good + i >= len(text):
            return len(text)
        if text[good + i] != "=":
            return good + i
    return good + padding


_CANONICAL = re.compile(r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(Z|\.\d{6}Z)").fullmatch
_SECONDS = "2006-01-02T15:04:05Z07:00"
_MICROS = "2006-01-02T15:04:05.000000Z07:00"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def time_text(value: str) -> str:
    """metav1.Time: RFC 3339 to seconds in UTC."""
    m = _CANONICAL(value)
    if m and m[7] == "Z" and _real_day(m[1], m[2], m[3]):
        return value
    return _parse(value, _SECONDS).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def micro_time_text(value: str) -> str:
    """metav1.MicroTime: RFC 3339 to microseconds in UTC; the six digits must be there."""
    m = _CANONICAL(value)
    if m and m[7] != "Z" and _real_day(m[1], m[2], m[3]):
        return value
    return _parse(value, _MICROS).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _real_day(year: str, month: str, day: str) -> bool:
    m, d = int(month), int(day)
    if not 1 <= m <= 12 or not 1 <= d <= 31 or year == "0000":
        return False
    return d <= 28 or d <= _days(int(year), m)


def _days(year: int, month: int) -> int:
    if month == 2 and not (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)):
        return 28
    return _DAYS[month - 1]


_STEPS = (
    (re.compile(r"\d{4}"), "2006"),
    (re.compile("-"), "-"),
    (re.compile(r"\d\d"), "01"),
    (re.compile("-"), "-"),
    (re.compile(r"\d\d"), "02"),
    (re.compile("T"), "T"),
    (re.compile(r"\d\d?"), "15"),
    (re.compile(":"), ":"),
    (re.compile(r"\d\d"), "04"),
    (re.compile(":"), ":"),
    (re.compile(r"\d\d"), "05"),
)
_RANGES = (("01", 1, 12, "month"), ("02", 1, 31, "day"), ("15", 0, 23, "hour"), ("04", 0, 59, "minute"), ("05", 0, 59, "second"))
_FRACTION = re.compile(r"[.,](\d+)")
_ZONE = re.compile(r"Z|([+-])(\d\d):(\d\d)")


def _parse(text: str, layout: str) -> datetime:
    """Go's time.Parse for the two layouts, with its complaints."""
    complaint = f'parsing time "{text}" as "{layout}": cannot parse "{{}}" as "{{}}"'
    at = 0
    numbers: dict[str, int] = {}
    for pattern, element in _STEPS:
        m = pattern.match(text, at)
        if m is None:
            raise DecodeError(complaint.format(text[at:], element))
        if element.isdigit():
            numbers[element] = int(m[0])
        for name, low, high, word in _RANGES:
            if name == element and not low <= numbers[name] <= high:
                raise DecodeError(f'parsing time "{text}": {word} out of range')
        at = m.end()
    micros = 0
    fraction = _FRACTION.match(text, at)
    if layout == _MICROS:
        if fraction is None or len(fraction[1]) < 6:
            raise DecodeError(complaint.format(text[at:], ".000000"))
        micros, at = int(fraction[1][:6]), at + 7
    elif fraction is not None:
        micros, at = int(fraction[1][:6].ljust(6, "0")), fraction.end()
    zone = _ZONE.match(text, at)
    if zone is None:
        raise DecodeError(complaint.format(text[at:], "Z07:00"))
    if zone.end() != len(text):
        raise DecodeError(f'parsing time "{text}": extra text: "{text[zone.end() :]}"')
    year = numbers["2006"]
    if numbers["02"] > _days(year, numbers["01"]):
        raise DecodeError(f'parsing time "{text}": day out of range')
    moment = datetime(max(year, 1), numbers["01"], numbers["02"], numbers["15"], numbers["04"], numbers["05"], micros, UTC)
    if zone[1]:
        offset = timedelta(hours=int(zone[2]), minutes=int(zone[3]))
        moment = moment - offset if zone[1] == "+" else moment + offset
    return moment
