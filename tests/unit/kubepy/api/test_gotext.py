from __future__ import annotations

from typing import Any

import pytest

from kubepy.api.errors import go_value
from kubepy.api.gotext import float_text, json_text, quote


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
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
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
