"""Error texts and duplicates as Go's decoders report them."""

from __future__ import annotations

import pytest

from apiserver.rest import gojson


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b"this", "invalid character 'h' in literal true (expecting 'r')"),
        (b"{not json", "invalid character 'n' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b'"\n"', r"invalid character '\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b"-", "unexpected end of JSON input"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1ex", "invalid character 'x' in exponent of numeric literal"),
        (b"\x81", r"invalid character '\u0081' looking for beginning of value"),
        (b'{"a":[1,{"b":null}]}', ""),
    ],
)
def test_syntax(data: bytes, text: str) -> None:
    assert gojson.problem(data) == text


def test_duplicates_are_named_by_path() -> None:
    data = b'{"metadata":{"name":"a","name":"b"},"spec":{"c":[{"x":1},{"y":1,"y":2,"y":3}]},"spec2":{}}'
    assert gojson.duplicates(data) == ["metadata.name", "spec.c[1].y"]
