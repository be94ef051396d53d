"""Port-forwarding: pairs of streams per connection (SPDY), pairs of channels per port (WebSocket v4). Pure.

Upstream: pkg/cri/streaming/portforward/{httpstream,websocket}.go.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

PROTOCOL = "portforward.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
"""The WebSocket subprotocol whose binary messages carry an SPDY connection (kubectl from 1.31)."""
WEBSOCKET_PROTOCOLS = (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io")


@dataclass(slots=True)
class Pair:
    """The two streams of one forwarded connection."""

    port: int
    data: int | None = None
    error: int | None = None

    @property
    def complete(self) -> bool:
        """Both are there."""
        return self.data is not None and self.error is not None


class Pairs:
    """Finds the streams that belong together."""

    def __init__(self) -> None:
        self._waiting: dict[str, Pair] = {}

    def add(self, stream: int, headers: Mapping[str, str]) -> Pair | None:
        """A stream was opened: the pair it completes, if it does. Raises ValueError for headers that say nothing."""
        kind, port = headers.get("streamtype", ""), headers.get("port", "")
        if kind not in ("data", "error"):
            raise ValueError(f'"streamType" header must be data or error, not {kind!r}')
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f'unable to parse "{port}" as a port')
        # Clients before 1.2 sent no id: their data stream follows their error stream.
        request = headers.get("requestid") or str(stream if kind == "error" else stream - 2)
        pair = self._waiting.setdefault(request, Pair(int(port)))
        setattr(pair, kind, stream)
        if pair.complete:
            del self._waiting[request]
            return pair
        return None


def greeting(port: int) -> bytes:
    """The first message on both channels of a port: its number, little-endian."""
    return struct.pack("<H", port)
