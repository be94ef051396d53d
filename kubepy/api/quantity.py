"""resource.Quantity: exact numbers with SI or binary suffixes, and their canonical text. Pure.

Upstream: apimachinery pkg/api/resource/{quantity,amount,suffix}.go. A value is held as an integer count of nano-units (10^-9),
the finest that upstream keeps: finer input is rounded away from zero.
"""

from __future__ import annotations

import re
from functools import lru_cache, total_ordering
from typing import Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

_NANO = 10**9
_MAX_INT64 = 2**63 - 1
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {v: k for k, v in _DECIMAL.items()}
_BINARY_NAMES = {v: k for k, v in _BINARY.items()} | {0: ""}

EXPRESSION = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_FORMAT_WRONG = f"quantities must match the regular expression '{EXPRESSION}'"
_SUFFIX_WRONG = "unable to parse quantity's suffix"
_MAX_DIGITS = 4096
_NUMERIC_WRONG = "unable to parse numeric part of quantity"

_SCAN = re.compile(r"([+-]?)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)").fullmatch
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)").fullmatch


class QuantityError(ValueError):
    """The text is no quantity; str() is upstream's message."""


@total_ordering
class Quantity:
    """An exact amount. Immutable, hashable, ordered by value; `format` says how it is written."""

    __slots__ = ("_text", "format", "nanos")

    def __init__(self, nanos: int, format: Format = "DecimalSI", text: str | None = None) -> None:
        self.nanos = nanos
        self.format: Format = format
        self._text = text

    @classmethod
    def of(cls, value: int, format: Format = "DecimalSI") -> Quantity:
        """A whole number of units (NewQuantity)."""
        return cls(value * _NANO, format)

    @classmethod
    def milli(cls, value: int, format: Format = "DecimalSI") -> Quantity:
        """A whole number of thousandths (NewMilliQuantity)."""
        return cls(value * 10**6, format)

    def value(self) -> int:
        """The amount in units, rounded away from zero."""
        return self.scaled(0)

    def milli_value(self) -> int:
        """The amount in thousandths, rounded away from zero; what does not fit is the greatest int64."""
        return min(self.scaled(-3), (1 << 63) - 1)

    def scaled(self, scale: int) -> int:
        """The amount in 10^scale units, rounded away from zero (ScaledValue)."""
        if scale <= -9:
            return self.nanos * int(10 ** (-9 - scale))
        rounded = -(-abs(self.nanos) // int(10 ** (scale + 9)))
        return rounded if self.nanos >= 0 else -rounded

    def is_zero(self) -> bool:
        """Whether the amount is nothing."""
        return self.nanos == 0

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.nanos == other.nanos

    def __lt__(self, other: Quantity) -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __mul__(self, factor: int) -> Quantity:
        return Quantity(self.nanos * factor, self.format)

    def __neg__(self) -> Quantity:
        return Quantity(-self.nanos, self.format)

    def __float__(self) -> float:
        return self.nanos / _NANO

    def __str__(self) -> str:
        if self._text is None:
            self._text = _canonical(self.nanos, self.format)
        return self._text

    def __repr__(self) -> str:
        return f"Quantity({str(self)!r})"


def _factors(value: int, base: int) -> tuple[int, int]:
    times = 0
    while value and value % base == 0:
        value //= base
        times += 1
    return value, times


def _canonical(nanos: int, format: Format) -> str:
    if nanos == 0:
        return "0"
    # Small and fractional amounts are never written in binary: that would round.
    if format == "BinarySI" and not -1024 * _NANO < nanos < 1024 * _NANO and nanos % _NANO == 0:
        amount, times = _factors(nanos // _NANO, 1024)
        over = max(times - 6, 0)
        return f"{amount * 1024**over}{_BINARY_NAMES[(times - over) * 10]}"
    amount, times = _factors(nanos, 10)
    exponent = times - 9
    shift = exponent % 3
    amount *= 10**shift
    exponent -= shift
    if format == "DecimalExponent":
        return f"{amount}e{exponent}" if exponent else str(amount)
    if exponent > 18:
        # There is no suffix above E. (Upstream loses the exponent here, and with it the amount.)
        amount *= 10 ** (exponent - 18)
        exponent = 18
    return f"{amount}{_DECIMAL_NAMES[exponent]}"


def _scan(text: str) -> tuple[bool, str, str, str]:
    """Split into (negative, digits before the point, digits after it, suffix); leading zeros are gone."""
    m = _SCAN(text)
    if m is None:
        raise QuantityError(_FORMAT_WRONG)
    sign, whole, _, fraction, suffix = m.groups()
    return sign == "-", whole.lstrip("0"), fraction or "", suffix


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    if not text:
        raise QuantityError(_FORMAT_WRONG)
    negative, whole, fraction, suffix = _scan(text)
    if len(whole) + len(fraction) > _MAX_DIGITS:
        raise QuantityError(_NUMERIC_WRONG)
    format: Format = "DecimalSI"
    exponent = shift = 0
    if suffix in _DECIMAL:
        exponent = _DECIMAL[suffix]
    elif suffix in _BINARY:
        format, shift = "BinarySI", _BINARY[suffix]
    elif m := _EXPONENT(suffix):
        format, exponent = "DecimalExponent", int(m[1])
        if not -(2**63) <= exponent < 2**63:
            raise QuantityError(_SUFFIX_WRONG)
    else:
        raise QuantityError(_SUFFIX_WRONG)
    digits = int(whole + fraction or "0")
    power = exponent - len(fraction) + 9
    if digits == 0:
        nanos = 0
    elif power >= 0:
        if power > 4096:
            raise QuantityError(_NUMERIC_WRONG)
        nanos = digits * 10**power << shift
    elif -power > 4096 + len(whole) + len(fraction):
        nanos = 1
    else:
        nanos = -(-(digits << shift) // 10**-power)
    if format == "BinarySI":
        nanos = min(nanos, _MAX_INT64 * _NANO)
        if 0 < nanos < _NANO:
            format = "DecimalSI"
    return Quantity(-nanos if negative else nanos, format, _kept(text, whole, fraction, format, shift, exponent))


def _kept(text: str, whole: str, fraction: str, format: Format, shift: int, exponent: int) -> str | None:
    """The text itself where upstream keeps what it parsed (its fast path), else None: write it canonically.

    The fast path takes short numbers that look canonical. It lets through a few that are not, such as `+5`, and so must we.
    """
    digits = (whole or "0") + fraction
    if format == "BinarySI":
        if fraction or int(15 - len(whole or "0") - int(shift * 3 / 10) - 1) < 0:
            return None
        return text if shift % 10 == 0 and int(digits) & 7 else None
    scale = exponent - len(fraction)
    if 18 - len(digits) < 0 or scale < -9:
        return None
    return text if scale % 3 == 0 and not digits.endswith("000") and digits[0] != "0" else None


def parse(value: str | int | float) -> Quantity:
    """The quantity that JSON text or a JSON number denotes.

    QuantityError when it is none. Parsed values are cached: quantities repeat.
    """
    if isinstance(value, str):
        return _parse(value.strip())
    if isinstance(value, bool):
        raise QuantityError(_FORMAT_WRONG)
    return _parse(str(value) if isinstance(value, int) else _number(value))


def _number(value: float) -> str:
    """A JSON number as it was most likely written: floats print shortest in Python, with an exponent that suffixes allow."""
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text
