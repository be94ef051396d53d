"""The parameter `timeout`: how long a request may take that is not long-running (endpoints/filters/request_deadline.go). Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from apiserver.context import RequestInfo
from kubepy.api.errors import BadRequest, go_value

MARK = b"timeout="
"""What the query of a request with a deadline of its own holds; few do."""
_LONG_RUNNING = frozenset(("attach", "exec", "log", "portforward", "proxy"))
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)([^\d.]*)")


def wanted(info: RequestInfo, query: bytes) -> float | None:
    """Seconds that the client gives the request, None for as long as usual. Raises BadRequest."""
    if info.verb in ("watch", "proxy") or info.subresource in _LONG_RUNNING:
        return None
    text = parse_qs(query.decode("latin-1"), encoding="utf-8").get("timeout", [""])[0]
    if not text:
        return None
    try:
        seconds = _seconds(text)
    except ValueError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - time: {error}") from None
    return seconds if seconds > 0 else None


def _seconds(text: str) -> float:
    """A Go duration. Raises ValueError in Go's words."""
    body = text[1:] if text[:1] in "+-" else text
    if body == "0":
        return 0.0
    total, at = 0.0, 0
    while at < len(body):
        part = _PART.match(body, at)
        if part is None:
            break
        if not part[2]:
            raise ValueError(f"missing unit in duration {go_value(text)}")
        if part[2] not in _UNITS:
            raise ValueError(f"unknown unit {go_value(part[2])} in duration {go_value(text)}")
        total, at = total + float(part[1]) * _UNITS[part[2]], part.end()
    if not body or at < len(body):
        raise ValueError(f"invalid duration {go_value(text)}")
    return -total if text[0] == "-" else total
