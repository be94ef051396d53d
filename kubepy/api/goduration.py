"""Durations as Go writes them, such as 1h30m, 1.5s or -2ms (time.ParseDuration). Pure."""

from __future__ import annotations

import re

from kubepy.api.errors import go_value

_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def nanoseconds(text: str) -> int:
    """The duration in nanoseconds, parts of one cut off. Raises ValueError in Go's words, without their `time: `."""
    rest = text[1:] if text[:1] in "+-" else text
    if rest == "0":
        return 0
    total, at = 0, 0
    while at < len(rest) and (part := _PART.match(rest, at)):
        number, name = part.groups()
        if not name:
            raise ValueError(f"missing unit in duration {go_value(text)}")
        if name not in _UNITS:
            raise ValueError(f"unknown unit {go_value(name)} in duration {go_value(text)}")
        whole, _, fraction = number.partition(".")
        total += int(whole or 0) * _UNITS[name] + (int(fraction) * _UNITS[name] // 10 ** len(fraction) if fraction else 0)
        at = part.end()
    if not rest or at < len(rest):
        raise ValueError(f"invalid duration {go_value(text)}")
    return -total if text[0] == "-" else total
