"""CEL's standard functions and operators (cel-go common/stdlib), with comparisons across number types."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import re2

from kubepy.api.cel.evaluate import not_equals
from kubepy.api.cel.functions import Table, functions, members
from kubepy.api.cel.values import (
    INT_MAX,
    INT_MIN,
    NONE,
    UINT_MAX,
    CelError,
    Duration,
    Optional,
    Timestamp,
    UInt,
    checked_int,
    checked_uint,
    compare,
    contains,
    equals,
    parse_duration,
    parse_timestamp,
    type_name,
)
from kubepy.api.gotext import float_text

TABLE: Table = {}
functions(TABLE, [("_==_", "A, A -> bool", equals), ("_!=_", "A, A -> bool", not_equals), ("type", "A -> type(A)", type_name)])
functions(TABLE, [(name, "bool, bool -> bool", lambda a, b: False) for name in ("_&&_", "_||_")])  # The evaluator has these built in.
functions(TABLE, [("_?_:_", "bool, A, A -> A", lambda a, b, c: None), ("!_", "bool -> bool", operator.not_)])
functions(TABLE, [("@in", "A, list(A) -> bool", contains), ("@in", "A, map(A, B) -> bool", contains), ("dyn", "A -> dyn", lambda v: v)])
for _name in ("_[_]", "_[?_]"):
    _wrap = "{}" if _name == "_[_]" else "optional({})"
    functions(TABLE, [
        (_name, f"list(A), int -> {_wrap.format('A')}", lambda a, b: None),
        (_name, f"map(A, B), A -> {_wrap.format('B')}", lambda a, b: None),
        (_name, "optional(list(A)), int -> optional(A)", lambda a, b: None),
        (_name, "optional(map(A, B)), A -> optional(B)", lambda a, b: None),
    ])  # fmt: skip

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge}


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: test(compare(a, b), 0)


_NUMBERS = ("int", "uint", "double")
for _name, _test in _ORDERS.items():
    functions(TABLE, [(_name, f"{k}, {k} -> bool", _test) for k in ("int", "uint", "string", "bytes", "bool")])
    functions(TABLE, [(_name, f"{k}, {k} -> bool", _order(_test)) for k in ("double", "duration", "timestamp")])
    functions(TABLE, [(_name, f"{a}, {b} -> bool", _order(_test)) for a in _NUMBERS for b in _NUMBERS if a != b])


def _quotient(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _divide(a: int, b: int) -> int:
    if b == 0:
        raise CelError("division by zero")
    return checked_int(_quotient(a, b))


def _modulo(a: int, b: int) -> int:
    if b == 0:
        raise CelError("modulus by zero")
    return a - b * _quotient(a, b)


def _divide_double(a: float, b: float) -> float:
    if b:
        return a / b
    return math.nan if a == 0 or a != a else math.copysign(math.inf, a) * math.copysign(1, b)


def _add_lists(a: list[Any], b: list[Any]) -> list[Any]:
    add = getattr(a, "add", None)
    return add(b) if add is not None else a + b


functions(TABLE, [
    ("_+_", "int, int -> int", lambda a, b: checked_int(a + b)), ("_-_", "int, int -> int", lambda a, b: checked_int(a - b)),
    ("_*_", "int, int -> int", lambda a, b: checked_int(a * b)), ("_/_", "int, int -> int", _divide), ("_%_", "int, int -> int", _modulo),
    ("_+_", "uint, uint -> uint", lambda a, b: checked_uint(int(a) + int(b))),
    ("_-_", "uint, uint -> uint", lambda a, b: checked_uint(int(a) - int(b))),
    ("_*_", "uint, uint -> uint", lambda a, b: checked_uint(int(a) * int(b))),
    ("_/_", "uint, uint -> uint", lambda a, b: UInt(_divide(int(a), int(b)))),
    ("_%_", "uint, uint -> uint", lambda a, b: UInt(_modulo(a, b))),
    ("_+_", "double, double -> double", operator.add), ("_-_", "double, double -> double", operator.sub),
    ("_*_", "double, double -> double", operator.mul), ("_/_", "double, double -> double", _divide_double),
    ("_+_", "string, string -> string", operator.add), ("_+_", "bytes, bytes -> bytes", operator.add),
    ("_+_", "list(A), list(A) -> list(A)", _add_lists),
    ("_+_", "duration, duration -> duration", lambda a, b: Duration(a.ns + b.ns)),
    ("_+_", "timestamp, duration -> timestamp", lambda a, b: Timestamp(a.ns + b.ns)),
    ("_+_", "duration, timestamp -> timestamp", lambda a, b: Timestamp(a.ns + b.ns)),
    ("_-_", "duration, duration -> duration", lambda a, b: Duration(a.ns - b.ns)),
    ("_-_", "timestamp, duration -> timestamp", lambda a, b: Timestamp(a.ns - b.ns)),
    ("_-_", "timestamp, timestamp -> duration", lambda a, b: Duration(a.ns - b.ns)),
    ("-_", "int -> int", lambda a: checked_int(-a)), ("-_", "double -> double", operator.neg),
    ("-_", "duration -> duration", lambda a: Duration(-a.ns)),
])  # fmt: skip


def _number_text(text: str, kind: str, low: int, high: int) -> int:
    name = "strconv.ParseInt" if kind == "int" else "strconv.ParseUint"
    digits = text.lstrip("+-")
    if not digits.isascii() or not digits.isdigit() or len(text) - len(digits) > 1 or (kind == "uint" and text != digits):
        raise CelError(f'{name}: parsing "{text}": invalid syntax')
    if not low <= int(text) <= high:
        raise CelError(f'{name}: parsing "{text}": value out of range')
    return int(text)


def _to_int(value: float) -> int:
    if not -9223372036854775808.0 < value < 9223372036854775808.0:
        raise CelError("integer overflow")
    return math.trunc(value)


def _to_uint(value: float) -> UInt:
    if not 0 <= value <= UINT_MAX:
        raise CelError("unsigned integer overflow")
    return UInt(math.trunc(value))


def _to_double(text: str) -> float:
    try:
        if text.strip() != text or "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise CelError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def _to_bool(text: str) -> bool:
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise CelError("type conversion error from 'string' to 'bool'")


def _bytes_text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


functions(TABLE, [
    ("size", "string -> int", len), ("size", "bytes -> int", len), ("size", "list(A) -> int", len), ("size", "map(A, B) -> int", len),
    ("int", "int -> int", int), ("int", "uint -> int", lambda v: checked_int(int(v))), ("int", "double -> int", _to_int),
    ("int", "string -> int", lambda v: _number_text(v, "int", INT_MIN, INT_MAX)), ("int", "timestamp -> int", lambda v: v.ns // 10**9),
    ("int", "duration -> int", lambda v: v.ns),
    ("uint", "uint -> uint", lambda v: v), ("uint", "int -> uint", lambda v: checked_uint(v)), ("uint", "double -> uint", _to_uint),
    ("uint", "string -> uint", lambda v: UInt(_number_text(v, "uint", 0, UINT_MAX))),
    ("double", "double -> double", float), ("double", "int -> double", float), ("double", "uint -> double", float),
    ("double", "string -> double", _to_double),
    ("string", "string -> string", str), ("string", "int -> string", str), ("string", "uint -> string", lambda v: str(int(v))),
    ("string", "double -> string", float_text), ("string", "bool -> string", lambda v: "true" if v else "false"),
    ("string", "bytes -> string", _bytes_text), ("string", "duration -> string", str), ("string", "timestamp -> string", str),
    ("bytes", "bytes -> bytes", bytes), ("bytes", "string -> bytes", str.encode),
    ("bool", "bool -> bool", bool), ("bool", "string -> bool", _to_bool),
    ("duration", "string -> duration", parse_duration), ("duration", "duration -> duration", lambda v: v),
    ("duration", "int -> duration", Duration),
    ("timestamp", "string -> timestamp", parse_timestamp), ("timestamp", "timestamp -> timestamp", lambda v: v),
    ("timestamp", "int -> timestamp", lambda v: Timestamp(v * 10**9)),
])  # fmt: skip


_GO_TEXTS = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "invalid repetition size": "invalid repeat count",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
}
"""What RE2's errors are called by Go."""


@lru_cache(maxsize=1024)
def regex(pattern: str) -> Any:
    """A compiled RE2 pattern; raises CelError in Go's words."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as e:
        text = e.args[0].decode() if e.args and isinstance(e.args[0], bytes) else str(e)
        kind, _, what = text.partition(": ")
        kind = _GO_TEXTS.get(kind, kind)
        raise CelError(f"error parsing regexp: {kind}" + (f": `{what or pattern}`")) from None


def _matches(text: str, pattern: str) -> bool:
    return regex(pattern).search(text) is not None


functions(TABLE, [("matches", "string, string -> bool", _matches)])
members(TABLE, [
    ("matches", "string, string -> bool", _matches), ("contains", "string, string -> bool", lambda a, b: b in a),
    ("startsWith", "string, string -> bool", str.startswith), ("endsWith", "string, string -> bool", str.endswith),
    ("size", "string -> int", len), ("size", "bytes -> int", len), ("size", "list(A) -> int", len), ("size", "map(A, B) -> int", len),
])  # fmt: skip


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if ":" in name:
        sign = -1 if name[0] == "-" else 1
        hours, _, minutes = name.lstrip("+-").partition(":")
        try:
            return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
        except ValueError:
            raise CelError(f"unknown time zone {name}") from None
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        raise CelError(f"unknown time zone {name}") from None


_PARTS: dict[str, Callable[[datetime], int]] = {
    "getFullYear": lambda d: d.year, "getMonth": lambda d: d.month - 1, "getDayOfYear": lambda d: d.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda d: d.day - 1, "getDate": lambda d: d.day, "getDayOfWeek": lambda d: d.isoweekday() % 7,
    "getHours": lambda d: d.hour, "getMinutes": lambda d: d.minute, "getSeconds": lambda d: d.second,
    "getMilliseconds": lambda d: d.microsecond // 1000,
}  # fmt: skip


def _part(get: Callable[[datetime], int]) -> list[tuple[str, Callable[..., int]]]:
    return [
        ("timestamp -> int", lambda v: get(v.datetime())),
        ("timestamp, string -> int", lambda v, zone: get(v.datetime().astimezone(_zone(zone)))),
    ]


for _name, _get in _PARTS.items():
    members(TABLE, [(_name, signature, impl) for signature, impl in _part(_get)])
members(TABLE, [
    ("getHours", "duration -> int", lambda v: _quotient(v.ns, 3600 * 10**9)),
    ("getMinutes", "duration -> int", lambda v: _quotient(v.ns, 60 * 10**9)),
    ("getSeconds", "duration -> int", lambda v: _quotient(v.ns, 10**9)),
    ("getMilliseconds", "duration -> int", lambda v: _quotient(v.ns, 10**6) % 1000),
])  # fmt: skip


def _non_zero(value: Any) -> Optional:
    zero = value is None or value in (False, 0, 0.0, "", b"") or (isinstance(value, (list, dict)) and not value)
    return NONE if zero else Optional(value)


def _unwrap(values: list[Any]) -> list[Any]:
    return [v.value for v in values if v.present]


functions(TABLE, [
    ("optional.none", "-> optional(A)", lambda: NONE), ("optional.of", "A -> optional(A)", Optional),
    ("optional.ofNonZeroValue", "A -> optional(A)", _non_zero), ("optional.unwrap", "list(optional(A)) -> list(A)", _unwrap),
])  # fmt: skip
members(TABLE, [
    ("hasValue", "optional(A) -> bool", lambda v: v.present), ("value", "optional(A) -> A", lambda v: v.value),
    ("or", "optional(A), optional(A) -> optional(A)", lambda a, b: a), ("orValue", "optional(A), A -> A", lambda a, b: a),
    ("unwrapOpt", "list(optional(A)) -> list(A)", _unwrap),
])  # fmt: skip
