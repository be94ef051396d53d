"""Values as Go prints them: quoted strings (strconv.Quote), floats (%v), JSON with HTML escaped (encoding/json). Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import orjson

_PLAIN = re.compile(r"[ !#-\[\]-~]*\Z")
_SIMPLE = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_HTML_CHARS = re.compile("[<>&\u2028\u2029]")


def quote(text: str) -> str:
    """strconv.Quote: what %q makes of a string."""
    if _PLAIN.match(text):
        return f'"{text}"'
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _SIMPLE:
        return _SIMPLE[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def float_text(value: float) -> str:
    """%v of a float64: the shortest digits, with an exponent below 1e-4 and from 1e6."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    if not value or 1e-4 <= abs(value) < 1e6:
        return repr(value).removesuffix(".0")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    first, *rest = map(str, digits)
    return f"{'-' * sign}{first}{'.' if rest else ''}{''.join(rest)}e{exponent + len(rest):+03d}"


def number_text(value: float) -> str:
    """%v of a JSON number where it has no type: an int64 where it is one, else a float64."""
    return str(value) if isinstance(value, int) and -(1 << 63) <= value < 1 << 63 else float_text(float(value))


def json_text(value: Any, *, sort: bool = False) -> str:
    """encoding/json's text; `sort` for what Go holds as a map."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort else 0).decode()
    return _HTML_CHARS.sub(lambda m: _HTML[m[0]], text)
