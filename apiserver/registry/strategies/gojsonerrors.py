"""The error that Go's encoding/json gives for a text that should be one JSON object. Pure.

Upstream: Go encoding/json scanner.go. Only what `json.Unmarshal` into a map reports.
"""

from __future__ import annotations

_SPACE = " \t\r\n"
_LITERALS = {"t": "true", "f": "false", "n": "null"}


class _Bad(Exception):
    """The scanner's message."""


def object_error(text: str) -> str:
    """What is wrong with `text`, which is known not to be a JSON object."""
    try:
        end = _value(text, _skip(text, 0))
        rest = _skip(text, end)
        if rest < len(text):
            raise _Bad(f"invalid character {_quoted(text[rest])} after top-level value")
    except _Bad as e:
        return str(e)
    kind = {"[": "array", '"': "string", "t": "bool", "f": "bool"}.get(text[_skip(text, 0)], "number")
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


def _quoted(char: str) -> str:
    if char == "'":
        return "'\\''"
    if char == '"':
        return "'\"'"
    return repr(char) if char != "\\" else "'\\\\'"


def _at(text: str, i: int) -> str:
    if i >= len(text):
        raise _Bad("unexpected end of JSON input")
    return text[i]


def _skip(text: str, i: int) -> int:
    while i < len(text) and text[i] in _SPACE:
        i += 1
    return i


def _value(text: str, i: int) -> int:
    c = _at(text, i)
    if c == "{":
        return _object(text, i + 1)
    if c == "[":
        return _array(text, i + 1)
    if c == '"':
        return _string(text, i + 1)
    if c in _LITERALS:
        return _literal(text, i, _LITERALS[c])
    if c == "-" or c.isdigit():
        return _number(text, i)
    raise _Bad(f"invalid character {_quoted(c)} looking for beginning of value")


def _literal(text: str, i: int, word: str) -> int:
    for n, expected in enumerate(word[1:], 1):
        c = _at(text, i + n)
        if c != expected:
            raise _Bad(f"invalid character {_quoted(c)} in literal {word} (expecting {_quoted(expected)})")
    return i + len(word)


def _number(text: str, i: int) -> int:
    if text[i] == "-":
        i += 1
        if not _at(text, i).isdigit():
            raise _Bad(f"invalid character {_quoted(text[i])} in numeric literal")
    if text[i] == "0":
        i += 1
    else:
        i = _digits(text, i)
    if i < len(text) and text[i] == ".":
        if not _at(text, i + 1).isdigit():
            raise _Bad(f"invalid character {_quoted(text[i + 1])} after decimal point in numeric literal")
        i = _digits(text, i + 1)
    if i < len(text) and text[i] in "eE":
        i += 1
        if _at(text, i) in "+-":
            i += 1
        if not _at(text, i).isdigit():
            raise _Bad(f"invalid character {_quoted(text[i])} in exponent of numeric literal")
        i = _digits(text, i)
    return i


def _digits(text: str, i: int) -> int:
    while i < len(text) and text[i].isdigit():
        i += 1
    return i


def _string(text: str, i: int) -> int:
    while True:
        c = _at(text, i)
        if c == '"':
            return i + 1
        if c == "\\":
            escape = _at(text, i + 1)
            if escape == "u":
                for n in range(2, 6):
                    if _at(text, i + n) not in "0123456789abcdefABCDEF":
                        raise _Bad(f"invalid character {_quoted(text[i + n])} in \\u hexadecimal character escape")
                i += 4
            elif escape not in '"\\/bfnrt':
                raise _Bad(f"invalid character {_quoted(escape)} in string escape code")
            i += 1
        elif c < " ":
            raise _Bad(f"invalid character {_quoted(c)} in string literal")
        i += 1


def _object(text: str, i: int) -> int:
    i = _skip(text, i)
    if _at(text, i) == "}":
        return i + 1
    while True:
        if _at(text, i) != '"':
            raise _Bad(f"invalid character {_quoted(text[i])} looking for beginning of object key string")
        i = _skip(text, _string(text, i + 1))
        if _at(text, i) != ":":
            raise _Bad(f"invalid character {_quoted(text[i])} after object key")
        i = _skip(text, _value(text, _skip(text, i + 1)))
        c = _at(text, i)
        if c == "}":
            return i + 1
        if c != ",":
            raise _Bad(f"invalid character {_quoted(c)} after object key:value pair")
        i = _skip(text, i + 1)


def _array(text: str, i: int) -> int:
    i = _skip(text, i)
    if _at(text, i) == "]":
        return i + 1
    while True:
        i = _skip(text, _value(text, _skip(text, i)))
        c = _at(text, i)
        if c == "]":
            return i + 1
        if c != ",":
            raise _Bad(f"invalid character {_quoted(c)} after array element")
        i += 1
