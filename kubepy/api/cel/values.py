"""CEL values as Python values, and the errors of evaluation.

bool, int, float, str, bytes, None, list and dict stand for themselves. The others have classes here: UInt, Duration,
Timestamp, Optional, and Struct for constructed messages. Types are values too (types.Type).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from kubepy.api.cel import types as t
from kubepy.api.goduration import nanoseconds

INT_MIN, INT_MAX, UINT_MAX = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1


class CelError(Exception):
    """An evaluation that failed; the text is cel-go's."""


def no_overload(*_: Any) -> CelError:
    """No function of that name takes such values."""
    return CelError("no such overload")


class UInt(int):
    """An unsigned integer."""

    __slots__ = ()


class Duration:
    """A span of time in nanoseconds."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        if not INT_MIN <= ns <= INT_MAX:
            raise CelError("range error converting to duration")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("duration", self.ns))

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.ns), 1_000_000_000)
        text = f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
        return f"{'-' if self.ns < 0 else ''}{text}s"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIN_TIME, _MAX_TIME = -62135596800, 253402300799


class Timestamp:
    """A point in time, in nanoseconds since the epoch."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        if not _MIN_TIME <= ns // 1_000_000_000 <= _MAX_TIME:
            raise CelError("range error converting to timestamp")
        self.ns = ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(("timestamp", self.ns))

    def datetime(self) -> datetime:
        """The time in UTC, cut to microseconds."""
        return _EPOCH + timedelta(microseconds=self.ns // 1000)

    def __str__(self) -> str:
        rest = self.ns % 1_000_000_000
        text = self.datetime().strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        return text + (f".{rest:09d}".rstrip("0") if rest else "") + "Z"


class Optional:
    """A value that may be absent."""

    __slots__ = ("_held", "present")

    def __init__(self, value: Any = None, present: bool = True) -> None:
        self._held = value
        self.present = present

    @property
    def value(self) -> Any:
        if not self.present:
            raise CelError("optional.none() dereference")
        return self._held

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.present != other.present:
            return False
        return not self.present or equals(self._held, other._held)

    __hash__ = None  # type: ignore[assignment]


NONE = Optional(present=False)


class Struct(dict[str, Any]):
    """A constructed message: its fields, and the name of its type."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.type_name = type_name


class SetList(list[Any]):
    """A list of type set: order does not count in comparisons, `+` unites."""


class MapList(list[Any]):
    """A list of type map: items are told apart by `keys`, order does not count, `+` replaces items of equal keys."""

    keys: tuple[str, ...] = ()

    def key(self, item: Any) -> tuple[Any, ...]:
        return tuple(item.get(k) for k in self.keys) if isinstance(item, dict) else (None,)


def equals(a: Any, b: Any) -> bool:
    """CEL's `==`: numbers compare by value across their types, other types are unequal to each other."""
    ta, tb = type(a), type(b)
    if ta is tb and (ta is str or ta is int or ta is bool):
        return bool(a == b)
    if ta is bool or tb is bool:
        return False
    if isinstance(a, (int, float)):
        return isinstance(b, (int, float)) and bool(a == b)
    if isinstance(a, list):
        return isinstance(b, list) and _equal_lists(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and len(a) == len(b) and all(k in b and equals(v, b[k]) for k, v in a.items())
    if isinstance(a, t.Type):
        return isinstance(b, t.Type) and a.name == b.name
    return bool(a == b)


def _equal_lists(a: list[Any], b: list[Any]) -> bool:
    if len(a) != len(b):
        return False
    if isinstance(a, SetList):
        return all(any(equals(x, y) for y in b) for x in a)
    if isinstance(a, MapList):
        others = {a.key(y): y for y in b}
        return all(a.key(x) in others and equals(x, others[a.key(x)]) for x in a)
    return all(map(equals, a, b))


def contains(item: Any, where: Any) -> bool:
    """`item in where`."""
    if isinstance(where, dict):
        try:
            return item in where
        except TypeError:
            raise no_overload() from None
    if isinstance(where, list):
        return any(equals(item, x) for x in where)
    raise no_overload()


def compare(a: Any, b: Any) -> int:
    """Negative, zero or positive; raises CelError for what has no order."""
    ta, tb = type(a), type(b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        if (ta is bool) != (tb is bool):
            raise no_overload()
        if a != a or b != b:
            raise CelError("NaN values cannot be ordered")
        return int(a > b) - int(a < b)
    if ta is tb:
        if ta is str or ta is bytes:
            # Strings are ordered as their UTF-8 bytes, which is the order of code points.
            return int(a > b) - int(a < b)
        if ta is Duration or ta is Timestamp:
            return int(a.ns > b.ns) - int(a.ns < b.ns)
        order = getattr(a, "compare", None)
        if order is not None:
            return int(order(b))
    raise no_overload()


def checked_int(value: int) -> int:
    """An int64 result, or the error of one that does not fit."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise CelError("integer overflow")


def checked_uint(value: int) -> UInt:
    """A uint64 result, or the error of one that does not fit."""
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise CelError("unsigned integer overflow")


def type_name(value: Any) -> t.Type:
    """The type of a value, for `type(x)`."""
    if isinstance(value, bool):
        return t.BOOL
    if isinstance(value, UInt):
        return t.UINT
    for python, cel in _TYPES:
        if isinstance(value, python):
            return cel
    if value is None:
        return t.NULL
    return getattr(value, "cel_type", t.DYN)


_TYPES: tuple[tuple[type, t.Type], ...] = (
    (int, t.INT), (float, t.DOUBLE), (str, t.STRING), (bytes, t.BYTES), (list, t.NAMED["list"]), (dict, t.NAMED["map"]),
    (Duration, t.DURATION), (Timestamp, t.TIMESTAMP), (Optional, t.NAMED["optional_type"]), (t.Type, t.TYPE),
)  # fmt: skip


def parse_duration(text: str) -> Duration:
    """Go's time.ParseDuration."""
    try:
        return Duration(nanoseconds(text))
    except ValueError:
        raise CelError(f'time: invalid duration "{text}"') from None


_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")


def parse_timestamp(text: str) -> Timestamp:
    """An RFC 3339 time."""
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        zone = "+00:00" if found[4] in "Zz" else found[4]
        moment = datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}")
    except ValueError:
        message = f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006"'
        raise CelError(message) from None
    ns = (moment - _EPOCH) // timedelta(seconds=1) * 1_000_000_000
    return Timestamp(ns + int((found[3] or "0")[:9].ljust(9, "0")))


def plain(value: Any) -> Any:
    """The JSON of a value, for results that leave CEL; raises CelError for what has none."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, UInt):
        return int(value)
    if isinstance(value, (Duration, Timestamp)):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Optional):
        return plain(value.value) if value.present else None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise CelError(f"unsupported conversion from '{type_name(value)}' to JSON")


def keys(value: Any) -> Iterator[Any]:
    """What a comprehension iterates over: a list's items, a map's keys."""
    if isinstance(value, (list, dict)):
        return iter(value)
    raise no_overload()
