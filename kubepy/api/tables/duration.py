"""Ages: how long ago, in two or three significant figures (apimachinery pkg/util/duration)."""

from __future__ import annotations

from datetime import datetime


def human_duration(seconds: float) -> str:
    """`45s`, `2m30s`, `7h5m`, `3d4h`, `1y200d`; `<invalid>` for what lies in the future."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes = total // 60
    if minutes < 10:
        return _pair(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = total // 3600
    if hours < 8:
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 192:
        return _pair(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def seconds_of(timestamp: str) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def since(timestamp: str | None, now: float) -> str:
    """The age at `now` (seconds since the epoch) of an RFC 3339 time; `<unknown>` where there is none."""
    if not timestamp:
        return "<unknown>"
    return human_duration(now - seconds_of(timestamp))
