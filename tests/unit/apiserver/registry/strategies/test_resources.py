"""Amounts beyond int64, of which Go looks at what its integers hold."""

import pytest

from apiserver.registry.strategies.resources import quantity_value


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("1", True), ("1500m", False), ("9223372036854775808", True), ("1e30", True), ("100E", True), ("9223372036854775807", True),
        ("99999999999999999999", False), ("1Ei", False), ("10Ei", True),
    ],
)  # fmt: skip
def test_whole(text, whole):
    out = []
    quantity_value(out, "pods", text, "p")
    assert (not out) == whole
