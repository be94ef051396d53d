"""Durations that Go reads, and its words for what it does not."""

from __future__ import annotations

import pytest

from kubepy.api.goduration import nanoseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("-0", 0), ("1h30m", 5400 * 10**9), ("1.5s", 15 * 10**8), (".5ms", 500_000), ("-2µs", -2000), ("+3ns", 3), ("1.9ns", 1)],
)
def test_read(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'invalid duration ""'), ("x", 'invalid duration "x"'), ("-", 'invalid duration "-"'),
        ("5", 'missing unit in duration "5"'), ("5q", 'unknown unit "q" in duration "5q"'),
        ("1h 2m", 'unknown unit "h " in duration "1h 2m"'),
    ],
)  # fmt: skip
def test_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        nanoseconds(text)
