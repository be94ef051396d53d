"""One member of an etcd cluster: its address, and the connection to it, made when it is needed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from apiserver.storage.etcd.channel import Channel
from apiserver.storage.etcd.rpc import NeverSent
from apiserver.storage.interface import Unavailable

CONNECT_TIMEOUT = 3.0
"""Seconds to connect, TLS included."""
DEFAULT_PORT = 2379


@dataclass(frozen=True, slots=True)
class TLS:
    """Files in PEM: --etcd-cafile, --etcd-certfile, --etcd-keyfile; each may be empty."""

    ca: str = ""
    cert: str = ""
    key: str = ""

    def context(self) -> ssl.SSLContext:
        """Read the files; raises Unavailable with the file that cannot be read."""
        for name in (self.ca, self.cert, self.key):
            try:
                if name:
                    Path(name).open("rb").close()
            except OSError as error:
                raise Unavailable(f"cannot read {name}: {error.strerror}") from error
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
            if self.cert:
                context.load_cert_chain(self.cert, self.key or None)
        except ssl.SSLError as error:
            raise Unavailable(f"the certificates for etcd cannot be used: {error}") from error
        context.set_alpn_protocols(["h2"])
        return context


class Member:
    """One endpoint."""

    def __init__(self, endpoint: str, tls: TLS | None) -> None:
        scheme, _, rest = endpoint.rpartition("://")
        self.address = rest.rstrip("/")
        secure = scheme == "https" or (not scheme and tls is not None)
        self._scheme = "https" if secure else "http"
        self._context = (tls or TLS()).context() if secure else None
        self._channel: Channel | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    async def unary(self, path: str, request: bytes) -> bytes:
        """One call; raises RpcError."""
        channel = self._channel
        if channel is None or channel.unusable:
            channel = await self._connected()
        return await channel.unary(path, request)

    async def stream(self, path: str, request: bytes, metadata: tuple[tuple[str, str], ...] = ()) -> AsyncGenerator[list[bytes]]:
        """One call with answers without end; raises RpcError."""
        channel = await self._connected()
        async for batch in channel.stream(path, request, metadata):
            yield batch

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        self._closed = True
        if self._channel is not None:
            self._channel.close()

    async def _connected(self) -> Channel:
        channel = self._channel
        if channel is None or channel.unusable:
            async with self._connecting:
                channel = self._channel
                if channel is None or channel.unusable:
                    channel = self._channel = await self._connect()
        return channel

    async def _connect(self) -> Channel:
        if self._closed:
            raise NeverSent("the connection is closed")
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit():
            host, port = self.address, str(DEFAULT_PORT)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, channel = await loop.create_connection(
                    lambda: Channel(self._scheme, self.address), host.strip("[]"), int(port), ssl=self._context
                )
        except TimeoutError:
            raise NeverSent(f"failed to connect to {self.address} within {CONNECT_TIMEOUT:g} s") from None
        except OSError as error:
            raise NeverSent(f"failed to connect to {self.address}: {error}") from error
        return channel
