"""The parameter `timeout`: how long a request may take that is not long-running (endpoints/filters/request_deadline.go). Pure."""

from __future__ import annotations

from urllib.parse import parse_qs

from apiserver.context import RequestInfo
from kubepy.api.errors import BadRequest
from kubepy.api.goduration import nanoseconds

MARK = b"timeout="
"""What the query of a request with a deadline of its own holds; few do."""
_LONG_RUNNING = frozenset(("attach", "exec", "log", "portforward", "proxy"))


def wanted(info: RequestInfo, query: bytes) -> float | None:
    """Seconds that the client gives the request, None for as long as usual. Raises BadRequest."""
    if info.verb in ("watch", "proxy") or info.subresource in _LONG_RUNNING:
        return None
    text = parse_qs(query.decode("latin-1"), encoding="utf-8").get("timeout", [""])[0]
    if not text:
        return None
    try:
        seconds = nanoseconds(text) / 1e9
    except ValueError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - time: {error}") from None
    return seconds if seconds > 0 else None
