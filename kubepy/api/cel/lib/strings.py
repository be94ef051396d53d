"""String functions (cel-go ext/strings.go, version 2)."""

from __future__ import annotations

from typing import Any

from kubepy.api.cel.functions import Table, members
from kubepy.api.cel.functions import functions as declare_functions
from kubepy.api.cel.types import Type
from kubepy.api.cel.values import CelError, Duration, Timestamp, type_name
from kubepy.api.gotext import float_text

TABLE: Table = {}


def _char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise CelError(f"index out of range: {index}")
    return text[index : index + 1]


def _index_of(text: str, part: str, start: int = 0) -> int:
    if start < 0 or start > len(text):
        if not part:
            return start if start <= len(text) else -1
        raise CelError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index_of(text: str, part: str, end: int | None = None) -> int:
    if end is not None and not 0 <= end <= len(text):
        raise CelError(f"index out of range: {end}")
    return text.rfind(part) if end is None else text.rfind(part, 0, end + len(part))


def _join(values: list[Any], separator: str = "") -> str:
    if not all(isinstance(v, str) for v in values):
        raise CelError("no such overload")
    return separator.join(values)


def _replace(text: str, old: str, new: str, count: int = -1) -> str:
    return text.replace(old, new, max(count, -1))


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if limit == 1:
        return [text]
    if not separator:
        parts = list(text)
        return parts if limit < 0 or len(parts) <= limit else [*parts[: limit - 1], "".join(parts[limit - 1 :])]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def _substring(text: str, start: int, end: int | None = None) -> str:
    end = len(text) if end is None else end
    if start < 0 or start > len(text):
        raise CelError(f"index out of range: {start}")
    if end < 0 or end > len(text):
        raise CelError(f"index out of range: {end}")
    if start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    return text[start:end]


_LOWER = {c: c + 32 for c in range(65, 91)}
_UPPER = {c: c - 32 for c in range(97, 123)}
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_QUOTED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}


def _quote(text: str) -> str:
    return '"' + "".join(_QUOTED.get(c, c) for c in text) + '"'


def text_of(value: Any) -> str:
    """A value as `%s` prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return float_text(value)
    if isinstance(value, (int, Duration, Timestamp)):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {v}" for k, v in sorted((text_of(k), text_of(v)) for k, v in value.items())) + "}"
    if isinstance(value, Type):
        return value.name
    raise CelError(
        "error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations,"
        f" and timestamps, was given {type_name(value)}"
    )


def _one(verb: str, precision: int, value: Any) -> str:
    kind = type_name(value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if verb == "s":
        return text_of(value)
    if verb == "d":
        if number:
            return str(int(value)) if isinstance(value, int) else float_text(value)
        raise CelError(f"error during formatting: decimal clause can only be used on integers, was given {kind}")
    if verb in "fe":
        if not number:
            what = "fixed-point" if verb == "f" else "scientific"
            raise CelError(f"error during formatting: {what} clause can only be used on doubles, was given {kind}")
        return f"{float(value):.{precision}{verb}}"
    if verb == "b":
        if isinstance(value, int):
            return f"{int(value):b}"
        raise CelError(f"error during formatting: only integers and bools can be formatted as binary, was given {kind}")
    if verb in "xX":
        if isinstance(value, int) and number:
            return f"{int(value):{verb}}"
        if isinstance(value, (str, bytes)):
            text = (value.encode() if isinstance(value, str) else value).hex()
            return text.upper() if verb == "X" else text
        message = "only integers, byte buffers, and strings can be formatted as hex"
        raise CelError(f"error during formatting: {message}, was given {kind}")
    if verb == "o":
        if isinstance(value, int) and number:
            return f"{int(value):o}"
        raise CelError(f"error during formatting: octal clause can only be used on integers, was given {kind}")
    raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{verb}"')


def _format(template: str, values: list[Any]) -> str:
    out, i, at = "", 0, 0
    while at < len(template):
        c = template[at]
        at += 1
        if c != "%":
            out += c
            continue
        if template[at : at + 1] == "%":
            out += "%"
            at += 1
            continue
        precision = 6
        if template[at : at + 1] == ".":
            digits = ""
            at += 1
            while template[at : at + 1].isdigit():
                digits += template[at]
                at += 1
            precision = int(digits or 6)
        if at >= len(template):
            raise CelError("could not parse formatting clause: error while parsing precision: could not find end of precision specifier")
        if i >= len(values):
            raise CelError(f"index {i} out of range")
        out += _one(template[at], precision, values[i])
        i += 1
        at += 1
    return out


declare_functions(TABLE, [("strings.quote", "string -> string", _quote)])
members(TABLE, [
    ("charAt", "string, int -> string", _char_at), ("format", "string, list(dyn) -> string", _format),
    ("indexOf", "string, string -> int", _index_of), ("indexOf", "string, string, int -> int", _index_of),
    ("lastIndexOf", "string, string -> int", _last_index_of), ("lastIndexOf", "string, string, int -> int", _last_index_of),
    ("join", "list(string) -> string", _join), ("join", "list(string), string -> string", _join),
    ("lowerAscii", "string -> string", lambda s: s.translate(_LOWER)), ("upperAscii", "string -> string", lambda s: s.translate(_UPPER)),
    ("replace", "string, string, string -> string", _replace), ("replace", "string, string, string, int -> string", _replace),
    ("split", "string, string -> list(string)", _split), ("split", "string, string, int -> list(string)", _split),
    ("substring", "string, int -> string", _substring), ("substring", "string, int, int -> string", _substring),
    ("trim", "string -> string", lambda s: s.strip(_SPACE)),
])  # fmt: skip
