"""Small readings of API values: int-or-percent, durations, timestamps."""

from __future__ import annotations

import math
from typing import Any


def scaled(value: int | str, total: int, round_up: bool) -> int:
    """An int-or-percent of a total (intstr.GetScaledValueFromIntOrPercent). Raises ValueError."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError("invalid value for IntOrString: invalid type: string is not a percentage")
    share = int(value[:-1]) * total / 100
    return math.ceil(share) if round_up else math.floor(share)


def number(value: Any, default: int = 0) -> int:
    """An optional integer."""
    return default if value is None else int(value)
