from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.errors import go_value
from kubepy.api.gotext import float_text, json_text, number_text, quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a b", '"a b"'),
        ('a"\\', r'"a\"\\"'),
        ("\x01\n\x7f", r'"\x01\n\x7f"'),
        ("é\u200b", '"é\\u200b"'),
        ("<&>", '"<&>"'),
        ("\U000e0001", r'"\U000e0001"'),
    ],
)
def test_strings_are_quoted_as_go_does(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (2.0, "2"),
        (100000.5, "100000.5"),
        (1000000.5, "1.0000005e+06"),
        (-1e7, "-1e+07"),
        (1e21, "1e+21"),
        (123456789.25, "1.2345678925e+08"),
        (1.5e-7, "1.5e-07"),
        (0.0001, "0.0001"),
        (-0.5, "-0.5"),
        (0.0, "0"),
    ],
)
def test_floats(value: float, text: str) -> None:
    assert float_text(value) == text


@pytest.mark.parametrize(("value", "text"), [({"b": "<", "a": 1}, r'{"b":"\u003c","a":1}'), (None, "null"), (True, "true"), ([1], "[1]")])
def test_json_escapes_html(value: Any, text: str) -> None:
    assert go_value(value) == json_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), (-(1 << 63), "-9223372036854775808"), (1 << 63, "9.223372036854776e+18"), (1.0, "1"), (1.5, "1.5"), (10**29, "1e+29")],
)
def test_numbers_without_a_type(value: float, text: str) -> None:
    assert number_text(value) == text
